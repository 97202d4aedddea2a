import type { MaybePromise } from "../../base/maybe-promise.ts";
import { ClosedError } from "../../model/errors.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { Identity, Peer } from "../../model/peer.ts";
import type { Session, SessionState } from "../../model/socket.ts";
import { type ClientInfo, type Close, type Command, closes, unsubscribes } from "../../wire/protocol.ts";
import type { LimitName } from "../core/counters.ts";
import type { Receiver, Subscription } from "../delivery/subscription.ts";
import { CommandQueue } from "./command-queue.ts";
import { isDoubtful, mayBeAnswered, withoutDoubt, withPongTaken } from "./doubtful-pongs.ts";
import { type Asker, ask, type HandlerCall } from "./handler-call.ts";
import { type Commanded, receive, work } from "./receive.ts";
import { flag } from "./session-flags.ts";
import { SessionOutput } from "./session-output.ts";
import type { CommandHandler, SessionParts } from "./session-ports.ts";
import { stateOf } from "./session-state.ts";
import { SessionTimers, type TimedSession } from "./session-timers.ts";

/**
 * How long a client that sends pings of its own may not be heard of, in milliseconds. It sends one every 25 s, or every
 * minute in a tab whose timers the browser slows down.
 */
const longestSilence = 120_000;

/**
 * A session: it takes frames and returns frames, and does no I/O of its own.
 *
 * Everything for the peer goes through one ordered queue, which leaves as one frame per turn. What was sent counts as
 * in flight until a pong proves that it was read. While a full window is in flight, publications stay in the log. It is
 * a class and not a set of closures, because thousands of sessions share its methods.
 */
export class LiveSession
  extends SessionOutput<LiveSession>
  implements Session, Receiver, Commanded, Asker, TimedSession
{
  /** The peer. The answer to the connect command may complete its identity. */
  peer: Peer;
  readonly timers: SessionTimers;
  readonly queue: CommandQueue;
  /**
   * Whether the client has ever acknowledged anything. Then only its acknowledgements discharge a publication, and not
   * its pongs.
   */
  acknowledges = false;
  isGreeted = false;
  isBusy = false;
  asking: HandlerCall | undefined;
  /** When the session began in this process, on the clock's `now`. */
  readonly since: number;
  readonly #commands: CommandHandler<LiveSession>;
  #phase: "fresh" | "connected" | "closing" | "over" = "fresh";

  constructor(id: string, { context, commands, socket, peer, restored }: SessionParts<LiveSession>) {
    super(id, context, socket);
    this.#commands = commands;
    this.peer = peer;
    this.since = context.clock.now();
    if (restored !== undefined) {
      this.flags = restored.flags;
      this.acknowledges = restored.acknowledges;
      this.isGreeted = restored.isGreeted;
      if (restored.isConnected) this.#phase = "connected";
      if (restored.window !== undefined) this.window.restore(restored.window);
    }
    const { until: expires = peer.expires, timers } = restored ?? {};
    this.timers = new SessionTimers(context, this.window, this, { expires, restored: timers });
    this.queue = new CommandQueue(context.commandQueues, restored?.heardAt ?? this.since);
    context.entered(this, restored !== undefined);
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

  get state(): SessionState | undefined {
    return this.isOpen && this.out.isEmpty ? stateOf(this) : undefined;
  }

  receive(data: unknown): void {
    receive(this, data);
    // When anything last came is part of the state.
    if (this.pingsItself) this.note(false);
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
    this.context.left(this, !wasOpen);
  }

  /** Notes that the connect reply has been queued. From now on the session sends pings. */
  connected(): void {
    if (this.#phase !== "fresh") return;
    this.#phase = "connected";
    this.timers.connected(!this.pingsItself);
    this.note(true);
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
    this.note(true);
  }

  /** Sets the end of the peer's permission, in milliseconds since the Unix epoch. */
  extend(expires: number): void {
    this.timers.extend(expires);
    this.note(true);
  }

  /** Whether the client sends pings of its own. The session then sends none while nothing is in flight. */
  get pingsItself(): boolean {
    return (this.flags & flag.pingsItself) !== 0;
  }

  /** Notes who the client says that it is. Our own client sends pings where the host answers them. */
  named(client: unknown): void {
    if (client === "tocsin" && this.socket.answersPings === true) this.flags |= flag.pingsItself;
  }

  heard(at: number): void {
    if (!this.pingsItself || !this.isOpen || this.hasExpired()) return;
    const { clock } = this.context;
    const silence = Math.min(clock.time() - at, clock.now() - this.queue.at);
    if (silence > longestSilence) this.exceed("pong", closes.noPong);
  }

  /** Adds a subscription. */
  enter(subscription: Subscription): void {
    this.subscriptions.add(subscription);
    this.note(true);
  }

  /**
   * Ends a subscription that cannot continue without a gap, and tells the client. If the server made the subscription,
   * the session is closed.
   */
  lose(subscription: Subscription): void {
    this.subscriptions.delete(subscription);
    this.note(true);
    if (subscription.byServer) this.close(closes.insufficientState);
    else this.unsubscribed(subscription.channel.name, unsubscribes.insufficientState);
  }

  /** Ends a subscription without telling the client. */
  drop(subscription: Subscription): void {
    this.subscriptions.delete(subscription);
    subscription.channel.remove(subscription);
    this.note(true);
  }

  /**
   * Notes that the client has asked to unsubscribe. The client ignores later publications, so their pongs no longer
   * count.
   */
  quit(subscription: Subscription): void {
    subscription.quit ??= this.window.readOf(subscription.proof, subscription.cursor);
    this.subscriptions.untrack(subscription);
    this.note(false);
  }

  /** Handles a pong. It may free room in the window. */
  pong(): void {
    this.note(false);
    if (this.pingsItself) this.queue.charge(0, this.context.clock.now());
    if (isDoubtful(this.flags)) {
      this.flags = withPongTaken(this.flags, this.window.hasPing);
      return;
    }
    if (!this.window.pong()) {
      // Browsers send a request again whose connection broke, and the first one may have come all the same.
      if (this.secret === undefined || !this.isConnected) this.close(closes.badRequest);
      return;
    }
    this.flags = withoutDoubt(this.flags);
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
    if (this.needsBarrier()) this.context.turn.wakeSession(this);
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
    this.#onSocket(() => this.socket.close(why.code, why.reason));
  }

  /** Cuts the connection without waiting for the peer. */
  cut(): void {
    this.close(closes.shutdown);
    if (this.#phase === "closing") this.#onSocket(() => this.socket.terminate?.());
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

  get isAnswering(): boolean {
    return this.isBusy || this.queue.chars > 0;
  }

  outlived(): void {
    this.exceed("lifetime", closes.reconnect);
  }

  late(): void {
    if (this.#phase === "closing") this.cut();
    else this.exceed("connect", closes.stale);
  }

  silent(behindData: boolean): void {
    if (this.isOpen && mayBeAnswered(this.flags)) return this.#askAgain();
    this.exceed(behindData ? "slow" : "pong", behindData ? closes.slow : closes.noPong);
  }

  /** Sends a second ping in place of the outstanding one, which may have been answered already. */
  #askAgain(): void {
    this.flags = withoutDoubt(this.flags);
    const { ping } = this.codec;
    this.out.push(ping);
    this.timers.pingAgain(ping.length + 1);
    this.flush();
  }

  beat(): void {
    this.sendPing();
    this.flush();
  }
}
