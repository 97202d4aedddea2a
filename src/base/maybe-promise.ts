/** What is at hand, or comes later. */
export type MaybePromise<T> = T | Promise<T>;

/** Goes on with what is at hand at once, in the same turn, and with what comes later then. */
export function andThen<T, R>(value: MaybePromise<T>, go: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(go) : go(value);
}

/** Calls something of anybody's, and goes on with what it answers, or with what goes wrong, now or later. */
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
  coming: PromiseLike<T>,
  done: (value: T) => R,
  failed: (error: unknown) => R,
): Promise<R> {
  try {
    return done(await coming);
  } catch (error) {
    return failed(error);
  }
}

/** Does something, and undoes it where it goes wrong, now or later. */
export function attempt<T>(act: () => MaybePromise<T>, undo: () => void): MaybePromise<T> {
  return handled<T, T>(act, same, (error) => {
    undo();
    throw error;
  });
}

function same<T>(value: T): T {
  return value;
}

/** Whether something comes later, a promise of anybody's. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === "function";
}
