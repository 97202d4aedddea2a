import { describe, expect, test } from "vitest";
import { anybody, pub, range, start, wire } from "../support/wire.ts";

const denied = { code: 103, message: "permission denied" };
const internal = { code: 100, message: "internal server error", temporary: true };
const badRequest = { code: 107, message: "bad request" };
const notAvailable = { code: 108, message: "not available" };
const limitExceeded = { code: 106, message: "limit exceeded" };
const alreadySubscribed = { code: 105, message: "already subscribed" };

describe("subscribe", () => {
  test("the first one returns the epoch and the top, then every publication comes, each offset one above the last", async () => {
    const { client: connect, publish, epoch } = wire();
    await publish("news", 1, 2, 3);
    const client = connect();
    await client.connect();
    expect(await client.call("subscribe", { channel: "news" })).toEqual({
      id: 2,
      subscribe: { recoverable: true, positioned: true, epoch: await epoch("news"), offset: 3 },
    });
    await publish("news", "a", { b: [null, 1.5] });
    await publish("news", null);
    expect(client.received).toEqual([
      pub("news", 4, "a"),
      pub("news", 5, { b: [null, 1.5] }),
      pub("news", 6, null),
    ]);
  });

  test("a position without recover does not ask for a recovery", async () => {
    const { client: connect, publish, epoch } = wire();
    await publish("news", 1, 2);
    const client = connect();
    await client.connect();
    expect(await client.call("subscribe", { channel: "news", offset: 1, epoch: "x" })).toEqual({
      id: 2,
      subscribe: { recoverable: true, positioned: true, epoch: await epoch("news"), offset: 2 },
    });
  });

  test("publications carry their tags and their time", async () => {
    const { clock, notifier, client: connect } = wire();
    const client = connect();
    await client.connect();
    await client.call("subscribe", { channel: "news" });
    await clock.advance(5);
    await notifier.publish("news", 1, { tags: { kind: "é", ["__proto__"]: "x" } });
    await clock.settle();
    const tags = { kind: "é", ["__proto__"]: "x" };
    expect(client.received).toEqual([
      { push: { channel: "news", pub: { data: 1, offset: 1, time: start + 5, tags } } },
    ]);
  });

  test("text of any kind arrives unchanged, in one line", async () => {
    const { client: connect, publish } = wire();
    const client = connect();
    await client.connect();
    const channel = 'a" é😀';
    await client.call("subscribe", { channel });
    const data = { "k\n": "line\nbreak\r\u2028\u0000\ud800 😀", big: "é".repeat(20_000) };
    await publish(channel, data);
    expect(client.received).toEqual([pub(channel, 1, data)]);
  });

  test("to a channel that the client is on already is answered with 105, whether client or server subscribed", async () => {
    const { client: connect, publish } = wire();
    const client = connect({ peer: { ...anybody, channels: ["mine"] } });
    await client.connect();
    await client.call("subscribe", { channel: "news" });
    expect(await client.call("subscribe", { channel: "news" })).toEqual({ id: 3, error: alreadySubscribed });
    expect(await client.call("subscribe", { channel: "mine" })).toEqual({ id: 4, error: alreadySubscribed });
    await publish("news", 1);
    await publish("mine", 2);
    expect(client.received).toEqual([pub("news", 1, 1), pub("mine", 1, 2)]);
  });

  test("is refused with 103 unless the peer's authorize returns exactly true", async () => {
    const answers: unknown[] = [false, undefined, null, 1, "yes", {}, Promise.resolve(false), true];
    const { client: connect } = wire();
    const client = connect({ peer: { user: "", authorize: () => answers.shift() as boolean } });
    await client.connect();
    for (const id of range(2, 8)) {
      expect(await client.call("subscribe", { channel: "news" })).toEqual({ id, error: denied });
    }
    expect(await client.call("subscribe", { channel: "news" })).toMatchObject({
      id: 9,
      subscribe: { offset: 0 },
    });
  });

  test("is refused with 103 without an authorize; one that throws or rejects is a temporary error, and is reported", async () => {
    const { client: connect, takeErrors } = wire();
    const nobody = connect({ peer: { user: "" } });
    await nobody.connect();
    expect(await nobody.call("subscribe", { channel: "news" })).toEqual({ id: 2, error: denied });
    const thrower = connect({
      peer: {
        user: "",
        authorize: (_, { channel }) => {
          if (channel === "throw") throw new Error("thrown");
          return Promise.reject(new Error("rejected"));
        },
      },
    });
    await thrower.connect();
    expect(await thrower.call("subscribe", { channel: "throw" })).toEqual({ id: 2, error: internal });
    expect(await thrower.call("subscribe", { channel: "reject" })).toEqual({ id: 3, error: internal });
    expect(await thrower.call("ping", {})).toEqual({ id: 4, ping: {} });
    expect(takeErrors()).toEqual([
      { stage: "authorize", message: "thrown" },
      { stage: "authorize", message: "rejected" },
    ]);
  });

  test("authorize is called with the peer, the action and the data of the command", async () => {
    const heard: unknown[] = [];
    const { client: connect } = wire();
    const authorize = (peer: { user: string }, { signal: _, ...action }: { signal: AbortSignal }) =>
      heard.push(peer.user, action) > 0;
    const client = connect({ peer: { user: "ann", authorize } });
    await client.connect();
    await client.call("subscribe", { channel: "news", data: { why: 1 }, join_leave: true });
    await client.call("publish", { channel: "news", data: [1] });
    await client.call("history", { channel: "news" });
    await client.call("presence_stats", { channel: "news" });
    expect(heard).toEqual([
      "ann",
      { type: "subscribe", channel: "news", data: { why: 1 } },
      "ann",
      { type: "presence", channel: "news", data: undefined },
      "ann",
      { type: "publish", channel: "news", data: [1] },
      "ann",
      { type: "history", channel: "news", data: undefined },
      "ann",
      { type: "presence", channel: "news", data: undefined },
    ]);
  });

  test("an authorize that never settles is a temporary error after 10 s, its signal aborted, and the session stays open", async () => {
    const signals: AbortSignal[] = [];
    const { clock, client: connect, takeErrors } = wire();
    const client = connect({
      peer: {
        user: "",
        authorize: (_, { signal, channel }) => {
          signals.push(signal);
          return channel === "b" || new Promise(() => {});
        },
      },
    });
    await client.connect();
    client.send({ id: 2, subscribe: { channel: "a" } }, { id: 3, presence_stats: { channel: "b" } });
    await clock.advance(9_999);
    expect(client.received).toEqual([]);
    await clock.advance(1);
    expect(client.received).toEqual([
      { id: 2, error: internal },
      { id: 3, presence_stats: { num_clients: 0, num_users: 0 } },
    ]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(takeErrors()).toEqual([
      { stage: "authorize", message: expect.stringMatching(/^Cannot wait any longer .*10000 ms$/) },
    ]);
  });

  test.each([
    ["no channel", {}, badRequest],
    ["an empty channel", { channel: "" }, badRequest],
    ["a channel that is a number", { channel: 7 }, badRequest],
    ["a channel of 256 characters", { channel: "c".repeat(256) }, limitExceeded],
    ["a negative offset", { channel: "a", recover: true, offset: -1 }, badRequest],
    ["an offset that is not whole", { channel: "a", recover: true, offset: 0.5 }, badRequest],
    ["an offset past 2^53", { channel: "a", recover: true, offset: 2 ** 53 }, badRequest],
    ["an offset that is a text", { channel: "a", recover: true, offset: "1" }, badRequest],
    ["an epoch that is a number", { channel: "a", recover: true, epoch: 1 }, badRequest],
    ["a flag that is a text", { channel: "a", flag: "2" }, badRequest],
    ["type 1", { channel: "a", type: 1 }, notAvailable],
    ["type 2", { channel: "a", type: 2 }, notAvailable],
  ])("with %s is an error of that command alone", async (_name, params, error) => {
    const { notifier, client: connect } = wire();
    const client = connect();
    await client.connect();
    expect(await client.call("subscribe", params)).toEqual({ id: 2, error });
    expect(await client.call("ping", {})).toEqual({ id: 3, ping: {} });
    expect(notifier.stats()).toMatchObject({ subscriptions: 0, channels: 0 });
  });

  test("type 0, and a name of 255 characters, are fine", async () => {
    const { client: connect } = wire();
    const client = connect();
    await client.connect();
    expect(await client.call("subscribe", { channel: "c".repeat(255), type: 0 })).toMatchObject({
      subscribe: { offset: 0 },
    });
  });

  test("one more than the limit is answered with 106, and one fewer makes room", async () => {
    const { client: connect } = wire({ limits: { subscriptions: 2 } });
    const client = connect();
    await client.connect();
    await client.call("subscribe", { channel: "a" });
    await client.call("subscribe", { channel: "b" });
    expect(await client.call("subscribe", { channel: "c" })).toEqual({ id: 4, error: limitExceeded });
    await client.call("unsubscribe", { channel: "a" });
    expect(await client.call("subscribe", { channel: "c" })).toMatchObject({ id: 6, subscribe: {} });
  });

  test("a log that fails answers with 100, and a later subscribe succeeds", async () => {
    const { client: connect, log, takeErrors } = wire();
    const client = connect();
    await client.connect();
    log.fail(new Error("disk"));
    expect(await client.call("subscribe", { channel: "news" })).toEqual({
      id: 2,
      error: { code: 100, message: "internal server error", temporary: true },
    });
    expect(takeErrors()).toEqual([{ stage: "log", message: "disk" }]);
    log.fail(undefined);
    expect(await client.call("subscribe", { channel: "news" })).toMatchObject({
      id: 3,
      subscribe: { offset: 0 },
    });
  });

  test("publications of different channels reach exactly their subscribers", async () => {
    const { client: connect, publish } = wire();
    const [one, two] = [connect(), connect()];
    for (const client of [one, two]) await client.connect();
    await one.call("subscribe", { channel: "a" });
    await two.call("subscribe", { channel: "b" });
    await publish("a", 1);
    await publish("b", 2);
    await publish("c", 3);
    expect(one.received).toEqual([pub("a", 1, 1)]);
    expect(two.received).toEqual([pub("b", 1, 2)]);
  });

  test("is answered while publications come faster than the log is read", async () => {
    const { clock, client: connect, log, notifier } = wire();
    const client = connect();
    await client.connect();
    log.hold();
    client.send({ id: 7, subscribe: { channel: "news" } });
    for (const n of range(1, 10)) {
      await clock.settle();
      void notifier.publish("news", n);
      log.open();
      log.hold();
    }
    await clock.settle();
    expect(client.received[0]).toMatchObject({ id: 7, subscribe: { recoverable: true, offset: 0 } });
    log.open();
    await clock.settle();
    expect(client.offsets("news")).toEqual(range(1, 10));
  });

  test("a log that hangs for 10 s is answered with the temporary error 100, and the commands behind are answered", async () => {
    const { clock, client: connect, log, takeErrors } = wire();
    const client = connect();
    await client.connect();
    log.hold();
    client.send({ id: 7, subscribe: { channel: "news" } }, { id: 8, sub_refresh: {} });
    await clock.advance(10_000);
    expect(client.received).toEqual([
      { id: 7, error: internal },
      { id: 8, error: { code: 108, message: "not available" } },
    ]);
    expect(takeErrors()).toHaveLength(1);
    log.open();
    expect(await client.call("subscribe", { channel: "news" })).toMatchObject({ subscribe: { offset: 0 } });
  });

  test("of a client that leaves while the log is read leaves nothing behind", async () => {
    const { clock, client: connect, log, notifier } = wire();
    const client = connect();
    await client.connect();
    log.hold();
    client.send({ id: 2, subscribe: { channel: "news" } }, { id: 3, ping: {} });
    await clock.settle();
    client.drop();
    log.open();
    await clock.settle();
    expect(notifier.inspect()).toEqual([]);
    expect(notifier.stats()).toMatchObject({ sessions: 0, channels: 0, waits: 0, tasks: 0 });
  });
});
