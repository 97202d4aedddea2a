import { describe, expect } from "vitest";
import { version } from "../../../src/base/version.ts";
import { entry, errors, positioned, pub, sessionOf } from "../expected.ts";
import type { PeerTest } from "../site.ts";

/** What a connect is answered, and how long a permission lasts. */
export function connecting(test: PeerTest): void {
  describe("connect", () => {
    test("is answered with the client's id, the version and the heartbeat in whole seconds", async ({
      site,
    }) => {
      const here = site("quick");
      const peer = await here.open();
      const result = await peer.connect();
      expect(result).toEqual({
        client: expect.stringMatching(/^[\w-]{20,}$/),
        version: `tocsin ${version}`,
        ping: 1,
        pong: true,
        ...sessionOf(here.transport),
      });
      const { data } = (await peer.call("rpc", { method: "whoami" })).rpc ?? {};
      expect(data).toEqual({ user: "ann", session: result.client });
    });

    test("is answered with the server's subscriptions, each with its position", async ({ site }) => {
      const here = site();
      await here.publish("mine", "a", "b");
      const peer = await here.open({ channels: "mine,ours" });
      const { subs } = await peer.connect();
      expect(subs).toEqual({
        mine: { ...positioned, epoch: await here.epoch("mine"), offset: 2 },
        ours: { ...positioned, epoch: await here.epoch("ours"), offset: 0 },
      });
      await here.publish("mine", "c");
      await here.publish("ours", "d");
      expect(await peer.take(2)).toEqual([pub("mine", 3, "c"), pub("ours", 1, "d")]);
    });

    test("recovers the server's subscriptions, each from its own position", async ({ site }) => {
      const here = site();
      await here.publish("mine", 1, 2, 3);
      await here.publish("ours", 4);
      const mine = await here.epoch("mine");
      const peer = await here.open({ channels: "mine,ours" });
      const { subs } = await peer.connect({
        subs: { mine: { recover: true, offset: 1, epoch: mine }, ours: { recover: true, epoch: "gone" } },
      });
      expect(subs).toMatchObject({
        mine: { offset: 1, publications: [entry(2), entry(3)], recovered: true, was_recovering: true },
        ours: { offset: 1, was_recovering: true, data: { notice: { gone: null, kept: 1 } } },
      });
      expect(subs?.ours).not.toHaveProperty("publications");
      await here.publish("mine", "live");
      expect(await peer.take(1)).toEqual([pub("mine", 4, "live")]);
    });

    test("with a malformed position is an error, after which the connection is closed", async ({ site }) => {
      const peer = await site().open({ channels: "mine" });
      expect(await peer.call("connect", { subs: { mine: { recover: true, offset: -1 } } })).toEqual({
        id: 1,
        error: errors[107],
      });
      expect(await peer.closed).toEqual({ code: 3004, reason: "internal server error" });
    });
  });

  describe("a token", () => {
    test("says who the client is, and which channels it has", async ({ site }) => {
      const here = site("tokens");
      const peer = await here.open({ user: "" });
      const { subs } = await peer.connect({ token: "bob" });
      expect(Object.keys(subs ?? {})).toEqual(["granted"]);
      expect((await here.control.presence({ channel: "granted" })).clients).toMatchObject([{ user: "bob" }]);
    });

    test("that is invalid, or missing, closes with 3500, and nothing is answered", async ({ site }) => {
      const here = site("tokens");
      for (const params of [{ token: "invalid" }, {}]) {
        const peer = await here.open();
        peer.send({ id: 1, connect: params });
        expect(await peer.closed).toEqual({ code: 3500, reason: "invalid token" });
        expect(peer.received).toEqual([]);
      }
      expect(await here.take("refused", 2)).toEqual([{ code: 3500 }, { code: 3500 }]);
    });

    test("that has expired is answered with 109, after which the connection is closed", async ({ site }) => {
      const here = site("tokens");
      const peer = await here.open();
      expect(await peer.call("connect", { token: "expired" })).toEqual({ id: 1, error: errors[109] });
      expect((await peer.closed).code).toBeLessThan(3500);
    });

    test("whose check throws is answered with 100, and the client may come back", async ({ site }) => {
      const here = site("tokens");
      const peer = await here.open();
      expect(await peer.call("connect", { token: "throws" })).toEqual({ id: 1, error: errors[100] });
      expect(await peer.closed).toEqual({ code: 3004, reason: "internal server error" });
      expect(await here.take("error", 1)).toEqual([{ stage: "connect", message: "no token" }]);
    });
  });

  test("a refresh with an invalid token closes with 3500", async ({ site }) => {
    const here = site("tokens");
    const peer = await here.connect({ ttl: 10_000 }, { token: "ann" });
    peer.send({ id: 2, refresh: { token: "invalid" } });
    expect(await peer.closed).toEqual({ code: 3500, reason: "invalid token" });
    expect(peer.received).toEqual([]);
    expect(await here.take("refreshed", 1)).toEqual([{ user: "ann", token: "invalid" }]);
  });

  test("a refresh where none is possible is answered with 108, and one without a token with 107", async ({
    site,
  }) => {
    const peer = await site().connect();
    expect((await peer.call("refresh", { token: "t" })).error).toEqual(errors[108]);
    expect((await peer.call("sub_refresh", { channel: "a", token: "t" })).error).toEqual(errors[108]);
    const other = await site("tokens").connect({ ttl: 10_000 }, { token: "ann" });
    expect((await other.call("refresh", {})).error).toEqual(errors[107]);
    expect((await other.call("refresh", { token: 7 })).error).toEqual(errors[107]);
  });
}
