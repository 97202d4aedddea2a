import { expect } from "vitest";
import type { Clock, Timer } from "../../src/base/clock.ts";
import type { NotifierOptions } from "../../src/engine/core/settings.ts";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import type { Notifier, RestoreOptions } from "../../src/engine/notifier/notifier.ts";
import type { Log } from "../../src/model/log.ts";
import type { Peer } from "../../src/model/peer.ts";
import type { Session, SessionState } from "../../src/model/socket.ts";
import { memoryLog } from "../../src/stores/memory.ts";
import { assertQuiet, type FakeClock, fakeClock } from "../../src/testing.ts";
import { outcomeOf } from "./core.ts";
import { crash, durableLog, durableStore } from "./durable-log.ts";
import { type Killable, killable } from "./killable-log.ts";

/** A host whose sockets outlive the memory of its notifier. */
export interface Host {
  readonly clock: FakeClock;
  /** The notifier that works now. */
  readonly notifier: Notifier;
  /** The errors that the notifiers reported. */
  readonly errors: string[];
  connect(peer?: Peer, options?: { answersPings?: boolean }): Client;
  /** Lets everything that is due happen, and closes the sockets that the notifier closes. */
  settle(): Promise<void>;
  /** Loses the memory of the notifier, and restores its sessions in another one. Time does not pass. */
  evict(kept?: Kept): void;
  /** Loses the memory of the notifier, with all timers and turns. Returns a function that restores its sessions. */
  lose(kept?: Kept): () => void;
  /** Closes the notifier, which then must be quiet. */
  end(): Promise<void>;
}

/** What the host has kept of sessions. */
export interface Kept {
  /** Returns the state of a session. Default: the last one that the host was told, which must be that of the session. */
  state?(client: Client): SessionState;
  isStale?: boolean;
}

/** A client and its socket. It answers nothing by itself. */
export interface Client {
  readonly session: Session;
  /** All lines that it was sent: messages and pings. */
  readonly lines: string[];
  /** The states that the host was told of, with what each call said, and the number of lines sent before. */
  readonly told: { state: SessionState; isUrgent: boolean; at: number; lines: number }[];
  readonly closed: { code: number; reason: string } | undefined;
  readonly peer: Peer;
  send(...commands: object[]): void;
  /** Answers a ping, if there is one that it has not answered. */
  pong(): void;
}

interface LiveClient extends Client {
  session: Session;
  closed: Client["closed"];
  readonly answersPings: boolean | undefined;
}

/** Makes logs that go on with what an earlier one has written. */
export interface Logs {
  open(): Log;
  /** Called when the process of the log is gone. */
  lost(): void;
}

export type MakeLogs = (clock: Clock) => Logs;

/** The logs over which hibernation is tested, by name. */
export const logs: Readonly<Record<string, MakeLogs>> = {
  "a log in memory": (clock) => {
    const log = memoryLog({ clock });
    return { open: () => log, lost() {} };
  },
  "a log that outlives the process": (clock) => {
    const store = durableStore();
    return { open: () => durableLog(store, clock), lost: () => crash(store) };
  },
  "a log that answers later": (clock) => {
    const log = memoryLog({ clock });
    return { open: () => later(log), lost() {} };
  },
};

function later(log: Log): Log {
  return {
    append: async (...args) => log.append(...args),
    read: async (...args) => log.read(...args),
    watch: async (...args) => log.watch(...args),
    keeps: (channel) => log.keeps?.(channel) ?? {},
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

export function hibernating(
  makeLogs: MakeLogs = logs["a log that outlives the process"] as MakeLogs,
  options: NotifierOptions & { grain?: number } = {},
): Host {
  const clock = fakeClock();
  const kept = makeLogs(clock);
  const clients: LiveClient[] = [];
  const errors: string[] = [];
  let life: { clock: MortalClock; log: Killable; notifier: Notifier };

  const begin = (): void => {
    const mortal = mortalClock(clock, options.grain);
    const log = killable(kept.open());
    const onError: NotifierOptions["onError"] = (error, { owner }) => void errors.push(`${owner}: ${error}`);
    const notifier = createNotifier({ onError, onRefused() {}, ...options, clock: mortal, log });
    life = { clock: mortal, log, notifier };
    notifier.closing; // the first use
  };

  /** Returns the socket of a client, as one notifier sees it. */
  const socketOf = (client: LiveClient) => {
    const { notifier } = life;
    const isOld = (): boolean => notifier !== life.notifier;
    return {
      send(data: string | Uint8Array) {
        if (isOld()) throw new Error("Cannot send: this process is gone");
        if (client.closed !== undefined) throw new Error("Cannot send: the socket is closed");
        client.lines.push(...(data as string).split("\n").map((line) => line.trimEnd()));
      },
      close(code: number, reason: string) {
        if (isOld()) throw new Error("Cannot close: this process is gone");
        client.closed ??= { code, reason };
      },
      changed(isUrgent: boolean) {
        const { state } = client.session;
        if (state === undefined) throw new Error("Cannot keep a state that cannot be read");
        client.told.push({ state: copy(state), isUrgent, at: clock.now(), lines: client.lines.length });
      },
      ...(client.answersPings !== undefined && { answersPings: client.answersPings }),
    };
  };

  const lose: Host["lose"] = ({ state = lastState, isStale = false } = {}) => {
    const open = clients.filter(({ session }) => session.isOpen);
    const states = new Map(open.map((client) => [client, copy(state(client))]));
    life.log.kill();
    life.clock.stop();
    kept.lost();
    begin();
    return () => {
      for (const [client, each] of states) {
        const { authorize, connect, refresh, receive } = client.peer;
        const restoring: RestoreOptions = { authorize, connect, refresh, receive, isStale };
        client.session = life.notifier.restore(socketOf(client), each, restoring);
      }
    };
  };

  begin();
  return {
    clock,
    errors,
    get notifier() {
      return life.notifier;
    },
    connect(peer = { user: "ann", authorize: () => true }, { answersPings } = {}) {
      let pongs = 0;
      const client: LiveClient = {
        session: { id: "", receive() {}, ended() {} },
        lines: [],
        told: [],
        closed: undefined,
        peer,
        answersPings,
        send: (...commands) =>
          client.session.receive(commands.map((each) => JSON.stringify(each)).join("\n")),
        pong() {
          if (client.lines.filter((line) => line === "{}").length === pongs) return;
          pongs++;
          client.session.receive("{}");
        },
      };
      client.session = life.notifier.accept(socketOf(client), peer);
      const state = client.session.state as SessionState;
      client.told.push({ state: copy(state), isUrgent: true, at: clock.now(), lines: 0 });
      clients.push(client);
      return client;
    },
    async settle() {
      await clock.settle();
      for (const { session, closed } of clients) if (closed !== undefined) session.ended(closed.code);
      await clock.settle();
    },
    evict: (stored) => lose(stored)(),
    lose,
    async end() {
      const closing = outcomeOf(life.notifier.close());
      await clock.settle();
      for (const { session, closed } of clients) if (closed !== undefined) session.ended(closed.code);
      if (closing.state === "pending") await clock.advance(60_000);
      assertQuiet(life.notifier);
      expect([clock.armed, closing.state]).toEqual([0, "fulfilled"]);
    },
  };
}

/** Returns the state that the host was told last, which must be that of the session. */
function lastState({ session, told }: Client): SessionState {
  const last = told.at(-1)?.state;
  expect(last).toEqual(session.state);
  return last as SessionState;
}

/** Returns a state as a host has it that kept it as text. The structured clone algorithm must be able to keep it, too. */
export function copy(state: SessionState): SessionState {
  const text = JSON.parse(JSON.stringify(state)) as SessionState;
  expect(structuredClone(state)).toEqual(text);
  return text;
}

interface MortalClock extends Clock {
  /** Ends all timers and turns, as the end of the process does. */
  stop(): void;
}

/** Returns a clock for one process. Its `now` begins at 0, as that of a process does. */
function mortalClock(clock: FakeClock, grain: number | undefined): MortalClock {
  const began = clock.now();
  const timers = new Set<Timer>();
  let isStopped = false;
  return {
    now: () => clock.now() - began,
    time: () => clock.time(),
    random: () => clock.random(),
    ...(grain !== undefined && { grain }),
    turn: (run) => clock.turn(() => isStopped || run()),
    timer(ms, fire) {
      if (isStopped) return { cancel() {} };
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
    stop() {
      isStopped = true;
      for (const timer of timers) timer.cancel();
    },
  };
}
