import { Hono } from "hono";
import { systemClock } from "../../base/clock.ts";
import { complain, errorToConsole } from "../../base/console.ts";
import { attended } from "../../base/hook.ts";
import { createNotifier } from "../../engine/notifier/create-notifier.ts";
import type { Notifier } from "../../engine/notifier/notifier.ts";
import { createObjectLog } from "../../stores/sqlite/object-log.ts";
import { objectPort } from "../../stores/sqlite/object-port.ts";
import type { SqliteLog } from "../../stores/sqlite/sqlite-log.ts";
import { Alarm } from "./alarm.ts";
import { alarmedLog } from "./alarmed-log.ts";
import { ObjectClock } from "./object-clock.ts";
import { limitsOfObject, type NotifierObjectOptions, objectWindow } from "./options.ts";
import { autoResponse, type HibernatableSocket, type ObjectState } from "./platform.ts";
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
  readonly #clock: ObjectClock;
  readonly #alarm: Alarm;
  readonly #sockets: Sockets;
  readonly #createApp: () => Hono;
  #app: Hono | undefined;
  #isWatching = false;
  #sweptAt = 0;

  constructor({ state, env, options, app }: LifeParts) {
    this.#state = state;
    this.#env = env;
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
    this.#clock = new ObjectClock(() => this.stir());
    const { onError = errorToConsole } = rest;
    const report = (error: unknown): void =>
      attended(() => onError(error, { stage: "host", owner: "object" }), complain);
    const port = objectPort(storage);
    this.#alarm = new Alarm(storage, port, report);
    this.log = createObjectLog(storage, { id: state.id.toString(), clock: this.#clock, ...log });
    this.notifier = createNotifier({
      ...rest,
      heartbeat,
      window,
      limits: limitsOfObject(limits),
      clock: this.#clock,
      log: alarmedLog(this.log, () => this.#stayAwake()),
    });
    // To ask begins the notifier: now it takes over what the log holds of the life before.
    this.notifier.closed.then(() => {
      this.isOver = true;
    });
    state.setWebSocketAutoResponse(autoResponse(ownPing, ownPing));
    this.#sockets = new Sockets({ notifier: this.notifier, state, port, options: { authorize, peer } });
    this.#sockets.restore();
    const { notifier } = this;
    const upgrade = upgrades({ notifier, options, open: (...socket) => this.#sockets.open(...socket) });
    this.#createApp = () => new Hono().route("/", app()).get("*", upgrade);
    this.stir();
  }

  fetch(request: Request): Response | Promise<Response> {
    this.stir();
    this.#app ??= this.#createApp();
    return this.#app.fetch(request, this.#env as object);
  }

  message(socket: HibernatableSocket, data: unknown): void {
    this.stir();
    this.#sockets.of(socket)?.session?.receive(data);
  }

  ended(socket: HibernatableSocket, code: number, reason: string): void {
    this.stir();
    this.#sockets.ended(socket, code, reason);
  }

  ring(): void {
    this.stir();
    this.#alarm.rang();
    this.#clock.ring();
  }

  /** Wakes the object at a time, in milliseconds since the Unix epoch. */
  wakeAt(time: number): void {
    this.#alarm.ask(time);
  }

  /** Looks soon at what is to be kept, and whether there is anything left to do. Until then the object stays awake. */
  stir(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    systemClock.timer(pulse, () => this.#look());
  }

  #look(): void {
    const now = this.#clock.time();
    if (now - this.#sweptAt >= sweep) {
      this.#sweptAt = now;
      this.#sockets.sweep();
    }
    const isKept = this.#sockets.settle();
    const isIdle = this.notifier.rest();
    if (this.notifier.stats().runs > 0) this.#stayAwake();
    this.#isWatching = false;
    if (!isKept || !isIdle) this.stir();
    this.#state.waitUntil(this.#alarm.settle(this.#clock.alarmAt));
  }

  /** Makes sure that the object, or its next life, is awake soon: there is something that must come to an end. */
  #stayAwake(): void {
    this.#alarm.wakeBy(Math.min(this.#clock.alarmAt, this.#clock.time() + keepAlive));
  }
}
