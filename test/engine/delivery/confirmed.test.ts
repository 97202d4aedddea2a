import { describe, expect } from "vitest";
import type { PublishOptions } from "../../../src/engine/notifier/publisher.ts";
import { ClosedError, ExpiredError } from "../../../src/model/errors.ts";
import type { Publication } from "../../../src/model/publication.ts";
import type { UndeliveredReason } from "../../../src/model/receipt.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { type FakeClock, fakeClock } from "../../../src/testing.ts";
import {
  acknowledging,
  arrival,
  began,
  heldBy,
  person,
  returning,
  rows,
  silent,
} from "../../support/acknowledging.ts";
import {
  type Core,
  deferred,
  finish,
  logWith,
  never,
  outcomeOf,
  payloads,
  publishAll,
  rejection,
  type Start,
  type StartOptions,
  spySignal,
  startWith,
  subscriber,
  test,
  typesOf,
  upTo,
} from "../../support/core.ts";
import { gated } from "../../support/wire.ts";

const confirm = true;

/** Starts a notifier and records the calls of `onUndelivered`, as `channel offset reason`. */
function recording(
  start: Start,
  options: StartOptions = {},
): Core & { reported: string[]; publications: Publication[] } {
  const reported: string[] = [];
  const publications: Publication[] = [];
  const onUndelivered = (publication: Publication, reason: UndeliveredReason): void => {
    reported.push(`${publication.channel} ${publication.offset} ${reason}`);
    publications.push(publication);
  };
  return { ...start({ onUndelivered, ...options }), reported, publications };
}

/** Publishes a confirmed publication without waiting for the result. */
function publishing({ notifier }: Core, channel: string, data: unknown, options: PublishOptions = {}) {
  return outcomeOf(notifier.publish(channel, data, { confirm, ...options }));
}

function waiting({ notifier }: Core): [confirmed: number, bytes: number] {
  const { confirmed, confirmedBytes } = notifier.stats();
  return [confirmed, confirmedBytes];
}

function delay(clock: FakeClock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.timer(ms, resolve));
}

describe("a confirmed publication is discharged", () => {
  test("by the acknowledgement of one subscriber", async ({ start }) => {
    const core = recording(start);
    const [ann, bob] = [await acknowledging(core, "news", "ann"), await acknowledging(core, "news", "bob")];
    bob.stall();
    await core.notifier.publish("news", "four", { confirm, tags: { a: "bc" } });
    await core.clock.advance(1_000);
    expect(waiting(core)).toEqual([1, 9]);
    ann.ack(1);
    expect(waiting(core)).toEqual([0, 0]);
    bob.resume();
    expect(await finish(core)).toMatchObject({
      undelivered: [],
      givenUp: 0,
      waiting: 0,
      sessions: { closed: 2, cut: 0 },
    });
    expect(core.reported).toEqual([]);
  });

  test("by the read of a client that never acknowledges", async ({ start }) => {
    const core = recording(start);
    const ann = await subscriber(core, "news", { peer: person("ann") });
    ann.stall();
    await core.notifier.publish("news", 1, { confirm });
    await core.clock.advance(1_000);
    expect(waiting(core)).toEqual([1, 1]);
    ann.resume();
    await core.clock.settle();
    expect(waiting(core)).toEqual([0, 0]);
    expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 0 });
    expect(core.reported).toEqual([]);
  });

  test("not by the read of a client that acknowledges", async ({ start }) => {
    const core = recording(start, { heartbeat: 1_000 });
    await acknowledging(core, "news");
    const receipt = await core.notifier.publish("news", 1, { confirm, ttl: 60_000 });
    const read = arrival(receipt, { level: "read" });
    await core.clock.advance(59_999);
    expect([read.state, waiting(core)]).toEqual(["fulfilled", [1, 1]]);
    await core.clock.advance(1);
    expect([core.reported, waiting(core)]).toEqual([["news 1 expired"], [0, 0]]);
  });

  test("not by the read of a client that began to acknowledge before the pong", async ({ start }) => {
    const core = recording(start);
    const raw = await silent(core);
    const { epoch } = await core.notifier.history("news");
    await core.notifier.publish("news", 1, { confirm });
    await core.clock.settle();
    raw.session.receive('{"send":{"data":{"ack":{}}}}');
    raw.pong();
    await core.clock.settle();
    expect(waiting(core)).toEqual([1, 1]);
    raw.session.receive(JSON.stringify({ send: { data: { ack: { news: { offset: 1, epoch } } } } }));
    expect(waiting(core)).toEqual([0, 0]);
    raw.session.ended();
  });

  test("by a client that comes back and recovers it", async ({ start }) => {
    const core = recording(start);
    await core.notifier.publish("news", 1, { confirm });
    await core.clock.advance(100_000);
    expect(waiting(core)).toEqual([1, 1]);
    await returning(core, "news", "ann", { offset: 0, epoch: "" });
    expect([waiting(core), core.reported]).toEqual([[0, 0], []]);
  });

  test("one by one, in any order", async ({ start }) => {
    const core = recording(start);
    const ann = await acknowledging(core, ["news", "sport"]);
    for (const channel of ["news", "sport", "news"]) await core.notifier.publish(channel, 1, { confirm });
    await core.clock.settle();
    ann.ack(1, "sport");
    expect(waiting(core)).toEqual([2, 2]);
    ann.ack(1, "news");
    expect(waiting(core)).toEqual([1, 1]);
    ann.ack(2, "news");
    expect(waiting(core)).toEqual([0, 0]);
  });
});

describe("a confirmed publication expires", () => {
  test("at its ttl, and the hook is called with the publication and the reason", async ({ start }) => {
    const core = recording(start);
    await core.clock.advance(100);
    const options = { confirm, ttl: 1_500, tags: { kind: "x" } };
    const { position } = await core.notifier.publish("news", { text: "it begins" }, options);
    await core.clock.advance(1_499);
    expect(core.publications).toEqual([]);
    await core.clock.advance(1);
    expect(core.publications).toEqual([
      {
        channel: "news",
        offset: 1,
        epoch: position.epoch,
        data: { text: "it begins" },
        time: began + 100,
        tags: { kind: "x" },
      },
    ]);
    expect([core.reported, waiting(core), heldBy(core)]).toEqual([["news 1 expired"], [0, 0], []]);
    expect(await payloads(core.notifier, "news")).toEqual([{ text: "it begins" }]);
  });

  test.for([
    [{ limits: { delivery: 700 } }, 700],
    [{}, 300_000],
  ] as const)(
    "after limits.delivery where it has no ttl of its own (%j)",
    async ([options, ms], { start }) => {
      const core = recording(start, options);
      await core.notifier.publish("news", 1, { confirm });
      await core.clock.advance(ms - 1);
      expect(core.reported).toEqual([]);
      await core.clock.advance(1);
      expect(core.reported).toEqual(["news 1 expired"]);
    },
  );

  test("in the order of the expiry times, not of the publications, with one timer for all", async ({
    start,
  }) => {
    const core = recording(start);
    for (const ttl of [3_000, 1_000, 2_000, 1_000])
      await core.notifier.publish("news", ttl, { confirm, ttl });
    const waiting = upTo(4).map((offset) => `publication confirmed ${offset} of news`);
    expect([heldBy(core), core.clock.armed]).toEqual([["timer confirmed publications", ...waiting], 1]);
    const at: number[] = [];
    for (let second = 1; second <= 3; second++) {
      await core.clock.advance(1_000);
      at.push(core.reported.length);
    }
    expect(at).toEqual([2, 3, 4]);
    expect(core.reported.slice(2)).toEqual(["news 3 expired", "news 1 expired"]);
    expect(core.reported.slice(0, 2).sort()).toEqual(["news 2 expired", "news 4 expired"]);
    expect([heldBy(core), core.clock.armed]).toEqual([[], 0]);
  });

  test("although nothing was called with its outcome, and is counted", async ({ start }) => {
    const core = start();
    await core.notifier.publish("news", 1, { confirm, ttl: 1_000 });
    await core.clock.advance(1_000);
    expect(waiting(core)).toEqual([0, 0]);
    expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 1 });
  });

  test.for([Number.NaN, -1, "1000", null])(
    "never, with a ttl of %j: such a ttl is refused",
    async (ttl, { start }) => {
      const core = start();
      const reason = await rejection(core.notifier.publish("news", 1, { confirm, ttl: ttl as number }));
      expect(reason).toBeInstanceOf(RangeError);
      expect(await payloads(core.notifier, "news")).toEqual([]);
    },
  );

  test("never, with an infinite ttl, but closing reports it", async ({ start }) => {
    const core = recording(start);
    await core.notifier.publish("news", 1, { confirm, ttl: Number.POSITIVE_INFINITY });
    await core.clock.advance(100_000_000);
    expect([core.reported, core.clock.armed]).toEqual([[], 0]);
    expect(rows((await finish(core)).undelivered)).toEqual(["news 1 logged closed"]);
  });
});

describe("a confirmed publication that its log has trimmed", () => {
  function small(start: Start, size = 2) {
    const clock = fakeClock();
    return recording(start, { clock, log: memoryLog({ clock, size, slack: 0 }) });
  }

  test("is given up, once", async ({ start }) => {
    const core = small(start);
    const receipt = await core.notifier.publish("news", 1, { confirm });
    await core.notifier.publish("news", 2);
    await core.clock.settle();
    expect(core.reported).toEqual([]);
    await core.notifier.publish("news", 3);
    await core.clock.settle();
    for (const data of [4, 5, 6]) await core.notifier.publish("news", data);
    await core.clock.advance(400_000);
    expect([core.reported, waiting(core)]).toEqual([["news 1 trimmed"], [0, 0]]);
    const reason = await rejection(receipt.delivered());
    expect(reason).toBeInstanceOf(ExpiredError);
    expect(reason).toMatchObject({ position: receipt.position, reason: "trimmed", level: "logged" });
    expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 1 });
  });

  test("is not given up while a subscriber is just receiving it, who then acknowledges it", async ({
    start,
  }) => {
    const core = small(start);
    const ann = await acknowledging(core, "news");
    ann.stall();
    const delivered = arrival(await core.notifier.publish("news", 1, { confirm }));
    await core.clock.settle();
    await publishAll(core, 3);
    await core.clock.advance(10_000);
    expect([core.reported, delivered.state]).toEqual([[], "pending"]);
    ann.resume();
    ann.ack(1);
    await core.clock.settle();
    expect([core.reported, delivered.value?.level]).toEqual([[], "acknowledged"]);
    expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 0 });
  });

  test("is given up as soon as no subscriber is receiving it any more, with the level that it had reached", async ({
    start,
  }) => {
    const core = small(start);
    const [ann, bob] = [await acknowledging(core, "news", "ann"), await acknowledging(core, "news", "bob")];
    for (const each of [ann, bob]) each.stall();
    const delivered = arrival(await core.notifier.publish("news", 1, { confirm }));
    await core.clock.settle();
    await publishAll(core, 3);
    ann.drop();
    await core.clock.settle();
    expect(core.reported).toEqual([]);
    bob.drop();
    await core.clock.settle();
    expect(core.reported).toEqual(["news 1 trimmed"]);
    expect(delivered.reason).toMatchObject({ reason: "trimmed", level: "written" });
  });

  test("is given up at once where the log keeps nothing", async ({ start }) => {
    const core = small(start, 0);
    await core.notifier.publish("news", 1, { confirm });
    await core.clock.settle();
    expect([core.reported, waiting(core)]).toEqual([["news 1 trimmed"], [0, 0]]);
  });

  test("because of its age is given up at the next read of the channel", async ({ start }) => {
    const clock = fakeClock();
    const core = recording(start, { clock, log: memoryLog({ clock, ttl: 1_000 }) });
    await core.notifier.publish("news", 1, { confirm });
    await clock.advance(1_000);
    expect(core.reported).toEqual([]);
    await core.notifier.history("news");
    expect(core.reported).toEqual(["news 1 trimmed"]);
  });
});

describe("when a log starts a new epoch, what was confirmed in the old one is given up", () => {
  function wiping(start: Start) {
    const clock = fakeClock();
    const log = gated(() => memoryLog({ clock }));
    return { log, core: recording(start, { clock, log }) };
  }

  test("at the next publication, confirmed or not", async ({ start }) => {
    const { core, log } = wiping(start);
    await core.notifier.publish("news", 1, { confirm });
    await core.notifier.publish("news", 2, { confirm });
    log.wipe();
    await core.notifier.publish("news", 3);
    await core.clock.settle();
    expect([core.reported, waiting(core)]).toEqual([
      ["news 1 trimmed", "news 2 trimmed"],
      [0, 0],
    ]);
  });

  test("and what is confirmed in the new epoch waits", async ({ start }) => {
    const { core, log } = wiping(start);
    const old = await core.notifier.publish("news", 1, { confirm });
    log.wipe();
    const { position } = await core.notifier.publish("news", 2, { confirm });
    await core.clock.settle();
    expect([core.reported, waiting(core)]).toEqual([["news 1 trimmed"], [1, 1]]);
    expect([position.offset, position.epoch === old.position.epoch]).toEqual([1, false]);
    const ann = await returning(core, "news", "ann", { offset: 0, epoch: "" });
    expect([waiting(core), core.reported]).toEqual([[0, 0], ["news 1 trimmed"]]);
    ann.drop();
  });

  test("and a receipt of the old epoch rejects with that reason", async ({ start }) => {
    const { core, log } = wiping(start);
    const receipt = await core.notifier.publish("news", 1);
    const delivered = arrival(receipt);
    log.wipe();
    await core.notifier.publish("news", 2);
    await core.clock.settle();
    expect(delivered.reason).toMatchObject({
      name: "ExpiredError",
      reason: "trimmed",
      position: receipt.position,
    });
  });
});

describe("closing reports", () => {
  test("what is confirmed and not delivered, by channel and offset, with its level", async ({ start }) => {
    const core = recording(start, { grace: 4_000 });
    const ann = await subscriber(core, "news", { peer: person("ann") });
    ann.stall();
    const own = await acknowledging(core, "sport", "bob");
    const expected: object[] = [];
    for (const [channel, level] of [
      ["news", "written"],
      ["news", "written"],
      ["sport", "read"],
      ["void", "logged"],
    ] as const) {
      await core.clock.advance(10);
      const { position } = await core.notifier.publish(channel, 1, { confirm });
      expected.push({ channel, position, time: core.clock.time(), level, reason: "closed" });
    }
    const report = await finish(core);
    expect(report.undelivered).toEqual(expected);
    expect(report.givenUp).toBe(4);
    expect(core.reported).toEqual(["news 1 closed", "news 2 closed", "sport 1 closed", "void 1 closed"]);
    expect([own.closed?.code, ann.cut]).toEqual([3001, true]);
  });

  test("only what was given up since it began, and how many in all", async ({ start }) => {
    const core = recording(start, { grace: 4_000 });
    const ann = await acknowledging(core, "news");
    for (const ttl of [1_000, 5_000, 60_000]) await core.notifier.publish("news", ttl, { confirm, ttl });
    await core.clock.advance(4_000);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(1_000);
    expect([core.reported, closed.state]).toEqual([["news 1 expired", "news 2 expired"], "pending"]);
    await core.clock.advance(2_000);
    expect(rows(closed.value?.undelivered ?? [])).toEqual(["news 2 read expired", "news 3 read closed"]);
    expect(closed.value?.givenUp).toBe(3);
    expect(ann.closed).toEqual({ code: 3001, reason: "shutdown" });
  });

  test("in the order of a channel's offsets, even where all expired at the same moment of the close", async ({
    start,
  }) => {
    const core = start({ grace: 4_000 });
    await acknowledging(core, "news");
    for (const data of upTo(10)) await core.notifier.publish("news", data, { confirm, ttl: 1_000 });
    await core.notifier.publish("news", 11, { confirm });
    await core.clock.settle();
    const { undelivered } = await finish(core);
    expect(undelivered.map(({ position, reason }) => [position.offset, reason])).toEqual([
      ...upTo(10).map((offset) => [offset, "expired"]),
      [11, "closed"],
    ]);
  });

  test("what expired without any listener, as expired before the close", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(async () => 1);
    await run.result();
    await core.clock.advance(300_000);
    expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 1 });
  });

  test("nothing where everything was delivered", async ({ start }) => {
    const core = recording(start);
    await subscriber(core, "news", { peer: person("ann") });
    for (const data of upTo(10)) await core.notifier.publish("news", data, { confirm });
    expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 0, milliseconds: 0 });
    expect(core.reported).toEqual([]);
  });
});

describe("a hook that", () => {
  test("throws is reported, and is still called for the others", async ({ start }) => {
    const reported: number[] = [];
    const core = start({
      onUndelivered({ offset }) {
        reported.push(offset);
        throw new Error(`no ${offset}`);
      },
    });
    for (const data of [1, 2]) await core.notifier.publish("news", data, { confirm, ttl: 1_000 });
    await core.notifier.publish("news", 3, { confirm });
    await core.clock.advance(1_000);
    expect(rows((await finish(core)).undelivered)).toEqual(["news 3 logged closed"]);
    expect(reported).toEqual([1, 2, 3]);
    expect(core.errors.splice(0)).toEqual(
      [1, 2, 3].map((offset) => ({
        error: new Error(`no ${offset}`),
        context: { stage: "undelivered", owner: `${offset} of news` },
      })),
    );
  });

  test("rejects is reported, and nothing waits for it", async ({ start }) => {
    const go = deferred();
    const core = start({
      async onUndelivered() {
        await go.promise;
        throw new Error("no");
      },
    });
    await core.notifier.publish("news", 1, { confirm, ttl: 1_000 });
    await core.clock.advance(1_000);
    expect(heldBy(core)).toEqual(["task undelivered 1 of news"]);
    go.resolve();
    await core.clock.settle();
    expect(heldBy(core)).toEqual([]);
    expect(core.errors.splice(0)).toEqual([
      { error: new Error("no"), context: { stage: "undelivered", owner: "1 of news" } },
    ]);
  });

  test("never settles does not delay closing, whose report names it", async ({ start }) => {
    const core = start({ onUndelivered: () => never() });
    await core.notifier.publish("news", 1, { confirm });
    expect((await finish(core)).milliseconds).toBe(0);
    expect(core.errors.splice(0)).toMatchObject([
      {
        error: { message: "Closed without waiting any longer for undelivered 1 of news, 0.0 s" },
        context: { stage: "close" },
      },
    ]);
  });
});

describe("a confirmed publication waits for room", () => {
  const bounds: [string, StartOptions["limits"], string][] = [
    ["limits.confirmed of its channel", { confirmed: 2 }, "news"],
    ["limits.confirmedBytes of its channel", { confirmedBytes: 2 }, "news"],
    ["limits.confirmedTotal of all", { confirmedTotal: 2 }, "sport"],
    ["limits.confirmedTotalBytes of all", { confirmedTotalBytes: 2 }, "sport"],
  ];

  test.for(bounds)("within %s, until one is discharged", async ([, limits, channel], { start }) => {
    const core = recording(start, { limits });
    const ann = await acknowledging(core, "news");
    for (const data of [1, 2]) await core.notifier.publish("news", data, { confirm });
    const third = publishing(core, channel, 3);
    await core.clock.advance(60_000);
    expect([third.state, waiting(core)]).toEqual(["pending", [2, 2]]);
    expect(heldBy(core)).toContain(`wait room for a confirmed publication to ${channel}`);
    ann.ack(1);
    await core.clock.settle();
    expect([third.value?.position.offset, waiting(core)]).toEqual([channel === "news" ? 3 : 1, [2, 2]]);
  });

  test.for(bounds)("within %s, until one expires", async ([, limits, channel], { start }) => {
    const core = start({ limits });
    await core.notifier.publish("news", 1, { confirm, ttl: 5_000 });
    await core.notifier.publish("news", 2, { confirm });
    const third = publishing(core, channel, 3);
    await core.clock.advance(4_999);
    expect(third.state).toBe("pending");
    await core.clock.advance(1);
    expect([third.state, waiting(core)]).toEqual(["fulfilled", [2, 2]]);
    expect(await finish(core)).toMatchObject({ givenUp: 3 });
  });

  test("in its own channel only, and delays no other channel", async ({ start }) => {
    const core = start({ limits: { confirmed: 1 } });
    await core.notifier.publish("news", 1, { confirm });
    const second = publishing(core, "news", 2);
    const other = publishing(core, "sport", 3);
    await core.clock.settle();
    expect([second.state, other.state]).toEqual(["pending", "fulfilled"]);
    expect(await finish(core)).toMatchObject({ givenUp: 2 });
    expect(second.reason).toBeInstanceOf(ClosedError);
  });

  test("by the bytes of payload and tags, as UTF-8", async ({ start }) => {
    const core = start({ limits: { confirmedBytes: 20 } });
    // "🔔" is four bytes and two quotes. The second is one byte of payload, three of tag name and two of tag value.
    await core.notifier.publish("news", "🔔", { confirm });
    await core.notifier.publish("news", 2, { confirm, tags: { abc: "é" } });
    expect(waiting(core)).toEqual([2, 12]);
    const [fits, over] = [publishing(core, "news", 12_345_678), publishing(core, "news", 3)];
    await core.clock.settle();
    expect([fits.state, over.state, waiting(core)]).toEqual(["fulfilled", "pending", [3, 20]]);
    await finish(core);
  });

  test.for([{ confirmedBytes: 10 }, { confirmedTotalBytes: 10 }])(
    "within %j, except for the first one, however large it is",
    async (limits, { start }) => {
      const core = recording(start, { limits });
      const first = publishing(core, "news", "x".repeat(100));
      const second = publishing(core, "news", 2);
      await core.clock.settle();
      expect([core.reported, first.state, second.state, waiting(core)]).toEqual([
        [],
        "fulfilled",
        "pending",
        [1, 102],
      ]);
      await finish(core);
    },
  );

  test("and no smaller one is published before it, unless its signal ends the wait", async ({ start }) => {
    const core = start({ limits: { confirmedTotalBytes: 20 } });
    const stop = new AbortController();
    await core.notifier.publish("a", "x".repeat(10), { confirm });
    const large = outcomeOf(core.notifier.publish("b", "x".repeat(10), { confirm, signal: stop.signal }));
    const small = publishing(core, "c", 1);
    await core.clock.settle();
    expect([large.state, small.state, waiting(core)]).toEqual(["pending", "pending", [1, 12]]);
    stop.abort("enough");
    await core.clock.settle();
    expect([large.reason, small.state, waiting(core)]).toEqual(["enough", "fulfilled", [2, 13]]);
    await finish(core);
  });

  test("in the order of the calls: each delivered one makes room for one more", async ({ start }) => {
    const core = start({ limits: { confirmedTotal: 2 } });
    const ann = await acknowledging(core, ["a", "b"]);
    for (const channel of ["a", "b"]) await core.notifier.publish(channel, 0, { confirm });
    const calls = ["c", "a", "d", "b"].map((channel) => publishing(core, channel, 1));
    const published = (): string[] =>
      calls.flatMap(({ value }) => (value === undefined ? [] : value.channel));
    await core.clock.settle();
    expect(published()).toEqual([]);
    ann.ack(1, "b");
    await core.clock.settle();
    expect(published()).toEqual(["c"]);
    ann.ack(1, "a");
    await core.clock.settle();
    expect(published()).toEqual(["c", "a"]);
    ann.ack(2, "a");
    await core.clock.settle();
    expect(published()).toEqual(["c", "a", "d"]);
    expect(waiting(core)).toEqual([2, 2]);
    expect(await finish(core)).toMatchObject({ givenUp: 2 });
  });

  test("until its signal aborts, and rejects with that signal's reason", async ({ start }) => {
    const core = start({ limits: { confirmed: 1 } });
    const ann = await acknowledging(core, "news");
    await core.notifier.publish("news", 1, { confirm });
    const spy = spySignal();
    const reason = { enough: true };
    const [second, third] = [
      publishing(core, "news", 2, { signal: spy.signal }),
      publishing(core, "news", 3),
    ];
    await core.clock.settle();
    expect(spy.listeners).toBe(1);
    spy.controller.abort(reason);
    await core.clock.settle();
    expect([second.reason, third.state, spy.listeners]).toEqual([reason, "pending", 0]);
    expect(second.reason).toBe(reason);
    ann.ack(1);
    await core.clock.settle();
    expect([third.state, await payloads(core.notifier, "news")]).toEqual(["fulfilled", [1, 3]]);
    ann.ack(2);
    expect(waiting(core)).toEqual([0, 0]);
  });

  test("until closing begins, and rejects with a ClosedError at once", async ({ start }) => {
    const core = start({ limits: { confirmedTotal: 1 }, grace: 4_000 });
    await acknowledging(core, "news");
    await core.notifier.publish("news", 1, { confirm });
    const refused = [
      publishing(core, "news", 2),
      publishing(core, "sport", 3),
      outcomeOf(core.notifier.publish("news", 4)),
    ];
    await core.clock.settle();
    const closed = outcomeOf(core.notifier.close());
    await core.clock.settle();
    expect([closed.state, refused.map(({ state }) => state)]).toEqual([
      "pending",
      // The ordinary publication only waited behind the confirmed one, so it goes on.
      ["rejected", "rejected", "fulfilled"],
    ]);
    for (const { reason } of refused.slice(0, 2)) {
      expect(reason).toBeInstanceOf(ClosedError);
      expect((reason as Error).message).toBe("Cannot publish: the notifier is closed");
    }
    await core.clock.advance(3_000);
    expect(rows(closed.value?.undelivered ?? [])).toEqual(["news 1 read closed"]);
  });

  test("and its ttl counts from the moment when it is in the log", async ({ start }) => {
    const core = recording(start, { limits: { confirmed: 1 } });
    await core.notifier.publish("news", 1, { confirm, ttl: 3_000 });
    void core.notifier.publish("news", 2, { confirm, ttl: 1_000 });
    await core.clock.advance(3_999);
    expect(core.reported).toEqual(["news 1 expired"]);
    await core.clock.advance(1);
    expect(core.reported).toEqual(["news 1 expired", "news 2 expired"]);
  });
});

describe("the order of a channel", () => {
  test("is the order of the calls, confirmed or not, even where one has to wait for room", async ({
    start,
  }) => {
    const core = start({ limits: { confirmed: 1 } });
    const ann = await acknowledging(core, "news");
    for (const data of upTo(6)) void core.notifier.publish("news", data, { confirm: data % 2 === 1 });
    await core.clock.settle();
    expect(await payloads(core.notifier, "news")).toEqual([1, 2]);
    expect(core.notifier.stats().publishing).toBe(4);
    ann.ack(1);
    await core.clock.settle();
    expect(await payloads(core.notifier, "news")).toEqual([1, 2, 3, 4]);
    ann.ack(3);
    await core.clock.settle();
    expect(await payloads(core.notifier, "news")).toEqual(upTo(6));
    ann.ack(6);
    expect([core.notifier.stats().publishing, waiting(core)]).toEqual([0, [0, 0]]);
  });
});

describe("an append frees its room", () => {
  test("when it is aborted while the log fails", async ({ start }) => {
    let isFailing = true;
    const core = startWith(
      start,
      (log) => ({
        append: async (...args) => {
          if (isFailing) throw new Error("no space");
          return log.append(...args);
        },
      }),
      { limits: { confirmedTotal: 1 } },
    );
    const abort = new AbortController();
    const reason = new Error("enough");
    const [first, second] = [
      publishing(core, "news", 1, { signal: abort.signal }),
      publishing(core, "sport", 2),
    ];
    await core.clock.settle();
    expect([first.state, second.state, waiting(core)]).toEqual(["pending", "pending", [1, 1]]);
    isFailing = false;
    abort.abort(reason);
    await core.clock.settle();
    expect(first.reason).toBe(reason);
    expect([second.state, waiting(core)]).toEqual(["fulfilled", [1, 1]]);
    expect(core.errors.splice(0)).toMatchObject([
      { error: { message: "no space" }, context: { stage: "log" } },
    ]);
    expect(await finish(core)).toMatchObject({ givenUp: 1 });
  });

  test("when it is aborted at the moment when there is room", async ({ start }) => {
    const core = start({ limits: { confirmed: 1 } });
    const ann = await acknowledging(core, "news");
    await core.notifier.publish("news", 1, { confirm });
    const abort = new AbortController();
    const second = publishing(core, "news", 2, { signal: abort.signal });
    await core.clock.settle();
    ann.ack(1);
    abort.abort();
    await core.clock.settle();
    expect([second.state, waiting(core)]).toEqual(["rejected", [0, 0]]);
    expect(second.reason).toBe(abort.signal.reason);
    expect(await payloads(core.notifier, "news")).toEqual([1]);
  });

  test("when the log is closed", async ({ start }) => {
    const core = startWith(start, () => ({
      append: () => Promise.reject(new ClosedError("the log is closed")),
    }));
    const first = publishing(core, "news", 1);
    await core.clock.settle();
    expect(first.reason).toMatchObject({ name: "LogError", lasting: true });
    expect(waiting(core)).toEqual([0, 0]);
    expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 0 });
    expect(core.errors.splice(0).map(({ error }) => error)).toEqual([first.reason]);
  });

  test("not when it succeeds late", async ({ start }) => {
    let failures = 3;
    const core = startWith(start, (log) => ({
      append: async (...args) => {
        if (failures-- > 0) throw new Error("no space");
        return log.append(...args);
      },
    }));
    const first = publishing(core, "news", 1);
    await core.clock.advance(10_000);
    expect([first.value?.position.offset, waiting(core)]).toEqual([1, [1, 1]]);
    expect(core.errors.splice(0).map(({ context }) => context.stage)).toEqual(["log"]);
    await finish(core);
  });

  test("when closing ends before the log has returned", async ({ start }) => {
    const core = startWith(start, () => ({ append: () => never() }), { grace: 4_000 });
    const first = publishing(core, "news", 1);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(3_000);
    expect(first.reason).toBeInstanceOf(ClosedError);
    expect(closed.value).toMatchObject({ givenUp: 1, milliseconds: 3_000 });
    expect(rows(closed.value?.undelivered ?? [])).toEqual(["news 0 none unlogged"]);
    expect(waiting(core)).toEqual([0, 0]);
  });
});

describe("the ending of a run", () => {
  test("is confirmed, and the hook is called when no client received it while it was kept", async ({
    start,
  }) => {
    const core = recording(start, { limits: { runTtl: 2_000 } });
    const run = core.notifier.run(async () => "done");
    await run.result();
    await core.clock.advance(1_999);
    expect([core.reported, waiting(core)[0]]).toEqual([[], 1]);
    await core.clock.advance(1);
    expect(core.publications.map(({ channel, data }) => [channel, data])).toEqual([
      [`run:${run.id}`, { type: "run.completed", run: run.id, result: "done" }],
    ]);
    expect([core.reported, waiting(core)]).toEqual([[`run:${run.id} 2 expired`], [0, 0]]);
  });

  test.for(["completed", "failed", "cancelled"])(
    "is discharged by any client that has read it, %s",
    async (how, { start }) => {
      const core = recording(start);
      const go = deferred<string>();
      const run = core.notifier.run(() => go.promise);
      const result = outcomeOf(run.result());
      await subscriber(core, `run:${run.id}`, { peer: person("ann") });
      if (how === "completed") go.resolve("done");
      else if (how === "failed") go.reject(new Error("no"));
      else {
        const cancelled = run.cancel();
        go.reject(new Error("no"));
        await cancelled;
      }
      await core.clock.settle();
      expect([run.status, result.state === "pending", waiting(core)]).toEqual([how, false, [0, 0]]);
      expect((await typesOf(core.notifier, run.id)).at(-1)).toBe(`run.${how}`);
      expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 0 });
    },
  );

  test("arms no timer without a hook that would be called", async ({ start }) => {
    const core = start({ limits: { runTtl: 2_000 } });
    const run = core.notifier.run(async () => 1);
    await run.result();
    await core.clock.settle();
    const held = [`publication confirmed 2 of run:${run.id}`];
    expect([waiting(core)[0], core.clock.armed, heldBy(core)]).toEqual([1, 0, held]);
    await core.clock.advance(2_000);
    expect(waiting(core)).toEqual([0, 0]);
  });

  test("never waits for room, and takes no room from others", async ({ start }) => {
    const core = start({ limits: { confirmedTotal: 1 } });
    await core.notifier.publish("news", 1, { confirm, ttl: 5_000 });
    const run = core.notifier.run(async () => 1);
    await run.result();
    const second = publishing(core, "news", 2);
    await core.clock.advance(4_999);
    expect([waiting(core)[0], second.state]).toEqual([2, "pending"]);
    await core.clock.advance(1);
    expect([waiting(core)[0], second.state]).toEqual([2, "fulfilled"]);
    await finish(core);
  });

  test.for([{ confirmedTotal: 1 }, { confirmedTotalBytes: 60 }])(
    "is given up as overflow where others wait up to %j, and is in the log all the same",
    async (limits, { start }) => {
      const core = recording(start, { limits });
      for (const id of ["a", "b"]) {
        const run = core.notifier.run(async () => "done", { id, owner: "ann" });
        expect(await run.result()).toBe("done");
      }
      const { length } = '{"type":"run.completed","run":"a","result":"done"}';
      expect([core.reported, waiting(core)]).toEqual([["run:b 2 overflow"], [1, length]]);
      expect(await typesOf(core.notifier, "b")).toEqual(["run.started", "run.completed"]);
      const { undelivered, givenUp } = await finish(core);
      expect([rows(undelivered), givenUp]).toEqual([["run:a 2 logged closed"], 2]);
    },
  );

  test("never makes another confirmed publication be given up, even where both are appended at the same time", async ({
    start,
  }) => {
    const clock = fakeClock();
    const isSlow = (channel: string, data: string) => channel === "news" || data.includes("run.completed");
    const core = recording(start, {
      clock,
      limits: { confirmedTotal: 1 },
      log: logWith(clock, (log) => ({
        async append(channel, data, options) {
          if (isSlow(channel, data)) await delay(clock, channel === "news" ? 10 : 20);
          return log.append(channel, data, options);
        },
      })),
    });
    const first = publishing(core, "news", 1);
    const run = core.notifier.run(async () => "done");
    await clock.advance(10);
    expect([first.state, core.reported]).toEqual(["fulfilled", []]);
    await clock.advance(10);
    expect([run.status, core.reported, waiting(core)[0]]).toEqual(["completed", [], 2]);
    await finish(core);
  });

  test("is in the report of closing where no client was connected", async ({ start }) => {
    const core = recording(start, { grace: 4_000 });
    const run = core.notifier.run(() => never(), { owner: "ann", id: "a" });
    void run.result().catch(() => {});
    await core.clock.settle();
    const report = await finish(core);
    expect(report.runs.abandoned).toEqual(["a"]);
    expect(rows(report.undelivered)).toEqual(["run:a 2 logged closed"]);
    core.errors.splice(0);
  });
});

describe("closing waits for a client that acknowledges", () => {
  const shutdown = { code: 3001, reason: "shutdown" };

  test("until that client has acknowledged what is confirmed", async ({ start }) => {
    const core = start({ grace: 4_000 });
    const ann = await acknowledging(core, "news");
    await core.notifier.publish("news", 1, { confirm });
    await core.notifier.publish("news", 2, { confirm });
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(1_000);
    ann.ack(1);
    await core.clock.advance(1_000);
    expect([closed.state, ann.closed]).toEqual(["pending", undefined]);
    ann.ack(2);
    await core.clock.settle();
    expect(ann.closed).toEqual(shutdown);
    expect(closed.value).toMatchObject({
      undelivered: [],
      givenUp: 0,
      waiting: 0,
      sessions: { closed: 1, cut: 0 },
      milliseconds: 2_000,
    });
  });

  test("until another client has acknowledged it", async ({ start }) => {
    const core = start({ grace: 4_000 });
    const [ann, bob] = [await acknowledging(core, "news", "ann"), await acknowledging(core, "news", "bob")];
    await core.notifier.publish("news", 1, { confirm });
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(1_000);
    expect([ann.closed, bob.closed]).toEqual([undefined, undefined]);
    bob.ack(1);
    await core.clock.settle();
    expect([ann.closed, bob.closed]).toEqual([shutdown, shutdown]);
    expect(closed.value).toMatchObject({ undelivered: [], milliseconds: 1_000 });
  });

  test("until it has expired", async ({ start }) => {
    const core = start({ grace: 4_000 });
    const ann = await acknowledging(core, "news");
    await core.notifier.publish("news", 1, { confirm, ttl: 1_000 });
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(999);
    expect([closed.state, ann.closed]).toEqual(["pending", undefined]);
    await core.clock.advance(1);
    expect([closed.value?.milliseconds, ann.closed]).toEqual([1_000, shutdown]);
    expect(closed.value?.undelivered.map(({ reason }) => reason)).toEqual(["expired"]);
  });

  test("for three quarters of the grace, and then closes it all the same", async ({ start }) => {
    const core = start({ grace: 4_000 });
    const ann = await acknowledging(core, "news");
    await core.notifier.publish("news", 1, { confirm });
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(2_999);
    expect([closed.state, ann.closed]).toEqual(["pending", undefined]);
    await core.clock.advance(1);
    expect(ann.closed).toEqual(shutdown);
    expect(closed.value).toMatchObject({ sessions: { closed: 1, cut: 0 }, milliseconds: 3_000, givenUp: 1 });
    expect(rows(closed.value?.undelivered ?? [])).toEqual(["news 1 read closed"]);
  });

  test("not where another client has discharged it", async ({ start }) => {
    const core = start({ grace: 4_000 });
    await acknowledging(core, "news", "ann");
    await subscriber(core, "news", { peer: person("bob") });
    await core.notifier.publish("news", 1, { confirm });
    const closed = outcomeOf(core.notifier.close());
    await core.clock.settle();
    expect(closed.value).toMatchObject({ sessions: { closed: 2, cut: 0 }, milliseconds: 0, givenUp: 0 });
  });

  test("not where nothing was confirmed, or nothing confirmed was sent to that client", async ({ start }) => {
    const core = start({ grace: 4_000 });
    await core.notifier.publish("news", 1, { confirm });
    const ann = await acknowledging(core, "news");
    await core.notifier.publish("news", 2);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.settle();
    expect(ann.closed).toEqual(shutdown);
    expect(closed.value?.milliseconds).toBe(0);
    expect(rows(closed.value?.undelivered ?? [])).toEqual(["news 1 logged closed"]);
  });

  test("and not past the end of a grace that the caller passes", async ({ start }) => {
    const core = start({ grace: 4_000 });
    const ann = await acknowledging(core, "news");
    await core.notifier.publish("news", 1, { confirm });
    const closed = outcomeOf(core.notifier.close({ grace: 1_000 }));
    await core.clock.advance(749);
    expect([closed.state, ann.closed]).toEqual(["pending", undefined]);
    await core.clock.advance(1);
    expect([closed.value?.milliseconds, ann.closed]).toEqual([750, shutdown]);
  });
});
