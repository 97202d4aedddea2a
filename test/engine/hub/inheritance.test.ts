import { describe, expect } from "vitest";
import { CancelError, ClosedError, ExistsError, LogError, RunError } from "../../../src/model/errors.ts";
import type { HeldRecord, Log } from "../../../src/model/log.ts";
import { output } from "../../../src/run.ts";
import { type Pipe, pipe } from "../../../src/testing/pipe.ts";
import { type FakeClock, fakeClock } from "../../../src/testing.ts";
import {
  type Core,
  finish,
  type Message,
  never,
  offsetsIn,
  outcomeOf,
  payloads,
  rejection,
  type Start,
  type StartOptions,
  test,
  typesOf,
} from "../../support/core.ts";
import { crash, type DurableStore, durableLog, durableStore } from "../../support/durable-log.ts";
import { type Killable, killable } from "../../support/killable-log.ts";

const minute = 60_000;

interface World {
  readonly store: DurableStore;
  readonly clock: FakeClock;
  /** Starts a process over the store. */
  open(options?: StartOptions): Promise<Core>;
  /** Ends a process without a word, as SIGKILL does. */
  kill(core: Core): Promise<void>;
}

function worldOf(start: Start): World {
  const store = durableStore();
  const clock = fakeClock();
  const logs = new Map<Core, Killable>();
  return {
    store,
    clock,
    async open(options) {
      const log = killable(durableLog(store, clock));
      const core = start({ ...options, clock, log });
      logs.set(core, log);
      core.notifier.closing; // the first use
      await clock.settle();
      return core;
    },
    async kill(core) {
      logs.get(core)?.kill();
      crash(store);
      await finish(core);
      core.errors.length = 0;
    },
  };
}

function connected(core: Core, user = "ann"): Pipe {
  const client = pipe(core.notifier, { peer: { user, authorize: () => true } });
  client.send({ id: 1, connect: {} });
  return client;
}

async function reply(core: Core, client: Pipe, command: Record<string, unknown>): Promise<Message> {
  client.take();
  client.send({ id: 9, ...command });
  await core.clock.settle();
  return (client.received as Message[]).find(({ id }) => id === 9) as Message;
}

describe("a run that worked when its process was killed", () => {
  test("ends as lost, exactly once, without anybody who connects", async ({ start }) => {
    const { open, kill, store } = worldOf(start);
    const first = await open();
    const run = first.notifier.run(
      async function* () {
        yield output("half");
        await never();
      },
      { id: "report", owner: "ann", name: "a report", channel: "user:ann" },
    );
    await first.clock.settle();
    await kill(first);
    for (let restart = 0; restart < 2; restart++) {
      const next = await open();
      expect(await payloads(next.notifier, "run:report")).toEqual([
        { type: "run.started", run: "report", name: "a report" },
        { type: "output", output: "half" },
        {
          type: "run.failed",
          run: "report",
          error: { name: "Error", message: "The process that ran it is gone" },
          reason: "lost",
        },
      ]);
      expect(await typesIn(next, "user:ann")).toEqual(["run.started", "run.failed"]);
      const found = await next.notifier.runs.find("report");
      expect(found).toMatchObject({ id: "report", owner: "ann", name: "a report", status: "failed" });
      const error = await rejection(found?.result() as Promise<unknown>);
      expect([error, (error as RunError).reason]).toEqual([expect.any(RunError), "lost"]);
      expect([next.notifier.runs.list(), next.notifier.runs.get("report")]).toEqual([[], undefined]);
      await kill(next);
    }
    // What is held on is the ending, which waits for its delivery.
    expect([...store.records.values()].map(({ position }) => position.offset)).toEqual([3]);
    expect(run.status).not.toBe("working");
  });

  test("frees its id once its channel is no longer kept", async ({ start }) => {
    const { open, kill, clock } = worldOf(start);
    const first = await open();
    const options = { id: "report", owner: "ann", channel: "user:ann" };
    first.notifier.run(() => never(), options);
    await clock.settle();
    await kill(first);
    const next = await open();
    let calls = 0;
    const again = () => next.notifier.run(async () => ++calls, options);
    const refused = again();
    const result = outcomeOf(refused.result());
    await clock.settle();
    expect([result.reason, refused.status, calls]).toEqual([new ExistsError("run:report"), "failed", 0]);
    expect(await rejection(refused.result())).toBe(result.reason);
    expect(await typesIn(next, "user:ann")).toEqual(["run.started", "run.failed"]);
    expect([next.notifier.runs.list(), await typesOf(next.notifier, "report")]).toEqual([
      [],
      ["run.started", "run.failed"],
    ]);
    await clock.advance(5 * minute);
    const run = again();
    await clock.settle();
    expect(await run.result()).toBe(1);
  });

  test("that ended by itself before is not ended again", async ({ start }) => {
    const { open, kill, clock, store } = worldOf(start);
    const held = JSON.stringify({ format: 1, id: "1", is: "run" });
    const first = await open();
    const run = first.notifier.run(async () => 7, { id: "report", owner: "ann" });
    await clock.settle();
    expect(await run.result()).toBe(7);
    await clock.settle();
    // What is held is the ending alone.
    expect([...store.records.values()].map(({ position }) => position.offset)).toEqual([2]);
    // The process may be killed after the ending was written, and before the run was released.
    store.records.set(held, { record: held, channel: "run:report", position: { offset: 1, epoch: "" } });
    await kill(first);
    const told: unknown[] = [];
    const next = await open({ onUndelivered: (publication) => void told.push(publication) });
    await clock.settle();
    expect([told, store.records.has(held)]).toEqual([[], false]);
    expect(await typesOf(next.notifier, "report")).toEqual(["run.started", "run.completed"]);
    expect(await (await next.notifier.runs.find("report"))?.result()).toBe(7);
  });
});

describe("runs of an earlier process", () => {
  async function ended(start: Start): Promise<Core> {
    const { open, kill, clock } = worldOf(start);
    const first = await open();
    first.notifier.run(async () => "mine", { id: "mine", owner: "ann", name: "of ann" });
    first.notifier.run(async () => Promise.reject(new Error("no")), { id: "failed", owner: "ann" });
    first.notifier.run(async () => 1, { id: "asks", owner: "ann", cancel: "authorized" });
    const cancelled = first.notifier.run(() => never(), { id: "cancelled", owner: "ann" });
    cancelled.cancel("enough").catch(() => {});
    await clock.settle();
    await kill(first);
    return open();
  }

  test("answer with status, result and events until they are forgotten", async ({ start }) => {
    const core = await ended(start);
    const { notifier, clock } = core;
    const mine = await notifier.runs.find("mine");
    expect(mine).toMatchObject({ status: "completed", name: "of ann", owner: "ann" });
    expect([mine?.started, mine?.ended]).toEqual([expect.any(Number), expect.any(Number)]);
    expect(await mine?.result()).toBe("mine");
    const failed = await notifier.runs.find("failed");
    const error = await rejection(failed?.result() as Promise<unknown>);
    expect([error, (error as RunError).reason]).toEqual([expect.any(RunError), undefined]);
    const cancelled = await notifier.runs.find("cancelled");
    const reason = await rejection(cancelled?.result() as Promise<unknown>);
    expect([reason, (reason as CancelError).reason]).toEqual([expect.any(CancelError), "enough"]);
    expect(await notifier.runs.find("none")).toBe(undefined);
    expect(await notifier.runs.find("")).toBe(undefined);
    await clock.advance(5 * minute);
    expect(await notifier.runs.find("mine")).toBe(undefined);
  });

  test("let in their owner, and say their status", async ({ start }) => {
    const core = await ended(start);
    const ann = connected(core);
    const from = { recover: true, offset: 0, epoch: "" };
    const subscribed = await reply(core, ann, { subscribe: { channel: "run:mine", ...from } });
    expect(subscribed.subscribe?.data).toEqual({ run: "mine", name: "of ann", status: "completed" });
    expect(subscribed.subscribe?.publications).toHaveLength(2);
    const history = await reply(core, ann, { history: { channel: "run:mine", limit: 10 } });
    expect(history).toMatchObject({ history: { publications: [{ offset: 1 }, { offset: 2 }] } });
    for (const id of ["mine", "asks"]) {
      const cancelled = await reply(core, ann, { rpc: { method: "run.cancel", data: { run: id } } });
      expect(cancelled.rpc?.data).toEqual({ status: "finished" });
    }
  });

  test("refuse everybody else, as a run that does not exist does", async ({ start }) => {
    const core = await ended(start);
    const bob = pipe(core.notifier, { peer: { user: "bob" } });
    bob.send({ id: 1, connect: {} });
    const answers = async (id: string) => {
      const commands = [
        { subscribe: { channel: `run:${id}` } },
        { history: { channel: `run:${id}`, limit: 1 } },
        { rpc: { method: "run.cancel", data: { run: id } } },
      ];
      const replies: unknown[] = [];
      for (const command of commands) replies.push(await reply(core, bob, command));
      return replies;
    };
    const none = await answers("none");
    expect(none).toMatchObject([
      { error: { code: 103 } },
      { error: { code: 103 } },
      { rpc: { data: { status: "unknown" } } },
    ]);
    for (const id of ["mine", "asks", "failed"]) expect(await answers(id)).toEqual(none);
  });
});

describe("a confirmed publication that waited when its process ended", () => {
  async function published(start: Start, { ttl = 10 * minute } = {}) {
    const world = worldOf(start);
    const first = await world.open();
    void first.notifier.publish("user:ann", { text: "pay" }, { confirm: true, ttl, tags: { kind: "bill" } });
    await world.clock.settle();
    return { ...world, first };
  }

  test.for(["killed", "closed"])(
    "%s, waits on, and is discharged once it is read",
    async (how, { start }) => {
      const { first, kill, open, clock, store } = await published(start);
      if (how === "killed") await kill(first);
      else {
        const closed = outcomeOf(first.notifier.close());
        await clock.advance(5_000);
        expect(closed.value).toMatchObject({ undelivered: [], givenUp: 0, waiting: 1 });
      }
      const told: unknown[] = [];
      const next = await open({
        onUndelivered: (publication, reason) => void told.push([publication, reason]),
      });
      expect([next.notifier.stats().confirmed, store.records.size]).toEqual([1, 1]);
      const client = pipe(next.notifier, { peer: { user: "ann", channels: ["user:ann"] } });
      client.send({ id: 1, connect: { subs: { "user:ann": { recover: true, offset: 0, epoch: "" } } } });
      await clock.settle();
      expect(offsetsIn(client.received, "user:ann")).toEqual([1]);
      await clock.advance(1_000);
      expect([next.notifier.stats().confirmed, store.records.size, told]).toEqual([0, 0, []]);
    },
  );

  test("is reported once its time is over, once, with what it was", async ({ start }) => {
    const { first, kill, open, clock, store } = await published(start);
    await clock.advance(4 * minute);
    await kill(first);
    const told: unknown[] = [];
    const onUndelivered = (publication: unknown, reason: unknown): void =>
      void told.push([publication, reason]);
    const next = await open({ onUndelivered });
    await clock.advance(6 * minute - 1_000);
    // Its log may trim it before: then that is what is told.
    expect(told.length).toBeLessThanOrEqual(1);
    await clock.advance(1_000);
    expect(told).toMatchObject([
      [{ channel: "user:ann", offset: 1, data: { text: "pay" } }, expect.any(String)],
    ]);
    expect(store.records.size).toBe(0);
    await kill(next);
    await open({ onUndelivered });
    await clock.advance(minute);
    expect(told).toHaveLength(1);
  });

  test("whose time was over meanwhile is reported at once", async ({ start }) => {
    const { first, kill, open, clock } = await published(start, { ttl: minute });
    await kill(first);
    await clock.advance(2 * minute);
    const told: unknown[] = [];
    await open({ onUndelivered: ({ data }, reason) => void told.push([data, reason]) });
    await clock.advance(1);
    expect(told).toEqual([[{ text: "pay" }, "expired"]]);
  });

  test("that the log no longer keeps is reported to onError", async ({ start }) => {
    const { first, kill, open, clock, store } = await published(start);
    await kill(first);
    await clock.advance(6 * minute);
    const next = await open();
    const reported = next.errors.splice(0).map(({ error }) => (error as Error).message);
    expect(reported).toEqual([
      'Cannot deliver the confirmed publication 1 of "user:ann": the log no longer keeps it',
    ]);
    expect(store.records.size).toBe(0);
  });
});

test("a confirmed publication that is acknowledged in the last moment of closing is no longer held", async ({
  start,
}) => {
  const { open, clock, store } = worldOf(start);
  const core = await open();
  const client = pipe(core.notifier, { peer: { user: "ann", channels: ["user:ann"] } });
  client.send({ id: 1, connect: {} });
  const acknowledge = (epoch: string, offset: number): void =>
    client.send({ send: { data: { ack: { "user:ann": { epoch, offset } } } } });
  const first = outcomeOf(core.notifier.publish("user:ann", "hello"));
  await clock.settle();
  const { epoch } = first.value?.position ?? { epoch: "" };
  acknowledge(epoch, 1);
  void core.notifier.publish("user:ann", "pay", { confirm: true });
  await clock.settle();
  const closing = outcomeOf(core.notifier.close());
  await clock.settle();
  expect([store.records.size, closing.state]).toEqual([1, "pending"]);
  // It acknowledges, and leaves before the next turn.
  acknowledge(epoch, 2);
  client.drop();
  await clock.settle();
  expect(closing.value).toMatchObject({ undelivered: [], waiting: 0 });
  expect(store.records.size).toBe(0);
});

test("an idempotency key of an earlier process is known, with the position of its publication", async ({
  start,
}) => {
  const { open, kill, clock } = worldOf(start);
  const first = await open();
  const before = outcomeOf(first.notifier.publish("news", "once", { idempotencyKey: "order 7" }));
  await clock.settle();
  await kill(first);
  const next = await open();
  const again = outcomeOf(next.notifier.publish("news", "once", { idempotencyKey: "order 7" }));
  await clock.settle();
  expect(again.value?.position).toEqual(before.value?.position);
  expect(await payloads(next.notifier, "news")).toEqual(["once"]);
  await clock.advance(5 * minute);
  const late = outcomeOf(next.notifier.publish("news", "again", { idempotencyKey: "order 7" }));
  await clock.settle();
  expect(late.value?.position.offset).toBe(2);
});

test("a record of another version is reported, and left to that version", async ({ start }) => {
  const { open, kill, clock, store } = worldOf(start);
  const first = await open();
  void first.notifier.publish("news", 1, { confirm: true });
  await clock.settle();
  await kill(first);
  const [[record, held]] = [...store.records] as [[string, HeldRecord]];
  const newer = record.replace('"format":1', '"format":2');
  store.records.clear();
  store.records.set(newer, { ...held, record: newer });
  const next = await open();
  const messages = next.errors.splice(0).map(({ error }) => (error as Error).message);
  expect(messages).toEqual(["Cannot read what was left of news: another version has written it"]);
  expect([next.notifier.stats().confirmed, store.records.size]).toEqual([0, 1]);
});

test("a confirmed publication without an end waits on as well", async ({ start }) => {
  const { open, kill, clock } = worldOf(start);
  const first = await open();
  void first.notifier.publish("news", 1, { confirm: true, ttl: Infinity });
  await clock.settle();
  await kill(first);
  expect((await open()).notifier.stats().confirmed).toBe(1);
});

describe("a log that another process works with", () => {
  test("lets this one wait, and report once that it does; what is published meanwhile is not lost", async ({
    start,
  }) => {
    const { open, clock } = worldOf(start);
    const first = await open();
    await clock.settle();
    const second = await open();
    const published = outcomeOf(second.notifier.publish("news", 2));
    const aborted = outcomeOf(second.notifier.publish("news", 3, { signal: AbortSignal.abort("enough") }));
    await clock.advance(10_000);
    expect([published.state, aborted.reason]).toEqual(["pending", "enough"]);
    const reported = second.errors.splice(0).map(({ error }) => error);
    expect(reported).toEqual([expect.any(LogError)]);
    expect((reported[0] as LogError).message).toContain("another one has not closed it");
    const last = outcomeOf(first.notifier.publish("news", 1));
    await clock.settle();
    const closed = first.notifier.close();
    await clock.settle();
    await closed;
    await clock.settle();
    expect([last.value?.position.offset, published.value?.position.offset]).toEqual([1, 2]);
    expect(await payloads(second.notifier, "news")).toEqual([1, 2]);
  });

  test("does not delay closing beyond its grace", async ({ start }) => {
    const { open, clock, store } = worldOf(start);
    await open();
    const second = await open();
    const published = outcomeOf(second.notifier.publish("news", 2));
    const closing = outcomeOf(second.notifier.close());
    await clock.advance(5_000);
    expect([closing.state, published.reason]).toEqual(["fulfilled", expect.any(ClosedError)]);
    // It has stopped waiting for its place in the log.
    expect(store.waiting.size).toBe(0);
    second.errors.length = 0;
  });

  test("that can never be joined rejects every publication, and is reported once", async ({ start }) => {
    const clock = fakeClock();
    const error = new LogError("the file is of a newer format", { lasting: true });
    const log = { ...killable(durableLog(durableStore(), clock)), join: () => Promise.reject(error) };
    const core = start({ clock, log });
    const outcomes = [1, 2].map((n) => outcomeOf(core.notifier.publish("news", n)));
    await clock.settle();
    expect(outcomes.map(({ reason }) => reason)).toEqual([error, error]);
    expect(core.errors.splice(0).map(({ error }) => error)).toEqual([error]);
  });

  test("that fails to be joined is tried again", async ({ start }) => {
    const clock = fakeClock();
    const store = durableStore();
    const sound = killable(durableLog(store, clock));
    let failures = 3;
    const log: Log = {
      ...sound,
      join: (...args) =>
        failures-- > 0
          ? Promise.reject(new Error("locked"))
          : (sound.join as NonNullable<Log["join"]>)(...args),
    };
    const core = start({ clock, log });
    const published = outcomeOf(core.notifier.publish("news", 1));
    await clock.advance(1_000);
    expect(published.value?.position.offset).toBe(1);
    expect(core.errors.splice(0).map(({ error }) => (error as Error).message)).toEqual(["locked"]);
  });
});

async function typesIn(core: Core, channel: string): Promise<string[]> {
  return (await payloads(core.notifier, channel)).map((event) => (event as { type: string }).type);
}
