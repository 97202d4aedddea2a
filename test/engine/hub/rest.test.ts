import { describe, expect } from "vitest";
import type { MaybePromise } from "../../../src/base/maybe-promise.ts";
import type { Notifier } from "../../../src/engine/notifier/notifier.ts";
import type { Log, Membership } from "../../../src/model/log.ts";
import type { Peer } from "../../../src/model/peer.ts";
import { type FakeClock, fakeClock } from "../../../src/testing.ts";
import {
  type Core,
  outcomeOf,
  type RawSocket,
  rawSocket,
  type StartOptions,
  test,
} from "../../support/core.ts";
import { durableLog, durableStore } from "../../support/durable-log.ts";

const ann: Peer = { user: "ann", authorize: () => true };

/** Returns a fake clock that tells in how many milliseconds each of its timers fires. */
function tellingClock(): { clock: FakeClock; timers(): number[] } {
  const clock = fakeClock();
  const dues = new Set<number>();
  const { timer } = clock;
  clock.timer = (ms, fire) => {
    const due = clock.now() + ms;
    dues.add(due);
    const armed = timer(ms, () => {
      dues.delete(due);
      fire();
    });
    return {
      cancel() {
        dues.delete(due);
        armed.cancel();
      },
    };
  };
  return { clock, timers: () => [...dues].map((due) => due - clock.now()).sort((one, other) => one - other) };
}

async function connected({ notifier, clock }: Core, peer = ann): Promise<RawSocket> {
  const client = rawSocket(notifier, peer);
  client.session.receive('{"id":1,"connect":{}}');
  client.session.receive('{"id":2,"subscribe":{"channel":"news"}}');
  await clock.settle();
  return client;
}

/** Settles when the signal aborts. */
function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

const overStore = (clock: FakeClock): StartOptions => ({
  clock,
  log: durableLog(durableStore(), clock),
});

describe("a notifier may rest", () => {
  test("before its first use, and after its end", async ({ start }) => {
    const { notifier, clock } = start();
    expect([notifier.rest(), clock.armed]).toEqual([true, 0]);
    const closing = notifier.close();
    await clock.settle();
    await closing;
    expect([notifier.rest(), clock.armed]).toEqual([true, 0]);
  });

  test("while sessions are not connected yet, are idle, or have not answered a ping", async ({ start }) => {
    const { notifier, clock } = start();
    const fresh = rawSocket(notifier, ann);
    expect(notifier.rest()).toBe(true);
    fresh.session.ended();
    const client = await connected({ notifier, clock, errors: [] });
    expect(notifier.rest()).toBe(true);
    await clock.advance(25_000);
    expect(client.lines.at(-1)).toBe("{}");
    expect(notifier.rest()).toBe(true);
    client.session.ended();
    await clock.settle();
    expect([notifier.rest(), clock.armed]).toEqual([true, 0]);
  });

  test("while a client has no room for what is published", async ({ start }) => {
    const core = start({ window: 1_000 });
    const client = await connected(core);
    for (let n = 0; n < 5; n++) await core.notifier.publish("news", "x".repeat(900));
    await core.clock.settle();
    expect(core.notifier.rest()).toBe(true);
    client.session.ended();
  });

  test("while the log holds a publication that is to be confirmed, and not while only the memory does", async ({
    start,
  }) => {
    for (const isKept of [false, true]) {
      const { notifier, clock } = start(isKept ? overStore(fakeClock()) : {});
      void notifier.publish("news", 1, { confirm: true });
      void notifier.run(async () => "done", { id: `${isKept}`, owner: "ann" });
      await clock.settle();
      expect(notifier.rest()).toBe(isKept);
    }
  });
});

describe("a notifier may not rest", () => {
  /** Begins something. Returns a function that ends it, unless the coming turn does. */
  type Begin = (core: Core, client: RawSocket) => MaybePromise<(() => unknown) | undefined>;
  const gate = (): { open(): void; opened: Promise<void> } => {
    let open!: () => void;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    return { open, opened };
  };
  let waits = gate();
  const asked: Peer = {
    ...ann,
    authorize: (_, { channel }) => channel !== "slow" || waits.opened.then(() => true),
  };
  const cases: [string, Begin, StartOptions?][] = [
    [
      "while a run works",
      ({ notifier }) => {
        const run = notifier.run(({ signal }) => until(signal));
        return () => run.cancel();
      },
    ],
    [
      "while a handler of the user's is called",
      (_, { session }) => {
        session.receive('{"id":3,"subscribe":{"channel":"slow"}}');
        return () => waits.open();
      },
    ],
    [
      "while an rpc is answered",
      (_, { session }) => {
        session.receive('{"id":3,"rpc":{"method":"slow"}}');
        return () => waits.open();
      },
      { rpc: { slow: () => waits.opened } },
    ],
    [
      "while a peer is identified",
      ({ notifier }) => {
        const { session } = rawSocket(notifier, { ...ann, connect: (peer) => waits.opened.then(() => peer) });
        session.receive('{"id":1,"connect":{}}');
        return async () => {
          waits.open();
          await waits.opened;
          session.ended();
        };
      },
    ],
    [
      "while a message is handled",
      ({ notifier }) => {
        const { session } = rawSocket(notifier, { ...ann, receive: () => waits.opened });
        session.receive('{"id":1,"connect":{}}');
        session.receive('{"send":{"data":1}}');
        return () => {
          waits.open();
          session.ended();
        };
      },
    ],
    [
      "while a command waits for room",
      async ({ notifier, clock }, client) => {
        client.session.receive('{"id":3,"history":{"channel":"news","limit":-1}}');
        await notifier.publish("news", "x".repeat(2_000));
        await clock.settle();
        client.session.receive('{"id":4,"history":{"channel":"news","limit":-1}}');
        return () => client.pong();
      },
      { window: 1_000 },
    ],
    [
      "while somebody follows a channel",
      ({ notifier }) => {
        const followed = notifier.follow("news");
        void followed.next();
        return () => followed.return();
      },
    ],
    [
      "while somebody waits for a delivery",
      async ({ notifier }) => {
        const receipt = await notifier.publish("elsewhere", 1);
        const leave = new AbortController();
        outcomeOf(receipt.delivered({ signal: leave.signal }));
        return () => leave.abort();
      },
    ],
    [
      "while somebody waits for the result of a run",
      ({ notifier }) => {
        const run = notifier.run(({ signal }) => until(signal));
        outcomeOf(run.result());
        return () => run.cancel();
      },
    ],
    [
      "while a handshake is in progress",
      ({ notifier }) => {
        const release = notifier.reserve("ann");
        return () => typeof release === "function" && release();
      },
    ],
    [
      "before the turn in which a session sends",
      (_, { session }) => {
        session.receive('{"id":3,"ping":{}}');
        return undefined;
      },
    ],
    [
      "while a socket is being closed",
      ({ notifier }) => {
        const { session } = rawSocket(notifier, { ...ann, user: "bob" });
        void notifier.disconnect({ user: "bob" });
        return () => session.ended(3503);
      },
    ],
  ];

  for (const [when, begin, options] of cases) {
    test(when, async ({ start }) => {
      waits = gate();
      const core = start(options);
      const { notifier, clock } = core;
      const client = await connected(core, asked);
      expect(notifier.rest()).toBe(true);
      const end = await begin(core, client);
      expect(notifier.rest()).toBe(false);
      await clock.settle();
      expect(notifier.rest()).toBe(end === undefined);
      await end?.();
      await clock.settle();
      // The ending of a run waits to be read in a log that does not outlive the process.
      if (notifier.stats().confirmed === 0) expect(notifier.rest()).toBe(true);
      client.session.ended();
    });
  }
});

describe("a notifier over a log that answers later may not rest", () => {
  /** Returns a log whose calls are answered once the test says so. */
  function slowLog(
    clock: FakeClock,
    method: "append" | "read" | "watch" | "commit",
  ): { log: Log; answer(): void } {
    const log = durableLog(durableStore(), clock);
    let answer = (): void => {};
    let isSlow = false;
    const slow = async (act: () => unknown): Promise<unknown> => {
      if (isSlow)
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      return act();
    };
    const later = (...args: never[]): unknown => {
      const act = (): unknown => (log[method] as (...args: never[]) => unknown)(...args);
      return method === "commit" && !isSlow ? act() : slow(act);
    };
    return {
      log: { ...log, [method]: later },
      answer() {
        isSlow = !isSlow;
        answer();
      },
    };
  }

  for (const [what, method, act] of [
    ["an append", "append", (notifier: Notifier) => notifier.publish("news", 1)],
    ["a commit", "commit", (notifier: Notifier) => notifier.publish("news", 1)],
    ["a read", "read", (notifier: Notifier) => notifier.history("news")],
    ["a watch", "watch", (notifier: Notifier) => notifier.follow("elsewhere").next()],
  ] as const) {
    test(`while ${what} is in progress`, async ({ start }) => {
      const clock = fakeClock();
      const { log, answer } = slowLog(clock, method);
      const { notifier } = start({ clock, log });
      await connected({ notifier, clock, errors: [] });
      expect(notifier.rest()).toBe(true);
      answer();
      const done = outcomeOf(act(notifier) as Promise<unknown>);
      await clock.settle();
      expect([notifier.rest(), done.state]).toEqual([false, "pending"]);
      answer();
      await clock.settle();
      if (method === "watch") return;
      expect([notifier.rest(), done.state]).toEqual([true, "fulfilled"]);
    });
  }

  test("while a record is being released", async ({ start }) => {
    const clock = fakeClock();
    const log = durableLog(durableStore(), clock);
    let answer = (): void => {};
    const join: Log["join"] = async (member, options) => {
      const membership = await log.join?.(member, options);
      const release = (): Promise<void> =>
        new Promise((resolve) => {
          answer = resolve;
        });
      return { ...(membership as Membership), release };
    };
    const { notifier } = start({ clock, log: { ...log, join } });
    const client = await connected({ notifier, clock, errors: [] });
    void notifier.publish("news", 1, { confirm: true });
    await clock.settle();
    expect(notifier.rest()).toBe(true);
    client.pong();
    await clock.settle();
    expect([notifier.stats().confirmed, notifier.rest()]).toEqual([0, false]);
    answer();
    await clock.settle();
    expect(notifier.rest()).toBe(true);
    client.session.ended();
  });

  test("before it has joined it", async ({ start }) => {
    const store = durableStore();
    const clock = fakeClock();
    const other = durableLog(store, clock);
    await other.join?.({ inherits() {}, lost() {} });
    const { notifier } = start({ clock, log: durableLog(store, clock) });
    rawSocket(notifier, ann);
    await clock.settle();
    expect(notifier.rest()).toBe(false);
    await other[Symbol.asyncDispose]();
    await clock.settle();
    expect(notifier.rest()).toBe(true);
  });

  test("while a log that fails has not been written", async ({ start }) => {
    const store = durableStore();
    const clock = fakeClock();
    const { notifier, errors } = start({ clock, log: durableLog(store, clock) });
    notifier.closing;
    await clock.settle();
    store.fails = new Error("Cannot write");
    outcomeOf(notifier.publish("news", 1));
    await clock.settle();
    expect(notifier.rest()).toBe(false);
    store.fails = undefined;
    await clock.advance(1_000);
    expect(notifier.rest()).toBe(true);
    expect(errors.splice(0)).toHaveLength(1);
  });
});

describe("a notifier may not rest while somebody is still to be told", () => {
  test("that others have joined or left", async ({ start }) => {
    const { notifier, clock } = start();
    const command = '{"id":2,"subscribe":{"channel":"team","join_leave":true}}';
    const clients = Array.from({ length: 120 }, () => rawSocket(notifier, ann));
    for (const { session } of clients) {
      session.receive('{"id":1,"connect":{}}');
      session.receive(command);
    }
    await clock.settle();
    await clock.advance(20);
    expect(notifier.rest()).toBe(true);
    clients[0]?.session.ended();
    await clock.settle();
    clients[1]?.session.ended();
    await clock.settle();
    // With so many listeners, the second leave is announced some milliseconds after the first one.
    expect(notifier.rest()).toBe(false);
    await clock.advance(20);
    expect(notifier.rest()).toBe(true);
    for (const { session } of clients) session.ended();
  });

  test("what came late", async ({ start }) => {
    const core = start({ window: 1_000 });
    const { notifier, clock } = core;
    const client = await connected(core);
    let pongs = 0;
    const read = async (): Promise<void> => {
      for (; client.lines.filter((line) => line === "{}").length > pongs; pongs++) {
        client.pong();
        await clock.settle();
      }
    };
    const late = async (): Promise<void> => {
      for (let n = 0; n < 2; n++) await notifier.publish("news", "x".repeat(900));
      await clock.advance(1_100);
      await read();
    };
    await late();
    await late();
    expect(client.lines.filter((line) => line.includes("notice"))).toHaveLength(1);
    expect(notifier.rest()).toBe(false);
    await clock.advance(5_000);
    expect(client.lines.filter((line) => line.includes("notice"))).toHaveLength(2);
    // So that nobody is sent more than one in five seconds, they are remembered for that long.
    expect(notifier.rest()).toBe(false);
    await clock.advance(5_050);
    expect(notifier.rest()).toBe(true);
    client.session.ended();
  });
});

describe("a notifier that rests has no timer whose reason is gone", () => {
  test("such as that of a ping that was answered", async ({ start }) => {
    const { clock, timers } = tellingClock();
    const core = start({ clock, window: 1_000, heartbeat: 1_000_000 });
    const client = await connected(core);
    await core.notifier.publish("news", "x".repeat(900));
    await clock.settle();
    expect(timers()).toEqual([60_000]);
    client.pong();
    await clock.settle();
    expect(timers()).toEqual([60_000]);
    expect(core.notifier.rest()).toBe(true);
    expect(timers().map((ms) => ms >= 500_000 && ms <= 1_000_000)).toEqual([true]);
    client.session.ended();
    await clock.settle();
    expect([core.notifier.rest(), timers()]).toEqual([true, []]);
  });

  test("such as that of a client that has connected", async ({ start }) => {
    const { clock, timers } = tellingClock();
    const core = start({ clock, heartbeat: 1_000_000 });
    const others = rawSocket(core.notifier, ann);
    const client = await connected(core);
    expect([core.notifier.rest(), timers()]).toEqual([true, [10_000]]);
    others.session.ended();
    expect(core.notifier.rest()).toBe(true);
    expect(timers().map((ms) => ms >= 500_000)).toEqual([true]);
    client.session.ended();
  });

  test("but keeps that of the earliest deadline, among many sessions", async ({ start }) => {
    const { clock, timers } = tellingClock();
    const core = start({
      clock,
      heartbeat: 1_000_000,
      limits: { pong: 10_000, slow: 60_000 },
      window: 1_000,
    });
    const clients = [await connected(core), await connected(core), await connected(core)];
    await core.notifier.publish("news", "x".repeat(900));
    await clock.advance(1_000);
    for (const client of clients.slice(1)) client.pong();
    await clock.settle();
    expect([core.notifier.rest(), timers()]).toEqual([true, [59_000]]);
    clients[0]?.pong();
    await clock.settle();
    core.notifier.rest();
    expect(timers().map((ms) => ms > 400_000)).toEqual([true]);
    for (const { session } of clients) session.ended();
  });

  test("such as that of a confirmed publication that was delivered", async ({ start }) => {
    const { clock, timers } = tellingClock();
    const core = start({ ...overStore(clock), heartbeat: 1_000_000 });
    const client = await connected(core);
    void core.notifier.publish("news", 1, { confirm: true, ttl: 5_000 });
    await clock.settle();
    void core.notifier.publish("elsewhere", 1, { confirm: true, ttl: 50_000 });
    await clock.settle();
    client.pong();
    await clock.settle();
    expect(timers().slice(0, 1)).toEqual([5_000]);
    expect(core.notifier.rest()).toBe(true);
    expect(timers().slice(0, 1)).toEqual([50_000]);
    client.session.ended();
  });

  test("even if it may not rest", async ({ start }) => {
    const { clock, timers } = tellingClock();
    const core = start({ clock, window: 1_000, heartbeat: 1_000_000 });
    const client = await connected(core);
    await core.notifier.publish("news", "x".repeat(900));
    await clock.settle();
    client.pong();
    expect(core.notifier.rest()).toBe(false);
    expect(timers().filter((ms) => ms < 500_000)).toEqual([]);
    client.session.ended();
  });
});
