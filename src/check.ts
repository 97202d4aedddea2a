import type { Peer } from "./peer.ts";
import { shortened } from "./text.ts";

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
    const shown = typeof channel === "string" ? JSON.stringify(shortened(channel, 80)) : String(channel);
    const rule = `a name is a text of 1 to ${longest} characters, without control characters`;
    throw new TypeError(`Cannot use channel ${shown}: ${rule}`);
  }
}

export function checkTags(tags: unknown): void {
  if (tags === undefined) return;
  const isText = (value: unknown): boolean => typeof value === "string";
  if (typeof tags !== "object" || tags === null || !Object.values(tags).every(isText)) {
    throw new TypeError("Cannot publish with these tags: they are an object of texts");
  }
}

/** Throws a TypeError for an identity that cannot be one. */
export function checkPeer(peer: Peer, longest: number): void {
  if (typeof peer?.user !== "string") throw new TypeError("Cannot accept a peer: its user is not a text");
  const { expires } = peer;
  if (expires !== undefined && (typeof expires !== "number" || Number.isNaN(expires))) {
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
