import { systemClock } from "../base/clock.ts";
import type { AppendOptions, Log, Membership, Position, Retention, Slice } from "../model/log.ts";

/** What a test is given besides its log. */
export interface LogTools {
  /**
   * Advances the clock of the suite. If the log has a clock of its own, really waits, for at most one second. Returns
   * whether the time has passed.
   */
  pass(ms: number): Promise<boolean>;
  /**
   * Retries a check until it passes. If the log uses the clock of the suite, checks only once. A store with a clock of
   * its own may be late.
   */
  holds(check: () => Promise<void>): Promise<void>;
  /** Creates a bell that something can ring: a wake, unless `what` says otherwise. */
  bell(what?: string): Bell;
  /** Creates another log in the same way. It is disposed together with the first. */
  again(): Promise<TestedLog>;
  /** Wipes the store. */
  wipe(): Promise<void>;
  /** Lets the store take the member of the first log for gone, and the log hear of it. */
  lose(): Promise<void>;
}

/** A log that returns a promise from every call. What it appends is committed once the promise resolves. */
export interface TestedLog extends Pick<Log, "keeps">, AsyncDisposable {
  append(...args: Parameters<Log["append"]>): Promise<Position>;
  /** Only in a log that has it. */
  appendAll?(...args: Parameters<NonNullable<Log["appendAll"]>>): Promise<Position>;
  read(...args: Parameters<Log["read"]>): Promise<Slice>;
  watch(...args: Parameters<Log["watch"]>): Promise<AsyncDisposable>;
  /** Only in a log that has it. */
  commit?(): Promise<void>;
  /** Only in a log that has it. The log's disposal disposes the membership first. */
  join?(...args: Parameters<NonNullable<Log["join"]>>): Promise<Membership>;
  /** The log itself: nobody commits what it appends. */
  readonly raw: Log;
}

/** Tests one behaviour on a fresh log, and throws if it fails. `channel` is a name that was never used before. */
export type LogTest = (log: TestedLog, channel: string, tools: LogTools) => Promise<void>;
export type LogTests = Readonly<Record<string, LogTest>>;

export const time = 1_767_225_600_000;
export const minute = 60_000;
export const day = 86_400_000;
export const as = (by: string, n: number): Pick<AppendOptions, "once"> => ({ once: { by, n } });
export const key: NonNullable<AppendOptions["key"]> = { text: "order 7", ttl: minute };
/** Keeps everything that a test appends. If a test lowers a bound, what is over it is trimmed at once. */
export const all: Retention = { size: 10_000, bytes: 16_777_216, ttl: day, slack: 0 };
/** Keeps nothing. */
export const none: Retention = { ...all, size: 0 };

export function append(
  log: TestedLog,
  channel: string,
  data: string,
  options: Partial<AppendOptions> = {},
): Promise<Position> {
  return log.append(channel, data, { time, retention: all, ...options });
}

export async function appendAll(
  log: TestedLog,
  channel: string,
  data: readonly string[],
): Promise<Position[]> {
  const positions: Position[] = [];
  for (const each of data) positions.push(await append(log, channel, each));
  return positions;
}

/** Appends "1", "2" and so on, and returns the position of the last. */
export async function fill(
  log: TestedLog,
  channel: string,
  count: number,
  retention?: Partial<Retention>,
): Promise<Position> {
  let last: Position = { offset: 0, epoch: "" };
  for (let index = 1; index <= count; index++) {
    last = await append(log, channel, String(index), { retention: { ...all, ...retention } });
  }
  return last;
}

export function dataOf({ entries }: Pick<Slice, "entries">): string[] {
  return entries.map(({ data }) => data);
}

export function offsetsOf(positions: readonly { readonly offset: number }[]): number[] {
  return positions.map(({ offset }) => offset);
}

/** Returns "1", "2" and so on: the payloads at offsets `from` to `to` of a channel that `fill` filled. */
export function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
}

/** Returns what every slice has. A log may add what its channel has besides. */
export function plain({ epoch, top, first, entries, gapless }: Slice): Slice {
  return { epoch, top, first, entries, gapless };
}

type Read = readonly string[] | "gap";

export async function reads(
  log: TestedLog,
  channel: string,
  after: Position | undefined,
  expected: Read,
): Promise<void> {
  const { gapless, entries } = await log.read(channel, { after });
  same(gapless ? dataOf({ entries }) : "gap", expected);
  same(gapless || entries.length, gapless || 0);
}

/** Returns what a promise rejects with, or undefined if it resolves. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

/** Waits in real time. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.timer(ms, resolve));
}

/** Waits for the next turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => systemClock.turn(resolve));
}

/**
 * Something that wakes ring. Wakes may come late, and more often than necessary, so a ring counts only while `next`
 * waits for it.
 */
export interface Bell {
  ring(): void;
  /** Resolves with the next ring, and rejects if none comes. */
  next(): Promise<void>;
}

/** `patience` is how many real milliseconds `next` waits for a ring. `what` rings it. */
export function createBell(patience: number, what = "a wake"): Bell {
  let onRing = (): void => {};
  return {
    ring: () => onRing(),
    next() {
      const rung = new Promise<void>((resolve, reject) => {
        const timer = systemClock.timer(patience, () => reject(new Error(`Expected ${what}: none came`)));
        onRing = () => {
          timer.cancel();
          resolve();
        };
      });
      // A test may fail before it awaits this promise. Its rejection must not be reported as unhandled.
      rung.catch(() => {});
      return rung;
    },
  };
}

export function same(actual: unknown, expected: unknown): void {
  const [found, wanted] = [show(actual), show(expected)];
  if (found !== wanted) throw new Error(`Expected ${shorten(wanted)}, not ${shorten(found)}`);
}

export function differs(actual: unknown, other: unknown): void {
  if (show(actual) === show(other)) throw new Error(`Expected something else than ${shorten(show(other))}`);
}

export function isSame(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`Expected the reason itself, not ${shorten(String(actual))}`);
}

/** Returns a value as JSON, with members in order and without those that are undefined. */
export function show(value: unknown): string {
  return (
    JSON.stringify(value, (_, member: unknown) => {
      if (typeof member !== "object" || member === null || Array.isArray(member)) return member;
      return Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)));
    }) ?? "undefined"
  );
}

export function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text;
}
