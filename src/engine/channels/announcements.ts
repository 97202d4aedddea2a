import { byteLength } from "../../base/bytes.ts";
import type { Context } from "../core/context.ts";
import type { TurnChannel } from "../core/turn.ts";
import type { Followed, Receiver } from "../delivery/subscription.ts";

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

/**
 * Announces joins and leaves to the listeners of a channel: the subscriptions with `join_leave`.
 *
 * Announcements are bounded, because every join costs something for every listener. Changes are collected over a turn,
 * or over a longer time if there are many listeners. A join and a leave that cancel each other out are not announced.
 * What would be too large in total, or more than a listener has room for, is dropped, and counted as the limit
 * `announcements`.
 */
export class Announcements {
  /** The number of listeners. */
  listeners = 0;
  readonly #context: Context;
  readonly #channel: Followed & TurnChannel;
  #changes: Map<Receiver, "join" | "leave"> | undefined;
  /** Until when nothing is announced, on the clock's `now`. */
  #pausedUntil = 0;
  #hasTimer = false;

  constructor(context: Context, channel: Followed & TurnChannel) {
    this.#context = context;
    this.#channel = channel;
  }

  /** Notes a join or a leave. */
  note(session: Receiver, kind: "join" | "leave"): void {
    if (this.listeners === 0) return;
    this.#changes ??= new Map();
    const before = this.#changes.get(session);
    if (before !== undefined && before !== kind) this.#changes.delete(session);
    else this.#changes.set(session, kind);
    this.#context.turn.wakeChannel(this.#channel);
  }

  /** Announces the noted changes, at most once per turn. */
  tell(): void {
    const changes = this.#changes;
    if (changes === undefined) return;
    const wait = this.#pausedUntil - this.#context.clock.now();
    const isDue = wait <= 0 || this.listeners === 0 || this.#context.flushing;
    if (!isDue) return this.#tellLater(wait);
    this.#changes = undefined;
    // While the notifier closes, leaves are not announced.
    if (this.listeners === 0 || this.#context.flushing || changes.size === 0) return;
    this.#pausedUntil =
      this.#context.clock.now() + (this.listeners < throttledFrom ? 0 : this.listeners / 10);
    const pieces = this.#encode(changes);
    let dropped = changes.size * this.listeners;
    for (const { joins, session } of this.#channel.subscriptions) {
      if (!joins) continue;
      for (const { text, bytes, count } of pieces) if (session.announce(text, bytes)) dropped -= count;
    }
    if (dropped > 0) this.#context.counters.hit("announcements", dropped);
  }

  /** Encodes the first changes, at least one, up to the maximum size of a round. */
  #encode(changes: ReadonlyMap<Receiver, "join" | "leave">): Piece[] {
    const { codec, settings } = this.#context;
    const maxBytes = Math.min(settings.window / 2, roundBytes / this.listeners);
    const pieces: Piece[] = [];
    let texts: string[] = [];
    let bytes = 0;
    let total = 0;
    const seal = (): void => {
      if (texts.length > 0)
        pieces.push({ text: texts.join(codec.separator), bytes: bytes - 1, count: texts.length });
      texts = [];
      bytes = 0;
    };
    for (const [session, kind] of changes) {
      const text = codec.presence(this.#channel.name, kind, session.info);
      const size = byteLength(text) + 1;
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
