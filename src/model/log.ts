/** A place in a channel: an offset within an epoch. `{ offset: 0, epoch: "" }` is the start of any channel. */
export interface Position {
  /** Which publication of the epoch: from 1, and 0 for before the first. */
  offset: number;
  /** Which life of the channel: offsets of different epochs cannot be compared. "" is any. */
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
  /** Texts about it for whoever reads it, by name. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/**
 * How much of a channel a log keeps. What is older than `ttl` goes at once. What is over `size` or `bytes` goes once it is
 * 10 s old, or once it takes more than `slack`. The oldest goes first in any case.
 */
export interface Retention {
  /** Publications kept. */
  size: number;
  /** Bytes of payload and tags kept. */
  bytes: number;
  /** Milliseconds a publication is kept. */
  ttl: number;
  /**
   * Bytes that what is over `size` and `bytes` may take while it is younger than 10 s. It keeps a burst from taking away
   * what subscribers have not been sent yet. A log counts in what each publication takes beside its payload. 0: `size` and
   * `bytes` hold at once.
   */
  slack: number;
}

/** How an append is made. */
export interface AppendOptions {
  /** See {@linkcode Entry.time}. */
  time: number;
  /** See {@linkcode Entry.tags}. */
  tags?: Readonly<Record<string, string>> | undefined;
  /** Replaces what the log keeps of this channel, from this append on. What is left out is the log's default. */
  retention?: Partial<Retention> | undefined;
  /**
   * Makes an append that may be sent again safe. `n` counts the appends of writer `by` to this channel: 1, 2, 3, without
   * holes.
   *
   * - The last `n` again MUST append nothing, change nothing, and answer what the first one did, whatever else it is given.
   * - A lower `n`, and one above the last plus 1, MUST be refused with an error, which is not lasting.
   * - An append that was refused, failed or was aborted does not count, unless it was made all the same.
   * - A writer may be forgotten 10 minutes after its last append, and with its channel. One that is not known begins with
   *   the `n` that it comes with, so that it can go on. Whoever has several appends under way at once MUST therefore wait
   *   for a writer's first one alone.
   */
  once?: { readonly by: string; readonly n: number } | undefined;
  /**
   * The publisher's own name for this publication. For `ttl` milliseconds after its first use the same text in the same
   * channel MUST append nothing, and answer the position of the first, even if that was trimmed since. A log may bound what
   * its keys take, and then forgets some sooner.
   *
   * `once` is looked at first. An append of a writer whose key was used before MUST count as the writer's last, with the
   * position of the key's first use as its answer.
   */
  key?: { readonly text: string; readonly ttl: number } | undefined;
  /**
   * `"first"`: the channel begins anew with this append, at offset 1. It MUST get an epoch in which nothing was ever
   * appended. Nothing of what was in the channel may be read any more; its retention, writers and keys are forgotten; those
   * who watch it stay, and MUST be woken. A repeat, by `once` or `key`, MUST NOT begin it anew again.
   */
  place?: "first" | undefined;
  /** Ends the waiting when it aborts. */
  signal?: AbortSignal | undefined;
}

/** How a read is made. */
export interface ReadOptions {
  /** Read what follows this position; left out, everything that is kept. */
  after?: Position | undefined;
  /** Entries at most; left out, all. */
  limit?: number | undefined;
  /** Ends the waiting when it aborts. */
  signal?: AbortSignal | undefined;
}

/** What was appended, as a wake may bring it along. */
export interface WakeHint extends Entry {
  /** The channel's epoch. */
  readonly epoch: string;
}

/** What a read found. */
export interface Slice {
  /** The channel's present epoch. */
  readonly epoch: string;
  /** The offset of the newest publication ever appended in this epoch, kept or not; 0 when there was none. */
  readonly top: number;
  /** The offset of the first publication still kept, or `top + 1` when none is. */
  readonly first: number;
  /** In order of offset, without a hole. Empty when not `gapless`. */
  readonly entries: readonly Entry[];
  /** Whether `entries` begin right after `after`: same epoch (or an empty one), nothing trimmed, nothing from the future. */
  readonly gapless: boolean;
}

/**
 * Where channels are kept: the port that every store implements. `logSuite` of `tocsin/testing` proves an implementation.
 *
 * - Appends to one channel MUST get offsets that rise by one, in the order in which they were called, whatever is trimmed.
 * - An append that rejects MUST NOT have been made. Where a store cannot know, as an answer was lost, the same append sent
 *   again with the same `once` MUST be made once.
 * - A position MUST mean the same for ever: an epoch whose offsets could repeat MUST never come back, not after the channel
 *   was forgotten, nor after the store was wiped, restored or made again.
 * - Epoch and top MUST outlive the entries, while the channel is watched and for 24 hours after its last append.
 * - What a read answers MUST be of one moment: entries one after the other, from the position on, up to `top` or the limit,
 *   whatever is appended and trimmed meanwhile. It MUST NOT hold what is past its `ttl`.
 * - An append MUST wake all who watch its channel, whatever is appended to others in the same turn.
 * - A log that can never again do what it is asked MUST reject with a `LogError` whose `lasting` is true; one that was
 *   disposed MUST reject with a `ClosedError`. Both are final. Whatever else it rejects with is taken to pass, and is tried
 *   again.
 * - Everything that waits MUST reject with `signal.reason` itself when its signal aborts, unless it is done by then.
 * - A log MUST NOT call `wake` after the watch was disposed, nor anything at all after its own disposal.
 * - What a log has at hand it MAY answer at once, without a promise. Such an answer cannot be lost, so `once` is left out
 *   of the appends that follow it: a log that appends at once MUST always do so. It MUST throw where it would reject, and an
 *   append that throws MUST NOT have been made.
 */
export interface Log extends AsyncDisposable {
  /** Appends a payload and answers where it stands. */
  append(channel: string, data: string, options: AppendOptions): Position | Promise<Position>;
  /** Reads what is kept, and says whether it follows `after` without a hole. */
  read(channel: string, options: ReadOptions): Slice | Promise<Slice>;
  /**
   * Calls `wake` after every append to the channel, by whomever, until disposed. Too many wakes are fine, too few never.
   * An append made after the watch was returned, or its promise resolved, MUST wake. A wake MAY bring along what was appended: it
   * spares a read, and is used only where it comes right after what was read before.
   */
  watch(
    channel: string,
    wake: (hint?: WakeHint) => void,
    options?: { signal?: AbortSignal | undefined },
  ): AsyncDisposable | Promise<AsyncDisposable>;
  /**
   * How much it keeps of a channel now, or would of one that is unknown, so that publishing can have a pace. It MUST answer
   * at once, and use nothing up: it is called for every publication. What is left out, or all of it where there is no such
   * method, is taken to be little: 1 000 publications, 1 MiB and no slack.
   */
  keeps?(channel: string): Readonly<Partial<Retention>>;
  /** Bytes it holds in this process, where it knows. */
  readonly bytes?: number;
}

/** Bytes that a publication counts beside its payload and tags: what it takes in memory, as measured on V8 and rounded up. */
export const entryCost = 192;
