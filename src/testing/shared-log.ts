import { checkBound } from "../base/check.ts";
import { systemClock } from "../base/clock.ts";
import type { HeldRecord, Slice } from "../model/log.ts";
import { boundsByName } from "../stores/bounds.ts";
import { defaults, type MemoryLogOptions } from "../stores/memory.ts";
import { type NodeLog, SharedNode } from "./shared-node.ts";
import { type SharedContent, SharedStore } from "./shared-store.ts";

/** Options of `sharedLog`. */
export interface SharedLogOptions
  extends Pick<MemoryLogOptions, "size" | "bytes" | "ttl" | "slack" | "clock"> {
  /**
   * Milliseconds after which the store takes a node for gone that is silent. A node that lives is heard three times in
   * it. Default 15 000.
   */
  lease?: number | undefined;
  /**
   * Milliseconds that a request takes to the store, that its answer takes back, and that a wake takes. A function is asked
   * for each of them. Nothing overtakes what was sent before it on the same way. Default: none of them takes any time;
   * they come in microtasks.
   */
  latency?: number | (() => number) | undefined;
}

/** What a shared log had at one moment, for `rollback`. */
export interface SharedSnapshot {
  /** When it was taken, in milliseconds since the Unix epoch. */
  readonly time: number;
}

/** What a shared log has now. */
export interface SharedState {
  /** All channels, as a read without options returns them. */
  readonly channels: Readonly<Record<string, Slice>>;
  /** All records that are held, and the id of the node that holds each. Undefined while no node is there. */
  readonly records: readonly { readonly held: HeldRecord; readonly node: string | undefined }[];
  /** The number of watches that are not disposed, over all nodes that live. */
  readonly watches: number;
}

/** A store with which several notifiers work at once, and what may happen to the store. */
export interface SharedLog {
  /** Returns a log for one more node. Give it to one notifier. */
  open(): NodeLog;
  /** Lets the store stand still: requests wait there. Nobody's silence counts meanwhile. */
  pause(): void;
  /** Ends `pause`: the requests that wait are served in the order in which they came. */
  resume(): void;
  /** Returns what the store has now, so that it can be set back to it. */
  snapshot(): SharedSnapshot;
  /**
   * Sets the store back, as a failover does that loses the last writes. Each channel goes on in a new epoch, whose lineage
   * says up to where it is the same as before. Members are told (`renewed`), and all watches wake.
   *
   * @throws {TypeError} for a snapshot of another shared log
   */
  rollback(snapshot: SharedSnapshot): void;
  /** Loses everything. Epochs that were used before never come back. Members are told (`renewed`), and all watches wake. */
  wipe(): void;
  /** The ids of the nodes that have joined and are not taken for gone. The one that joined first comes first. */
  readonly nodes: readonly string[];
  /** Returns what the store has now, for assertions. */
  inspect(): SharedState;
}

/**
 * Creates a store in memory with which several notifiers work at once, as nodes of one cluster. It is for tests of what
 * happens between them: each node can be killed or cut off, and the store can stand still, be set back, or be wiped.
 *
 * All logs answer with promises, as over a network, each in the order of its calls. A member that is silent for its lease
 * is taken for gone. What it held goes at once to the member that has lived longest, and with none left to the first one
 * that joins. Silence is counted from one sign of life to the next, a third of the lease at most: while all nodes are
 * silent, nobody's silence counts.
 *
 * A node that has joined has one timer. Its disposal ends it.
 *
 * @throws {RangeError} when a bound, `lease` or `latency` cannot be used
 * @example
 * ```ts
 * const clock = fakeClock();
 * const shared = sharedLog({ clock });
 * const [one, other] = [shared.open(), shared.open()];
 * const notifiers = [one, other].map((log) => createNotifier({ log, clock }));
 * const run = notifiers[0].run(work);
 * await clock.advance(1_000);
 * one.kill();
 * await clock.advance(30_000); // the run has failed: it is lost
 * ```
 */
export function sharedLog(options: SharedLogOptions = {}): SharedLog {
  const { clock = systemClock, lease = 15_000, latency } = options;
  const {
    size = defaults.size,
    bytes = defaults.bytes,
    ttl = defaults.ttl,
    slack = defaults.slack,
  } = options;
  const boundsOf = boundsByName({ size, bytes, ttl, slack }, defaults);
  if (!(checkBound("lease", lease) > 0)) throw new RangeError('Cannot use lease "0": no node could live');
  const takes = typeof latency === "number" ? constant(checkBound("latency", latency)) : latency;
  const store = new SharedStore({ clock, lease, boundsOf });
  const snapshots = new WeakMap<SharedSnapshot, SharedContent>();
  return {
    open: () => new SharedNode({ store, clock, lease, latency: takes }),
    pause: () => store.pause(),
    resume: () => store.resume(),
    snapshot() {
      const snapshot = { time: clock.time() };
      snapshots.set(snapshot, store.content);
      return snapshot;
    },
    rollback(snapshot) {
      const content = snapshots.get(snapshot);
      if (content === undefined)
        throw new TypeError("Cannot roll back: this snapshot is of another shared log");
      store.restore(content);
    },
    wipe: () => store.wipe(),
    get nodes() {
      return store.members.ids;
    },
    inspect() {
      const { slices: channels, members, watches } = store;
      return { channels, records: members.records.map(({ held, node }) => ({ held, node })), watches };
    },
  };
}

function constant(value: number): () => number {
  return () => value;
}
