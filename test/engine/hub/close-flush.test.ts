import { describe, expect } from "vitest";
import { ClosedError } from "../../../src/model/errors.ts";
import { output } from "../../../src/run.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import {
  aborted,
  finish,
  gather,
  type Message,
  never,
  offsetsIn,
  outcomeOf,
  publishAll,
  rawSocket,
  rejection,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";

const shutdown = { code: 3001, reason: "shutdown" };

describe("closing, a peer that reads", () => {
  test("gets every publication made before, in order, and then 3001", async ({ start }) => {
    const core = start();
    const clients = [await subscriber(core, "news"), await subscriber(core, ["news", "sport"])];
    for (let i = 0; i < 100; i++) void core.notifier.publish(i % 2 ? "news" : "sport", i);
    const report = await finish(core);
    expect(clients.map(({ received }) => offsetsIn(received, "news"))).toEqual([upTo(50), upTo(50)]);
    expect(clients.map(({ received }) => offsetsIn(received, "sport"))).toEqual([[], upTo(50)]);
    expect(clients.map(({ closed, cut }) => [closed, cut])).toEqual([
      [shutdown, false],
      [shutdown, false],
    ]);
    expect(report).toMatchObject({ milliseconds: 0, sessions: { closed: 2, cut: 0 }, cut: [] });
  });

  test("gets a backlog that is many windows long", async ({ start }) => {
    const core = start({ window: 1_024 });
    const client = await subscriber(core, "news");
    client.stall();
    await publishAll(core, 200, 300);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(4_000);
    expect(closed.state).toBe("pending");
    client.resume();
    await core.clock.settle();
    expect(offsetsIn(client.received, "news")).toEqual(upTo(200));
    expect(client.closed).toEqual(shutdown);
    expect(closed.value).toMatchObject({ milliseconds: 4_000, sessions: { closed: 1, cut: 0 }, cut: [] });
  });

  test("gets what was published in the turn of close, and later publications are refused", async ({
    start,
  }) => {
    const core = start();
    const client = await subscriber(core, "news");
    const before = core.notifier.publish("news", "before");
    const closed = core.notifier.close();
    const after = rejection(core.notifier.publish("news", "after"));
    expect((await before).position.offset).toBe(1);
    expect(await after).toBeInstanceOf(ClosedError);
    await core.clock.settle();
    expect(client.received).toMatchObject([{ push: { pub: { offset: 1, data: "before" } } }]);
    expect((await closed).sessions).toEqual({ closed: 1, cut: 0 });
  });

  test("gets the last events of a run, and its ending", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(async function* ({ signal }) {
      await aborted(signal).catch(() => {});
      yield output("last words");
      throw signal.reason;
    });
    const ignoring = core.notifier.run(() => never());
    const client = await subscriber(core, [`run:${run.id}`, `run:${ignoring.id}`]);
    const report = await finish(core);
    expect(report).toMatchObject({ milliseconds: 2_500, sessions: { closed: 1, cut: 0 } });
    expect(client.received).toMatchObject([
      { push: { pub: { data: { type: "output" } } } },
      { push: { pub: { data: { type: "run.cancelled", run: run.id, by: "shutdown" } } } },
      { push: { pub: { data: { type: "run.cancelled", run: ignoring.id, by: "shutdown" } } } },
    ]);
  });

  test("is closed at once where nothing waits for it, whatever the other peers do", async ({ start }) => {
    const core = start();
    const stuck = await subscriber(core, "news");
    stuck.stall();
    const healthy = await subscriber(core, "news");
    await core.notifier.publish("news", 1);
    void core.notifier.close();
    await core.clock.settle();
    expect(healthy.closed).toEqual(shutdown);
    expect(stuck.closed).toBeUndefined();
  });

  test("is closed even while it connects, or waits for a command that is never answered", async ({
    start,
  }) => {
    const stages: string[] = [];
    const stuckAt = (stage: string) => (): Promise<never> => {
      stages.push(stage);
      return never();
    };
    const core = start({ rpc: { stuck: stuckAt("rpc") } });
    const authorize = stuckAt("authorize");
    const fresh = pipe(core.notifier);
    const authorizing = pipe(core.notifier, { peer: { user: "ann", authorize } });
    authorizing.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } });
    const calling = pipe(core.notifier);
    calling.send({ id: 1, connect: {} }, { id: 2, rpc: { method: "stuck" } });
    await core.clock.settle();
    expect(stages.sort()).toEqual(["authorize", "rpc"]);
    expect(await finish(core)).toMatchObject({ milliseconds: 0, sessions: { closed: 3, cut: 0 } });
    expect([fresh, authorizing, calling].map(({ closed }) => closed)).toEqual([shutdown, shutdown, shutdown]);
  });

  test("that connects after that is refused", async ({ start }) => {
    const core = start();
    const closing = core.notifier.close();
    const during = rawSocket(core.notifier);
    await closing;
    const after = rawSocket(core.notifier);
    after.session.receive('{"id":1,"connect":{}}');
    after.session.ended(1000);
    expect([during.closed, after.closed]).toEqual([shutdown, shutdown]);
    expect([during.sent, after.sent]).toEqual([[], []]);
  });

  test("that follows in this process gets everything too, and then a ClosedError", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(async function* ({ signal }) {
      await aborted(signal).catch(() => {});
      for (let i = 0; i < 600; i++) yield output(i);
      throw signal.reason;
    });
    const events = gather(core.notifier, `run:${run.id}`);
    const news = gather(core.notifier, "news");
    await core.clock.settle();
    for (let i = 0; i < 600; i++) void core.notifier.publish("news", i);
    await finish(core);
    expect(news.got.map(({ data }) => data)).toEqual(upTo(599, 0));
    expect(news.ended.reason).toBeInstanceOf(ClosedError);
    expect(events.got.map(({ offset }) => offset)).toEqual(upTo(602));
    expect(events.ended.reason).toBeInstanceOf(ClosedError);
  });
});

describe("closing, a peer that does not read", () => {
  test("is cut at the end of the grace, and the report has its position in each of its channels", async ({
    start,
  }) => {
    const core = start({ window: 1_024 });
    const client = await subscriber(core, ["news", "sport"], {
      peer: { user: "ann", authorize: () => true },
    });
    await publishAll(core, 1, 700);
    await core.clock.settle();
    await publishAll(core, 1, 700, "sport");
    await core.clock.settle();
    client.stall();
    for (let i = 0; i < 20; i++) {
      await publishAll(core, 1, 300);
      await core.clock.settle();
    }
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(4_999);
    expect(closed.state).toBe("pending");
    await core.clock.advance(1);
    expect(closed.value).toEqual({
      runs: { completed: [], failed: [], cancelled: [], abandoned: [] },
      sessions: { closed: 0, cut: 1 },
      cut: [
        {
          session: client.session.id,
          user: "ann",
          channels: { news: { read: 1, top: 21 }, sport: { read: 1, top: 1 } },
        },
      ],
      undelivered: [],
      givenUp: 0,
      waiting: 0,
      milliseconds: 5_000,
    });
    expect(client.cut).toBe(true);
  });

  test("is reported with the top of its channel without waiting, where the log has that in memory", async ({
    start,
  }) => {
    const core = start({ window: 1_024 });
    const client = await subscriber(core, "news");
    client.stall();
    for (let i = 0; i < 20; i++) void core.notifier.publish("news", "x".repeat(500));
    const over = new AbortController();
    const closing = core.notifier.close({ signal: over.signal });
    over.abort();
    await core.clock.settle();
    const [cut] = (await closing).cut;
    expect(cut?.channels).toEqual({ news: { read: 0, top: 20 } });
  });

  test("gets the first part, and the rest is in the report: together they are everything", async ({
    start,
  }) => {
    const core = start({ window: 2_048, grace: 1_000 });
    const clients = [];
    for (let n = 0; n < 8; n++) clients.push(await subscriber(core, ["news", "sport"]));
    const published = { news: 0, sport: 0 };
    for (let i = 0; i < 80; i++) {
      if (i % 10 === 5) clients[i / 10 - 0.5]?.stall();
      const channel = i % 3 === 0 ? "sport" : "news";
      published[channel]++;
      await publishAll(core, 1, 40 + ((i * 53) % 400), channel);
      await core.clock.settle();
    }
    const { cut } = await finish(core);
    expect(cut.map(({ session }) => session)).toEqual(clients.map(({ session }) => session.id));
    for (const [n, client] of clients.entries()) {
      for (const channel of ["news", "sport"] as const) {
        const got = offsetsIn(client.received, channel);
        const place = cut[n]?.channels[channel] as { read: number; top: number };
        expect(got).toEqual(upTo(got.length));
        expect(place.top).toBe(published[channel]);
        expect(place.read).toBeLessThanOrEqual(got.length);
        expect(new Set([...got, ...upTo(place.top, place.read + 1)])).toEqual(
          new Set(upTo(published[channel])),
        );
      }
    }
  });

  test("and has been silent for longer than the grace is not waited for", async ({ start }) => {
    const core = start({ window: 1_024 });
    const stuck = await subscriber(core, "news");
    stuck.stall();
    await publishAll(core, 1, 600);
    await core.clock.advance(5_000);
    expect(await core.notifier.close()).toMatchObject({ milliseconds: 0, sessions: { closed: 0, cut: 1 } });
    expect(stuck.cut).toBe(true);
  });

  test("and has been silent for less than that is waited for only while other peers need time", async ({
    start,
  }) => {
    const core = start({ window: 1_024 });
    const stuck = await subscriber(core, "news");
    stuck.stall();
    const slow = await subscriber(core, "sport");
    slow.stall();
    await publishAll(core, 1, 600);
    await core.clock.advance(5_000);
    await publishAll(core, 5, 600, "sport");
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(1_500);
    expect(closed.state).toBe("pending");
    slow.resume();
    await core.clock.settle();
    expect(closed.value).toMatchObject({ milliseconds: 1_500, sessions: { closed: 1, cut: 1 } });
    expect(offsetsIn(slow.received, "sport")).toEqual(upTo(5));
    expect(slow.closed).toEqual(shutdown);
  });

  test("but answers pings has read everything: it is closed normally", async ({ start }) => {
    const core = start();
    const raw = rawSocket(core.notifier);
    raw.session.receive('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}');
    await core.clock.settle();
    await core.notifier.publish("news", 1);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.settle();
    expect(raw.lines.slice(-2).map((line) => (JSON.parse(line) as Message).push?.channel)).toEqual([
      "news",
      undefined,
    ]);
    expect(raw.lines.at(-1)).toBe("{}");
    expect(raw.closed).toBeUndefined();
    raw.pong();
    await core.clock.settle();
    expect(raw.closed).toEqual(shutdown);
    raw.session.ended(3001);
    await core.clock.settle();
    expect(closed.value).toMatchObject({ sessions: { closed: 1, cut: 0 } });
  });

  test("a peer that does not answer the close frame is cut at the end of the grace, with nothing undelivered", async ({
    start,
  }) => {
    const core = start();
    const client = await subscriber(core, "news", { answersClose: false });
    await core.notifier.publish("news", 1);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(4_999);
    expect([closed.state, client.closed]).toEqual(["pending", shutdown]);
    await core.clock.advance(1);
    expect(offsetsIn(client.received, "news")).toEqual([1]);
    expect(client.cut).toBe(true);
    expect(closed.value).toMatchObject({
      milliseconds: 5_000,
      sessions: { closed: 0, cut: 1 },
      cut: [{ session: client.session.id, user: "", channels: {} }],
    });
  });

  test("and disconnects meanwhile delays nobody", async ({ start }) => {
    const core = start();
    const client = await subscriber(core, "news");
    client.stall();
    await core.notifier.publish("news", 1);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(1_000);
    client.drop();
    await core.clock.settle();
    expect(closed.value?.milliseconds).toBe(1_000);
  });
});
