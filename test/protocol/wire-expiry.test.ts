import type { Peer } from "tocsin";
import { describe, expect, test } from "vitest";
import { anybody, pub, start, version, wire } from "../support/wire.ts";

const internal = { code: 100, message: "internal server error", temporary: true };
const badRequest = { code: 107, message: "bad request" };
const notAvailable = { code: 108, message: "not available" };

describe("expiry", () => {
  const minute = 60_000;
  const peer = { ...anybody, user: "ann", channels: ["private"], expires: start + minute };

  test("is in the connect reply, with time enough to refresh, for a peer that can refresh", async () => {
    const { client: connect } = wire();
    const client = connect({ peer: { ...peer, channels: [], refresh: () => start + 10 * minute } });
    expect(await client.connect()).toEqual({
      client: client.id,
      version,
      ping: 25,
      pong: true,
      expires: true,
      ttl: 50,
    });
    const other = connect({ peer: { ...peer, channels: [], expires: start + 1_500, refresh: () => null } });
    expect(await other.connect()).toMatchObject({ expires: true, ttl: 1 });
  });

  test("is not in the reply for a peer that cannot refresh: it is closed with 3005 and nothing private is sent", async () => {
    const { clock, client: connect, notifier } = wire();
    const client = connect({ peer });
    expect(Object.keys((await client.connect()) as object)).toEqual([
      "client",
      "version",
      "ping",
      "pong",
      "subs",
    ]);
    await clock.advance(minute - 1);
    void notifier.publish("private", "in time");
    await clock.settle();
    expect(client.closed).toBeUndefined();
    client.stall();
    await clock.advance(1);
    void notifier.publish("private", "too late");
    await clock.settle();
    client.resume();
    await clock.settle();
    expect(client.closed).toEqual({ code: 3005, reason: "connection expired" });
    expect(client.received).toEqual([pub("private", 1, "in time", start + minute - 1)]);
  });

  test("stops publications at once, even where its timer is not due yet", async () => {
    const { clock, client: connect, publish } = wire();
    const client = connect({ peer: { ...peer, expires: start + minute + 10 } });
    await client.connect();
    await clock.advance(minute + 9);
    await publish("private", "in time");
    await clock.advance(1);
    await publish("private", "too late");
    await clock.advance(50);
    expect(client.offsets("private")).toEqual([1]);
    expect(client.closed).toEqual({ code: 3005, reason: "connection expired" });
  });

  test("closes with 3005 also without a refresh, and while an authoriser decides", async () => {
    const { clock, client: connect, notifier } = wire();
    const hung = { ...peer, authorize: () => new Promise<boolean>(() => {}), refresh: () => null };
    const client = connect({ peer: hung });
    await client.connect();
    await clock.advance(minute - 5_000);
    client.send({ id: 2, subscribe: { channel: "a" } });
    await clock.advance(5_000);
    expect(client.closed).toEqual({ code: 3005, reason: "connection expired" });
    await clock.advance(10_000);
    expect(client.received).toEqual([]);
    expect(notifier.inspect()).toEqual([]);
  });

  test("before connect closes with 3005 at once, without a reply", async () => {
    const { clock, client: connect } = wire();
    const client = connect({ peer: { ...peer, expires: start - 1 } });
    client.send({ id: 1, connect: {} });
    await clock.advance(50);
    expect(client.closed).toEqual({ code: 3005, reason: "connection expired" });
    expect(client.messages).toEqual([]);
  });

  test("that is not a number is a TypeError of accept, and opens nothing", () => {
    const { client: connect, notifier } = wire();
    for (const expires of [Number.NaN, "tomorrow" as unknown as number]) {
      expect(() => connect({ peer: { ...peer, expires } })).toThrow(TypeError);
    }
    expect(notifier.inspect()).toEqual([]);
  });

  test("moves with a refreshed token", async () => {
    const tokens: string[] = [];
    const { clock, client: connect } = wire();
    const refresh: Peer["refresh"] = async (_, token) => {
      tokens.push(token);
      return start + 2 * minute;
    };
    const client = connect({ peer: { ...peer, channels: [], refresh } });
    await client.connect();
    await clock.advance(minute - 10_000);
    expect(await client.call("refresh", { token: "new" })).toEqual({
      id: 2,
      refresh: { client: client.id, version, expires: true, ttl: 60 },
    });
    await clock.advance(minute);
    expect(client.closed).toBeUndefined();
    await clock.advance(10_000);
    expect(client.closed).toEqual({ code: 3005, reason: "connection expired" });
    expect(tokens).toEqual(["new"]);
  });

  test("ends with a token that never expires", async () => {
    const { clock, client: connect } = wire();
    const client = connect({ peer: { ...peer, refresh: () => Number.POSITIVE_INFINITY } });
    await client.connect();
    expect(await client.call("refresh", { token: "t" })).toEqual({
      id: 2,
      refresh: { client: client.id, version },
    });
    await clock.advance(10 * minute);
    expect(client.closed).toBeUndefined();
  });

  test("a token that is refused closes with 3500", async () => {
    const { clock, client: connect } = wire();
    const client = connect({ peer: { ...peer, refresh: () => null } });
    await client.connect();
    client.send({ id: 2, refresh: { token: "bad" } });
    await clock.settle();
    expect(client.closed).toEqual({ code: 3500, reason: "invalid token" });
    expect(client.received).toEqual([]);
  });

  test("a token that has expired closes with 3005, after which a client comes back", async () => {
    const { client: connect } = wire();
    const client = connect({ peer: { ...peer, refresh: () => start } });
    await client.connect();
    expect(await client.call("refresh", { token: "old" })).toBeUndefined();
    expect(client.closed).toEqual({ code: 3005, reason: "connection expired" });
    expect(client.received).toEqual([]);
  });

  test("a refresh without a handler is refused with 108, and one without a token with 107", async () => {
    const { client: connect } = wire();
    const client = connect();
    await client.connect();
    expect(await client.call("refresh", { token: "t" })).toEqual({ id: 2, error: notAvailable });
    const other = connect({ peer: { ...peer, refresh: () => null } });
    await other.connect();
    expect(await other.call("refresh", {})).toEqual({ id: 2, error: badRequest });
    expect(await other.call("refresh", { token: "" })).toEqual({ id: 3, error: badRequest });
    expect(await other.call("refresh", { token: 7 })).toEqual({ id: 4, error: badRequest });
  });

  test("a refresh that throws, rejects or never settles is answered with 100, and reported", async () => {
    const { clock, client: connect, takeErrors } = wire();
    const client = connect({
      peer: {
        ...peer,
        refresh(_, token) {
          if (token === "throw") throw new Error("thrown");
          return token === "hang" ? new Promise(() => {}) : Promise.reject(new Error("rejected"));
        },
      },
    });
    await client.connect();
    expect(await client.call("refresh", { token: "throw" })).toEqual({ id: 2, error: internal });
    expect(await client.call("refresh", { token: "reject" })).toEqual({ id: 3, error: internal });
    client.send({ id: 4, refresh: { token: "hang" } });
    await clock.advance(10_000);
    expect(client.received).toEqual([{ id: 4, error: internal }]);
    expect(takeErrors().map(({ stage }) => stage)).toEqual(["refresh", "refresh", "refresh"]);
  });

  test("sub_refresh is refused with 108", async () => {
    const { client: connect } = wire();
    const client = connect();
    await client.connect();
    expect(await client.call("sub_refresh", { channel: "a", token: "t" })).toEqual({
      id: 2,
      error: notAvailable,
    });
  });
});

test("that is further away than timers can wait is sent as one that clients can wait for", async () => {
  const { client: connect } = wire();
  const client = connect({ peer: { ...anybody, expires: start + 1e15, refresh: () => null } });
  expect(await client.connect()).toMatchObject({ expires: true, ttl: 2_147_483 });
});
