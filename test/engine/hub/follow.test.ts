import { describe, expect } from "vitest";
import { ClosedError, GapError } from "../../../src/model/errors.ts";
import type { Position } from "../../../src/model/log.ts";
import type { Publication } from "../../../src/model/publication.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  finish,
  gather,
  logWith,
  never,
  outcomeOf,
  publishAll,
  rejection,
  spySignal,
  startWith,
  test,
  upTo,
} from "../../support/core.ts";

const fromStart = { offset: 0, epoch: "" };
const offsets = (got: readonly Publication[]): number[] => got.map(({ offset }) => offset);

describe("following a channel", () => {
  test("yields what is published after the first next() call, in order", async ({ start }) => {
    const core = start();
    await publishAll(core, 3);
    const following = core.notifier.follow("news");
    await publishAll(core, 1);
    const first = outcomeOf(following.next());
    await core.clock.settle();
    expect(first.state).toBe("pending");
    await publishAll(core, 2);
    await core.clock.settle();
    expect(first.value).toMatchObject({ done: false, value: { channel: "news", offset: 5 } });
    expect((await following.next()).value).toMatchObject({ offset: 6 });
    await following.return();
  });

  test("after a position yields what follows it, and then new publications, without a gap or a duplicate", async ({
    start,
  }) => {
    const core = start();
    await publishAll(core, 900);
    const { got } = gather(core.notifier, "news");
    await publishAll(core, 10);
    await core.clock.settle();
    await publishAll(core, 10);
    await core.clock.settle();
    expect(offsets(got)).toEqual(upTo(920));
    expect(new Set(got.map(({ epoch }) => epoch)).size).toBe(1);
  });

  test("continues from the last position of another one", async ({ start }) => {
    const core = start();
    await publishAll(core, 5);
    const following = core.notifier.follow("news", { after: fromStart });
    await following.next();
    const { value } = await following.next();
    await following.return();
    const { offset, epoch } = value as Publication;
    const next = await core.notifier.follow("news", { after: { offset, epoch } }).next();
    expect(next.value).toMatchObject({ offset: 3 });
  });

  test("misses nothing while its consumer is slow", async ({ start }) => {
    const core = start();
    const following = core.notifier.follow("news", { after: fromStart });
    for (let round = 0; round < 5; round++) {
      await publishAll(core, 3);
      for (let i = 1; i <= 3; i++) {
        expect((await following.next()).value).toMatchObject({ offset: round * 3 + i });
        await core.clock.advance(1_000);
      }
    }
    await following.return();
  });

  test("works for many consumers at once, each at its own speed", async ({ start }) => {
    const core = start();
    const all = Array.from({ length: 20 }, () => gather(core.notifier, "news"));
    await publishAll(core, 30);
    await core.clock.settle();
    for (const { got } of all) expect(offsets(got)).toEqual(upTo(30));
    expect(core.notifier.stats().channels).toBe(1);
  });

  test("throws a GapError where the log was trimmed, with the earliest position to continue from", async ({
    start,
  }) => {
    const clock = fakeClock();
    const core = start({ clock, log: logWith(clock, () => ({}), { size: 5, slack: 0 }) });
    await publishAll(core, 20);
    const { epoch } = await core.notifier.history("news");
    for (const after of [
      { offset: 14, epoch },
      { offset: 21, epoch },
      { offset: 18, epoch: "other" },
    ]) {
      const reason = (await rejection(core.notifier.follow("news", { after }).next())) as GapError;
      expect(reason).toBeInstanceOf(GapError);
      expect(reason).toMatchObject({ channel: "news", after, earliest: { offset: 15, epoch } });
      const next = await core.notifier.follow("news", { after: reason.earliest }).next();
      expect(next.value).toMatchObject({ offset: 16 });
    }
  });

  test("throws a GapError when publications that it has not read yet are trimmed", async ({ start }) => {
    const clock = fakeClock();
    const core = start({ clock, log: logWith(clock, () => ({}), { size: 5, slack: 0 }) });
    await publishAll(core, 1);
    const following = core.notifier.follow("news", { after: fromStart });
    await following.next();
    await publishAll(core, 6);
    expect(await rejection(following.next())).toMatchObject({
      name: "GapError",
      after: { offset: 1 },
      earliest: { offset: 2 },
    });
  });

  test("throws the signal's own reason, before it began and while it waits", async ({ start }) => {
    const { notifier, clock } = start();
    const spy = spySignal();
    const reason = { why: "enough" };
    expect(await rejection(notifier.follow("news", { signal: AbortSignal.abort(reason) }).next())).toBe(
      reason,
    );
    const waiting = rejection(notifier.follow("news", { signal: spy.signal }).next());
    await clock.settle();
    expect(spy.listeners).toBe(1);
    spy.controller.abort(reason);
    expect(await waiting).toBe(reason);
    await clock.settle();
    expect(spy.listeners).toBe(0);
    expect(notifier.stats()).toMatchObject({ channels: 0, waits: 0 });
  });

  test("stops at once when its signal aborts, whatever was read ahead", async ({ start }) => {
    const core = start();
    await publishAll(core, 10);
    const controller = new AbortController();
    const reason = { why: "enough" };
    const got: number[] = [];
    const loop = async (): Promise<void> => {
      for await (const { offset } of core.notifier.follow("news", {
        after: fromStart,
        signal: controller.signal,
      })) {
        got.push(offset);
        if (offset === 3) controller.abort(reason);
      }
    };
    expect(await rejection(loop())).toBe(reason);
    expect(got).toEqual([1, 2, 3]);
  });

  test("leaves nothing behind after a break, nor after a throw", async ({ start }) => {
    const core = start();
    await publishAll(core, 3);
    const spy = spySignal();
    const options = { after: fromStart, signal: spy.signal };
    for await (const { offset } of core.notifier.follow("news", options)) if (offset === 2) break;
    const fault = new Error("mine");
    const throwing = async (): Promise<void> => {
      for await (const _ of core.notifier.follow("news", options)) throw fault;
    };
    expect(await rejection(throwing())).toBe(fault);
    await core.clock.settle();
    expect(spy.listeners).toBe(0);
    expect(core.notifier.stats()).toMatchObject({ channels: 0, waits: 0, tasks: 0, timers: 0 });
    expect(core.notifier.inspect()).toEqual([]);
  });

  test("ends at once when return() is called while it waits for the next publication", async ({ start }) => {
    const core = start();
    await publishAll(core, 1);
    for (const options of [{}, { after: fromStart }]) {
      const spy = spySignal();
      const following = core.notifier.follow("news", { ...options, signal: spy.signal });
      if ("after" in options) await following.next();
      const [next, later] = [outcomeOf(following.next()), outcomeOf(following.next())];
      await core.clock.settle();
      expect([next.state, later.state]).toEqual(["pending", "pending"]);
      expect(await following.return()).toEqual({ done: true, value: undefined });
      await core.clock.settle();
      for (const each of [next, later]) expect(each.value).toEqual({ done: true, value: undefined });
      expect(await following.next()).toEqual({ done: true, value: undefined });
      expect(spy.listeners).toBe(0);
      expect(core.notifier.stats()).toMatchObject({ channels: 0, waits: 0 });
    }
  });

  test("ends when return() is called before it began, and while it reads", async ({ start }) => {
    const core = start();
    await publishAll(core, 3);
    const unbegun = core.notifier.follow("news");
    expect(await unbegun.return()).toEqual({ done: true, value: undefined });
    const reading = core.notifier.follow("news", { after: fromStart });
    const next = reading.next();
    expect(await reading.return()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
    await core.clock.settle();
    expect(core.notifier.stats()).toMatchObject({ channels: 0, waits: 0 });
  });

  const bad: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [null, TypeError, '"null": a position is { offset, epoch }, a number and a string'],
    ["7", TypeError, '"7": a position is { offset, epoch }, a number and a string'],
    [{ offset: "7", epoch: "" }, TypeError, "{ offset, epoch }"],
    [{ offset: 7 }, TypeError, "{ offset, epoch }"],
    [{ offset: Number.NaN, epoch: "" }, RangeError, '"NaN": an offset is a whole number from 0 up'],
    [{ offset: -1, epoch: "" }, RangeError, '"-1": an offset is a whole number from 0 up'],
    [{ offset: 1.5, epoch: "" }, RangeError, '"1.5": an offset is a whole number from 0 up'],
    [{ offset: Infinity, epoch: "" }, RangeError, '"Infinity": an offset'],
  ];
  test.for(bad)(
    "after %j is refused at once, and so is its history",
    async ([after, kind, why], { start }) => {
      const { notifier } = start();
      const options = { after: after as Position };
      expect(() => notifier.follow("news", options)).toThrow(kind);
      expect(() => notifier.follow("news", options)).toThrow('Cannot follow "news" after ');
      expect(() => notifier.follow("news", options)).toThrow(why);
      const error = (await rejection(notifier.history("news", options))) as Error;
      expect(error).toBeInstanceOf(kind);
      expect(error.message).toContain('Cannot read the history of "news" after ');
      expect(error.message).toContain(why);
    },
  );

  test.for([
    ["7", TypeError],
    [null, TypeError],
    [Number.NaN, RangeError],
    [-1, RangeError],
    [1.5, RangeError],
  ] as const)("a history of at most %j is refused", async ([limit, kind], { start }) => {
    const { notifier } = start();
    const error = await rejection(notifier.history("news", { limit: limit as number }));
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toContain(
      `Cannot read the history of "news" with the limit "${limit}": it is`,
    );
  });

  test("a history with a limit of zero, and one with an infinite limit, is read", async ({ start }) => {
    const core = start();
    await publishAll(core, 3);
    for (const [limit, length] of [
      [0, 0],
      [2, 2],
      [Infinity, 3],
    ] as const)
      expect((await core.notifier.history("news", { limit })).publications).toHaveLength(length);
  });

  test("that was never started has done nothing", async ({ start }) => {
    const spy = spySignal();
    const { notifier } = start();
    notifier.follow("news", { signal: spy.signal });
    expect(spy.most).toBe(0);
    expect(notifier.stats().channels).toBe(0);
  });

  test("throws the error of a log that cannot be read or watched", async ({ start }) => {
    const broken = new Error("gone");
    const unread = startWith(start, () => ({ read: () => Promise.reject(broken) }));
    expect(await rejection(unread.notifier.follow("news").next())).toBe(broken);
    const unwatched = startWith(start, () => ({ watch: () => Promise.reject(broken) }));
    expect(await rejection(unwatched.notifier.follow("news").next())).toBe(broken);
    for (const { clock, notifier } of [unread, unwatched]) {
      await clock.settle();
      expect(notifier.stats().channels).toBe(0);
    }
  });

  test.for([
    ["rejected", () => Promise.reject(new Error("not yet"))],
    [
      "threw",
      () => {
        throw new Error("not yet");
      },
    ],
  ] as const)("works again after a watch that %s once", async ([, fail], { start }) => {
    let failing = true;
    const core = startWith(start, (log) => ({
      watch: (...args) => (failing ? (fail() as Promise<never>) : log.watch(...args)),
    }));
    const held = outcomeOf(core.notifier.follow("other", { after: fromStart }).next());
    expect((await rejection(core.notifier.follow("news").next())) as Error).toMatchObject({
      message: "not yet",
    });
    failing = false;
    const next = outcomeOf(core.notifier.follow("news").next());
    await core.clock.settle();
    await publishAll(core, 1);
    await core.clock.settle();
    expect(next.value).toMatchObject({ value: { offset: 1 } });
    expect(held.state).toBe("rejected");
  });

  test("that waits for a log that never returns ends with its signal, and with close", async ({ start }) => {
    const core = startWith(start, () => ({ watch: () => never() }));
    const { controller, signal } = spySignal();
    const [aborted, closed] = [core.notifier.follow("a", { signal }), core.notifier.follow("b")];
    const waits = [rejection(aborted.next()), rejection(closed.next())];
    await core.clock.settle();
    controller.abort("enough");
    expect(await waits[0]).toBe("enough");
    await finish(core);
    expect(await waits[1]).toBeInstanceOf(ClosedError);
  });
});
