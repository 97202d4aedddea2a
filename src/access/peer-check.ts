import { isName, isText, isTime, shown } from "../base/check.ts";
import type { Peer } from "../model/peer.ts";

/** Returns whether a string of at most `maxLength` characters is a valid channel name. */
export function canBeChannel(name: string, maxLength: number): boolean {
  return name.length <= maxLength && isName(name);
}

/** Throws a TypeError for an invalid channel name. */
export function checkChannel(channel: unknown, maxLength: number): void {
  if (typeof channel !== "string" || !canBeChannel(channel, maxLength)) {
    const rule = `a name is a text of 1 to ${maxLength} characters, without control characters`;
    throw new TypeError(`Cannot use channel ${shown(channel)}: ${rule}`);
  }
}

/** Throws a TypeError for an invalid identity. `maxLength` is the maximum length of its channels' names. */
export function checkPeer(peer: Peer, maxLength: number): void {
  const fault = faultOf(peer);
  if (fault !== undefined) throw new TypeError(`Cannot accept a peer: ${fault}`);
  for (const channel of peer.channels ?? []) checkChannel(channel, maxLength);
}

function faultOf(peer: Peer): string | undefined {
  if (!isText(peer?.user)) return "its user is not a text";
  const { expires, channels = [], info } = peer;
  if (expires !== undefined && !isTime(expires)) return "its expires is not a number";
  if (expires !== undefined && isSeconds(expires))
    return `expires is in milliseconds since the Unix epoch, and "${expires}" looks like seconds`;
  // A string is iterable: each of its characters would become a channel.
  if (!Array.isArray(channels)) return `give its channels as a list, not ${shown(channels)}`;
  if (info !== undefined && JSON.stringify(info) === undefined) return "its info is nothing JSON can hold";
  return undefined;
}

/**
 * Returns whether a time looks like seconds. As seconds it is in the years 1973 to 5138. As milliseconds it would be in
 * the years 1970 to 1973, which no caller means.
 */
function isSeconds(time: number): boolean {
  return time > 1e8 && time < 1e11;
}
