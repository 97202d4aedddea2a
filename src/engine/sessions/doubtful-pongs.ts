import { doubtfulPongs, flag } from "./session-flags.ts";

/**
 * After a restoration from a stale state nobody knows whether a ping of the earlier process is still outstanding. Its
 * pong proves nothing of what this process has sent. So the first pong is *doubtful*: it counts as that one, and proves
 * nothing.
 *
 * If a ping of this process is outstanding when it comes, the pong may also have been its own. The next pong tells: it
 * comes in time if the first one was that of the earlier process. If it does not, the client is asked once more, and
 * its answer proves what the first ping would have. A client that reads is never closed for that, and nothing counts as
 * read that was not.
 */

/** Returns the flags with one more doubtful pong. Several restorations in a row may each leave one. */
export function doubtOneMore(flags: number): number {
  const isMost = (flags & doubtfulPongs) === doubtfulPongs;
  return isMost ? flags : flags + flag.doubtfulPong;
}

/** Returns whether the next pong is doubtful. */
export function isDoubtful(flags: number): boolean {
  return (flags & doubtfulPongs) !== 0;
}

/** Returns the flags after a doubtful pong. */
export function withPongTaken(flags: number, hasPing: boolean): number {
  const fewer = flags - flag.doubtfulPong;
  return hasPing ? fewer | flag.pongTaken : fewer;
}

/** Returns whether the outstanding ping may have been answered by a pong that was taken for another one. */
export function mayBeAnswered(flags: number): boolean {
  return (flags & flag.pongTaken) !== 0;
}

/** Returns the flags once it is known to which ping each pong belongs. */
export function withoutDoubt(flags: number): number {
  return flags & ~(flag.pongTaken | doubtfulPongs);
}
