import { describe, expect } from "vitest";
import { pipe } from "../../../src/testing/pipe.ts";
import { type FakeClock, fakeClock } from "../../../src/testing.ts";
import {
  type Core,
  logWith,
  type Message,
  offsetsIn,
  publishAll,
  rawSocket,
  type Start,
  startWith,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";

/** Returns a clock that counts its turns. */
function countingClock(): { clock: FakeClock; readonly turns: number } {
  const fake = fakeClock();
  let turns = 0;
  const turn = (run: () => void): void =>
    fake.turn(() => {
      turns++;
      run();
    });
  const clock = Object.defineProperties(
    {},
    { ...Object.getOwnPropertyDescriptors(fake), turn: { value: turn } },
  );
  return {
    clock: clock as FakeClock,
    get turns() {
      return turns;
    },
  };
}

describe("the window", () => {
  const cases = [1_024, 16_384, 262_144].flatMap((window) =>
    [20, 300, 5_000, 70_000].map((size) => [window, size] as const),
  );
  test.for(cases)(
    "of %i bytes bounds what is in flight, for payloads of %i bytes",
    async ([window, size], { start }) => {
      const core = startWith(start, () => ({}), { window }, { size: Infinity, bytes: Infinity });
      const client = await subscriber(core, "news");
      // Fills half of the window, so that a pong proves the replies and everything before them read.
      await publishAll(core, 1, window / 2);
      client.stall();
      const count = Math.ceil((window * 3) / size) + 3;
      for (let i = 0; i < count; i++) void core.notifier.publish("news", "x".repeat(size - 2));
      await core.clock.settle();
      const max = Math.max(window, size + 80) + "\n{}".length;
      expect(client.waiting).toBeLessThanOrEqual(max);
      expect(client.waiting).toBeGreaterThanOrEqual(Math.min(window / 2, size));
      const { waiting } = client;
      await publishAll(core, 20, size);
      expect(client.waiting).toBeLessThanOrEqual(max);
      expect(client.waiting - waiting).toBeLessThanOrEqual(window / 4);
      client.resume();
      await core.clock.settle();
      expect(offsetsIn(client.received, "news")).toEqual(upTo(count + 21));
    },
  );

  test("is proven read by a ping after the data that fills half of it, never earlier, never by two", async ({
    start,
  }) => {
    const core = start({ window: 1_000 });
    const raw = rawSocket(core.notifier);
    raw.session.receive('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}');
    await core.clock.settle();
    // Each message counts with one separator, and without spaces at its end.
    let inFlight = raw.lines.reduce((sum, line) => sum + line.trimEnd().length + 1, 0);
    for (let pings = 0; pings < 5; inFlight = 0, pings++) {
      while (inFlight < 500) {
        await publishAll(core, 1, 40);
        const lines = (raw.sent.at(-1) as string).split("\n");
        inFlight += (lines[0] as string).length + 1;
        expect(lines.slice(1)).toEqual(inFlight < 500 ? [] : ["{}"]);
      }
      if (pings < 4) raw.pong();
    }
    await publishAll(core, 20, 40);
    expect(raw.lines.filter((line) => line === "{}")).toHaveLength(5);
  });

  test("does not count the spaces that pad the first frame to a thousand characters", async ({ start }) => {
    const core = start({ window: 1_000 });
    const raw = rawSocket(core.notifier);
    raw.session.receive('{"id":1,"connect":{}}');
    await core.clock.settle();
    const [first = ""] = raw.lines;
    expect([raw.lines.length, first.length]).toEqual([1, 1_000]);
    expect([JSON.parse(first).id, core.notifier.totals().bytes.windows]).toEqual([
      1,
      first.trimEnd().length + 1,
    ]);
  });

  test("that is full for limits.slow closes the session with 3008, and not before", async ({ start }) => {
    const core = start({ window: 1_024, limits: { slow: 60_000 } });
    const client = await subscriber(core, "news");
    client.stall();
    await publishAll(core, 10, 300);
    await core.clock.advance(59_999);
    expect(client.closed).toBeUndefined();
    await core.clock.advance(51);
    expect(client.closed).toEqual({ code: 3008, reason: "slow" });
  });
});

describe("a stuck peer", () => {
  test("among a thousand delays the others by no turn", async ({ start }) => {
    const counting = countingClock();
    const core = start({ clock: counting.clock, window: 4_096 });
    const healthy = [];
    const arrivals: number[] = [];
    for (let i = 0; i < 999; i++) healthy.push(await subscriber(core, "news"));
    const stuck = await subscriber(core, "news");
    stuck.stall();
    const raw = rawSocket(core.notifier, undefined, {
      onSend: (frame) => {
        if (frame.includes('"pub"')) arrivals.push(counting.turns);
        if (frame.endsWith("\n{}")) queueMicrotask(() => raw.pong());
      },
    });
    raw.session.receive('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}');
    await core.clock.settle();
    for (let i = 1; i <= 50; i++) {
      const { turns } = counting;
      await core.notifier.publish("news", "x".repeat(300));
      await core.clock.settle();
      expect(arrivals).toHaveLength(i);
      expect(arrivals.at(-1)).toBe(turns + 1);
    }
    for (const { received } of healthy) expect(offsetsIn(received, "news")).toEqual(upTo(50));
    expect(stuck.waiting).toBeLessThanOrEqual(4_096 + 3);
    await core.clock.advance(61_000);
    expect(stuck.closed?.code).toBe(3008);
    expect(healthy.filter(({ closed }) => closed !== undefined)).toEqual([]);
  });

  test("on one channel delays no other subscriber of it, nor its own other channels", async ({ start }) => {
    const core = start({ window: 1_024 });
    const [stuck, other] = [await subscriber(core, ["a", "b"]), await subscriber(core, ["a", "b"])];
    stuck.stall();
    await publishAll(core, 10, 300, "a");
    await publishAll(core, 10, 300, "b");
    expect(offsetsIn(other.received, "a")).toEqual(upTo(10));
    expect(offsetsIn(other.received, "b")).toEqual(upTo(10));
    stuck.resume();
    await core.clock.settle();
    expect(offsetsIn(stuck.received, "a")).toEqual(upTo(10));
    expect(offsetsIn(stuck.received, "b")).toEqual(upTo(10));
  });
});

describe("a peer that comes back from a stall", () => {
  /** Starts a notifier and records the reads that return entries, and not only a channel's position. */
  function startCounting(start: Start, options: object = {}): { core: Core; reads: number[] } {
    const reads: number[] = [];
    const clock = fakeClock();
    const log = logWith(
      clock,
      (memory) => ({
        read: (channel, read) => {
          if (read.limit !== 0) reads.push(read.after?.offset ?? 0);
          return memory.read(channel, read);
        },
      }),
      options,
    );
    return { core: start({ clock, log, window: 2_048 }), reads };
  }

  test("gets what it missed from memory while it is not far behind", async ({ start }) => {
    const { core, reads } = startCounting(start);
    const [stalled, witness] = [await subscriber(core, "news"), await subscriber(core, "news")];
    stalled.stall();
    await publishAll(core, 9, 300);
    reads.length = 0;
    stalled.resume();
    await core.clock.settle();
    for (const { received } of [stalled, witness]) expect(offsetsIn(received, "news")).toEqual(upTo(9));
    expect(reads).toEqual([]);
  });

  test("gets it from the log when it is far behind, with what is published meanwhile, each once", async ({
    start,
  }) => {
    const { core, reads } = startCounting(start);
    const [stalled, witness] = [await subscriber(core, "news"), await subscriber(core, "news")];
    stalled.stall();
    await publishAll(core, 500, 300);
    reads.length = 0;
    stalled.resume();
    for (let i = 0; i < 20; i++) void core.notifier.publish("news", "meanwhile");
    await core.clock.settle();
    for (const { received } of [stalled, witness]) expect(offsetsIn(received, "news")).toEqual(upTo(520));
    expect(reads.length).toBeGreaterThan(1);
  });

  test("beyond what the log keeps gets 2500, and continues from a new position when it comes back", async ({
    start,
  }) => {
    const { core } = startCounting(start, { size: 10, slack: 0 });
    const client = await subscriber(core, "news");
    client.stall();
    await publishAll(core, 100, 300);
    client.resume();
    await core.clock.settle();
    const got = offsetsIn(client.received, "news");
    expect(got).toEqual(upTo(got.length));
    expect(client.received.slice(got.length)).toEqual([
      { push: { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } } },
    ]);
    const { epoch } = await core.notifier.history("news");
    client.send({ id: 9, subscribe: { channel: "news", recover: true, offset: got.length, epoch } });
    await core.clock.settle();
    const reply = (client.received.at(-1) as Message).subscribe;
    expect(reply).toMatchObject({ offset: 100, epoch, was_recovering: true });
    expect(reply?.recovered ?? false).toBe(false);
    await publishAll(core, 1, 300);
    expect(offsetsIn(client.received, "news")).toEqual([...got, 101]);
  });

  test("beyond what the log keeps, subscribed by the server, is closed with 3010", async ({ start }) => {
    const { core } = startCounting(start, { size: 10, slack: 0 });
    const client = pipe(core.notifier, { peer: { user: "ann", channels: ["news"] } });
    client.send({ id: 1, connect: {} });
    await core.clock.settle();
    client.stall();
    await publishAll(core, 100, 300);
    client.resume();
    await core.clock.settle();
    const got = offsetsIn(client.received, "news");
    expect(got).toEqual(upTo(got.length));
    expect(client.closed).toEqual({ code: 3010, reason: "insufficient state" });
  });

  test("misses nothing when the log fails while it catches up", async ({ start }) => {
    let failing = false;
    const core = startWith(
      start,
      (log) => ({ read: (...args) => (failing ? Promise.reject(new Error("gone")) : log.read(...args)) }),
      { window: 1_024 },
    );
    const client = await subscriber(core, "news");
    client.stall();
    await publishAll(core, 100, 300);
    failing = true;
    client.resume();
    await core.clock.advance(3_000);
    expect(core.errors.splice(0).map(({ context }) => context.stage)).toContain("log");
    failing = false;
    await core.clock.advance(1_000);
    expect(offsetsIn(client.received, "news")).toEqual(upTo(100));
  });
});
