import type { WSContext, WSEvents } from "hono/ws";
import { systemClock } from "../base/clock.ts";
import { complain } from "../base/console.ts";
import { attended } from "../base/hook.ts";
import type { Speaking } from "./handshake.ts";

/**
 * Wraps WebSocket handlers. What they throw or reject with is reported: on most runtimes it would end the process. A
 * peer that floods is cut, so that it cannot block the process.
 */
export function guard<T>(events: WSEvents<T>, report: (error: unknown) => void): Required<WSEvents<T>> {
  return new Guard(events, report, true);
}

/**
 * How much one peer may send before the event loop runs anything else: more than `messages`, over more than
 * `milliseconds`, is a flood. The time is measured from message number `measuredFrom` on, to save work for slow peers.
 */
const flood = { messages: 4_000, milliseconds: 50, measuredFrom: 32 };

/** Handlers that limit themselves what a peer may send. `takes` returns whether they still accept messages. */
export interface Bounded {
  takes(): boolean;
}

/**
 * The wrapped handlers of one connection. A class, not closures, because thousands of connections share its methods.
 */
class Guard<T> implements Required<WSEvents<T>>, Speaking {
  readonly #events: WSEvents<T>;
  readonly #report: (error: unknown) => void;
  readonly #isGauged: boolean;
  /** Messages since the event loop last ran anything else, plus fewer than `measuredFrom` from before. */
  #count = 0;
  /** The time of message number `measuredFrom`. */
  #began = 0;
  #isCut = false;

  constructor(events: WSEvents<T>, report: (error: unknown) => void, isGauged: boolean) {
    this.#events = events;
    this.#report = report;
    this.#isGauged = isGauged;
  }

  get subprotocols(): readonly string[] | undefined {
    return (this.#events as Speaking).subprotocols;
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
   * Counts a message, and returns whether the peer floods.
   *
   * The runtimes read as long as there is data, and run no timers meanwhile. On Deno and Bun, a few peers that send as
   * fast as they can would block everything, closing included, for as long as they send.
   */
  #isFlood(): boolean {
    if (++this.#count === flood.measuredFrom) {
      this.#began = systemClock.now();
      systemClock.turn(() => {
        this.#count = 0;
      });
    }
    if (this.#count <= flood.messages || systemClock.now() - this.#began <= flood.milliseconds) return false;
    // An open session has its own limits. After its end, messages have no use.
    return (this.#events as Partial<Bounded>).takes?.() !== true;
  }

  /** Cuts the connection. Deno has no `terminate`, but ends a connection itself at the first message after a close. */
  #cut(ws: WSContext<T>): void {
    const raw = ws.raw as { terminate?(): void } | undefined;
    if (typeof raw?.terminate === "function") raw.terminate();
    else ws.close(1008, "Too many messages");
    // A session has already reported why it ended.
    if (this.#isCut || "takes" in this.#events) return;
    this.#isCut = true;
    const { messages, milliseconds } = flood;
    const what = `over ${messages} messages, and nothing else had its turn for ${milliseconds} ms`;
    this.#report(new Error(`Cut a WebSocket: it sent ${what}`));
  }
}

/**
 * Wraps handlers as {@linkcode guard} does, but without the check for floods. For code that has no request any more.
 */
export function guarded<T>(events: WSEvents<T>, report: (error: unknown) => void): Required<WSEvents<T>> {
  return events instanceof Guard ? events : new Guard(events, report, false);
}

/** Returns an error hook that never throws: what `onError` throws or rejects with is written to the console. */
export function contained(onError: (error: unknown) => unknown): (error: unknown) => void {
  return (error) => attended(() => onError(error), complain);
}
