import { Hono } from "hono";
import { fakeClock } from "tocsin/testing";
import { expect, onTestFinished } from "vitest";
import type { Clock, Timer } from "../../../src/base/clock.ts";
import type { PublishOptions, Receipt } from "../../../src/engine/notifier/notifier.ts";
import { Life } from "../../../src/hosts/cloudflare/life.ts";
import type { NotifierObjectOptions } from "../../../src/hosts/cloudflare/options.ts";
import { type FakeSocket, fakeGlobals, fakeState } from "../../support/fake-object.ts";
import { standIn } from "../../support/object-storage.ts";
import { open } from "../../support/sqlite.ts";

/** What a life is begun with, besides its state. */
export interface Beginning extends NotifierObjectOptions {
  app?: (life: Life) => Hono;
}

/** The end of a socket that a client has. */
export interface Client {
  readonly raw: FakeSocket;
  /** All messages that it was sent, as objects. */
  readonly messages: Record<string, unknown>[];
  send(...messages: object[]): void;
}

/** An object whose platform is fake: its clock, its storage, its sockets and its lives. */
export function world() {
  const clock = fakeClock();
  const storage = standIn(open());
  const state = fakeState(storage);
  const { pairs } = fakeGlobals({ onTestFinished });
  const errors: string[] = [];
  let life: Life | undefined;
  let timers: MortalClock | undefined;

  const here = {
    ...{ clock, storage, state, errors },
    /** Begins a life. The one before has lost its memory, with all timers; sockets, storage and alarm are left. */
    begin({ app, ...options }: Beginning = {}): Life {
      timers?.stop();
      timers = mortalClock(clock);
      life = new Life({
        ...{ state, env: { NAME: "env" }, clock: timers },
        options: {
          onError: (error, { stage, owner }) =>
            void errors.push(`${stage} of ${owner}: ${(error as Error).message}`),
          onRefused: ({ code, reason }) => void errors.push(`refused ${code}: ${reason}`),
          ...options,
        },
        app: () => app?.(life as Life) ?? new Hono(),
      });
      return life;
    },
    get life(): Life {
      return life as Life;
    },
    /** Whether the platform would drop the object from memory: no timer is left. */
    get sleeps(): boolean {
      return timers?.armed === 0;
    },
    /** Lets the object come to rest. Throws if it does not. */
    async rest(): Promise<void> {
      for (let second = 0; !here.sleeps && second < 5; second++) await clock.advance(1_000);
      expect(here.sleeps).toBe(true);
    },
    /** Publishes, and lets everything follow from it. */
    async publish(channel: string, data: unknown, options?: PublishOptions): Promise<Receipt> {
      const receipt = here.life.notifier.publish(channel, data, options);
      await clock.settle();
      return receipt;
    },
    /** Lets time pass until the alarm rings, for the life that is there then. */
    async untilAlarm(): Promise<void> {
      if (state.alarm === null) throw new Error("No alarm is set");
      await clock.advance(state.alarm - clock.time());
      state.alarm = null;
    },
    /** Connects a client that subscribes to the channels of `authenticate`. */
    async connect(command: object = {}): Promise<Client> {
      const headers = { host: "example.com", upgrade: "websocket" };
      await here.life.fetch(new Request("http://example.com/ws", { headers }));
      const raw = pairs.at(-1)?.[1] as FakeSocket;
      const client: Client = {
        raw,
        get messages() {
          return raw.sent.filter(Boolean).map((line) => JSON.parse(line));
        },
        send: (...messages) =>
          here.life.message(raw, messages.map((each) => JSON.stringify(each)).join("\n")),
      };
      client.send({ id: 1, connect: command });
      await clock.settle();
      return client;
    },
    /** Lets the peer of a socket close it. */
    hangUp(raw: FakeSocket, code = 1000): void {
      raw.readyState = 2;
      here.life.ended(raw, code, "");
      state.sockets.delete(raw);
    },
  };
  onTestFinished(() => timers?.stop());
  return here;
}

interface MortalClock extends Clock {
  readonly armed: number;
  stop(): void;
}

/** Returns a clock whose timers and turns end together, as those of a life do. */
function mortalClock(clock: Clock): MortalClock {
  const timers = new Set<Timer>();
  let isStopped = false;
  return {
    now: () => clock.now(),
    time: () => clock.time(),
    random: () => clock.random(),
    turn: (run) => clock.turn(() => isStopped || run()),
    timer(ms, fire) {
      const timer = clock.timer(ms, () => {
        timers.delete(timer);
        fire();
      });
      timers.add(timer);
      return {
        cancel() {
          timers.delete(timer);
          timer.cancel();
        },
      };
    },
    get armed() {
      return timers.size;
    },
    stop() {
      isStopped = true;
      for (const timer of timers) timer.cancel();
    },
  };
}
