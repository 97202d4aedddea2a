import { originOf } from "../../base/clock.ts";
import { lastSlot, TimedItem } from "../../base/timer-wheel.ts";
import type { Context } from "../core/context.ts";
import type { SendWindow } from "../delivery/send-window.ts";

/**
 * How late a timer may fire, in milliseconds. If one fires later, the process was blocked, and may not have read pongs
 * that have arrived. It then gets this long to read them before the peer counts as silent.
 */
const tolerance = 1_000;

/**
 * When sessions are asked to come back, in parts of `limits.lifetime`: after one part of it, and spread over another.
 * Those that answer a command then may wait for a third part.
 */
const leaving = { after: 0.75, spread: 0.2, wait: 0.05 };
/** A session that answers a command when it should leave is looked at again after so many milliseconds. */
const recheck = 500;

/** The deadlines of a session that another process continues. All times are in milliseconds since the Unix epoch. */
export interface TimerState {
  /** When the peer must have sent `connect`. Undefined once it has. */
  readonly connectBy?: number | undefined;
  /** When the next ping is due. Undefined if the session sends none by itself. */
  readonly pingAt?: number | undefined;
  /** When the outstanding ping was sent. */
  readonly pingedAt?: number | undefined;
  /** Whether data was in flight before the outstanding ping. */
  readonly behindData?: boolean | undefined;
  /** The end of the peer's permission. Undefined if it never ends. */
  readonly until?: number | undefined;
  /** When the session is asked to come back. Undefined if it may last. */
  readonly leaveAt?: number | undefined;
}

/** What a session does when a timer fires. */
export interface TimedSession {
  /** Whether a command is being answered, or waits to be. */
  readonly isAnswering: boolean;
  /** A ping is due. */
  beat(): void;
  /** The peer has not answered a ping in time. `behindData` means that data was in flight before the ping. */
  silent(behindData: boolean): void;
  /** The peer's permission has ended. */
  expired(): void;
  /** The session has lasted as long as it may. */
  outlived(): void;
  /** The peer has not sent `connect` in time, or has not answered a close in time. */
  late(): void;
  /** The deadlines have changed, and nothing is sent for it. */
  note(isUrgent: boolean): void;
}

/**
 * The deadlines of a session: to connect, to ping, to get the pong, to expire, to close.
 *
 * The session has one entry on the timer wheel, for the earliest deadline, and no timer of its own.
 */
export class SessionTimers extends TimedItem {
  readonly #context: Context;
  readonly #window: SendWindow;
  readonly #session: TimedSession;
  /**
   * The deadline to connect or to close. Undefined if there is none. Infinity would make V8 store these numbers as heap
   * objects.
   */
  #lateAt: number | undefined;
  #expiresAt: number | undefined;
  /**
   * The end of the permission in milliseconds since the Unix epoch. The clock's `now` may stand still while the machine
   * sleeps.
   */
  #expires: number | undefined;
  #pingAt: number | undefined;
  /** When the session is asked to come back. Undefined if it may last. */
  #leaveAt: number | undefined;
  /** Whether data was in flight before the outstanding ping. A slow link may take long to transfer a full window. */
  #behindData = false;
  /**
   * A second deadline for the outstanding ping. It is set if the process was blocked at the first one; otherwise it is
   * 0.
   */
  #excused = 0;
  /** Whether the socket is being closed. A pong that is missing then ends nothing more. */
  #isClosing = false;

  /** `restored` are the deadlines of a session that is continued. Those of a new one begin now. */
  constructor(
    context: Context,
    window: SendWindow,
    session: TimedSession,
    { expires, restored }: { expires: number | undefined; restored?: TimerState | undefined },
  ) {
    super();
    this.#context = context;
    this.#window = window;
    this.#session = session;
    this.#leaveAt = this.#leaving();
    if (restored !== undefined) this.#restore(restored);
    else this.#lateAt = context.clock.now() + context.settings.limits.connect;
    if (expires === undefined) this.#schedule();
    else this.extend(expires);
  }

  /** The deadlines, for a process that continues the session. */
  get state(): TimerState {
    const passed = originOf(this.#context.clock);
    const hasPing = this.#window.hasPing;
    return {
      connectBy: this.#lateAt === undefined ? undefined : this.#lateAt + passed,
      pingAt: this.#pingAt === undefined ? undefined : this.#pingAt + passed,
      pingedAt: hasPing ? this.#window.pingedAt + passed : undefined,
      behindData: hasPing && this.#behindData,
      until: this.#expires,
      leaveAt: this.#leaveAt === undefined ? undefined : this.#leaveAt + passed,
    };
  }

  /** A deadline that has passed meanwhile is due at once. */
  #restore({ connectBy, pingAt, pingedAt, behindData = false, leaveAt }: TimerState): void {
    const { clock, settings } = this.#context;
    const now = clock.now();
    const passed = originOf(clock);
    this.#lateAt = connectBy === undefined ? undefined : connectBy - passed;
    this.#pingAt = pingAt === undefined ? undefined : pingAt - passed;
    // Without a limit any more, it may last.
    if (this.#leaveAt !== undefined && leaveAt !== undefined) this.#leaveAt = leaveAt - passed;
    if (pingedAt === undefined || !this.#window.hasPing) return;
    this.#behindData = behindData;
    this.#window.pingedAt = pingedAt - passed;
    // Nobody could read the pong while no process had the session.
    const { pong, slow } = settings.limits;
    const left = this.#window.pingedAt + (behindData ? slow : pong) - now;
    if (left < tolerance) this.#excused = now + tolerance;
  }

  /** Returns when a session that begins now is asked to come back. Sessions that begin together leave one by one. */
  #leaving(): number | undefined {
    const { clock, settings } = this.#context;
    const { lifetime } = settings.limits;
    if (lifetime === Infinity) return undefined;
    const part = leaving.after + leaving.spread * clock.random();
    return clock.now() + Math.round(lifetime * part);
  }

  /** Milliseconds for which the ping has been outstanding, or 0. */
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

  /** Sets the end of the peer's permission, in milliseconds since the Unix epoch. */
  extend(expires: number): void {
    this.#expires = expires;
    this.#expiresAt = this.#context.clock.now() + expires - this.#context.clock.time();
    this.#schedule();
  }

  /**
   * Notes that the connect command has come in time. The time that the answer takes does not count against the peer.
   */
  greeted(): void {
    // The wheel is not changed: the old deadline fires and finds nothing due. Usually the connect reply sets the wheel
    // first.
    this.#lateAt = undefined;
  }

  /**
   * Starts the pings, unless the client sends them itself. Called when the connect reply has been queued. The first
   * ping comes after a random 50 to 100 % of the heartbeat, so that the sessions do not ping all at the same time.
   */
  connected(pings: boolean): void {
    const { clock } = this.#context;
    if (pings) this.#pingAt = this.#nextPing(clock.now(), 0.5 + clock.random() / 2);
    this.#schedule();
  }

  /**
   * Returns when a ping is due that comes after a part of the heartbeat.
   *
   * Where long waits end late, all pings come at the last moment that is not: all sessions ping together, and the process
   * has to be awake only then. That the permission of an idle session is noticed late does no harm, as it is checked
   * before each read and each send.
   */
  #nextPing(now: number, part = 1): number {
    const { clock, settings } = this.#context;
    const { heartbeat } = settings;
    const { grain = Infinity } = clock;
    if (heartbeat < 2 * grain) return now + Math.round(heartbeat * part);
    return lastSlot(Math.floor((now + heartbeat) / grain) * grain);
  }

  /** Notes that a ping is about to be sent. */
  ping(bytes: number): void {
    const now = this.#context.clock.now();
    this.#behindData = this.#window.isBehindData;
    this.#window.ping(bytes, now);
    this.#excused = 0;
    if (this.#pingAt !== undefined) this.#pingAt = this.#nextPing(now);
    this.#schedule();
  }

  /** Notes that a second ping is about to be sent in place of the outstanding one. It gets the whole time again. */
  pingAgain(bytes: number): void {
    this.#window.pingAgain(bytes, this.#context.clock.now());
    this.#excused = 0;
    this.#schedule();
  }

  /** Notes that the socket is being closed. From now on the only deadline is the one to close. */
  closing(): void {
    this.#isClosing = true;
    this.#lateAt = this.#context.clock.now() + this.#context.settings.limits.pong;
    this.#expiresAt = undefined;
    this.#pingAt = undefined;
    this.#leaveAt = undefined;
    this.#context.wheel.set(this, this.#lateAt);
  }

  stop(): void {
    this.#context.wheel.set(this, undefined);
  }

  override tick(now: number): void {
    if (isDue(this.#lateAt, now)) return this.#session.late();
    if (this.hasExpired) return this.#session.expired();
    if (isDue(this.#leaveAt, now) && (!this.#session.isAnswering || isDue(this.#leaveBy, now)))
      return this.#session.outlived();
    const pongBy = this.#pongBy;
    if (pongBy !== undefined && now >= pongBy) {
      if (this.#excused > 0 || now - pongBy < tolerance) return this.#session.silent(this.#behindData);
      this.#excused = now + tolerance;
    }
    if (isDue(this.#pingAt, now)) {
      this.#pingAt = this.#nextPing(now);
      if (this.#window.hasPing) this.#session.note(false);
      else this.#session.beat();
    }
    this.#schedule();
  }

  /** A pong does not change the wheel, so the deadline on it may have lost its reason. */
  override retime(): void {
    if (this.due !== undefined) this.#schedule();
  }

  /** Sets the wheel to the earliest deadline. */
  #schedule(): void {
    let due: number | undefined;
    for (const time of [this.#lateAt, this.#expiresAt, this.#pongBy, this.#pingAt, this.#leaveCheck]) {
      if (time !== undefined && (due === undefined || time < due)) due = time;
    }
    this.#context.wheel.set(this, due);
  }

  /** When the session has to leave, whatever it does. */
  get #leaveBy(): number | undefined {
    const { lifetime } = this.#context.settings.limits;
    return this.#leaveAt === undefined ? undefined : this.#leaveAt + Math.round(lifetime * leaving.wait);
  }

  /** When to look whether the session has to leave. */
  get #leaveCheck(): number | undefined {
    const [at, by] = [this.#leaveAt, this.#leaveBy];
    if (at === undefined || by === undefined) return undefined;
    const now = this.#context.clock.now();
    return now < at ? at : Math.min(now + recheck, by);
  }

  /** When the outstanding ping must be answered. */
  get #pongBy(): number | undefined {
    if (this.#isClosing || !this.#window.hasPing) return undefined;
    const { pong, slow } = this.#context.settings.limits;
    return Math.max(this.#excused, this.#window.pingedAt + (this.#behindData ? slow : pong));
  }
}

function isDue(time: number | undefined, now: number): boolean {
  return time !== undefined && now >= time;
}
