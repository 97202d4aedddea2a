import type { Scope } from "./scope.ts";

/** Calls a handler of the user's and waits for its answer until `asking` aborts, which it does after `ms`. */
export async function askWithin<T>(
  scope: Scope,
  ms: number,
  owner: string,
  asking: AbortController,
  call: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const disarm = scope.timer(owner, ms, () => {
    asking.abort(new Error(`Cannot wait any longer for ${owner}: it took over ${ms} ms`));
  });
  try {
    const answer = call(asking.signal);
    return await (isThenable(answer) ? scope.follow(owner, asking.signal, Promise.resolve(answer)) : answer);
  } finally {
    disarm();
  }
}

function isThenable<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | null | undefined)?.then === "function";
}
