import { isName, isText, isTime, shown } from "../base/check.ts";
import type { Peer } from "../model/peer.ts";
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

/** Throws a TypeError for an identity that cannot be one. */
export function checkPeer(peer: Peer, longest: number): void {
  const fault = faultOf(peer);
  if (fault !== undefined) throw new TypeError(`Cannot accept a peer: ${fault}`);
  for (const channel of peer.channels ?? []) checkChannel(channel, longest);
}

function faultOf(peer: Peer): string | undefined {
  if (!isText(peer?.user)) return "its user is not a text";
  const { expires, channels = [], info } = peer;
  if (expires !== undefined && !isTime(expires)) return "the end of its permission is not a number";
  if (expires !== undefined && isSeconds(expires))
    return `expires is in milliseconds since the Unix epoch, and "${expires}" looks like seconds`;
  // A text would be taken for one channel a character.
  if (!Array.isArray(channels)) return `give its channels as a list, not ${shown(channels)}`;
  if (info !== undefined && JSON.stringify(info) === undefined) return "its info is nothing JSON can hold";
  return undefined;
}

/** Whether a time is one of 1973 to 5138 in seconds, which nobody means in milliseconds. */
function isSeconds(time: number): boolean {
  return time > 1e8 && time < 1e11;
}
