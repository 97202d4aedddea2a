import { describe, expect } from "vitest";
import { ClosedError, ExpiredError } from "../../../src/model/errors.ts";
import type { Level } from "../../../src/model/receipt.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  acknowledging,
  arrival,
  began,
  heldBy,
  person,
  pingsOf,
  returning,
  silent,
} from "../../support/acknowledging.ts";
import { finish, rawSocket, rejection, spySignal, subscriber, test } from "../../support/core.ts";

const levels: readonly Level[] = ["logged", "written", "read", "acknowledged"];

test("publish returns a receipt with the channel and the position of the publication in the log", async ({
  start,
}) => {
  const { notifier } = start();
  const [first, other, second] = [
    await notifier.publish("news", "a"),
    await notifier.publish("sport", "b"),
    await notifier.publish("news", "c", { confirm: true, ttl: 0 }),
  ];
  const { epoch, publications } = await notifier.history("news");
  expect([first.channel, first.position]).toEqual(["news", { offset: 1, epoch }]);
  expect([second.channel, second.position]).toEqual(["news", { offset: 2, epoch }]);
  expect([other.channel, other.position.offset]).toEqual(["sport", 1]);
  expect(publications.map(({ offset, data }) => [offset, data])).toEqual([
    [1, "a"],
    [2, "c"],
  ]);
});

describe("a publication counts as", () => {
  test("logged at once, by nobody, with the time of the publication", async ({ start }) => {
    const core = start();
    const receipt = await core.notifier.publish("news", 1);
    await core.clock.advance(400_000);
    expect(await receipt.delivered({ level: "logged" })).toEqual({ level: "logged", by: "", time: began });
  });

  test("written once it was handed to a subscriber's socket", async ({ start }) => {
    const core = start();
    const ann = await subscriber(core, "news", { peer: person("ann") });
    ann.stall();
    const written = arrival(await core.notifier.publish("news", 1), { level: "written" });
    expect(written.state).toBe("pending");
    await core.clock.settle();
    expect(written.value).toEqual({ level: "written", by: "ann", time: began });
  });

  test("not even written where the socket threw", async ({ start }) => {
    const core = start();
    const raw = rawSocket(core.notifier, person("ann"), {
      onSend(frame) {
        if (frame.includes('"pub"')) throw new Error("broken pipe");
      },
    });
    raw.session.receive('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}');
    await core.clock.settle();
    const written = arrival(await core.notifier.publish("news", 1, { ttl: 1_000 }), { level: "written" });
    await core.clock.advance(1_000);
    expect(written.reason).toMatchObject({ reason: "expired", level: "logged" });
    expect([raw.closed?.code, core.errors.splice(0).length]).toEqual([3004, 1]);
    raw.session.ended();
  });

  test("read once a pong has come for a ping sent after it", async ({ start }) => {
    const core = start();
    const ann = await subscriber(core, "news", { peer: person("ann") });
    ann.stall();
    const read = arrival(await core.notifier.publish("news", 1), { level: "read" });
    await core.clock.advance(2_000);
    expect(read.state).toBe("pending");
    ann.resume();
    await core.clock.settle();
    expect(read.value).toEqual({ level: "read", by: "ann", time: began + 2_000 });
  });

  test("acknowledged once the client sends that, not when it has read it", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    const receipt = await core.notifier.publish("news", 1);
    const [read, acknowledged] = [
      arrival(receipt, { level: "read" }),
      arrival(receipt, { level: "acknowledged" }),
    ];
    await core.clock.advance(2_000);
    expect([read.value, acknowledged.state]).toEqual([{ level: "read", by: "ann", time: began }, "pending"]);
    ann.ack(1);
    await core.clock.settle();
    expect(acknowledged.value).toEqual({ level: "acknowledged", by: "ann", time: began + 2_000 });
  });

  test("read by a client that acknowledges it, with or without a pong", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    ann.stall();
    const receipt = await core.notifier.publish("news", 1);
    const read = arrival(receipt, { level: "read" });
    await core.clock.settle();
    ann.ack(1);
    await core.clock.settle();
    expect(read.value).toEqual({ level: "read", by: "ann", time: began });
  });

  test("delivered, unless a level is asked for, when a client that never acknowledges has read it", async ({
    start,
  }) => {
    const core = start();
    await subscriber(core, "news", { peer: person("ann") });
    const delivered = arrival(await core.notifier.publish("news", 1));
    await core.clock.settle();
    expect(delivered.value).toEqual({ level: "read", by: "ann", time: began });
  });

  test("delivered, unless a level is asked for, when a client that acknowledges has acknowledged it", async ({
    start,
  }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    const delivered = arrival(await core.notifier.publish("news", 1));
    await core.clock.advance(1_000);
    expect(delivered.state).toBe("pending");
    ann.ack(1);
    await core.clock.settle();
    expect(delivered.value).toEqual({ level: "acknowledged", by: "ann", time: began + 1_000 });
  });

  test("each level together with the lower ones, in order", async ({ start }) => {
    const core = start();
    const raw = await silent(core);
    const { epoch } = await core.notifier.history("news");
    const receipt = await core.notifier.publish("news", 1);
    const seen: string[] = [];
    for (const level of levels) void receipt.delivered({ level }).then(() => void seen.push(level));
    const steps: string[][] = [];
    const look = async (): Promise<void> => {
      await Promise.resolve().then(() => {});
      steps.push([...seen]);
    };
    await look();
    await core.clock.settle();
    await look();
    raw.pong();
    await core.clock.settle();
    await look();
    raw.session.receive(JSON.stringify({ send: { data: { ack: { news: { offset: 1, epoch } } } } }));
    await core.clock.settle();
    await look();
    expect(steps).toEqual([levels.slice(0, 1), levels.slice(0, 2), levels.slice(0, 3), levels]);
    raw.session.ended();
  });

  test("read by a stock client, and never as acknowledged", async ({ start }) => {
    const core = start();
    await subscriber(core, "news", { peer: person("ann") });
    const receipt = await core.notifier.publish("news", 1, { ttl: 60_000 });
    const [read, acknowledged] = [
      arrival(receipt, { level: "read" }),
      arrival(receipt, { level: "acknowledged" }),
    ];
    await core.clock.advance(59_999);
    expect([read.state, acknowledged.state]).toEqual(["fulfilled", "pending"]);
    await core.clock.advance(1);
    expect(acknowledged.reason).toMatchObject({ name: "ExpiredError", reason: "expired", level: "read" });
  });
});

describe("the reader that a receipt returns", () => {
  test("is the first one, unless a certain one is asked for", async ({ start }) => {
    const core = start();
    const ann = await subscriber(core, "news", { peer: person("ann") });
    await subscriber(core, "news", { peer: person("bob") });
    ann.stall();
    const receipt = await core.notifier.publish("news", 1);
    const [anybody, byAnn, byBob] = [
      arrival(receipt),
      arrival(receipt, { by: "ann" }),
      arrival(receipt, { by: "bob", level: "read" }),
    ];
    await core.clock.settle();
    expect([anybody.value?.by, byAnn.state, byBob.value?.by]).toEqual(["bob", "pending", "bob"]);
    await core.clock.advance(1_000);
    ann.resume();
    await core.clock.settle();
    expect(byAnn.value).toEqual({ level: "read", by: "ann", time: began + 1_000 });
  });

  test("is the session's id where there is no user", async ({ start }) => {
    const core = start();
    const first = await subscriber(core, "news");
    const second = await subscriber(core, "news");
    first.stall();
    const receipt = await core.notifier.publish("news", 1);
    const [anybody, byFirst] = [arrival(receipt), arrival(receipt, { by: first.session.id })];
    await core.clock.settle();
    expect([anybody.value?.by, byFirst.state]).toEqual([second.session.id, "pending"]);
    first.resume();
    await core.clock.settle();
    expect(byFirst.value?.by).toBe(first.session.id);
  });

  test("is the same for two tabs of a user", async ({ start }) => {
    const core = start();
    const [one, other] = [await acknowledging(core, "news"), await acknowledging(core, "news")];
    one.stall();
    const receipt = await core.notifier.publish("news", 1);
    const acknowledged = arrival(receipt, { level: "acknowledged", by: "ann" });
    await core.clock.settle();
    other.ack(1);
    await core.clock.settle();
    expect(acknowledged.value).toEqual({ level: "acknowledged", by: "ann", time: began });
    expect(await receipt.delivered({ by: "ann" })).toEqual(acknowledged.value);
  });

  test("is never a client that subscribed after the publication", async ({ start }) => {
    const core = start();
    const before = await core.notifier.publish("news", 1);
    await subscriber(core, "news", { peer: person("ann") });
    const after = await core.notifier.publish("news", 2);
    const outcomes = levels
      .slice(1, 3)
      .map((level) => [arrival(before, { level }), arrival(after, { level })]);
    await core.clock.advance(30_000);
    expect(outcomes.map((pair) => pair.map(({ state }) => state))).toEqual([
      ["pending", "fulfilled"],
      ["pending", "fulfilled"],
    ]);
    await core.clock.advance(270_000);
    expect(outcomes.map(([first]) => first?.reason)).toMatchObject([
      { level: "logged" },
      { level: "logged" },
    ]);
  });

  test("may be a client that comes back and recovers it", async ({ start }) => {
    const core = start();
    const { position } = await core.notifier.publish("news", 1);
    const receipt = await core.notifier.publish("news", 2);
    const delivered = arrival(receipt);
    await core.clock.advance(1_000);
    await returning(core, "news", "ann", position);
    expect(delivered.value).toEqual({ level: "read", by: "ann", time: began + 1_000 });
  });

  test("may be a client that subscribes from the channel's start", async ({ start }) => {
    const core = start();
    const receipts = [await core.notifier.publish("news", 1), await core.notifier.publish("news", 2)];
    const outcomes = receipts.map((receipt) => arrival(receipt));
    await returning(core, "news", "ann", { offset: 0, epoch: "" });
    expect(outcomes.map(({ value }) => [value?.level, value?.by])).toEqual([
      ["read", "ann"],
      ["read", "ann"],
    ]);
  });
});

describe("a receipt that is asked later returns", () => {
  test("at once what a heartbeat has proven before", async ({ start }) => {
    const core = start({ heartbeat: 1_000 });
    await subscriber(core, "news", { peer: person("ann") });
    const receipt = await core.notifier.publish("news", 1);
    await core.clock.advance(10_000);
    const known = arrival(receipt);
    await core.clock.settle();
    expect(known.value).toEqual({ level: "read", by: "ann", time: began + 10_000 });
  });

  test("what no pong has proven yet, after a barrier of its own", async ({ start }) => {
    const core = start();
    const raw = await silent(core);
    const receipt = await core.notifier.publish("news", 1);
    await core.clock.settle();
    expect(pingsOf(raw)).toBe(0);
    const read = arrival(receipt, { level: "read" });
    await core.clock.settle();
    expect([pingsOf(raw), read.state]).toEqual([1, "pending"]);
    raw.pong();
    await core.clock.settle();
    expect(read.value?.level).toBe("read");
    raw.session.ended();
  });

  test("an old acknowledgement, with its time", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    const receipt = await core.notifier.publish("news", 1);
    await core.clock.advance(1_000);
    ann.ack(1);
    await core.clock.advance(2_000);
    const expected = { level: "acknowledged", by: "ann", time: began + 1_000 };
    expect(await receipt.delivered()).toEqual(expected);
    expect(await receipt.delivered({ level: "acknowledged" })).toEqual(expected);
  });

  test("the level of clients that have left", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    const bob = await subscriber(core, "news", { peer: person("bob") });
    const receipt = await core.notifier.publish("news", 1);
    void receipt.delivered({ level: "read" });
    await core.clock.advance(1_000);
    ann.ack(1);
    ann.drop();
    bob.drop();
    await core.clock.advance(1_000);
    expect(core.notifier.stats()).toMatchObject({ sessions: 0, channels: 0 });
    expect(await receipt.delivered({ by: "ann" })).toEqual({
      level: "acknowledged",
      by: "ann",
      time: began + 1_000,
    });
    expect(await receipt.delivered({ by: "bob" })).toEqual({ level: "read", by: "bob", time: began + 2_000 });
  });

  test("an acknowledgement of another tab of the same user that has left", async ({ start }) => {
    const core = start();
    const [one, other] = [await acknowledging(core, "news"), await acknowledging(core, "news")];
    other.stall();
    const receipt = await core.notifier.publish("news", 1);
    await core.clock.settle();
    one.ack(1);
    one.drop();
    await core.clock.advance(1_000);
    expect(await receipt.delivered({ level: "acknowledged", by: "ann" })).toEqual({
      level: "acknowledged",
      by: "ann",
      time: began,
    });
  });

  test("the outcome of its confirmation, even after every client has left and its ttl is over", async ({
    start,
  }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    const receipt = await core.notifier.publish("news", 1, { confirm: true, ttl: 1_000 });
    await core.clock.settle();
    ann.ack(1);
    ann.drop();
    await core.clock.advance(100_000);
    const expected = { level: "acknowledged", by: "ann", time: began };
    expect(await receipt.delivered()).toEqual(expected);
    await finish(core);
    expect(await receipt.delivered()).toEqual(expected);
  });

  test("that it expired, with its level, where nobody waited for it in time", async ({ start }) => {
    const core = start();
    const [plain, confirmed] = [
      await core.notifier.publish("news", 1, { ttl: 1_000 }),
      await core.notifier.publish("news", 2, { ttl: 1_000, confirm: true }),
    ];
    await core.clock.advance(1_000);
    for (const receipt of [plain, confirmed]) {
      const reason = await rejection(receipt.delivered());
      expect(reason).toBeInstanceOf(ExpiredError);
      expect(reason).toMatchObject({
        channel: "news",
        position: receipt.position,
        reason: "expired",
        level: "logged",
      });
    }
  });
});

describe("a receipt asked after its publication was reported as undelivered", () => {
  test("tells a delivery that came late", async ({ start }) => {
    const reported: unknown[] = [];
    const core = start({ onUndelivered: ({ data }, reason) => reported.push([data, reason]) });
    const ann = await subscriber(core, "news", { peer: person("ann") });
    ann.stall();
    const receipt = await core.notifier.publish("news", 1, { ttl: 1_500, confirm: true });
    await core.clock.advance(1_500);
    expect(reported).toEqual([[1, "expired"]]);
    expect(await rejection(receipt.delivered())).toMatchObject({ reason: "expired", level: "written" });
    ann.resume();
    await core.clock.settle();
    expect(await receipt.delivered()).toMatchObject({ level: "read", by: "ann" });
    expect(reported).toHaveLength(1);
  });
});

describe("waiting for a receipt ends", () => {
  test("with the reason of the signal, and leaves nothing behind", async ({ start }) => {
    const core = start();
    const receipt = await core.notifier.publish("news", 1);
    const spy = spySignal();
    const reason = { enough: true };
    const waiting = arrival(receipt, { signal: spy.signal });
    await core.clock.settle();
    expect([waiting.state, spy.listeners]).toEqual(["pending", 1]);
    expect(heldBy(core)).toEqual(["wait delivered 1 of news", "timer confirmed publications"]);
    spy.controller.abort(reason);
    await core.clock.settle();
    expect(waiting.reason).toBe(reason);
    expect([heldBy(core), spy.listeners, core.clock.armed]).toEqual([[], 0, 0]);
    for (const level of levels)
      expect(await rejection(receipt.delivered({ level, signal: spy.signal }))).toBe(reason);
    expect(spy.most).toBe(1);
  });

  test("at the exact end of its ttl, with the level that it had reached", async ({ start }) => {
    const core = start();
    const ann = await subscriber(core, "news", { peer: person("ann") });
    ann.stall();
    const receipt = await core.notifier.publish("news", 1, { ttl: 1_500 });
    const [delivered, written] = [arrival(receipt), arrival(receipt, { level: "written" })];
    await core.clock.advance(1_499);
    expect([delivered.state, written.state]).toEqual(["pending", "fulfilled"]);
    await core.clock.advance(1);
    const { reason } = delivered;
    expect(reason).toBeInstanceOf(ExpiredError);
    expect(reason).toMatchObject({
      name: "ExpiredError",
      message: 'Cannot wait for publication 1 of "news" any longer: it expired, level "written"',
      channel: "news",
      position: receipt.position,
      reason: "expired",
      level: "written",
    });
  });

  test("after limits.delivery, unless it has another ttl", async ({ start }) => {
    const core = start({ limits: { delivery: 700 } });
    const [usual, longer, none] = [
      arrival(await core.notifier.publish("news", 1)),
      arrival(await core.notifier.publish("news", 2, { ttl: 900 })),
      arrival(await core.notifier.publish("news", 3, { ttl: 0 })),
    ];
    await core.clock.settle();
    expect([usual.state, longer.state, none.state]).toEqual(["pending", "pending", "rejected"]);
    await core.clock.advance(699);
    expect([usual.state, longer.state]).toEqual(["pending", "pending"]);
    await core.clock.advance(1);
    expect([usual.state, longer.state]).toEqual(["rejected", "pending"]);
    await core.clock.advance(199);
    expect(longer.state).toBe("pending");
    await core.clock.advance(1);
    expect(longer.state).toBe("rejected");
  });

  test("when the log has trimmed it", async ({ start }) => {
    const clock = fakeClock();
    const core = start({ clock, log: memoryLog({ clock, size: 2, slack: 0 }) });
    const receipt = await core.notifier.publish("news", 1);
    const delivered = arrival(receipt);
    await core.notifier.publish("news", 2);
    await clock.settle();
    expect(delivered.state).toBe("pending");
    await core.notifier.publish("news", 3);
    await clock.settle();
    expect(delivered.reason).toBeInstanceOf(ExpiredError);
    expect(delivered.reason).toMatchObject({
      message: 'Cannot wait for publication 1 of "news" any longer: the log trimmed it, level "logged"',
      position: receipt.position,
      reason: "trimmed",
      level: "logged",
    });
    expect([heldBy(core), clock.armed]).toEqual([[], 0]);
  });

  test("when the notifier has closed, and no new wait begins", async ({ start }) => {
    const core = start();
    const [receipt, unheard] = [
      await core.notifier.publish("news", 1),
      await core.notifier.publish("news", 2),
    ];
    const delivered = arrival(receipt);
    void unheard.delivered();
    const report = await finish(core);
    expect(delivered.reason).toBeInstanceOf(ClosedError);
    expect((delivered.reason as Error).message).toBe(
      'Cannot wait for 1 of "news" any longer: the notifier is closed',
    );
    expect(await rejection(receipt.delivered())).toBeInstanceOf(ClosedError);
    expect((await receipt.delivered({ level: "logged" })).time).toBe(began);
    // Neither was published with `confirm`.
    expect(report).toMatchObject({ undelivered: [], givenUp: 0 });
  });

  test("not when closing begins: what closing proves read still counts", async ({ start }) => {
    const core = start();
    const ann = await subscriber(core, "news", { peer: person("ann") });
    ann.stall();
    const delivered = arrival(await core.notifier.publish("news", 1));
    await core.clock.settle();
    const closed = core.notifier.close();
    await core.clock.advance(1_000);
    ann.resume();
    await core.clock.settle();
    expect(delivered.value).toEqual({ level: "read", by: "ann", time: began + 1_000 });
    expect(await closed).toMatchObject({ sessions: { closed: 1, cut: 0 }, milliseconds: 1_000 });
  });
});

test.for(["seen", "", null, 3, "__proto__"])("there is no level %j to wait for", async (level, { start }) => {
  const receipt = await start().notifier.publish("news", 1);
  const reason = await rejection(receipt.delivered({ level: level as Level }));
  expect(reason).toBeInstanceOf(TypeError);
  expect((reason as Error).message).toBe(
    `Cannot wait for "${String(level)}": a level is logged, written, read, acknowledged`,
  );
});

describe("a barrier", () => {
  test("is not sent while nobody waits for the level read", async ({ start }) => {
    const core = start();
    const raw = await silent(core);
    const receipts = [await core.notifier.publish("news", 1), await core.notifier.publish("news", 2)];
    for (const receipt of receipts) {
      void receipt.delivered({ level: "logged" });
      void receipt.delivered({ level: "written" });
      void receipt.delivered({ level: "acknowledged" });
    }
    await core.clock.settle();
    expect([raw.lines.length, pingsOf(raw)]).toEqual([4, 0]);
    raw.session.ended();
  });

  test("is sent once for all waiting receipts, in the frame of their publications", async ({ start }) => {
    const core = start();
    const raw = await silent(core);
    const reads = [
      arrival(await core.notifier.publish("news", 1), { level: "read" }),
      arrival(await core.notifier.publish("news", 2)),
      arrival(await core.notifier.publish("news", 3), { level: "read" }),
    ];
    await core.clock.settle();
    expect([raw.sent.length, pingsOf(raw), raw.lines.at(-1)]).toEqual([2, 1, "{}"]);
    raw.pong();
    await core.clock.settle();
    expect(reads.map(({ state }) => state)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    expect(pingsOf(raw)).toBe(1);
    raw.session.ended();
  });

  test("waits for the pong to the one before it, and is not sent where that one proved enough", async ({
    start,
  }) => {
    const core = start();
    const raw = await silent(core);
    const first = arrival(await core.notifier.publish("news", 1), { level: "read" });
    await core.clock.settle();
    const second = arrival(await core.notifier.publish("news", 2), { level: "read" });
    await core.notifier.publish("news", 3);
    await core.clock.settle();
    expect(pingsOf(raw)).toBe(1);
    raw.pong();
    await core.clock.settle();
    expect([first.state, second.state, pingsOf(raw)]).toEqual(["fulfilled", "pending", 2]);
    raw.pong();
    await core.clock.settle();
    expect([second.state, pingsOf(raw)]).toEqual(["fulfilled", 2]);
    raw.session.ended();
  });

  test("is sent only to clients that were sent the publication", async ({ start }) => {
    const core = start();
    const early = await silent(core, "news", "ann");
    const other = await silent(core, "sport", "bob");
    const receipt = await core.notifier.publish("news", 1);
    await core.notifier.publish("sport", 1);
    await core.clock.settle();
    const late = await silent(core, "news", "cat");
    void receipt.delivered({ level: "read" });
    await core.notifier.publish("news", 2);
    await core.clock.settle();
    expect([early, other, late].map(pingsOf)).toEqual([1, 0, 0]);
    for (const raw of [early, other, late]) raw.session.ended();
  });

  test("is not sent to a client that acknowledges, unless the level read is waited for", async ({
    start,
  }) => {
    const core = start();
    const raw = await silent(core);
    raw.session.receive('{"send":{"data":{"ack":{}}}}');
    const receipt = await core.notifier.publish("news", 1, { confirm: true });
    void receipt.delivered();
    await core.clock.settle();
    expect(pingsOf(raw)).toBe(0);
    void receipt.delivered({ level: "read" });
    await core.clock.settle();
    expect(pingsOf(raw)).toBe(1);
    raw.session.ended();
  });

  test("is sent for a confirmed publication to a client that never acknowledged, and to no other", async ({
    start,
  }) => {
    const core = start();
    const [stock, own] = [await silent(core, "news", "ann"), await silent(core, "news", "bob")];
    own.session.receive('{"send":{"data":{"ack":{}}}}');
    await core.notifier.publish("news", 1, { confirm: true });
    await core.clock.settle();
    expect([stock, own].map(pingsOf)).toEqual([1, 0]);
    for (const raw of [stock, own]) raw.session.ended();
  });
});

test("receipts leave nothing behind, except while they are waited for", async ({ start }) => {
  const core = start();
  const ann = await acknowledging(core, "news");
  const { armed } = core.clock;
  const before = core.notifier.stats();
  const receipts = await Promise.all([1, 2, 3].map((data) => core.notifier.publish("news", data)));
  await core.clock.settle();
  expect([core.notifier.stats(), heldBy(core)]).toEqual([before, []]);
  const outcomes = receipts.map((receipt) => arrival(receipt, { level: "acknowledged" }));
  await core.clock.settle();
  expect(core.notifier.stats()).toEqual({ ...before, waits: 3, timers: before.timers + 1 });
  expect(heldBy(core).sort()).toEqual([
    "timer confirmed publications",
    "wait delivered 1 of news",
    "wait delivered 2 of news",
    "wait delivered 3 of news",
  ]);
  ann.ack(3);
  await core.clock.settle();
  expect(outcomes.map(({ value }) => value?.level)).toEqual(["acknowledged", "acknowledged", "acknowledged"]);
  expect([core.notifier.stats(), heldBy(core), core.clock.armed]).toEqual([before, [], armed]);
});
