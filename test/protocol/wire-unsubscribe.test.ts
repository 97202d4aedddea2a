import { describe, expect, test } from "vitest";
import { anybody, pub, start, version, wire } from "../support/wire.ts";

const badRequest = { code: 107, message: "bad request" };

describe("unsubscribe", () => {
  test("ends the publications, and a later subscribe recovers what was published meanwhile", async () => {
    const { client: connect, publish, epoch } = wire();
    const client = connect();
    await client.connect();
    await client.call("subscribe", { channel: "news" });
    await publish("news", "a");
    expect(await client.call("unsubscribe", { channel: "news" })).toEqual({ id: 3, unsubscribe: {} });
    await publish("news", "b");
    expect(client.take()).toEqual([pub("news", 1, "a")]);
    const position = { offset: 1, epoch: await epoch("news") };
    expect(await client.call("subscribe", { channel: "news", recover: true, ...position })).toEqual({
      id: 4,
      subscribe: {
        recoverable: true,
        positioned: true,
        ...position,
        publications: [{ data: "b", offset: 2, time: start }],
        recovered: true,
        was_recovering: true,
        data: { notice: { epoch: position.epoch, delayed: 1, gone: 0, kept: 0 } },
      },
    });
  });

  test("from a channel that the client is not on is not an error", async () => {
    const { client: connect } = wire();
    const client = connect();
    await client.connect();
    expect(await client.call("unsubscribe", { channel: "news" })).toEqual({ id: 2, unsubscribe: {} });
    expect(await client.call("unsubscribe", {})).toEqual({ id: 3, error: badRequest });
  });

  test("what was published before it, in the same turn, does not come after its reply", async () => {
    const { clock, notifier, client: connect } = wire();
    const client = connect();
    await client.connect();
    await client.call("subscribe", { channel: "news" });
    void notifier.publish("news", 1);
    client.send({ id: 3, unsubscribe: { channel: "news" } });
    await clock.settle();
    expect(client.received).toEqual([{ id: 3, unsubscribe: {} }]);
  });

  test("by the notifier is pushed with 2000, for that user and channel alone, and nothing follows", async () => {
    const { clock, notifier, client: connect, publish } = wire();
    const ann = connect({ peer: { ...anybody, user: "ann", channels: ["mine"] } });
    const bob = connect({ peer: { ...anybody, user: "bob" } });
    for (const client of [ann, bob]) {
      await client.connect();
      await client.call("subscribe", { channel: "news" });
    }
    notifier.unsubscribe("ann", "news");
    notifier.unsubscribe("ann", "mine");
    notifier.unsubscribe("ann", "other");
    notifier.unsubscribe("nobody", "news");
    await clock.settle();
    await publish("news", 1);
    await publish("mine", 2);
    const unsubscribe = { code: 2000, reason: "server unsubscribed" };
    expect(ann.received).toEqual([
      { push: { channel: "news", unsubscribe } },
      { push: { channel: "mine", unsubscribe } },
    ]);
    expect(bob.received).toEqual([pub("news", 1, 1)]);
    expect(ann.closed).toBeUndefined();
  });
});

describe("disconnect by the notifier", () => {
  test("closes every session of a user with 3503, and no other", async () => {
    const { clock, notifier, client: connect } = wire();
    const [one, two, other] = ["ann", "ann", "bob"].map((user) => connect({ peer: { user } }));
    for (const client of [one, two, other]) await client?.connect();
    notifier.disconnect({ user: "ann" });
    await clock.settle();
    const disconnected = { code: 3503, reason: "force disconnect" };
    expect([one?.closed, two?.closed, other?.closed]).toEqual([disconnected, disconnected, undefined]);
    expect(notifier.stats().sessions).toBe(1);
  });

  test("closes one session with the given code", async () => {
    const { clock, notifier, client: connect } = wire();
    const [one, two, three] = [connect(), connect(), connect()];
    notifier.disconnect({ session: one.id }, 3011);
    notifier.disconnect({ session: two.id }, 4321);
    await clock.settle();
    expect([one.closed, two.closed, three.closed]).toEqual([
      { code: 3011, reason: "force reconnect" },
      { code: 4321, reason: "disconnected" },
      undefined,
    ]);
    for (const code of [2999, 5000, 1000, 3000.5, Number.NaN]) {
      await expect(notifier.disconnect({ session: three.id }, code)).rejects.toThrow(RangeError);
    }
    expect(three.closed).toBeUndefined();
  });

  test("sends nothing that was waiting to be sent", async () => {
    const { clock, notifier, client: connect } = wire();
    const client = connect();
    await client.connect();
    await client.call("subscribe", { channel: "news" });
    client.send({ id: 3, ping: {} });
    void notifier.publish("news", "private");
    notifier.disconnect({ session: client.id });
    await clock.settle();
    expect(client.received).toEqual([]);
    expect(client.closed).toEqual({ code: 3503, reason: "force disconnect" });
  });

  test("of a session that has not connected yet works as well", async () => {
    const { clock, notifier, client: connect } = wire();
    const client = connect({ peer: { user: "ann", channels: ["a"] } });
    client.send({ id: 1, connect: {} });
    notifier.disconnect({ user: "ann" });
    await clock.settle();
    expect(client.messages).toEqual([]);
    expect(client.closed).toEqual({ code: 3503, reason: "force disconnect" });
    expect(notifier.stats()).toMatchObject({ sessions: 0, subscriptions: 0 });
  });
});

test("a session accepted while the notifier closes is closed with 3001 at once", async () => {
  const { clock, notifier, client: connect } = wire();
  const before = connect();
  expect(await before.connect()).toEqual({ client: before.id, version, ping: 25, pong: true });
  const closed = notifier.close();
  const late = connect();
  await clock.settle();
  expect([before.closed, late.closed]).toEqual([
    { code: 3001, reason: "shutdown" },
    { code: 3001, reason: "shutdown" },
  ]);
  expect((await closed).sessions).toEqual({ closed: 1, cut: 0 });
});
