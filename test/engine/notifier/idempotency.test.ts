import { describe, expect } from "vitest";
import { Idempotency } from "../../../src/engine/notifier/idempotency.ts";
import type { PublishOptions } from "../../../src/engine/notifier/publisher.ts";
import { ClosedError } from "../../../src/model/errors.ts";
import { fakeClock } from "../../../src/testing.ts";
import { acknowledging, arrival, began } from "../../support/acknowledging.ts";
import {
  type Core,
  finish,
  outcomeOf,
  payloads,
  rejection,
  slowAppend,
  spySignal,
  startWith,
  test,
} from "../../support/core.ts";

const idempotencyKey = "order-42";

/** Publishes with the idempotency key, without waiting for the result. */
function publishing({ notifier }: Core, data: unknown, options: PublishOptions = {}) {
  return outcomeOf(notifier.publish("news", data, { idempotencyKey, ...options }));
}

describe("publications with the same idempotency key", () => {
  test("are appended once, and all have the receipt of the first", async ({ start }) => {
    const { notifier, clock } = start();
    const first = await notifier.publish("news", "first", { idempotencyKey });
    await clock.advance(1_000);
    expect(await notifier.publish("news", "second", { idempotencyKey })).toBe(first);
    expect(await payloads(notifier, "news")).toEqual(["first"]);
  });

  test("are appended once also while the first is still in progress", async ({ start }) => {
    const core = startWith(start, (log, clock) => ({ append: slowAppend(clock, log, 1_000) }));
    const outcomes = [publishing(core, "first"), publishing(core, "second")];
    await core.clock.advance(500);
    outcomes.push(publishing(core, "third"));
    expect(outcomes.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
    await core.clock.advance(500);
    expect(outcomes[0]?.value?.position.offset).toBe(1);
    expect(new Set(outcomes.map(({ value }) => value)).size).toBe(1);
    await core.clock.advance(10_000);
    expect(await payloads(core.notifier, "news")).toEqual(["first"]);
  });

  test("are confirmed once, and all receipts are settled", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    const receipts = [
      await core.notifier.publish("news", 1, { idempotencyKey, confirm: true }),
      await core.notifier.publish("news", 1, { idempotencyKey, confirm: true }),
    ];
    await core.clock.settle();
    expect(core.notifier.stats().confirmed).toBe(1);
    const outcomes = receipts.map((receipt) => arrival(receipt));
    ann.ack(1);
    await core.clock.settle();
    const expected = { level: "acknowledged", by: "ann", time: began };
    expect(outcomes.map(({ value }) => value)).toEqual([expected, expected]);
    expect(core.notifier.stats().confirmed).toBe(0);
  });

  test("are separate on another channel, with another key, or without one", async ({ start }) => {
    const { notifier } = start();
    await notifier.publish("news", 1, { idempotencyKey });
    await notifier.publish("sport", 2, { idempotencyKey });
    await notifier.publish("news", 3, { idempotencyKey: `${idempotencyKey}3` });
    await notifier.publish("news", 4, { idempotencyKey: undefined });
    await notifier.publish("news", 5);
    expect(await payloads(notifier, "news")).toEqual([1, 3, 4, 5]);
    expect(await payloads(notifier, "sport")).toEqual([2]);
  });

  test("are separate for any characters in channel and key", async ({ start }) => {
    const { notifier } = start();
    await notifier.publish("a", 1, { idempotencyKey: "b c" });
    await notifier.publish("a b", 2, { idempotencyKey: "c" });
    expect([await payloads(notifier, "a"), await payloads(notifier, "a b")]).toEqual([[1], [2]]);
  });

  test.for([
    [{ limits: { idempotency: 1_000 } }, 1_000],
    [{}, 300_000],
  ] as const)("are one within limits.idempotency of the first (%j)", async ([options, ms], { start }) => {
    const { notifier, clock } = start(options);
    const offsets: number[] = [];
    // Using the key again does not extend its time.
    for (const wait of [0, ms - 1, 1, ms - 1]) {
      await clock.advance(wait);
      offsets.push((await notifier.publish("news", 1, { idempotencyKey })).position.offset);
    }
    expect(offsets).toEqual([1, 1, 2, 2]);
  });

  test("arm no timer", async ({ start }) => {
    const { notifier, clock } = start();
    await notifier.publish("news", 1, { idempotencyKey });
    expect([clock.armed, notifier.inspect()]).toEqual([0, []]);
  });
});

describe("a publication that fails", () => {
  test("frees its key, for all callers that shared it", async ({ start }) => {
    let failures = 1;
    const core = startWith(start, (log) => ({
      append: async (...args) => {
        if (failures-- > 0) throw new ClosedError("the log is closed");
        return log.append(...args);
      },
    }));
    const shared = [publishing(core, 1), publishing(core, 2)];
    await core.clock.settle();
    const why = 'Cannot publish to "news": its log is closed';
    expect(shared.map(({ reason }) => (reason as Error).message)).toEqual([why, why]);
    expect(core.errors.splice(0).map(({ error }) => error)).toEqual([shared[0]?.reason]);
    await core.notifier.publish("news", 3, { idempotencyKey });
    expect(await payloads(core.notifier, "news")).toEqual([3]);
  });

  test("because JSON cannot represent it does not use its key", async ({ start }) => {
    const { notifier } = start({ limits: { publication: 10 } });
    expect(await rejection(notifier.publish("news", 1n, { idempotencyKey }))).toBeInstanceOf(TypeError);
    expect(await rejection(notifier.publish("news", "x".repeat(9), { idempotencyKey }))).toBeInstanceOf(
      RangeError,
    );
    await notifier.publish("news", 3, { idempotencyKey });
    expect(await payloads(notifier, "news")).toEqual([3]);
  });

  test("because the notifier closes fails for all callers", async ({ start }) => {
    const core = startWith(start, (log, clock) => ({ append: slowAppend(clock, log, 60_000) }));
    const outcomes = [publishing(core, 1), publishing(core, 2)];
    await finish(core);
    for (const { reason } of outcomes) expect(reason).toBeInstanceOf(ClosedError);
    expect(await rejection(core.notifier.publish("news", 3, { idempotencyKey }))).toBeInstanceOf(ClosedError);
  });
});

describe("a signal ends only the wait of its own caller,", () => {
  test("where the first aborts not that of the second, and not the publication", async ({ start }) => {
    const core = startWith(start, (log, clock) => ({ append: slowAppend(clock, log, 1_000) }));
    const spy = spySignal();
    const reason = { enough: true };
    const first = publishing(core, "first", { signal: spy.signal });
    const second = publishing(core, "second");
    await core.clock.advance(500);
    expect(spy.listeners).toBe(1);
    spy.controller.abort(reason);
    await core.clock.settle();
    expect([first.state, second.state, spy.listeners]).toEqual(["rejected", "pending", 0]);
    expect(first.reason).toBe(reason);
    await core.clock.advance(500);
    expect(second.value?.position.offset).toBe(1);
    expect(await payloads(core.notifier, "news")).toEqual(["first"]);
  });

  test("where the second aborts not that of the first", async ({ start }) => {
    const core = startWith(start, (log, clock) => ({ append: slowAppend(clock, log, 1_000) }));
    const abort = new AbortController();
    const first = publishing(core, "first");
    const second = publishing(core, "second", { signal: abort.signal });
    abort.abort();
    await core.clock.settle();
    expect([first.state, second.state]).toEqual(["pending", "rejected"]);
    expect(second.reason).toBe(abort.signal.reason);
    await core.clock.advance(1_000);
    expect(first.state).toBe("fulfilled");
  });

  test("even where no caller waits any longer", async ({ start }) => {
    const core = startWith(start, (log, clock) => ({ append: slowAppend(clock, log, 1_000) }));
    const abort = new AbortController();
    const only = publishing(core, "only", { signal: abort.signal });
    abort.abort();
    await core.clock.advance(1_000);
    expect(only.state).toBe("rejected");
    expect(await payloads(core.notifier, "news")).toEqual(["only"]);
    expect((await core.notifier.publish("news", "again", { idempotencyKey })).position.offset).toBe(1);
  });

  test("and where it had aborted before, nothing is published", async ({ start }) => {
    const core = start();
    const reason = new Error("too late");
    const publish = core.notifier.publish("news", 1, { idempotencyKey, signal: AbortSignal.abort(reason) });
    expect(await rejection(publish)).toBe(reason);
    await core.notifier.publish("news", 2, { idempotencyKey });
    expect(await payloads(core.notifier, "news")).toEqual([2]);
  });
});

test.for(["", "x".repeat(256), 7, null, {}, true])("a key like %j is refused", async (key, { start }) => {
  const { notifier } = start();
  const reason = await rejection(notifier.publish("news", 1, { idempotencyKey: key as string }));
  expect(reason).toEqual(
    new TypeError("Cannot publish with this idempotency key: a key is a text of 1 to 255 characters"),
  );
  expect(await payloads(notifier, "news")).toEqual([]);
});

test("a key may have 255 characters of any kind", async ({ start }) => {
  const { notifier } = start();
  for (const key of ["x".repeat(255), "\0", " ", "__proto__", "🔔"]) {
    const first = await notifier.publish("news", key.length, { idempotencyKey: key });
    expect(await notifier.publish("news", key.length, { idempotencyKey: key })).toBe(first);
  }
  expect(await payloads(notifier, "news")).toEqual([255, 1, 1, 9, 2]);
});

test("the newest 10 000 keys are remembered", async () => {
  const clock = fakeClock();
  const once = new Idempotency<number>(clock, 1_000);
  let made = 0;
  const use = (key: number): Promise<number> => once.do(`${key}`, async () => ++made);
  for (let key = 0; key <= 10_000; key++) await use(key);
  expect(made).toBe(10_001);
  expect([await use(1), await use(10_000)]).toEqual([2, 10_001]);
  expect(await use(0)).toBe(10_002);
  once.clear();
  expect(await use(10_000)).toBe(10_003);
});
