import { describe, expect } from "vitest";
import { BusyError, ClosedError, LogError } from "../../../src/model/errors.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  type Core,
  finish,
  gather,
  offsetsIn,
  outcomeOf,
  payloads,
  rejection,
  type Start,
  type StartOptions,
  spySignal,
  test,
  upTo,
} from "../../support/core.ts";
import { type DurableStore, durableLog, durableStore } from "../../support/durable-log.ts";

interface Durable extends Core {
  readonly store: DurableStore;
}

/** Starts a notifier over a log that commits, and waits until it is a member. */
async function startDurable(start: Start, options: StartOptions = {}): Promise<Durable> {
  const store = durableStore();
  const clock = fakeClock();
  const core = start({ ...options, clock, log: durableLog(store, clock) });
  await core.notifier.runs.find("none");
  await clock.settle();
  return { ...core, store };
}

describe("with a log that commits", () => {
  test("the publications of one turn are one commit and one frame, and their receipts come after it", async ({
    start,
  }) => {
    const { notifier, clock, store } = await startDurable(start);
    const client = pipe(notifier, { peer: { user: "ann", channels: ["news"] } });
    client.send({ id: 1, connect: {} });
    await clock.settle();
    client.take();
    const before = store.commits;
    const receipts = upTo(100).map((n) => outcomeOf(notifier.publish("news", n)));
    expect(await payloads(notifier, "news")).toEqual([]);
    expect(receipts[0]?.state).toBe("pending");
    await clock.settle();
    expect(store.commits).toBe(before + 1);
    expect(receipts.map(({ value }) => value?.position.offset)).toEqual(upTo(100));
    expect(offsetsIn(client.received, "news")).toEqual(upTo(100));
    expect(client.frames).toBe(2);
  });

  test("a publication that was awaited can be read", async ({ start }) => {
    const { notifier, clock } = await startDurable(start);
    const read = notifier.publish("news", 1).then(() => payloads(notifier, "news"));
    await clock.settle();
    expect(await read).toEqual([1]);
  });

  test("nothing leaves while commits fail: no frame, no receipt, no reply; then everything does, in order", async ({
    start,
  }) => {
    const { notifier, clock, store, errors } = await startDurable(start);
    const client = pipe(notifier, { peer: { user: "ann", channels: ["news"], authorize: () => true } });
    client.send({ id: 1, connect: {} });
    const { got } = gather(notifier, "news");
    await clock.settle();
    client.take();
    store.fails = new Error("disk full");
    const first = outcomeOf(notifier.publish("news", 1));
    const run = notifier.run(async () => "result");
    client.send({ id: 2, publish: { channel: "news", data: 2 } });
    await clock.advance(1_000);
    const last = outcomeOf(notifier.publish("news", 3));
    await clock.advance(5_000);
    expect([first.state, last.state, client.take(), got, run.status]).toEqual([
      "pending",
      "pending",
      [],
      [],
      "working",
    ]);
    expect(notifier.inspect().map(({ owner }) => owner)).toContain("commit 4 publications");
    expect(errors.splice(0).map(({ error, context }) => [error, context.stage])).toEqual([
      [store.fails, "log"],
    ]);
    store.fails = undefined;
    await clock.advance(5_000);
    expect([first.value?.position.offset, last.value?.position.offset]).toEqual([1, 3]);
    expect(got.map(({ data }) => data)).toEqual([1, 2, 3]);
    expect(offsetsIn(client.received, "news")).toEqual([1, 2, 3]);
    expect(await run.result()).toBe("result");
  });

  test("what waits for a commit counts for limits.waiting, and more is refused", async ({ start }) => {
    const { notifier, clock, store, errors } = await startDurable(start, { limits: { waiting: 1_000 } });
    store.fails = new Error("disk full");
    const first = outcomeOf(notifier.publish("news", "x"));
    await clock.settle();
    const more = upTo(20).map(() => outcomeOf(notifier.publish("news", "x")));
    await clock.settle();
    const refused = more.filter(({ reason }) => reason instanceof BusyError);
    expect([first.state, refused.length > 0, refused.length < 20]).toEqual(["pending", true, true]);
    store.fails = undefined;
    await clock.advance(5_000);
    expect((await payloads(notifier, "news")).length).toBe(21 - refused.length);
    errors.length = 0;
  });

  test("a signal ends the wait for a commit", async ({ start }) => {
    const { notifier, clock, store, errors } = await startDurable(start);
    store.fails = new Error("disk full");
    const controller = new AbortController();
    const { signal } = controller;
    const published = outcomeOf(notifier.publish("news", 1, { signal }));
    const confirmed = outcomeOf(notifier.publish("news", 2, { signal, confirm: true }));
    await clock.settle();
    controller.abort("enough");
    await clock.settle();
    expect([published.reason, confirmed.reason, notifier.stats().confirmed]).toEqual(["enough", "enough", 0]);
    store.fails = undefined;
    await clock.advance(5_000);
    expect(notifier.inspect().filter(({ kind }) => kind === "publication")).toEqual([]);
    expect([await payloads(notifier, "news"), store.records.size, notifier.stats().confirmed]).toEqual([
      [1, 2],
      0,
      0,
    ]);
    errors.length = 0;
  });

  test("a signal is listened to until the commit, and no longer", async ({ start }) => {
    const { notifier, clock } = await startDurable(start);
    const spy = spySignal();
    const published = outcomeOf(notifier.publish("news", 1, { signal: spy.signal }));
    expect(spy.listeners).toBe(1);
    await clock.settle();
    expect([published.state, spy.listeners]).toEqual(["fulfilled", 0]);
  });

  test("a lasting error rejects what waits and what comes, and is reported once", async ({ start }) => {
    const { notifier, clock, store, errors } = await startDurable(start);
    const lasting = new LogError("the file is read-only", { lasting: true });
    store.fails = lasting;
    const outcomes = [notifier.publish("news", 1), notifier.publish("other", 2)].map(outcomeOf);
    await clock.settle();
    expect(outcomes.map(({ reason }) => reason)).toEqual([lasting, lasting]);
    const next = outcomeOf(notifier.publish("news", 3));
    await clock.settle();
    expect(next.reason).toBe(lasting);
    expect(errors.splice(0).map(({ error }) => error)).toEqual([lasting]);
  });

  test("closing commits what was published before", async ({ start }) => {
    const core = await startDurable(start);
    const published = outcomeOf(core.notifier.publish("news", 1));
    const closed = core.notifier.close();
    await core.clock.settle();
    await closed;
    expect(published.value?.position.offset).toBe(1);
    expect(core.store.channels.get("news")?.top).toBe(1);
  });

  test("closing rejects what cannot be committed in time, reports it, and never commits it", async ({
    start,
  }) => {
    const core = await startDurable(start);
    const { notifier, clock, store, errors } = core;
    // A peer that does not read keeps closing busy until the end of the grace.
    const deaf = pipe(notifier, { peer: { user: "ann", channels: ["other"] } });
    deaf.send({ id: 1, connect: {} });
    await clock.settle();
    deaf.stall();
    void notifier.publish("other", 0);
    await clock.settle();
    store.fails = new Error("disk full");
    const published = outcomeOf(notifier.publish("news", 1));
    const confirmed = outcomeOf(notifier.publish("news", 2, { confirm: true }));
    await clock.settle();
    const closing = outcomeOf(notifier.close());
    await clock.advance(3_740);
    expect([published.state, closing.state]).toEqual(["pending", "pending"]);
    store.fails = undefined;
    await clock.advance(1_260);
    expect([published.reason, confirmed.reason]).toEqual([expect.any(ClosedError), expect.any(ClosedError)]);
    expect(closing.value?.undelivered).toMatchObject([{ channel: "news", reason: "unlogged" }]);
    expect([[...store.channels.keys()], store.records.size]).toEqual([["other"], 0]);
    errors.length = 0;
    expect(await rejection(notifier.publish("news", 3))).toBeInstanceOf(ClosedError);
    await finish(core);
  });
});
