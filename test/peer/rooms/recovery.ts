import { describe, expect } from "vitest";
import { entry, errors, positioned, pub, range } from "../expected.ts";
import { type Message, offsetsIn, offsetsUntil, type Peer } from "../peer.ts";
import type { Profile } from "../profiles.ts";
import type { PeerTest, Site } from "../site.ts";

/** The parameters of a history of six publications, and the offsets that it returns. */
const histories: [string, object, number[]][] = [
  ["a negative limit", { limit: -1 }, range(1, 6)],
  ["a limit", { limit: 2 }, [1, 2]],
  ["no limit", {}, []],
  ["reversed", { limit: -1, reverse: true }, [6, 5, 4, 3, 2, 1]],
  ["reversed, with a limit", { limit: 2, reverse: true }, [6, 5]],
  ["since a position", { limit: -1, since: { offset: 4, epoch: "" } }, [5, 6]],
  ["since a position, with a limit", { limit: 1, since: { offset: 4, epoch: "" } }, [5]],
  ["since the top", { limit: -1, since: { offset: 6, epoch: "" } }, []],
  ["since the start", { limit: -1, since: { offset: 0, epoch: "" } }, range(1, 6)],
  ["before a position, reversed", { limit: 2, reverse: true, since: { offset: 4, epoch: "" } }, [3, 2]],
];

interface News {
  here: Site;
  peer: Peer;
  epoch: string;
}

/** Publishes 1 to `count` on "news", one after the other, and connects a peer. */
async function withNews(site: (profile?: Profile) => Site, count: number, profile?: Profile): Promise<News> {
  const here = site(profile);
  for (const n of range(1, count)) await here.publish("news", n);
  return { here, peer: await here.connect(), epoch: await here.epoch("news") };
}

const recover = (offset: number, epoch: string) => ({ channel: "news", recover: true, offset, epoch });

/** Reading the log, and coming back to it. */
export function recovery(test: PeerTest): void {
  history(test);
  resubscribing(test);
  overtaken(test);
}

function history(test: PeerTest): void {
  describe("history", () => {
    test("returns what is asked for by limit, position and direction", async ({ site }) => {
      const { peer, epoch } = await withNews(site, 6);
      for (const [name, params, offsets] of histories) {
        const { history } = await peer.call("history", { channel: "news", ...params });
        const publications = offsets.map((offset) => entry(offset));
        expect(history, name).toEqual({ publications, offset: 6, epoch });
      }
    });

    test("of a position that is gone, of another epoch or invalid is refused", async ({ site }) => {
      const { peer } = await withNews(site, 7, "short");
      for (const [name, code, params] of [
        ["another epoch", 112, { channel: "news", since: { offset: 4, epoch: "other" } }],
        ["a successor that is gone", 112, { channel: "news", since: { offset: 1, epoch: "" } }],
        ["the future", 112, { channel: "news", since: { offset: 9, epoch: "" } }],
        ["a limit that is a text", 107, { channel: "news", limit: "1" }],
        ["a position that is a list", 107, { channel: "news", since: [] }],
        ["a channel that is not allowed", 103, { channel: "private:a" }],
      ] as const) {
        const { error } = await peer.call("history", { limit: -1, ...params });
        expect(error, name).toEqual(errors[code]);
      }
    });

    test("has at most the limit of publications, and at most a window", async ({ site }) => {
      const { peer } = await withNews(site, 8, "tight");
      const { history } = await peer.call("history", { channel: "news", limit: -1 });
      expect([history?.publications, history?.offset]).toEqual([range(1, 5).map((n) => entry(n)), 8]);
      const narrow = site("narrow");
      await narrow.publish("long", ...range(1, 20).map(() => "x".repeat(300)));
      const reader = await narrow.connect();
      const long = (await reader.call("history", { channel: "long", limit: -1 })).history;
      expect(long?.publications.map(({ offset }) => offset)).toEqual(
        range(1, long?.publications.length ?? 0),
      );
      expect(JSON.stringify(long).length).toBeLessThan(4_096 + 500);
      expect(long?.publications.length).toBeGreaterThan(8);
    });
  });
}

function resubscribing(test: PeerTest): void {
  describe("a subscribe that recovers", () => {
    test("gets in the reply what it missed; the offset of the reply is the one that it sent", async ({
      site,
    }) => {
      const { here, peer, epoch } = await withNews(site, 5);
      expect(await peer.call("subscribe", recover(2, epoch))).toEqual({
        id: 2,
        subscribe: {
          ...{ ...positioned, epoch, offset: 2, recovered: true, was_recovering: true },
          publications: [entry(3), entry(4), entry(5)],
          data: { notice: { epoch, delayed: 3, gone: 0, kept: 0 } },
        },
      });
      await here.publish("news", "live");
      expect(await peer.take(1)).toEqual([pub("news", 6, "live")]);
    });

    test.for([
      ["with an empty epoch", 3, "", [4, 5]],
      ["from the start", 0, "", range(1, 5)],
      ["from the top", 5, undefined, []],
    ] as const)("%s is recovered", async ([, offset, given, offsets], { site }) => {
      const { peer, epoch } = await withNews(site, 5);
      const { subscribe } = await peer.call("subscribe", recover(offset, given ?? epoch));
      expect(subscribe).toMatchObject({ epoch, offset, recovered: true, was_recovering: true });
      expect((subscribe?.publications ?? []).map((each) => each.offset)).toEqual(offsets);
    });

    test.for([
      ["of another epoch", 2, "other", null],
      ["from the future", 9, undefined, null],
      ["of what was trimmed", 1, undefined, 1],
    ] as const)(
      "%s is not recovered, and goes on from the top",
      async ([, offset, given, gone], { site }) => {
        const { here, peer, epoch } = await withNews(site, 7, "short");
        expect(await peer.call("subscribe", recover(offset, given ?? epoch))).toEqual({
          id: 2,
          subscribe: {
            ...{ ...positioned, epoch, offset: 7, was_recovering: true },
            data: { notice: { epoch, delayed: 0, gone, kept: 5 } },
          },
        });
        await here.publish("news", "live");
        expect(await peer.take(1)).toEqual([pub("news", 8, "live")]);
      },
    );

    test("with flag 2 is refused with 112 where it is not recovered, and leaves no subscription", async ({
      site,
    }) => {
      const { here, peer, epoch } = await withNews(site, 7, "short");
      for (const [offset, given] of [
        [2, "other"],
        [9, ""],
        [1, epoch],
      ] as const) {
        const reply = await peer.call("subscribe", { ...recover(offset, given), flag: 2 });
        expect(reply.error).toEqual(errors[112]);
      }
      await here.publish("news", "live");
      await peer.nothing();
      expect(await peer.call("subscribe", { ...recover(8, epoch), flag: 2 })).toMatchObject({
        subscribe: { recovered: true, offset: 8 },
      });
    });

    test("more than a window gets the rest as pushes, in order, and then what is live", async ({ site }) => {
      const here = site("narrow");
      const text = "x".repeat(200);
      await here.publish("news", ...range(1, 100).map((n) => ({ n, text })));
      const peer = await here.connect();
      peer.ask("subscribe", { channel: "news", recover: true });
      const live = here.publish("news", "live");
      expect(await offsetsUntil(peer, 101)).toEqual(range(1, 101));
      await live;
    });

    test("again and again, while others publish, gets every publication once, in order", async ({ site }) => {
      const here = site();
      const peer = await here.connect();
      const publishing = (async () => {
        for (const n of range(0, 19)) await here.publish("news", ...range(10 * n + 1, 10 * n + 10));
      })();
      const offsets: number[] = [];
      while (offsets.length < 200) {
        peer.ask("subscribe", recover(offsets.length, ""));
        offsets.push(...(await offsetsUntil(peer, Math.min(offsets.length + 25, 200))));
        await peer.call("unsubscribe", { channel: "news" });
        offsets.push(...offsetsIn(peer.received.splice(0)));
      }
      await publishing;
      expect(offsets).toEqual(range(1, 200));
    });
  });
}

function overtaken(test: PeerTest): void {
  describe("a peer that falls behind what the log keeps", () => {
    /** Lets a peer stall while more is published than is kept and than its window takes. */
    async function overtake(here: Site, peer: Peer): Promise<void> {
      peer.stall();
      for (const n of range(1, 30)) await here.publish("news", { n, text: "x".repeat(500) });
      await peer.pinged(1);
      peer.resume();
    }

    test("is unsubscribed with 2500, and can subscribe again", async ({ site }) => {
      const here = site("short");
      const peer = await here.subscribe("news");
      await overtake(here, peer);
      const got: Message[] = [];
      while (got.at(-1)?.push?.unsubscribe === undefined) got.push(...(await peer.take(1)));
      expect(got.at(-1)).toEqual({
        push: { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } },
      });
      const offsets = offsetsIn(got);
      expect(offsets).toEqual(range(1, offsets.length));
      const epoch = await here.epoch("news");
      expect(await peer.call("subscribe", recover(offsets.length, epoch))).toMatchObject({
        subscribe: {
          ...{ offset: 30, was_recovering: true },
          data: { notice: { epoch, delayed: 0, gone: 25 - offsets.length, kept: 5 } },
        },
      });
    });

    test("is closed with 3010 where the server has subscribed it", async ({ site }) => {
      const here = site("short");
      const peer = await here.connect({ channels: "news" });
      await overtake(here, peer);
      expect(await peer.closed).toEqual({ code: 3010, reason: "insufficient state" });
      const offsets = offsetsIn(peer.received);
      expect(offsets).toEqual(range(1, offsets.length));
    });
  });
}
