import { byteLength } from "../../base/bytes.ts";
import { isObject } from "../../base/check.ts";
import type { ClientInfo } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import type { Nodes } from "../nodes/nodes.ts";

/** A client that joins or leaves, here or on another node. */
export interface Announced {
  readonly id: string;
  /** The client as others see it. */
  readonly info: ClientInfo;
}

/** A channel, as it is announced over nodes. */
export interface AnnouncedChannel {
  /** Whether a subscription has `join_leave`. */
  readonly hasListeners: boolean;
  /** Notes a join or a leave on another node. */
  noteElsewhere(who: Announced, kind: "join" | "leave"): void;
  /** Tells other nodes that all its clients leave: this node is about to. */
  leaveElsewhere(): void;
}

/** What it needs. */
export interface ListeningContext
  extends Pick<Context, "appends" | "clock" | "counters" | "scope" | "settings"> {
  readonly nodes: Nodes;
  readonly channels: ReadonlyMap<string, AnnouncedChannel>;
}

/** The kinds of message: who listens, a node that listens, and clients that join or leave. */
const kinds = { ask: "who listens", listens: "listens", joined: "joined" } as const;

/** Bytes of joins and leaves that one node is sent in a turn. What is above it is dropped. */
const turnBytes = 1_048_576;
/** Bytes that a join or a leave takes besides its texts. */
const overhead = 128;
/** Milliseconds between two looks at which nodes are gone. */
const lookEvery = 10_000;

/**
 * The other nodes that listen to joins and leaves, by channel, so that each node sends its own to those alone.
 *
 * A node tells all others when a channel gets its first listener, and when it has none left. A node that begins asks all
 * others. What it has not heard yet, it does not send: a client that joins in the same moment may be left out. So may
 * be what comes in floods; it is counted as the limit `announcements`, once for each node or listener. A node that is
 * killed announces no leaves. Presence has the truth.
 *
 * Where one process works alone with its log, nothing is kept or sent.
 */
export class ListeningNodes {
  readonly #context: ListeningContext;
  /** The ids of the nodes that listen, by channel. */
  readonly #nodes = new Map<string, Set<string>>();
  /** The channels that others were told this node listens to. */
  readonly #told = new Set<string>();
  /** Bytes that leave in this turn, by node. */
  readonly #bytes = new Map<string, number>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isLeaving = false;

  constructor(context: ListeningContext) {
    this.#context = context;
    const { nodes } = context;
    nodes.onBegin.push(() => this.#begin());
    nodes.onMissed.push(() => this.#begin());
    nodes.on(kinds.ask, (_, from) => this.#answer(from));
    nodes.on(kinds.listens, (body, from) => this.#each(body, (item) => this.#heard(item, from)));
    nodes.on(kinds.joined, (body) => this.#joined(body));
  }

  /** Whether another node listens to a channel. */
  isHeard(channel: string): boolean {
    return this.#nodes.size > 0 && this.#nodes.has(channel);
  }

  /** Tells the other nodes whether this one listens to a channel, unless they know it. */
  listen(channel: string, isOn: boolean): void {
    const { nodes } = this.#context;
    if (nodes.id === undefined || this.#isLeaving || this.#told.has(channel) === isOn) return;
    if (isOn) this.#told.add(channel);
    else this.#told.delete(channel);
    nodes.add(undefined, kinds.listens, { channel, isOn });
  }

  /** Sends joins and leaves of this node to those that listen. */
  tell(
    channel: string,
    changes: readonly { readonly kind: "join" | "leave"; readonly who: Announced }[],
  ): void {
    const { appends, counters, nodes, settings } = this.#context;
    const listening = this.#nodes.get(channel);
    if (listening === undefined || this.#isLeaving || changes.length === 0) return;
    this.#look();
    // A log that fails for long must not fill the memory. A node that has lost its place has no others to tell.
    const isFull = nodes.id === undefined || appends.bytes >= settings.limits.waiting;
    if (this.#bytes.size === 0) this.#context.clock.turn(() => this.#bytes.clear());
    for (const node of listening) {
      let bytes = this.#bytes.get(node) ?? 0;
      let dropped = 0;
      for (const { kind, who } of changes) {
        const { client, user, info } = who.info;
        const size = overhead + byteLength(channel) + byteLength(user) + byteLength(info ?? "");
        if (isFull || bytes + size > turnBytes) dropped++;
        else nodes.add(node, kinds.joined, { channel, kind, client, user, info });
        bytes += size;
      }
      this.#bytes.set(node, bytes);
      if (dropped > 0) counters.hit("announcements", dropped);
    }
  }

  /** Tells the other nodes that all clients of this one leave, and that it listens no longer. */
  leave(): void {
    const { channels, nodes } = this.#context;
    for (const name of [...this.#nodes.keys()]) channels.get(name)?.leaveElsewhere();
    if (this.#told.size > 0) nodes.add(undefined, kinds.listens, { isOn: false });
    this.#isLeaving = true;
    void nodes.flush();
  }

  /** Nothing that was told before is known to be true: tells and asks anew. */
  #begin(): void {
    const { channels, nodes } = this.#context;
    this.#nodes.clear();
    this.#told.clear();
    for (const [name, { hasListeners }] of channels) if (hasListeners) this.listen(name, true);
    nodes.add(undefined, kinds.ask, {});
  }

  #answer(node: string): void {
    this.#look();
    for (const channel of this.#told) this.#context.nodes.add(node, kinds.listens, { channel, isOn: true });
  }

  /** Takes each item of a message. Those that cannot be read are counted: another version has sent them. */
  #each(body: unknown, take: (item: Readonly<Record<string, unknown>>) => boolean): void {
    for (const item of Array.isArray(body) ? body : [body])
      if (!isObject(item) || !take(item)) this.#context.counters.hit("messages");
  }

  /** Notes whether another node listens. Returns false for what it cannot read. */
  #heard({ channel, isOn }: Readonly<Record<string, unknown>>, node: string): boolean {
    if (channel === undefined && isOn === false) {
      this.#forget([node]);
      return true;
    }
    if (typeof channel !== "string" || typeof isOn !== "boolean") return false;
    const listening = this.#nodes.get(channel) ?? new Set();
    if (isOn) this.#nodes.set(channel, listening.add(node));
    else if (listening.delete(node) && listening.size === 0) this.#nodes.delete(channel);
    return true;
  }

  /** Notes joins and leaves on another node. */
  #joined(body: unknown): void {
    const { channels, nodes } = this.#context;
    const unheard = new Set<string>();
    this.#each(body, ({ channel, kind, client, user, info }) => {
      const isClient = typeof client === "string" && typeof user === "string";
      if (typeof channel !== "string" || !isClient || (kind !== "join" && kind !== "leave")) return false;
      const json = info === undefined ? { info } : jsonIn(info);
      if (json === undefined) return false;
      if (!this.#told.has(channel)) unheard.add(channel);
      channels.get(channel)?.noteElsewhere({ id: client, info: { client, user, ...json } }, kind);
      return true;
    });
    // The answer to another node's question has overtaken the news that nobody listens any more.
    for (const channel of unheard) nodes.add(undefined, kinds.listens, { channel, isOn: false });
  }

  /** Forgets what is known of nodes that are gone, from time to time. */
  #look(): void {
    const { clock, scope } = this.#context;
    if (this.#nodes.size === 0 || clock.now() - this.#lookedAt < lookEvery) return;
    this.#lookedAt = clock.now();
    scope.own("task", "which nodes are gone", this.#forgetGone());
  }

  async #forgetGone(): Promise<void> {
    // A node that is heard of only after the question may be missing in its answer, and lives.
    const known = new Set([...this.#nodes.values()].flatMap((nodes) => [...nodes]));
    try {
      const alive = await this.#context.nodes.alive();
      for (const node of alive) known.delete(node);
      if (alive.length > 0) this.#forget([...known]);
    } catch {
      // The next look tries again. Until then messages go to nodes that nobody reads any more.
    }
  }

  #forget(gone: readonly string[]): void {
    for (const [channel, nodes] of this.#nodes) {
      for (const node of gone) nodes.delete(node);
      if (nodes.size === 0) this.#nodes.delete(channel);
    }
  }
}

/** Returns JSON in one line, or undefined if a value is no text of JSON. */
function jsonIn(value: unknown): { info: string } | undefined {
  try {
    return { info: JSON.stringify(JSON.parse(String(value))) };
  } catch {
    return undefined;
  }
}
