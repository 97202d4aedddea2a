import { describe, expect } from "vitest";
import { Burst } from "../../../src/engine/log/burst.ts";
import type { TaskContext } from "../../../src/model/run.ts";
import type { RunEvent } from "../../../src/run.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  type Core,
  finish,
  logWith,
  offsetsIn,
  outcomeOf,
  rawSocket,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";

/** Adds publications of 808 characters, each of which counts as 1 000 bytes, and ends the turn. */
function turnOf(burst: Burst, first: number, last: number, keeps: Parameters<Burst["turn"]>[0]): number {
  for (let offset = first; offset <= last; offset++) burst.add(808, offset);
  return burst.turn(keeps);
}

test("no subscriber has to reach any offset until half of what the log keeps was published", () => {
  const keeps = { size: 0, bytes: 1_000, slack: 10_000 };
  const burst = new Burst("news", 0, 0);
  expect(turnOf(burst, 1, 2, keeps)).toBe(0);
  expect(turnOf(burst, 3, 5, keeps)).toBe(0);
  // A subscriber at offset 0 is now more than 5 000 bytes behind. A subscriber at offset 2 is less than that behind.
  expect(turnOf(burst, 6, 6, keeps)).toBe(2);
  expect(turnOf(burst, 7, 7, keeps)).toBe(2);
  expect(turnOf(burst, 8, 8, keeps)).toBe(5);
  // A turn of more than half of what the log keeps has to be read to its end.
  expect(turnOf(burst, 9, 14, keeps)).toBe(14);
});

test("publications before the count started count as well, with their offset unknown", () => {
  const keeps = { size: 0, bytes: 0, slack: 10_000 };
  const burst = new Burst("news", 0, 4_000);
  expect(burst.turn(keeps)).toBe(0);
  expect(turnOf(burst, 9, 9, keeps)).toBe(0);
  expect(turnOf(burst, 10, 10, keeps)).toBe(9);
});

test("a few large publications are bounded by the log's bytes, and many small ones by its size", () => {
  const large = new Burst("news", 0, 0);
  expect(turnOf(large, 1, 3, { size: 1_000_000, bytes: 1_000, slack: 4_000 })).toBe(3);
  const small = new Burst("news", 0, 0);
  expect(turnOf(small, 1, 3, { size: 5, bytes: 1_000_000, slack: 4_000 })).toBe(3);
});

test("without slack the size counts as well", () => {
  const burst = new Burst("news", 0, 0);
  expect(turnOf(burst, 1, 12, { size: 10, bytes: 1_000_000, slack: 0 })).toBe(7);
});

test("a turn in which nothing was published changes nothing", () => {
  const keeps = { size: 1, bytes: 0, slack: 4_000 };
  const burst = new Burst("news", 0, 0);
  turnOf(burst, 1, 2, keeps);
  expect(turnOf(burst, 3, 4, keeps)).toBe(2);
  for (let i = 0; i < 10; i++) expect(burst.turn(keeps)).toBe(2);
});

test("a channel that starts a new epoch is counted from there", () => {
  const keeps = { size: 1, bytes: 0, slack: 4_000 };
  const burst = new Burst("news", 0, 0);
  turnOf(burst, 1, 2, keeps);
  expect(turnOf(burst, 3, 4, keeps)).toBe(2);
  expect(turnOf(burst, 1, 1, keeps)).toBe(0);
  expect(turnOf(burst, 2, 3, keeps)).toBe(1);
});

/** Returns a function that tells whether a burst waits, for subscribers at these offsets. The target offset is 10. */
function waiting(burst: Burst): (cursors: readonly number[], now: number) => boolean {
  return (cursors, now) => {
    burst.waitFor(
      (after) => cursors.filter((each) => each > after && each < 10).sort((a, b) => a - b)[0],
      now,
    );
    return burst.isHeld;
  };
}

test("a burst waits for the slowest subscriber while that makes progress, and 100 ms more", () => {
  const burst = new Burst("news", 0, 0);
  const waits = waiting(burst);
  expect([waits([1], 50), waits([1], 149), waits([1], 150), waits([1], 151), waits([2], 152)]).toEqual([
    true,
    true,
    false,
    false,
    true,
  ]);
  expect([waits([2], 251), burst.left(251)]).toEqual([true, 1]);
  expect([waits([2], 252), waits([10], 253), waits([3], 254)]).toEqual([false, false, true]);
});

test("a subscriber that makes no progress does not hide others that do", () => {
  const burst = new Burst("news", 0, 0);
  const waits = waiting(burst);
  expect([waits([1, 4], 0), waits([1, 5], 99), waits([1, 6], 100), waits([1, 7], 199)]).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect([waits([1, 7], 299), waits([1, 8], 300), waits([1, 10], 301)]).toEqual([false, true, false]);
  burst.add(1, 5);
  burst.add(1, 1);
  expect(waits([1], 302)).toBe(true);
});

describe("a publisher that is faster than a subscriber which reads at once waits for it", () => {
  const logs = [
    { size: 1, bytes: 0, slack: 16_384 },
    { size: 3, bytes: 1_048_576, slack: 16_384 },
    { size: 1_000, bytes: 4_000, slack: 16_384 },
  ];
  /** The ways in which 150 publications are made. */
  const ways: [string, (core: Core) => Promise<unknown> | undefined][] = [
    ["awaiting each", async ({ notifier }) => loop(150, (n) => notifier.publish("news", text(n)))],
    ["awaiting none", ({ notifier }) => void upTo(150).map((n) => notifier.publish("news", text(n)))],
    [
      "pausing for a turn after every few",
      ({ notifier, clock }) =>
        loop(150, async (n) => {
          await notifier.publish("news", text(n));
          if (n % 10 === 0) await new Promise<void>((resolve) => clock.turn(resolve));
        }),
    ],
    [
      "pausing for three turns after every few",
      ({ notifier, clock }) =>
        loop(150, async (n) => {
          await notifier.publish("news", text(n));
          for (let i = 0; i < 3 && n % 10 === 0; i++)
            await new Promise<void>((resolve) => clock.turn(resolve));
        }),
    ],
  ];
  const cases = ways.flatMap(([how, way]) =>
    logs.map((bounds) => [how, JSON.stringify(bounds), way, bounds] as const),
  );
  test.for(cases)("%s, of a log that keeps %s", async ([, , way, bounds], { start }) => {
    const clock = fakeClock();
    const core = start({ clock, log: memoryLog({ clock, ...bounds }), window: 512 });
    const client = await subscriber(core, "news");
    const publishing = way(core);
    await clock.settle();
    await publishing;
    expect(offsetsIn(client.received, "news")).toEqual(upTo(150));
    expect([clock.now(), core.notifier.stats().publishing]).toEqual([0, 0]);
  });

  test.for([
    [
      "yields",
      async function* (): AsyncGenerator<RunEvent, void, void> {
        for (let n = 1; n <= 150; n++) yield { type: "step", text: text(n) };
      },
    ],
    [
      "emits without await",
      async ({ emit }: TaskContext) => void upTo(150).map((n) => emit({ type: "step", text: text(n) })),
    ],
  ] as const)("and so does a run that %s", async ([, task], { start }) => {
    const core = start({ limits: { runBytes: 10_000 }, window: 512 });
    const client = await subscriber(core, "news");
    const run = core.notifier.run<void>(task);
    client.send({ id: 9, subscribe: { channel: `run:${run.id}`, recover: true, offset: 0, epoch: "" } });
    await core.clock.settle();
    expect(run.status).toBe("completed");
    expect(offsetsIn(client.received, `run:${run.id}`)).toEqual(upTo(152));
  });

  test("and so does a process that closes", async ({ start }) => {
    const clock = fakeClock();
    const core = start({ clock, log: memoryLog({ clock, size: 1, bytes: 0, slack: 16_384 }), window: 512 });
    const client = await subscriber(core, "news");
    const publishing = upTo(150).map((n) => core.notifier.publish("news", text(n)));
    const report = await finish(core);
    expect(offsetsIn(client.received, "news")).toEqual(upTo(150));
    expect([client.closed?.code, report.milliseconds]).toEqual([3001, 0]);
    expect((await Promise.all(publishing)).length).toBe(150);
  });
});

test("closing waits for a slowly reading subscriber for half of its grace", async ({ start }) => {
  const clock = fakeClock();
  const core = start({ clock, log: memoryLog({ clock, size: 1, bytes: 0, slack: 16_384 }), window: 512 });
  const client = rawSocket(core.notifier);
  client.session.receive('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}');
  await clock.settle();
  const publishing = upTo(150).map((n) => core.notifier.publish("news", text(n)));
  const closing = outcomeOf(core.notifier.close());
  const top = async (): Promise<number> => (await core.notifier.history("news")).offset;
  for (let i = 0; i < 27; i++) {
    await clock.advance(90);
    client.pong();
  }
  expect(await top()).toBeLessThan(120);
  await clock.advance(90);
  expect(await top()).toBe(150);
  expect((await Promise.all(publishing)).length).toBe(150);
  await clock.advance(5_000);
  expect(closing.state).toBe("fulfilled");
});

describe("a publisher that is faster than a subscriber which hangs", () => {
  test("waits for 100 ms, and the subscriber then gets a gap", async ({ start }) => {
    const clock = fakeClock();
    const core = start({ clock, log: memoryLog({ clock, size: 1, bytes: 0, slack: 16_384 }), window: 512 });
    const [client, other] = [await subscriber(core, "news"), await subscriber(core, "news")];
    client.stall();
    const publishing = outcomeOf(loop(150, (n) => core.notifier.publish("news", text(n))));
    await clock.advance(99);
    expect(publishing.state).toBe("pending");
    await clock.advance(1);
    expect(publishing.state).toBe("fulfilled");
    expect(offsetsIn(other.received, "news")).toEqual(upTo(150));
    client.resume();
    await clock.settle();
    expect(client.received.at(-1)).toMatchObject({ push: { unsubscribe: { code: 2500 } } });
  });

  test("does not wait longer where the log cannot be read", async ({ start }) => {
    const clock = fakeClock();
    const log = memoryLog({ clock, size: 1, bytes: 0, slack: 16_384 });
    let isBroken = false;
    const fail = <T>(value: T): T => {
      if (isBroken) throw new Error("broken");
      return value;
    };
    const core = start({
      clock,
      log: {
        ...logWith(clock, () => ({}), {}),
        append: (...args) => log.append(...args),
        watch: (...args) => log.watch(...args),
        keeps: (channel) => log.keeps?.(channel) ?? {},
        read: (...args) => fail(log.read(...args)),
      },
    });
    await subscriber(core, "news");
    isBroken = true;
    const publishing = outcomeOf(loop(150, (n) => core.notifier.publish("news", text(n))));
    await clock.advance(100);
    expect(publishing.state).toBe("fulfilled");
    isBroken = false;
    core.errors.length = 0;
  });

  test("can be cancelled within 100 ms where it is a run", async ({ start }) => {
    const core = start({ limits: { runBytes: 10_000 }, window: 512 });
    const { clock, notifier } = core;
    const client = await subscriber(core, "news");
    const run = notifier.run(async function* ({ signal }) {
      for (let n = 1; !signal.aborted; n++) yield { type: "step", text: text(n) };
      signal.throwIfAborted();
    });
    client.send({ id: 9, subscribe: { channel: `run:${run.id}`, recover: true, offset: 0, epoch: "" } });
    client.stall();
    await clock.settle();
    expect([run.status, notifier.stats().publishing]).toEqual(["working", 1]);
    const cancelled = outcomeOf(run.cancel());
    await clock.settle();
    expect([run.status, cancelled.state]).toEqual(["cancelled", "fulfilled"]);
  });
});

/** Returns a payload of 200 characters. */
function text(n: number): string {
  return String(n).padStart(200, ".");
}

async function loop(count: number, act: (n: number) => Promise<unknown>): Promise<void> {
  for (let n = 1; n <= count; n++) await act(n);
}
