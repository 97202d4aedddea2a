import { once } from "node:events";
import { WebSocket } from "ws";
import type { Workerd } from "./workerd.ts";

/** Bytes that the isolate of a worker and its objects has in use: V8's heap, what workerd keeps beside it, and buffers. */
export interface HeapUse {
  readonly usedSize: number;
  readonly embedderHeapUsedSize: number;
  readonly backingStorageSize: number;
}

/** A connection to V8's inspector in a process of workerd that was started with `canInspect`. */
export interface Inspector extends Disposable {
  /** Calls a method of the inspector protocol. */
  call<T>(method: string, params?: object): Promise<T>;
  /** Returns the bytes in use, the three kinds together. Garbage counts: have the worker call `gc()` before. */
  used(): Promise<number>;
}

/** Connects to the inspector of the worker. */
export async function inspect({ inspectorPort }: Pick<Workerd, "inspectorPort">): Promise<Inspector> {
  const socket = new WebSocket(`ws://127.0.0.1:${inspectorPort}/main`);
  await once(socket, "open");
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let ids = 0;
  socket.on("message", (text) => {
    const { id, result, error } = JSON.parse(String(text));
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(error.message));
  });
  const call = <T>(method: string, params: object = {}): Promise<T> =>
    new Promise((resolve, reject) => {
      const id = ++ids;
      waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      socket.send(JSON.stringify({ id, method, params }));
    });
  return {
    call,
    async used() {
      const use = await call<HeapUse>("Runtime.getHeapUsage");
      return use.usedSize + use.embedderHeapUsedSize + use.backingStorageSize;
    },
    [Symbol.dispose]: () => socket.terminate(),
  };
}
