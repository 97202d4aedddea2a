import { checkBound } from "../base/check.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Authorize, Peer } from "../model/peer.ts";

/** How long answers are remembered. */
export interface CachedOptions {
  /** Milliseconds for which an answer counts. Default 30 000. */
  ttl?: number | undefined;
  /** Answers remembered of one connection; past it the oldest are forgotten. Default 100. */
  size?: number | undefined;
  /** What time it is. Default: the machine's clock. */
  clock?: Pick<Clock, "now"> | undefined;
}

/** An `authorize` that remembers its answers. */
export interface CachedAuthorize extends Authorize {
  /** Forgets all answers, also those that are being looked up: call it when permissions have changed. */
  forget(): void;
}

/**
 * Remembers what `authorize` answers, for each connection, action and channel: without it every command asks.
 *
 * The action's `data` must not matter to the answer. A throw or rejection is never remembered. Nothing is shared between
 * connections, and nothing outlives them. Until `ttl` has passed, or `forget()` is called, somebody whose permission was
 * taken away may subscribe again.
 *
 * @example
 * ```ts
 * const mayRead = (peer, { type, channel }) => type === "subscribe" && rooms.has(peer.user, channel);
 * const authorize = cached(mayRead, { ttl: 60_000 });
 * app.get("/notifications", upgradeWebSocket(notifications(notifier, { authorize })));
 * authorize.forget(); // whenever who may do what has changed
 * ```
 */
export function cached(
  authorize: Authorize,
  { ttl = 30_000, size = 100, clock = systemClock }: CachedOptions = {},
): CachedAuthorize {
  if (typeof authorize !== "function")
    throw new TypeError(
      `Cannot remember answers: give the function that authorizes first, not ${typeof authorize}`,
    );
  checkBound("ttl", ttl);
  checkBound("size", size);
  let known = new WeakMap<Peer, Map<string, Remembered>>();
  async function ask(peer: Peer, action: Parameters<Authorize>[1]): Promise<boolean> {
    const key = `${action.type} ${action.channel}`;
    const remembered = known.get(peer)?.get(key);
    if (remembered !== undefined && clock.now() < remembered.until) return remembered.allowed;
    const asked = known;
    const allowed = (await authorize(peer, action)) === true;
    // Not into what was begun anew meanwhile.
    const answers = asked.get(peer) ?? new Map<string, Remembered>();
    asked.set(peer, answers);
    answers.delete(key);
    answers.set(key, { allowed, until: clock.now() + ttl });
    for (const oldest of answers.keys()) {
      if (answers.size <= size) break;
      answers.delete(oldest);
    }
    return allowed;
  }
  const forget = (): void => {
    known = new WeakMap();
  };
  return Object.assign(ask, { forget });
}

interface Remembered {
  allowed: boolean;
  until: number;
}
