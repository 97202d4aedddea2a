import { type Links, linkTo } from "../base/scope.ts";

/** Starts an operation that settles a wait. */
export type Begin<T> = (resolve: (value: T) => void, reject: (reason: unknown) => void) => void;

/**
 * Waits until `begin` settles, `signal` aborts, or the client is closed. Does not call `begin` if it aborted or closed
 * before.
 */
export type Wait = <T>(signal: AbortSignal | undefined, begin: Begin<T>) => Promise<T>;

/** Creates a function that waits. Its waits also end when `over` aborts. */
export function createWait(over: AbortSignal): Wait {
  const links: Links = new Map();
  return <T>(signal: AbortSignal | undefined, begin: Begin<T>) => {
    const undo: (() => void)[] = [];
    const waited = new Promise<T>((resolve, reject) => {
      for (const each of [signal, over]) {
        if (!each) continue;
        each.throwIfAborted();
        undo.push(linkTo(links, each, reject));
      }
      begin(resolve, reject);
    });
    return waited.finally(() => {
      for (const end of undo) end();
    });
  };
}
