/** A position in a channel: an offset within an epoch. `{ offset: 0, epoch: "" }` is the start of any channel. */
export interface Position {
  /** The number of the publication in the epoch, from 1. 0 is before the first. */
  offset: number;
  /** The epoch of the channel. Offsets of different epochs cannot be compared. "" matches any epoch. */
  epoch: string;
}

/** One publication as a log keeps it. */
export interface Entry {
  /** Rises by exactly one from entry to entry within an epoch, from 1. */
  readonly offset: number;
  /** The payload, as JSON text without a raw newline. */
  readonly data: string;
  /** When it was published, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** Strings that describe the publication to its readers, by name. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** The id of the member that wants to hear who has received it. A log without `nodes` need not keep it. */
  readonly origin?: string | undefined;
}

/**
 * How much of a channel a log keeps. An entry older than `ttl` is trimmed at once. An entry over `size` or `bytes` is
 * trimmed once it is 10 s old, or once such entries take more than `slack`. The oldest entry is always trimmed first.
 */
export interface Retention {
  /** Publications kept. */
  size: number;
  /** Bytes of payload and tags kept. */
  bytes: number;
  /** Milliseconds a publication is kept. */
  ttl: number;
  /**
   * Bytes that entries over `size` and `bytes` may take while they are younger than 10 s. So a burst does not trim what
   * subscribers have not been sent yet. A log includes what each publication costs besides its payload. 0: `size` and
   * `bytes` hold at once.
   */
  slack: number;
}

/** Options of an append. */
export interface AppendOptions {
  /** See {@linkcode Entry.time}. */
  time: number;
  /** See {@linkcode Entry.tags}. */
  tags?: Readonly<Record<string, string>> | undefined;
  /** Replaces the retention of this channel, from this append on. Members that are left out have the log's defaults. */
  retention?: Partial<Retention> | undefined;
  /**
   * Makes it safe to send an append again. `n` counts the appends of writer `by` to this channel: 1, 2, 3, without
   * gaps.
   *
   * - The last `n` again MUST append nothing, change nothing, and return the result of the first call, whatever its
   *   other arguments are.
   * - A lower `n`, or one above the last plus 1, MUST be refused with an error that is not lasting.
   * - An append that was refused, failed or was aborted does not count, unless it was made all the same.
   * - A store that was set back has forgotten the last appends of a writer. In an epoch that continues one of before, a
   *   first append with a higher `n` MUST be made.
   * - A log may forget a writer 10 minutes after its last append, and together with its channel. A writer that the log
   *   does not know begins with the `n` that it sends, so that it can continue. Before its first append has settled, a
   *   writer MUST therefore not start another one.
   */
  once?: { readonly by: string; readonly n: number } | undefined;
  /**
   * The publisher's own key for this publication. For `ttl` milliseconds after the first use of a key, an append with
   * the same text in the same channel MUST append nothing, and MUST return the position of the first one, even if that
   * was trimmed since. A log may bound the memory for its keys, and then forgets some of them earlier.
   *
   * `once` is checked first. If the key of a writer's append was used before, that append MUST count as the writer's
   * last, with the position of the key's first use as its result.
   */
  key?: { readonly text: string; readonly ttl: number } | undefined;
  /**
   * `"first"`: the channel begins with this append, at offset 1. If it has begun already, the append MUST be refused with
   * an `ExistsError`. A channel has begun once something was appended to it, until it is sealed and none of its entries
   * is kept any more. A channel that was in use before MUST get an epoch in which nothing was ever appended; its
   * retention, state, seal, writers and keys are forgotten. Its watchers stay, and MUST be woken.
   *
   * `"last"`: this append seals the channel. Every later append, other than a repeat or one in the first place, MUST be
   * refused with a `SealedError`. The `ttl` of all entries of a sealed channel counts from this append, so that they are
   * kept and trimmed together.
   *
   * A repeat, by `once` or `key`, is answered before its place is looked at.
   */
  place?: "first" | "last" | undefined;
  /** What the channel says of itself from this append on. It is kept and read with the channel. A state of more than 4 096 characters MUST be refused with a `RangeError`. */
  state?: string | undefined;
  /**
   * A record that this process holds from this append on, until it releases it. It is written together with the append,
   * or not at all. It needs a `join` before, and it MUST be a text that was never held before. A log without `join`
   * ignores it.
   */
  hold?: string | undefined;
  /** See {@linkcode Entry.origin}. */
  origin?: string | undefined;
  /**
   * The position of an earlier append, which this one must follow. If that is not of the channel's epoch, nor good in it by
   * the `lineage`, the append MUST be refused with an error that is not lasting. A log without `nodes` need not look at
   * it.
   */
  follows?: Position | undefined;
  /** Ends the wait when it aborts. */
  signal?: AbortSignal | undefined;
}

/** One of several payloads that are appended together. */
export interface AppendEntry extends Pick<AppendOptions, "time" | "tags"> {
  /** See {@linkcode Entry.data}. */
  readonly data: string;
}

/** Options of an append of several payloads. */
export type AppendAllOptions = Pick<AppendOptions, "retention" | "once" | "follows" | "signal">;

/** Options of a read. */
export interface ReadOptions {
  /** Reads only what follows this position. Default: everything that is kept. */
  after?: Position | undefined;
  /** Maximum number of entries. Default: all. */
  limit?: number | undefined;
  /**
   * Reads only the newest so many of what follows `after`. Together with `limit` it MUST be refused with a `RangeError` or
   * a `TypeError`. Default: all.
   */
  last?: number | undefined;
  /** Ends the wait when it aborts. */
  signal?: AbortSignal | undefined;
}

/** The publication that was appended, as a wake may carry it. */
export interface WakeHint extends Entry {
  /** The channel's epoch. */
  readonly epoch: string;
}

/** The result of a read. */
export interface Slice {
  /** The current epoch of the channel. */
  readonly epoch: string;
  /** The offset of the newest publication that was ever appended in this epoch, kept or not. 0 if there was none. */
  readonly top: number;
  /** The offset of the oldest publication that is still kept, or `top + 1` if none is kept. */
  readonly first: number;
  /** The entries in order of offset, without a gap. Empty if not `gapless`. */
  readonly entries: readonly Entry[];
  /** What the channel says of itself: the `state` of the last append that had one. */
  readonly state?: string | undefined;
  /** Whether the channel is sealed. Default: false. */
  readonly sealed?: boolean | undefined;
  /**
   * Positions of older epochs that this epoch continues, the newest epoch first: what was appended up to each of them has
   * the same offset here. Their offsets never rise towards older epochs, and none is above `top`. A read after an older position up to there MUST be served as one of this epoch. Default: none.
   */
  readonly lineage?: readonly Position[] | undefined;
  /**
   * Whether everything after `after` is there to be read: it has the same epoch, an empty one, or one of the `lineage`;
   * nothing after it was trimmed, and it is not beyond `top`. Without `last`, `entries` begin right after it.
   */
  readonly gapless: boolean;
}

/** A record that was held by a process that is gone, and the append that it was written with. */
export interface HeldRecord {
  /** The text that was given to the append as `hold`. */
  readonly record: string;
  /** The channel of the append. */
  readonly channel: string;
  /** The position of the append. */
  readonly position: Position;
}

/** A process that works with a log, as the log sees it. */
export interface Member {
  /**
   * Called with the records of processes that are gone. They are now held by this process, which does for them what is
   * left to do, and releases them. It may be called while `join` is under way, and at any time after that.
   */
  inherits(records: readonly HeldRecord[]): void;
  /**
   * Called once when the log takes this process for gone: others have inherited its records, and its membership has
   * ended. If the error is a lasting `LogError`, the process can never work with this log again. Otherwise it may call
   * `join` again, and gets another id. An append that it had sent before MUST then be refused, with an error that is not
   * lasting, unless it was made already.
   */
  lost(error: Error): void;
  /**
   * Called when the store was lost or restored to an earlier moment, so that it may not know any more what this process
   * holds, or what it has appended. The process holds again what it still needs, with `Membership.hold`.
   */
  renewed?(): void;
}

/** The place of a process among those that work with a log. Disposing it leaves the records to whoever comes next. */
export interface Membership extends AsyncDisposable {
  /** A name that no other member ever has. */
  readonly id: string;
  /**
   * Releases a record. In a log with `commit` this is gathered, like an append. A record that this process does not hold
   * is ignored. What this process asked for before it was told that the store was set back SHOULD be done only after that:
   * what the record is released for may be lost, and whoever inherits it would not know. If `signal` aborts meanwhile, it
   * SHOULD NOT be done any more.
   */
  release(record: string, options?: { signal?: AbortSignal | undefined }): void | Promise<void>;
  /** Holds a record again that was appended before, with its channel and position. A record that is held is ignored. */
  hold?(record: HeldRecord): void | Promise<void>;
  /**
   * Returns the ids of all members that are not taken for gone, this one included. Only a store with which several
   * processes work at the same time has it.
   */
  nodes?(): readonly string[] | Promise<readonly string[]>;
}

/**
 * Stores channels: the port that every store implements. `logSuite` of `tocsin/testing` tests an implementation.
 *
 * - Appends to one channel MUST get offsets that rise by one, in the order of the calls, whatever is trimmed.
 * - An append that rejects MUST NOT have been made. If a store cannot know this because a result was lost, the same
 *   append sent again with the same `once` MUST be made once.
 * - A position MUST mean the same for ever: an epoch whose offsets could repeat MUST never come back, even after the
 *   channel was forgotten, or after the store was wiped, restored or created again.
 * - Epoch and top MUST outlive the entries, while the channel is watched and for 24 hours after its last append.
 * - The result of a read MUST be a snapshot of one moment, whatever is appended and trimmed meanwhile: consecutive
 *   entries, from the position on, up to `top` or the limit. It MUST NOT contain an entry that is past its `ttl`.
 * - An append MUST wake all watchers of its channel, whatever is appended to other channels in the same turn.
 * - `ExistsError` and `SealedError` are answers, not failures: the append was not made, and is not retried.
 * - A log that can never again do what it is asked MUST reject with a `LogError` whose `lasting` is true. A log that
 *   was disposed MUST reject with a `ClosedError`. Both are final. All other errors are treated as temporary, and the
 *   call is retried.
 * - Every wait MUST reject with `signal.reason` itself when its signal aborts, unless it has finished by then.
 * - A log MUST NOT call `wake` after the watch was disposed, and MUST NOT call anything after its own disposal.
 * - A log MAY return a result synchronously, without a promise. Such a result cannot be lost, so later appends are made
 *   without `once`. A log that appends synchronously MUST therefore always do so. It MUST throw where it would reject,
 *   and an append that throws MUST NOT have been made.
 */
export interface Log extends AsyncDisposable {
  /** Appends a payload and returns its position. */
  append(channel: string, data: string, options: AppendOptions): Position | Promise<Position>;
  /**
   * Appends several payloads to one channel, at least one, in their order: all of them, or none. Returns the position of
   * the last one; the others have the offsets right before it. `once` counts them as one append, so a repeat returns that
   * position again. Whatever refuses one of them refuses all.
   *
   * It is used for publications that have waited for an earlier append to the same channel. A log that appends
   * synchronously has no use for it.
   */
  appendAll?(channel: string, entries: readonly AppendEntry[], options: AppendAllOptions): Promise<Position>;
  /** Reads what is kept, and reports whether it follows `after` without a gap. */
  read(channel: string, options: ReadOptions): Slice | Promise<Slice>;
  /**
   * Calls `wake` after every append to the channel, by anybody, until the watch is disposed. Extra wakes are allowed,
   * missing ones are not. An append made after the watch was returned, or its promise resolved, MUST wake. A wake MAY
   * carry what was appended. That saves a read, and is used only if it comes right after what was read before.
   */
  watch(channel: string, wake: (hint?: WakeHint) => void): AsyncDisposable | Promise<AsyncDisposable>;
  /**
   * Returns how much the log keeps of a channel now, or would keep of an unknown one. The pace of publishing depends on
   * it. It MUST be synchronous and MUST NOT use anything up: it is called for every publication. The default of a
   * member that is left out, or of all if this method is missing, is small: 1 000 publications, 1 MiB and no slack.
   */
  keeps?(channel: string): Readonly<Partial<Retention>>;
  /**
   * Writes everything that was appended and released since the last commit, all of it or nothing. A log with `commit`
   * MUST append synchronously. Until the commit, what `append` returned is only promised: it MUST NOT be read, and MUST
   * NOT wake anybody. But each append is checked against everything that was gathered before it. If a commit fails with an error that is not lasting, everything stays gathered, and the next commit
   * tries again. If the error is lasting, or the log is disposed first, what was gathered is dropped, and was not made.
   *
   * A notifier commits once a turn of the event loop, before it reads. Whoever else appends MUST commit as well, so a
   * commit may begin while another is in progress. It then writes what was gathered until its call.
   */
  commit?(): void | Promise<void>;
  /**
   * Makes this process a member, which can hold records. If only one process at a time may work with the store, waits
   * until the former one has left or is taken for gone. Before that, the log may be read. What is appended is refused
   * with an error that is not lasting.
   */
  join?(member: Member, options?: { signal?: AbortSignal | undefined }): Promise<Membership>;
  /** Bytes that the log holds in this process, if known. */
  readonly bytes?: number;
}

/**
 * Bytes that each publication counts besides its payload and tags: what it takes in memory, measured on V8 and rounded
 * up.
 */
export const entryCost = 192;
