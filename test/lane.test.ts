import { expect, test } from "vitest";
import { ClosedError } from "../src/errors.ts";
import { Lanes } from "../src/lane.ts";
import type { Log, Position } from "../src/log.ts";
import { fakeClock } from "../src/testing.ts";
import { deferred, logWith, never, outcomeOf, spySignal } from "./fixtures/core.ts";

type Append = Log["append"];

/** Lanes on a log whose append is replaced, with the payloads it was asked for, in order. */
function make(append?: (...args: Parameters<Append>) => Promise<Position> | undefined) {
  const clock = fakeClock();
  const asked: string[] = [];
  const errors: { error: unknown; owner: string }[] = [];
  const log = logWith(clock, (memory) => ({
    append: (channel, data, options) => {
      asked.push(data);
      return append?.(channel, data, options) ?? memory.append(channel, data, options);
    },
  }));
  const lanes = new Lanes({
    log,
    clock: { ...clock, random: () => 0.5 },
    onError: (error, owner) => void errors.push({ error, owner }),
  });
  const publish = (data: string, signal?: AbortSignal, channel = "news") =>
    outcomeOf(lanes.append(channel, data, { time: 0, signal }));
  const logged = async (channel = "news") => (await log.read(channel, {})).entries.map(({ data }) => data);
  return { clock, asked, errors, lanes, publish, logged };
}

const broken = new Error("no space");

test("publications of a channel are appended one after the other, in the order of the calls", async () => {
  const gates = [deferred(), deferred(), deferred()];
  let at = 0;
  const { clock, asked, lanes, publish } = make((_, data) => {
    const gate = gates[at++];
    return gate?.promise.then(() => ({ offset: Number(data), epoch: "e" }));
  });
  const outcomes = ["1", "2", "3"].map((data) => publish(data));
  expect(lanes.size).toBe(3);
  for (const [i, gate] of gates.entries()) {
    await clock.settle();
    expect(asked).toEqual(["1", "2", "3"].slice(0, i + 1));
    gate.resolve();
  }
  await clock.settle();
  expect(outcomes.map(({ value }) => value?.offset)).toEqual([1, 2, 3]);
  expect(lanes.size).toBe(0);
});

test("one channel never waits for another", async () => {
  const { clock, lanes, publish } = make((channel) => (channel === "stuck" ? never() : undefined));
  const stuck = publish("1", undefined, "stuck");
  const free = publish("1", undefined, "free");
  await clock.settle();
  expect([stuck.state, free.state]).toEqual(["pending", "fulfilled"]);
  expect(lanes.size).toBe(1);
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
  // 50 ms doubled, of which the middle of the jitter takes three quarters.
  expect(waits.slice(0, 9)).toEqual([37.5, 75, 150, 300, 600, 1_200, 2_400, 3_750, 3_750]);
  expect(errors).toEqual(times.map(() => ({ error: broken, owner: "publish news" })));
});

test("what is published while the log fails waits behind, and keeps the order", async () => {
  let failing = true;
  const { clock, lanes, publish, logged } = make(() => (failing ? Promise.reject(broken) : undefined));
  const outcomes = [publish("1"), publish("2")];
  await clock.advance(1_000);
  outcomes.push(publish("3"));
  failing = false;
  outcomes.push(publish("4"));
  await clock.advance(5_000);
  expect(await logged()).toEqual(["1", "2", "3", "4"]);
  expect(outcomes.map(({ value }) => value?.offset)).toEqual([1, 2, 3, 4]);
  expect([lanes.size, clock.armed]).toEqual([0, 0]);
});

test("a signal that has aborted asks nothing of the log", async () => {
  const { asked, publish, clock } = make();
  const reason = { why: "no" };
  const outcome = publish("1", AbortSignal.abort(reason));
  await clock.settle();
  expect(outcome).toEqual({ state: "rejected", reason });
  expect(asked).toEqual([]);
});

test("a signal takes out what waits its turn, the log never hears of it, and those behind go on", async () => {
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

test("a signal ends the wait for the next try, too", async () => {
  const { clock, lanes, publish } = make(() => Promise.reject(broken));
  const { controller, signal } = spySignal();
  const outcome = publish("1", signal);
  await clock.advance(10);
  controller.abort("enough");
  await clock.settle();
  expect(outcome).toEqual({ state: "rejected", reason: "enough" });
  expect([lanes.size, clock.armed]).toEqual([0, 0]);
});

test("a log that is closed is not tried again", async () => {
  const closed = new ClosedError("Cannot append: the log is closed");
  const { clock, asked, errors, publish } = make(() => Promise.reject(closed));
  const outcome = publish("1");
  await clock.advance(60_000);
  expect(outcome.reason).toBe(closed);
  expect(asked).toEqual(["1"]);
  expect(errors).toEqual([]);
});

test("once they end everything rejects, and nothing is left", async () => {
  const stuck = make((_, data) => (data === "1" ? never() : undefined));
  const failing = make(() => Promise.reject(broken));
  for (const { clock, lanes, publish } of [stuck, failing]) {
    const outcomes = [publish("1"), publish("2")];
    await clock.advance(10);
    lanes.end();
    expect(lanes.size).toBe(0);
    expect(lanes.inspect()).toEqual([]);
    expect(clock.armed).toBe(0);
    await clock.settle();
    expect(outcomes.map(({ reason }) => reason instanceof ClosedError)).toEqual([true, true]);
    expect(lanes.size).toBe(0);
  }
});

test("once they have ended the log is not asked any more", async () => {
  const { asked, clock, lanes, publish } = make();
  lanes.end();
  const outcome = publish("1");
  await clock.settle();
  expect(outcome.reason).toBeInstanceOf(ClosedError);
  expect(asked).toEqual([]);
  expect(lanes.size).toBe(0);
});

test("they are idle once nothing is under way", async () => {
  const gate = deferred();
  const { clock, lanes, publish } = make((_, data) =>
    data === "1" ? gate.promise.then(() => ({ offset: 1, epoch: "e" })) : undefined,
  );
  await lanes.idle();
  publish("1");
  publish("2");
  const idle = outcomeOf(lanes.idle());
  await clock.settle();
  expect(idle.state).toBe("pending");
  gate.resolve();
  await clock.settle();
  expect(idle.state).toBe("fulfilled");
  expect(lanes.inspect()).toEqual([]);
});

test("a thousand publications at once keep their order", async () => {
  const { clock, publish, logged, lanes } = make();
  const all = Array.from({ length: 1_000 }, (_, i) => String(i));
  for (const data of all) publish(data);
  await clock.settle();
  expect(await logged()).toEqual(all);
  expect(lanes.size).toBe(0);
});
