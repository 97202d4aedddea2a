import { TimedItem } from "../../base/timer-wheel.ts";
import type { Context } from "../core/context.ts";
import type { SendWindow } from "../delivery/send-window.ts";

/**
 * Milliseconds by which a timer may be late. A process that was held up for longer has not read what peers answered
 * meanwhile, and reads it for as long before it takes them to be silent.
 */
const tolerance = 1_000;

/** What a session does when time has come. */
export interface TimedSession {
  /** A ping is due. */
  beat(): void;
  /** A ping was not answered in time. */
  silent(behindData: boolean): void;
  /** The peer's permission has ended. */
  expired(): void;
  /** It has not connected in time, or not answered a close. */
  late(): void;
}

/**
 * All that a session has to do in time: connect, ping, be answered, expire, close.
 *
 * One entry on the wheel for the earliest of them, and no timer of its own.
 */
export class SessionTimers extends TimedItem {
  readonly #context: Context;
  readonly #window: SendWindow;
  readonly #session: TimedSession;
  /** Undefined while it cannot be: in V8, Infinity would be an object to keep, and to look into. */
  #lateAt: number | undefined;
  #expiresAt: number | undefined;
  /** The same in milliseconds since the Unix epoch: while a machine sleeps the other clock may stand still. */
  #expires: number | undefined;
  #pingAt: number | undefined;
  /** Whether data was in flight before the outstanding ping: a slow link may need long for a whole window. */
  #behindData = false;
  /** Until when the outstanding ping may be answered after the process itself came too late to read the answer. */
  #excused = 0;

  constructor(context: Context, window: SendWindow, session: TimedSession, expires: number | undefined) {
    super();
    this.#context = context;
    this.#window = window;
    this.#session = session;
    this.#lateAt = context.clock.now() + context.settings.limits.connect;
    if (expires === undefined) this.#rest();
    else this.extend(expires);
  }

  /** For how many milliseconds the outstanding ping has been, or 0. */
  get silence(): number {
    return this.#window.hasPing ? this.#context.clock.now() - this.#window.pingedAt : 0;
  }

  /** Milliseconds until the peer's permission ends. */
  get remaining(): number {
    if (this.#expiresAt === undefined || this.#expires === undefined) return Infinity;
    const { clock } = this.#context;
    return Math.min(this.#expiresAt - clock.now(), this.#expires - clock.time());
  }

  get hasExpired(): boolean {
    return this.#expiresAt !== undefined && this.remaining <= 0;
  }

  /** Moves the end of the peer's permission, given in milliseconds since the Unix epoch. */
  extend(expires: number): void {
    this.#expires = expires;
    this.#expiresAt = this.#context.clock.now() + expires - this.#context.clock.time();
    this.#rest();
  }

  /** The connect command has come, in time. How long its answer takes is not the peer's doing. */
  greeted(): void {
    // What the wheel has been asked for finds that there is nothing to do: mostly the answer is next to ask it.
    this.#lateAt = undefined;
  }

  /** The connect reply is on its way: from now on there are pings. The first is early, so that not all come at once. */
  connected(): void {
    const { clock, settings } = this.#context;
    this.#pingAt = clock.now() + Math.round(settings.heartbeat * (0.5 + clock.random() / 2));
    this.#rest();
  }

  /** A ping is about to leave. */
  ping(bytes: number): void {
    const now = this.#context.clock.now();
    this.#behindData = this.#window.isBehindData;
    this.#window.ping(bytes, now);
    this.#excused = 0;
    this.#pingAt = now + this.#context.settings.heartbeat;
    this.#rest();
  }

  /** The socket is being closed: from now on only its end is waited for. */
  closing(): void {
    this.#lateAt = this.#context.clock.now() + this.#context.settings.limits.pong;
    this.#expiresAt = undefined;
    this.#pingAt = undefined;
    this.#context.wheel.set(this, this.#lateAt);
  }

  stop(): void {
    this.#context.wheel.set(this, undefined);
  }

  override tick(now: number): void {
    if (isBy(this.#lateAt, now)) return this.#session.late();
    if (this.hasExpired) return this.#session.expired();
    const pongBy = this.#pongBy;
    if (pongBy !== undefined && now >= pongBy) {
      if (this.#excused > 0 || now - pongBy < tolerance) return this.#session.silent(this.#behindData);
      this.#excused = now + tolerance;
    }
    if (isBy(this.#pingAt, now)) {
      this.#pingAt = now + this.#context.settings.heartbeat;
      if (!this.#window.hasPing) this.#session.beat();
    }
    this.#rest();
  }

  /** Asks the wheel for the next thing that will be due. */
  #rest(): void {
    let due: number | undefined;
    for (const time of [this.#lateAt, this.#expiresAt, this.#pongBy, this.#pingAt]) {
      if (time !== undefined && (due === undefined || time < due)) due = time;
    }
    this.#context.wheel.set(this, due);
  }

  /** Until when the outstanding ping has to be answered. */
  get #pongBy(): number | undefined {
    if (!this.#window.hasPing) return undefined;
    const { pong, slow } = this.#context.settings.limits;
    return Math.max(this.#excused, this.#window.pingedAt + (this.#behindData ? slow : pong));
  }
}

function isBy(time: number | undefined, now: number): boolean {
  return time !== undefined && now >= time;
}
