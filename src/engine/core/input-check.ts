import { isNatural, isText, shown } from "../../base/check.ts";
import type { Log, Position } from "../../model/log.ts";
import type { Codec } from "../../wire/protocol.ts";

/**
 * Throws a TypeError for a value that is not a position, and a RangeError for an invalid offset. `doing` begins the
 * error message: the verb of the call.
 */
export function checkAfter(doing: string, after: unknown): void {
  if (after === undefined) return;
  const { offset, epoch } = (after ?? {}) as Partial<Position>;
  if (typeof offset !== "number" || typeof epoch !== "string") {
    throw new TypeError(
      `Cannot ${doing} after ${shown(after)}: a position is { offset, epoch }, a number and a string`,
    );
  }
  if (!isNatural(offset))
    throw new RangeError(`Cannot ${doing} after "${offset}": an offset is a whole number from 0 up`);
}

/** Whether a position is the start of any channel, and so asks for everything in the log. */
export function isStart({ offset, epoch }: Position): boolean {
  return offset === 0 && epoch === "";
}

/** Throws a TypeError for a log, signal, rpc handler or codec that a notifier cannot use. */
export function checkParts({
  log,
  signal,
  rpc,
  codecs = [],
}: {
  log?: unknown;
  signal?: unknown;
  rpc?: object | undefined;
  codecs?: readonly unknown[] | undefined;
}): void {
  checkRpc(rpc);
  if (!Array.isArray(codecs) || codecs.some((codec) => typeof (codec as Codec | null)?.decode !== "function"))
    throw new TypeError("Cannot use codecs: give a list of codecs, such as [protobufCodec]");
  if (log !== undefined && typeof (log as Log | null)?.append !== "function")
    throw new TypeError("Cannot use log: give a log, such as memoryLog()");
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.addEventListener !== "function")
    throw new TypeError("Cannot use signal: give an AbortSignal, such as controller.signal");
}

/**
 * Throws a TypeError for a limit that is not a number, and a RangeError for one that is not Infinity or a whole number
 * from 0 up.
 */
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
    throw new TypeError("Cannot publish with these tags: give an object whose values are strings");
  }
}

/**
 * Throws a TypeError unless `who` has a user or a session. Otherwise the call would close no session, without an error.
 */
export function checkWho(who: unknown): void {
  const { user, session } = Object(who) as { user?: unknown; session?: unknown };
  if (typeof (user ?? session) === "string") return;
  throw new TypeError(`Cannot disconnect ${shown(who)}: give { user } or { session }, with a string`);
}

/** Throws a TypeError unless user and channel are strings. */
export function checkUser(user: unknown, channel: unknown): void {
  if (typeof user !== "string" || typeof channel !== "string")
    throw new TypeError(
      `Cannot unsubscribe ${shown(user)} from ${shown(channel)}: give a user and a channel`,
    );
}

/** Throws a TypeError for a topic that is not a text of 1 to 255 characters, and for an act that is not a function. */
export function checkTopic(topic: unknown, act: unknown): void {
  if (!isText(topic, 1, 255))
    throw new TypeError(`Cannot act everywhere on ${shown(topic)}: a topic has 1 to 255 characters`);
  if (typeof act !== "function")
    throw new TypeError(`Cannot act everywhere on ${shown(topic)}: give a function that acts`);
}

/** The rpc methods that tocsin answers itself, without a handler. */
const ownMethods = ["ack", "run.cancel"];

/**
 * Throws a TypeError for a handler that is not a function, or that would never be called because tocsin answers its
 * method.
 */
function checkRpc(rpc: object | undefined): void {
  const [wrong] = Object.entries(rpc ?? {}).find(([, handler]) => typeof handler !== "function") ?? [];
  if (wrong !== undefined) throw new TypeError(`Cannot use rpc method "${wrong}": give a function`);
  const taken = ownMethods.find((method) => rpc !== undefined && Object.hasOwn(rpc, method));
  if (taken !== undefined)
    throw new TypeError(
      `Cannot use rpc method "${taken}": it is one of tocsin's own, so name yours otherwise`,
    );
}
