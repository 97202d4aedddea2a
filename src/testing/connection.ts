import type { Clock } from "../base/clock.ts";
import { Scope, type Settle } from "../base/scope.ts";
import { ClosedError, LogError } from "../model/errors.ts";
import { Line } from "./line.ts";

/** What a connection is created from. */
export interface ConnectionParts {
  readonly clock: Clock;
  /** Returns milliseconds. Undefined: nothing takes any time. */
  readonly latency: (() => number) | undefined;
  /** Called when a request has come to the other side. Calls `serve` there, now or later. */
  arrive(serve: () => void): void;
}

/** A request that is not answered yet. */
interface Call {
  readonly what: string;
  /** Whether the link was cut since it was sent. It may have been served, and is never answered. */
  isLost: boolean;
  /** Whether it has been served. Then its answer decides. */
  isServed: boolean;
  isWithdrawn: boolean;
  /** Does on the other side what was asked for. Returns what the answer does on this side. */
  serve(): () => void;
  reject(reason: unknown): void;
}

/** The link works, calls fail, calls hang, the process is gone, or the connection was closed. */
type State = "open" | "failing" | "hanging" | "dead" | "closed";

/** The way of one node to a store: requests, answers, and news that nobody asked for. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly scope: Scope;
  readonly #requests: Line;
  readonly #answers: Line;
  readonly #news: Line;
  readonly #calls = new Set<Call>();
  #state: State = "open";

  constructor(parts: ConnectionParts) {
    const { clock, latency } = parts;
    this.#parts = parts;
    // Nothing in this scope reports errors: all waits are the caller's.
    this.scope = new Scope(clock, () => {});
    this.#requests = new Line(clock, latency);
    this.#answers = new Line(clock, latency);
    this.#news = new Line(clock, latency);
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /**
   * Asks the other side. `serve` is called there once the request has come. If the signal aborts before, nothing is done
   * there. Once it was served, the answer comes all the same, unless it is lost.
   */
  ask<T>(what: string, signal: AbortSignal | undefined, serve: () => T): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#state === "closed") return Promise.reject(new ClosedError(`Cannot ${what}: the log is closed`));
    if (this.#state === "failing") return Promise.reject(unreachable(what));
    return this.scope.wait<T>(what, undefined, (settle) => {
      const call = callOf(what, settle, serve);
      this.#calls.add(call);
      const unlink = this.scope.link(signal, (reason) => {
        if (call.isServed && !call.isLost) return;
        call.isWithdrawn = true;
        call.reject(reason);
      });
      if (this.isOpen) this.#send(call);
      return () => {
        unlink();
        this.#calls.delete(call);
      };
    });
  }

  #send(call: Call): void {
    this.#requests.send(() => {
      // It can be withdrawn on its way. Nobody can take it back once it waits on the other side.
      if (!call.isWithdrawn) this.#parts.arrive(() => this.#serve(call));
    });
  }

  /** Serves a call, however this side may be by then. */
  #serve(call: Call): void {
    const answer = call.serve();
    call.isServed = true;
    if (this.isOpen) this.#answers.send(answer);
  }

  /** Sends this side something that it did not ask for. */
  tell(news: () => void): void {
    if (this.isOpen) this.#news.send(news);
  }

  /** Cuts the link. What is under way is lost. */
  cut(hang: boolean): void {
    if (this.#state === "dead" || this.#state === "closed") return;
    this.#state = hang ? "hanging" : "failing";
    this.#lose();
    for (const call of [...this.#calls]) if (!hang) call.reject(unreachable(call.what));
  }

  /** Ends `cut`. Returns whether the link was cut. */
  heal(): boolean {
    if (this.#state !== "failing" && this.#state !== "hanging") return false;
    this.#state = "open";
    for (const call of [...this.#calls]) {
      if (call.isLost) call.reject(unreachable(call.what));
      else this.#send(call);
    }
    return true;
  }

  /** Ends this side without a word. Nothing is answered any more. */
  kill(): void {
    if (this.#state !== "closed") this.#state = "dead";
    this.#lose();
  }

  /** Closes the connection. All calls that are not answered reject. */
  close(): void {
    this.#state = "closed";
    this.#lose();
    this.scope.end(new ClosedError("Cannot go on: the log is closed"));
  }

  #lose(): void {
    for (const line of [this.#requests, this.#answers, this.#news]) line.clear();
    for (const call of this.#calls) call.isLost = true;
  }
}

function callOf<T>(what: string, { resolve, reject }: Settle<T>, serve: () => T): Call {
  return {
    ...{ what, isLost: false, isServed: false, isWithdrawn: false, reject },
    serve() {
      try {
        const value = serve();
        return () => resolve(value);
      } catch (error) {
        return () => reject(error);
      }
    },
  };
}

function unreachable(what: string): LogError {
  return new LogError(`Cannot ${what}: the store cannot be reached`);
}
