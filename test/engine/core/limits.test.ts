import { describe, expect, test } from "vitest";
import type { LimitName } from "../../../src/engine/core/counters.ts";
import { resolveSettings } from "../../../src/engine/core/settings.ts";
import { CommandQueue } from "../../../src/engine/sessions/command-queue.ts";
import type { PipeOptions } from "../../../src/testing/pipe.ts";
import { rawSocket } from "../../support/core.ts";
import { anybody, type Client, range, type Wire, wire } from "../../support/wire.ts";

const tooMany = { code: 3013, reason: "too many requests" };
const overRate = { code: 111, message: "too many requests", temporary: true };
const limitExceeded = { code: 106, message: "limit exceeded" };
const badRequest = { code: 107, message: "bad request" };
const connectionLimit = { code: 3504, reason: "connection limit" };
const hits = ({ notifier }: Wire): object => notifier.totals().limits;
const pings = (first: number, last: number) => range(first, last).map((id) => ({ id, ping: {} }));

async function connected(here: Wire, options: PipeOptions = {}): Promise<Client> {
  const client = here.client(options);
  await client.connect();
  return client;
}

describe("commands a second", () => {
  test("may be 2 000 at once, and 200 in the long run; one more is answered with 111", async () => {
    const here = wire();
    const client = await connected(here);
    const send = async (count: number): Promise<{ id: number; error?: object }[]> => {
      for (let sent = 0; sent < count; sent += 500) {
        client.send(...pings(1_000 + sent, 999 + Math.min(count, sent + 500)));
        await here.clock.settle();
      }
      return client.take() as { id: number; error?: object }[];
    };
    // The first of the 2 000 commands was `connect`.
    expect((await send(1_999)).filter(({ error }) => error !== undefined)).toEqual([]);
    expect(await send(1)).toEqual([{ id: 1_000, error: overRate }]);
    // A client that went beyond the rate has to wait until it is below it again.
    await here.clock.advance(10);
    expect((await send(2)).map(({ error }) => error)).toEqual([undefined, overRate]);
    await here.clock.advance(15_000);
    expect((await send(2_000)).filter(({ error }) => error !== undefined)).toEqual([]);
    expect(hits(here)).toEqual({ rate: 2 });
    expect(here.notifier.totals().errors).toEqual({ 111: 2 });
  });

  test("of a client that goes on regardless are not answered for ever: it is closed with 3013", async () => {
    const here = wire({ limits: { rate: 10, burst: 100, subscriptions: 10 } });
    const client = await connected(here);
    client.send(...pings(2, 200));
    await here.clock.settle();
    expect(client.take().filter((reply) => "error" in (reply as object))).toHaveLength(100);
    expect(client.closed).toBeUndefined();
    client.send(...pings(201, 201));
    await here.clock.settle();
    expect(client.closed).toEqual(tooMany);
    expect(hits(here)).toEqual({ rate: 101 });
  });

  test("beyond the rate do nothing, and those without a reply are dropped", async () => {
    const received: unknown[] = [];
    const called: unknown[] = [];
    const here = wire({
      limits: { rate: 1, burst: 2, subscriptions: 1 },
      rpc: { call: (_, { data }) => called.push(data) },
    });
    const client = await connected(here, { peer: { user: "", receive: (_, data) => received.push(data) } });
    client.send({ send: { data: 1 } }, { send: { data: 2 } }, { id: 2, rpc: { method: "call", data: 3 } });
    await here.clock.settle();
    expect([received, called, client.take()]).toEqual([[1], [], [{ id: 2, error: overRate }]]);
  });

  test("do not count pongs, nor acknowledgements of a thousand channels every 50 ms", async () => {
    const here = wire();
    const client = await connected(here);
    const { session } = client;
    const names = range(1, 1_000).map((n) => `c${n}`);
    client.send(...names.map((channel, n) => ({ id: n + 2, subscribe: { channel } })));
    await here.clock.settle();
    const ack = Object.fromEntries(names.map((name) => [name, { offset: 0, epoch: "" }]));
    const frame = JSON.stringify({ send: { data: { ack } } });
    for (let n = 0; n < 100; n++) {
      session.receive(frame);
      await here.clock.advance(50);
    }
    expect(client.closed).toBeUndefined();
    expect(hits(here)).toEqual({});
  });

  test("count acknowledgements, valid or not, for as many channels as there may be subscriptions as one", async () => {
    const here = wire({ limits: { rate: 1, burst: 100, subscriptions: 10 } });
    const client = await connected(here);
    const bogus = (count: number) => {
      const ack = Object.fromEntries(range(1, count).map((n) => [`none ${n}`, { offset: 9, epoch: "e" }]));
      return { send: { data: { ack } } };
    };
    // Each of these frames counts as 10 entries: 9 positions, and one for the fact that the client acknowledges.
    for (let n = 0; n < 199; n++) client.send(bogus(9));
    expect(client.closed).toBeUndefined();
    client.send(bogus(10));
    expect(client.closed).toEqual(tooMany);
    expect(hits(here)).toEqual({ rate: 1 });
  });

  test("that are refused by the thousand capture no stack trace", async () => {
    const here = wire();
    const client = await connected(here);
    const { stackTraceLimit } = Error;
    let captured = 0;
    // The engine reads this property for each new error.
    Object.defineProperty(Error, "stackTraceLimit", {
      configurable: true,
      get: () => {
        captured++;
        return 0;
      },
    });
    try {
      client.send({ send: { data: { ack: { none: { offset: 1, epoch: "" }, other: 7 } } } });
      client.send({ id: 2, rpc: { method: "ack", data: { ack: { none: { offset: 1, epoch: "" } } } } });
      client.send({ id: 3, subscribe: {} }, { id: 4, history: { channel: "" } }, { id: 5, sub_refresh: {} });
      await here.clock.settle();
    } finally {
      Object.defineProperty(Error, "stackTraceLimit", {
        value: stackTraceLimit,
        configurable: true,
        writable: true,
        enumerable: true,
      });
    }
    const refused = client.take() as { id: number; error: object }[];
    expect(refused.map(({ id, error }) => (error ? id : 0)).sort()).toEqual([2, 3, 4, 5]);
    expect(captured).toBe(0);
  });
});

describe("commands that wait", () => {
  test("for the reply to connect may be as many as for any other", async () => {
    const here = wire({ limits: { commands: 11, subscriptions: 10 } });
    const waiting = here.client({
      peer: { user: "", connect: () => new Promise(() => {}) },
    });
    waiting.send({ id: 1, connect: {} }, ...pings(2, 11));
    await here.clock.settle();
    expect(waiting.closed).toBeUndefined();
    waiting.send(...pings(12, 13));
    await here.clock.settle();
    expect(waiting.closed).toEqual(tooMany);
    expect(hits(here)).toEqual({ commands: 1 });
  });

  test("may be 1 048 576 characters; one more closes with 3013", async () => {
    const here = wire({ rpc: { hang: () => new Promise(() => {}) } });
    const client = await connected(here);
    client.send({ id: 2, rpc: { method: "hang" } });
    const message = (chars: number) => `{"id":3,"rpc":{"x":"${"x".repeat(chars - 23)}"}}`;
    for (let n = 0; n < 16; n++) client.send(message(65_536));
    expect(here.notifier.totals().bytes.commands).toBe(1_048_576);
    expect(client.closed).toBeUndefined();
    client.send(message(24));
    expect(client.closed).toEqual(tooMany);
    expect(here.notifier.totals().bytes.commands).toBe(0);
    expect(hits(here)).toEqual({ commandChars: 1 });
  });

  test("of all sessions together are bounded: a session that needs more is closed, a small one is not", async () => {
    const limits = { subscriptions: 1, message: 5_061, commandChars: 10_000, commandTotalChars: 20_000 };
    const here = wire({ limits, rpc: { hang: () => new Promise(() => {}) } });
    const holding = async (chars: number): Promise<Client> => {
      const client = await connected(here);
      client.send({ id: 2, rpc: { method: "hang" } });
      for (let left = chars; left > 0; left -= 2_500)
        client.send(`{"id":3,"rpc":{"x":"${"x".repeat(Math.min(left, 2_500) - 23)}"}}`);
      return client;
    };
    const all = [await holding(10_000), await holding(5_000), await holding(2_500)];
    expect(here.notifier.totals().bytes.commands).toBe(17_500);
    expect(all.map(({ closed }) => closed)).toEqual([undefined, undefined, undefined]);
    const [largest, , last] = all;
    const little = await holding(30);
    last?.send(`{"id":4,"ping":{}}`);
    expect([last?.closed, little.closed, hits(here)]).toEqual([tooMany, undefined, { commandTotalChars: 1 }]);
    expect(here.notifier.totals().bytes.commands).toBe(15_030);
    largest?.drop();
    expect((await holding(7_485)).closed).toBeUndefined();
    expect(hits(here)).toEqual({ commandTotalChars: 1 });
  });

  test("are forgotten when they are answered", () => {
    const { limits } = resolveSettings({});
    const all = { limits, chars: 0 };
    const queue = new CommandQueue(all, 0);
    const command = { id: 1, method: "ping", params: {} } as const;
    for (let n = 0; n < 3; n++) queue.add(command, 10 / 3, 0);
    queue.hold(5);
    queue.release(5);
    queue.next();
    expect(queue.chars).toBeCloseTo(20 / 3);
    queue.next();
    queue.next();
    expect([queue.chars, all.chars, queue.next()]).toEqual([0, 0, undefined]);
  });
});

describe("nesting", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

  test("of 64 levels in a command is fine, one more is answered with 107, and the command is not executed", async () => {
    const here = wire();
    const client = await connected(here);
    // The command object and its body are two levels.
    client.send(`{"id":7,"publish":{"channel":"a","data":${nested(62)}}}`);
    client.send(`{"id":8,"publish":{"channel":"a","data":${nested(63)}}}`);
    client.send(`{"id":9,"rpc":{"method":"ack","data":${nested(1_000)}},"subscribe":{"channel":"b"}}`);
    await here.clock.settle();
    expect(client.take()).toEqual([
      { id: 7, publish: {} },
      { id: 8, error: badRequest },
      { id: 9, error: badRequest },
    ]);
    expect((await here.notifier.history("a")).offset).toBe(1);
    expect(hits(here)).toEqual({ depth: 2 });
  });

  test("does not count brackets in strings, nor arrays side by side", async () => {
    const here = wire({ limits: { depth: 4 } });
    const client = await connected(here);
    const data = JSON.stringify(["[[[[[[", '"[[[[', "\\", [], {}, [], {}, "]]]]"]);
    client.send(`{"id":7,"publish":{"channel":"a","data":${data}}}`);
    await here.clock.settle();
    expect(client.take()).toEqual([{ id: 7, publish: {} }]);
  });

  test("of a message without a reply is ignored, and counted", async () => {
    const received: unknown[] = [];
    const here = wire();
    const client = await connected(here, { peer: { user: "", receive: (_, data) => received.push(data) } });
    client.send(`{"send":{"data":${nested(100)}}}`, `{"send":{"data":{"ack":${nested(100)}}}}`);
    expect(await client.call("ping", {})).toEqual({ id: 2, ping: {} });
    expect([received, client.take(), hits(here)]).toEqual([[], [], { depth: 2 }]);
  });
});

describe("names of channels", () => {
  test.each([
    ["a line break", "a\nb"],
    ["a zero", "a\u0000"],
    ["an escape", "\u001b[2J"],
    ["a delete", "\u007f"],
    ["a control character of Latin 1", "\u0085"],
    ["a line separator", "\u2028"],
    ["a paragraph separator", "\u2029"],
    ["a lone high surrogate", "\ud800"],
    ["a lone low surrogate", "a\udc00b"],
  ])("with %s are refused with 107, and are a TypeError for the publisher", async (_name, channel) => {
    const here = wire();
    const client = await connected(here);
    expect(await client.call("subscribe", { channel })).toEqual({ id: 2, error: badRequest });
    expect(() => here.client({ peer: { user: "", channels: [channel] } })).toThrow(TypeError);
    await expect(here.notifier.publish(channel, 1)).rejects.toThrow(TypeError);
  });

  test("may be any other string of up to 255 characters; longer ones are refused with 106", async () => {
    const here = wire();
    const client = await connected(here);
    const names = ["__proto__", "a b", "é😀", "user:{ann}@1/2?3=4#5", "'\"\\", "x".repeat(255)];
    for (const channel of names) {
      expect(await client.call("subscribe", { channel })).toMatchObject({ subscribe: { offset: 0 } });
    }
    const reply = await client.call("subscribe", { channel: "x".repeat(256) });
    expect(reply).toMatchObject({ error: limitExceeded });
    expect(hits(here)).toEqual({ channel: 1 });
  });
});

describe("subscriptions and channels", () => {
  test("of one session may be 1 000; one more is answered with 106, and one fewer makes room", async () => {
    const here = wire();
    const client = await connected(here);
    client.send(...range(1, 1_000).map((n) => ({ id: n + 1, subscribe: { channel: `c${n}` } })));
    await here.clock.settle();
    expect(client.take()).toHaveLength(1_000);
    const reply = await client.call("subscribe", { channel: "one too many" });
    expect(reply).toEqual({ id: 2, error: limitExceeded });
    await client.call("unsubscribe", { channel: "c1" });
    expect(await client.call("subscribe", { channel: "c0" })).toMatchObject({ subscribe: {} });
    expect(hits(here)).toEqual({ subscriptions: 1 });
  });

  test("of all sessions have a limit; one more channel is answered with 106, and existing ones go on", async () => {
    const here = wire({ limits: { channels: 2 } });
    const client = await connected(here);
    const subscribe = (channel: string) => client.call("subscribe", { channel });
    for (const channel of ["a", "b"]) expect(await subscribe(channel)).toMatchObject({ subscribe: {} });
    expect(await subscribe("c")).toEqual({ id: 4, error: limitExceeded });
    const other = await connected(here);
    expect(await other.call("subscribe", { channel: "a" })).toMatchObject({ subscribe: {} });
    // A publication by the server takes no place among these channels.
    await here.publish("d", 1);
    await client.call("unsubscribe", { channel: "b" });
    expect(await subscribe("c")).toMatchObject({ subscribe: {} });
    expect(hits(here)).toEqual({ channels: 1 });
  });

  test("beyond the limit that the server subscribes a peer to close with 3505", async () => {
    const here = wire({ limits: { channels: 1 } });
    const client = here.client({ peer: { user: "ann", channels: ["a", "b"] } });
    client.send({ id: 1, connect: {} });
    await here.clock.settle();
    expect(client.received).toEqual([{ id: 1, error: limitExceeded }]);
    expect(client.closed).toEqual({ code: 3505, reason: "channel limit" });
    expect(here.notifier.stats()).toMatchObject({ channels: 0, subscriptions: 0 });
  });
});

describe("sessions", () => {
  test("have a limit in all; one more is closed with 3504, and one that ends makes room", async () => {
    const here = wire({ limits: { sessions: 2 } });
    const [first] = [await connected(here), await connected(here)];
    const third = rawSocket(here.notifier);
    expect(third.closed).toEqual(connectionLimit);
    third.session.receive('{"id":1,"connect":{}}');
    await here.clock.settle();
    expect(third.sent).toEqual([]);
    expect(here.notifier.admits("")).toBe(false);
    first?.drop();
    expect(here.notifier.admits("")).toBe(true);
    await connected(here);
    expect(here.notifier.totals()).toMatchObject({ opened: 3, limits: { sessions: 2 } });
  });

  test("of one user have their own limit, and sessions without a user only the limit of all", async () => {
    const here = wire({ limits: { userSessions: 100 } });
    for (let n = 0; n < 100; n++) here.client({ peer: { user: "ann" } });
    expect(rawSocket(here.notifier, { user: "ann" }).closed).toEqual(connectionLimit);
    for (let n = 0; n < 101; n++) here.client({ peer: { user: "" } });
    expect([here.notifier.admits("ann"), here.notifier.admits("bob"), here.notifier.admits("")]).toEqual([
      false,
      true,
      true,
    ]);
    expect(here.notifier.stats().sessions).toBe(201);
    expect(hits(here)).toEqual({ userSessions: 2 });
  });

  test("that are being closed count as long as their sockets exist", async () => {
    const here = wire({ limits: { userSessions: 1 } });
    const slow = here.client({ peer: { user: "ann" }, answersClose: false });
    here.notifier.disconnect({ user: "ann" });
    expect(here.notifier.admits("ann")).toBe(false);
    slow.drop();
    expect(here.notifier.admits("ann")).toBe(true);
  });
});

describe("replies", () => {
  test("about presence may hold 1 000 clients; for a channel with more they are 106", async () => {
    const here = wire({ limits: { presence: 2 } });
    const [client, other, third] = [await connected(here), await connected(here), await connected(here)];
    for (const each of [client, other]) await each.call("subscribe", { channel: "room" });
    const presence = async () =>
      ((await client.call("presence", { channel: "room" })) as { error?: object }).error;
    expect(await presence()).toBeUndefined();
    await third.call("subscribe", { channel: "room" });
    expect(await presence()).toEqual(limitExceeded);
    const stats = await client.call("presence_stats", { channel: "room" });
    expect(stats).toMatchObject({ presence_stats: { num_clients: 3 } });
    expect(resolveSettings({}).limits.presence).toBe(1_000);
    expect(hits(here)).toEqual({ presence: 1 });
  });
});

test("every limit that closes or refuses has its own counter", async () => {
  const here = wire({
    limits: {
      message: 8_000,
      subscriptions: 4,
      publication: 20,
      connect: 1_000,
      answer: 1_000,
      pong: 1_000,
      slow: 2_000,
    },
    heartbeat: 5_000,
    rpc: { hang: () => new Promise(() => {}), long: () => "x".repeat(30) },
  });
  const seen: Partial<Record<LimitName, number>> = {};
  const expectHit = (limit: LimitName): void => {
    seen[limit] = (seen[limit] ?? 0) + 1;
    expect(hits(here)).toEqual(seen);
  };
  here.client();
  await here.clock.advance(1_050);
  expectHit("connect");
  (await connected(here)).send("x".repeat(8_001));
  expectHit("message");
  const client = await connected(here);
  expect(await client.call("publish", { channel: "a", data: "x".repeat(20) })).toMatchObject({
    error: limitExceeded,
  });
  expectHit("publication");
  expect(await client.call("rpc", { method: "long" })).toMatchObject({ error: limitExceeded });
  expectHit("publication");
  client.send({ id: 9, rpc: { method: "hang" } });
  await here.clock.advance(1_000);
  expectHit("answer");
  expect(here.takeErrors()).toMatchObject([{ stage: "rpc" }]);
  client.drop();
  const idle = await connected(here);
  idle.stall();
  await here.clock.advance(6_050);
  expectHit("pong");
  expect(idle.closed?.code).toBe(3012);
  const slow = await connected(here, { peer: { ...anybody, channels: ["news"] } });
  slow.stall();
  for (let n = 0; n < 20; n++) await here.notifier.publish("news", n);
  await here.clock.advance(7_050);
  expectHit("slow");
  expect(slow.closed?.code).toBe(3008);
});
