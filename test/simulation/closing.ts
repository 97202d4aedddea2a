import type { CloseReport } from "../../src/engine/hub/close.ts";
import type { Run } from "../../src/model/run.ts";
import type { Client } from "./client.ts";
import type { Reader } from "./reader.ts";
import { spiedSignal } from "./signal.ts";
import { stepLog, stepNetwork } from "./steps.ts";
import { grace, type World } from "./world.ts";

/** Closes at this moment, in any state, and checks everything that the notifier guarantees about closing. */
export async function closeAndCheck(world: World): Promise<void> {
  const { notifier, random, signals, trace, clients, log } = world;
  const ended = new Set(world.runs.filter((run) => run.status !== "working"));
  const before = new Map<string, number>();
  for (const [key, texts] of log.truth.texts)
    if ([...ended].some(({ id }) => key.startsWith(`run:${id} `))) before.set(key, texts.length);
  const sessions = new Map(clients.map((client) => [client, client.session?.id]));
  const hasty = spiedSignal();
  signals.push(hasty);
  const isSignalled = random.chance(0.3);
  if (isSignalled) signals[0]?.abort("stop");
  const closing = isSignalled ? notifier.closed : notifier.close();
  // All calls return one promise, and the earliest deadline applies, whoever gives it.
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
  world.sent.checkOrder();
  for (const reader of world.readers) checkReader(world, reader);
  await checkRefuses(world);
}

/** Continues everything except new work until the notifier has closed. That must happen by its deadline. */
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

function checkNothingLeft({ notifier, clock, signals, sent, followers, notes }: World): void {
  for (const [what, count] of Object.entries(notifier.stats())) {
    if (count !== 0) throw new Error(`After closing stats() says ${what}: ${count}`);
  }
  const left = notifier.inspect();
  if (left.length > 0) throw new Error(`After closing inspect() says ${JSON.stringify(left)}`);
  if (clock.armed > 0) throw new Error(`After closing ${clock.armed} timers are armed`);
  const listening = signals.filter((signal) => signal.listening > 0).length;
  if (listening > 0) throw new Error(`After closing ${listening} signals are listened to`);
  if (sent.pending > 0) throw new Error(`After closing ${sent.pending} publications have not settled`);
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
    checkEvents(world, run.id);
    // Earlier runs with this id got their endings, or were reported, before.
    if (run.id === "again") continue;
    const ends = runEvents(world, run.id)
      .flat()
      .filter((type) => endings.includes(type));
    const isReported = report.undelivered.some(
      ({ channel, reason }) => channel === `run:${run.id}` && reason === "unlogged",
    );
    // What the log was still working on at the deadline may have been appended all the same.
    if (ends.length === 0 && !isReported) throw new Error(`${run.id} has no ending, and nobody is told`);
    if (isReported && !ended.has(run) && !abandoned.includes(run.id))
      throw new Error(`${run.id} has no ending, and is not said to be given up`);
    if (ends.length > 0 && ends.at(-1) !== `run.${run.status}`)
      throw new Error(`${run.id} is ${run.status}, not ${ends.at(-1)}`);
  }
}

/** In each epoch a run's channel has one run: its start, its events, and one ending. */
function checkEvents(world: World, id: string): void {
  for (const types of runEvents(world, id)) {
    const ends = types.filter((type) => endings.includes(type));
    if (ends.length > 1) throw new Error(`${id} has ${ends.length} endings`);
    if (ends.length === 1 && types.at(-1) !== ends[0]) throw new Error(`${id} goes on after its ending`);
    // If the log has lost everything, the start may be lost, too.
    const starts = types.filter((type) => type === "run.started").length;
    if (starts > 1 || (!world.isWiped && types[0] !== "run.started"))
      throw new Error(`${id} has ${starts} starts, and begins with ${types[0]}`);
  }
  if (id !== "again") return;
  for (const [key, texts] of world.log.truth.texts) {
    if (!key.startsWith("run:again ")) continue;
    const lives = new Set(texts.flatMap((text) => /"life":\d+/.exec(text) ?? []));
    if (lives.size > 1) throw new Error(`${key} has events of ${lives.size} runs`);
  }
}

/** Returns the types of the events that were written to a run's channel, by epoch. */
function runEvents({ log }: World, id: string): string[][] {
  return [...log.truth.texts]
    .filter(([key]) => key.startsWith(`run:${id} `))
    .map(([, texts]) => texts.map((text) => JSON.parse(text).type as string));
}

/** A reader that was closed with everything read has all publications that resolved. */
function checkReader({ sent }: World, { closed, options }: Reader): void {
  for (const [channel, { epoch, offset }] of closed) {
    const made = sent.tops.get(`${channel} ${epoch}`) ?? 0;
    if (offset < made)
      throw new Error(`${options.user} was closed 3001 at ${offset} of ${made} in ${channel}`);
  }
}

/** Together, the delivered and the reported publications must be all that were published. */
function checkDelivered(
  world: World,
  report: CloseReport,
  client: Client,
  session: string | undefined,
  before: ReadonlyMap<string, number>,
): void {
  if (session === undefined || client.lastSession !== session) return;
  const topOf = (channel: string): number => {
    // A client that has not been told yet that its epoch is over may be told the top of the new epoch.
    if (world.isWiped) return Number.POSITIVE_INFINITY;
    const { epoch } = client.positions.get(channel) as { epoch: string };
    return world.log.truth.texts.get(`${channel} ${epoch}`)?.length ?? 0;
  };
  // What the log was still working on was rejected to its publisher, and may be appended later all the same.
  const madeIn = (channel: string): number => {
    const key = `${channel} ${client.positions.get(channel)?.epoch}`;
    return (channel.startsWith("run:") ? before.get(key) : world.sent.tops.get(key)) ?? 0;
  };
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
    // The client did not read the reply that would have told it where its subscription begins.
    if (position === undefined || !client.lastLive.includes(channel)) continue;
    const { offset } = position;
    if (read > offset)
      throw new Error(`${client.user}: ${channel} is reported read to ${read}, and is at ${offset}`);
    if (top < read || top > topOf(channel))
      throw new Error(`${client.user}: ${channel} is reported to end at ${top}`);
    if (isReadable(world) && top < madeIn(channel)) {
      throw new Error(
        `${client.user}: ${channel} is reported to end at ${top}, and ends at ${madeIn(channel)}`,
      );
    }
  }
}

/**
 * Returns whether the log answered everything correctly. If there is no time left, closing uses only its synchronous
 * answers.
 */
function isReadable({ pending, log, isWiped, shape }: World): boolean {
  return pending.length === 0 && log.faults === 0 && !isWiped && !shape.promisesOnly;
}

async function checkRefuses({ notifier, clients }: World): Promise<void> {
  const refused = await notifier.publish("a", 1).catch((error: Error) => error.name);
  if (refused !== "ClosedError") throw new Error("A publication after closing is not refused");
  const client = clients[0] as Client;
  client.connect(notifier, {});
  client.drain();
  if (client.closed !== 3001) throw new Error("A connection after closing is not closed at once");
}
