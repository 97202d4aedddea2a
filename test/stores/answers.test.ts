import { describe, expect } from "vitest";
import { ClosedError } from "../../src/model/errors.ts";
import { memoryLog } from "../../src/stores/memory.ts";
import { pipe } from "../../src/testing/pipe.ts";
import { fakeClock } from "../../src/testing.ts";
import { jsonCodec } from "../../src/wire/json-codec.ts";
import { countCalls, logWith, offsetsIn, publishAll, subscriber, test, upTo } from "../support/core.ts";

describe("a log that returns without a promise", () => {
  test("may be used with and without await", async () => {
    const log = memoryLog({ clock: fakeClock() });
    const first = log.append("a", "1", { time: 1 });
    const second = await log.append("a", "2", { time: 2 });
    expect(first).toEqual({ offset: 1, epoch: second.epoch });
    expect(second.offset).toBe(2);
    expect(log.read("a", {})).toEqual(await log.read("a", {}));
  });

  test("is watched from its return until that watch is disposed", async () => {
    const log = memoryLog({ clock: fakeClock() });
    let wakes = 0;
    const watching = log.watch("a", () => wakes++) as AsyncDisposable;
    await log.append("a", "1", { time: 1 });
    expect(wakes).toBe(1);
    await watching[Symbol.asyncDispose]();
    await log.append("a", "2", { time: 2 });
    expect(wakes).toBe(1);
    await log[Symbol.asyncDispose]();
    expect(() => log.watch("a", () => {})).toThrow(ClosedError);
  });

  test("throws where it would reject, and has not appended", async () => {
    const log = memoryLog({ clock: fakeClock() });
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    expect(() => log.append("a", "1", { time: 1, signal })).toThrow(reason);
    expect((await log.read("a", {})).top).toBe(0);
    await log[Symbol.asyncDispose]();
    expect(() => log.append("a", "1", { time: 1 })).toThrow(ClosedError);
    expect(() => log.read("a", {})).toThrow(ClosedError);
  });

  test("that throws is tried again, and reported once", async ({ start }) => {
    const clock = fakeClock();
    let failing = true;
    const refuse = (): never => {
      throw new Error("not now");
    };
    const log = logWith(clock, (memory) => ({
      append: (...call) => (failing ? refuse() : memory.append(...call)),
    }));
    const core = start({ clock, log });
    const client = await subscriber(core, "news");
    for (let n = 1; n <= 3; n++) void core.notifier.publish("news", n);
    await clock.advance(1_000);
    expect(core.errors.splice(0).map(({ error }) => (error as Error).message)).toEqual(["not now"]);
    failing = false;
    await clock.advance(5_000);
    await publishAll(core, 3, 10);
    expect(offsetsIn(client.received, "news")).toEqual(upTo(6));
  });

  test("gets an append number only with the first append; an asynchronous one gets one each time", async ({
    start,
  }) => {
    for (const isAtOnce of [true, false]) {
      const clock = fakeClock();
      const numbers: (number | undefined)[] = [];
      const log = logWith(clock, (memory) => ({
        append(channel, data, options) {
          numbers.push(options.once?.n);
          const position = memory.append(channel, data, options);
          return isAtOnce ? position : Promise.resolve(position);
        },
      }));
      const core = start({ clock, log });
      await publishAll(core, 3, 10);
      expect(numbers).toEqual(isAtOnce ? [1, undefined, undefined] : [1, 2, 3]);
    }
  });
});

test("publications are encoded once for all that come back to the same position", async ({ start }) => {
  const core = start();
  const first = await subscriber(core, "news");
  await publishAll(core, 100, 50);
  const epoch = (await core.notifier.history("news")).epoch;
  const encode = countCalls(jsonCodec, "publication");
  try {
    const clients = upTo(50).map(() => {
      const client = pipe(core.notifier);
      client.send(
        { id: 1, connect: {} },
        { id: 2, subscribe: { channel: "news", recover: true, offset: 1, epoch } },
      );
      return client;
    });
    await core.clock.settle();
    expect(encode.calls).toBeLessThanOrEqual(100);
    for (const { received } of clients) expect(offsetsIn(received, "news")).toEqual(upTo(100).slice(1));
  } finally {
    encode.restore();
  }
  expect(offsetsIn(first.received, "news")).toEqual(upTo(100));
});

test.for([
  ["in the next turn", 1_000],
  ["after a while without recoveries", 300_000],
] as const)(
  "what was sent in a recovery is not sent again once the log has lost it, %s",
  async ([_, ttl], { start }) => {
    const clock = fakeClock();
    const core = start({ clock, log: memoryLog({ clock, ttl }) });
    await publishAll(core, 3, 50);
    const { epoch } = await core.notifier.history("news");
    const resume = async (): Promise<unknown> => {
      const client = pipe(core.notifier);
      client.send(
        { id: 1, connect: {} },
        { id: 2, subscribe: { channel: "news", recover: true, offset: 1, epoch } },
      );
      await core.clock.settle();
      return client.received;
    };
    expect(await resume()).toMatchObject([{ id: 1 }, { subscribe: { recovered: true, offset: 1 } }]);
    await core.clock.advance(ttl);
    expect(await resume()).toMatchObject([{ id: 1 }, { subscribe: { was_recovering: true, offset: 3 } }]);
  },
);
