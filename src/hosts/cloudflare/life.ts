import { type ExecutionContext, Hono } from "hono";
import { type Clock, systemClock } from "../../base/clock.ts";
import { createNotifier } from "../../engine/notifier/create-notifier.ts";
import type { Notifier } from "../../engine/notifier/notifier.ts";
import { createObjectLog } from "../../stores/sqlite/object-log.ts";
import { objectPort } from "../../stores/sqlite/object-port.ts";
import type { SqliteLog } from "../../stores/sqlite/sqlite-log.ts";
import { Alarm } from "./alarm.ts";
import { alarmedLog } from "./alarmed-log.ts";
import { checkOptions } from "./check-options.ts";
import { limitsOfObject, objectWindow } from "./limits.ts";
import { ObjectClock } from "./object-clock.ts";
import type { NotifierObjectOptions } from "./options.ts";
import { autoResponse, type HibernatableSocket, type ObjectState } from "./platform.ts";
import { SessionTable } from "./session-table.ts";
import { Sockets } from "./sockets.ts";
import { upgrades } from "./upgrades.ts";

/**
 * The ping that a client sends of its own, and its answer. The platform answers it by itself, while the object sleeps.
 * `{}` must not be one: clients answer `{}`, and the two would go on for ever.
 */
const ownPing = '{"id":4294967295,"ping":{}}';

/** Milliseconds between two looks at what is kept, and at whether the object may sleep. */
const pulse = 1_000;
/** Milliseconds between two looks at when the clients that send pings of their own were last heard. */
const sweep = 60_000;
/**
 * Milliseconds after which the alarm rings while the log holds what this life has to end: its runs, and the confirmed
 * publications that wait. It keeps the object in memory, and wakes the next life if this one ends without notice.
 */
const keepAlive = 30_000;

/** What a life is created from. */
export interface LifeParts {
  readonly state: ObjectState;
  readonly env: unknown;
  readonly options: NotifierObjectOptions;
  /** More routes. */
  app(): Hono;
  /** The timers and the time of the platform. Default: those of the global scope. */
  readonly clock?: Clock;
}

/**
 * One life of an object: from when it wakes until it is dropped from memory. It takes back what the life before has left:
 * its sessions from their sockets, and its runs and confirmed publications from the log.
 */
export class Life {
  readonly notifier: Notifier;
  readonly log: SqliteLog;
  /** Whether the notifier has closed. The next use of the object begins another life. */
  isOver = false;
  readonly #state: ObjectState;
  readonly #env: unknown;
  readonly #platform: Clock;
  readonly #clock: ObjectClock;
  readonly #alarm: Alarm;
  readonly #sockets: Sockets;
  readonly #createApp: () => Hono;
  readonly #execution: ExecutionContext;
  #app: Hono | undefined;
  #isWatching = false;
  /** The alarms that have rung, and not been set again. */
  #rung: (() => void)[] = [];
  #sweptAt: number;

  constructor({ state, env, options, app, clock = systemClock }: LifeParts) {
    checkOptions(options);
    this.#state = state;
    this.#env = env;
    this.#execution = {
      waitUntil: (promise) => state.waitUntil(promise),
      passThroughOnException() {},
      props: {},
    };
    const { storage } = state;
    const {
      origins: _,
      authenticate: __,
      authorize,
      peer,
      log,
      limits,
      heartbeat = 300_000,
      window = objectWindow,
      ...rest
    } = options;
    this.#platform = clock;
    this.#clock = new ObjectClock(() => this.stir(), clock);
    const port = objectPort(storage);
    const table = new SessionTable(port);
    this.#alarm = new Alarm(storage, port, (error) =>
      this.notifier.report(error, { stage: "host", owner: "object" }),
    );
    this.log = createObjectLog(storage, { id: state.id.toString(), clock: this.#clock, ...log });
    this.notifier = createNotifier({
      ...rest,
      heartbeat,
      window,
      limits: limitsOfObject(limits),
      clock: this.#clock,
      log: alarmedLog(this.log, () => this.#alarm.wakeBy(this.#soon)),
    });
    const { notifier } = this;
    const upgrade = upgrades({ notifier, options, open: (...socket) => this.#sockets.open(...socket) });
    this.#createApp = () => new Hono().route("/", app()).get("*", upgrade);
    this.#sockets = new Sockets({ notifier, state, table, options: { authorize, peer } });
    // Everything is checked. To ask begins the notifier: now it takes over what the log holds of the life before.
    notifier.closed.then(() => this.#end());
    state.setWebSocketAutoResponse(autoResponse(ownPing, ownPing));
    this.#sockets.restore();
    this.#sweptAt = this.#clock.time();
    this.stir();
  }

  fetch(request: Request): Response | Promise<Response> {
    this.stir();
    this.#app ??= this.#createApp();
    return this.#app.fetch(request, this.#env as object, this.#execution);
  }

  message(socket: HibernatableSocket, data: unknown): void {
    this.stir();
    this.#sockets.of(socket)?.session?.receive(data);
  }

  ended(socket: HibernatableSocket, code: number, reason: string): void {
    this.stir();
    this.#sockets.ended(socket, code, reason);
  }

  /**
   * Called when the alarm rings. Resolves once it is set for what is left to end. If the object is gone before that, the
   * platform lets the same alarm ring in the next life.
   */
  ring(): Promise<void> {
    this.stir();
    try {
      this.#alarm.rang(this.#clock.time());
    } finally {
      this.#clock.ring();
    }
    return new Promise((resolve) => this.#rung.push(resolve));
  }

  /** Wakes the object at a time, in milliseconds since the Unix epoch. */
  wakeAt(time: number): void {
    this.#alarm.ask(time);
  }

  /** Looks soon at what is to be kept, and whether there is anything left to do. Until then the object stays awake. */
  stir(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#platform.timer(pulse, () => this.#look());
  }

  #look(): void {
    // Closing was under way, so this is the last look that anything has stirred.
    if (this.isOver) return;
    let isQuiet = false;
    try {
      isQuiet = this.#tend();
    } finally {
      this.#isWatching = false;
      if (!isQuiet) this.stir();
      this.#state.waitUntil(this.#setAlarm());
    }
  }

  /** Keeps what has changed. Returns whether there is nothing left that has to keep the object awake. */
  #tend(): boolean {
    const now = this.#clock.time();
    if (now - this.#sweptAt >= sweep) {
      this.#sweptAt = now;
      this.#sockets.sweep();
    }
    const isKept = this.#sockets.settle();
    return this.notifier.rest() && isKept;
  }

  async #setAlarm(): Promise<void> {
    const rung = this.#rung;
    this.#rung = [];
    await this.#alarm.settle(this.#isEnding ? this.#soon : this.#clock.alarmAt);
    for (const isSet of rung) isSet();
  }

  /** Leaves the alarm and the storage to the next life. */
  #end(): void {
    this.isOver = true;
    this.#alarm.end();
    for (const isSet of this.#rung) isSet();
  }

  /** Whether there is something that must come to an end, and that no long wait is for. */
  get #isEnding(): boolean {
    const { runs, confirmed } = this.notifier.stats();
    return runs > 0 || (confirmed > 0 && this.#clock.isTiming);
  }

  /** By when the object, or its next life, has to be awake while there is something that must come to an end. */
  get #soon(): number {
    return Math.min(this.#clock.alarmAt, this.#clock.time() + keepAlive);
  }
}
