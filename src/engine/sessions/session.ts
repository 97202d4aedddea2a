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

/** Replies over so many bytes are data: a ping behind them gets the time that data gets. */
const smallReply = 1_024;

/**
 * A session: frames in, frames out, no I/O of its own.
 *
 * Everything for the peer goes through one ordered queue, which leaves as one frame a turn. What is sent counts as in
 * flight until a pong proves that it was read; while a window's worth is, publications stay in the log. A class, not
 * closures: thousands of sessions share its methods.
 */
export class LiveSession implements Session, Receiver, Commanded, Asker, TimedSession {
  readonly id: string;
  /** Who it is, once its connect command has said so. */
  peer: Peer;
  readonly context: SessionContext<LiveSession>;
  readonly subscriptions: SessionSubscriptions = new SessionSubscriptions();
  readonly window: SendWindow;
  readonly timers: SessionTimers;
  readonly queue: CommandQueue;
  readonly out: Outbox;
  /** Whether the client has ever acknowledged anything: then what it has read is its own to say. */
  acknowledges = false;
  /** Whether it is among those that send in the coming turn; the hub's to say. */
  isGathered = false;
  /** Whether the first command has been seen: the next one must not be `connect` again. */
  isGreeted = false;
  /** Whether a command is being answered: the next one has its turn after it. */
  isBusy = false;
  /** The handler that was asked last for it, while it is. */
  asking: HandlerCall | undefined;
  /** When it began, on the clock's `now`. */
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

  /** How others see the peer. */
  get info(): ClientInfo {
    const { user, info } = this.peer;
    return { user, client: this.id, info: info === undefined ? undefined : JSON.stringify(info) };
  }

  /** Whose acknowledgements count as one: the user's, or the session's own where there is no user. */
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

  /** The connect reply is on its way: from now on there are pings. */
  connected(): void {
    if (this.#phase !== "fresh") return;
    this.#phase = "connected";
    this.timers.connected();
  }

  /** See {@linkcode ask}. */
  ask<T>(stage: ErrorContext["stage"], call: (asking: HandlerCall) => T | PromiseLike<T>): MaybePromise<T> {
    return ask(this.context, this, stage, call);
  }

  /** It has said who it is, and is that from now on. */
  become(identity: Identity): void {
    this.context.sessions.delete(this);
    this.peer = { ...this.peer, ...identity };
    this.context.sessions.add(this);
    if (identity.expires !== undefined) this.timers.extend(identity.expires);
  }

  /** Puts a reply or push into the queue that leaves with this turn. */
  put(text: string, bytes: number = byteLength(text)): void {
    if (!this.isOpen) return;
    this.out.push(text);
    this.window.queue(bytes + 1, bytes >= smallReply);
    this.context.turn.wakeSession(this);
  }

  /** Puts what others do, which no log holds, unless that would take half of the window. Answers whether it did. */
  announce(text: string, bytes: number): boolean {
    if (!this.isOpen || this.window.room - bytes < this.context.settings.window / 2) return false;
    this.put(text, bytes);
    return true;
  }

  /** Puts publications into the queue, and notes which barrier will prove them read. */
  hand(subscription: Subscription, piece: Piece): void {
    const { deliveries } = subscription.channel;
    if (deliveries !== undefined && deliveries.newest > subscription.cursor) this.track(subscription);
    this.window.cover(subscription.proof, subscription.cursor);
    subscription.cursor = piece.last;
    this.out.push(piece.text);
    this.window.hand(piece.bytes + 1);
    this.context.turn.wakeSession(this);
  }

  /** Whether others wait for room that a subscription would take. */
  isHeld(subscription: Subscription): boolean {
    return this.subscriptions.isHeld(subscription);
  }

  /** The subscription has to wait until the window has room again. */
  block(subscription: Subscription): void {
    this.subscriptions.block(subscription);
    this.context.turn.wakeSession(this);
  }

  /** The subscription cannot go on without a hole, and is told so. */
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

  /** Its client has asked to end a subscription: what it is sent from here on it does not look at. */
  quit(subscription: Subscription): void {
    subscription.quit ??= this.window.readOf(subscription.proof, subscription.cursor);
    this.subscriptions.untrack(subscription);
  }

  /** Tells the client that it is no longer subscribed. */
  unsubscribed(channel: string, why: Close): void {
    this.put(this.context.codec.push(channel, "unsubscribe", JSON.stringify(why)));
  }

  /** Sends what the turn has gathered, with a ping behind it where its reading must be proven. */
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

  /** A pong has come: there may be room again. */
  pong(): void {
    if (!this.window.pong()) return this.close(closes.badRequest);
    this.subscriptions.report("read");
    // What is published goes on at each pong, so a command that waits for room as well is not to wait behind it for ever.
    work(this);
    this.subscriptions.serveBlocked();
    this.context.turn.wakeSession(this);
    this.context.appends.caughtUp();
  }

  /** While the notifier flushes: closes as soon as everything there is has been handed on and proven read. */
  settle(): void {
    if (this.#phase === "fresh") return this.close(closes.shutdown);
    if (!this.isConnected) return;
    const isHeard = this.acknowledges && this.context.hearing;
    let owesAcknowledgement = false;
    for (const subscription of this.subscriptions) {
      if (!subscription.channel.isCaughtUp(subscription)) return;
      owesAcknowledgement ||=
        isHeard && subscription.channel.deliveries?.awaitsAcknowledgement(subscription) === true;
    }
    if (this.#needsBarrier()) this.context.turn.wakeSession(this);
    else if (this.window.isClear && !owesAcknowledgement) this.close(closes.shutdown);
  }

  /** Closes the socket after what is queued. The peer has as long as for a pong to answer; then it is cut. */
  close(why: Close): void {
    this.flush();
    this.revoke(why);
  }

  /** Closes it for being over a limit. */
  exceed(limit: LimitName, why: Close): void {
    if (this.isOpen) this.context.counters.hit(limit);
    this.close(why);
  }

  /** Closes the socket without what is queued: the peer may no longer have it. */
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

  /** Gives up everything that the session holds, but for the socket. */
  #leave(): void {
    this.context.leaving(this);
    this.queue.clear();
    this.out.clear();
    this.subscriptions.clearBlocked();
    for (const subscription of [...this.subscriptions]) this.drop(subscription);
    for (let asking = this.asking; asking !== undefined; asking = asking.earlier)
      asking.abort(new ClosedError(`Cannot go on: session ${this.id} is over`));
  }

  /** The peer's permission may have ended before the wheel says so: then nothing more is read of it, or sent to it. */
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
