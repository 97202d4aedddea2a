import { describe, expect, test } from "vitest";
import { type AppendQueuesParts, exempt, urgent } from "../../../src/engine/log/append-queue.ts";
import { AppendQueues } from "../../../src/engine/log/append-queues.ts";
import { LogHealth } from "../../../src/engine/log/log-health.ts";
import { BusyError, ClosedError, ExistsError, LogError } from "../../../src/model/errors.ts";
import type { Log, Position } from "../../../src/model/log.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { type FakeClock, fakeClock } from "../../../src/testing.ts";
import { deferred, logWith, never, outcomeOf, spySignal } from "../../support/core.ts";

type Append = Log["append"];

/** Makes append queues on a log whose `append` is replaced, and keeps the payloads of its calls, in order. */
function make(
  append?: (...args: Parameters<Append>) => Promise<Position> | undefined,
  parts: Partial<AppendQueuesParts> = {},
) {
  const clock = fakeClock();
  const asked: string[] = [];
  const errors: { error: unknown; owner: string }[] = [];
  const log = logWith(clock, (memory) => ({
    append: async (channel, data, options) => {
      asked.push(data);
      return append?.(channel, data, options) ?? memory.append(channel, data, options);
    },
  }));
  const health = new LogHealth(clock);
  const queues: AppendQueues = new AppendQueues({
    schedule: () => clock.turn(() => queues.turn()),
    log,
    clock: { ...clock, random: () => 0.5 },
    health,
    most: 67_108_864,
    isHeard: () => true,
    onError(error, owner) {
      if (!health.isReported(error)) errors.push({ error, owner });
    },
    ...parts,
  });
  const publish = (data: string, signal?: AbortSignal, channel = "news") =>
    outcomeOf(Promise.resolve(queues.append(channel, data, { time: 0, signal })));
  const logged = async (channel = "news") => (await log.read(channel, {})).entries.map(({ data }) => data);
  return { clock, log, asked, errors, health, queues, publish, logged };
}

const broken = new Error("no space");

test("publications of a channel are appended one after the other, in the order of the calls", async () => {
  const gates = [deferred(), deferred(), deferred()];
  let at = 0;
  const { clock, asked, queues, publish } = make((_, data) => {
    const gate = gates[at++];
    return gate?.promise.then(() => ({ offset: Number(data), epoch: "e" }));
  });
  const outcomes = ["1", "2", "3"].map((data) => publish(data));
  expect(queues.size).toBe(3);
  for (const [i, gate] of gates.entries()) {
    await clock.settle();
    expect(asked).toEqual(["1", "2", "3"].slice(0, i + 1));
    gate.resolve();
  }
  await clock.settle();
  expect(outcomes.map(({ value }) => value?.offset)).toEqual([1, 2, 3]);
  expect(queues.size).toBe(0);
});

test("an append ahead of the others that fails begins an outage, of which no more is reported", async () => {
  const { clock, errors, queues, publish, health } = make(() => Promise.reject(new Error("away")));
  const error = await queues.ahead("news", "1", { time: 0 }).catch((reason: unknown) => reason);
  expect([health.knows(error), health.isReported(error)]).toEqual([true, false]);
  publish("2");
  await clock.settle();
  expect(errors).toEqual([]);
  queues.end();
});

test("one channel never waits for another", async () => {
  const { clock, queues, publish } = make((channel) => (channel === "stuck" ? never() : undefined));
  const stuck = publish("1", undefined, "stuck");
  const free = publish("1", undefined, "free");
  await clock.settle();
  expect([stuck.state, free.state]).toEqual(["pending", "fulfilled"]);
  expect(queues.size).toBe(1);
});

test("a log that fails is tried again, ever more slowly, up to every five seconds", async () => {
  const times: number[] = [];
  const { clock, errors, publish } = make(() => {
    times.push(clock.now());
    return Promise.reject(broken);
  });
  publish("1");
  await clock.advance(30_000);
  const waits = times.slice(1).map((time, i) => time - (times[i] as number));
  // The delays double from 50 ms, with a limit of 5 s. The jitter is fixed at its middle, which takes three quarters.
  expect(waits.slice(0, 9)).toEqual([37.5, 75, 150, 300, 600, 1_200, 2_400, 3_750, 3_750]);
  // Each outage is reported once.
  expect(errors).toEqual([{ error: broken, owner: "publish news" }]);
});

test("an outage after the log answered again is reported again", async () => {
  const answers = [broken, undefined, broken, broken, undefined];
  const { clock, errors, publish } = make(() => {
    const error = answers.shift();
    return error && Promise.reject(error);
  });
  const first = publish("1");
  await clock.advance(20_000);
  const second = publish("2");
  await clock.advance(1_000);
  expect([first.state, second.state]).toEqual(["fulfilled", "fulfilled"]);
  expect(errors.map(({ error }) => error)).toEqual([broken, broken]);
});

test("publications made while the log fails wait behind the failing one, and keep their order", async () => {
  let failing = true;
  const { clock, queues, publish, logged } = make(() => (failing ? Promise.reject(broken) : undefined));
  const outcomes = [publish("1"), publish("2")];
  await clock.advance(1_000);
  outcomes.push(publish("3"));
  failing = false;
  outcomes.push(publish("4"));
  await clock.advance(5_000);
  expect(await logged()).toEqual(["1", "2", "3", "4"]);
  expect(outcomes.map(({ value }) => value?.offset)).toEqual([1, 2, 3, 4]);
  expect([queues.size, clock.armed]).toEqual([0, 0]);
});

test("with a signal that has already aborted the log is not called", async () => {
  const { asked, publish, clock } = make();
  const reason = { why: "no" };
  const outcome = publish("1", AbortSignal.abort(reason));
  await clock.settle();
  expect(outcome).toEqual({ state: "rejected", reason });
  expect(asked).toEqual([]);
});

test("an aborted signal removes a waiting publication before the log is called, and those behind it go on", async () => {
  const gate = deferred();
  const { clock, asked, publish, logged } = make((_, data) =>
    data === "1" ? gate.promise.then(() => Promise.reject(broken)) : undefined,
  );
  const first = spySignal();
  const second = spySignal();
  const reasons = [{ n: 1 }, { n: 2 }];
  const outcomes = [publish("1", first.signal), publish("2", second.signal), publish("3")];
  await clock.settle();
  second.controller.abort(reasons[1]);
  await clock.settle();
  expect(outcomes[1]).toEqual({ state: "rejected", reason: reasons[1] });
  expect((outcomes[1] as { reason: unknown }).reason).toBe(reasons[1]);
  first.controller.abort(reasons[0]);
  await clock.settle();
  expect(outcomes[0]?.reason).toBe(reasons[0]);
  expect(outcomes[2]?.state).toBe("fulfilled");
  expect(asked).toEqual(["1", "3"]);
  expect(await logged()).toEqual(["3"]);
  expect([first.listeners, second.listeners]).toEqual([0, 0]);
  gate.resolve();
  await clock.settle();
});

test("an aborted signal also ends the wait for the next try", async () => {
  const { clock, queues, publish } = make(() => Promise.reject(broken));
  const { controller, signal } = spySignal();
  const outcome = publish("1", signal);
  await clock.advance(10);
  controller.abort("enough");
  await clock.settle();
  expect(outcome).toEqual({ state: "rejected", reason: "enough" });
  expect([queues.size, clock.armed]).toEqual([0, 0]);
});

test.each([
  ["is closed", new ClosedError("Cannot append: the log is closed"), "its log is closed"],
  ["fails with a TypeError", new TypeError("this is undefined"), "the code of its log is at fault"],
  ["fails with a ReferenceError", new ReferenceError("x is not defined"), "the code of its log is at fault"],
])(
  "a log that %s is not tried again: the publisher gets the error, and it is reported",
  async (_, fault, why) => {
    const { clock, asked, errors, publish } = make(() => Promise.reject(fault));
    const outcomes = [publish("1"), publish("2")];
    await clock.advance(60_000);
    const wanted = { message: `Cannot publish to "news": ${why}`, lasting: true, cause: fault };
    for (const { reason } of outcomes) {
      expect(reason).toBeInstanceOf(LogError);
      expect({ ...(reason as LogError), message: (reason as LogError).message, cause: fault }).toEqual({
        name: "LogError",
        ...wanted,
      });
    }
    expect(asked).toEqual(["1", "2"]);
    expect(errors).toEqual([{ error: outcomes[0]?.reason, owner: "publish news" }]);
    expect(clock.armed).toBe(0);
  },
);

test("an error that the log marks as lasting is passed on unchanged and reported once, any other one is tried again", async () => {
  const passing = new LogError("Cannot append: the file is locked");
  const lasting = new LogError("Cannot append: the file is read-only", { lasting: true });
  const answers = [passing, lasting, lasting];
  const { clock, errors, publish } = make(() => Promise.reject(answers.shift()));
  const outcome = publish("1");
  await clock.settle();
  expect(outcome.state).toBe("pending");
  await clock.advance(1_000);
  expect(outcome.reason).toBe(lasting);
  const next = publish("2");
  await clock.settle();
  expect(next.reason).toBe(lasting);
  expect(errors.map(({ error }) => error)).toEqual([passing, lasting]);
});

test("an append whose result was lost is sent again with the same number", async () => {
  const numbers: unknown[] = [];
  let lost = 2;
  const { clock, publish } = make((_, data, { once }) => {
    numbers.push([data, once?.n, once?.by]);
    return lost-- > 0 ? Promise.reject(broken) : undefined;
  });
  publish("1");
  publish("2");
  await clock.advance(5_000);
  const by = (numbers[0] as unknown[])[2];
  expect(numbers).toEqual([
    ["1", 1, by],
    ["1", 1, by],
    ["1", 1, by],
    ["2", 2, by],
  ]);
});

test("after an append whose caller has stopped waiting, the writer takes another name", async () => {
  const writers: unknown[] = [];
  const { clock, publish } = make((_, data, { once }) => {
    writers.push(once);
    return data === "1" ? Promise.reject(broken) : undefined;
  });
  const controller = new AbortController();
  publish("1", controller.signal);
  await clock.settle();
  controller.abort();
  publish("2");
  await clock.settle();
  const [first, second] = writers as { by: string; n: number }[];
  expect([first?.n, second?.n, first?.by === second?.by]).toEqual([1, 1, false]);
});

test("beyond the limit a publication is refused with advice, this is reported once, and later there is room again", async () => {
  let failing = true;
  const refused: number[] = [];
  const { clock, errors, queues, publish, logged } = make(
    () => (failing ? Promise.reject(broken) : undefined),
    { most: 1_000, refused: () => void refused.push(1) },
  );
  const outcomes = Array.from({ length: 9 }, (_, i) => publish(String(i)));
  await clock.settle();
  expect(outcomes.map(({ state }) => state)).toEqual([...Array(7).fill("pending"), "rejected", "rejected"]);
  expect(outcomes[7]?.reason).toBeInstanceOf(BusyError);
  expect(String(outcomes[7]?.reason)).toBe(
    'BusyError: Cannot publish to "news": 7 publications wait, and limits.waiting is 1000 bytes',
  );
  expect(errors.map(({ error }) => (error as Error).name)).toEqual(["BusyError", "Error"]);
  expect([refused.length, queues.bytes]).toEqual([2, 7 * 129]);
  failing = false;
  await clock.advance(5_000);
  expect(await logged()).toEqual(["0", "1", "2", "3", "4", "5", "6"]);
  expect([publish("x").state, queues.bytes]).toEqual(["pending", 129]);
  await clock.settle();
  expect(queues.bytes).toBe(0);
});

test("a run's own events wait even when the queue is full", async () => {
  let failing = true;
  const { clock, queues, publish, logged } = make(() => (failing ? Promise.reject(broken) : undefined), {
    most: 100,
  });
  publish("1");
  const ending = outcomeOf(Promise.resolve(queues.append("news", "2", { time: 0 }, exempt)));
  await clock.settle();
  failing = false;
  await clock.advance(5_000);
  expect(ending.state).toBe("fulfilled");
  expect(await logged()).toEqual(["1", "2"]);
});

test("an append in a place that it cannot have is refused, and does not count for its writer", async () => {
  const { clock, queues, publish, logged, errors } = make();
  publish("1");
  await clock.settle();
  const refused = outcomeOf(Promise.resolve(queues.append("news", "2", { time: 0, place: "first" })));
  await clock.settle();
  expect(refused.reason).toEqual(new ExistsError("news"));
  const last = publish("3");
  await clock.settle();
  expect([last.value?.offset, await logged(), errors]).toEqual([2, ["1", "3"], []]);
});

describe("with a synchronous log", () => {
  /** Makes queues on a memory log, where one turn takes at most three publications of eight characters. */
  function makeAtOnce({
    clock = fakeClock(),
    log = memoryLog({ clock }),
    ...parts
  }: Partial<AppendQueuesParts & { clock: FakeClock }> = {}) {
    const queues: AppendQueues = new AppendQueues({
      schedule: () => clock.turn(() => queues.turn()),
      log,
      clock,
      health: new LogHealth(clock),
      turn: 600,
      most: 67_108_864,
      isHeard: () => true,
      onError: () => {},
      ...parts,
    });
    const order: string[] = [];
    const publish = (channel: string, data: string, signal?: AbortSignal) => {
      const appended = Promise.resolve(queues.append(channel, data, { time: 0, signal }));
      return outcomeOf(appended.then(({ offset }) => void order.push(`${channel}${offset}`)));
    };
    return { clock, log, queues, order, publish };
  }

  test("a loop that awaits each publication lets a turn pass whenever one turn is full", async () => {
    const { clock, log, queues } = makeAtOnce();
    let turns = 0;
    const count = (): void => {
      turns++;
      if (turns < 50) clock.turn(count);
    };
    clock.turn(count);
    let loggedAtTurn = 0;
    const loop = async (): Promise<void> => {
      for (let i = 0; i < 30; i++) await queues.append("news", "12345678", { time: 0 });
      loggedAtTurn = turns;
    };
    const looping = loop();
    await clock.settle();
    await looping;
    expect([loggedAtTurn, (await log.read("news", {})).top]).toEqual([9, 30]);
  });

  test("a channel with a long queue delays no other: the queues take turns, one publication each", async () => {
    const { clock, order, publish } = makeAtOnce();
    for (let i = 0; i < 12; i++) publish("a", "12345678");
    publish("b", "12345678");
    publish("c", "12345678");
    await clock.settle();
    expect(order.slice(0, 8)).toEqual(["a1", "a2", "a3", "a4", "b1", "c1", "a5", "a6"]);
    expect(order.length).toBe(14);
  });

  test("an aborted signal removes waiting publications, the first one and another", async () => {
    const { clock, log, publish, queues } = makeAtOnce();
    for (let i = 0; i < 4; i++) publish("a", "12345678");
    const [first, other] = [spySignal(), spySignal()];
    const outcomes = [publish("b", "1", first.signal), publish("a", "2", other.signal)];
    publish("a", "3");
    first.controller.abort("no");
    other.controller.abort("never");
    await clock.settle();
    expect(outcomes.map(({ reason }) => reason)).toEqual(["no", "never"]);
    expect((await log.read("a", {})).entries.map(({ data }) => data).at(-1)).toBe("3");
    expect((await log.read("b", {})).top).toBe(0);
    expect([first.listeners, other.listeners, queues.size]).toEqual([0, 0, 0]);
  });

  test("publications that wait for a turn reject when the queues end", async () => {
    const { clock, publish, queues } = makeAtOnce();
    const outcomes = Array.from({ length: 5 }, () => publish("a", "12345678"));
    queues.end();
    await clock.settle();
    expect(outcomes.map(({ state }) => state)).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
      "rejected",
    ]);
    expect([queues.size, queues.bytes, queues.inspect()]).toEqual([0, 0, []]);
  });

  /** Makes queues on a log that keeps 4 000 bytes beyond its size, with one subscriber at offset `reader.at`. */
  function makeRead() {
    const clock = fakeClock();
    const log = memoryLog({ clock, size: 1, bytes: 0, slack: 4_000 });
    const reader = { at: 0 };
    const slowest = (_: string, offset: number, after: number) =>
      reader.at > after && reader.at < offset ? reader.at : undefined;
    return { ...makeAtOnce({ clock, log, slowest }), clock, log, reader };
  }

  /**
   * Publishes to such queues until `isOver` is set, or 1 000 times.
   *
   * With `turns`, the loop pauses for so many turns after every third publication, which is a full turn.
   */
  function endless(turns = 0) {
    const here = makeRead();
    const { clock, queues } = here;
    const state = { isOver: false, top: 0 };
    const looping = (async () => {
      while (!state.isOver && state.top < 1_000) {
        state.top = (await queues.append("news", "12345678", { time: 0 })).offset;
        for (let i = 0; i < turns && state.top % 3 === 0; i++) {
          await new Promise<void>((resolve) => clock.turn(resolve));
          queues.turn();
        }
      }
    })();
    return { ...here, state, looping };
  }

  test("a burst waits for a reading subscriber once that is behind by half of what the log keeps", async () => {
    const { clock, queues, state, looping, reader } = endless();
    await clock.settle();
    // Ten publications of 200 bytes are half of 4 000, and one turn takes three of them.
    expect(state.top).toBe(12);
    expect(queues.inspect().map(({ kind, owner }) => [kind, owner])).toEqual([
      ["wait", "publish news"],
      ["timer", "subscribers behind a burst"],
    ]);
    reader.at = 12;
    queues.caughtUp();
    await clock.settle();
    expect(state.top).toBe(24);
    state.isOver = true;
    reader.at = 1_000;
    queues.caughtUp();
    await clock.settle();
    await looping;
    expect([queues.size, clock.armed]).toEqual([0, 0]);
  });

  test("a publisher that pauses for a few turns waits as well once a subscriber falls behind", async () => {
    for (const turns of [1, 3]) {
      const { clock, queues, state, looping, reader } = endless(turns);
      await clock.settle();
      expect(state.top).toBe(1_000);
      await looping;
      const behind = endless(turns);
      behind.queues.fallsBehind("news", 1);
      await behind.clock.settle();
      expect(behind.state.top).toBe(12);
      behind.reader.at = 1_000;
      behind.queues.caughtUp();
      await behind.clock.settle();
      await behind.looping;
      expect([behind.state.top, behind.clock.armed]).toEqual([1_000, 0]);
      expect([reader.at, queues.size]).toEqual([0, 0]);
    }
  });

  test("a burst waits as long as the slowest subscriber makes progress, and 100 ms where it makes none", async () => {
    const { clock, log, queues, state, looping, reader } = endless();
    await clock.settle();
    for (let i = 1; i < 4; i++) {
      await clock.advance(99);
      reader.at = i;
      queues.caughtUp();
      await clock.settle();
      expect(state.top).toBe(12);
    }
    await clock.advance(99);
    expect(state.top).toBe(12);
    await clock.advance(1);
    expect(state.top).toBe(1_000);
    await looping;
    expect([(await log.read("news", {})).top, clock.armed]).toEqual([1_000, 0]);
  });

  test("a channel that starts a new epoch is counted from zero", async () => {
    const { clock, log, queues, state, looping, reader } = endless();
    await clock.settle();
    reader.at = 12;
    const sealed = queues.append("news", "0", { time: 0, place: "last", retention: { size: 0, slack: 0 } });
    const again = queues.append("news", "12345678", { time: 0, place: "first" });
    state.isOver = true;
    queues.caughtUp();
    await clock.settle();
    await looping;
    reader.at = (await sealed).offset;
    queues.caughtUp();
    await clock.settle();
    expect((await again).offset).toBe(1);
    reader.at = 0;
    const outcomes = Array.from({ length: 30 }, () => queues.append("news", "12345678", { time: 0 }));
    await clock.settle();
    expect([(await log.read("news", { limit: 0 })).top, queues.size]).toEqual([10, 21]);
    reader.at = 100;
    queues.caughtUp();
    await clock.settle();
    expect((await Promise.all(outcomes)).length).toBe(30);
  });

  test("a run's own event waits for no subscriber where its queue is empty, and neither does a hurried one", async () => {
    const { clock, queues, log } = makeRead();
    queues.fallsBehind("news", 1);
    for (let i = 0; i < 13; i++) {
      void queues.append("news", "12345678", { time: 0 });
      await clock.settle();
    }
    const top = async () => (await log.read("news", { limit: 0 })).top;
    expect([await top(), queues.size]).toEqual([12, 1]);
    queues.hurry("news");
    await clock.settle();
    expect([await top(), queues.size]).toEqual([13, 0]);
    await queues.append("news", "started", { time: 0 }, urgent);
    expect(await top()).toBe(14);
    void queues.append("news", "12345678", { time: 0 });
    const ending = outcomeOf(Promise.resolve(queues.append("news", "ended", { time: 0 }, urgent)));
    queues.hurry("news");
    await clock.settle();
    expect([await top(), ending.state]).toEqual([14, "pending"]);
    await clock.advance(100);
    expect([await top(), ending.state, clock.armed]).toEqual([16, "fulfilled", 0]);
  });

  test("with no time left the queues wait for no subscriber", async () => {
    const { clock, queues, state, looping } = endless();
    await clock.settle();
    expect(state.top).toBe(12);
    state.isOver = true;
    const idle = outcomeOf(queues.idle());
    await clock.advance(99);
    expect([state.top, idle.state]).toEqual([12, "pending"]);
    queues.hasten();
    await clock.settle();
    await looping;
    expect([state.top, idle.state, queues.size, clock.armed]).toEqual([13, "fulfilled", 0, 0]);
  });

  test("on a log without slack the queues do not wait for a subscriber that falls behind only now and then", async () => {
    const { clock, log, queues } = makeAtOnce({
      log: memoryLog({ size: 10, slack: 0 }),
      slowest: () => 0,
    });
    for (let i = 0; i < 100; i++) {
      queues.fallsBehind("news", 1);
      void queues.append("news", "12345678", { time: 0 });
      await clock.settle();
    }
    expect([(await log.read("news", { limit: 0 })).top, queues.size]).toEqual([100, 0]);
  });

  test("without subscribers a turn is limited by its time only", async () => {
    const { clock, log, queues } = makeAtOnce({ isHeard: () => false });
    for (let i = 0; i < 5_000; i++) await queues.append("news", "12345678", { time: 0 });
    expect((await log.read("news", { limit: 0 })).top).toBe(5_000);
    await clock.settle();
  });
});

test("when the queues end everything rejects, and nothing is left", async () => {
  const stuck = make((_, data) => (data === "1" ? never() : undefined));
  const failing = make(() => Promise.reject(broken));
  for (const { clock, queues, publish } of [stuck, failing]) {
    const outcomes = [publish("1"), publish("2")];
    await clock.advance(10);
    queues.end();
    expect(queues.size).toBe(0);
    expect(queues.inspect()).toEqual([]);
    expect(clock.armed).toBe(0);
    await clock.settle();
    expect(outcomes.map(({ reason }) => reason instanceof ClosedError)).toEqual([true, true]);
    expect(queues.size).toBe(0);
  }
});

test("after the queues have ended the log is not called any more", async () => {
  const { asked, clock, queues, publish } = make();
  queues.end();
  const outcome = publish("1");
  await clock.settle();
  expect(outcome.reason).toBeInstanceOf(ClosedError);
  expect(asked).toEqual([]);
  expect(queues.size).toBe(0);
});

test("the queues are idle when nothing is in progress", async () => {
  const gate = deferred();
  const { clock, queues, publish } = make((_, data) =>
    data === "1" ? gate.promise.then(() => ({ offset: 1, epoch: "e" })) : undefined,
  );
  await queues.idle();
  publish("1");
  publish("2");
  const idle = outcomeOf(queues.idle());
  await clock.settle();
  expect(idle.state).toBe("pending");
  gate.resolve();
  await clock.settle();
  expect(idle.state).toBe("fulfilled");
  expect(queues.inspect()).toEqual([]);
});

test("a thousand publications at once keep their order", async () => {
  const { clock, publish, logged, queues } = make();
  const all = Array.from({ length: 1_000 }, (_, i) => String(i));
  for (const data of all) publish(data);
  await clock.settle();
  expect(await logged()).toEqual(all);
  expect(queues.size).toBe(0);
});
