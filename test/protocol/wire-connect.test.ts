import type { Peer } from "tocsin";
import { describe, expect, test } from "vitest";
import { closes } from "../../src/wire/protocol.ts";
import { deferred } from "../support/core.ts";
import { anybody, start, version, wire } from "../support/wire.ts";

describe("envelopes", () => {
  test("commands that come in one frame before the connect reply are answered in order, in one frame", async () => {
    const { clock, client: connect, epoch } = wire();
    const client = connect();
    client.send(
      { id: 1, connect: { token: "t", name: "js", version: "1", headers: {}, data: { x: 1 } } },
      { id: 2, subscribe: { channel: "a" } },
      { id: 3, subscribe: { channel: "b" } },
      { id: 4, ping: {} },
    );
    await clock.settle();
    expect(client.received).toEqual([
      { id: 1, connect: { client: client.id, version, ping: 25, pong: true } },
      { id: 2, subscribe: { recoverable: true, positioned: true, epoch: await epoch("a"), offset: 0 } },
      { id: 3, subscribe: { recoverable: true, positioned: true, epoch: await epoch("b"), offset: 0 } },
      { id: 4, ping: {} },
    ]);
    expect(client.frames).toBe(1);
  });

  test("blank lines between and around commands are ignored", async () => {
    const { clock, client: connect } = wire();
    const client = connect();
    client.send('\n{"id":1,"connect":{}}\n\n \r\n{"id":2,"ping":{}}\r\n\n');
    await clock.settle();
    expect(client.received).toEqual([
      { id: 1, connect: { client: client.id, version, ping: 25, pong: true } },
      { id: 2, ping: {} },
    ]);
  });

  test("unknown fields are ignored, in the envelope and in a request", async () => {
    const { client: connect } = wire();
    const client = connect();
    await client.connect({ unknown: [1], __proto__: { token: 1 } });
    client.send('{"id":7,"method":7,"ping":{"x":1},"__proto__":{"rpc":{}},"params":null}');
    client.send('{"extra":1,"send":{"data":1,"x":2}}');
    expect(await client.call("ping", {})).toEqual({ id: 2, ping: {} });
    expect(client.received).toEqual([{ id: 7, ping: {} }]);
  });

  test("a request that is not an object counts as an empty one", async () => {
    const { client: connect } = wire();
    const client = connect();
    await client.connect();
    client.send('{"id":7,"subscribe":"news"}\n{"id":8,"ping":null}\n{"id":9,"rpc":[]}');
    await client.call("ping", {});
    expect(client.received).toEqual([
      { id: 7, error: { code: 107, message: "bad request" } },
      { id: 8, ping: {} },
      { id: 9, error: { code: 107, message: "bad request" } },
    ]);
  });

  test("an unknown command is answered with 104, one with two methods with 107, and the connection stays open", async () => {
    const { client: connect } = wire();
    const client = connect();
    await client.connect();
    client.send({ id: 7, teleport: {} }, { id: 8, rpc: { method: "a" }, ping: {} }, { id: 9 });
    expect(await client.call("ping", {})).toEqual({ id: 2, ping: {} });
    expect(client.received).toEqual([
      { id: 7, error: { code: 104, message: "method not found" } },
      { id: 8, error: { code: 107, message: "bad request" } },
      { id: 9, error: { code: 104, message: "method not found" } },
    ]);
  });

  const unreadable: [string, string][] = [
    ["text that is not JSON", "hello"],
    ["JSON that was cut off", '{"id":3,"ping":{}'],
    ["an array", "[]"],
    ["a number", "17"],
    ["null", "null"],
    ["a text", '"ping"'],
    ["100 000 open brackets", "[".repeat(60_000)],
    ["an empty frame", ""],
    ["a frame of blank lines", "\n \n"],
    ["a command without an id", '{"ping":{}}'],
    ["an id of 0", '{"id":0,"ping":{}}'],
    ["a negative id", '{"id":-1,"ping":{}}'],
    ["an id that is a text", '{"id":"1","ping":{}}'],
    ["an id that is not whole", '{"id":1.5,"ping":{}}'],
    ["an id past 2^53", '{"id":9007199254740993,"ping":{}}'],
    ["an id of 1e400", '{"id":1e400,"ping":{}}'],
    ["a null id", '{"id":null,"ping":{}}'],
    ["bytes that are not JSON behind a good command", '{"id":3,"ping":{}}\n\u0000'],
  ];
  test.each(unreadable)("%s closes with 3501", async (_name, frame) => {
    const { clock, client: connect } = wire();
    const client = connect();
    await client.connect();
    client.send(frame);
    await clock.settle();
    expect(client.closed).toEqual({ code: 3501, reason: "bad request" });
    expect(client.received).toEqual([]);
  });

  test.each([
    ["an ArrayBuffer", new ArrayBuffer(4)],
    ["bytes", new Uint8Array([123, 125])],
    ["a Blob", new Blob(["{}"])],
    ["nothing", undefined],
  ])("%s instead of text closes with 3501", async (_name, data) => {
    const { clock, client: connect } = wire();
    const client = connect();
    await client.connect();
    client.session.receive(data);
    await clock.settle();
    expect(client.closed).toEqual({ code: 3501, reason: "bad request" });
  });

  test("what comes after the close is ignored", async () => {
    const sent: unknown[] = [];
    const { clock, client: connect } = wire();
    const client = connect({
      peer: { ...anybody, receive: (_, data) => sent.push(data) },
      answersClose: false,
    });
    await client.connect();
    client.send({ send: { data: 1 } });
    await clock.settle();
    client.send("no");
    client.send({ send: { data: 2 } });
    client.send({ id: 2, ping: {} });
    client.send("{}");
    await clock.settle();
    expect(sent).toEqual([1]);
    expect(client.received).toEqual([]);
  });

  test("every close has a reason shorter than 124 bytes that is not JSON", () => {
    for (const { reason } of Object.values(closes)) {
      expect(new TextEncoder().encode(reason).length).toBeLessThan(124);
      expect(() => JSON.parse(reason)).toThrow(SyntaxError);
    }
  });
});

describe("connect", () => {
  test.each([
    ["a subscribe", { id: 1, subscribe: { channel: "a" } }],
    ["a ping", { id: 1, ping: {} }],
    ["a message", { send: { data: 1 } }],
    ["a pong", {}],
    ["an unknown command", { id: 1, hello: {} }],
  ])("%s as the first command closes with 3501, and nothing is answered", async (_name, command) => {
    const { clock, notifier, client: connect } = wire();
    const client = connect();
    client.send(command);
    await clock.settle();
    expect(client.closed).toEqual({ code: 3501, reason: "bad request" });
    expect(client.messages).toEqual([]);
    expect(notifier.stats().sessions).toBe(0);
  });

  test("a second connect closes with 3501", async () => {
    const { clock, client: connect } = wire();
    const client = connect();
    await client.connect();
    client.send({ id: 2, connect: {} });
    await clock.settle();
    expect(client.closed).toEqual({ code: 3501, reason: "bad request" });
    expect(client.received).toEqual([]);
  });

  test("a second connect in the frame of the first closes with 3501, behind the reply to the first", async () => {
    const { clock, client: connect } = wire();
    const client = connect();
    client.send({ id: 1, connect: {} }, { id: 2, connect: {} });
    await clock.settle();
    expect(client.received).toEqual([
      { id: 1, connect: { client: client.id, version, ping: 25, pong: true } },
    ]);
    expect(client.closed).toEqual({ code: 3501, reason: "bad request" });
  });

  test("a peer that has not sent connect after 10 s is closed with 3502, and gets nothing before", async () => {
    const { clock, client: connect } = wire();
    const client = connect();
    await clock.advance(9_999);
    expect(client.closed).toBeUndefined();
    await clock.advance(1);
    expect(client.closed).toEqual({ code: 3502, reason: "stale" });
    expect(client.messages).toEqual([]);
  });

  test("connect at the last moment is in time", async () => {
    const { clock, client: connect } = wire();
    const client = connect();
    await clock.advance(9_999);
    await client.connect();
    await clock.advance(60_000);
    expect(client.closed).toBeUndefined();
  });

  test("the connect reply has the heartbeat in whole seconds", async () => {
    const { client: connect } = wire({ heartbeat: 1_500 });
    const client = connect();
    expect(await client.connect()).toEqual({ client: client.id, version, ping: 2, pong: true });
  });

  test("the server's subscriptions are in the reply, each with its position", async () => {
    const { client: connect, publish, epoch } = wire();
    await publish("user:1", "a", "b");
    const client = connect({ peer: { user: "1", channels: ["user:1", "__proto__", "user:1"] } });
    const none = { recoverable: true, positioned: true };
    const subs = {
      "user:1": { ...none, epoch: await epoch("user:1"), offset: 2 },
      ["__proto__"]: { ...none, epoch: await epoch("__proto__"), offset: 0 },
    };
    expect(await client.connect()).toEqual({ client: client.id, version, ping: 25, pong: true, subs });
    await publish("user:1", "c");
    await publish("__proto__", "d");
    expect(client.received).toEqual([
      { push: { channel: "user:1", pub: { data: "c", offset: 3, time: start } } },
      { push: { channel: "__proto__", pub: { data: "d", offset: 1, time: start } } },
    ]);
  });

  test("positions of channels that the server does not subscribe the client to are ignored", async () => {
    const { client: connect } = wire();
    const client = connect();
    const subs = { other: { recover: true, offset: 3, epoch: "x" }, __proto__: 1 };
    expect(await client.connect({ subs })).toEqual({ client: client.id, version, ping: 25, pong: true });
  });

  test("a log that fails is answered with the temporary error 100, and a close after which the client comes back", async () => {
    const { clock, log, takeErrors, client: connect } = wire();
    const client = connect({ peer: { user: "1", channels: ["a"] } });
    log.fail(new Error("disk"));
    client.send({ id: 1, connect: {} }, { id: 2, ping: {} });
    await clock.settle();
    expect(client.received).toEqual([
      { id: 1, error: { code: 100, message: "internal server error", temporary: true } },
    ]);
    expect(client.closed).toEqual({ code: 3004, reason: "internal server error" });
    expect(takeErrors()).toEqual([{ stage: "log", message: "disk" }]);
    log.fail(undefined);
  });

  test("a log that hangs for 10 s is answered with the temporary error 100, and a close after which the client comes back", async () => {
    const { clock, log, takeErrors, client: connect, notifier } = wire();
    const client = connect({ peer: { user: "1", channels: ["a"] } });
    log.hold();
    client.send({ id: 1, connect: {} });
    await clock.advance(10_000);
    expect(client.received).toEqual([
      { id: 1, error: { code: 100, message: "internal server error", temporary: true } },
    ]);
    expect(client.closed).toEqual({ code: 3004, reason: "internal server error" });
    expect(takeErrors()).toHaveLength(1);
    log.open();
    await clock.settle();
    expect(notifier.inspect()).toEqual([]);
  });
});

describe("order", () => {
  test("replies keep their order behind a slow authoriser", async () => {
    const answer = deferred<boolean>();
    const { clock, client: connect, epoch } = wire();
    const client = connect({
      peer: { user: "", authorize: (_, { channel }) => (channel === "slow" ? answer.promise : true) },
    });
    await client.connect();
    client.send(
      { id: 2, subscribe: { channel: "slow" } },
      { id: 3, subscribe: { channel: "fast" } },
      { id: 4, sub_refresh: {} },
    );
    await clock.settle();
    expect(client.received).toEqual([]);
    answer.resolve(true);
    await clock.settle();
    expect(client.received).toEqual([
      { id: 2, subscribe: { recoverable: true, positioned: true, epoch: await epoch("slow"), offset: 0 } },
      { id: 3, subscribe: { recoverable: true, positioned: true, epoch: await epoch("fast"), offset: 0 } },
      { id: 4, error: { code: 108, message: "not available" } },
    ]);
  });

  test("pongs are handled, and publications sent, while an authoriser is slow", async () => {
    const { clock, client: connect, publish } = wire({ limits: { answer: 300_000 } });
    const never = new Promise<boolean>(() => {});
    const client = connect({
      peer: { user: "", channels: ["mine"], authorize: () => never },
    });
    await client.connect();
    client.send({ id: 2, subscribe: { channel: "a" } });
    await clock.advance(120_000);
    await publish("mine", "live");
    expect(client.closed).toBeUndefined();
    expect(client.pings).toBe(4);
    expect(client.offsets("mine")).toEqual([1]);
  });

  test("commands of one client do not wait for those of another", async () => {
    const { client: connect } = wire();
    const slow = connect({ peer: { user: "", authorize: () => new Promise(() => {}) } });
    const fast = connect();
    await slow.connect();
    await fast.connect();
    expect(await slow.call("presence", { channel: "a" })).toBeUndefined();
    expect(await fast.call("presence_stats", { channel: "a" })).toEqual({
      id: 2,
      presence_stats: { num_clients: 0, num_users: 0 },
    });
  });

  test("a client that disconnects while an authoriser decides aborts its signal, and leaves nothing behind", async () => {
    const signals: AbortSignal[] = [];
    const { clock, notifier, client: connect } = wire();
    const authorize: Peer["authorize"] = (_, { signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    };
    const client = connect({ peer: { user: "", authorize } });
    await client.connect();
    client.send({ id: 2, subscribe: { channel: "a" } }, { id: 3, ping: {} });
    await clock.settle();
    client.drop();
    await clock.settle();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(notifier.inspect()).toEqual([]);
  });
});
