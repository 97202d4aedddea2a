import { byteLength } from "../../base/bytes.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import { ClosedError } from "../../model/errors.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { Identity, Peer } from "../../model/peer.ts";
import type { Session, Socket } from "../../model/socket.ts";
import { type ClientInfo, type Close, type Command, closes, unsubscribes } from "../../wire/protocol.ts";
import type { LimitName } from "../core/counters.ts";
import { SendWindow } from "../delivery/send-window.ts";
import type { Piece, Receiver, Subscription } from "../delivery/subscription.ts";
import { CommandQueue } from "./command-queue.ts";
import { type Asker, ask, type HandlerCall } from "./handler-call.ts";
import { Outbox } from "./outbox.ts";
import { type Commanded, receive, work } from "./receive.ts";
import type { CommandHandler, SessionContext, SessionParts } from "./session-ports.ts";
import { SessionSubscriptions } from "./session-subscriptions.ts";
import { SessionTimers, type TimedSession } from "./session-timers.ts";

/**
 * From this size on, in bytes, a reply counts as data: a ping behind it gets the longer deadline of pings behind data.
 */
const smallReply = 1_024;

/**
 * A session: it takes frames and returns frames, and does no I/O of its own.
 *
 * Everything for the peer goes through one ordered queue, which leaves as one frame per turn. What was sent counts as
 * in flight until a pong proves that it was read. While a full window is in flight, publications stay in the log. It is
 * a class and not a set of closures, because thousands of sessions share its methods.
 */
export class LiveSession implements Session, Receiver, Commanded, Asker, TimedSession {
  readonly id: string;
  /** The peer. The answer to the connect command may complete its identity. */
  peer: Peer;
  readonly context: SessionContext<LiveSession>;
  readonly subscriptions: SessionSubscriptions = new SessionSubscriptions();
  readonly window: SendWindow;
  readonly timers: SessionTimers;
  readonly queue: CommandQueue;
  readonly out: Outbox;
  /**
   * Whether the client has ever acknowledged anything. Then only its acknowledgements discharge a publication, and not
   * its pongs.
   */
  acknowledges = false;
  /** Whether the session is listed for the coming turn. Set only by the turn. */
  isGathered = false;
  isGreeted = false;
  isBusy = false;
  asking: HandlerCall | undefined;
  /** When the session began, on the clock's `now`. */
  readonly since: number;
  readonly #commands: CommandHandler<LiveSession>;
  readonly #socket: Socket;
  #phase: "fresh" | "connected" | "closing" | "over" = "fresh";

  constructor(id: string, { context, commands, socket, peer }: SessionParts<LiveSession>) {
    this.id = id;
    this.context = context;
    this.#commands = commands;
    this.peer = peer;
    this.window = new SendWindow(context.settings.window);
    this.#socket = socket;
    this.since = context.clock.now();
    this.timers = new SessionTimers(context, this.window, this, peer.expires);
    this.queue = new CommandQueue(context.commandQueues, this.since);
    this.out = new Outbox();
    context.entered(this);
  }

  get info(): ClientInfo {
    const { user, info } = this.peer;
    return { user, client: this.id, info: info === undefined ? undefined : JSON.stringify(info) };
  }

  /** The identity that acknowledgements count for: the user, or the id of the session if there is no user. */
  get identity(): string {
    return this.peer.user === "" ? this.id : this.peer.user;
  }

  get isOpen(): boolean {
    return this.#phase === "fresh" || this.isConnected;
  }

  get isConnected(): boolean {
    return this.#phase === "connected";
  }

  receive(data: unknown): void {
    receive(this, data);
  }

  takeAcknowledgements(command: Command): number {
    return this.#commands.takeAcknowledgements(this, command);
  }

  answer(command: Command, isOver: boolean): MaybePromise<void> {
    return this.#commands.answer(this, command, isOver);
  }

  greeted(): void {
    this.timers.greeted();
  }

  get silence(): number {
    return this.timers.silence;
  }

  ended(code?: number): void {
    if (this.#phase === "over") return;
    const wasOpen = this.isOpen;
    this.#phase = "over";
    if (wasOpen) {
      this.context.counters.left(code);
      this.#leave();
    }
    this.timers.stop();
    this.context.left(this);
  }

  /** Notes that the connect reply has been queued. From now on the session sends pings. */
  connected(): void {
    if (this.#phase !== "fresh") return;
    this.#phase = "connected";
    this.timers.connected();
  }

  ask<T>(stage: ErrorContext["stage"], call: (asking: HandlerCall) => T | PromiseLike<T>): MaybePromise<T> {
    return ask(this.context, this, stage, call);
  }

  /** Sets the identity that the connect command has established. */
  become(identity: Identity): void {
    this.context.sessions.delete(this);
    this.peer = { ...this.peer, ...identity };
    this.context.sessions.add(this);
    if (identity.expires !== undefined) this.timers.extend(identity.expires);
  }

  /** Queues a reply or push for the coming frame. */
  put(text: string, bytes: number = byteLength(text)): void {
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
    this.context.turn.wakeSession(this);
  }

  /**
   * Ends a subscription that cannot continue without a gap, and tells the client. If the server made the subscription,
   * the session is closed.
   */
  lose(subscription: Subscription): void {
    this.subscriptions.delete(subscription);
    if (subscription.byServer) this.close(closes.insufficientState);
    else this.unsubscribed(subscription.channel.name, unsubscribes.insufficientState);
  }

  /** Ends a subscription without telling the client. */
  drop(subscription: Subscription): void {
    this.subscriptions.delete(subscription);
    subscription.channel.remove(subscription);
  }

  track(subscription: Subscription): void {
    if (this.subscriptions.track(subscription)) this.context.turn.wakeSession(this);
  }

  /**
   * Notes that the client has asked to unsubscribe. The client ignores later publications, so their pongs no longer
   * count.
   */
  quit(subscription: Subscription): void {
    subscription.quit ??= this.window.readOf(subscription.proof, subscription.cursor);
    this.subscriptions.untrack(subscription);
  }

  /** Tells the client that its subscription has ended. */
  unsubscribed(channel: string, why: Close): void {
    this.put(this.context.codec.unsubscribe(channel, why));
  }

  /** Sends what was queued in this turn, with a ping behind it if a pong is needed to prove it read. */
  flush(): void {
    if (!this.isOpen || this.hasExpired()) return;
    if (this.#needsBarrier()) this.#ping();
    const text = this.out.take(this.context.frames);
    if (text === undefined) return;
    try {
      this.#socket.send(text);
      this.window.send();
      this.subscriptions.report("written");
    } catch (error) {
      this.context.report(error, "socket", `session ${this.id}`);
      this.revoke(closes.internal);
    }
  }

  #needsBarrier(): boolean {
    const { window } = this;
    if (!this.isConnected || window.hasPing || window.isClear) return false;
    if (this.context.flushing || window.isHalfFull) return true;
    return this.subscriptions.wantProof;
  }

  #ping(): void {
    const { ping } = this.context.codec;
    this.out.push(ping);
    this.timers.ping(ping.length + 1);
  }

  /** Handles a pong. It may free room in the window. */
  pong(): void {
    if (!this.window.pong()) return this.close(closes.badRequest);
    this.subscriptions.report("read");
    // Commands come first. The blocked subscriptions use up the room that each pong frees, so a command that waits for
    // room would otherwise wait forever.
    work(this);
    this.subscriptions.serveBlocked();
    this.context.turn.wakeSession(this);
    this.context.appends.caughtUp();
  }

  /**
   * Closes the session if its client has been sent everything and has proven it read. Called while the notifier
   * flushes. If the client acknowledges, the session also waits for its acknowledgements, as long as `context.awaitsAcknowledgements`
   * is set.
   */
  settle(): void {
    if (this.#phase === "fresh") return this.close(closes.shutdown);
    if (!this.isConnected) return;
    const isHeard = this.acknowledges && this.context.awaitsAcknowledgements;
    let owesAcknowledgement = false;
    for (const subscription of this.subscriptions) {
      if (!subscription.channel.isCaughtUp(subscription)) return;
      owesAcknowledgement ||=
        isHeard && subscription.channel.deliveries?.awaitsAcknowledgement(subscription) === true;
    }
    if (this.#needsBarrier()) this.context.turn.wakeSession(this);
    else if (this.window.isClear && !owesAcknowledgement) this.close(closes.shutdown);
  }

  /**
   * Sends what is queued, then closes the socket. If the peer does not answer the close within `limits.pong`, the
   * connection is cut.
   */
  close(why: Close): void {
    this.flush();
    this.revoke(why);
  }

  exceed(limit: LimitName, why: Close): void {
    if (this.isOpen) this.context.counters.hit(limit);
    this.close(why);
  }

  /** Closes the socket without sending what is queued: the peer may no longer have the permission to receive it. */
  revoke(why: Close): void {
    if (!this.isOpen) return;
    this.context.closed(why, this.#phase === "fresh");
    this.#phase = "closing";
    this.#leave();
    this.timers.closing();
    this.#onSocket(() => this.#socket.close(why.code, why.reason));
  }

  /** Cuts the connection without waiting for the peer. */
  cut(): void {
    this.close(closes.shutdown);
    if (this.#phase === "closing") this.#onSocket(() => this.#socket.terminate?.());
    this.ended();
  }

  #onSocket(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.context.report(error, "socket", `session ${this.id}`);
    }
  }

  /** Releases everything that the session holds, except the socket. */
  #leave(): void {
    this.context.leaving(this);
    this.queue.clear();
    this.out.clear();
    this.subscriptions.clearBlocked();
    for (const subscription of [...this.subscriptions]) this.drop(subscription);
    for (let asking = this.asking; asking !== undefined; asking = asking.earlier)
      asking.abort(new ClosedError(`Cannot go on: session ${this.id} is over`));
  }

  /**
   * Returns whether the peer's permission has ended, and closes the session if it has. The wheel may fire late, so this
   * is also called before each read and each send.
   */
  hasExpired(): boolean {
    if (!this.timers.hasExpired) return false;
    this.expired();
    return true;
  }

  expired(): void {
    this.revoke(closes.expired);
  }

  late(): void {
    if (this.#phase === "closing") this.cut();
    else this.exceed("connect", closes.stale);
  }

  silent(behindData: boolean): void {
    this.exceed(behindData ? "slow" : "pong", behindData ? closes.slow : closes.noPong);
  }

  beat(): void {
    this.#ping();
    this.flush();
  }
}
