/** A signal that counts its listeners. */
export interface SpiedSignal {
  readonly signal: AbortSignal;
  readonly listening: number;
  abort(reason?: unknown): void;
}

export function spiedSignal(): SpiedSignal {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal) as (...args: unknown[]) => void;
  const remove = signal.removeEventListener.bind(signal) as (...args: unknown[]) => void;
  Object.defineProperties(signal, {
    addEventListener: {
      value: (type: string, listener: unknown, ...rest: unknown[]) => {
        listeners.add(listener);
        add(type, listener, ...rest);
      },
    },
    removeEventListener: {
      value: (type: string, listener: unknown, ...rest: unknown[]) => {
        listeners.delete(listener);
        remove(type, listener, ...rest);
      },
    },
  });
  return {
    signal,
    get listening() {
      return listeners.size;
    },
    abort: (reason) => controller.abort(reason),
  };
}
