import { describe, expect } from "vitest";
import { errors, positioned, pub, range } from "../expected.ts";
import type { PeerTest } from "../site.ts";

const invalid: [string, object, keyof typeof errors][] = [
  ["no channel", {}, 107],
  ["an empty channel", { channel: "" }, 107],
  ["a channel that is a number", { channel: 7 }, 107],
  ["a channel with too long a name", { channel: "c".repeat(256) }, 106],
  ["a negative offset", { channel: "a", recover: true, offset: -1 }, 107],
  ["an offset that is a text", { channel: "a", recover: true, offset: "1" }, 107],
  ["an epoch that is a number", { channel: "a", recover: true, epoch: 1 }, 107],
  ["type 1", { channel: "a", type: 1 }, 108],
  ["a channel that is not allowed", { channel: "private:a" }, 103],
];

/** Subscribing, publishing, presence, and what a server does with subscriptions. */
export function channels(test: PeerTest): void {
  subscribing(test);
  publishing(test);
  presence(test);
}

function subscribing(test: PeerTest): void {
  describe("subscribe", () => {
    test("is answered with the epoch and the top, and every publication comes after it", async ({ site }) => {
      const here = site();
      await here.publish("news", 1, 2, 3);
      const peer = await here.connect();
      expect(await peer.call("subscribe", { channel: "news", offset: 1, epoch: "x" })).toEqual({
        id: 2,
        subscribe: { ...positioned, epoch: await here.epoch("news"), offset: 3 },
      });
      await here.publish("news", "a", { b: [null, 1.5] });
      await here.publish("news", null);
      expect(await peer.take(3)).toEqual([
        pub("news", 4, "a"),
        pub("news", 5, { b: [null, 1.5] }),
        pub("news", 6, null),
      ]);
    });

    test("to a channel of any name gets publications with their tags and their time", async ({ site }) => {
      const here = site();
      const channel = 'a" é😀 __proto__';
      const peer = await here.subscribe(channel);
      const before = Date.now();
      const tags = { kind: "é", ["__proto__"]: "x" };
      await here.control.publish({ channel, list: [1], options: { tags } });
      const [message] = await peer.take(1);
      expect(message).toEqual(pub(channel, 1, 1, { tags }));
      const time = message?.push?.pub?.time ?? 0;
      expect([time >= before - 1, time <= Date.now() + 1]).toEqual([true, true]);
    });

    test("a second time is answered with 105, whether the client or the server has subscribed", async ({
      site,
    }) => {
      const here = site();
      const peer = await here.subscribe("news", { channels: "mine" });
      for (const channel of ["news", "mine"])
        expect((await peer.call("subscribe", { channel })).error).toEqual(errors[105]);
      await here.publish("news", 1);
      await here.publish("mine", 2);
      expect(await peer.take(2)).toEqual([pub("news", 1, 1), pub("mine", 1, 2)]);
      await peer.nothing();
    });

    test("that is invalid or not allowed is refused, and the connection stays open", async ({ site }) => {
      const here = site();
      const peer = await here.connect();
      for (const [name, params, code] of invalid)
        expect((await peer.call("subscribe", params)).error, name).toEqual(errors[code]);
      await peer.nothing();
      expect(await here.control.stats({})).toMatchObject({ sessions: 1, subscriptions: 0 });
    });

    test("whose authorize throws is answered with 100, and the error is reported", async ({ site }) => {
      const here = site();
      const peer = await here.connect();
      expect((await peer.call("subscribe", { channel: "throws:a" })).error).toEqual(errors[100]);
      expect(await here.take("error", 1)).toEqual([{ stage: "authorize", message: "not authorized" }]);
    });

    test("without an authorize is refused with 103", async ({ site }) => {
      const peer = await site("closed").connect();
      expect((await peer.call("subscribe", { channel: "news" })).error).toEqual(errors[103]);
    });

    test("over the limit is answered with 106, until one is given up", async ({ site }) => {
      const peer = await site("tight").subscribe(["a", "b", "c"]);
      expect((await peer.call("subscribe", { channel: "d" })).error).toEqual(errors[106]);
      await peer.call("unsubscribe", { channel: "a" });
      expect(await peer.call("subscribe", { channel: "d" })).toMatchObject({ subscribe: { offset: 0 } });
    });

    test("by several peers brings each the publications of its own channels", async ({ site }) => {
      const here = site();
      const [one, other] = [await here.subscribe("a"), await here.subscribe("b", { user: "bob" })];
      await here.publish("a", 1);
      await here.publish("b", 2);
      await here.publish("c", 3);
      expect(await one.take(1)).toEqual([pub("a", 1, 1)]);
      expect(await other.take(1)).toEqual([pub("b", 1, 2)]);
      for (const peer of [one, other]) await peer.nothing();
    });
  });

  describe("unsubscribe", () => {
    test("ends the publications; without a subscription it is no error", async ({ site }) => {
      const here = site();
      const peer = await here.subscribe("news");
      for (let n = 0; n < 2; n++)
        expect(await peer.call("unsubscribe", { channel: "news" })).toMatchObject({ unsubscribe: {} });
      expect((await peer.call("unsubscribe")).error).toEqual(errors[107]);
      await here.publish("news", 1);
      await peer.nothing();
    });

    test("by the server is pushed with 2000, for that user and channel alone", async ({ site }) => {
      const here = site();
      const ann = await here.subscribe("news", { channels: "mine" });
      const bob = await here.subscribe("news", { user: "bob" });
      await here.control.unsubscribe({ user: "ann", channel: "news" });
      await here.control.unsubscribe({ user: "ann", channel: "mine" });
      await here.control.unsubscribe({ user: "ann", channel: "other" });
      await here.publish("news", 1);
      await here.publish("mine", 2);
      const unsubscribe = { code: 2000, reason: "server unsubscribed" };
      expect(await ann.take(2)).toEqual([
        { push: { channel: "news", unsubscribe } },
        { push: { channel: "mine", unsubscribe } },
      ]);
      await ann.nothing();
      expect(await bob.take(1)).toEqual([pub("news", 1, 1)]);
    });
  });
}

function publishing(test: PeerTest): void {
  describe("publish", () => {
    test("reaches every subscriber, the publisher too", async ({ site }) => {
      const here = site();
      const [one, other] = [await here.subscribe("chat"), await here.subscribe("chat", { user: "bob" })];
      one.send({ id: 3, publish: { channel: "chat", data: { text: "hi" } } });
      const got = await one.take(2);
      expect(got).toContainEqual({ id: 3, publish: {} });
      expect(got).toContainEqual(pub("chat", 1, { text: "hi" }));
      expect(await other.take(1)).toEqual([pub("chat", 1, { text: "hi" })]);
      expect((await here.control.history({ channel: "chat" })).publications).toMatchObject([
        { offset: 1, data: { text: "hi" } },
      ]);
    });

    test("by the hundred, in one frame, is answered in order", async ({ site }) => {
      const here = site();
      const peer = await here.connect();
      peer.send(...range(1, 100).map((n) => ({ id: n + 1, publish: { channel: "chat", data: n } })));
      expect(await peer.take(100)).toEqual(range(1, 100).map((n) => ({ id: n + 1, publish: {} })));
      const { publications } = await here.control.history({ channel: "chat" });
      expect(publications.map(({ data }) => data)).toEqual(range(1, 100));
    });

    test("that is invalid, not allowed or too large is refused", async ({ site }) => {
      const here = site("tight");
      const peer = await here.connect();
      for (const [name, code, params] of [
        ["not allowed", 103, { channel: "read:a", data: 1 }],
        ["to a run", 103, { channel: "run:a", data: 1 }],
        ["without data", 107, { channel: "a" }],
        ["without a channel", 107, { data: 1 }],
        ["too large", 106, { channel: "a", data: "x".repeat(2_047) }],
      ] as const)
        expect((await peer.call("publish", params)).error, name).toEqual(errors[code]);
      expect((await here.control.history({ channel: "a" })).offset).toBe(0);
    });
  });
}

function presence(test: PeerTest): void {
  describe("presence", () => {
    test("has everybody on the channel, and counts clients and users", async ({ site }) => {
      const here = site();
      const ann = await here.subscribe("room", { info: '{"name":"Ann"}' });
      const again = await here.subscribe("room");
      const bob = await here.subscribe("room", { user: "bob", info: "null" });
      const everybody = {
        [ann.id]: { user: "ann", client: ann.id, conn_info: { name: "Ann" } },
        [again.id]: { user: "ann", client: again.id },
        [bob.id]: { user: "bob", client: bob.id, conn_info: null },
      };
      expect(await ann.call("presence", { channel: "room" })).toEqual({
        id: 3,
        presence: { presence: everybody },
      });
      expect(await ann.call("presence_stats", { channel: "room" })).toEqual({
        id: 4,
        presence_stats: { num_clients: 3, num_users: 2 },
      });
      await again.call("unsubscribe", { channel: "room" });
      expect((await ann.call("presence_stats", { channel: "room" })) as object).toMatchObject({
        presence_stats: { num_clients: 2, num_users: 2 },
      });
      expect((await here.control.presence({ channel: "room" })).users).toBe(2);
    });

    test("of an empty channel is empty; over the limit it is answered with 106, without permission with 103", async ({
      site,
    }) => {
      const here = site("tight");
      const peers = [await here.subscribe("room"), await here.subscribe("room")];
      const watcher = await here.connect({ user: "bob" });
      expect(await watcher.call("presence", { channel: "other" })).toMatchObject({
        presence: { presence: {} },
      });
      expect(await watcher.call("presence", { channel: "room" })).toMatchObject({ presence: {} });
      await watcher.call("subscribe", { channel: "room" });
      expect((await watcher.call("presence", { channel: "room" })).error).toEqual(errors[106]);
      expect((await watcher.call("presence", { channel: "private:a" })).error).toEqual(errors[103]);
      expect((await watcher.call("presence_stats", { channel: "private:a" })).error).toEqual(errors[103]);
      expect(peers).toHaveLength(2);
    });

    test("changes are pushed to those who asked for them, their own join included", async ({ site }) => {
      const here = site();
      const room = { channel: "room", join_leave: true };
      const ann = await here.connect({ info: '{"name":"Ann"}' });
      await ann.call("subscribe", room);
      const info = { user: "ann", client: ann.id, conn_info: { name: "Ann" } };
      expect(await ann.take(1)).toEqual([{ push: { channel: "room", join: { info } } }]);
      const cat = await here.subscribe("room", { user: "cat" });
      const bob = await here.connect({ user: "bob" });
      await bob.call("subscribe", room);
      await cat.call("unsubscribe", { channel: "room" });
      const push = (kind: string, { id }: { id: string }, user: string) => ({
        push: { channel: "room", [kind]: { info: { user, client: id } } },
      });
      expect(await bob.take(2)).toEqual([push("join", bob, "bob"), push("leave", cat, "cat")]);
      bob.close();
      expect(await ann.take(4)).toEqual([
        push("join", cat, "cat"),
        push("join", bob, "bob"),
        push("leave", cat, "cat"),
        push("leave", bob, "bob"),
      ]);
      await cat.nothing();
    });
  });
}
