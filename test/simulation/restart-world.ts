import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import { ClosedError, ExistsError } from "../../src/model/errors.ts";
import type { Log, Position } from "../../src/model/log.ts";
import { type Pipe, pipe } from "../../src/testing/pipe.ts";
import { type FakeClock, fakeClock } from "../../src/testing.ts";
import { crash, durableLog, durableStore } from "../support/durable-log.ts";
import { killable } from "../support/killable-log.ts";
import { type Random, random } from "./random.ts";

/** What outlives a process, and how processes work with it. */
export interface Store {
  /** Milliseconds after a crash until the next process can write. */
  readonly takeover: number;
  /** Starts a process. `died` is called when it dies, in the middle of what it does. */
  open(clock: FakeClock, random: Random, died: () => void): Process;
  close(): void;
}

export type Stores = () => Store;

/** One process. */
export interface Process {
  readonly log: Log;
  /** Ends it: at once, or with `soon` perhaps in the middle of what it does next. */
  kill(soon: boolean): void;
  /** Called when it is dead for sure: undoes what it had not finished. */
  undo(): void;
}

/** The model of a store, in memory. */
const models: Stores = () => {
  const store = durableStore();
  return {
    takeover: 0,
    open(clock, _, died) {
      const retention = { size: Infinity, bytes: Infinity, ttl: Infinity, slack: 0 };
      const log = killable(durableLog(store, clock, retention));
      return {
        log,
        kill() {
          log.kill();
          died();
        },
        undo: () => crash(store),
      };
    },
    close() {},
  };
};

const channels = ["a", "b"];
const users = ["ann", "bob", "cleo"];
const minute = 60_000;

/** A client that reconnects with the positions it has, and what it received. */
interface Follower {
  readonly user: string;
  readonly acknowledges: boolean;
  pipe: Pipe | undefined;
  readonly at: Map<string, Position>;
  /** Everything that it was ever sent, by channel. */
  readonly got: Map<string, { offset: number; epoch: string; data: string }[]>;
}

interface World {
  readonly random: Random;
  readonly clock: FakeClock;
  readonly store: Store;
  process: Process;
  notifier: Notifier;
  /** Number of this life; 0 while no process lives. What a process does after its death reaches nobody. */
  life: number;
  lives: number;
  readonly followers: Follower[];
  /** Publications whose promise was resolved by a process that was alive. */
  readonly resolved: { channel: string; position: Position; data: string; key: string | undefined }[];
  /** Confirmed publications that were in the log for sure, by data. */
  readonly confirmed: Set<string>;
  /** How often each was reported as given up. */
  readonly reported: Map<string, number>;
  readonly runs: string[];
  readonly errors: unknown[];
  count: number;
}

/** Plays one schedule. Throws with the seed if a rule is broken. */
export async function simulateRestarts(seed: number, stores: Stores = models): Promise<void> {
  const source = random(seed);
  const clock = fakeClock({ seed });
  const store = stores();
  const world: World = {
    random: source,
    clock,
    store,
    process: undefined as unknown as Process,
    notifier: undefined as unknown as Notifier,
    life: 0,
    lives: 0,
    followers: users.map((user, n) => ({
      ...{ user, acknowledges: n === 0, pipe: undefined, at: new Map(), got: new Map() },
    })),
    resolved: [],
    confirmed: new Set(),
    reported: new Map(),
    runs: [],
    errors: [],
    count: 0,
  };
  try {
    await begin(world);
    const steps = 20 + source.below(60);
    for (let step = 0; step < steps; step++) await act(world);
    await restart(world);
    await finish(world);
    await judge(world);
    await end(world.notifier, clock);
  } catch (error) {
    throw new Error(`Seed ${seed} breaks a rule: ${(error as Error).message}`, { cause: error });
  } finally {
    store.close();
  }
}

async function begin(world: World): Promise<void> {
  const life = ++world.lives;
  world.life = life;
  const { clock, store, random: source } = world;
  world.process = store.open(clock, source, () => {
    if (world.life !== life) return;
    take(world);
    world.life = 0;
  });
  world.notifier = createNotifier({
    log: world.process.log,
    clock,
    limits: { runTtl: 60 * minute, idempotency: 10 * minute },
    onUndelivered({ data }) {
      if (world.life !== life) return;
      const text = JSON.stringify(data);
      world.reported.set(text, (world.reported.get(text) ?? 0) + 1);
    },
    onError(error, { stage }) {
      if (world.life === life && stage !== "log") world.errors.push(error);
    },
  });
  // The first use. A crashed process may still own the store.
  void world.notifier.closing;
  await clock.advance(store.takeover + 1);
}

async function act(world: World): Promise<void> {
  const { random: source, clock } = world;
  const roll = source.next();
  if (roll < 0.35) publish(world);
  else if (roll < 0.45) startRun(world);
  else if (roll < 0.65) connect(world, source.pick(world.followers));
  else if (roll < 0.72) drop(source.pick(world.followers));
  else if (roll < 0.78) acknowledge(world, source.pick(world.followers));
  else if (roll < 0.84) await clock.advance(source.below(3_000));
  else if (roll < 0.88) await crashNow(world);
  else if (roll < 0.9) await restart(world);
  // Sometimes a turn passes, and sometimes only the promises that are due.
  if (source.chance(0.5)) await clock.settle();
  else for (let n = source.below(4); n > 0; n--) await Promise.resolve();
  take(world);
}

function publish(world: World): void {
  const { notifier, random: source, life } = world;
  const channel = source.pick(channels);
  const key = source.chance(0.3) ? `key ${source.below(6)}` : undefined;
  const confirm = source.chance(0.3);
  const data = { n: ++world.count, ...(key !== undefined && { key }) };
  const text = JSON.stringify(data);
  const ttl = source.pick([2_000, 20_000, 10 * minute]);
  notifier.publish(channel, data, { idempotencyKey: key, confirm, ttl }).then(
    ({ position }) => {
      if (world.life !== life) return;
      world.resolved.push({ channel, position, data: text, key });
      if (confirm && key === undefined) world.confirmed.add(text);
    },
    (error: unknown) => {
      if (world.life === life && !(error instanceof ClosedError)) world.errors.push(error);
    },
  );
}

function startRun(world: World): void {
  const { notifier, random: source, clock, life } = world;
  const id = source.chance(0.2) ? "again" : `run ${++world.count}`;
  if (notifier.runs.get(id) !== undefined) return;
  const ms = source.below(4_000);
  const run = notifier.run(
    async function* ({ signal }) {
      yield { type: "step" };
      await new Promise<void>((resolve, reject) => {
        const timer = clock.timer(ms, resolve);
        signal.addEventListener("abort", () => {
          timer.cancel();
          reject(signal.reason);
        });
      });
      return id;
    },
    { id, owner: "ann", channel: "runs" },
  );
  world.runs.push(id);
  run.result().catch((error: unknown) => {
    const isExpected = error instanceof ExistsError || (error as Error).name === "CancelError";
    if (world.life === life && !isExpected && !(error instanceof ClosedError)) world.errors.push(error);
  });
}

function connect(world: World, follower: Follower): void {
  if (follower.pipe !== undefined) return;
  const { notifier } = world;
  const { user, at } = follower;
  follower.pipe = pipe(notifier, { peer: { user, authorize: () => true } });
  follower.pipe.send({ id: 1, connect: {} });
  for (const [n, channel] of channels.entries()) {
    const from = at.get(channel) ?? { offset: 0, epoch: "" };
    follower.pipe.send({ id: 2 + n, subscribe: { channel, recover: true, ...from } });
  }
}

function drop(follower: Follower): void {
  follower.pipe?.drop();
  follower.pipe = undefined;
}

/** Moves what clients have received into their records. */
function take({ followers, life }: World): void {
  for (const follower of followers) {
    const messages = follower.pipe?.take() ?? [];
    if (life > 0) for (const message of messages) read(follower, message as Received);
    if (follower.pipe?.closed !== undefined) follower.pipe = undefined;
  }
}

interface Received {
  id?: number;
  subscribe?: { recovered?: boolean; epoch: string; offset?: number; publications?: Pub[] };
  push?: { channel: string; pub?: Pub };
}
interface Pub {
  offset: number;
  data: unknown;
}

function read(follower: Follower, { id, subscribe, push }: Received): void {
  if (subscribe !== undefined) {
    const channel = channels[(id as number) - 2] as string;
    if (subscribe.recovered !== true) throw new Error(`${follower.user} lost its place in ${channel}`);
    const before = follower.at.get(channel);
    const { epoch } = subscribe;
    if (before !== undefined && before.epoch !== epoch)
      throw new Error(`${follower.user} came back to another epoch of ${channel}`);
    follower.at.set(channel, before ?? { offset: 0, epoch });
    for (const pub of subscribe.publications ?? []) receive(follower, channel, pub);
  }
  if (push?.pub !== undefined) receive(follower, push.channel, push.pub);
}

function receive(follower: Follower, channel: string, { offset, data }: Pub): void {
  const at = follower.at.get(channel);
  if (at === undefined || offset !== at.offset + 1)
    throw new Error(`${follower.user} got ${offset} of ${channel} after ${at?.offset}`);
  follower.at.set(channel, { offset, epoch: at.epoch });
  const got = follower.got.get(channel) ?? [];
  got.push({ offset, epoch: at.epoch, data: JSON.stringify(data) });
  follower.got.set(channel, got);
}

function acknowledge(world: World, follower: Follower): void {
  if (!follower.acknowledges || follower.pipe === undefined) return;
  take(world);
  const ack = Object.fromEntries(follower.at);
  follower.pipe?.send({ send: { data: { ack } } });
}

/** Ends the process at any instant. What it sends after that reaches nobody, and what it is told counts for nothing. */
async function crashNow(world: World): Promise<void> {
  const { process: dying, notifier: old, clock, random: source } = world;
  // It may die in the middle of what it does next.
  dying.kill(true);
  if (source.chance(0.5)) await clock.settle();
  dying.kill(false);
  for (const follower of world.followers) drop(follower);
  dying.undo();
  await end(old, clock);
  await begin(world);
}

/** Closes the process, and starts the next. */
async function restart(world: World): Promise<void> {
  const { notifier, clock } = world;
  const closing = notifier.close();
  await clock.advance(10_000);
  take(world);
  const report = await closing;
  if (report.undelivered.some(({ reason }) => reason !== "expired" && reason !== "unlogged"))
    throw new Error(`closing gave up ${JSON.stringify(report.undelivered)}`);
  world.life = 0;
  for (const follower of world.followers) drop(follower);
  await begin(world);
}

async function end(notifier: Notifier, clock: FakeClock): Promise<void> {
  const closing = notifier.close();
  await clock.advance(60_000);
  await closing;
}

/** Lets everything that is possible happen: every client comes back and reads, and every time is over. */
async function finish(world: World): Promise<void> {
  for (const follower of world.followers) connect(world, follower);
  await world.clock.advance(minute);
  take(world);
  for (const follower of world.followers) acknowledge(world, follower);
  await world.clock.advance(30 * minute);
  take(world);
}

async function judge(world: World): Promise<void> {
  const { notifier, followers, resolved, reported, confirmed } = world;
  const demand = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(what);
  };
  demand(world.errors.length === 0, `it reported ${world.errors.map(String)}`);
  for (const channel of channels) {
    const { epoch, offset: top, publications } = await notifier.history(channel);
    demand(publications.length === top, `${channel} has ${publications.length} of ${top}`);
    const has = (offset: number): string | undefined => JSON.stringify(publications[offset - 1]?.data);
    for (const { position, data, key } of resolved.filter((each) => each.channel === channel)) {
      demand(position.epoch === epoch, `${channel} is in another epoch than ${data}`);
      const found = has(position.offset);
      const isSame = key === undefined ? found === data : JSON.parse(found ?? "{}").key === key;
      demand(isSame, `${data} was at ${position.offset} of ${channel}, where ${found} is`);
    }
    const texts = publications.map(({ data }) => JSON.stringify(data));
    demand(new Set(texts).size === texts.length, `${channel} has a publication twice`);
    for (const { user, got } of followers) {
      for (const { offset, epoch: of, data } of got.get(channel) ?? [])
        demand(
          of === epoch && has(offset) === data,
          `${user} was sent ${data} as ${offset} of ${channel}, where ${has(offset)} is`,
        );
      demand((got.get(channel)?.length ?? 0) === top, `${user} did not get all of ${channel}`);
    }
  }
  for (const id of new Set(world.runs)) await judgeRun(notifier, id, demand);
  for (const [data, count] of reported) demand(count === 1, `${data} was reported ${count} times`);
  for (const data of confirmed) {
    const isReceived = followers.some(({ got }) =>
      channels.some((channel) => got.get(channel)?.some((each) => each.data === data)),
    );
    demand(isReceived || reported.has(data), `${data} was neither received nor reported`);
  }
  // The endings of runs, which nobody follows, are given up now.
  await world.clock.advance(60 * minute);
  demand(notifier.stats().confirmed === 0, `${notifier.stats().confirmed} confirmed publications wait`);
}

async function judgeRun(
  notifier: Notifier,
  id: string,
  demand: (holds: boolean, what: string) => void,
): Promise<void> {
  const { publications } = await notifier.history(`run:${id}`);
  const types = publications.map(({ data }) => (data as { type: string }).type);
  // A run whose start was not committed is not known to anybody.
  if (types.length === 0) return;
  const endings = types.filter((type) => type.startsWith("run.") && type !== "run.started");
  demand(
    types[0] === "run.started" && endings.length === 1 && types.at(-1) === endings[0],
    `run ${id} has ${types}`,
  );
  const found = await notifier.runs.find(id);
  demand(
    found?.status === endings[0]?.slice(4),
    `run ${id} is said to be ${found?.status}, not ${endings[0]}`,
  );
}
