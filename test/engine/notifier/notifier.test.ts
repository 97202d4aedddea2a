import { describe, expect } from "vitest";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import type { PublishOptions } from "../../../src/engine/notifier/notifier.ts";
import { GapError } from "../../../src/model/errors.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  deferred,
  logWith,
  never,
  outcomeOf,
  payloads,
  rejection,
  spySignal,
  startWith,
  subscriber,
  test,
} from "../../support/core.ts";

const broken = new Error("no space");

describe("publish", () => {
  test("returns the position of the publication, and history returns its data unchanged", async ({
    start,
  }) => {
    const { notifier, clock } = start();
    const data = { text: "Zoë ✓ 𝒳 \u2028 line\nbreak", list: [1, null, true], "": {} };
    const { channel, position } = await notifier.publish("news", data, { tags: { lang: "en" } });
    await clock.advance(1_500);
    const second = await notifier.publish("news", null);
    expect([channel, position.offset, second.position.offset]).toEqual(["news", 1, 2]);
    expect(second.position.epoch).toBe(position.epoch);
    expect(await notifier.history("news")).toEqual({
      channel: "news",
      epoch: position.epoch,
      offset: 2,
      publications: [
        {
          channel: "news",
          offset: 1,
          epoch: position.epoch,
          data,
          time: 1_767_225_600_000,
          tags: { lang: "en" },
        },
        {
          channel: "news",
          offset: 2,
          epoch: position.epoch,
          data: null,
          time: 1_767_225_601_500,
          tags: undefined,
        },
      ],
    });
  });

  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const fault = new Error("mine");
  const thrower = () => {
    throw fault;
  };
  const bad: [string, unknown][] = [
    ["undefined", undefined],
    ["a function", () => {}],
    ["a symbol", Symbol("x")],
    ["a BigInt", 1n],
    ["a BigInt deep inside", { a: [{ b: 1n }] }],
    ["a cycle", cycle],
    ["a toJSON that throws", { toJSON: thrower }],
    ["a toJSON that answers nothing", { toJSON: () => undefined }],
    ["a getter that throws", Object.defineProperty({}, "x", { get: thrower, enumerable: true })],
  ];
  test.for(bad)("of %s is a TypeError, and nothing is logged or sent", async ([, data], { start }) => {
    const core = start();
    const client = await subscriber(core, "news");
    const { frames } = client;
    const reason = (await rejection(core.notifier.publish("news", data))) as Error;
    expect(reason).toBeInstanceOf(TypeError);
    expect(reason.message).toMatch(/^Cannot put the payload for "news" into JSON: /);
    expect([undefined, fault, expect.any(Error)]).toContainEqual(reason.cause);
    await core.clock.settle();
    expect(await payloads(core.notifier, "news")).toEqual([]);
    expect(client.frames).toBe(frames);
  });

  const badNames: [string, unknown][] = [
    ["an empty text", ""],
    ["256 characters", "x".repeat(256)],
    ["a number", 5],
    ["nothing", undefined],
    ["an object", { toString: () => "news" }],
  ];
  test.for(badNames)(
    "to %s is a TypeError, and so is following or reading it",
    async ([, name], { start }) => {
      const { notifier } = start();
      const channel = name as string;
      expect(await rejection(notifier.publish(channel, 1))).toBeInstanceOf(TypeError);
      expect(await rejection(notifier.history(channel))).toBeInstanceOf(TypeError);
      expect(await rejection((async () => notifier.follow(channel).next())())).toBeInstanceOf(TypeError);
    },
  );

  test.for([
    ["a number among them", { n: 1 }],
    ["nothing", null],
    ["a text", "tag"],
  ])("with tags that are %s is a TypeError", async ([, tags], { start }) => {
    const { notifier } = start();
    const options = { tags } as unknown as PublishOptions;
    expect(await rejection(notifier.publish("news", 1, options))).toBeInstanceOf(TypeError);
    expect(await payloads(notifier, "news")).toEqual([]);
  });

  test.for([
    ["ASCII", "x", 1],
    ["characters of three bytes", "漢", 3],
    ["characters of four bytes", "𝒳", 4],
  ])("counts its limit in bytes of UTF-8: %s", async ([, unit, bytes], { start }) => {
    const { notifier } = start({ limits: { publication: 1_202 } });
    const atLimit = String(unit).repeat(1_200 / Number(bytes));
    await notifier.publish("news", atLimit);
    const reason = await rejection(notifier.publish("news", `${atLimit}x`));
    expect(reason).toBeInstanceOf(RangeError);
    expect((reason as Error).message).toBe('Cannot publish the payload for "news": it is over 1202 bytes');
    expect(await payloads(notifier, "news")).toEqual([atLimit]);
  });

  test("takes 256 KiB by default, and not a byte more", async ({ start }) => {
    const { notifier } = start();
    await notifier.publish("news", "x".repeat(262_142));
    expect(await rejection(notifier.publish("news", "x".repeat(262_143)))).toBeInstanceOf(RangeError);
  });

  test("with a signal that has aborted rejects with its reason, and nothing is logged", async ({ start }) => {
    const { notifier } = start();
    const reason = { why: "no" };
    expect(await rejection(notifier.publish("news", 1, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await payloads(notifier, "news")).toEqual([]);
  });

  test("rejects with the signal's own reason while it waits for the log", async ({ start }) => {
    const core = startWith(start, () => ({ append: () => never() }));
    const spy = spySignal();
    const waiting = [1, 2, 3].map((n) => rejection(core.notifier.publish("news", n, { signal: spy.signal })));
    expect(spy.most).toBe(1);
    await core.clock.settle();
    const reason = { why: "enough" };
    spy.controller.abort(reason);
    for (const each of waiting) expect(await each).toBe(reason);
    expect(spy.listeners).toBe(0);
    expect(core.notifier.stats()).toMatchObject({ publishing: 0, waits: 0 });
  });

  test("keeps the order across a log that fails and recovers again and again, and reports it once", async ({
    start,
  }) => {
    let calls = 0;
    const core = startWith(start, (log) => ({
      append: (...args) => (calls++ % 3 < 2 ? Promise.reject(broken) : log.append(...args)),
    }));
    const all = Array.from({ length: 20 }, (_, i) => i);
    const published = all.map((n) => outcomeOf(core.notifier.publish("news", n)));
    await core.clock.advance(60_000);
    expect(published.map(({ value }) => value?.position.offset)).toEqual(all.map((n) => n + 1));
    expect(await payloads(core.notifier, "news")).toEqual(all);
    expect(core.errors.splice(0)).toEqual([
      { error: broken, context: { stage: "log", owner: "publish news" } },
    ]);
  });

  test("serialises at the call: later changes of the object are not sent", async ({ start }) => {
    const { notifier } = start();
    const data = { state: "before" };
    const published = notifier.publish("news", data);
    data.state = "after";
    await published;
    expect(await payloads(notifier, "news")).toEqual([{ state: "before" }]);
  });

  test("works without subscribers, and affects no other channel", async ({ start }) => {
    const core = start();
    const client = await subscriber(core, "sport");
    const { frames } = client;
    for (let i = 0; i < 100; i++) await core.notifier.publish("news", i);
    await core.clock.settle();
    expect(client.frames).toBe(frames);
    expect(core.notifier.stats().channels).toBe(1);
  });

  test("goes on after a user's onError that throws", async ({ start }) => {
    let failing = true;
    const clock = fakeClock();
    const log = logWith(clock, (memory) => ({
      append: (...args) => (failing ? Promise.reject(broken) : memory.append(...args)),
    }));
    const { notifier } = start({
      clock,
      log,
      onError: () => {
        throw new Error("worse");
      },
    });
    const published = outcomeOf(notifier.publish("news", 1));
    await clock.settle();
    failing = false;
    await clock.advance(1_000);
    expect(published.value?.position.offset).toBe(1);
  });
});

describe("history", () => {
  test("returns what follows a position, up to a limit", async ({ start }) => {
    const { notifier } = start();
    for (let i = 1; i <= 10; i++) await notifier.publish("news", i);
    const { epoch } = await notifier.history("news", { limit: 0 });
    const offsets = async (options: object) =>
      (await notifier.history("news", options)).publications.map(({ offset }) => offset);
    expect(await offsets({ after: { epoch, offset: 7 } })).toEqual([8, 9, 10]);
    expect(await offsets({ after: { epoch: "", offset: 0 }, limit: 2 })).toEqual([1, 2]);
    expect(await offsets({ limit: 3 })).toEqual([1, 2, 3]);
    expect(await offsets({ after: { epoch, offset: 10 } })).toEqual([]);
    expect(await notifier.history("empty")).toMatchObject({ offset: 0, publications: [] });
  });

  test("after a trimmed or unknown position is a GapError with the earliest position to continue from", async ({
    start,
  }) => {
    const clock = fakeClock();
    const { notifier } = start({ clock, log: logWith(clock, () => ({}), { size: 3, slack: 0 }) });
    for (let i = 1; i <= 10; i++) await notifier.publish("news", i);
    const { epoch } = await notifier.history("news");
    const earliest = { epoch, offset: 7 };
    for (const after of [
      { epoch, offset: 6 },
      { epoch, offset: 11 },
      { epoch: "other", offset: 9 },
    ]) {
      const reason = await rejection(notifier.history("news", { after }));
      expect(reason).toBeInstanceOf(GapError);
      expect(reason).toMatchObject({ name: "GapError", channel: "news", after, earliest });
    }
    expect(
      (await notifier.history("news", { after: earliest })).publications.map(({ data }) => data),
    ).toEqual([8, 9, 10]);
    expect(await payloads(notifier, "news")).toEqual([8, 9, 10]);
  });

  test("rejects with the signal's own reason, before and while it waits", async ({ start }) => {
    const core = startWith(start, () => ({ read: () => never() }));
    const spy = spySignal();
    const reason = { why: "enough" };
    const early = AbortSignal.abort(reason);
    expect(await rejection(core.notifier.history("news", { signal: early }))).toBe(reason);
    const waiting = rejection(core.notifier.history("news", { signal: spy.signal }));
    await core.clock.settle();
    spy.controller.abort(reason);
    expect(await waiting).toBe(reason);
    expect(spy.listeners).toBe(0);
  });

  test("of a log that fails rejects with the log's error", async ({ start }) => {
    const core = startWith(start, () => ({ read: () => Promise.reject(broken) }));
    expect(await rejection(core.notifier.history("news"))).toBe(broken);
  });
});

test("tags count into the size of a publication", async ({ start }) => {
  const { notifier } = start({ limits: { publication: 100 } });
  const text = "x".repeat(88);
  // The payload takes 90 bytes, each "é" two and the tag's name four.
  await notifier.publish("news", text, { tags: { lang: "éééx".slice(0, 3) } });
  const over = new RangeError('Cannot publish to "news": with its tags it is over 100 bytes');
  await expect(notifier.publish("news", text, { tags: { lang: "éééx" } })).rejects.toThrow(over);
  await expect(
    notifier.publish("news", 1, { tags: { ["x".repeat(99)]: "yy" }, confirm: true }),
  ).rejects.toThrow(over);
  expect((await notifier.history("news")).publications).toHaveLength(1);
});

describe("a notifier's options", () => {
  test.for([
    ["grace", -1],
    ["grace", Number.NaN],
    ["heartbeat", 0],
    ["window", 0],
    ["window", "big"],
  ])("refuse %s %s", ([name, value]) => {
    expect(() => createNotifier({ [String(name)]: value })).toThrow(RangeError);
  });

  test("refuse a limit that is not a valid bound", () => {
    expect(() => createNotifier({ limits: { publication: 0 } })).toThrow(RangeError);
    expect(() => createNotifier({ limits: { message: Number.NaN } })).toThrow(RangeError);
  });
});

test("a hundred waits on one signal share one listener, and leave none", async ({ start }) => {
  const core = startWith(start, () => ({ append: () => never() }));
  const spy = spySignal();
  const { signal } = spy;
  const go = deferred();
  const { notifier, clock } = core;
  const waits = Array.from({ length: 25 }, (_, n) => [
    rejection(notifier.publish(`channel ${n}`, n, { signal })),
    rejection(notifier.follow("news", { signal }).next()),
    rejection(notifier.run(() => go.promise, { signal }).result({ signal })),
    rejection(notifier.publish("news", n, { signal })),
  ]).flat();
  await clock.settle();
  expect([spy.listeners, spy.most]).toEqual([1, 1]);
  const reason = { why: "the user left" };
  spy.controller.abort(reason);
  for (const wait of waits) expect(await wait).toBe(reason);
  expect([spy.listeners, spy.most]).toEqual([0, 1]);
});
