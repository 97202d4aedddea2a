/** A value, or a promise of it. */
export type MaybePromise<T> = T | Promise<T>;

/** Calls `next` with the value: synchronously for a plain value, or once the promise resolves. */
export function andThen<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/**
 * Calls a function that may be synchronous or asynchronous. Calls `done` with its result, or `failed` with what it
 * throws or rejects with. `failed` is also called with what `done` throws.
 */
export function handled<T, R>(
  call: () => T | PromiseLike<T>,
  done: (value: T) => R,
  failed: (error: unknown) => R,
): MaybePromise<R> {
  try {
    const value = call();
    return isThenable(value) ? handledLater(value, done, failed) : done(value);
  } catch (error) {
    return failed(error);
  }
}

async function handledLater<T, R>(
  promise: PromiseLike<T>,
  done: (value: T) => R,
  failed: (error: unknown) => R,
): Promise<R> {
  try {
    return done(await promise);
  } catch (error) {
    return failed(error);
  }
}

/** Calls `act`. If it throws or rejects, calls `undo` and passes the error on. */
export function attempt<T>(act: () => MaybePromise<T>, undo: () => void): MaybePromise<T> {
  return handled<T, T>(act, same, (error) => {
    undo();
    throw error;
  });
}

function same<T>(value: T): T {
  return value;
}

/** Returns whether a value is a promise of any implementation: an object with a `then` method. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === "function";
}
