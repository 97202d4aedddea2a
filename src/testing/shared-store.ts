import type { Clock } from "../base/clock.ts";
import type {
  AppendAllOptions,
  AppendEntry,
  AppendOptions,
  Position,
  ReadOptions,
  Retention,
  Slice,
  WakeHint,
} from "../model/log.ts";
import type { BoundsOf } from "../stores/bounds.ts";
import {
  type AppendContext,
  type Appended,
  appended,
  appendedAll,
  continued,
  createChannel,
  isIdle,
  type SharedChannel,
  sliceOf,
  trimmed,
} from "./shared-channel.ts";
import { SharedMembers } from "./shared-members.ts";

/** Milliseconds for which a channel that nobody uses is remembered. */
const positionTtl = 24 * 3_600_000;

/** What a shared store is created from. */
export interface SharedStoreParts {
  readonly clock: Clock;
  readonly lease: number;
  readonly boundsOf: BoundsOf;
}

/** A connection to the store, as the store sees it. */
export interface Link {
  /** The id of the member on the other side. */
  readonly node: string | undefined;
  /** Tells the other side that the store has news for it besides entries. */
  tell(): void;
  /** Tells the other side about an append to a channel that it watches. */
  wake(watch: SharedWatch, hint: WakeHint): void;
}

/** A watch of a channel. */
export interface SharedWatch {
  readonly link: Link;
  readonly channel: string;
  wake(hint?: WakeHint): void;
}

/** What the store has at one moment. */
export interface SharedContent {
  readonly channels: ReadonlyMap<string, SharedChannel>;
  readonly members: SharedMembers;
}

/** The store behind the logs of several nodes. It answers at once; the links to it do not. */
export class SharedStore {
  readonly #parts: SharedStoreParts;
  #channels = new Map<string, SharedChannel>();
  #members: SharedMembers;
  readonly #watches = new Map<string, Set<SharedWatch>>();
  readonly #links = new Set<Link>();
  readonly #prefix = crypto.randomUUID().slice(-12);
  #epochs = 0;
  /** Requests that have come while it stands still. */
  #waiting: (() => void)[] = [];
  #isPaused = false;
  /** How often it was set back or wiped. */
  generation = 0;

  constructor(parts: SharedStoreParts) {
    this.#parts = parts;
    this.#members = this.#create();
  }

  get members(): SharedMembers {
    return this.#members;
  }

  /** The number of watches. */
  get watches(): number {
    return [...this.#watches.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** All channels, as they are read now. */
  get slices(): Record<string, Slice> {
    const now = this.#now;
    const slices = Array.from(this.#channels, ([name, channel]) => [
      name,
      sliceOf(trimmed(channel, now), {}),
    ]);
    return Object.fromEntries(slices) as Record<string, Slice>;
  }

  connect(link: Link): void {
    this.#links.add(link);
  }

  /** Forgets a link, with its watches. Its member is silent from now on. */
  disconnect(link: Link): void {
    this.#links.delete(link);
    for (const watches of this.#watches.values())
      for (const watch of watches) if (watch.link === link) this.unwatch(watch);
  }

  /** Serves a request that has come: at once, or when the store goes on. */
  arrive(serve: () => void): void {
    if (this.#isPaused) this.#waiting.push(serve);
    else serve();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    for (const serve of this.#waiting.splice(0)) serve();
  }

  /** Makes an append for a member, or for a node that is none. */
  append(name: string, data: string, options: AppendOptions, node: string | undefined): Position {
    const made = appended(this.#channel(name), data, options, this.#context(name));
    const { hold: record } = options;
    if (record !== undefined && node !== undefined && !made.isRepeat)
      this.#members.hold(node, { record, channel: name, position: made.position });
    return this.#made(made, 1);
  }

  /** Makes several appends, all or none. */
  appendAll(name: string, entries: readonly AppendEntry[], options: AppendAllOptions): Position {
    return this.#made(
      appendedAll(this.#channel(name), entries, options, this.#context(name)),
      entries.length,
    );
  }

  #context(name: string): AppendContext {
    return { now: this.#now, bounds: this.#parts.boundsOf(name), epoch: () => this.#epoch() };
  }

  /** Keeps a channel to which something was appended, and tells its last `count` entries. */
  #made({ channel, position, isRepeat }: Appended, count: number): Position {
    const { name } = channel;
    this.#channels.set(name, trimmed(channel, this.#now));
    if (isRepeat) return position;
    for (const { offset, data, time, tags, origin } of channel.entries.slice(-count)) {
      const more = { ...(tags && { tags }), ...(origin && { origin }) };
      const hint = { offset, data, time, ...more, epoch: position.epoch };
      for (const watch of [...(this.#watches.get(name) ?? [])]) watch.link.wake(watch, hint);
    }
    return position;
  }

  read(name: string, options: ReadOptions): Slice {
    return sliceOf(this.#channel(name), options);
  }

  keeps(name: string): Retention {
    return this.#channels.get(name)?.retention ?? this.#parts.boundsOf(name).of(name);
  }

  watch(watch: SharedWatch): void {
    const watches = this.#watches.get(watch.channel) ?? new Set();
    this.#watches.set(watch.channel, watches.add(watch));
    this.#channel(watch.channel);
  }

  unwatch(watch: SharedWatch): void {
    const watches = this.#watches.get(watch.channel);
    if (watches?.delete(watch) !== true || watches.size > 0) return;
    this.#channel(watch.channel);
    this.#watches.delete(watch.channel);
  }

  /** Returns what the store has now. It is not changed later. */
  get content(): SharedContent {
    return { channels: new Map(this.#channels), members: this.#members.copy() };
  }

  /** Sets the store back. Each channel goes on in another epoch, up to here the same as the one before. */
  restore({ channels, members }: SharedContent): void {
    const now = Array.from(channels.values(), (channel) => continued(channel, this.#epoch()));
    this.#channels = new Map(now.map((channel) => [channel.name, channel]));
    this.#members = members.copy();
    this.#tellAll();
  }

  /** Loses everything. */
  wipe(): void {
    this.#channels.clear();
    this.#members = this.#create();
    this.#tellAll();
  }

  #tellAll(): void {
    this.generation++;
    for (const link of [...this.#links]) link.tell();
  }

  #create(): SharedMembers {
    const { clock, lease } = this.#parts;
    const inherited = (id: string): void => {
      for (const link of [...this.#links]) if (link.node === id) link.tell();
    };
    return new SharedMembers({ clock, lease, inherited });
  }

  get #now(): number {
    return this.#parts.clock.now();
  }

  #epoch(): string {
    return this.#prefix + (this.#epochs++).toString(36);
  }

  /** Returns a channel as it is now. Creates it if it is unknown, or unused for so long that it is forgotten. */
  #channel(name: string): SharedChannel {
    const now = this.#now;
    const known = this.#channels.get(name);
    let channel = known && trimmed(known, now);
    const isForgotten =
      channel !== undefined &&
      now - channel.used >= positionTtl &&
      !this.#watches.has(name) &&
      isIdle(channel, now);
    if (channel === undefined || isForgotten)
      channel = createChannel(name, this.#epoch(), this.#parts.boundsOf(name).of(name));
    channel = { ...channel, used: now };
    this.#channels.set(name, channel);
    return channel;
  }
}
