import { describe, expect } from "vitest";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { LogError } from "../../../src/model/errors.ts";
import type { Entry, Log, Slice } from "../../../src/model/log.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  type Core,
  finish,
  type Message,
  offsetsIn,
  outcomeOf,
  publishAll,
  rejection,
  type Start,
  startWith,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";

const fromStart = { offset: 0, epoch: "" };

/** Starts a notifier on a log. While `state.tear` is set, it changes the results of reads with a limit above 0. */
function startTorn(start: Start): {
  core: Core;
  state: { tear?: ((slice: Slice) => Slice) | undefined; reads: number };
} {
  const state: { tear?: ((slice: Slice) => Slice) | undefined; reads: number } = { reads: 0 };
  const core = startWith(start, (log) => ({
    async read(channel, options) {
      state.reads++;
      const slice = await log.read(channel, options);
      return options.limit === 0 ? slice : (state.tear?.(slice) ?? slice);
    },
  }));
  return { core, state };
}

const without = (slice: Slice, wanted: (entry: Entry, at: number) => boolean): Slice => ({
  ...slice,
  entries: slice.entries.filter(wanted),
});
const tears: [string, (slice: Slice) => Slice][] = [
  ["nothing below its top", (slice) => without(slice, () => false)],
  ["everything except the first entry", (slice) => without(slice, (_, at) => at > 0)],
  ["everything except an entry in the middle", (slice) => without(slice, (_, at) => at !== 1)],
  ["an entry twice", (slice) => ({ ...slice, entries: slice.entries.flatMap((entry) => [entry, entry]) })],
  ["the newest entries only", (slice) => without(slice, (_, at) => at > slice.entries.length - 3)],
];

describe.for(tears)("a log that returns %s", ([, tear]) => {
  test("fails the read of every caller: none of these entries is delivered", async ({ start }) => {
    const { core, state } = startTorn(start);
    await publishAll(core, 5);
    const client = pipe(core.notifier, { peer: { user: "", authorize: () => true } });
    client.send({ id: 1, connect: {} });
    state.tear = tear;
    const torn = { name: "LogError", lasting: false };
    expect(await rejection(core.notifier.history("news"))).toMatchObject(torn);
    expect(await rejection(core.notifier.follow("news", { after: fromStart }).next())).toMatchObject(torn);
    client.send({ id: 2, subscribe: { channel: "news", recover: true, ...fromStart } });
    client.send({ id: 3, history: { channel: "news", limit: 10 } });
    await core.clock.settle();
    for (const id of [2, 3])
      expect((client.received as Message[]).find((message) => message.id === id)?.error).toMatchObject({
        code: 100,
      });
    state.tear = undefined;
    client.send({ id: 4, subscribe: { channel: "news", recover: true, ...fromStart } });
    await core.clock.settle();
    expect(offsetsIn(client.received, "news")).toEqual(upTo(5));
    expect(core.errors.splice(0).map(({ error }) => (error as Error).name)).toEqual(["LogError"]);
  });

  test("is read again after growing pauses, reported once, and its subscribers lose nothing", async ({
    start,
  }) => {
    const { core, state } = startTorn(start);
    await publishAll(core, 1);
    const client = await subscriber(core, "news");
    state.tear = tear;
    for (let i = 0; i < 5; i++) void core.notifier.publish("news", i);
    await core.clock.settle();
    expect(core.errors.splice(0).map(({ error, context }) => [(error as Error).name, context])).toEqual([
      ["LogError", { stage: "log", owner: "channel news" }],
    ]);
    const before = state.reads;
    await core.clock.advance(60_000);
    expect(core.errors).toEqual([]);
    expect(state.reads - before).toBeGreaterThan(60);
    expect(state.reads - before).toBeLessThan(125);
    // New publications do not shorten the pause.
    const then = state.reads;
    for (let i = 0; i < 50; i++) {
      void core.notifier.publish("news", i);
      await core.clock.settle();
    }
    expect(state.reads - then).toBe(0);
    state.tear = undefined;
    await core.clock.advance(5_000);
    expect(offsetsIn(client.received, "news")).toEqual(upTo(56, 2));
  });
});

test("entries that a subscriber which is behind needs are read again in the same way", async ({ start }) => {
  const reads: number[] = [];
  let tear = false;
  const core = startWith(
    start,
    (log) => ({
      async read(channel, options) {
        const slice = await log.read(channel, options);
        if (!tear || (options.after?.offset ?? 0) >= slice.top - 1) return slice;
        reads.push(core.clock.now());
        return { ...slice, entries: slice.entries.slice(1) };
      },
    }),
    { window: 4_096 },
  );
  const client = await subscriber(core, "news");
  client.stall();
  await publishAll(core, 200, 200);
  tear = true;
  client.resume();
  await core.clock.settle();
  await core.clock.advance(30_000);
  expect(reads.length).toBeGreaterThan(30);
  expect(reads.length).toBeLessThan(65);
  expect(core.errors.splice(0)).toMatchObject([{ context: { owner: "channel news" } }]);
  tear = false;
  await core.clock.advance(5_000);
  expect(offsetsIn(client.received, "news")).toEqual(upTo(200));
});

test("a subscriber that waits for the end of a pause is served when another read ends the pause sooner", async ({
  start,
}) => {
  let reads: number | undefined;
  const core = startWith(
    start,
    (log) => ({
      async read(channel, options) {
        const slice = await log.read(channel, options);
        const isBehind = (options.after?.offset ?? 0) < slice.top - 1;
        if (reads === undefined || !isBehind || reads >= 2) return slice;
        const nth = ++reads;
        await new Promise<void>((resolve) => core.clock.timer(nth * 10, resolve));
        if (nth === 1) throw new Error("gone for a moment");
        return slice;
      },
    }),
    { window: 4_096 },
  );
  // This subscriber reads all the time. So the channel is at its top, and the other subscribers are behind it.
  const reader = await subscriber(core, "news");
  const clients = [await subscriber(core, "news"), await subscriber(core, "news")];
  for (const client of clients) client.stall();
  await publishAll(core, 200, 200);
  reads = 0;
  for (const client of clients) client.resume();
  await core.clock.advance(5_000);
  expect(reads).toBe(2);
  expect(core.errors.splice(0)).toMatchObject([{ context: { owner: "channel news" } }]);
  for (const client of [reader, ...clients]) expect(offsetsIn(client.received, "news")).toEqual(upTo(200));
});

describe("an outage of the log is reported once", () => {
  const gone = new Error("the engine is gone");

  /** Starts a notifier with a hundred channels that somebody subscribes to, over a log of which parts can fail. */
  async function startMany(start: Start) {
    const fails = { appends: false, reads: false };
    const fail = (doing: string) => Promise.reject(new Error(`Cannot ${doing}`, { cause: gone }));
    const core = startWith(start, (log) => ({
      append: async (channel, ...args) =>
        fails.appends ? fail(`append to ${channel}`) : log.append(channel, ...args),
      read: async (channel, ...args) => (fails.reads ? fail(`read ${channel}`) : log.read(channel, ...args)),
    }));
    const names = upTo(100).map((n) => `news ${n}`);
    const client = await subscriber(core, names);
    const publishToAll = () => names.map((name) => outcomeOf(core.notifier.publish(name, 1)));
    const owners = () => core.errors.splice(0).map(({ context }) => context.owner);
    return { core, fails, client, names, publishToAll, owners };
  }

  test("for all its channels, publications and commands, and again for the next outage", async ({
    start,
  }) => {
    const { core, fails, client, names, publishToAll, owners } = await startMany(start);
    for (let outage = 1; outage <= 2; outage++) {
      const published = publishToAll();
      fails.reads = true;
      await core.clock.settle();
      client.send(...names.map((channel, at) => ({ id: 1_000 + at, history: { channel } })));
      await core.clock.advance(60_000);
      expect(published.every(({ state }) => state === "fulfilled")).toBe(true);
      expect(owners()).toHaveLength(1);
      fails.reads = false;
      await core.clock.advance(60_000);
      for (const name of names) expect(offsetsIn(client.received, name).at(-1)).toBe(outage);
    }
  });

  test("for what is appended and for what is read: neither hides the other", async ({ start }) => {
    const { core, fails, publishToAll, owners } = await startMany(start);
    fails.appends = true;
    const published = publishToAll();
    await core.clock.advance(60_000);
    expect(owners()).toEqual(["publish news 1"]);
    fails.appends = false;
    fails.reads = true;
    await core.clock.advance(60_000);
    expect(published.every(({ state }) => state === "fulfilled")).toBe(true);
    expect(owners()).toEqual([expect.stringMatching(/^channel news/)]);
    fails.reads = false;
    await core.clock.advance(60_000);
    expect(owners()).toEqual([]);
  });

  test("where it does not answer, for all commands that wait for it in vain", async ({ start }) => {
    const core = startWith(start, () => ({ read: () => new Promise<Slice>(() => {}) }));
    const clients = [await subscriber(core, []), await subscriber(core, [])];
    for (const client of clients)
      client.send(...upTo(9, 2).map((id) => ({ id, history: { channel: `news ${id}` } })));
    await core.clock.advance(120_000);
    for (const client of clients) expect(client.received).toHaveLength(8);
    expect(core.errors.splice(0).map(({ error }) => (error as Error).message)).toEqual([
      expect.stringMatching(/^Cannot wait any longer for session .* log: it took over 10000 ms$/),
    ]);
  });
});

describe("a log that can never be read again", () => {
  const lasting = new LogError("Cannot read: the file is corrupt", { lasting: true });
  const faults: [string, () => unknown, string][] = [
    ["by itself", () => lasting, "Cannot read: the file is corrupt"],
    [
      "by a fault in its code",
      () => new TypeError("undefined is not a function"),
      'Cannot read "news": the code of its log is at fault',
    ],
  ];
  test.for(faults)(
    "%s ends subscriptions, which come back, and is not read for ever",
    async ([, fault, message], { start }) => {
      let fails = false;
      let reads = 0;
      const core = startWith(start, (log) => ({
        read: (...args) => {
          reads++;
          return fails ? Promise.reject(fault()) : log.read(...args);
        },
      }));
      const client = await subscriber(core, "news");
      const server = pipe(core.notifier, { peer: { user: "ann", channels: ["news"] } });
      server.send({ id: 1, connect: {} });
      await core.clock.settle();
      fails = true;
      await core.notifier.publish("news", 1);
      await core.clock.settle();
      expect((client.received.at(-1) as Message).push?.unsubscribe?.code).toBe(2500);
      expect(server.closed?.code).toBe(3010);
      const before = reads;
      await core.clock.advance(60_000);
      expect(reads).toBe(before);
      expect(core.errors.splice(0).map(({ error }) => (error as Error).message)).toEqual([message]);
      client.send({ id: 9, subscribe: { channel: "news" } });
      await core.clock.settle();
      expect((client.received.at(-1) as Message).error?.code).toBe(100);
      core.errors.length = 0;
      fails = false;
      client.send({ id: 10, subscribe: { channel: "news", recover: true, ...fromStart } });
      await core.clock.settle();
      expect(offsetsIn(client.received, "news")).toEqual([1]);
    },
  );

  test("does not count as one after a network failure, which is temporary", async ({ start }) => {
    let fails = false;
    const core = startWith(start, (log) => ({
      read: (...args) =>
        fails
          ? Promise.reject(new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") }))
          : log.read(...args),
    }));
    const client = await subscriber(core, "news");
    fails = true;
    await core.notifier.publish("news", 1);
    await core.clock.advance(10_000);
    fails = false;
    await core.clock.advance(5_000);
    expect(offsetsIn(client.received, "news")).toEqual([1]);
    expect(core.errors.splice(0)).toHaveLength(1);
  });
});

describe("a log that another notifier has closed", () => {
  async function startClosed(start: Start): Promise<{ core: Core; log: Log }> {
    const clock = fakeClock();
    const log = memoryLog({ clock });
    const core = start({ clock, log });
    const other = createNotifier({ clock, log });
    await other.publish("news", 0);
    return { core, log: { ...log, [Symbol.asyncDispose]: () => other.close().then(() => {}) } };
  }

  const uses: [string, (core: Core) => Promise<unknown>][] = [
    ["publish", ({ notifier }) => rejection(notifier.publish("news", 1))],
    ["history", ({ notifier }) => rejection(notifier.history("news"))],
    ["follow", ({ notifier }) => rejection(notifier.follow("news", { after: fromStart }).next())],
  ];
  test.for(uses)("fails what is asked of it for good, and says why: %s", async ([, use], { start }) => {
    const { core, log } = await startClosed(start);
    await log[Symbol.asyncDispose]();
    const reason = await use(core);
    expect(reason).toBeInstanceOf(LogError);
    expect(reason).toMatchObject({ lasting: true, cause: { name: "ClosedError" } });
    expect((reason as Error).message).toMatch(/^Cannot (publish to|read|watch) "news": its log is closed$/);
    core.errors.length = 0;
  });

  test("is reported once, sessions come back, and get a temporary error", async ({ start }) => {
    const { core, log } = await startClosed(start);
    const clients = [await subscriber(core, "news"), await subscriber(core, "sport")];
    await log[Symbol.asyncDispose]();
    const published = outcomeOf(core.notifier.publish("news", 1));
    const again = outcomeOf(core.notifier.publish("news", 2));
    await core.clock.settle();
    expect([published.state, again.state]).toEqual(["rejected", "rejected"]);
    expect(clients.map(({ closed }) => closed?.code)).toEqual([3004, 3004]);
    const back = await subscriber(core, []);
    back.send({ id: 9, subscribe: { channel: "news" } });
    await core.clock.settle();
    expect(back.received).toEqual([
      { id: 9, error: expect.objectContaining({ code: 100, temporary: true }) },
    ]);
    expect(back.closed).toBeUndefined();
    expect(core.errors.splice(0).map(({ error }) => (error as Error).message)).toEqual([
      'Cannot publish to "news": its log is closed',
    ]);
  });

  test("is not a failure where its own notifier closed it", async ({ start }) => {
    const core = start();
    const client = await subscriber(core, "news");
    await core.notifier.publish("news", 1);
    await finish(core);
    expect(client.closed?.code).toBe(3001);
    expect(core.errors).toEqual([]);
  });
});
