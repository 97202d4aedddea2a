import { checkBound } from "../../base/check.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { type Bound, boundsByName } from "../bounds.ts";
import { Chunks, chunksTable } from "./chunks.ts";
import { createDatabaseLog } from "./database-log.ts";
import { Epochs } from "./epochs.ts";
import { type FormatStep, tablesWith } from "./format.ts";
import { type ObjectStorage, objectPort } from "./object-port.ts";
import { SoleOwnership } from "./sole-ownership.ts";
import type { SqliteLog } from "./sqlite-log.ts";

/** Options of `createObjectLog`. */
export interface ObjectLogOptions {
  /**
   * The id of the object: `ctx.id.toString()`. It is a part of every epoch, so that positions of two objects are never
   * mistaken for each other. If the storage was written under another id, all channels continue in new epochs.
   */
  id: string;
  /** Publications kept per channel. Default 1 000. */
  size?: Bound | undefined;
  /** Bytes of payload and tags kept per channel, as UTF-8. Default 1 048 576 (1 MiB). */
  bytes?: Bound | undefined;
  /** Milliseconds a publication is kept. Default 86 400 000 (24 h). */
  ttl?: Bound | undefined;
  /**
   * Bytes that publications over `size` and `bytes` may take while they are younger than 10 s. Each of them counts 192
   * bytes besides its payload and tags. They are in the storage, not in memory. 0: `size` and `bytes` hold at once.
   * Default 8 388 608 (8 MiB).
   */
  slack?: Bound | undefined;
  /**
   * Bytes kept in total. A publication counts 192 bytes besides its payload and tags; in the storage it takes less.
   * Above this limit, the oldest publications of all channels are trimmed, until 1/64 less is left. An object can store
   * 10 GB. Default 1 073 741 824 (1 GiB).
   */
  totalBytes?: number | undefined;
  /** The source of the time. Default: the clock of the platform. */
  clock?: Clock | undefined;
}

/** The steps to each format of the storage of an object. A step that was released never changes. */
const steps: readonly FormatStep[] = [tablesWith(chunksTable)];
const defaults = { size: 1_000, bytes: 1_048_576, ttl: 86_400_000, slack: 8_388_608 };

/**
 * Creates a log that keeps its channels in the storage of a Durable Object of Cloudflare. They outlive the object's
 * evictions, restarts and deployments.
 *
 * Nothing is read or written until the log is first used. Then it creates its tables, whose names begin with `tocsin_`;
 * other tables of the object stay as they are. An object MUST have one log at a time.
 *
 * Only one life of an object can write to its storage, so the log owns it at once: `join` and the first append wait for
 * nothing, and what an earlier life has held is inherited before `join` returns its promise. The log has no timer and
 * leaves no promise open: it never keeps the object from hibernating, and needs no disposal.
 *
 * `append` only gathers, `commit` writes all that is gathered in one transaction. What is gathered is lost when the
 * object is evicted first, so commit in the same turn. The platform holds back whatever the object sends until what it
 * has written is safe.
 *
 * Ages count on the wall clock. What expired is never read any more; later commits remove it from the storage, a few at
 * a time. Epoch and top of a channel outlive its publications for 24 hours after its last append, and while it is
 * watched. After the object was restored to an earlier point in time, call `renew()` before anything else.
 *
 * A row of the storage holds 2 MB: a larger publication is refused by `append` with a lasting `LogError`. Otherwise
 * calls throw a `LogError` when the storage fails. If it is not lasting, what was gathered stays, and the next commit
 * tries again. A lasting error drops it, and all later calls throw that error. Once disposed, the log throws a
 * `ClosedError`.
 *
 * Functions given as bounds are not asked for channels whose names begin with `"\0"`, which are reserved. If such a
 * function throws, or does not return a number from 0 up, its channel fails for good with a lasting `LogError`.
 *
 * @throws {RangeError} when a bound is negative or not a number
 * @throws {TypeError} when `storage` has no SQLite, or `id` is not a text
 * @example
 * ```ts
 * const log = createObjectLog(ctx.storage, { id: ctx.id.toString() });
 * const position = log.append("room:1", '"hello"', { time: Date.now() });
 * log.commit();
 * ```
 */
export function createObjectLog(
  storage: ObjectStorage,
  {
    id,
    size = defaults.size,
    bytes = defaults.bytes,
    ttl = defaults.ttl,
    slack = defaults.slack,
    totalBytes = 1_073_741_824,
    clock = systemClock,
  }: ObjectLogOptions,
): SqliteLog {
  const boundsOf = boundsByName({ size, bytes, ttl, slack }, defaults);
  checkBound("totalBytes", totalBytes);
  if (typeof id !== "string" || id === "")
    throw new TypeError(`Cannot use the id "${String(id)}" of an object: give it ctx.id.toString()`);
  checkStorage(storage);
  const port = objectPort(storage);
  return createDatabaseLog({
    ...{ port, steps, entries: new Chunks(port), boundsOf, totalBytes, clock },
    ...{ epochs: new Epochs(id), maxIdle: 1_000, channelCost: 1_536 },
    own: (parts) => new SoleOwnership({ ...parts, clock, name: id }),
  });
}

function checkStorage(storage: ObjectStorage): void {
  let options: ErrorOptions = {};
  try {
    if (typeof storage?.sql?.exec === "function") return;
  } catch (cause) {
    // The platform throws where the class of the object has no SQLite.
    options = { cause };
  }
  const advice = "Declare its class under new_sqlite_classes, and give it ctx.storage";
  throw new TypeError(`Cannot use the storage of the object: it has no SQLite. ${advice}`, options);
}
