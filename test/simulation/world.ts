import { createNotifier, type Notifier } from "../../src/notifier.ts";
import type { Run } from "../../src/run-task.ts";
import { Client } from "./client.ts";
import { type SimulatedClock, simulatedClock } from "./clock.ts";
import { Confirmations } from "./confirmed.ts";
import { type FaultyLog, faultyLog } from "./faulty-log.ts";
import { type Random, random } from "./random.ts";
import { type SpiedSignal, spiedSignal } from "./signal.ts";

export const channels = ["a", "b", "c"];
export const window = 2_048;
export const grace = 5_000;

/** One schedule: a notifier, a log that fails, clients behind a network, and everything that may happen to them. */
export interface World {
  readonly random: Random;
  readonly clock: SimulatedClock;
  readonly log: FaultyLog;
  readonly notifier: Notifier;
  readonly clients: Client[];
  readonly runs: Run<unknown>[];
  readonly signals: SpiedSignal[];
  /** What waits for the scheduler. */
  readonly pending: (() => void)[];
  /** Faults that had nobody to go to. */
  readonly notes: unknown[];
  /** What was done, for whoever replays a seed. */
  readonly trace: string[];
  /** Publications that resolved, by channel, and those that have not settled. */
  readonly published: Map<string, number>;
  publishing: number;
  readonly confirmations: Confirmations;
  /** How long confirmed publications may take at most; short where only a few may wait. */
  readonly longestTtl: number;
  /** Those who follow in this process, and have not been told that it is over. */
  readonly followers: Set<Follower>;
}

/** One who follows in this process. */
export interface Follower {
  readonly channel: string;
  /** The offset it was given last; undefined while it does not know where it began. */
  last: number | undefined;
}

export function createWorld(seed: number): World {
  const source = random(seed);
  const clock = simulatedClock(source);
  const pending: (() => void)[] = [];
  const later = (run: () => void): void => void pending.push(run);
  const small = source.chance(0.5);
  const log = faultyLog(clock, source, later, small ? { size: 4 + source.below(12), slack: 0 } : {});
  log.faults = source.chance(0.5) ? 0 : 0.2;
  const signal = spiedSignal();
  const few = source.chance(0.3);
  const confirmed = few ? { confirmed: 3, confirmedTotal: 5 } : {};
  const limits = {
    ...confirmed,
    message: 12_288,
    subscriptions: 20,
    channel: 64,
    runBytes: small ? 1_500 : 1_000_000,
    slow: 60_000,
    commands: 50,
  };
  const notes: unknown[] = [];
  const clients = ["ann", "bob", "cleo"].map((user) => new Client(user, [`user:${user}`], log.truth));
  const confirmations = new Confirmations(clients, log.truth, source.chance(0.5));
  const trace: string[] = [`faults ${log.faults}, ${small ? "small log" : "large log"}`];
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
      if (stage === "internal" && (error as Error).message !== "The log fails") notes.push(error);
    },
    rpc: { wait: () => new Promise((resolve) => later(() => resolve(1))) },
  });
  return {
    random: source,
    clock,
    log,
    notifier,
    clients,
    runs: [],
    signals: [signal],
    pending,
    trace,
    notes,
    published: new Map(),
    publishing: 0,
    confirmations,
    longestTtl: few ? 1_000 : 40_000,
    followers: new Set(),
  };
}
