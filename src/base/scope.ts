import { ClosedError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";

/** What kind of thing is owned. */
export type PendingKind = "run" | "task" | "wait" | "timer" | "socket" | "publication";

/** Something the notifier owns at this moment: what it is, whose, and for how many milliseconds. */
export interface Pending {
  /** What kind of thing it is. */
  kind: PendingKind;
  /** Whose it is, for people: `run:42 "render"`, `session 7f…`. */
  owner: string;
  /** Milliseconds since it began. */
  age: number;
}

/** Settles a wait, one way or the other; the first call counts. */
export interface Settle<T> {
  resolve(value: T): void;
  reject(reason: unknown): void;
}

interface Held {
  kind: PendingKind;
  owner: string | (() => string);
  since: number;
  /** Called when the scope ends first. */
  end: ((reason: unknown) => void) | undefined;
}

/** All who care about one signal here: it is its listener, on behalf of all of them. */
class Listener extends Set<(reason: unknown) => void> {
  handleEvent({ target }: Event): void {
    // Whoever is unlinked by another is not told any more.
    for (const abort of this) abort((target as AbortSignal).reason);
  }
}

/**
 * Signals that are listened to, with one listener each, however many here care about it.
 *
 * Linking is done by hand: `AbortSignal.any` and `Promise.race` keep what loses for as long as the other side lives.
 */
export type Links = Map<AbortSignal, Listener>;

/** Calls `abort` with the reason when `signal` aborts. Returns what stops listening, which has to be called then, too. */
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
 * A lifetime: everything that waits, ticks or works belongs to one, is listed by it, and is gone when it ends.
 *
 * This is the only file that listens to an `AbortSignal` or holds a promise nobody awaits.
 */
export class Scope {
  readonly #clock: Clock;
  readonly #onError: (error: unknown, owner: string) => void;
  readonly #held = new Set<Held>();
  readonly #links: Links = new Map();
  readonly #parent: Scope | undefined;
  #ended: { reason: unknown } | undefined;

  /** A scope with a `parent` may end before it, and listens through it, so that a signal still has one listener. */
  constructor(clock: Clock, onError: (error: unknown, owner: string) => void, parent?: Scope) {
    this.#parent = parent;
    this.#clock = clock;
    this.#onError = onError;
  }

  /**
   * Calls `abort` once with the reason when `signal` aborts, at once if it has. Returns what stops listening. A scope that
   * has ended calls only what has to be called at once.
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

  /** Lists something as owned until the returned function is called; `end` hears of the scope's own end before that. */
  hold(kind: PendingKind, owner: string | (() => string), end?: (reason: unknown) => void): () => void {
    if (this.#ended !== undefined) return noop;
    const held: Held = { kind, owner, since: this.#clock.now(), end };
    this.#held.add(held);
    return () => {
      this.#held.delete(held);
    };
  }

  /** Owns a promise nobody awaits: it is listed until it settles, and a rejection goes to the error hook. */
  own(kind: PendingKind, owner: string | (() => string), promise: Promise<unknown>): void {
    const release = this.hold(kind, owner);
    promise.then(release, (error: unknown) => {
      release();
      this.#onError(error, nameOf(owner));
    });
  }

  /** Arms a timer that the scope lists, and disarms when it ends. Returns what disarms it. */
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
   * Waits until `begin`'s settle is called, `signal` aborts (rejects with its reason itself), or the scope ends.
   *
   * `begin` returns what undoes it; that is called exactly once, whichever way the wait is over.
   */
  wait<T>(
    owner: string,
    signal: AbortSignal | undefined,
    begin: (settle: Settle<T>) => () => void,
  ): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#ended !== undefined) return Promise.reject(this.#ended.reason);
    return new Promise<T>((resolve, reject) => {
      let over = false;
      let undo: (() => void) | undefined;
      const finish = (settle: () => void): void => {
        if (over) return;
        over = true;
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
      if (over && undo !== undefined) this.#attempt(owner, undo);
    });
  }

  /** Waits for a promise of somebody else's, which goes on when `signal` aborts or the scope ends first. */
  waitFor<T>(owner: string, signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
    // Where the wait is over before it begins, nobody else would hear of a rejection.
    if (signal?.aborted || this.#ended !== undefined) promise.catch(noop);
    else if (signal === undefined) return this.#followToEnd(owner, promise);
    return this.wait<T>(owner, signal, ({ resolve, reject }) => {
      promise.then(resolve, reject);
      return noop;
    });
  }

  /** What every publication and every read waits with: nothing to listen to, and nothing to undo. */
  #followToEnd<T>(owner: string, promise: Promise<T>): Promise<T> {
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

  /** Waits for `ms`. */
  sleep(owner: string, ms: number, signal?: AbortSignal): Promise<void> {
    return this.wait<void>(owner, signal, ({ resolve }) => {
      const timer = this.#clock.timer(ms, resolve);
      return () => timer.cancel();
    });
  }

  /** One that throws must not keep the others from their turn. */
  #attempt(owner: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#onError(error, owner);
    }
  }

  /** Everything owned now, longest first. */
  inspect(): Pending[] {
    const now = this.#clock.now();
    return Array.from(this.#held, ({ kind, owner, since }) => ({
      kind,
      owner: nameOf(owner),
      age: now - since,
    }));
  }

  /** How much of a kind is owned now. */
  count(kind: PendingKind): number {
    let count = 0;
    for (const held of this.#held) if (held.kind === kind) count++;
    return count;
  }

  /** Ends the lifetime: timers are disarmed, waits reject with `reason`, every listener is removed, the list is empty. */
  end(reason: unknown = new ClosedError()): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    for (const held of [...this.#held]) {
      // What the end of another one has released is over already.
      if (this.#held.delete(held)) this.#attempt(nameOf(held.owner), () => held.end?.(reason));
    }
    for (const [signal, listener] of this.#links) signal.removeEventListener("abort", listener);
    this.#links.clear();
  }
}

/** What can change, or is dear to say, is asked when somebody looks. */
export function nameOf(owner: string | (() => string)): string {
  return typeof owner === "string" ? owner : owner();
}

/** Writes what is pending as a person would: `run:42 "render", 3.2 s`. */
export function inWords({ owner, age }: Pending): string {
  return `${owner}, ${(age / 1000).toFixed(1)} s`;
}

/**
 * Lets a promise be ignored: whoever awaits it hears of its rejection, and nobody has to.
 *
 * For what closing refuses. A call that was not awaited would otherwise end the process as an unhandled rejection, in the
 * middle of a clean close.
 */
export function ignorable<T>(promise: Promise<T>): Promise<T> {
  promise.catch(noop);
  return promise;
}

function noop(): void {}
