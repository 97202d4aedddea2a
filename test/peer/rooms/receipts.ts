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
    test.for([
      ["without a body", 107, undefined],
      ["that is no map", 107, { ack: [] }],
      ["past what was sent", 107, ackOf(3, "the epoch")],
      ["of another epoch", 112, ackOf(1, "other")],
      ["of a channel without a subscription", 103, { ack: { other: { offset: 1, epoch: "the epoch" } } }],
    ] as const)("%s is refused with %i by rpc, and ignored in a send", async ([, code, data], { site }) => {
      const here = site();
      const { peer, epoch } = await reader(here, 2);
      const said = data && JSON.parse(JSON.stringify(data).replace("the epoch", epoch));
      expect((await peer.call("rpc", { method: "ack", data: said })).error).toEqual(errors[code]);
      if (code !== 107 || data?.ack instanceof Object) peer.send({ send: { data: said } });
      await peer.nothing();
      await here.control.take({ kind: "sent", count: 0 });
      expect(await waiting(here)).toBe(2);
    });
  });
}
