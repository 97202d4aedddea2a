import { describe, expect, test } from "vitest";
import { anybody, type Client, pub, range, type Wire, type WireOptions, wire } from "../support/wire.ts";

/** Returns clients that the server has subscribed to "news". Their first heartbeat is over. */
async function readers(count: number, options: WireOptions = {}): Promise<Wire & { peers: Client[] }> {
  const here = wire(options);
  const peers = range(1, count).map(() => here.client({ peer: { ...anybody, channels: ["news"] } }));
  for (const peer of peers) await peer.connect();
  await here.clock.advance(25_000);
  return { ...here, peers };
}

function first(peers: Client[]): Client {
  return peers[0] as Client;
}

const text = "x".repeat(100);
/** Upper bound of the bytes of one publication of `text`, with its push and separator. */
const one = 200;
const slow = { code: 3008, reason: "slow" };

function isPublication(message: unknown): boolean {
  return (message as { push?: { pub?: object } }).push?.pub !== undefined;
}

describe("frames", () => {
  test("ten publications of one turn are one frame for each session", async () => {
    const { clock, notifier, peers } = await readers(3);
    const before = peers.map(({ frames }) => frames);
    for (const n of range(1, 10)) void notifier.publish("news", n);
    await clock.settle();
    expect(peers.map(({ frames }) => frames)).toEqual(before.map((frames) => frames + 1));
    for (const peer of peers) expect(peer.offsets("news")).toEqual(range(1, 10));
  });

  test("publications of two turns are two frames", async () => {
    const { publish, peers } = await readers(1);
    const before = first(peers).frames;
    await publish("news", 1);
    await publish("news", 2);
    expect(first(peers).frames).toBe(before + 2);
  });

  test("publications of many channels in one turn are one frame", async () => {
    const { clock, client: connect, notifier } = wire();
    const channels = range(1, 20).map((n) => `c${n}`);
    const client = connect({ peer: { user: "", channels } });
    await client.connect();
    const before = client.frames;
    for (const channel of channels) for (const n of [1, 2]) void notifier.publish(channel, n);
    await clock.settle();
    expect(client.frames).toBe(before + 1);
    for (const channel of channels) expect(client.offsets(channel)).toEqual([1, 2]);
  });

  test("replies, pushes and a ping of one turn are one frame, in order, the ping last", async () => {
    const { clock, notifier, peers } = await readers(1, { window: 1_000 });
    const client = first(peers);
    const { frames } = client;
    const before = client.messages.length;
    client.send({ id: 2, ping: {} });
    void notifier.publish("news", "x".repeat(600));
    client.send({ id: 3, ping: {} });
    await clock.settle();
    expect(client.frames).toBe(frames + 1);
    expect(client.messages.slice(before)).toEqual([
      { id: 2, ping: {} },
      { id: 3, ping: {} },
      pub("news", 1, "x".repeat(600), clock.time()),
      {},
    ]);
  });

  test("a reply comes before everything that its command causes", async () => {
    const { clock, client: connect, notifier } = wire();
    const client = connect();
    await client.connect();
    void notifier.publish("news", 1);
    client.send(
      { id: 2, subscribe: { channel: "news", join_leave: true } },
      { id: 3, publish: { channel: "news", data: 2 } },
    );
    await clock.settle();
    const kinds = client.received.map((message) =>
      "push" in (message as object)
        ? Object.keys((message as { push: object }).push)[1]
        : Object.keys(message as object)[1],
    );
    expect(kinds.filter((kind) => kind !== "pub")).toEqual(["subscribe", "publish", "join"]);
    expect(kinds.indexOf("pub")).toBeGreaterThan(kinds.indexOf("subscribe"));
  });
});

describe("a stuck peer", () => {
  test("never gets more than a window and one publication, however much is published", async () => {
    const window = 4_096;
    const { peers, publish } = await readers(1, { window });
    const stuck = first(peers);
    stuck.stall();
    for (const n of range(1, 500)) {
      await publish("news", { n, text });
      expect(stuck.waiting).toBeLessThanOrEqual(window + one);
    }
    expect(stuck.waiting).toBeGreaterThan(window / 2);
  });

  test("gets one publication larger than the window, and no other after it", async () => {
    const { peers, publish } = await readers(1, { window: 1_000 });
    const stuck = first(peers);
    stuck.stall();
    await publish("news", "x".repeat(5_000), "y".repeat(5_000), "z");
    expect(stuck.waiting).toBeLessThan(5_200);
    expect(stuck.waiting).toBeGreaterThan(5_000);
    stuck.resume();
    await publish("news", "end");
    expect(stuck.offsets("news")).toEqual([1, 2, 3, 4]);
  });

  test("delays nobody: the others get each publication in its turn, in one frame", async () => {
    const { peers, publish } = await readers(4, { window: 4_096 });
    const [stuck, ...others] = peers as [Client, Client, Client, Client];
    stuck.stall();
    for (const n of range(1, 200)) {
      const before = others.map(({ frames }) => frames);
      await publish("news", { n, text });
      // A barrier that only one client needs is part of the same frame, so each client gets exactly one.
      expect(others.map(({ frames }) => frames)).toEqual(before.map((frames) => frames + 1));
      for (const other of others) expect(other.offsets("news")).toEqual([n]);
      for (const other of others) other.take();
    }
  });

  test("catches up completely once it reads again: everything, once, in order", async () => {
    const { peers, publish, clock } = await readers(2, { window: 4_096 });
    const [stuck, other] = peers as [Client, Client];
    stuck.stall();
    for (const n of range(1, 300)) await publish("news", { n, text });
    stuck.resume();
    await clock.settle();
    expect(stuck.received).toEqual(range(1, 300).map((n) => pub("news", n, { n, text }, clock.time())));
    expect(stuck.received).toEqual(other.received);
    await publish("news", "live");
    expect(stuck.offsets("news").at(-1)).toBe(301);
  });

  test("catches up while more is published, and while it stalls again and again", async () => {
    const { peers, publish, clock } = await readers(1, { window: 4_096 });
    const client = first(peers);
    for (const n of range(1, 400)) {
      if (n % 60 === 1) client.stall();
      if (n % 60 === 45) client.resume();
      await publish("news", { n, text });
    }
    client.resume();
    await clock.settle();
    expect(client.offsets("news")).toEqual(range(1, 400));
  });

  test("catches up on many channels, each in order", async () => {
    const channels = range(1, 10).map((n) => `c${n}`);
    const { clock, client: connect, notifier } = wire({ window: 4_096 });
    const client = connect({ peer: { user: "", channels } });
    await client.connect();
    await clock.advance(25_000);
    client.stall();
    for (const n of range(1, 100)) {
      for (const channel of channels) void notifier.publish(channel, { n, text });
      await clock.settle();
    }
    expect(client.waiting).toBeLessThanOrEqual(4_096 + one);
    client.resume();
    await clock.settle();
    for (const channel of channels) expect(client.offsets(channel)).toEqual(range(1, 100));
  });

  test("goes on when the next publication is larger than the room that a pong made", async () => {
    const { peers, publish, clock } = await readers(1, { window: 1_000 });
    const client = first(peers);
    client.stall();
    for (const length of [500, 300, 700]) await publish("news", "x".repeat(length));
    client.resume();
    await clock.settle();
    expect(client.offsets("news")).toEqual([1, 2, 3]);
  });

  test("is closed with 3008 after 60 s, to the millisecond, and the others stay connected", async () => {
    const { peers, publish, clock } = await readers(2, { window: 4_096 });
    const [stuck, other] = peers as [Client, Client];
    stuck.stall();
    for (const n of range(1, 100)) await publish("news", { n, text });
    await clock.advance(59_999);
    expect(stuck.closed).toBeUndefined();
    await clock.advance(1);
    expect(stuck.closed).toEqual(slow);
    await publish("news", "live");
    expect(other.offsets("news")).toEqual(range(1, 101));
  });

  test("that sends commands which read the log behind a full window waits, up to 2 000 of them, and is then closed with 3013", async () => {
    const { peers, publish, clock } = await readers(1, { window: 1_000, limits: { burst: 3_000 } });
    const stuck = first(peers);
    stuck.stall();
    await publish("news", "x".repeat(2_000));
    const waiting = stuck.waiting;
    const asks = [{ history: {} }, { presence: {} }, { subscribe: { recover: true, offset: 0, epoch: "" } }];
    for (const id of range(2, 2_001)) {
      const [[method, params]] = Object.entries(asks[id % 3] as object) as [[string, object]];
      stuck.send({ id, [method]: { channel: `c${id}`, ...params } });
    }
    await clock.settle();
    expect(stuck.closed).toBeUndefined();
    expect(stuck.waiting).toBe(waiting);
    stuck.send({ id: 2_002, history: { channel: "a" } });
    await clock.settle();
    expect(stuck.closed).toEqual({ code: 3013, reason: "too many requests" });
  });

  test("gets replies to rpc, publish, unsubscribe, cancel and ping behind a full window, up to another window", async () => {
    const { peers, publish, clock, notifier } = await readers(1, {
      window: 16_384,
      rpc: { long: () => "x".repeat(8_000), echo: (_, { data }) => data },
    });
    const run = notifier.run(async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw signal.reason;
    });
    run.result().catch(() => {});
    const stuck = first(peers);
    await stuck.call("subscribe", { channel: "other" });
    const { messages } = stuck;
    stuck.stall();
    await publish("news", "x".repeat(40_000));
    const before = messages.length;
    stuck.send(
      { id: 11, rpc: { method: "echo", data: 1 } },
      { id: 12, publish: { channel: "mine", data: 1 } },
      { id: 13, unsubscribe: { channel: "other" } },
      { id: 14, rpc: { method: "run.cancel", data: { run: run.id } } },
      { id: 15, ping: {} },
      { id: 16, rpc: { method: "long" } },
      { id: 17, rpc: { method: "long" } },
      { id: 18, rpc: { method: "long" } },
      { id: 19, rpc: { method: "long" } },
    );
    await clock.settle();
    // The publication is larger than two windows. Replies may take another window all the same.
    const ids = messages.slice(before).map((message) => (message as { id: number }).id);
    expect([ids.sort(), run.status]).toEqual([[11, 12, 13, 14, 15, 16, 17, 18], "cancelled"]);
    expect(stuck.waiting).toBeLessThanOrEqual(40_000 + 16_384 + 8_200);
    stuck.resume();
    await clock.settle();
    expect(stuck.received.at(-1)).toMatchObject({ id: 19, rpc: {} });
  });

  test("has its waiting commands answered, in order, once it reads", async () => {
    const { peers, publish, clock } = await readers(1, { window: 1_000 });
    const client = first(peers);
    client.stall();
    await publish("news", "x".repeat(2_000));
    client.send(...range(2, 100).map((id) => ({ id, ping: {} })));
    await clock.settle();
    client.resume();
    await clock.settle();
    expect(client.received.slice(1)).toEqual(range(2, 100).map((id) => ({ id, ping: {} })));
  });

  test("gets no more than a window of replies either", async () => {
    const { peers, publish, clock } = await readers(1, { window: 4_096 });
    const stuck = first(peers);
    await publish("other", ...range(1, 100).map((n) => ({ n, text })));
    stuck.stall();
    stuck.send(...range(2, 50).map((id) => ({ id, history: { channel: "other", limit: -1 } })));
    await clock.settle();
    // Replies bypass the window but count: the last one may exceed the window, by at most one window.
    expect(stuck.waiting).toBeLessThanOrEqual(2 * 4_096 + one);
    stuck.resume();
    await clock.settle();
    expect(stuck.received.map((message) => (message as { id: number }).id)).toEqual(range(2, 50));
  });

  test("takes the same memory for any number of joins and leaves of others, and is not closed for them", async () => {
    const { clock, client: connect, notifier } = wire({ window: 1_000 });
    const stuck = connect();
    await stuck.connect();
    await stuck.call("subscribe", { channel: "room", join_leave: true });
    await clock.advance(25_000);
    stuck.take();
    stuck.stall();
    const other = connect();
    await other.connect();
    for (let n = 0; n < 20; n++) {
      await other.call("subscribe", { channel: "room" });
      await other.call("unsubscribe", { channel: "room" });
      expect(stuck.waiting).toBeLessThanOrEqual(500);
    }
    const { announcements = 0 } = notifier.totals().limits;
    expect(stuck.closed).toBeUndefined();
    stuck.resume();
    await clock.settle();
    // Each of the forty messages was sent, or is counted as left out.
    const pushed = stuck.received.filter((message) => "push" in (message as object)).length;
    expect([pushed > 0, pushed + announcements]).toEqual([true, 40]);
  });

  test("that reads every 50 s is never cut, and gets everything", async () => {
    const { peers, publish, clock, epoch } = await readers(1, { window: 4_096 });
    const client = first(peers);
    const missed = { channel: "news", epoch: await epoch("news"), gone: 0, kept: 0 };
    for (const round of range(0, 19)) {
      client.stall();
      for (const n of range(1, 50)) await publish("news", { n: round * 50 + n, text });
      await clock.advance(50_000);
      // Everything sent before the client stalled was on time. The rest is delayed.
      const delayed = (round + 1) * 50 - client.messages.filter(isPublication).length;
      client.resume();
      await clock.settle();
      expect(client.offsets("news")).toEqual(range(round * 50 + 1, round * 50 + 50));
      expect(client.take().filter((message) => !isPublication(message))).toEqual([
        { push: { channel: "news", message: { data: { notice: { ...missed, delayed } } } } },
      ]);
    }
    expect(client.closed).toBeUndefined();
  });
});

describe("a log that fails", () => {
  test("delays its subscribers, and loses nothing", async () => {
    const { clock, log, peers, notifier, takeErrors } = await readers(2);
    log.fail(new Error("disk"));
    const receipts = range(1, 3).map((n) => notifier.publish("news", n));
    await clock.advance(3_000);
    for (const peer of peers) expect(peer.received).toEqual([]);
    log.fail(undefined);
    await clock.advance(6_000);
    await Promise.all(receipts);
    for (const peer of peers) expect(peer.offsets("news")).toEqual([1, 2, 3]);
    expect(new Set(takeErrors().map(({ stage, message }) => `${stage}: ${message}`))).toEqual(
      new Set(["log: disk"]),
    );
  });

  test("only when it is read is read again, for all subscribers", async () => {
    const { clock, log, peers, notifier, takeErrors } = await readers(2);
    log.fail(new Error("disk"), "read");
    await notifier.publish("news", 1);
    await clock.settle();
    await notifier.publish("news", 2);
    await clock.advance(5_000);
    for (const peer of peers) expect(peer.received).toEqual([]);
    log.fail(undefined);
    await clock.advance(1_000);
    for (const peer of peers) expect(peer.offsets("news")).toEqual([1, 2]);
    expect(takeErrors().every(({ stage }) => stage === "log")).toBe(true);
  });
});
