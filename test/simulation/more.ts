import { followChannel } from "./follower.ts";
import { press } from "./publishers.ts";
import { channels, type World } from "./world.ts";

/** The actions that were added later, with their weights. */
const acts: [number, string, (world: World) => string | undefined][] = [
  [4, "press", press],
  [2, "reader", moveReader],
  [2, "come and go", comeAndGo],
  [2, "run again", runAgain],
  [1, "wipe", wipe],
];
const total = acts.reduce((sum, [weight]) => sum + weight, 0);

/** Sometimes runs one more action. */
export function actMore(world: World): void {
  const { own, trace } = world;
  if (!own.chance(0.2)) return;
  let at = own.next() * total;
  for (const [weight, name, perform] of acts) {
    at -= weight;
    if (at >= 0) continue;
    const what = perform(world);
    if (what !== undefined) trace.push(`${name} ${what}`);
    return;
  }
}

/** A reader connects, stops or resumes reading, or reconnects at once. */
function moveReader({ own, readers }: World): string | undefined {
  if (readers.length === 0) return undefined;
  const reader = own.pick(readers);
  const { user, isSafe, lag } = reader.options;
  if (reader.session === undefined) {
    if (reader.stalled) reader.resume();
    else reader.connect();
    return `${user} connects`;
  }
  if (!isSafe && own.chance(0.7)) {
    if (reader.stalled) reader.resume();
    else reader.stall();
    return `${user} ${reader.stalled ? "stalls" : "reads on"}`;
  }
  if (lag > 0 || reader.stalled) return undefined;
  reader.drop();
  reader.connect();
  return `${user} comes back`;
}

/** Several clients join and leave a channel with listeners. */
function comeAndGo({ own, readers, clients }: World): string | undefined {
  const channel = own.pick(channels);
  for (const reader of readers) {
    const { session, stalled, options } = reader;
    if (session === undefined || stalled || options.granted.includes(channel)) continue;
    if (own.chance(0.5)) reader.leaveAndCome(channel);
  }
  const moving = clients.filter(({ isConnected }) => isConnected && own.chance(0.5));
  for (const client of moving) {
    if (client.live.has(channel)) client.unsubscribe(channel);
    else if (!client.knows(channel)) client.subscribe(channel);
  }
  return `${moving.map(({ user }) => user).join(", ")} on ${channel}`;
}

/** Starts a run with an id that earlier runs had. Only one user may follow it. */
function runAgain(world: World): string | undefined {
  const { notifier, own, pending, runs, clients } = world;
  if (notifier.runs.get("again") !== undefined) return follow(world);
  const life = world.lives.length + 1;
  const steps = own.below(5);
  const started = notifier.run(
    async function* () {
      for (let i = 0; i < steps; i++) {
        if (own.chance(0.5)) await new Promise<void>((resolve) => pending.push(resolve));
        yield { type: "step", life, i };
      }
      return { life };
    },
    { id: "again", owner: "ann" },
  );
  runs.push(started);
  world.lives.push(started);
  const [ann] = clients;
  if (ann?.isConnected && !ann.knows("run:again")) ann.subscribeFromStart("run:again");
  return `${life}, ${steps} steps`;
}

/** Follows that run from its start. */
function follow(world: World): string | undefined {
  if (world.followers.size > 5) return undefined;
  const stop = followChannel(world, "run:again", true);
  if (world.own.chance(0.7)) world.pending.push(stop);
  return "is followed";
}

/** Rarely, the log loses everything. */
function wipe(world: World): string | undefined {
  if (!world.own.chance(0.3)) return undefined;
  world.isWiped = true;
  for (const reader of world.readers) reader.mayLose();
  world.log.wipe();
  return "everything";
}
