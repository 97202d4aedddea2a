import { describe, expect } from "vitest";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { ClosedError } from "../../../src/model/errors.ts";
import { output } from "../../../src/run.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { assertQuiet, fakeClock } from "../../../src/testing.ts";
import {
  aborted,
  countCalls,
  finish,
  gather,
  logWith,
  never,
  outcomeOf,
  rawSocket,
  rejection,
  spySignal,
  subscriber,
  test,
} from "../../support/core.ts";

const emptyReport = {
  runs: { completed: [], failed: [], cancelled: [], abandoned: [] },
  sessions: { closed: 0, cut: 0 },
  cut: [],
  undelivered: [],
  givenUp: 0,
  waiting: 0,
  milliseconds: 0,
};

describe("a new notifier", () => {
  test("has read no clock, taken no random number and added no listener", () => {
    const asked: string[] = [];
    const spy = spySignal();
    const clock = new Proxy(fakeClock(), {
      get: (target, name, receiver) => {
        asked.push(String(name));
        return Reflect.get(target, name, receiver) as unknown;
      },
    });
    const counts = [
      countCalls(crypto, "randomUUID"),
      countCalls(crypto, "getRandomValues"),
      countCalls(Math, "random"),
    ];
    const Original = globalThis.AbortController;
    let controllers = 0;
    globalThis.AbortController = class extends Original {
      constructor() {
        super();
        controllers++;
      }
    };
    try {
      createNotifier({ signal: spy.signal, clock });
      expect(asked).toEqual([]);
      expect(counts.map(({ calls }) => calls)).toEqual([0, 0, 0]);
      expect([controllers, spy.most]).toEqual([0, 0]);
    } finally {
      globalThis.AbortController = Original;
      for (const { restore } of counts) restore();
    }
  });

  test("closes without any use, at once, with an empty report", async ({ start }) => {
    const { notifier } = start();
    expect(await notifier.close()).toEqual(emptyReport);
  });

  test("stays open while nothing closes it", async ({ start }) => {
    const { notifier, clock } = start();
    const closed = outcomeOf(notifier.closed);
    await clock.advance(3_600_000);
    expect(closed.state).toBe("pending");
  });
});

describe("the promise of close", () => {
  test("is the same object for the caller, a handler, a run, an abort listener and closed", async ({
    start,
  }) => {
    const promises = new Set<Promise<unknown>>();
    const again = () => {
      promises.add(core.notifier.close());
      promises.add(core.notifier.closed);
    };
    const core = start({
      rpc: {
        close: () => {
          again();
          return "closing";
        },
      },
    });
    const { notifier, clock } = core;
    notifier.closing.addEventListener("abort", again);
    notifier.run(async ({ signal }) => {
      await aborted(signal).catch(again);
      throw signal.reason;
    });
    await clock.settle();
    const client = await subscriber(core, "news");
    client.send({ id: 9, rpc: { method: "close" } });
    again();
    await clock.settle();
    const [promise] = promises;
    expect(await promise).toMatchObject({
      runs: { cancelled: [expect.any(String)] },
      sessions: { closed: 1, cut: 0 },
    });
    again();
    expect(promises.size).toBe(1);
  });

  test("settles although a run awaits it: the run is abandoned at half of the grace", async ({ start }) => {
    const { notifier, clock } = start({ grace: 1_000 });
    let received: unknown;
    const run = notifier.run(async () => {
      received = await notifier.close();
    });
    await clock.advance(500);
    const report = await notifier.closed;
    expect(report).toMatchObject({ milliseconds: 500, runs: { abandoned: [run.id] } });
    await clock.settle();
    expect(received).toBe(report);
  });

  test("settles although the handler that called it awaits it", async ({ start }) => {
    const core = start({ rpc: { close: () => core.notifier.close().then(() => "never sent") } });
    const client = await subscriber(core, "news");
    client.send({ id: 9, rpc: { method: "close" } });
    await core.clock.settle();
    expect(await core.notifier.closed).toMatchObject({ milliseconds: 0, sessions: { closed: 1, cut: 0 } });
    expect(client.closed).toEqual({ code: 3001, reason: "shutdown" });
  });

  test("is what Symbol.asyncDispose waits for", async ({ start }) => {
    const { notifier } = start();
    await notifier[Symbol.asyncDispose]();
    expect(await notifier.closed).toEqual(emptyReport);
  });
});

test("close goes through its phases in order", async ({ start }) => {
  const clock = fakeClock();
  const events: string[] = [];
  const log = logWith(clock, (memory) => ({
    [Symbol.asyncDispose]: async () => {
      events.push("log disposed");
      await memory[Symbol.asyncDispose]();
    },
  }));
  const { notifier } = start({ clock, log });
  notifier.closing.addEventListener("abort", () => events.push("refuses"));
  const run = notifier.run(async function* ({ signal }) {
    await aborted(signal).catch(() => events.push("run told"));
    yield output("last words");
    throw signal.reason;
  });
  const raw = rawSocket(notifier, undefined, {
    onSend: (frame) =>
      events.push(...[...frame.matchAll(/"type":"(\w+\.?\w+)"|^\{\}$/gm)].map(([all, type]) => type ?? all)),
    onClose: (code) => {
      events.push(String(code));
      raw.session.ended(code);
    },
  });
  raw.session.receive('{"id":1,"connect":{}}');
  raw.session.receive(`{"id":2,"subscribe":{"channel":"run:${run.id}"}}`);
  await clock.settle();
  events.length = 0;
  void notifier.close().then(() => events.push("closed"));
  await rejection(notifier.publish("news", 1)).then((error) => events.push((error as Error).name));
  await clock.settle();
  raw.pong();
  await clock.settle();
  expect(events.filter((each) => each !== "ClosedError")).toEqual([
    "refuses",
    "run told",
    "output",
    "run.cancelled",
    "{}",
    "3001",
    "log disposed",
    "closed",
  ]);
  expect(events).toContain("ClosedError");
});

describe("the notifier's signal", () => {
  test("that aborted before the first use: the notifier is closed with an empty report, and every call refuses", async ({
    start,
  }) => {
    const { notifier } = start({ signal: AbortSignal.abort(new Error("gone")) });
    expect(await rejection(notifier.publish("news", 1))).toBeInstanceOf(ClosedError);
    expect(() => notifier.run(async () => {})).toThrow(ClosedError);
    expect(await rejection(notifier.history("news"))).toBeInstanceOf(ClosedError);
    expect(await rejection(notifier.follow("news").next())).toBeInstanceOf(ClosedError);
    const client = pipe(notifier);
    expect(client.closed).toEqual({ code: 3001, reason: "shutdown" });
    expect(notifier.closing.aborted).toBe(true);
    expect(await notifier.closed).toEqual(emptyReport);
    expect(await notifier.close()).toEqual(emptyReport);
    assertQuiet(notifier);
  });

  test("closes the notifier when it aborts, and has no listener any more", async ({ start }) => {
    const spy = spySignal();
    const core = start({ signal: spy.signal });
    expect(spy.listeners).toBe(0);
    const client = await subscriber(core, "news");
    expect(spy.listeners).toBe(1);
    spy.controller.abort();
    spy.controller.abort();
    await core.clock.settle();
    expect(await core.notifier.closed).toMatchObject({ sessions: { closed: 1, cut: 0 } });
    expect(client.closed?.code).toBe(3001);
    expect(spy.listeners).toBe(0);
  });

  test("that aborts during a close changes nothing", async ({ start }) => {
    const spy = spySignal();
    const core = start({ signal: spy.signal, grace: 1_000 });
    const client = await subscriber(core, "news");
    client.stall();
    await core.notifier.publish("news", 1);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(500);
    spy.controller.abort();
    await core.clock.advance(499);
    expect(closed.state).toBe("pending");
    await core.clock.advance(1);
    expect(closed.value).toMatchObject({ milliseconds: 1_000, sessions: { closed: 0, cut: 1 } });
    expect(spy.listeners).toBe(0);
  });
});

describe("the deadline", () => {
  test("is five seconds by default", async ({ start }) => {
    const core = start();
    (await subscriber(core, "news")).stall();
    await core.notifier.publish("news", 1);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(4_999);
    expect(closed.state).toBe("pending");
    await core.clock.advance(1);
    expect(closed.value).toMatchObject({ milliseconds: 5_000, sessions: { cut: 1 } });
  });

  test("is now when the caller's signal aborts, and the promise resolves", async ({ start }) => {
    const core = start();
    (await subscriber(core, "news")).stall();
    await core.notifier.publish("news", 1);
    const run = core.notifier.run(() => never());
    await core.clock.settle();
    const { controller, signal } = spySignal();
    const closed = outcomeOf(core.notifier.close({ signal }));
    await core.clock.advance(700);
    expect(closed.state).toBe("pending");
    controller.abort(new Error("no patience"));
    await core.clock.settle();
    expect(closed.value).toMatchObject({
      milliseconds: 700,
      sessions: { cut: 1 },
      runs: { abandoned: [run.id] },
    });
  });

  test("is now for a signal that had aborted", async ({ start }) => {
    const core = start();
    (await subscriber(core, "news")).stall();
    await core.notifier.publish("news", 1);
    const closed = outcomeOf(core.notifier.close({ signal: AbortSignal.abort() }));
    await core.clock.settle();
    expect(closed.value).toMatchObject({ milliseconds: 0, sessions: { closed: 0, cut: 1 } });
  });

  test("is the earliest one that any caller passes, at any time", async ({ start }) => {
    const core = start({ grace: 1_000 });
    (await subscriber(core, "news")).stall();
    await core.notifier.publish("news", 1);
    const [late, early, later] = [spySignal(), spySignal(), spySignal()];
    const closed = outcomeOf(core.notifier.close({ signal: late.signal }));
    await core.clock.advance(100);
    void core.notifier.close({ signal: early.signal });
    void core.notifier.close({ signal: later.signal });
    await core.clock.advance(100);
    early.controller.abort();
    await core.clock.settle();
    expect(closed.value?.milliseconds).toBe(200);
    expect([late, early, later].map(({ listeners }) => listeners)).toEqual([0, 0, 0]);
  });

  test("of zero cuts every peer that is not done now", async ({ start }) => {
    const core = start({ grace: 0 });
    const client = await subscriber(core, "news");
    client.stall();
    await core.notifier.publish("news", 1);
    expect(await finish(core)).toMatchObject({ milliseconds: 0, sessions: { closed: 0, cut: 1 } });
  });

  test("that a caller shortens is divided again: half of it for runs, the rest for reading peers", async ({
    start,
  }) => {
    const core = start({ grace: 10_000 });
    const { notifier, clock } = core;
    const reader = pipe(notifier);
    reader.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } });
    await clock.settle();
    const run = notifier.run(() => new Promise<void>(() => {}));
    await clock.settle();
    const closing = outcomeOf(notifier.close({ grace: 1_000 }));
    await clock.advance(499);
    expect([run.status, reader.closed]).toEqual(["working", undefined]);
    await clock.advance(1);
    expect([run.status, reader.closed?.code, closing.state]).toEqual(["cancelled", 3001, "fulfilled"]);
    expect(closing.value?.sessions).toEqual({ closed: 1, cut: 0 });
  });

  test("that is not a number is a RangeError, and closes nothing", async ({ start }) => {
    const { notifier } = start();
    for (const grace of [Number.NaN, -1]) expect(() => notifier.close({ grace })).toThrow(RangeError);
    expect((await notifier.publish("news", 1)).position.offset).toBe(1);
  });

  test("is not moved back by a caller that allows more", async ({ start }) => {
    const core = start({ grace: 1_000 });
    const { notifier, clock } = core;
    const stuck = pipe(notifier, { answersClose: false });
    stuck.send({ id: 1, connect: {} });
    await clock.settle();
    stuck.stall();
    const closing = outcomeOf(notifier.close({ grace: 60_000 }));
    await clock.advance(999);
    expect(closing.state).toBe("pending");
    await clock.advance(1);
    expect(closing.value?.milliseconds).toBe(1_000);
  });

  test("of a caller also decides which peers had been silent for too long", async ({ start }) => {
    const { notifier, clock } = start({ grace: 60_000, heartbeat: 1_000 });
    const stuck = pipe(notifier, { answersClose: false });
    stuck.send({ id: 1, connect: {} });
    await clock.settle();
    stuck.stall();
    // The first ping is sent within the interval, and its pong is overdue one second later.
    await clock.advance(2_100);
    const closing = outcomeOf(notifier.close({ grace: 1_000 }));
    await clock.settle();
    expect(closing.value).toMatchObject({ sessions: { closed: 0, cut: 1 }, milliseconds: 0 });
  });
});

describe("after it has closed", () => {
  test("no signal has a listener", async ({ start }) => {
    const spies = Array.from({ length: 7 }, spySignal);
    const [own, run, publish, follow, history, result, close] = spies.map(({ signal }) => signal);
    const core = start({ signal: own });
    const { notifier, clock } = core;
    const started = notifier.run(() => never(), { signal: run });
    void notifier.publish("news", 1, { signal: publish });
    const following = rejection(notifier.follow("other", { signal: follow }).next());
    void notifier.history("news", { signal: history });
    void started.result({ signal: result }).catch(() => {});
    await clock.settle();
    void notifier.close({ signal: close });
    await finish(core);
    expect(await following).toBeInstanceOf(ClosedError);
    expect(spies.map(({ listeners }) => listeners)).toEqual(spies.map(() => 0));
  });

  test("closing again with a signal adds no listener to that", async ({ start }) => {
    const { notifier } = start();
    const closed = notifier.close();
    await closed;
    const spy = spySignal();
    expect(notifier.close({ signal: spy.signal })).toBe(closed);
    expect(spy.listeners).toBe(0);
  });

  test("following, reading and waiting are refused, and leave nothing behind", async ({ start }) => {
    const { notifier, clock } = start();
    await notifier.publish("news", 1);
    const run = notifier.run(async () => 7);
    await run.result();
    const followed = gather(notifier, "news");
    await clock.settle();
    await notifier.close();
    const spy = spySignal();
    const { signal } = spy;
    expect(await rejection(notifier.follow("news", { signal }).next())).toBeInstanceOf(ClosedError);
    const after = { offset: 0, epoch: "" };
    expect(await rejection(notifier.follow("news", { after }).next())).toBeInstanceOf(ClosedError);
    expect(await rejection(notifier.history("news", { signal }))).toBeInstanceOf(ClosedError);
    expect(await rejection(run.result())).toBeInstanceOf(ClosedError);
    expect(followed.ended.reason).toBeInstanceOf(ClosedError);
    expect(await notifier.presence("news")).toEqual({ clients: [], users: 0 });
    expect(spy.listeners).toBe(0);
    assertQuiet(notifier);
  });
});
