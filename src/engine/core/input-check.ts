import { isNatural, isText, shown } from "../../base/check.ts";
import type { Log, Position } from "../../model/log.ts";

/** Throws a TypeError for what is no position, and a RangeError for an offset there cannot be. `doing` is what it is given for. */
export function checkAfter(doing: string, after: unknown): void {
  if (after === undefined) return;
  const { offset, epoch } = (after ?? {}) as Partial<Position>;
  if (typeof offset !== "number" || typeof epoch !== "string") {
    throw new TypeError(
      `Cannot ${doing} after ${shown(after)}: a position is { offset, epoch }, a number and a text`,
    );
  }
  if (!isNatural(offset))
    throw new RangeError(`Cannot ${doing} after "${offset}": an offset is a whole number from 0 up`);
}

/** Whether a position is the start of any channel: everything is asked for that is in the log. */
export function isStart({ offset, epoch }: Position): boolean {
  return offset === 0 && epoch === "";
}

/** Throws a TypeError for what a notifier cannot be made of. */
export function checkParts({
  log,
  signal,
  rpc,
}: {
  log?: unknown;
  signal?: unknown;
  rpc?: object | undefined;
}): void {
  checkRpc(rpc);
  if (log !== undefined && typeof (log as Log | null)?.append !== "function")
    throw new TypeError("Cannot use log: give a log, such as memoryLog()");
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.addEventListener !== "function")
    throw new TypeError("Cannot use signal: give an AbortSignal, such as controller.signal");
}

/** The same for how much is asked for. */
export function checkLimit(doing: string, limit: unknown): void {
  if (limit === undefined) return;
  if (typeof limit !== "number")
    throw new TypeError(`Cannot ${doing} with the limit ${shown(limit)}: it is not a number`);
  if (limit !== Infinity && !isNatural(limit))
    throw new RangeError(`Cannot ${doing} with the limit "${limit}": it is a whole number from 0 up`);
}

export function checkTags(tags: unknown): void {
  if (tags === undefined) return;
  if (typeof tags !== "object" || tags === null || !Object.values(tags).every((tag) => isText(tag))) {
    throw new TypeError("Cannot publish with these tags: they are an object of texts");
  }
}

/** Throws a TypeError for whom nobody can be: what would close no session, and say nothing. */
export function checkWho(who: unknown): void {
  const { user, session } = Object(who) as { user?: unknown; session?: unknown };
  if (typeof (user ?? session) === "string") return;
  throw new TypeError(`Cannot disconnect ${shown(who)}: give { user } or { session }, with a text`);
}

/** The same for whose subscription ends. */
export function checkUser(user: unknown, channel: unknown): void {
  if (typeof user !== "string" || typeof channel !== "string")
    throw new TypeError(
      `Cannot unsubscribe ${shown(user)} from ${shown(channel)}: give a user and a channel`,
    );
}

/** The methods of rpc that are answered without a handler. */
const ownMethods = ["ack", "run.cancel"];

/** Throws a TypeError for handlers that would never be called, or cannot be. */
function checkRpc(rpc: object | undefined): void {
  const [wrong] = Object.entries(rpc ?? {}).find(([, handler]) => typeof handler !== "function") ?? [];
  if (wrong !== undefined) throw new TypeError(`Cannot use rpc method "${wrong}": give a function`);
  const taken = ownMethods.find((method) => rpc !== undefined && Object.hasOwn(rpc, method));
  if (taken !== undefined)
    throw new TypeError(
      `Cannot use rpc method "${taken}": it is one of tocsin's own, so name yours otherwise`,
    );
}
