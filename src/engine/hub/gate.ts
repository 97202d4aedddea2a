import { refusalsToConsole } from "../../base/console.ts";
import { Counts } from "../../base/counts.ts";
import { attended } from "../../base/hook.ts";
import { printable } from "../../base/printable.ts";
import type { Refused } from "../../model/refused.ts";
import { type Close, closes } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import type { NotifierOptions } from "../core/settings.ts";

/** A place that is kept for a handshake until it is a session, or fails. */
interface Kept {
  readonly user: string;
  readonly since: number;
}

/** What keeps a client away before it is connected, and is not said by a user's own `disconnect`. */
const refusals: readonly Close[] = [
  closes.invalidToken,
  closes.badRequest,
  closes.stale,
  closes.connectionLimit,
  closes.channelLimit,
];

/** What the gate needs beside. */
export interface GateContext extends Context {
  readonly sessions: { readonly size: number; countOf(user: string): number };
}

/** A limit on how many sessions there may be. */
export type Full = "sessions" | "userSessions";

/**
 * Who may come in: counts the handshakes that were let in and are not sessions yet, and tells of those who were not.
 *
 * Where nobody says what became of a handshake it counts no longer than `limits.connect`; no timer is needed for that.
 */
export class Gate {
  /** Whether the notifier closes: then nobody comes in, and the console need not say so each time. */
  isClosing = false;
  readonly #context: GateContext;
  readonly #onRefused: (refused: Refused) => unknown;
  /** In the order in which they began. */
  readonly #kept = new Set<Kept>();
  readonly #byUser = new Counts<string>();

  constructor(context: GateContext, onRefused: NotifierOptions["onRefused"]) {
    this.#context = context;
    const write = refusalsToConsole(() => context.clock.now());
    this.#onRefused = onRefused ?? ((refused) => this.isClosing || write(refused));
  }

  /** The limit that keeps a user out, which counts as hit, if any. */
  limitFor(user: string): Full | undefined {
    this.#forget();
    const { sessions, settings, counters } = this.#context;
    const isFull = sessions.size + this.#kept.size >= settings.limits.sessions;
    if (!isFull && !this.isFullOf(user)) return undefined;
    const limit = isFull ? "sessions" : "userSessions";
    counters.hit(limit);
    return limit;
  }

  /** Whether a user has as many sessions as one may, with those whose handshake is under way. */
  isFullOf(user: string): boolean {
    const { sessions, settings } = this.#context;
    return sessions.countOf(user) + (this.#byUser.get(user) ?? 0) >= settings.limits.userSessions;
  }

  /** Keeps a place. Answers what gives it back, which may be called more than once; or the limit that is reached. */
  reserve(user: string): (() => void) | Full {
    const limit = this.limitFor(user);
    if (limit !== undefined) return limit;
    const kept = { user, since: this.#context.clock.now() };
    this.#kept.add(kept);
    // Who has no name is not one user.
    if (user !== "") this.#byUser.add(user);
    return () => this.#release(kept);
  }

  /** Counts somebody who was not let in, and tells the user's hook. */
  refused(refused: Refused): void {
    this.#context.counters.refused(refused.code);
    const failed = (error: unknown): void => this.#context.report(error, "refused", `${refused.code}`);
    attended(() => this.#onRefused(loggableRefusal(refused)), failed);
  }

  /** Counts a session that we close; one that was never connected was refused. */
  closed(why: Close, wasFresh: boolean): void {
    this.#context.counters.closed(why.code);
    if (wasFresh && refusals.includes(why)) this.refused(why);
  }

  clear(): void {
    this.#kept.clear();
    this.#byUser.clear();
  }

  #release(kept: Kept): void {
    if (this.#kept.delete(kept)) this.#byUser.add(kept.user, -1);
  }

  #forget(): void {
    const { clock, settings } = this.#context;
    for (const kept of this.#kept) {
      if (clock.now() - kept.since < settings.limits.connect) return;
      this.#release(kept);
    }
  }
}

/** Characters of a text from outside that are told. */
const longest = 200;

/** The same, with every text as one line that only shows. */
function loggableRefusal({ code, reason, path, origin }: Refused): Refused {
  return {
    code,
    reason: printable(reason),
    ...(path !== undefined && { path: printable(path.slice(0, longest)) }),
    ...(origin !== undefined && { origin: printable(origin.slice(0, longest)) }),
  };
}
