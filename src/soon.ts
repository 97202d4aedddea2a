/** What is at hand, or comes later. */
export type Soon<T> = T | Promise<T>;

/** Goes on with what is at hand at once, in the same turn, and with what comes later then. */
export function andThen<T, R>(value: Soon<T>, go: (value: T) => Soon<R>): Soon<R> {
  return value instanceof Promise ? value.then(go) : go(value);
}

/** Does something, and undoes it where it goes wrong, now or later. */
export function attempt<T>(act: () => Soon<T>, undo: () => void): Soon<T> {
  const failed = (error: unknown): never => {
    undo();
    throw error;
  };
  try {
    const value = act();
    return value instanceof Promise ? value.catch(failed) : value;
  } catch (error) {
    return failed(error);
  }
}

/** Whether something comes later, a promise of anybody's. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === "function";
}
