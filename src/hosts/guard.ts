import type { WSContext, WSEvents } from "hono/ws";
import { systemClock } from "../base/clock.ts";
import { complain } from "../base/console.ts";
import { attended } from "../base/hook.ts";

/**
 * Keeps what WebSocket handlers throw or reject with from ending the process, which most runtimes let it do, and a peer
 * that floods from holding it.
 */
export function guard<T>(events: WSEvents<T>, report: (error: unknown) => void): Required<WSEvents<T>> {
  return new Guard(events, report, true);
}

/** What one peer may send before the process comes to anything else. So few messages are not even looked at. */
const flood = { messages: 4_000, milliseconds: 50, few: 32 };

/** Handlers that bound what a peer may send themselves, and say whether they still take it. */
export interface Bounded {
  takes(): boolean;
}

/** The handlers of one connection, guarded. A class, not closures: thousands of connections share its methods. */
class Guard<T> implements Required<WSEvents<T>> {
  readonly #events: WSEvents<T>;
  readonly #report: (error: unknown) => void;
  readonly #isGauged: boolean;
  /** Messages since the process came to anything else, and a few, and when those few had been read. */
  #count = 0;
  #began = 0;
  #isCut = false;

  constructor(events: WSEvents<T>, report: (error: unknown) => void, isGauged: boolean) {
    this.#events = events;
    this.#report = report;
    this.#isGauged = isGauged;
  }

  onOpen(event: Event, ws: WSContext<T>): void {
    attended(() => this.#events.onOpen?.(event, ws), this.#report);
  }

  onMessage(event: Parameters<Required<WSEvents<T>>["onMessage"]>[0], ws: WSContext<T>): void {
    if (this.#isGauged && this.#isFlood()) this.#cut(ws);
    else attended(() => this.#events.onMessage?.(event, ws), this.#report);
  }

  onClose(event: Parameters<Required<WSEvents<T>>["onClose"]>[0], ws: WSContext<T>): void {
    attended(() => this.#events.onClose?.(event, ws), this.#report);
  }

  onError(event: Event, ws: WSContext<T>): void {
    attended(() => this.#events.onError?.(event, ws), this.#report);
  }

  /**
   * Tells, with each message of a connection, whether the peer floods.
   *
   * The runtimes go on reading while there is something to read, and come to no timer meanwhile: on Deno and Bun a few
   * peers that send as fast as they can would hold up everything, closing included, for as long as they like.
   */
  #isFlood(): boolean {
    if (++this.#count === flood.few) {
      this.#began = systemClock.now();
      systemClock.turn(() => {
        this.#count = 0;
      });
    }
    if (this.#count <= flood.messages || systemClock.now() - this.#began <= flood.milliseconds) return false;
    // A session's own limits bound what it takes; what comes after its end nobody wants.
    return (this.#events as Partial<Bounded>).takes?.() !== true;
  }

  /** Deno has no `terminate`, but ends a connection by itself at the first message after a close. */
  #cut(ws: WSContext<T>): void {
    const raw = ws.raw as { terminate?(): void } | undefined;
    if (typeof raw?.terminate === "function") raw.terminate();
    else ws.close(1008, "Too many messages");
    // Why a session ended is known already.
    if (this.#isCut || "takes" in this.#events) return;
    this.#isCut = true;
    const { messages, milliseconds } = flood;
    const what = `over ${messages} messages, and nothing else had its turn for ${milliseconds} ms`;
    this.#report(new Error(`Cut a WebSocket: it sent ${what}`));
  }
}

/** See {@linkcode guard}; for where there is no request any more. */
export function guarded<T>(events: WSEvents<T>, report: (error: unknown) => void): Required<WSEvents<T>> {
  return events instanceof Guard ? events : new Guard(events, report, false);
}

/** An error hook that cannot itself throw: what it throws, or rejects with, goes to the console. */
export function contained(onError: (error: unknown) => unknown): (error: unknown) => void {
  return (error) => attended(() => onError(error), complain);
}
