import type { Client } from "./client.ts";
import { followChannel } from "./follower.ts";
import { actMore } from "./more.ts";
import { quiet } from "./quiet.ts";
import { spiedSignal } from "./signal.ts";
import { stepLog, stepNetwork } from "./steps.ts";
import { channels, type World } from "./world.ts";

/** All actions, with their weights. */
const acts: [number, string, (world: World) => string | undefined | Promise<string>][] = [
  [30, "log", stepLog],
  [30, "network", stepNetwork],
  [12, "publish", publish],
  [8, "connect", connect],
  [8, "subscribe", subscribe],
  [2, "unsubscribe", unsubscribe],
  [3, "command", command],
  [6, "acknowledge", acknowledge],
  [2, "drop", drop],
  [3, "stall", stall],
  [3, "resume", resume],
  [4, "run", run],
  [2, "cancel", cancel],
  [2, "follow", follow],
  [1, "disconnect", disconnect],
  [6, "time", time],
  [1, "quiet", quiet],
  [2, "faults", faults],
];
const total = acts.reduce((sum, [weight]) => sum + weight, 0);

export async function act(world: World): Promise<void> {
  let at = world.random.next() * total;
  for (const [weight, name, perform] of acts) {
    at -= weight;
    if (at >= 0) continue;
    const what = await perform(world);
    if (what !== undefined) world.trace.push(`${name} ${what}`);
    break;
  }
  actMore(world);
}

function publish(world: World): string {
  const { random, own, notifier, clients, sent, confirmations, notes } = world;
  const channel = random.chance(0.3) ? `user:${random.pick(clients).user}` : random.pick(channels);
  const size = random.chance(0.1) ? random.below(3_000) : random.below(200);
  const count = random.chance(0.2) ? 1 + random.below(10) : 1;
  for (let i = 0; i < count; i++) {
    const signal = random.chance(0.05) ? spiedSignal() : undefined;
    if (signal !== undefined) world.signals.push(signal);
    const data = { n: random.below(1_000), text: "x".repeat(size) };
    const isConfirmed = random.chance(0.4);
    const ttl = 1 + random.below(world.longestTtl);
    // A key is always used with the same `confirm`: a repeated publication is the first one.
    const idempotencyKey = own.chance(0.2) ? own.pick(["k1", "k2", "c1", "c2"]) : undefined;
    const confirm = idempotencyKey?.startsWith("c") ?? isConfirmed;
    // A publication with a key is published even if its first caller stops waiting, which then has no receipt.
    const isShared = idempotencyKey !== undefined && confirm;
    const options = { confirm, ttl, signal: isShared ? undefined : signal?.signal, idempotencyKey };
    void sent.publish(notifier, channel, data, options).then((receipt) => {
      if (receipt === undefined || !confirm) return;
      confirmations.add(receipt)?.catch((error: unknown) => notes.push(error));
    });
    if (signal !== undefined && random.chance(0.5)) signal.abort("enough");
  }
  return `${count} × ${size} bytes to ${channel}`;
}

function connect(world: World): string | undefined {
  const { clients, random, notifier, pending } = world;
  const client = clients.find(({ isConnected }) => !isConnected);
  if (client === undefined) return undefined;
  const slow = random.chance(0.3);
  client.connect(notifier, {
    authorize: () => !slow || new Promise((resolve) => pending.push(() => resolve(true))),
  });
  return `${client.user}${slow ? " behind a slow authoriser" : ""}`;
}

function connected({ clients, random }: World): Client | undefined {
  const there = clients.filter(({ isConnected }) => isConnected);
  return there.length === 0 ? undefined : random.pick(there);
}

function subscribe(world: World): string | undefined {
  const client = connected(world);
  if (client === undefined) return undefined;
  const run = world.runs.length > 0 && world.random.chance(0.3) ? world.random.pick(world.runs) : undefined;
  const channel = run === undefined ? world.random.pick(channels) : `run:${run.id}`;
  if (client.knows(channel)) return undefined;
  if (run !== undefined && !client.positions.has(channel)) client.subscribeFromStart(channel);
  else client.subscribe(channel);
  return `${client.user} to ${channel}`;
}

function unsubscribe(world: World): string | undefined {
  const client = connected(world);
  // Also a channel whose subscription has not been confirmed yet.
  const names = client === undefined ? [] : [...client.live, ...client.asking];
  const channel = names.find((name) => !name.startsWith("user:"));
  if (client === undefined || channel === undefined) return undefined;
  client.unsubscribe(channel);
  return `${client.user} from ${channel}`;
}

function command(world: World): string | undefined {
  const { random } = world;
  const client = connected(world);
  if (client === undefined) return undefined;
  const [method, params] = random.pick<[string, object]>([
    ["ping", {}],
    ["rpc", { method: "wait" }],
    ["history", { channel: random.pick(channels), limit: random.below(20) - 1 }],
    ["presence", { channel: random.pick(channels) }],
    ["publish", { channel: random.pick(channels), data: { by: client.user } }],
    ["rpc", { method: "run.cancel", data: { run: world.runs.at(-1)?.id ?? "none" } }],
  ]);
  client.send(method, params);
  return `${client.user} ${method}`;
}

function acknowledge(world: World): string | undefined {
  const { random } = world;
  const client = connected(world);
  if (client === undefined) return undefined;
  const how = random.pick(["right", "right", "right", "less", "more", "elsewhere"] as const);
  const byRpc = random.chance(0.3);
  for (let said = 0; said < (random.chance(0.2) ? 2 : 1); said++) client.acknowledge(how, byRpc);
  return `${client.user} ${how}${byRpc ? " by rpc" : ""}`;
}

function drop(world: World): string | undefined {
  const client = connected(world);
  client?.drop();
  return client?.user;
}

function stall(world: World): string | undefined {
  const client = connected(world);
  if (client !== undefined) client.stalled = true;
  return client?.user;
}

function resume({ clients, random }: World): string | undefined {
  const stuck = clients.filter(({ stalled }) => stalled);
  if (stuck.length === 0) return undefined;
  const client = random.pick(stuck);
  client.stalled = false;
  return client.user;
}

function run(world: World): string {
  const { notifier, random, pending, runs } = world;
  const yields = random.below(6);
  const ending = random.pick(["return", "throw", "hang"] as const);
  const started = notifier.run(async function* ({ signal }) {
    for (let i = 0; i < yields; i++) {
      await new Promise<void>((resolve) => pending.push(resolve));
      yield { type: "step", i, text: "y".repeat(random.below(100)) };
    }
    if (ending === "throw") throw new Error("The task fails");
    if (ending === "hang") await new Promise(() => {});
    if (signal.aborted) throw signal.reason;
    return yields;
  });
  runs.push(started);
  return `${yields} steps, then ${ending}`;
}

function cancel({ runs, random }: World): string | undefined {
  if (runs.length === 0) return undefined;
  const run = random.pick(runs);
  run.cancel("simulated");
  return run.id.slice(0, 8);
}

/** Follows a channel in this process, from its start or from now on. */
function follow(world: World): string {
  const { random } = world;
  const channel = random.pick(channels);
  const fromStart = random.chance(0.5);
  const stop = followChannel(world, channel, fromStart);
  if (random.chance(0.5)) world.pending.push(stop);
  return `${channel}${fromStart ? " from its start" : ""}`;
}

function disconnect({ clients, notifier, random }: World): string {
  const { user } = random.pick(clients);
  if (random.chance(0.5)) notifier.disconnect({ user }, random.pick([3011, 3503]));
  else notifier.unsubscribe(user, random.pick(channels));
  return user;
}

async function time({ clock, random, shape }: World): Promise<string> {
  const ms = 1 + random.below(random.pick([1, 50, 500, 5_000, 30_000]));
  // Readers without lag read before time passes, as in a process that is not blocked.
  if (shape.isPrompt) await clock.settle();
  await clock.advance(ms);
  return `${ms} ms`;
}

function faults({ log, random }: World): string {
  log.faults = random.pick([0, 0, 0.3, 1]);
  return `${log.faults}`;
}
