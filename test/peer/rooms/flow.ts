import { describe, expect } from "vitest";
import { errors, hasFrames, pub, range } from "../expected.ts";
import type { PeerTest } from "../site.ts";
import type { Given } from "../suite.ts";

/** What is in flight, and what is too much. */
export function flow(test: PeerTest, given: Given): void {
  if (hasFrames(given.transport)) frames(test);
  barriers(test);
  if (given.transport === "websocket") answers(test);
  limits(test);
}

function frames(test: PeerTest): void {
  describe("a hundred publications", () => {
    test("of one handler leave as one frame", async ({ site }) => {
      const here = site();
      const [caller, reader] = [await here.connect(), await here.subscribe("news", { user: "bob" })];
      const { frames } = reader;
      const list = range(1, 100);
      expect(
        (await caller.call("rpc", { method: "publish", data: { channel: "news", list } })).rpc?.data,
      ).toBe(100);
      expect(await reader.take(100)).toEqual(list.map((n) => pub("news", n)));
      expect(reader.frames).toBe(frames + 1);
    });

    test("of one request leave as one frame to each subscriber, whatever their channels", async ({
      site,
    }) => {
      const here = site();
      const readers = [await here.subscribe(["a", "b"]), await here.subscribe(["a", "b"], { user: "bob" })];
      const before = readers.map(({ frames }) => frames);
      await here.publish("a", ...range(1, 100));
      for (const reader of readers)
        expect(await reader.take(100)).toEqual(range(1, 100).map((n) => pub("a", n)));
      expect(readers.map(({ frames }) => frames)).toEqual(before.map((frames) => frames + 1));
    });
  });
}

function barriers(test: PeerTest): void {
  describe("a ping", () => {
    test("comes behind data that fills half of the window, and its pong makes room for more", async ({
      site,
    }) => {
      const here = site("narrow");
      const peer = await here.subscribe("news");
      peer.stall();
      await here.publish("news", ...range(1, 20).map(() => "x".repeat(500)));
      await peer.pinged(1);
      await peer.nothing().catch(() => {});
      const first = peer.received.splice(0).length;
      expect([first > 3, first < 9, peer.pings]).toEqual([true, true, 1]);
      peer.resume();
      await peer.take(20 - first);
    });

    test("is answered in a frame with commands, at any place in it", async ({ site }) => {
      const here = site("narrow");
      const peer = await here.subscribe("news");
      peer.stall();
      await here.publish("news", "x".repeat(3_000));
      await peer.pinged(1);
      peer.send({ id: 3, ping: {} }, "{ }", { id: 4, ping: {} });
      expect((await peer.take(3)).map(({ id }) => id)).toEqual([undefined, 3, 4]);
    });

    test("that one peer does not answer delays no other", async ({ site }) => {
      const here = site("narrow");
      const [stuck, reader] = [await here.subscribe("news"), await here.subscribe("news", { user: "bob" })];
      stuck.stall();
      await here.publish("news", ...range(1, 40).map(() => "x".repeat(500)));
      expect((await reader.take(40)).map(({ push }) => push?.pub?.offset)).toEqual(range(1, 40));
      expect(stuck.received.length).toBeLessThan(9);
      stuck.resume();
      expect((await stuck.take(40)).map(({ push }) => push?.pub?.offset)).toEqual(range(1, 40));
    });
  });
}

/** Over a stream, a second pong is ignored: a browser may have repeated the first. */
function answers(test: PeerTest): void {
  test("a ping that is answered twice closes with 3501", async ({ site }) => {
    const here = site("narrow");
    const peer = await here.subscribe("news");
    peer.stall();
    await here.publish("news", "x".repeat(3_000));
    await peer.pinged(1);
    peer.send({}, {});
    expect(await peer.closed).toEqual({ code: 3501, reason: "bad request" });
  });
}

function limits(test: PeerTest): void {
  describe("too much", () => {
    test("in one message closes with 1009, and exactly as much as allowed does not", async ({ site }) => {
      const here = site("tight");
      const peer = await here.connect();
      const message = (bytes: number) => `{"send":{"data":"${"é".repeat((bytes - 20) / 2)}"}}`;
      peer.send(message(16_384));
      expect(await here.take("sent", 1)).toMatchObject([{ user: "ann" }]);
      peer.send(message(16_386));
      // Over a stream, clients know nothing of 1009, and would send the same again.
      expect((await peer.closed).code).toBe(here.transport === "websocket" ? 1009 : 3501);
      expect(await here.control.take({ kind: "sent", count: 0 })).toEqual([]);
    });

    test("of what waits for a slow command closes with 3013", async ({ site }) => {
      const here = site("tight");
      const peer = await here.connect();
      peer.send({ id: 2, rpc: { method: "hold", data: "a" } });
      peer.send(...range(3, 12).map((id) => ({ id, presence: { channel: "a" } })));
      await peer.nothing();
      peer.ask("presence", { channel: "a" });
      expect(await peer.closed).toEqual({ code: 3013, reason: "too many requests" });
      expect(peer.received).toEqual([]);
      expect(await here.take("aborted", 1)).toEqual([{ handler: "rpc hold a" }]);
    });

    test("too often is answered with 111, and then closes with 3013", async ({ site }) => {
      const here = site("tight");
      const peer = await here.connect();
      peer.send(...range(2, 40).map((id) => ({ id, ping: {} })));
      const replies = await peer.take(39);
      const passed = replies.findIndex(({ error }) => error !== undefined);
      expect(replies[passed]).toEqual({ id: passed + 2, error: errors[111] });
      // Connecting was the first command of the burst. Each tenth of a second allows one more.
      expect([passed >= 29, passed < 39]).toEqual([true, true]);
      peer.send(...range(41, 140).map((id) => ({ id, ping: {} })));
      expect(await peer.closed).toEqual({ code: 3013, reason: "too many requests" });
    });
  });
}
