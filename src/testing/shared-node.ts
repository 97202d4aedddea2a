import type { Clock } from "../base/clock.ts";
import { ClosedError, LogError } from "../model/errors.ts";
import type {
  AppendAllOptions,
  AppendEntry,
  AppendOptions,
  HeldRecord,
  Log,
  Member,
  Membership,
  Position,
  ReadOptions,
  Retention,
  Slice,
  WakeHint,
} from "../model/log.ts";
import { Connection } from "./connection.ts";
import type { Link, SharedStore, SharedWatch } from "./shared-store.ts";

/** The log of one node, and what may happen to the node. */
export interface NodeLog
  extends Required<Pick<Log, "append" | "appendAll" | "read" | "watch" | "keeps" | "join">>,
    AsyncDisposable {
  /**
   * Ends the process of the node at this instant. Nothing that it asked for is answered any more, it is not woken, and it
   * is silent. What has reached the store stays there. To release what is left of the notifier, close it.
   */
  kill(): void;
  /**
   * Cuts the node off from the store. Requests and answers that are under way are lost. From now on calls reject with a
   * `LogError` that is not lasting. With `hang`, calls wait until `heal`; those that were under way reject then.
   */
  cut(options?: { hang?: boolean | undefined }): void;
  /**
   * Ends `cut`: calls that wait are made, and all watches wake. If the store has taken the node for gone meanwhile, its
   * member is told so (`lost`). Its appends are refused until it has joined again, which it may do under another id.
   */
  heal(): void;
}

/** What the log of a node is created from. */
export interface SharedNodeParts {
  readonly store: SharedStore;
  readonly clock: Clock;
  readonly lease: number;
  /** Returns milliseconds. */
  readonly latency: (() => number) | undefined;
}

/** The place of a node among the members. */
interface Place {
  readonly id: string;
  readonly member: Member;
}

/** The log of one node of a shared store. */
export class SharedNode implements NodeLog, Link {
  readonly #store: SharedStore;
  readonly #lease: number;
  readonly #connection: Connection;
  readonly #watches = new Set<SharedWatch>();
  #place: Place | undefined;
  #isJoining = false;
  #isBeating = false;
  #stopBeating = (): void => {};
  /** The names under which the store has taken this node for gone. What was sent under them is refused for ever. */
  readonly #lost = new Set<string>();
  /** Whether it was taken for gone, and has not joined again. */
  #isLost = false;
  #leaving: Promise<void> | undefined;
  #disposing: Promise<void> | undefined;
  /** The generation of the store that this node knows. */
  #generation: number;

  constructor({ store, lease, clock, latency }: SharedNodeParts) {
    this.#store = store;
    this.#lease = lease;
    this.#generation = store.generation;
    this.#connection = new Connection({ clock, latency, arrive: (serve) => store.arrive(serve) });
    store.connect(this);
  }

  get node(): string | undefined {
    return this.#place?.id;
  }

  append(channel: string, data: string, options: AppendOptions): Promise<Position> {
    const { node } = this;
    const { tags, signal } = options;
    const sent = { ...options, tags: tags && { ...tags } };
    return this.#ask(`append to ${JSON.stringify(channel)}`, signal, () => {
      this.#demandPlace(node);
      if (options.hold !== undefined && node === undefined)
        throw new TypeError(`Cannot hold ${JSON.stringify(options.hold)}: call join() first, and await it`);
      return this.#store.append(channel, data, sent, node);
    });
  }

  appendAll(channel: string, entries: readonly AppendEntry[], options: AppendAllOptions): Promise<Position> {
    const { node } = this;
    const sent = entries.map(({ tags, ...entry }) => ({ ...entry, tags: tags && { ...tags } }));
    return this.#ask(`append to ${JSON.stringify(channel)}`, options.signal, () => {
      this.#demandPlace(node);
      return this.#store.appendAll(channel, sent, options);
    });
  }

  read(channel: string, options: ReadOptions): Promise<Slice> {
    const what = `read ${JSON.stringify(channel)}`;
    return this.#ask(what, options.signal, () => this.#store.read(channel, options));
  }

  async watch(channel: string, wake: (hint?: WakeHint) => void): Promise<AsyncDisposable> {
    const watch = { link: this, channel, wake };
    const end = async (): Promise<void> => {
      this.#watches.delete(watch);
      this.#store.unwatch(watch);
    };
    this.#watches.add(watch);
    try {
      await this.#ask(`watch ${JSON.stringify(channel)}`, undefined, () => {
        if (this.#watches.has(watch)) this.#store.watch(watch);
      });
    } catch (error) {
      await end();
      throw error;
    }
    return { [Symbol.asyncDispose]: end };
  }

  keeps(channel: string): Retention {
    return this.#store.keeps(channel);
  }

  async join(member: Member, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Membership> {
    signal?.throwIfAborted();
    if (this.#isJoining || this.#place !== undefined)
      throw new TypeError("Cannot join: this log has a member. Dispose it first");
    const place = { id: crypto.randomUUID(), member };
    this.#isJoining = true;
    try {
      await this.#ask("join the log", signal, () => {
        this.#store.members.hear(place.id);
      });
    } finally {
      this.#isJoining = false;
    }
    this.#place = place;
    this.#isLost = false;
    this.#beatLater();
    this.#look();
    return this.#membership(place);
  }

  #membership(place: Place): Membership {
    const store = this.#store;
    const { id } = place;
    const asMember = async (what: string, act: () => void): Promise<void> => {
      if (this.#place === place) await this.#ask(what, undefined, act);
    };
    return {
      id,
      release: async (record, { signal } = {}) => {
        // Sent before this node knew that the store was set back, it comes again: what it is released for may be lost.
        for (;;) {
          const generation = this.#generation;
          let isStale = false;
          await asMember("release a record", () => {
            isStale = generation !== store.generation;
            if (!isStale) store.members.release(id, record);
          });
          if (!isStale) return;
          this.#look();
          if (signal?.aborted) return;
        }
      },
      hold: (held) => asMember("hold a record", () => store.members.hold(id, held)),
      nodes: () => this.#ask("read the nodes", undefined, () => store.members.ids),
      [Symbol.asyncDispose]: async () => {
        if (this.#place === place) this.#leaving = this.#leave(id);
        await this.#leaving;
      },
    };
  }

  /**
   * Leaves, behind everything that was asked before. A store that cannot be reached notices it when the lease is over.
   */
  async #leave(id: string): Promise<void> {
    this.#stopBeating();
    this.#place = undefined;
    if (!this.#connection.isOpen) return;
    const leaving = this.#ask("leave the log", undefined, () => this.#store.members.leave(id));
    // The link may be cut meanwhile.
    await leaving.catch(() => {});
  }

  kill(): void {
    this.#connection.kill();
    this.#disconnect();
  }

  cut({ hang = false }: { hang?: boolean | undefined } = {}): void {
    this.#connection.cut(hang);
  }

  heal(): void {
    if (!this.#connection.heal()) return;
    // Wakes were lost meanwhile.
    this.#wakeAll();
    this.tell();
    this.#beat();
  }

  tell(): void {
    this.#connection.tell(() => this.#look());
  }

  wake(watch: SharedWatch, hint?: WakeHint): void {
    this.#connection.tell(() => {
      if (this.#watches.has(watch)) attempt(() => watch.wake(hint));
    });
  }

  #wakeAll(): void {
    for (const watch of this.#watches) this.wake(watch);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    if (this.#place !== undefined) this.#leaving = this.#leave(this.#place.id);
    await this.#leaving;
    this.#disconnect();
    this.#connection.close();
  }

  #disconnect(): void {
    this.#stopBeating();
    this.#watches.clear();
    this.#store.disconnect(this);
  }

  /** Asks the store. Each request of a member is a sign of life. */
  #ask<T>(what: string, signal: AbortSignal | undefined, serve: () => T): Promise<T> {
    if (this.#disposing !== undefined) return Promise.reject(closed(what));
    const { node } = this;
    return this.#connection.ask(what, signal, () => {
      if (node !== undefined && !this.#lost.has(node) && !this.#store.members.hear(node)) this.tell();
      return serve();
    });
  }

  /**
   * Throws if the store takes the node for gone that has sent a request. What it sent before it was told so is refused,
   * too, when it has joined again by then.
   */
  #demandPlace(node: string | undefined): void {
    const { members } = this.#store;
    const isGone = node === undefined ? this.#isLost : this.#lost.has(node) || members.isGone(node);
    if (isGone) throw gone(this.#lease);
  }

  #beatLater(): void {
    const { scope } = this.#connection;
    this.#stopBeating = scope.timer("the beat of a node", this.#lease / 3, () => {
      this.#beatLater();
      this.#beat();
    });
  }

  /** Gives a sign of life, unless one is under way. If it is lost, the next one comes later. */
  #beat(): void {
    if (this.#isBeating || this.#place === undefined) return;
    this.#isBeating = true;
    const beaten = (): void => {
      this.#isBeating = false;
    };
    this.#ask("beat", undefined, () => {}).then(beaten, beaten);
  }

  /** Looks for what the store has to tell this node. */
  #look(): void {
    if (this.#generation !== this.#store.generation) {
      this.#generation = this.#store.generation;
      this.#wakeAll();
      // The store may not know this node any more.
      this.#beat();
      attempt(() => this.#place?.member.renewed?.());
    }
    const place = this.#place;
    if (place === undefined) return;
    if (this.#store.members.isGone(place.id)) {
      this.#lose(place);
      return;
    }
    const records: HeldRecord[] = this.#store.members.take(place.id);
    if (records.length > 0) attempt(() => place.member.inherits(records));
  }

  #lose({ id, member }: Place): void {
    this.#stopBeating();
    this.#place = undefined;
    this.#isLost = true;
    this.#lost.add(id);
    attempt(() => member.lost(gone(this.#lease)));
  }
}

function closed(what: string): ClosedError {
  return new ClosedError(`Cannot ${what}: the log is closed`);
}

function gone(lease: number): LogError {
  const why = `the store has heard nothing from this node for ${lease} ms, and takes it for gone`;
  return new LogError(`Cannot write to the log: ${why}. It may join again`);
}

/** What a callback of the user throws harms nobody. */
function attempt(act: () => void): void {
  try {
    act();
  } catch {}
}
