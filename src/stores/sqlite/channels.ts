import { LinkedNode } from "../../base/linked-list.ts";
import type { Retention } from "../../model/log.ts";
import type { BoundsOf } from "../bounds.ts";
import { SqliteChannel, Watcher } from "./channel.ts";
import { type ChannelRow, never, nextDue, stamped, type Traits } from "./channel-row.ts";
import type { ChannelTable } from "./channel-table.ts";
import type { EntryStore } from "./entry-store.ts";
import { epochIn } from "./epochs.ts";
import type { Head } from "./ownership.ts";
import { trimmed } from "./trim.ts";

/** What the channels in memory are read with. */
export interface ChannelsParts {
  readonly table: ChannelTable;
  readonly entries: EntryStore;
  readonly boundsOf: BoundsOf;
  /** How many channels stay in memory that are neither watched nor changed. */
  readonly maxIdle: number;
  /** Bytes that a channel takes in memory besides its name and state, measured on V8 and rounded up. */
  readonly channelCost: number;
}

/** The channels that were used last. Those that are watched, or will be committed, always stay. */
export class Channels {
  readonly #parts: ChannelsParts;
  readonly #channels = new Map<string, SqliteChannel>();
  /** Those that may be dropped, the longest unused first. */
  #idle = new LinkedNode();
  #idleCount = 0;

  constructor(parts: ChannelsParts) {
    this.#parts = parts;
  }

  /** About how many bytes they take. */
  get bytes(): number {
    return this.#channels.size * this.#parts.channelCost;
  }

  /** Returns a channel if it is in memory. */
  known(name: string): SqliteChannel | undefined {
    return this.#channels.get(name);
  }

  /** Returns a channel in memory, without reading it. */
  use(name: string): SqliteChannel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new SqliteChannel(name);
      this.#channels.set(name, channel);
    }
    this.place(channel);
    return channel;
  }

  /** Makes a channel the one that was used last, or one that stays. */
  place(channel: SqliteChannel): void {
    if (!channel.isUnlinked) this.#idleCount--;
    channel.leave();
    if (channel.isWatched || channel.draft !== undefined) return;
    channel.moveTo(this.#idle);
    if (++this.#idleCount <= this.#parts.maxIdle) return;
    const oldest = this.#idle.newer as SqliteChannel;
    oldest.leave();
    this.#idleCount--;
    this.#channels.delete(oldest.name);
  }

  /** Returns a channel as it is now, and remembers it. Only the owner of the database may: nobody else changes it. */
  read(channel: SqliteChannel, head: Head, now: number): ChannelRow {
    if (channel.row === undefined) {
      channel.written = this.#parts.table.find(channel.name);
      channel.row = this.#current(channel.name, channel.written, head);
    }
    if (now < channel.calm) return channel.row;
    channel.row = trimmed(channel.row, now, this.#parts.entries);
    channel.calm = nextDue(channel.row);
    return channel.row;
  }

  /** Returns a channel as it is now. */
  look(name: string, head: Head, now: number): ChannelRow {
    return trimmed(this.#current(name, this.#parts.table.find(name), head), now, this.#parts.entries);
  }

  /** Returns the retention that a channel has without one of its own. */
  retentionOf(name: string): Retention {
    return this.#parts.boundsOf(name).of(name);
  }

  /** Watches a channel. */
  watch(name: string, wake: Watcher["wake"]): Watcher {
    const channel = this.use(name);
    const watcher = new Watcher(channel, wake, (unwatched) => this.place(unwatched));
    channel.watch(watcher);
    this.place(channel);
    return watcher;
  }

  /** Forgets what was read of all channels, because somebody else may have changed it. */
  reset(): void {
    for (const channel of this.#channels.values()) {
      channel.reset();
      this.place(channel);
    }
  }

  wakeAll(): void {
    for (const channel of [...this.#channels.values()]) channel.wake();
  }

  /** Forgets all channels and their watchers. */
  clear(): void {
    for (const channel of this.#channels.values()) {
      channel.reset();
      channel.unwatchAll();
    }
    this.#channels.clear();
    this.#idle = new LinkedNode();
    this.#idleCount = 0;
  }

  #current(name: string, row: ChannelRow | undefined, head: Head): ChannelRow {
    return row === undefined
      ? unused(unknownTraits(name, head), this.retentionOf(name))
      : stamped(name, row, head.stamp);
  }
}

function unknownTraits(name: string, { base, stamp, lineage }: Head): Traits {
  const older = lineage.map(({ offset, epoch }) => ({ offset, epoch: epochIn(epoch, name) }));
  return { epoch: epochIn(base, name), stamp, lineage: older, given: {}, state: undefined, sealed: false };
}

/** Returns a channel in which nothing was appended. */
export function unused(traits: Traits, retention: Retention): ChannelRow {
  return {
    ...{ id: 0, traits, retention, top: 0, first: 1, floor: 1, total: 0, base: 0, since: 0, used: 0 },
    ...{ due: never, oldest: null },
  };
}
