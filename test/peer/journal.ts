import { type Inbox, inbox } from "../support/inbox.ts";

/** What the handlers of a notifier were called with, by kind. */
export interface Happenings {
  /** `onError`. */
  error: { stage: string; message: string };
  /** `onRefused`. */
  refused: { code: number };
  /** `onUndelivered`. */
  undelivered: { channel: string; offset: number; reason: string };
  /** The peer's `receive`. */
  sent: { user: string; data: unknown };
  /** The peer's `refresh`. */
  refreshed: { user: string; token: string };
  /** The signal of a handler has aborted. */
  aborted: { handler: string };
}

/** What a notifier's handlers were called with, and the gates at which they wait. Tests read and open them. */
export interface Journal {
  add<Kind extends keyof Happenings>(kind: Kind, what: Happenings[Kind]): void;
  /** Waits until there are `count` of a kind, and removes them. 0: removes all that there are now. */
  take(kind: keyof Happenings, count: number): Promise<unknown[]>;
  /** Removes everything. */
  rest(): unknown[];
  /** Waits until a gate is open, or rejects with the reason of the signal. */
  pass(gate: string, signal: AbortSignal): Promise<void>;
  open(gate: string): void;
}

export function journal(): Journal {
  const boxes = new Map<string, Inbox<unknown>>();
  const gates = new Map<string, Gate>();
  const boxOf = (kind: string): Inbox<unknown> => known(boxes, kind, inbox);
  const gateOf = (name: string): Gate => known(gates, name, gate);
  return {
    add: (kind, what) => boxOf(kind).add(what),
    async take(kind, count) {
      const items = await boxOf(kind).until(count);
      return items.splice(0, count || items.length);
    },
    rest: () =>
      Array.from(boxes, ([kind, { items }]) =>
        items.splice(0).map((item) => ({ kind, ...(item as object) })),
      ).flat(),
    pass: (name, signal) => gateOf(name).pass(signal),
    open: (name) => gateOf(name).open(),
  };
}

interface Gate {
  pass(signal: AbortSignal): Promise<void>;
  open(): void;
}

function gate(): Gate {
  const waiting = new Set<() => void>();
  let isOpen = false;
  return {
    pass: (signal) =>
      new Promise((resolve, reject) => {
        if (isOpen) return resolve();
        waiting.add(resolve);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
    open() {
      isOpen = true;
      for (const resolve of waiting) resolve();
    },
  };
}

function known<T>(map: Map<string, T>, name: string, make: () => T): T {
  const found = map.get(name) ?? make();
  map.set(name, found);
  return found;
}
