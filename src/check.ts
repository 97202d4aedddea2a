import { cutText } from "./bytes.ts";
import { describe } from "./errors.ts";
import type { Position } from "./log.ts";
import type { Peer } from "./peer.ts";

/** Whether a text holds nothing that a log or a terminal would not show as itself: control characters, half characters. */
export function isName(text: string): boolean {
  return /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u.test(text);
}

/** Whether a channel may have such a name. */
export function canBeChannel(name: string, longest: number): boolean {
  return name.length <= longest && isName(name);
}

export function checkChannel(channel: unknown, longest: number): void {
  if (typeof channel !== "string" || !canBeChannel(channel, longest)) {
    const rule = `a name is a text of 1 to ${longest} characters, without control characters`;
    throw new TypeError(`Cannot use channel ${shown(channel)}: ${rule}`);
  }
}

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

/** The same for how much is asked for. */
export function checkLimit(doing: string, limit: unknown): void {
  if (limit === undefined) return;
  if (typeof limit !== "number")
    throw new TypeError(`Cannot ${doing} with the limit ${shown(limit)}: it is not a number`);
  if (limit !== Infinity && !isNatural(limit))
    throw new RangeError(`Cannot ${doing} with the limit "${limit}": it is a whole number from 0 up`);
}

/** Whether it is a text of so many characters. */
export function isText(value: unknown, least = 0, most = Infinity): value is string {
  return typeof value === "string" && value.length >= least && value.length <= most;
}

/** Whether it is a time, which may be infinite. */
export function isTime(value: unknown): value is number {
  return typeof value === "number" && !Number.isNaN(value);
}

/** Whether it is a whole number from 0 up. */
export function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The beginning of a value, quoted, in the words of an error. */
export function shown(value: unknown): string {
  return JSON.stringify(cutText(describe(value).message, 80));
}

export function checkTags(tags: unknown): void {
  if (tags === undefined) return;
  if (typeof tags !== "object" || tags === null || !Object.values(tags).every((tag) => isText(tag))) {
    throw new TypeError("Cannot publish with these tags: they are an object of texts");
  }
}

/** Throws a TypeError for an identity that cannot be one. */
export function checkPeer(peer: Peer, longest: number): void {
  if (typeof peer?.user !== "string") throw new TypeError("Cannot accept a peer: its user is not a text");
  const { expires } = peer;
  if (expires !== undefined && !isTime(expires)) {
    throw new TypeError("Cannot accept a peer: the end of its permission is not a number");
  }
  for (const channel of peer.channels ?? []) checkChannel(channel, longest);
  if (peer.info !== undefined && JSON.stringify(peer.info) === undefined) {
    throw new TypeError("Cannot accept a peer: its info is nothing JSON can hold");
  }
}

/** The methods of rpc that are answered without a handler. */
const ownMethods = ["ack", "run.cancel"];

/** Throws a TypeError for handlers that would never be called. */
export function checkRpc(rpc: object | undefined): void {
  const taken = ownMethods.find((method) => rpc !== undefined && Object.hasOwn(rpc, method));
  if (taken !== undefined)
    throw new TypeError(
      `Cannot use rpc method "${taken}": it is one of tocsin's own, so name yours otherwise`,
    );
}
