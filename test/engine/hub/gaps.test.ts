import { Hono } from "hono";
import { WSContext, type WSEvents } from "hono/ws";
import { afterEach, describe, expect, test as plainTest } from "vitest";
import { SegmentCache } from "../../../src/engine/channels/segment-cache.ts";
import type { Context } from "../../../src/engine/core/context.ts";
import { resolveSettings } from "../../../src/engine/core/settings.ts";
import type { CloseReport } from "../../../src/engine/hub/close.ts";
import { followChannel } from "../../../src/engine/hub/follow.ts";
import { Hub } from "../../../src/engine/hub/hub.ts";
import { notifications } from "../../../src/hono.ts";
import type { Log } from "../../../src/model/log.ts";
import type { Peer } from "../../../src/model/peer.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { fakeClock } from "../../../src/testing.ts";
import { jsonCodec } from "../../../src/wire/json-codec.ts";
import {
  type Core,
  deferred,
  offsetsIn,
  outcomeOf,
  publishAll,
  type RawSocket,
  rawSocket,
  startWith,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";
import { fakeNotifier, fakeReport } from "../../support/fake-notifier.ts";
import { hostApp } from "../../support/host-app.ts";
import { entry, runtime } from "../../support/runtime.ts";
import { get, type Tcp, tcp, upgrade } from "../../support/tcp.ts";

const shutdown = { code: 3001, reason: "shutdown" };

function person(user: string): Peer {
  return { user, authorize: () => true };
}

interface HeldReads extends Pick<Log, "read"> {
  /** The number of reads that are held up now. */
  readonly waiting: number;
  hold(channel: string): () => void;
}

/** Wraps a log. After `hold(channel)`, reads of that channel wait until the returned function is called. */
function heldReads(log: Log): HeldReads {
  const held = new Map<string, Promise<void>>();
  let waiting = 0;
  return {
    async read(channel, options) {
      const slice = await log.read(channel, options);
      waiting++;
      await held.get(channel);
      waiting--;
      return slice;
    },
    get waiting() {
      return waiting;
    },
    hold(channel) {
      const { promise, resolve } = deferred();
      held.set(channel, promise);
      return () => {
        held.delete(channel);
        resolve();
      };
    },
  };
}

/** Starts a notifier whose reads of the log can be held up. */
function startHeld(start: Parameters<typeof startWith>[0], options: Parameters<typeof startWith>[2] = {}) {
  let reads!: HeldReads;
  const core = startWith(
    start,
    (log) => {
      reads = heldReads(log);
      return { read: reads.read };
    },
    options,
  );
  return { core, reads };
}

/** Returns a subscribed socket that answers no ping unless the test does it. */
async function silent(core: Core, subscribe: object, peer: Peer): Promise<RawSocket> {
  const raw = rawSocket(core.notifier, peer);
  raw.session.receive(`{"id":1,"connect":{}}\n${JSON.stringify({ id: 2, subscribe })}`);
  await core.clock.settle();
  return raw;
}

function receivedBy(raw: RawSocket): unknown[] {
  return raw.lines.map((line) => JSON.parse(line) as unknown);
}

describe("a grace given to close", () => {
  test("counts from the start of the first close", async ({ start }) => {
    const core = start({ grace: 10_000 });
    const stuck = await subscriber(core, "news");
    stuck.stall();
    await core.notifier.publish("news", 1);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(600);
    void core.notifier.close({ grace: 1_000 });
    await core.clock.advance(399);
    expect(closed.state).toBe("pending");
    await core.clock.advance(1);
    expect(closed.value?.milliseconds).toBe(1_000);
  });

  test("that is longer makes no caller wait for a stuck peer", async ({ start }) => {
    const core = start({ grace: 1_000, window: 1_024 });
    const stuck = await subscriber(core, "news");
    stuck.stall();
    await publishAll(core, 1, 600);
    await core.clock.advance(1_000);
    const closed = outcomeOf(core.notifier.close({ grace: 60_000 }));
    await core.clock.settle();
    expect(closed.value).toMatchObject({ milliseconds: 0, sessions: { closed: 0, cut: 1 } });
  });
});

describe("closing", () => {
  test("waits for a peer that was stuck at its start and reads again", async ({ start }) => {
    const core = start({ window: 1_024 });
    const stuck = await silent(core, { channel: "news" }, person("ann"));
    const other = await subscriber(core, "sport");
    other.stall();
    await publishAll(core, 5, 600);
    await core.clock.advance(5_000);
    await publishAll(core, 1, 600, "sport");
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(1_000);
    stuck.pong();
    await core.clock.settle();
    other.resume();
    await core.clock.settle();
    expect([closed.state, other.closed]).toEqual(["pending", shutdown]);
    for (let pongs = 1; stuck.closed === undefined && pongs < 5; pongs++) {
      stuck.pong();
      await core.clock.settle();
    }
    stuck.session.ended(3001);
    await core.clock.settle();
    expect(offsetsIn(receivedBy(stuck), "news")).toEqual(upTo(5));
    expect(closed.value).toMatchObject({ milliseconds: 1_000, sessions: { closed: 2, cut: 0 }, cut: [] });
  });

  test("does not report recovered publications as read before a pong proves that", async ({ start }) => {
    const core = start();
    await publishAll(core, 3);
    const { epoch } = await core.notifier.history("news");
    const raw = await silent(core, { channel: "news", recover: true, offset: 1, epoch }, person("ann"));
    expect(offsetsIn(receivedBy(raw), "news")).toEqual([2, 3]);
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(5_000);
    expect(closed.value?.cut).toEqual([
      { session: raw.session.id, user: "ann", channels: { news: { read: 1, top: 3 } } },
    ]);
  });
});

test("a client that is disconnected does not get what was queued for it", async ({ start }) => {
  const core = start();
  const ann = await subscriber(core, [], { peer: person("ann") });
  ann.send({ id: 2, subscribe: { channel: "room", join_leave: true } });
  const bob = await subscriber(core, "room", { peer: person("bob") });
  await core.clock.settle();
  ann.take();
  bob.drop();
  core.notifier.disconnect({ user: "ann" });
  await core.clock.settle();
  expect([ann.received, ann.closed?.code]).toEqual([[], 3503]);
});

test("a client that unsubscribes while what it missed is being read gets none of it", async ({ start }) => {
  const { core, reads } = startHeld(start, { window: 1_024 });
  const raw = await silent(core, { channel: "news" }, person("ann"));
  // A second subscriber reads everything, so that the segments which the first misses leave the cache.
  const reader = await subscriber(core, "news");
  await publishAll(core, 20, 600);
  expect(offsetsIn(reader.received, "news")).toEqual(upTo(20));
  const letThrough = reads.hold("news");
  raw.pong();
  await core.clock.settle();
  const before = offsetsIn(receivedBy(raw), "news");
  expect(reads.waiting).toBe(1);
  raw.session.receive('{"id":3,"unsubscribe":{"channel":"news"}}');
  await core.clock.settle();
  letThrough();
  await core.clock.settle();
  expect(receivedBy(raw)).toContainEqual({ id: 3, unsubscribe: {} });
  expect(offsetsIn(receivedBy(raw), "news")).toEqual(before);
  raw.session.ended();
});

test("a log that does not return for one channel delays no other channel", async ({ start }) => {
  const { core, reads } = startHeld(start);
  const waiting = await subscriber(core, "slow");
  const other = await subscriber(core, "news");
  const letThrough = reads.hold("slow");
  void core.notifier.publish("slow", 1);
  other.send({ id: 9, ping: {} });
  await core.clock.settle();
  expect([reads.waiting, other.received]).toEqual([1, [{ id: 9, ping: {} }]]);
  letThrough();
  await core.clock.settle();
  expect(offsetsIn(waiting.received, "slow")).toEqual([1]);
});

describe("a session that ends just after its position in a channel was found", () => {
  // Between the log's result and the reply, promises settle one after the other. The session may end at each of them.
  const steps = Array.from({ length: 30 }, (_, step) => step);

  test.for(steps)(
    "holds nothing, %i steps after the log has returned for a subscribe",
    async (step, { start }) => {
      await endAfter(step, start, '{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}');
    },
  );

  test.for(steps)("holds nothing, %i steps after the log has answered a connect", async (step, { start }) => {
    await endAfter(step, start, '{"id":1,"connect":{}}', ["news"]);
  });

  async function endAfter(
    step: number,
    start: Parameters<typeof startWith>[0],
    frame: string,
    channels: string[] = [],
  ): Promise<void> {
    const { core, reads } = startHeld(start);
    const letThrough = reads.hold("news");
    const raw = rawSocket(core.notifier, { ...person("ann"), channels });
    raw.session.receive(frame);
    await core.clock.settle();
    expect(reads.waiting).toBe(1);
    letThrough();
    for (let at = 0; at < step; at++) await undefined;
    raw.session.ended();
    await core.clock.settle();
    expect(core.notifier.stats()).toMatchObject({ sessions: 0, subscriptions: 0, channels: 0, tasks: 0 });
  }
});

test("publications sent to a client that had asked to unsubscribe do not count as read", async ({
  start,
}) => {
  const core = start({ window: 1_000 });
  const raw = await silent(core, { channel: "news" }, person("ann"));
  const receipt = await core.notifier.publish("news", "x".repeat(2_000));
  await core.clock.settle();
  // The window is full. The ping behind the publication was sent, and the client answers that ping in any case.
  expect([raw.lines.at(-2), raw.lines.at(-1)]).toEqual([expect.stringContaining("xxx"), "{}"]);
  raw.session.receive('{"id":3,"unsubscribe":{"channel":"news"}}');
  await core.clock.settle();
  expect(raw.lines.at(-1)).toBe('{"id":3,"unsubscribe":{}}');
  raw.pong();
  await core.clock.settle();
  const read = outcomeOf(receipt.delivered({ level: "read" }));
  await core.clock.settle();
  expect(read.state).toBe("pending");
  raw.session.ended();
});

test("publications do not count as read after an unsubscribe command that still waits for an earlier one", async ({
  start,
}) => {
  const slow = deferred<unknown>();
  const core = start({ window: 1_000, rpc: { slow: () => slow.promise } });
  const raw = await silent(core, { channel: "news" }, person("ann"));
  const receipt = await core.notifier.publish("news", "x".repeat(2_000));
  await core.clock.settle();
  raw.session.receive('{"id":3,"rpc":{"method":"slow"}}\n{"id":4,"unsubscribe":{"channel":"news"}}');
  await core.clock.settle();
  raw.pong();
  const read = outcomeOf(receipt.delivered({ level: "read" }));
  await core.clock.settle();
  expect([raw.lines.some((line) => line.includes('"id":4')), read.state]).toEqual([false, "pending"]);
  slow.resolve(null);
  await core.clock.settle();
  expect(raw.lines.at(-1)).toBe('{"id":4,"unsubscribe":{}}');
  expect(read.state).toBe("pending");
  raw.session.ended();
});

test.for(["there", "gone"] as const)(
  "a client that comes back proves nothing for another tab of the same user that is %s",
  async (other, { start }) => {
    const core = start();
    const stuck = await subscriber(core, "news", { peer: person("ann") });
    stuck.stall();
    const receipt = await core.notifier.publish("news", "for the first tab", { confirm: true });
    await core.clock.settle();
    if (other === "gone") stuck.drop();
    const tab = await subscriber(core, "news", { peer: person("ann") });
    await core.notifier.publish("news", "for both");
    await core.clock.settle();
    tab.drop();
    const { epoch } = receipt.position;
    const back = await silent(core, { channel: "news", recover: true, offset: 2, epoch }, person("ann"));
    expect(core.notifier.stats().confirmed).toBe(1);
    const acknowledged = outcomeOf(receipt.delivered({ level: "acknowledged" }));
    await core.clock.settle();
    expect(acknowledged.state).toBe("pending");
    back.session.ended();
    if (other === "there") stuck.drop();
  },
);

test("closing refuses all publications that wait for room at once, in their order", async ({ start }) => {
  const core = start({ grace: 4_000, limits: { confirmed: 1 } });
  const refused: number[] = [];
  const publications = [1, 2, 3, 4].map((data) => {
    const publication = core.notifier.publish("news", data, { confirm: true });
    publication.catch(() => refused.push(data));
    return outcomeOf(publication);
  });
  await core.clock.settle();
  const closed = outcomeOf(core.notifier.close());
  await core.clock.settle();
  expect(refused).toEqual([2, 3, 4]);
  expect(publications.map(({ state }) => state)).toEqual(["fulfilled", "rejected", "rejected", "rejected"]);
  expect(closed.value).toMatchObject({ milliseconds: 0, givenUp: 1 });
});

test("a session that is being closed as slow does not count as one that has read everything", async ({
  start,
}) => {
  const core = start({ grace: 20_000, limits: { slow: 1_000, pong: 5_000 } });
  const slow = await silent(core, { channel: "news" }, person("ann"));
  const other = await subscriber(core, "news");
  other.stall();
  await core.notifier.publish("news", 1, { confirm: true });
  await core.clock.advance(2_000);
  expect(slow.closed?.code).toBe(3008);
  const stuck = await subscriber(core, "sport");
  stuck.stall();
  await core.notifier.publish("sport", 1);
  const closed = outcomeOf(core.notifier.close());
  await core.clock.advance(20_000);
  expect(closed.value?.sessions).toEqual({ closed: 0, cut: 3 });
});

test("what a returning client received counts as read, and what it missed does not", async ({ start }) => {
  const core = start();
  const visit = async (data: unknown) => {
    const tab = await subscriber(core, "news", { peer: person("ann") });
    const receipt = await core.notifier.publish("news", data);
    await core.clock.settle();
    tab.drop();
    await core.clock.settle();
    return receipt;
  };
  await visit(1);
  const missed = await core.notifier.publish("news", 2);
  const late = await visit(3);
  expect(await late.delivered({ level: "written" })).toMatchObject({ by: "ann" });
  const waiting = outcomeOf(missed.delivered({ level: "written" }));
  await core.clock.settle();
  expect(waiting.state).toBe("pending");
});

test("a channel that starts a new epoch while a connect is answered is not joined in its old epoch", async ({
  start,
}) => {
  let wipe = (): void => {};
  let reads!: HeldReads;
  const core = startWith(start, (first, clock) => {
    let log = first;
    const wakes = new Set<() => void>();
    wipe = () => {
      log = memoryLog({ clock });
    };
    const read: Log["read"] = (channel, options) => (channel === "news" ? log : first).read(channel, options);
    reads = heldReads({ ...first, read });
    return {
      read: reads.read,
      async append(channel, data, options) {
        const position = await log.append(channel, data, options);
        for (const wake of wakes) wake();
        return position;
      },
      async watch(channel, wake) {
        if (channel === "news") wakes.add(wake);
        return { [Symbol.asyncDispose]: async () => void wakes.delete(wake) };
      },
    };
  });
  await publishAll(core, 3);
  const other = await subscriber(core, "news");
  const letThrough = reads.hold("sport");
  // Several channels are prepared at a time: "news" has its position before "sport" is read.
  const others = upTo(63).map((n) => `other ${n}`);
  const raw = rawSocket(core.notifier, { user: "ann", channels: ["news", ...others, "sport"] });
  raw.session.receive('{"id":1,"connect":{}}');
  await core.clock.settle();
  wipe();
  await publishAll(core, 1);
  expect(other.received).toMatchObject([{ push: { channel: "news", unsubscribe: { code: 2500 } } }]);
  letThrough();
  await core.clock.settle();
  expect(raw.closed?.code).toBe(3010);
  raw.session.ended();
});

describe("a consumer that follows", () => {
  test("gets what is published while the log still returns that there is nothing", async ({ start }) => {
    const { core, reads } = startHeld(start);
    await core.notifier.publish("news", 1);
    const { epoch } = await core.notifier.history("news");
    const letThrough = reads.hold("news");
    const following = core.notifier.follow("news", { after: { offset: 1, epoch } });
    const next = outcomeOf(following.next());
    await core.clock.settle();
    await core.notifier.publish("news", 2);
    letThrough();
    await core.clock.settle();
    expect(next.value?.value).toMatchObject({ offset: 2, data: 2 });
    await following.return();
  });

  test("is woken only while it waits", async () => {
    const clock = fakeClock();
    const log = memoryLog({ clock });
    const settings = resolveSettings({});
    const hub = new Hub({
      log,
      clock,
      codecs: [jsonCodec],
      settings,
      rpc: undefined,
      onUndelivered: undefined,
      onError() {},
    });
    const channel = hub.channel("news");
    const release = channel.use();
    const onWake = channel.onWake.bind(channel);
    let listening = 0;
    channel.onWake = (wake) => {
      const unlisten = onWake(wake);
      listening++;
      return () => {
        listening--;
        unlisten();
      };
    };
    const following = followChannel(hub, "news", {});
    const next = following.next();
    await clock.settle();
    expect(listening).toBe(1);
    await hub.append("news", "1", {});
    expect((await next).value).toMatchObject({ offset: 1 });
    expect(listening).toBe(0);
    await following.return();
    release();
    hub.end();
  });
});

test("a session that is cut destroys the socket under Hono's", async ({ start }) => {
  const core = start();
  let events: WSEvents | undefined;
  const app = new Hono().get("/", async (c) => {
    events = await notifications(core.notifier)(c);
    return c.text("");
  });
  await app.request("/", { headers: { upgrade: "websocket" } });
  let terminated = 0;
  const raw = { terminate: () => terminated++ };
  const socket = { send() {}, close() {}, raw, readyState: 1 as const, url: null, protocol: null };
  const ws = new WSContext(socket);
  events?.onOpen?.(new Event("open"), ws);
  core.notifier.disconnect({ user: "" });
  await core.clock.advance(9_999);
  expect(terminated).toBe(0);
  await core.clock.advance(51);
  expect(terminated).toBe(1);
});

describe(`a server on ${runtime} that closes`, () => {
  const opened: { destroy(): void }[] = [];
  afterEach(() => {
    for (const each of opened.splice(0)) each.destroy();
  });

  /** Returns a server whose notifier closes when the test lets it, and an app that does not see the close. */
  async function site() {
    const closing = new AbortController();
    const { promise, resolve } = deferred<CloseReport>();
    const notifier = { closing: closing.signal, close: () => promise, report() {} };
    const others = fakeNotifier();
    const app = hostApp(entry.upgradeWebSocket, () => others.session());
    const server = await entry.serve(app, { notifier, port: 0, grace: 60_000 });
    opened.push({ destroy: () => void server.close({ signal: AbortSignal.abort() }) });
    const dial = (first: string): Tcp => {
      const peer = tcp(server.port, first);
      opened.push(peer);
      return peer;
    };
    return { server, app, dial, finish: () => resolve(fakeReport) };
  }

  plainTest("ends WebSockets that do not belong to its notifier", async () => {
    const { server, dial, finish } = await site();
    const peer = dial(upgrade("/ws"));
    await peer.until(/^HTTP\/1.1 101 .*\r\n\r\n/s);
    finish();
    expect(await server.close()).toBe(fakeReport);
    await peer.ended;
  });

  plainTest.runIf(runtime === "node")(
    "frees connections without a request while its notifier closes, and others after it (Node only: Bun and Deno free them last)",
    async () => {
      const { server, app, dial, finish } = await site();
      const idle = [dial(""), dial("GET / HTTP/1.1\r\nHost: loc"), dial(get("/"))];
      await idle[2]?.until(/hello$/);
      const busy = dial(get("/slow"));
      await app.entered("/slow");
      const closed = server.close();
      await Promise.all(idle.map(({ ended }) => ended));
      app.release();
      expect(await busy.ended).toMatch(/slow but sure$/);
      finish();
      await closed;
    },
  );
});

test("the cache keeps eight segments read for subscribers that are behind, whatever their positions", () => {
  const context = { settings: { window: 1_024 }, cache: { bytes: 0, isFull: false } };
  const tail = new SegmentCache(context as unknown as Context, "news", jsonCodec);
  const entry = (offset: number) => ({ offset, data: '"x"', time: 0 });
  const cached = upTo(50).map((n) => {
    tail.addAside([entry(1_000 + 2 * n)]);
    return context.cache.bytes;
  });
  const one = cached[0] as number;
  expect(cached).toEqual(upTo(50).map((n) => Math.min(n, 8) * one));
  expect(tail.after(1_001)).toBeUndefined();
  expect(tail.after(1_099)?.first).toBe(1_100);
  tail.drop();
  expect(context.cache.bytes).toBe(0);
});
