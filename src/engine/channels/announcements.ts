import type { Codec } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import type { TurnChannel } from "../core/turn.ts";
import type { Followed } from "../delivery/subscription.ts";
import type { Announced, ListeningNodes } from "./listening-nodes.ts";

/** What announcements need. */
export interface AnnouncementContext extends Context {
  readonly elsewhere: ListeningNodes;
}

/** A join or a leave that is not announced yet. */
interface Change {
  readonly kind: "join" | "leave";
  readonly who: Announced;
  /** Whether it happened on another node. That one has told all others. */
  readonly isElsewhere: boolean;
}

/** Encoded announcements, joined to one text that all listeners share. */
interface Piece {
  readonly text: string;
  readonly bytes: number;
  readonly count: number;
}

/** The maximum size of one round of announcements, in bytes, summed over all listeners of the channel. */
const roundBytes = 16_777_216;
/** The maximum size of a piece, in bytes. A session is sent as many pieces as it has room for. */
const pieceBytes = 8_192;
/**
 * From this number of listeners on, announcements are sent at most once per `listeners / 10` milliseconds. With fewer
 * they are sent once per turn.
 */
const throttledFrom = 100;
/** Maximum number of changes of other nodes that wait to be announced. Those of this one are bounded by its sessions. */
const maxElsewhere = 10_000;

/**
 * Announces joins and leaves to the listeners of a channel: the subscriptions with `join_leave`.
 *
 * Announcements are bounded, because every join costs something for every listener. Changes are collected over a turn,
 * or over a longer time if there are many listeners. A join and a leave that cancel each other out are not announced.
 * What would be too large in total, or more than a listener has room for, is dropped, and counted as the limit
 * `announcements`.
 *
 * Joins and leaves on other nodes are announced like those on this one; see {@linkcode ListeningNodes}.
 */
export class Announcements {
  /** The number of listeners. */
  listeners = 0;
  readonly #context: AnnouncementContext;
  readonly #channel: Followed & TurnChannel;
  /** By the id of the client. */
  #changes: Map<string, Change> | undefined;
  /** Until when nothing is announced, on the clock's `now`. */
  #pausedUntil = 0;
  #hasTimer = false;

  constructor(context: AnnouncementContext, channel: Followed & TurnChannel) {
    this.#context = context;
    this.#channel = channel;
  }

  /** Notes a join or a leave. */
  note(who: Announced, kind: "join" | "leave"): void {
    if (this.listeners === 0 && !this.#context.elsewhere.isHeard(this.#channel.name)) return;
    this.#add({ kind, who, isElsewhere: false });
  }

  /** Notes a join or a leave on another node. */
  noteElsewhere(who: Announced, kind: "join" | "leave"): void {
    const isFull = (this.#changes?.size ?? 0) >= maxElsewhere && this.#changes?.has(who.id) !== true;
    if (isFull) this.#context.counters.hit("announcements", this.listeners);
    else this.#add({ kind, who, isElsewhere: true });
  }

  #add(change: Change): void {
    const { id } = change.who;
    this.#changes ??= new Map();
    const before = this.#changes.get(id);
    if (before !== undefined && before.kind !== change.kind) this.#changes.delete(id);
    else this.#changes.set(id, change);
    this.#context.turn.wakeChannel(this.#channel);
  }

  /** Announces the noted changes, at most once per turn. */
  tell(): void {
    this.#context.elsewhere.listen(this.#channel.name, this.listeners > 0);
    const changes = this.#changes;
    if (changes === undefined) return;
    const wait = this.#pausedUntil - this.#context.clock.now();
    const isDue = wait <= 0 || this.listeners === 0 || this.#context.flushing;
    if (!isDue) return this.#tellLater(wait);
    this.tellElsewhere();
    // While the notifier closes, leaves are not announced.
    if (this.listeners === 0 || this.#context.flushing || changes.size === 0) return;
    this.#pausedUntil =
      this.#context.clock.now() + (this.listeners < throttledFrom ? 0 : this.listeners / 10);
    const encoded = new Map<Codec, readonly Piece[]>();
    let dropped = changes.size * this.listeners;
    for (const { joins, session } of this.#channel.subscriptions) {
      if (!joins) continue;
      const { codec } = session;
      const pieces = encoded.get(codec) ?? this.#encode(codec, changes.values());
      encoded.set(codec, pieces);
      for (const { text, bytes, count } of pieces) if (session.announce(text, bytes)) dropped -= count;
    }
    if (dropped > 0) this.#context.counters.hit("announcements", dropped);
  }

  /** Hands the noted changes to the other nodes that listen, and notes them no longer. */
  tellElsewhere(): void {
    const changes = this.#changes;
    this.#changes = undefined;
    if (changes === undefined || !this.#context.elsewhere.isHeard(this.#channel.name)) return;
    const own = [...changes.values()].filter(({ isElsewhere }) => !isElsewhere);
    this.#context.elsewhere.tell(this.#channel.name, own);
  }

  /** Encodes the first changes, at least one, up to the maximum size of a round. */
  #encode(codec: Codec, changes: Iterable<Change>): Piece[] {
    const { settings } = this.#context;
    const { separator } = codec;
    const maxBytes = Math.min(settings.window / 2, roundBytes / this.listeners);
    const pieces: Piece[] = [];
    let texts: string[] = [];
    let bytes = 0;
    let total = 0;
    const seal = (): void => {
      if (texts.length > 0)
        pieces.push({
          text: texts.join(separator),
          bytes: bytes - separator.length,
          count: texts.length,
        });
      texts = [];
      bytes = 0;
    };
    for (const { kind, who } of changes) {
      const text = codec.presence(this.#channel.name, kind, who.info);
      const size = codec.byteLength(text) + separator.length;
      total += size;
      if (total > maxBytes && total > size) break;
      if (bytes + size > pieceBytes) seal();
      texts.push(text);
      bytes += size;
    }
    seal();
    return pieces;
  }

  #tellLater(ms: number): void {
    if (this.#hasTimer) return;
    this.#hasTimer = true;
    this.#context.scope.timer(`announce ${this.#channel.name}`, ms, () => {
      this.#hasTimer = false;
      this.#context.turn.wakeChannel(this.#channel);
    });
  }
}
