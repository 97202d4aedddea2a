import { tagBytes } from "../../base/bytes.ts";
import type { Settle } from "../../base/scope.ts";
import { describe, ExistsError, LogError, SealedError } from "../../model/errors.ts";
import type { AppendEntry, AppendOptions, HeldRecord, Position, Retention } from "../../model/log.ts";
import { stored } from "../text.ts";
import { faultOf } from "./faults.ts";
import { bucketOf, type Keys } from "./keys.ts";

/** Characters that a state may have. */
const maxState = 4_096;

/** Something to be written: an append, or a record to be held or released. */
export interface Operation {
  /** The channel that it is about. All operations of one channel are made in order. */
  readonly channel: string;
  /** The id of the member that asks for it. Undefined before this process has joined. */
  readonly member: string | undefined;
  /** How much there is to do: 1, or the number of entries. */
  readonly count: number;
  /** About how many bytes it takes to send. */
  readonly size: number;
  /** Adds its arguments to a call of the script. */
  encode(call: Call): void;
  /** Takes its answer. Throws what refuses it. */
  answered(answer: string): void;
  reject(error: unknown): void;
  /** Whether it has been settled, so that nobody waits for it. */
  isOver: boolean;
}

/** The keys and the arguments of a call. */
export class Call {
  readonly #keys = new Map<string, number>();
  readonly args: string[];

  constructor(args: string[]) {
    this.args = args;
  }

  get keys(): string[] {
    return [...this.#keys.keys()];
  }

  /** Returns the place of a key among all keys. */
  key(name: string): string {
    let place = this.#keys.get(name);
    if (place === undefined) {
      place = this.#keys.size + 1;
      this.#keys.set(name, place);
    }
    return String(place);
  }
}

/** What an append is made from. */
export interface AppendParts {
  readonly keys: Keys;
  readonly channel: string;
  readonly data: string;
  readonly options: AppendOptions;
  /** What is appended right behind it, as a part of the same append. */
  readonly more: readonly AppendEntry[];
  /** The retention that is given, or else the usual one. */
  readonly retention: Retention;
  readonly member: string | undefined;
}

/**
 * Adds the arguments of an append. Those that most appends do not have are left out, and letters say which are there:
 * `r`etention, `o`nce, `k`ey, `p`lace, `s`tate, `h`old, `t`ags, `f`ollows, `m`ore entries. `R`: the state is too long.
 */
export function encodeAppend(
  call: Call,
  { keys, channel, data, options, retention, member, more }: AppendParts,
): void {
  const { tags, once, key, place, state, hold, follows } = options;
  const { size, bytes, ttl, slack } = retention;
  const bucket = member === undefined ? "0" : call.key(keys.held(bucketOf(channel)));
  const rest: string[] = [];
  let has = options.retention === undefined ? "" : "r";
  const add = (letter: string, ...args: string[]): void => {
    has += letter;
    rest.push(...args);
  };
  if (once !== undefined) add("o", word(once.by), String(once.n));
  if (key !== undefined) add("k", call.key(keys.mark(channel, key.text)), String(key.ttl));
  if (place !== undefined) add("p", place);
  if (state !== undefined && state.length > maxState) add("R");
  else if (state !== undefined) add("s", stored(state));
  if (hold !== undefined) add("h", stored(hold), stored(channel));
  if (tags !== undefined) add("t", String(tagBytes(tags)));
  if (follows !== undefined) add("f", word(follows.epoch), String(follows.offset));
  if (more.length > 0) add("m", String(more.length), ...more.flatMap(argsOf));
  const { args } = call;
  args.push("append", has, call.key(keys.channel(channel)), bucket, metaOf(options), data);
  args.push(String(size), String(bytes), String(ttl), String(slack), ...rest);
}

function argsOf(entry: AppendEntry): string[] {
  return [metaOf(entry), entry.data, String(tagBytes(entry.tags))];
}

/** Returns what is kept of an entry besides its data, as JSON. */
function metaOf({ time, tags, origin }: Pick<AppendOptions, "time" | "tags" | "origin">): string {
  // Most have a time alone, and this is called for each of them.
  if (tags === undefined && origin === undefined && Number.isFinite(time)) return `{"t":${time}}`;
  return JSON.stringify({ t: time, ...(tags && { g: tags }), ...(origin !== undefined && { o: origin }) });
}

/** Returns a form of a text that has neither a space nor a semicolon. */
function word(text: string): string {
  return /^[\w-]*$/.test(text) ? text : stored(text).replaceAll(" ", "\\u0020").replaceAll(";", "\\u003b");
}

/** Adds the arguments that hold a record again. */
export function encodeHold(call: Call, keys: Keys, { record, channel, position }: HeldRecord): void {
  const where = `${position.offset} ${word(position.epoch)} ${stored(channel)}`;
  call.args.push("hold", call.key(keys.held(bucketOf(channel))), stored(record), where);
}

/** Adds the arguments that release a record. */
export function encodeRelease(call: Call, keys: Keys, channel: string, record: string): void {
  call.args.push("release", call.key(keys.held(bucketOf(channel))), stored(record));
}

/** What an append was answered. */
export interface Appended {
  readonly position: Position;
  /** Whether its channel goes on in another epoch than before. */
  readonly isContinued: boolean;
}

/**
 * Reads the answer to an append.
 *
 * @throws {ExistsError | SealedError | RangeError | Error} what refuses it
 */
export function readAppended(answer: string, parts: Pick<AppendParts, "channel" | "options">): Appended {
  if (!beginsWithDigit(answer)) throw refusal(answer, parts);
  const [offset, epoch = "", continued] = answer.split(" ");
  return { position: { epoch, offset: Number(offset) }, isContinued: continued === "c" };
}

function beginsWithDigit(text: string): boolean {
  const code = text.charCodeAt(0);
  return code >= 48 && code <= 57;
}

/** Returns the error that an answer without a position stands for. Its first letter says which. */
function refusal(answer: string, { channel, options }: Pick<AppendParts, "channel" | "options">): Error {
  const what = `append to ${JSON.stringify(channel)}`;
  switch (answer[0]) {
    case "X":
      return new ExistsError(channel);
    case "Z":
      return new SealedError(channel);
    case "R":
      return new RangeError(`Cannot ${what}: its state is longer than ${maxState} characters`);
    case "F":
      return new LogError(`Cannot ${what}: what it follows, ${options.follows?.offset}, is lost`);
    case "N": {
      const which = `${options.once?.n} of writer ${JSON.stringify(options.once?.by)}`;
      return new LogError(
        `Cannot append ${which} to ${JSON.stringify(channel)}: its last was ${answer.slice(1)}`,
      );
    }
    default:
      return faultOf(new Error(answer.slice(1)), what);
  }
}

/** What an operation is created from. */
export type Written = Pick<Operation, "channel" | "member" | "size" | "encode"> &
  Partial<Pick<Operation, "count">>;

/** An operation that settles a promise with what `read` makes of its answer. */
export class SettlingOperation<T> implements Operation {
  readonly channel: string;
  readonly member: string | undefined;
  readonly count: number;
  readonly size: number;
  readonly encode: Operation["encode"];
  readonly #settle: Settle<T>;
  readonly #read: (answer: string) => T;
  isOver = false;

  constructor(
    { channel, member, count = 1, size, encode }: Written,
    settle: Settle<T>,
    read: (answer: string) => T,
  ) {
    this.channel = channel;
    this.member = member;
    this.count = count;
    this.size = size;
    this.encode = encode;
    this.#settle = settle;
    this.#read = read;
  }

  answered(answer: string): void {
    this.isOver = true;
    try {
      this.#settle.resolve(this.#read(answer));
    } catch (error) {
      this.#settle.reject(error);
    }
  }

  reject(error: unknown): void {
    this.isOver = true;
    this.#settle.reject(error);
  }
}

/**
 * Returns a generation that a member has to know before it sends an operation again. Undefined for any other answer. It is
 * the one that it knows already if only the server was new to it.
 */
export function refusedBy(answer: string): number | undefined {
  return answer[0] === "S" ? Number(answer.slice(1)) : undefined;
}

/** Returns an error whose message says what could not be done. */
export function failed(what: string, error: unknown): LogError {
  return error instanceof LogError ? error : new LogError(`Cannot ${what}: ${describe(error).message}`);
}
