import type { Socket } from "../../model/socket.ts";
import { type Close, type Codec, closes } from "../../wire/protocol.ts";
import type { TurnSession } from "../core/turn.ts";
import { SendWindow } from "../delivery/send-window.ts";
import type { Piece, Subscription } from "../delivery/subscription.ts";
import { Outbox } from "./outbox.ts";
import { flag } from "./session-flags.ts";
import type { SessionContext } from "./session-ports.ts";
import { SessionSubscriptions } from "./session-subscriptions.ts";
import type { SessionTimers } from "./session-timers.ts";
import type { Wire } from "./wire.ts";

/**
 * From this size on, in bytes, a reply counts as data: a ping behind it gets the longer deadline of pings behind data.
 */
const smallReply = 1_024;

/**
 * What one session sends: it gathers it over a turn, sends it as one frame with a ping where a pong is needed, and then
 * tells a host that keeps the session's state that it has changed.
 */
export abstract class SessionOutput<S> implements TurnSession {
  readonly id: string;
  readonly context: SessionContext<S>;
  readonly subscriptions: SessionSubscriptions = new SessionSubscriptions();
  /** How it is written to. */
  readonly wire: Wire;
  readonly window: SendWindow;
  abstract readonly timers: SessionTimers;
  readonly out: Outbox;
  /** Whether the session is listed for the coming turn. Set only by the turn. */
  isGathered = false;
  /** Bits of `flag`. */
  flags = 0;
  protected readonly socket: Socket;

  constructor(id: string, context: SessionContext<S>, socket: Socket) {
    this.id = id;
    this.context = context;
    this.socket = socket;
    this.wire = context.wireOf(socket.protocol);
    this.window = new SendWindow(context.settings.window);
    this.out = new Outbox();
  }

  /** By what the messages of the client name the session, if they come by requests of their own. */
  get secret(): string | undefined {
    return this.socket.secret;
  }

  get codec(): Codec {
    return this.wire.codec;
  }

  abstract get isOpen(): boolean;
  abstract get isConnected(): boolean;
  /** Returns whether the peer's permission has ended, and closes the session if it has. */
  abstract hasExpired(): boolean;
  /** Closes the socket without sending what is queued. */
  abstract revoke(why: Close): void;

  /** Queues a reply or push for the coming frame. */
  put(text: string, bytes: number = this.codec.byteLength(text)): void {
    if (!this.isOpen) return;
    this.out.push(text);
    this.window.queue(bytes + 1, bytes >= smallReply);
    this.context.turn.wakeSession(this);
  }

  /**
   * Queues joins or leaves of others, unless they would leave less than half of the window free. They are in no log.
   * Returns whether they were queued.
   */
  announce(text: string, bytes: number): boolean {
    if (!this.isOpen || this.window.room - bytes < this.context.settings.window / 2) return false;
    this.put(text, bytes);
    return true;
  }

  /** Queues publications, and notes which barrier will prove that they were read. */
  hand(subscription: Subscription, piece: Piece): void {
    const { deliveries } = subscription.channel;
    if (deliveries !== undefined && deliveries.newest > subscription.cursor) this.track(subscription);
    this.window.cover(subscription.proof, subscription.cursor);
    subscription.cursor = piece.last;
    this.out.push(piece.text);
    this.window.hand(piece.bytes + 1);
    this.context.turn.wakeSession(this);
  }

  isHeld(subscription: Subscription): boolean {
    return this.subscriptions.isHeld(subscription);
  }

  block(subscription: Subscription): void {
    this.subscriptions.block(subscription);
    this.note(false);
    this.context.turn.wakeSession(this);
  }

  track(subscription: Subscription): void {
    if (this.subscriptions.track(subscription)) this.context.turn.wakeSession(this);
  }

  /** Tells the client that its subscription has ended. */
  unsubscribed(channel: string, why: Close): void {
    this.put(this.codec.unsubscribe(channel, why));
  }

  /** Notes that the state of the session has changed. A host that keeps it is told at the end of the turn. */
  note(isUrgent: boolean): void {
    if (this.socket.changed === undefined || !this.isOpen) return;
    this.flags |= isUrgent ? flag.changed | flag.urgent : flag.changed;
    this.context.turn.wakeSession(this);
  }

  /** Sends what was queued in this turn, with a ping behind it if a pong is needed to prove it read. */
  flush(): void {
    if (!this.isOpen || this.hasExpired()) return;
    if (this.needsBarrier()) this.sendPing();
    const frame = this.out.take(this.wire.frames);
    if (frame === undefined && (this.flags & flag.changed) === 0) return;
    try {
      if (frame !== undefined) {
        this.socket.send(frame);
        this.window.send();
        this.subscriptions.report("written");
      }
      if (this.socket.changed !== undefined) this.#tellChanged();
    } catch (error) {
      this.context.report(error, "socket", `session ${this.id}`);
      this.revoke(closes.internal);
    }
  }

  /** Tells the host that the state has changed, unless it cannot be read now. Then the next flush tells it. */
  #tellChanged(): void {
    if (!this.isOpen || !this.out.isEmpty) return;
    const isUrgent = (this.flags & flag.urgent) !== 0;
    this.flags &= ~(flag.changed | flag.urgent);
    this.socket.changed?.(isUrgent);
  }

  protected needsBarrier(): boolean {
    const { window } = this;
    if (!this.isConnected || window.hasPing || window.isClear) return false;
    if (this.context.flushing || window.isHalfFull) return true;
    return this.subscriptions.wantProof;
  }

  protected sendPing(): void {
    const { ping } = this.codec;
    this.out.push(ping);
    this.timers.ping(ping.length + 1);
  }
}
