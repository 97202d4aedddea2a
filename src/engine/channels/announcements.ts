import { byteLength } from "../../base/bytes.ts";
import type { Context } from "../core/context.ts";
import type { TurnChannel } from "../core/turn.ts";
import type { Followed, Receiver } from "../delivery/subscription.ts";

/** Announcements joined to one text, which all who listen share. */
interface Piece {
  readonly text: string;
  readonly bytes: number;
  readonly count: number;
}

/** What one round of announcements may take, over all who listen to a channel, in bytes. */
const roundBytes = 16_777_216;
/** The largest piece, in bytes: a session takes as many as it has room for. */
const pieceBytes = 8_192;
/** Fewer listeners than that hear of each turn's changes. More hear at most once in `listeners / 10` milliseconds. */
const few = 100;

/**
 * Tells those on a channel who want to know who came and who left.
 *
 * Coming and going costs others something, so it is bounded: changes are gathered over a turn, and over longer where many
 * listen; what cancels out is not told; what would take too much, or more than a listener has room for, is dropped, and
 * counted as `announcements` among the limits hit.
 */
export class Announcements {
  /** How many want to know. */
  listeners = 0;
  readonly #context: Context;
  readonly #channel: Followed & TurnChannel;
  #changes: Map<Receiver, "join" | "leave"> | undefined;
  /** Until when nobody is told of more. */
  #restsUntil = 0;
  #isTimed = false;

  constructor(context: Context, channel: Followed & TurnChannel) {
    this.#context = context;
    this.#channel = channel;
  }

  /** Notes that somebody came or left. */
  note(session: Receiver, kind: "join" | "leave"): void {
    if (this.listeners === 0) return;
    this.#changes ??= new Map();
    const before = this.#changes.get(session);
    if (before !== undefined && before !== kind) this.#changes.delete(session);
    else this.#changes.set(session, kind);
    this.#context.turn.wakeChannel(this.#channel);
  }

  /** Tells what was noted, once in a turn at most. */
  tell(): void {
    const changes = this.#changes;
    if (changes === undefined) return;
    const wait = this.#restsUntil - this.#context.clock.now();
    const isDue = wait <= 0 || this.listeners === 0 || this.#context.flushing;
    if (!isDue) return this.#tellIn(wait);
    this.#changes = undefined;
    // Nobody is told that others leave because the notifier closes.
    if (this.listeners === 0 || this.#context.flushing || changes.size === 0) return;
    this.#restsUntil = this.#context.clock.now() + (this.listeners < few ? 0 : this.listeners / 10);
    const pieces = this.#encode(changes);
    let dropped = changes.size * this.listeners;
    for (const { joins, session } of this.#channel.subscriptions) {
      if (!joins) continue;
      for (const { text, bytes, count } of pieces) if (session.announce(text, bytes)) dropped -= count;
    }
    if (dropped > 0) this.#context.counters.hit("announcements", dropped);
  }

  /** The first changes, one at least, as much as may be told at once. */
  #encode(changes: ReadonlyMap<Receiver, "join" | "leave">): Piece[] {
    const { codec, settings } = this.#context;
    const most = Math.min(settings.window / 2, roundBytes / this.listeners);
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
      const text = codec.push(this.#channel.name, kind, `{"info":${codec.clientInfo(session.info)}}`);
      const size = byteLength(text) + 1;
      total += size;
      if (total > most && total > size) break;
      if (bytes + size > pieceBytes) seal();
      texts.push(text);
      bytes += size;
    }
    seal();
    return pieces;
  }

  #tellIn(ms: number): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#context.scope.timer(`announce ${this.#channel.name}`, ms, () => {
      this.#isTimed = false;
      this.#context.turn.wakeChannel(this.#channel);
    });
  }
}
