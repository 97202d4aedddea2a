import { systemClock } from "../base/clock.ts";
import type { AppendOptions, Log, Position, ReadOptions, Retention, Slice } from "../model/log.ts";

/** What a test has besides its log. */
export interface LogTools {
  /**
   * Lets time pass: on the suite's clock, and really where the log keeps a time of its own. Answers whether it did: nobody
   * really waits for longer than a second.
   */
  pass(ms: number): Promise<boolean>;
  /** Tries until it holds, at once where the log goes by the suite's clock. A store with a time of its own may be late. */
  holds(check: () => Promise<void>): Promise<void>;
  /** Makes something that a wake rings. */
  bell(): Bell;
  /** Makes another log in the same way. It is disposed with the first. */
  again(): Promise<TestedLog>;
  /** Loses all that the store holds. */
  wipe(): Promise<void>;
}

/** A log whose answers all come by promises. */
export interface TestedLog extends Pick<Log, "keeps">, AsyncDisposable {
  append(...args: Parameters<Log["append"]>): Promise<Position>;
  read(...args: Parameters<Log["read"]>): Promise<Slice>;
  watch(...args: Parameters<Log["watch"]>): Promise<AsyncDisposable>;
}

/** Proves one behaviour on a fresh log, or throws; `channel` is a name nobody used before. */
export type LogTest = (log: TestedLog, channel: string, tools: LogTools) => Promise<void>;
export type LogTests = Readonly<Record<string, LogTest>>;

export const time = 1_767_225_600_000;
export const minute = 60_000;
export const day = 86_400_000;
/** Keeps all that a test appends, and trims at once what is over a bound that a test lowers. */
export const all: Retention = { size: 10_000, bytes: 16_777_216, ttl: day, slack: 0 };

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

/** Appends "1", "2" and so on, and answers the last one's position. */
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

/**
 * What fails a test at every read: a slice that cannot be what a log holds. It fails at every append, too, that comes by a promise
 * where one before it came at once, or the other way round.
 */
export function checked(log: Log): TestedLog {
  const { keeps } = log;
  let isAtOnce: boolean | undefined;
  return {
    async append(...args) {
      const answer = log.append(...args);
      const isNow = !(answer instanceof Promise);
      isAtOnce ??= isNow;
      if (isNow !== isAtOnce) throw new Error("The log appends at once only now and then");
      return answer;
    },
    async read(channel, options) {
      const slice = await log.read(channel, options);
      checkSlice(slice, options);
      return slice;
    },
    watch: async (...args) => log.watch(...args),
    ...(keeps && { keeps: (channel) => keeps.call(log, channel) }),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

function checkSlice(slice: Slice, { after, limit = Infinity }: ReadOptions): void {
  const { top, first, gapless } = slice;
  const offsets = offsetsOf(slice.entries);
  const told = { after, limit, top, first, gapless, offsets };
  const demand = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`Expected ${what}, not ${shorten(show(told))}`);
  };
  demand(first >= 1 && first <= top + 1, "first to be from 1 to top + 1");
  demand(gapless || offsets.length === 0, "no entries after a gap");
  const start = after === undefined ? first : after.offset + 1;
  demand(
    offsets.every((offset, index) => offset === start + index),
    "entries one after the other, from the position on",
  );
  demand((offsets.at(-1) ?? 0) <= top, "no entry beyond top");
  const rest = gapless ? top + 1 - start : 0;
  demand(offsets.length <= limit, "at most as many entries as the limit says");
  demand(
    limit < rest ? limit === 0 || offsets.length > 0 : offsets.length === rest,
    "all entries up to top, or the limit",
  );
}

export function dataOf({ entries }: Pick<Slice, "entries">): string[] {
  return entries.map(({ data }) => data);
}

export function offsetsOf(positions: readonly { readonly offset: number }[]): number[] {
  return positions.map(({ offset }) => offset);
}

/** "1", "2" and so on: what is at the offsets from `from` to `to` of a channel that was filled. */
export function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
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

/** What a promise rejects with; undefined when it does not. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

/** Really waits. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.timer(ms, resolve));
}

/** Lets everything else have a turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => systemClock.turn(resolve));
}

/** Wakes may come late, and more often than asked for: a ring counts once it is waited for. */
export interface Bell {
  ring(): void;
  /** Settles with the next ring, and rejects when none comes. */
  next(): Promise<void>;
}

/** `patience` is how many real milliseconds a ring is waited for. */
export function createBell(patience: number): Bell {
  let hear = (): void => {};
  return {
    ring: () => hear(),
    next() {
      const heard = new Promise<void>((resolve, reject) => {
        const timer = systemClock.timer(patience, () => reject(new Error("Expected a wake: none came")));
        hear = () => {
          timer.cancel();
          resolve();
        };
      });
      // A test that fails before it waits has said enough.
      heard.catch(() => {});
      return heard;
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

/** As JSON with members in order, and without those that are undefined. */
function show(value: unknown): string {
  return (
    JSON.stringify(value, (_, member: unknown) => {
      if (typeof member !== "object" || member === null || Array.isArray(member)) return member;
      return Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)));
    }) ?? "undefined"
  );
}

function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text;
}
