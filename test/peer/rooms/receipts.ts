import { describe, expect } from "vitest";
import { errors } from "../expected.ts";
import type { Peer } from "../peer.ts";
import type { PeerTest, Site } from "../site.ts";

const confirmed = { options: { confirm: true } };

/** Returns what acknowledges "news" up to an offset. */
const ackOf = (offset: number, epoch: string) => ({ ack: { news: { offset, epoch } } });

/** Subscribes a peer that acknowledges, and publishes confirmed publications, which it receives. */
async function reader(here: Site, count: number): Promise<{ peer: Peer; epoch: string }> {
  const peer = await here.connect();
  peer.send({ send: { data: { ack: {} } } });
  await peer.call("subscribe", { channel: "news" });
  await here.control.publish({ channel: "news", list: Array(count).fill("text"), ...confirmed });
  await peer.take(count);
  return { peer, epoch: await here.epoch("news") };
}

const waiting = async (here: Site): Promise<number> => (await here.control.stats({})).confirmed;

/** How far publications have come. */
export function receipts(test: PeerTest): void {
  describe("a publication", () => {
    test("that nobody receives is logged, and expires", async ({ site }) => {
      const here = site();
      const list = ["text"];
      await here.control.publish({ channel: "news", list, options: { confirm: true, ttl: 50 } });
      const at = { channel: "news", offset: 1 };
      expect(await here.control.delivered({ ...at, options: { level: "logged" } })).toEqual({
        ...{ level: "logged", by: "" },
      });
      expect(await here.take("undelivered", 1)).toEqual([{ ...at, reason: "expired" }]);
      expect(await here.control.delivered(at)).toEqual({ error: "ExpiredError" });
    });

    test("is written when it was sent, and read when the pong behind it has come", async ({ site }) => {
      const here = site();
      const peer = await here.subscribe("news");
      peer.stall();
      const offset = await here.publish("news", "text");
      await peer.take(1);
      const levels = (["written", "read"] as const).map((level) =>
        here.control.delivered({ channel: "news", offset, options: { level } }),
      );
      expect(await levels[0]).toEqual({ level: "written", by: "ann" });
      await peer.pinged(1);
      let isRead = false;
      void levels[1]?.then(() => {
        isRead = true;
      });
      await peer.nothing();
      expect(isRead).toBe(false);
      peer.resume();
      expect(await levels[1]).toEqual({ level: "read", by: "ann" });
    });

    test.for(["send", "rpc"] as const)(
      "is acknowledged by %s, together with those before it",
      async (how, { site }) => {
        const here = site();
        const { peer, epoch } = await reader(here, 3);
        expect(await waiting(here)).toBe(3);
        const delivered = here.control.delivered({ channel: "news", offset: 1 });
        if (how === "send") peer.send({ send: { data: ackOf(2, epoch) } });
        else
          expect(await peer.call("rpc", { method: "ack", data: ackOf(2, epoch) })).toMatchObject({ rpc: {} });
        expect(await delivered).toEqual({ level: "acknowledged", by: "ann" });
        await peer.nothing();
        expect(await waiting(here)).toBe(1);
        // A lower offset changes nothing, and is no error.
        expect(await peer.call("rpc", { method: "ack", data: ackOf(1, epoch) })).toMatchObject({ rpc: {} });
        await peer.call("rpc", { method: "ack", data: ackOf(3, epoch) });
        expect(await waiting(here)).toBe(0);
      },
    );

    test("that was read by a client that never acknowledges is confirmed", async ({ site }) => {
      const here = site();
      const peer = await here.subscribe("news");
      await here.control.publish({ channel: "news", list: ["text"], ...confirmed });
      expect(await here.control.delivered({ channel: "news", offset: 1 })).toEqual({
        level: "read",
        by: "ann",
      });
      expect(await waiting(here)).toBe(0);
      await peer.take(1);
    });

    test("that is recovered from a later position counts as acknowledged", async ({ site }) => {
      const here = site();
      const { peer, epoch } = await reader(here, 2);
      peer.close();
      await peer.closed;
      const back = await here.connect();
      await back.call("subscribe", { channel: "news", recover: true, offset: 2, epoch });
      expect(await here.control.delivered({ channel: "news", offset: 2 })).toEqual({
        ...{ level: "acknowledged", by: "ann" },
      });
    });
  });

  describe("an acknowledgement", () => {
    test("that cannot be true is refused by rpc, and ignored in a send", async ({ site }) => {
      const here = site();
      const { peer, epoch } = await reader(here, 2);
      for (const [name, code, ack] of [
        ["past what was sent", 107, { news: { offset: 3, epoch } }],
        ["a position that is none", 107, { news: 1 }],
        ["another epoch", 112, { news: { offset: 1, epoch: "other" } }],
        ["a channel without a subscription", 103, { other: { offset: 1, epoch } }],
      ] as const) {
        expect((await peer.call("rpc", { method: "ack", data: { ack } })).error, name).toEqual(errors[code]);
        peer.send({ send: { data: { ack } } });
      }
      expect((await peer.call("rpc", { method: "ack" })).error).toEqual(errors[107]);
      await peer.nothing();
      expect(await waiting(here)).toBe(2);
    });
  });
}
