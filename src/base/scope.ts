import { ClosedError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";

/** The kind of a pending item. */
export type PendingKind = "run" | "task" | "wait" | "timer" | "socket" | "publication";

/** An item that the notifier owns now, such as a timer, a wait or a socket. */
export interface Pending {
  /** The kind of item. */
  kind: PendingKind;
  /** The owner, as people read it: `run:42 "render"`, `session 7f…`. */
  owner: string;
  /** Milliseconds since the item was created. */
  age: number;
}

/** Resolves or rejects a wait. Only the first call has an effect. */
export interface Settle<T> {
  resolve(value: T): void;
  reject(reason: unknown): void;
}

interface Held {
  kind: PendingKind;
  owner: string | (() => string);
  since: number;
  /** Is called with the reason if the scope ends before the item is released. */
  end: ((reason: unknown) => void) | undefined;
}

/** The single listener of one signal, with all callbacks that are linked to the signal. */
class Listener extends Set<(reason: unknown) => void> {
  handleEvent({ target }: Event): void {
    // A callback that is unlinked during the loop is not called.
    for (const abort of this) abort((target as AbortSignal).reason);
  }
}

/**
 * The signals that are listened to, with one listener each for any number of callbacks.
 *
 * Signals are linked by hand. `AbortSignal.any` and `Promise.race` would leak: they keep the losing side in memory for
 * as long as the other side lives.
 */
export type Links = Map<AbortSignal, Listener>;

/**
 * Calls `abort` with the reason when `signal` aborts. Returns a function that stops listening. It MUST be called after
 * the abort, too.
 */
export function linkTo(links: Links, signal: AbortSignal, abort: (reason: unknown) => void): () => void {
  const listener = links.get(signal) ?? new Listener();
  if (listener.size === 0) signal.addEventListener("abort", listener);
  links.set(signal, listener.add(abort));
  return () => {
    if (!listener.delete(abort) || listener.size > 0) return;
    signal.removeEventListener("abort", listener);
    links.delete(signal);
  };
}

/**
 * A lifetime. Every wait, timer and task belongs to a scope. The scope lists them, and ends them when it ends.
 *
 * Only this file listens to an `AbortSignal`, or owns a promise that nothing awaits.
 */
export class Scope {
  readonly #clock: Clock;
  readonly #onError: (error: unknown, owner: string) => void;
  readonly #held = new Set<Held>();
  readonly #links: Links = new Map();
  readonly #parent: Scope | undefined;
  #ended: { reason: unknown } | undefined;

  /**
   * A child scope may end before its `parent`. It links signals through the parent, so that each signal has one
   * listener.
   */
  constructor(clock: Clock, onError: (error: unknown, owner: string) => void, parent?: Scope) {
    this.#parent = parent;
    this.#clock = clock;
    this.#onError = onError;
  }

  /**
   * Calls `abort` once with the reason when `signal` aborts, or at once if it has aborted. Returns a function that
   * stops listening. After the scope has ended, `abort` is called only if the signal has aborted already.
   */
  link(signal: AbortSignal | undefined, abort: (reason: unknown) => void): () => void {
    if (signal?.aborted) abort(signal.reason);
    if (signal === undefined || signal.aborted || this.#ended !== undefined) return noop;
    if (this.#parent !== undefined) return this.#parent.link(signal, abort);
    const unlink = linkTo(this.#links, signal, (reason) => {
      unlink();
      this.#attempt("abort", () => abort(reason));
    });
    return unlink;
  }

  /**
   * Lists an item as owned until the returned function is called. If the scope ends first, `end` is called with the
   * reason.
   */
  hold(kind: PendingKind, owner: string | (() => string), end?: (reason: unknown) => void): () => void {
    if (this.#ended !== undefined) return noop;
    const held: Held = { kind, owner, since: this.#clock.now(), end };
    this.#held.add(held);
    return () => {
      this.#held.delete(held);
    };
  }

  /** Owns a promise that nothing awaits. It is listed until it settles. The error hook is called with a rejection. */
  own(kind: PendingKind, owner: string | (() => string), promise: Promise<unknown>): void {
    const release = this.hold(kind, owner);
    promise.then(release, (error: unknown) => {
      release();
      this.#onError(error, nameOf(owner));
    });
  }

  /**
   * Sets a timer. The scope lists it, and cancels it when the scope ends. Returns a function that cancels the timer.
   */
  timer(owner: string, ms: number, fire: () => void): () => void {
    if (this.#ended !== undefined) return noop;
    const cancel = (): void => {
      release();
      timer.cancel();
    };
    const release = this.hold("timer", owner, cancel);
    const timer = this.#clock.timer(ms, () => {
      release();
      fire();
    });
    return cancel;
  }

  /**
   * Waits until `begin` settles the wait, `signal` aborts, or the scope ends. An abort rejects with the signal's own
   * reason, and the end of the scope rejects with the scope's reason.
   *
   * `begin` returns a function that undoes what it started. That function is called exactly once, however the wait
   * ends.
   */
  wait<T>(
    owner: string,
    signal: AbortSignal | undefined,
    begin: (settle: Settle<T>) => () => void,
  ): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#ended !== undefined) return Promise.reject(this.#ended.reason);
    return new Promise<T>((resolve, reject) => {
      let isFinished = false;
      let undo: (() => void) | undefined;
      const finish = (settle: () => void): void => {
        if (isFinished) return;
        isFinished = true;
        release();
        unlink();
        if (undo !== undefined) this.#attempt(owner, undo);
        settle();
      };
      const fail = (reason: unknown): void => finish(() => reject(reason));
      const release = this.hold("wait", owner, fail);
      const unlink = this.link(signal, fail);
      try {
        undo = begin({ resolve: (value) => finish(() => resolve(value)), reject: fail });
      } catch (error) {
        fail(error);
      }
      if (isFinished && undo !== undefined) this.#attempt(owner, undo);
    });
  }

  /** Waits for a promise that something else owns. If `signal` aborts or the scope ends first, only the wait ends. */
  waitFor<T>(owner: string, signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
    // The wait ends before it begins: nothing else would handle a rejection of the promise.
    if (signal?.aborted || this.#ended !== undefined) promise.catch(noop);
    else if (signal === undefined) return this.#waitForUnsignalled(owner, promise);
    return this.wait<T>(owner, signal, ({ resolve, reject }) => {
      promise.then(resolve, reject);
      return noop;
    });
  }

  /** The fast path without a signal, for every publication and every read: there is nothing to listen to or to undo. */
  #waitForUnsignalled<T>(owner: string, promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const held: Held = { kind: "wait", owner, since: this.#clock.now(), end: reject };
      this.#held.add(held);
      promise.then(
        (value) => {
          this.#held.delete(held);
          resolve(value);
        },
        (error: unknown) => {
          this.#held.delete(held);
          reject(error);
        },
      );
    });
  }

  /** Waits for `ms` milliseconds. */
  sleep(owner: string, ms: number, signal?: AbortSignal): Promise<void> {
    return this.wait<void>(owner, signal, ({ resolve }) => {
      const timer = this.#clock.timer(ms, resolve);
      return () => timer.cancel();
    });
  }

  /** Calls `act`, and reports what it throws, so that the remaining callbacks are still called. */
  #attempt(owner: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#onError(error, owner);
    }
  }

  /** Returns everything that the scope owns now, the oldest first. */
  inspect(): Pending[] {
    const now = this.#clock.now();
    return Array.from(this.#held, ({ kind, owner, since }) => ({
      kind,
      owner: nameOf(owner),
      age: now - since,
    }));
  }

  /** How many items the scope owns now. */
  get size(): number {
    return this.#held.size;
  }

  /** Whether the scope has ended. */
  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  /** Returns how many items of a kind the scope owns now. */
  count(kind: PendingKind): number {
    let count = 0;
    for (const held of this.#held) if (held.kind === kind) count++;
    return count;
  }

  /**
   * Ends the scope. Timers are cancelled, waits reject with `reason`, all listeners are removed, and nothing is owned.
   */
  end(reason: unknown = new ClosedError()): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    for (const held of [...this.#held]) {
      // The end of another item may have released this one already.
      if (this.#held.delete(held)) this.#attempt(nameOf(held.owner), () => held.end?.(reason));
    }
    for (const [signal, listener] of this.#links) signal.removeEventListener("abort", listener);
    this.#links.clear();
  }
}

/**
 * Returns the name of an owner. A name that can change, or is costly to make, is a function that is called only when
 * needed.
 */
export function nameOf(owner: string | (() => string)): string {
  return typeof owner === "string" ? owner : owner();
}

/** Returns a pending item as people read it: `run:42 "render", 3.2 s`. */
export function inWords({ owner, age }: Pending): string {
  return `${owner}, ${(age / 1000).toFixed(1)} s`;
}

/**
 * Marks a rejection of a promise as handled. Code that awaits the promise still gets the rejection.
 *
 * It is used for calls that are refused because of closing. Without it, a call that was not awaited would end the
 * process with an unhandled rejection, in the middle of a clean close.
 */
export function ignorable<T>(promise: Promise<T>): Promise<T> {
  promise.catch(noop);
  return promise;
}

function noop(): void {}
