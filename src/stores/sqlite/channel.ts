import { LinkedNode } from "../../base/linked-list.ts";
import { SmallSet } from "../../base/small-set.ts";
import type { WakeHint } from "../../model/log.ts";
import type { ChannelRow } from "./channel-row.ts";
import type { NewEntry } from "./entry-store.ts";
import type { Repeat, RepeatKind } from "./repeats-table.ts";

/** A channel as it will be after the next commit. */
export interface Draft {
  row: ChannelRow;
  /** Whether everything is forgotten that the database has of the channel. */
  begins: boolean;
  readonly entries: NewEntry[];
  /** By kind, and by the text as it is stored. */
  readonly repeats: Readonly<Record<RepeatKind, Map<string, Repeat>>>;
}

/** A channel in memory: what was read of it, what is gathered for it, and who watches it. */
export class SqliteChannel extends LinkedNode {
  readonly name: string;
  /** Undefined until it is read, and when another process may have changed it. */
  row: ChannelRow | undefined;
  /** Until when time trims nothing of `row`. */
  calm: number = -Infinity;
  /** What the database has. It differs from `row` where time has trimmed the channel since. */
  written: ChannelRow | undefined;
  draft: Draft | undefined;
  readonly #watchers: SmallSet<Watcher> = new SmallSet();

  constructor(name: string) {
    super();
    this.name = name;
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  /** Sets what holds after a commit, and what the database has. Undefined: it is to be read before it is used. */
  set(row: ChannelRow | undefined, written: ChannelRow | undefined = row): void {
    this.row = row;
    this.written = written;
    this.calm = -Infinity;
  }

  /** Forgets what was read and gathered. */
  reset(): void {
    this.set(undefined);
    this.draft = undefined;
  }

  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  /** Returns whether it was watching. */
  unwatch(watcher: Watcher): boolean {
    return this.#watchers.delete(watcher);
  }

  unwatchAll(): void {
    for (const watcher of [...this.#watchers]) this.#watchers.delete(watcher);
  }

  /**
   * Wakes all watchers. One that throws must fail neither the others nor who has committed. One that was disposed by
   * the wake of another is not called.
   */
  wake(hint?: WakeHint): void {
    for (const watcher of [...this.#watchers]) if (this.#watchers.has(watcher)) call(watcher, hint);
  }
}

/** A watch of a channel. */
export class Watcher implements AsyncDisposable {
  readonly #channel: SqliteChannel;
  readonly #unwatched: (channel: SqliteChannel) => void;
  readonly wake: (hint?: WakeHint) => void;

  constructor(
    channel: SqliteChannel,
    wake: (hint?: WakeHint) => void,
    unwatched: (channel: SqliteChannel) => void,
  ) {
    this.#channel = channel;
    this.wake = wake;
    this.#unwatched = unwatched;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#channel.unwatch(this)) this.#unwatched(this.#channel);
  }
}

function call(watcher: Watcher, hint: WakeHint | undefined): void {
  try {
    watcher.wake(hint);
  } catch {}
}
