import { checkBound } from "../base/check.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Authorize, Peer } from "../model/peer.ts";

/** Options of `cached`. */
export interface CachedOptions {
  /** How long an answer is cached, in milliseconds. Default: 30 000. */
  ttl?: number | undefined;
  /** The maximum number of cached answers per connection. Above it the oldest are removed. Default: 100. */
  size?: number | undefined;
  /** The clock. Default: the system clock. */
  clock?: Pick<Clock, "now"> | undefined;
  /**
   * The notifier whose processes forget together: `forget()` then acts in all processes that work with its log, for all
   * functions that were wrapped with a notifier of that log. Default: it acts for this function alone.
   */
  notifier?: ForgettingNotifier | undefined;
}

/** What `cached` needs of a notifier. */
export interface ForgettingNotifier {
  /** See `Notifier.everywhere`. */
  everywhere(topic: string, act: () => void): () => Promise<void>;
}

/** What notifiers call forgetting. */
const topic = "tocsin: cached permissions";

/** An `authorize` function that caches its answers. */
export interface CachedAuthorize extends Authorize {
  /**
   * Removes all cached answers at once. Answers of calls that are still pending are not cached either. Call it when
   * permissions have changed.
   *
   * With a `notifier` the other processes forget as well. The promise then settles once all of them will hear of it,
   * whatever happens to the log. It rejects with a `ClosedError` once the notifier has closed, and with the error of a log
   * that will never work again. It need not be awaited.
   */
  forget(): Promise<void>;
}

/**
 * Wraps `authorize` in a cache of its answers, by connection, action type and channel. Without the cache, `authorize`
 * is called for every command.
 *
 * The answer must not depend on the action's `data`. An error is never cached. Connections do not share answers, and
 * the answers of a connection are released with it. A client whose permission was revoked may subscribe again until
 * `ttl` has passed or `forget()` is called.
 *
 * Throws a TypeError if `authorize` is not a function or `notifier` is not a notifier, and a RangeError if `ttl` or `size` is not a number of at least
 * 0.
 *
 * @example
 * ```ts
 * const mayRead = (peer, { type, channel }) => type === "subscribe" && rooms.has(peer.user, channel);
 * const authorize = cached(mayRead, { ttl: 60_000, notifier });
 * app.get("/notifications", upgradeWebSocket(notifications(notifier, { authorize })));
 * await authorize.forget(); // whenever permissions have changed
 * ```
 */
export function cached(
  authorize: Authorize,
  { ttl = 30_000, size = 100, clock = systemClock, notifier }: CachedOptions = {},
): CachedAuthorize {
  if (typeof authorize !== "function")
    throw new TypeError(
      `Cannot remember answers: give the function that authorizes first, not ${typeof authorize}`,
    );
  checkBound("ttl", ttl);
  checkBound("size", size);
  if (notifier !== undefined && typeof notifier?.everywhere !== "function")
    throw new TypeError(
      "Cannot forget in all processes: give what createNotifier returns, cached(authorize, { notifier })",
    );
  let cache = new WeakMap<Peer, Map<string, Remembered>>();
  async function ask(peer: Peer, action: Parameters<Authorize>[1]): Promise<boolean> {
    const key = `${action.type} ${action.channel}`;
    const remembered = cache.get(peer)?.get(key);
    if (remembered !== undefined && clock.now() < remembered.until) return remembered.allowed;
    const cacheAtCall = cache;
    const allowed = (await authorize(peer, action)) === true;
    // If `forget` was called meanwhile, this is the old cache, which is no longer read.
    const answers = cacheAtCall.get(peer) ?? new Map<string, Remembered>();
    cacheAtCall.set(peer, answers);
    answers.delete(key);
    answers.set(key, { allowed, until: clock.now() + ttl });
    for (const oldest of answers.keys()) {
      if (answers.size <= size) break;
      answers.delete(oldest);
    }
    return allowed;
  }
  const forgetHere = (): void => {
    cache = new WeakMap();
  };
  const forget = notifier?.everywhere(topic, forgetHere) ?? (async () => forgetHere());
  return Object.assign(ask, { forget });
}

interface Remembered {
  allowed: boolean;
  until: number;
}
