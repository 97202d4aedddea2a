import { describe, expect } from "vitest";
import { memoryLog } from "../../../src/stores/memory.ts";
import { type Pipe, pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import { acknowledging, heldBy, person, returning, silent } from "../../support/acknowledging.ts";
import {
  type Core,
  deferred,
  finish,
  type Message,
  offsetsIn,
  publishAll,
  type Start,
  type StartOptions,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";
import { gated } from "../../support/wire.ts";

interface Push {
  push?: { channel: string; message?: { data: { notice?: object } } };
}

/** Returns the notice in the reply to `subscribe`. */
function answered({ received }: Pipe): unknown {
  const reply = (received as Message[]).find(({ id }) => id === 2)?.subscribe;
  return (reply?.data as { notice?: unknown } | undefined)?.notice;
}

/** Returns the notices that were pushed. */
function pushed(messages: readonly unknown[]): unknown[] {
  return (messages as Push[]).flatMap(({ push }) =>
    push?.message === undefined ? [] : [push.message.data.notice],
  );
}

async function epochOf({ notifier }: Core, channel = "news"): Promise<string> {
  return (await notifier.history(channel)).epoch;
}

/** Returns a client that subscribed, left, and came back after `missed` publications. */
async function back(
  core: Core,
  missed: number,
  { user = "ann", after = 0, channel = "news" } = {},
): Promise<Pipe> {
  const epoch = await epochOf(core, channel);
  await publishAll(core, missed, 10, channel);
  return returning(core, channel, user, { offset: after, epoch });
}

function small(start: Start, size: number, options: StartOptions = {}): Core {
  const clock = fakeClock();
  return start({ ...options, clock, log: memoryLog({ clock, size, slack: 0 }) });
}

describe("the reply to a client that comes back has a notice of", () => {
  test("how many publications come late", async ({ start }) => {
    const core = start();
    const ann = await back(core, 3);
    const notice = { epoch: await epochOf(core), delayed: 3, gone: 0, kept: 0 };
    expect([answered(ann), pushed(ann.received), offsetsIn(ann.received, "news")]).toEqual([
      notice,
      [],
      upTo(3),
    ]);
  });

  test("how many are gone, and how many of the rest are kept", async ({ start }) => {
    const core = small(start, 2);
    const ann = await back(core, 6);
    const notice = { epoch: await epochOf(core), delayed: 0, gone: 4, kept: 2 };
    expect([answered(ann), offsetsIn(ann.received, "news")]).toEqual([notice, []]);
  });

  test("how many are gone, where it asks for the start of a trimmed log", async ({ start }) => {
    const core = small(start, 2);
    await publishAll(core, 6);
    const ann = await returning(core, "news", "ann", { offset: 0, epoch: "" });
    expect(answered(ann)).toEqual({ epoch: await epochOf(core), delayed: 0, gone: 4, kept: 2 });
  });

  test("an unknown number of gone publications, where the log started a new epoch", async ({ start }) => {
    const clock = fakeClock();
    const log = gated(() => memoryLog({ clock }));
    const core = start({ clock, log });
    const epoch = await epochOf(core);
    await publishAll(core, 3);
    log.wipe();
    await publishAll(core, 2);
    const ann = await returning(core, "news", "ann", { offset: 3, epoch });
    const notice = { epoch: await epochOf(core), delayed: 0, gone: null, kept: 2 };
    expect([answered(ann), notice.epoch === epoch]).toEqual([notice, false]);
  });

  test("an unknown number of gone publications, after a position that the log never had", async ({
    start,
  }) => {
    const core = start();
    await publishAll(core, 2);
    const epoch = await epochOf(core);
    const ann = await returning(core, "news", "ann", { offset: 7, epoch });
    expect(answered(ann)).toEqual({ epoch, delayed: 0, gone: null, kept: 2 });
  });

  test("what it missed, beside the run's own data", async ({ start }) => {
    const core = start();
    const go = deferred();
    const run = core.notifier.run(() => go.promise, { name: "render" });
    await core.clock.settle();
    const channel = `run:${run.id}`;
    const epoch = await epochOf(core, channel);
    const ann = await returning(core, channel, "ann", { offset: 0, epoch });
    expect((ann.received as Message[]).find(({ id }) => id === 2)?.subscribe?.data).toEqual({
      run: run.id,
      name: "render",
      status: "working",
      notice: { epoch, delayed: 1, gone: 0, kept: 0 },
    });
    go.resolve();
    await run.result();
  });

  test("what it missed, in the connect reply as well where the server subscribes it", async ({ start }) => {
    const core = start();
    const epoch = await epochOf(core);
    await publishAll(core, 2);
    const ann = pipe(core.notifier, { peer: { user: "ann", channels: ["news"] } });
    ann.send({ id: 1, connect: { subs: { news: { recover: true, offset: 0, epoch } } } });
    await core.clock.settle();
    expect((ann.received as Message[])[0]?.connect?.subs?.news?.data).toEqual({
      notice: { epoch, delayed: 2, gone: 0, kept: 0 },
    });
  });
});

describe("no notice is sent", () => {
  test("to a client that missed nothing, is new, or begins at the start", async ({ start }) => {
    const core = start();
    await publishAll(core, 3);
    const epoch = await epochOf(core);
    const clients = [
      await subscriber(core, "news", { peer: person("ann") }),
      await returning(core, "news", "bob", { offset: 3, epoch }),
      await returning(core, "news", "cat", { offset: 0, epoch: "" }),
    ];
    await core.clock.advance(60_000);
    expect(clients.map((client) => [answered(client), pushed(client.received)])).toEqual([
      [undefined, []],
      [undefined, []],
      [undefined, []],
    ]);
  });

  test("in a reply that has no other data", async ({ start }) => {
    const core = start();
    const ann = await back(core, 0);
    const epoch = await epochOf(core);
    expect((ann.received as Message[]).find(({ id }) => id === 2)?.subscribe).toEqual({
      recoverable: true,
      positioned: true,
      epoch,
      offset: 0,
      recovered: true,
      was_recovering: true,
    });
  });

  test("while the notifier closes, even where a client catches up after a long stall", async ({ start }) => {
    const core = start({ window: 1_024 });
    const ann = await subscriber(core, "news", { peer: person("ann") });
    ann.stall();
    await publishAll(core, 5, 600);
    await core.clock.advance(2_000);
    const closed = core.notifier.close();
    await core.clock.advance(1_000);
    ann.resume();
    await core.clock.settle();
    expect(await closed).toMatchObject({ sessions: { closed: 1, cut: 0 }, milliseconds: 1_000 });
    expect([offsetsIn(ann.received, "news"), pushed(ann.received)]).toEqual([upTo(5), []]);
  });

  test("while the notifier closes, even where one was due", async ({ start }) => {
    const core = start({ grace: 8_000 });
    (await back(core, 3)).drop();
    const ann = await back(core, 2, { after: 3 });
    const stuck = await subscriber(core, "sport", { peer: person("bob") });
    stuck.stall();
    await core.notifier.publish("sport", 1);
    await core.clock.settle();
    const report = await finish(core);
    expect([report.milliseconds, answered(ann), pushed(ann.received)]).toEqual([8_000, undefined, []]);
  });
});

describe("a notice is sent at most every 5 s", () => {
  test("for a channel: what was missed meanwhile comes then, in one notice", async ({ start }) => {
    const core = start();
    const epoch = await epochOf(core);
    const first = await back(core, 3);
    expect(answered(first)).toEqual({ epoch, delayed: 3, gone: 0, kept: 0 });
    first.drop();
    await core.clock.advance(1_000);
    const second = await back(core, 2, { after: 3 });
    second.drop();
    await core.clock.advance(1_000);
    const third = await back(core, 4, { after: 5 });
    expect([answered(second), answered(third)]).toEqual([undefined, undefined]);
    await core.clock.advance(2_999);
    expect(pushed(third.received)).toEqual([]);
    await core.clock.advance(1);
    expect(pushed(third.received)).toEqual([{ channel: "news", epoch, delayed: 6, gone: 0, kept: 0 }]);
    third.drop();
    // The interval of 5 s starts again with the pushed notice.
    await core.clock.advance(4_999);
    const fourth = await back(core, 1, { after: 9 });
    expect([answered(fourth), pushed(fourth.received)]).toEqual([undefined, []]);
    await core.clock.advance(1);
    expect(pushed(fourth.received)).toEqual([{ channel: "news", epoch, delayed: 1, gone: 0, kept: 0 }]);
  });

  test("for what is gone as well", async ({ start }) => {
    const core = small(start, 2);
    const epoch = await epochOf(core);
    (await back(core, 6)).drop();
    const again = await back(core, 5, { after: 6 });
    expect(answered(again)).toBeUndefined();
    await core.clock.advance(5_000);
    expect(pushed(again.received)).toEqual([{ channel: "news", epoch, delayed: 0, gone: 3, kept: 2 }]);
  });

  test("and after that in the reply again", async ({ start }) => {
    const core = start();
    const epoch = await epochOf(core);
    (await back(core, 3)).drop();
    await core.clock.advance(5_000);
    const again = await back(core, 2, { after: 3 });
    expect([answered(again), heldBy(core)]).toEqual([{ epoch, delayed: 2, gone: 0, kept: 0 }, []]);
  });

  test("for each channel, and to each user, separately", async ({ start }) => {
    const core = start();
    const clients = [
      await back(core, 3),
      await back(core, 2, { channel: "sport" }),
      await back(core, 0, { user: "bob" }),
      await back(core, 0, { user: "" }),
      await back(core, 0, { user: "" }),
    ];
    const delayed = clients.map((client) => (answered(client) as { delayed: number }).delayed);
    expect(delayed).toEqual([3, 2, 3, 3, 3]);
  });

  test("to a user, whose tabs count as one", async ({ start }) => {
    const core = start();
    const epoch = await epochOf(core);
    const first = await back(core, 3);
    const second = await back(core, 0);
    expect([answered(first), answered(second)]).toEqual([{ epoch, delayed: 3, gone: 0, kept: 0 }, undefined]);
    await core.clock.advance(5_000);
    const owed = { channel: "news", epoch, delayed: 3, gone: 0, kept: 0 };
    expect([pushed(first.received), pushed(second.received)]).toEqual([[owed], [owed]]);
  });

  test("and what was due to a user who has left is not kept", async ({ start }) => {
    const core = start();
    (await back(core, 3)).drop();
    (await back(core, 2, { after: 3 })).drop();
    await core.clock.advance(5_000);
    expect([core.clock.armed, core.notifier.inspect()]).toEqual([0, []]);
    const again = await back(core, 1, { after: 5 });
    expect([answered(again), pushed(again.received)]).toMatchObject([{ delayed: 1 }, []]);
  });
});

describe("a client that is stalled", () => {
  /** Returns a subscriber whose window was full for `ms` milliseconds, and which has caught up since. */
  async function heldUp(core: Core, ms: number) {
    const raw = await silent(core);
    await publishAll(core, 4, 600);
    await core.clock.advance(ms);
    const messages = (): unknown[] =>
      raw.lines.filter((line) => line !== "{}").map((line) => JSON.parse(line));
    for (let pongs = 0; pongs < 5; pongs++) {
      raw.pong();
      await core.clock.settle();
      if (offsetsIn(messages(), "news").at(-1) === 4) break;
    }
    expect(offsetsIn(messages(), "news")).toEqual(upTo(4));
    return { raw, messages };
  }

  test("for a second gets a notice of what came late, after it has received everything", async ({
    start,
  }) => {
    const core = start({ window: 1_024 });
    const { raw, messages } = await heldUp(core, 1_000);
    const epoch = await epochOf(core);
    // The first publication was sent without delay.
    expect(pushed(messages())).toEqual([{ channel: "news", epoch, delayed: 3, gone: 0, kept: 0 }]);
    raw.session.ended();
  });

  test("for less than that gets none", async ({ start }) => {
    const core = start({ window: 1_024 });
    const { raw, messages } = await heldUp(core, 999);
    await core.clock.advance(5_000);
    expect(pushed(messages())).toEqual([]);
    raw.session.ended();
  });

  test("until the log has trimmed what it missed gets a notice of what is gone when it comes back", async ({
    start,
  }) => {
    const core = small(start, 2, { window: 1_024 });
    const raw = await silent(core);
    await publishAll(core, 6, 600);
    raw.pong();
    await core.clock.settle();
    expect(raw.lines.filter((line) => line.includes('"unsubscribe":{"code":2500'))).toHaveLength(1);
    const received = raw.lines.filter((line) => line !== "{}").map((line) => JSON.parse(line));
    expect(offsetsIn(received, "news")).toEqual([1, 2]);
    raw.session.ended();
    const epoch = await epochOf(core);
    const ann = await returning(core, "news", "ann", { offset: 2, epoch });
    expect(answered(ann)).toEqual({ epoch, delayed: 0, gone: 2, kept: 2 });
  });
});

test("a log that starts a new epoch ends the subscription, and the notice after it has an unknown number", async ({
  start,
}) => {
  const clock = fakeClock();
  const log = gated(() => memoryLog({ clock }));
  const core = start({ clock, log });
  const ann = await acknowledging(core, "news");
  const epoch = await epochOf(core);
  await publishAll(core, 2);
  log.wipe();
  await publishAll(core, 1);
  expect((ann.received as Message[]).at(-1)?.push?.unsubscribe?.code).toBe(2500);
  ann.take();
  ann.send({ id: 2, subscribe: { channel: "news", recover: true, offset: 2, epoch } });
  await clock.settle();
  expect(answered(ann)).toEqual({ epoch: await epochOf(core), delayed: 0, gone: null, kept: 1 });
});

test("a sent notice is forgotten after its time, even where no other one follows", async ({ start }) => {
  const core = start();
  (await back(core, 3)).drop();
  expect(core.clock.armed).toBe(1);
  await core.clock.advance(5_050);
  expect([core.clock.armed, core.notifier.stats().timers]).toEqual([0, 0]);
});
