import { refusalsToConsole } from "../../base/console.ts";
import { Counts } from "../../base/counts.ts";
import { attended } from "../../base/hook.ts";
import { printable } from "../../base/printable.ts";
import type { Refused } from "../../model/refused.ts";
import { type Close, closes } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import type { NotifierOptions } from "../core/settings.ts";

/** A reserved session: a handshake that is in progress. */
interface Reservation {
  readonly user: string;
  readonly since: number;
}

/**
 * The closes that count as a refusal if the session was not connected yet. `disconnect` is not one of them, because the
 * user's own code called it.
 */
const refusals: readonly Close[] = [
  closes.invalidToken,
  closes.badRequest,
  closes.stale,
  closes.connectionLimit,
  closes.channelLimit,
];

/** What the gate needs besides the context. */
export interface GateContext extends Context {
  readonly sessions: { readonly size: number; countOf(user: string): number };
}

/** A limit on the number of sessions. */
export type Full = "sessions" | "userSessions";

/**
 * Decides which clients may come in. It counts the handshakes in progress, and reports the refused clients.
 *
 * A handshake of which nothing more is heard is counted for at most `limits.connect`. No timer is needed for that.
 */
export class Gate {
  /** Whether the notifier closes. Then every client is refused, and the console does not print each one. */
  isClosing = false;
  readonly #context: GateContext;
  readonly #onRefused: (refused: Refused) => unknown;
  /** In the order in which they began. */
  readonly #reserved = new Set<Reservation>();
  readonly #byUser = new Counts<string>();

  constructor(context: GateContext, onRefused: NotifierOptions["onRefused"]) {
    this.#context = context;
    const write = refusalsToConsole(() => context.clock.now());
    this.#onRefused = onRefused ?? ((refused) => this.isClosing || write(refused));
  }

  /** Returns the limit that keeps a user out, if any, and counts it as hit. */
  limitFor(user: string): Full | undefined {
    this.#expire();
    const { sessions, settings, counters } = this.#context;
    const isFull = sessions.size + this.#reserved.size >= settings.limits.sessions;
    if (!isFull && !this.isFullOf(user)) return undefined;
    const limit = isFull ? "sessions" : "userSessions";
    counters.hit(limit);
    return limit;
  }

  /** Whether no handshake is in progress. */
  get isFree(): boolean {
    this.#expire();
    return this.#reserved.size === 0;
  }

  /** Returns whether a user has the maximum number of sessions. Handshakes in progress count. */
  isFullOf(user: string): boolean {
    const { sessions, settings } = this.#context;
    return sessions.countOf(user) + (this.#byUser.get(user) ?? 0) >= settings.limits.userSessions;
  }

  /**
   * Reserves a session. Returns a function that releases it, which may be called several times, or the limit that is
   * reached.
   */
  reserve(user: string): (() => void) | Full {
    const limit = this.limitFor(user);
    if (limit !== undefined) return limit;
    const reservation = { user, since: this.#context.clock.now() };
    this.#reserved.add(reservation);
    // The user "" stands for many anonymous clients, so no limit per user applies.
    if (user !== "") this.#byUser.add(user);
    return () => this.#release(reservation);
  }

  /** Counts a refused client, and calls the user's hook. */
  refused(refused: Refused): void {
    this.#context.counters.refused(refused.code);
    const failed = (error: unknown): void => this.#context.report(error, "refused", `${refused.code}`);
    attended(() => this.#onRefused(loggableRefusal(refused)), failed);
  }

  /** Counts a session that the server closes. If it was never connected, it may count as refused. */
  closed(why: Close, wasFresh: boolean): void {
    this.#context.counters.closed(why.code);
    if (wasFresh && refusals.includes(why)) this.refused(why);
  }

  clear(): void {
    this.#reserved.clear();
    this.#byUser.clear();
  }

  #release(reservation: Reservation): void {
    if (this.#reserved.delete(reservation)) this.#byUser.add(reservation.user, -1);
  }

  #expire(): void {
    const { clock, settings } = this.#context;
    for (const reservation of this.#reserved) {
      if (clock.now() - reservation.since < settings.limits.connect) return;
      this.#release(reservation);
    }
  }
}

/** The maximum length of a text from outside in a report, in characters. */
const maxTextLength = 200;

/** Returns the refusal with every text as one printable line. */
function loggableRefusal({ code, reason, path, origin }: Refused): Refused {
  return {
    code,
    reason: printable(reason),
    ...(path !== undefined && { path: printable(path.slice(0, maxTextLength)) }),
    ...(origin !== undefined && { origin: printable(origin.slice(0, maxTextLength)) }),
  };
}
