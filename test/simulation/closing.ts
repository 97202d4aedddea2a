import type { CloseReport } from "../../src/close.ts";
import type { Run } from "../../src/run-task.ts";
import type { Client } from "./client.ts";
import { spiedSignal } from "./signal.ts";
import { stepLog, stepNetwork } from "./steps.ts";
import { grace, type World } from "./world.ts";

/** Closes at this instant, however things stand, and holds the notifier to everything it promises of that. */
export async function closeAndCheck(world: World): Promise<void> {
  const { notifier, random, signals, trace, clients } = world;
  const ended = new Set(world.runs.filter((run) => run.status !== "working"));
  const before = new Map([...ended].map(({ id }) => [`run:${id}`, runEvents(world, id).length]));
  const sessions = new Map(clients.map((client) => [client, client.session?.id]));
  const hasty = spiedSignal();
  signals.push(hasty);
  const isSignalled = random.chance(0.3);
  if (isSignalled) signals[0]?.abort("stop");
  const closing = isSignalled ? notifier.closed : notifier.close();
  // One promise, and the earliest deadline wins, whoever gives it.
  if (notifier.close({ signal: hasty.signal }) !== closing)
    throw new Error("Closing is more than one promise");
  trace.push(isSignalled ? "close by signal" : "close");
  const report = await untilClosed(world, closing, random.chance(0.2) ? hasty.abort : undefined);
  trace.push(`report ${JSON.stringify(report)}`);
  checkNothingLeft(world);
  checkRuns(world, report, ended);
  for (const client of clients) checkDelivered(world, report, client, sessions.get(client), before);
  await world.confirmations.checkClosed();
  const { reported } = world.confirmations;
  if (report.givenUp !== reported || report.undelivered.length > reported)
    throw new Error(`${report.givenUp} are given up, and ${reported} reported`);
  await checkRefuses(world);
}

/** Goes on with everything but new work until it has closed, which it has to by its deadline. */
async function untilClosed(
  world: World,
  closing: Promise<CloseReport>,
  hurry: (() => void) | undefined,
): Promise<CloseReport> {
  const { clock, random, pending, clients } = world;
  const began = clock.now();
  let report: CloseReport | undefined;
  closing.then((value) => {
    report = value;
  });
  for (;;) {
    await clock.settle();
    if (report !== undefined) return report;
    const left = began + grace - clock.now();
    if (left <= 0) throw new Error("Closing did not settle by its deadline");
    if (hurry !== undefined && random.chance(0.05)) {
      hurry();
      await clock.settle();
      if (report === undefined) throw new Error("Closing did not settle when its grace was ended");
    } else if (random.chance(0.02)) random.pick(clients).drop();
    else if (random.chance(0.05)) random.pick(clients).stalled = random.chance(0.5);
    else if (pending.length > 0 && random.chance(0.6)) stepLog(world);
    else if (clients.some(({ hasTraffic }) => hasTraffic) && random.chance(0.9)) stepNetwork(world);
    else await clock.advance(Math.min(1 + random.below(400), left));
  }
}

function checkNothingLeft({ notifier, clock, signals, publishing, followers, notes }: World): void {
  for (const [what, count] of Object.entries(notifier.stats())) {
    if (count !== 0) throw new Error(`After closing stats() says ${what}: ${count}`);
  }
  const left = notifier.inspect();
  if (left.length > 0) throw new Error(`After closing inspect() says ${JSON.stringify(left)}`);
  if (clock.armed > 0) throw new Error(`After closing ${clock.armed} timers are armed`);
  const listening = signals.filter((signal) => signal.listening > 0).length;
  if (listening > 0) throw new Error(`After closing ${listening} signals are listened to`);
  if (publishing > 0) throw new Error(`After closing ${publishing} publications have not settled`);
  if (followers.size > 0) throw new Error(`After closing ${followers.size} still follow`);
  if (notes.length > 0) throw notes[0];
}

const endings = ["run.completed", "run.failed", "run.cancelled"];

function checkRuns(world: World, report: CloseReport, ended: ReadonlySet<Run<unknown>>): void {
  const { runs } = world;
  const { completed, failed, cancelled, abandoned } = report.runs;
  const named = [...completed, ...failed, ...cancelled, ...abandoned].sort();
  const working = runs.filter((run) => !ended.has(run)).map(({ id }) => id);
  if (named.join() !== working.sort().join())
    throw new Error("The report does not name each run that worked once");
  for (const run of runs) {
    if (run.status === "working") throw new Error(`${run.id} works after closing`);
    const types = runEvents(world, run.id).map((text) => JSON.parse(text).type as string);
    const ends = types.filter((type) => endings.includes(type));
    if (ends.length > 1) throw new Error(`${run.id} has ${ends.length} endings`);
    if (ends.length === 1 && types.at(-1) !== ends[0]) throw new Error(`${run.id} goes on after its ending`);
    if (types.length > 0 && types[0] !== "run.started")
      throw new Error(`${run.id} does not begin with its start`);
    const isReported = report.undelivered.some(
      ({ channel, reason }) => channel === `run:${run.id}` && reason === "unlogged",
    );
    // What the log was busy with at the deadline may have come into it all the same.
    if (ends.length === 0 && !isReported) throw new Error(`${run.id} has no ending, and nobody is told`);
    if (isReported && !ended.has(run) && !abandoned.includes(run.id))
      throw new Error(`${run.id} has no ending, and is not said to be given up`);
    if (ends.length === 1 && ends[0] !== `run.${run.status}`)
      throw new Error(`${run.id} is ${run.status}, not ${ends[0]}`);
  }
}

/** What was written into a run's channel. */
function runEvents({ log }: World, id: string): string[] {
  return [...log.truth].filter(([key]) => key.startsWith(`run:${id} `)).flatMap(([, texts]) => texts);
}

/** Delivered and reported together have to be all that was published. */
function checkDelivered(
  world: World,
  report: CloseReport,
  client: Client,
  session: string | undefined,
  before: ReadonlyMap<string, number>,
): void {
  if (session === undefined || client.lastSession !== session) return;
  const topOf = (channel: string): number => {
    const { epoch } = client.positions.get(channel) as { epoch: string };
    return world.log.truth.get(`${channel} ${epoch}`)?.length ?? 0;
  };
  // What the log was still busy with was refused to whoever published it, and may come into it later all the same.
  const madeIn = (channel: string): number =>
    (channel.startsWith("run:") ? before.get(channel) : world.published.get(channel)) ?? 0;
  const cut = report.cut.find((each) => each.session === session);
  if (cut === undefined) {
    // What the sockets still hold is delivered: closing them does not lose it.
    client.drain();
    if (client.closed !== 3001) return;
    if (client.unreadAtClose > 0)
      throw new Error(`${client.user} was closed 3001 with ${client.unreadAtClose} bytes not proven read`);
    for (const channel of client.lastLive) {
      const made = madeIn(channel);
      const { offset } = client.positions.get(channel) as { offset: number };
      if (offset < made)
        throw new Error(`${client.user} was closed 3001 at ${offset} of ${made} in ${channel}`);
    }
    return;
  }
  for (const [channel, { read, top }] of Object.entries(cut.channels)) {
    const position = client.positions.get(channel);
    // The reply that would have told it where its subscription begins was not read.
    if (position === undefined || !client.lastLive.includes(channel)) continue;
    const { offset } = position;
    if (read > offset)
      throw new Error(`${client.user}: ${channel} is reported read to ${read}, and is at ${offset}`);
    if (top < read || top > topOf(channel))
      throw new Error(`${client.user}: ${channel} is reported to end at ${top}`);
    if (world.pending.length === 0 && world.log.faults === 0 && top < madeIn(channel)) {
      throw new Error(
        `${client.user}: ${channel} is reported to end at ${top}, and ends at ${madeIn(channel)}`,
      );
    }
  }
}

async function checkRefuses({ notifier, clients }: World): Promise<void> {
  const refused = await notifier.publish("a", 1).catch((error: Error) => error.name);
  if (refused !== "ClosedError") throw new Error("A publication after closing is not refused");
  const client = clients[0] as Client;
  client.connect(notifier, {});
  client.drain();
  if (client.closed !== 3001) throw new Error("A connection after closing is not closed at once");
}
