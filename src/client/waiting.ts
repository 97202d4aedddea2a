import { type Links, linkTo } from "../base/scope.ts";

/** Begins something that settles a wait. */
export type Begin<T> = (resolve: (value: T) => void, reject: (reason: unknown) => void) => void;

/** Waits until it is settled, `signal` aborts, or the client is closed; where that was before, nothing begins. */
export type Wait = <T>(signal: AbortSignal | undefined, begin: Begin<T>) => Promise<T>;

/** Makes what waits until it is settled, a signal aborts, or it is `over`. */
export function createWait(over: AbortSignal): Wait {
  const links: Links = new Map();
  return <T>(signal: AbortSignal | undefined, begin: Begin<T>) => {
    const undo: (() => void)[] = [];
    const waited = new Promise<T>((resolve, reject) => {
      for (const each of [signal, over]) {
        if (!each) continue;
        if (each.aborted) throw each.reason;
        undo.push(linkTo(links, each, reject));
      }
      begin(resolve, reject);
    });
    return waited.finally(() => {
      for (const end of undo) end();
    });
  };
}
