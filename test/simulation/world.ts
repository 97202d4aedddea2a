import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import type { Run } from "../../src/model/run.ts";
import { Client } from "./client.ts";
import { type SimulatedClock, simulatedClock } from "./clock.ts";
import { Confirmations, type Receiver } from "./confirmed.ts";
import { faultyLog, promptLog, type SimulatedLog } from "./faulty-log.ts";
import { Publications } from "./publications.ts";
import { type Random, random } from "./random.ts";
import { Reader, type ReaderOptions } from "./reader.ts";
import { type SpiedSignal, spiedSignal } from "./signal.ts";

export const channels = ["a", "b", "c"];
export const grace = 5_000;
/** How long an idempotency key is remembered, in milliseconds. */
const idempotency = 20_000;

/** One schedule: a notifier, a log that fails, clients behind a network, and all actions on them. */
export interface World {
  readonly random: Random;
  /** The source for choices that were added later, so that the first seeds keep their meaning. */
  readonly own: Random;
  readonly shape: Shape;
  readonly clock: SimulatedClock;
  readonly log: SimulatedLog;
  readonly notifier: Notifier;
  readonly clients: Client[];
  /** Readers without a network. They exist only if the log answers at once. */
  readonly readers: Reader[];
  readonly runs: Run<unknown>[];
  readonly signals: SpiedSignal[];
  /** The calls that wait for the scheduler. */
  readonly pending: (() => void)[];
  /** Errors that nothing else could throw. */
  readonly notes: unknown[];
  /** The actions so far, for whoever replays a seed. */
  readonly trace: string[];
  readonly sent: Publications;
  /** When a publisher last had a reason to keep waiting: the server sent a ping, or received a pong. */
  beat: number;
  /** Whether the log has ever lost everything. */
  isWiped: boolean;
  /** The runs that have had the reused id, in the order of their starts. */
  readonly lives: Run<unknown>[];
  readonly confirmations: Confirmations;
  /** The maximum `ttl` of confirmed publications. It is short if only a few may wait. */
  readonly longestTtl: number;
  /** The followers in this process that have not ended. */
  readonly followers: Set<Follower>;
}

/** A follower in this process. */
export interface Follower {
  readonly channel: string;
  /** The offset that it received last. Undefined while its start is unknown. */
  last: number | undefined;
}

/** The choices of a world that are not drawn from the first source. */
export interface Shape {
  /** Whether the log answers at once. */
  readonly isPrompt: boolean;
  /** Whether the log answers with promises only. */
  readonly promisesOnly: boolean;
  /** The probability that an append fails or its answer is lost, and the probability that a read is torn. */
  readonly lost: number;
  readonly torn: number;
  readonly window: number;
  /** `limits.waiting`, `limits.runTtl`, `limits.endedBytes`. */
  readonly waiting: number;
  readonly runTtl: number;
  readonly endedBytes: number;
  /** The retention of a log that answers at once, and of a run's channel in it. */
  readonly retention: { readonly size: number; readonly bytes: number; readonly slack: number };
  readonly runBytes: number;
}

function shapeOf({ chance, pick, below }: Random): Shape {
  const isPrompt = chance(0.3);
  const few = { waiting: 4_096, runTtl: 2_000, endedBytes: 3_000 };
  return {
    isPrompt,
    lost: pick(isPrompt ? [0, 0, 0, 0.1] : [0, 0.1, 0.3]),
    torn: pick(isPrompt ? [0, 0, 0, 0.2] : [0, 0, 0.1, 0.3]),
    window: isPrompt ? pick([256, 1_024, 2_048, 2_048, 8_192]) : 2_048,
    waiting: chance(0.3) ? few.waiting : 67_108_864,
    runTtl: chance(0.5) ? few.runTtl : 300_000,
    endedBytes: chance(0.2) ? few.endedBytes : 67_108_864,
    retention: {
      size: pick([1, 1 + below(12), 1_000]),
      bytes: pick([0, 500, 4_000, 1_048_576]),
      slack: pick([16_384, 16_384, 65_536, 8_388_608]),
    },
    runBytes: pick([20_000, 100_000, 1_000_000]),
    promisesOnly: chance(0.25),
  };
}

export function createWorld(seed: number): World {
  const source = random(seed);
  const own = random(seed ^ 0x5eed_0ff5);
  const shape = shapeOf(own);
  const { isPrompt, retention, window } = shape;
  const clock = simulatedClock(source);
  const pending: (() => void)[] = [];
  const later = (run: () => void): void => void pending.push(run);
  const small = source.chance(0.5);
  const faulty = small ? { size: 4 + source.below(12), slack: 0 } : {};
  const log = isPrompt
    ? promptLog({ clock, own, retention }, shape.promisesOnly)
    : faultyLog({ clock, random: source, own, later, retention: faulty });
  log.faults = source.chance(0.5) || isPrompt ? 0 : 0.2;
  Object.assign(log, { lost: shape.lost, torn: shape.torn });
  const signal = spiedSignal();
  const few = source.chance(0.3);
  const limits = limitsOf(shape, small, few);
  const notes: unknown[] = [];
  const clients = ["ann", "bob", "cleo"].map(
    (user) => new Client(user, [`user:${user}`], log.truth.texts, own.chance(0.3)),
  );
  const receivers: Receiver[] = [...clients];
  const confirmations = new Confirmations(receivers, log.truth.texts, source.chance(0.5));
  const notifier = createNotifier({
    log,
    clock,
    window,
    grace,
    limits,
    signal: signal.signal,
    onUndelivered: (publication, reason) => confirmations.report(publication, reason),
    onError: (error, { stage }) => {
      if (stage === "undelivered") notes.push(error);
      if (stage === "internal" && !isOfLog(error)) notes.push(error);
    },
    onRefused: () => {},
    rpc: { wait: () => new Promise((resolve) => later(() => resolve(1))) },
  });
  const world: World = {
    random: source,
    own,
    shape,
    clock,
    log,
    notifier,
    clients,
    readers: [],
    runs: [],
    signals: [signal],
    pending,
    trace: [`${JSON.stringify({ ...shape, small, few, faults: log.faults })}`],
    notes,
    sent: new Publications({ clock, truth: log.truth, notes, waiting: shape.waiting, idempotency }),
    beat: 0,
    isWiped: false,
    lives: [],
    confirmations,
    longestTtl: few ? 1_000 : 40_000,
    followers: new Set(),
  };
  for (const client of clients) {
    client.beat = () => beat(world);
    client.lives = () => world.lives.length;
    client.livedSince = (life) => livedSince(world, life);
  }
  if (isPrompt) world.readers.push(...readersIn(world));
  receivers.push(...world.readers);
  return world;
}

/**
 * Returns the run that a reader from the start must see at least, if so many had the reused id when it began. The log
 * refuses a run while it still keeps the one before; its task cannot fail otherwise.
 */
export function livedSince({ lives }: Pick<World, "lives">, life: number): number {
  let last = life;
  while (last > 0 && lives[last - 1]?.status === "failed") last--;
  return last;
}

function beat(world: World): void {
  world.beat = world.clock.now();
}

/** Returns whether an error is one of those that the log makes. */
export function isOfLog(error: unknown): boolean {
  const { message } = error as Error;
  return message === "The log fails" || message.includes("its log is at fault, it returned");
}

function limitsOf({ isPrompt, runBytes, waiting, runTtl, endedBytes }: Shape, small: boolean, few: boolean) {
  return {
    ...(few && { confirmed: 3, confirmedTotal: 5 }),
    message: 12_288,
    subscriptions: 20,
    channel: 64,
    runBytes: isPrompt ? runBytes : small ? 1_500 : 1_000_000,
    slow: 60_000,
    commands: 50,
    waiting,
    runTtl,
    endedBytes,
    idempotency,
  };
}

/** Two readers that read as they should, and one that does not always. */
function readersIn(world: World): Reader[] {
  const { own, clock, notifier, log, notes, shape } = world;
  // While the log cannot be read, nobody can be sent anything.
  const isSafe = shape.torn === 0;
  const [granted = "", ...asked] = own.chance(0.5) ? channels : [...channels].reverse();
  const joins = own.chance(0.5);
  const all: ReaderOptions[] = [
    { user: "eve", granted: [granted], asked, lag: 0, joins, isSafe },
    { user: "fay", granted: [], asked: channels, lag: 1 + own.below(4), joins, isSafe },
    {
      user: "gil",
      granted: own.chance(0.5) ? [granted] : [],
      asked,
      lag: own.below(3),
      joins,
      isSafe: false,
    },
  ];
  const parts = { clock, notifier, truth: log.truth, notes, beat: () => beat(world) };
  return all.map((options) => new Reader(options, parts));
}
