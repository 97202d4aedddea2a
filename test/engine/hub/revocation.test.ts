import { describe, expect, test as plainTest } from "vitest";
import { FrameCache } from "../../../src/engine/sessions/frame-cache.ts";
import { Outbox } from "../../../src/engine/sessions/outbox.ts";
import type { Log } from "../../../src/model/log.ts";
import { jsonCodec } from "../../../src/wire/json-codec.ts";
import {
  deferred,
  offsetsIn,
  outcomeOf,
  rawSocket,
  type Start,
  startWith,
  subscriber,
  test,
} from "../../support/core.ts";
import { anybody, type Wire, wire } from "../../support/wire.ts";

const ann = { ...anybody, user: "ann" };
const forceReconnect = { code: 3011, reason: "force reconnect" };
const unsubscribed = (channel: string) => ({
  push: { channel, unsubscribe: { code: 2000, reason: "server unsubscribed" } },
});

/** Runs pending microtasks only. No turn of the event loop passes, so that nothing is sent. */
async function microtasks(): Promise<void> {
  for (let n = 0; n < 50; n++) await Promise.resolve();
}

/**
 * Publishes to two channels in one turn. `act` is called when the publication of "private" waits to be sent and the
 * one of "news" has been read.
 */
async function between(start: Start, act: (core: ReturnType<Start>) => void) {
  let reads = 0;
  const core = startWith(start, (log) => {
    const read: Log["read"] = async (channel, options) => {
      const slice = await log.read(channel, options);
      if (channel === "news" && ++reads === 2) {
        await microtasks();
        act(core);
      }
      return slice;
    };
    return { read };
  });
  const client = await subscriber(core, ["private", "news"], { peer: ann });
  await core.notifier.publish("private", "secret");
  await core.notifier.publish("news", "public");
  await core.clock.settle();
  return { core, client, reads: () => reads };
}

describe("unsubscribing a user", () => {
  test("removes what waits to be sent of that channel, and leaves the rest", async ({ start }) => {
    const { client, reads } = await between(start, ({ notifier }) => notifier.unsubscribe("ann", "private"));
    expect(reads()).toBe(2);
    expect(JSON.stringify(client.received)).not.toContain("secret");
    expect(client.received[0]).toEqual(unsubscribed("private"));
    expect(offsetsIn(client.received, "news")).toEqual([1]);
    expect(client.closed).toBeUndefined();
  });

  test("leaves what waits of the same channel for another user", async ({ start }) => {
    const { client } = await between(start, ({ notifier }) => notifier.unsubscribe("bob", "private"));
    expect(offsetsIn(client.received, "private")).toEqual([1]);
    expect(offsetsIn(client.received, "news")).toEqual([1]);
  });

  plainTest("while a recovery waits to be sent closes with 3011, and nothing of it is sent", async () => {
    const { clock, client: connect, notifier, publish } = wire();
    const client = connect({ peer: ann });
    await client.connect();
    await publish("private", "secret");
    client.send({ id: 7, subscribe: { channel: "private", recover: true, offset: 0, epoch: "" } });
    await microtasks();
    notifier.unsubscribe("ann", "private");
    await clock.settle();
    expect(client.received).toEqual([]);
    expect(client.closed).toEqual(forceReconnect);
  });

  plainTest("while a history waits to be sent closes with 3011, and nothing of it is sent", async () => {
    const { clock, client: connect, notifier, publish } = wire();
    const client = connect({ peer: ann });
    await client.connect();
    await publish("private", "secret");
    client.send({ id: 7, history: { channel: "private", limit: 1 } });
    await microtasks();
    notifier.unsubscribe("ann", "private");
    await clock.settle();
    expect(client.received).toEqual([]);
    expect(client.closed).toEqual(forceReconnect);
  });

  plainTest("after the reply was sent ends the subscription and nothing else", async () => {
    const { clock, client: connect, notifier, publish } = wire();
    const client = connect({ peer: ann });
    await client.connect();
    await client.call("subscribe", { channel: "private" });
    notifier.unsubscribe("ann", "private");
    await publish("private", "secret");
    await clock.settle();
    expect(client.received).toEqual([unsubscribed("private")]);
    expect(client.closed).toBeUndefined();
  });

  plainTest.each([
    ["subscribe", { channel: "private" }],
    ["history", { channel: "private", limit: 1 }],
    ["presence", { channel: "private" }],
  ])("while a %s is being answered refuses it, though it had been allowed", async (method, params) => {
    const { clock, client: connect, notifier, log, publish } = wire();
    const asked = deferred();
    const client = connect({ peer: { user: "ann", authorize: () => asked.promise.then(() => true) } });
    await client.connect();
    await publish("private", "secret");
    client.send({ id: 7, [method]: params });
    log.hold();
    asked.resolve();
    // The unsubscribe comes directly after the permission was granted.
    asked.promise.then(() => notifier.unsubscribe("ann", "private"));
    await clock.settle();
    log.open();
    await clock.settle();
    const denied = { code: 103, message: "permission denied" };
    expect(client.received).toEqual([{ id: 7, error: denied }]);
    expect(notifier.stats()).toMatchObject({ subscriptions: 0, channels: 0 });
    // The revocation concerns only commands that were under way. A new subscribe asks for permission again.
    expect(await client.call("subscribe", { channel: "private" })).toMatchObject({
      subscribe: { offset: 1 },
    });
  });

  plainTest("also removes what was granted: the client cannot subscribe to it again", async () => {
    const { clock, client: connect, notifier } = wire();
    const client = connect({ peer: { user: "ann", channels: ["private", "news"] } });
    await client.connect();
    for (const channel of ["private", "news"]) await client.call("unsubscribe", { channel });
    expect(await client.call("subscribe", { channel: "private" })).toHaveProperty("subscribe");
    notifier.unsubscribe("ann", "private");
    await clock.settle();
    const denied = { code: 103, message: "permission denied" };
    expect(await client.call("subscribe", { channel: "private" })).toEqual({ id: 5, error: denied });
    expect(await client.call("subscribe", { channel: "news" })).toHaveProperty("subscribe");
    expect(client.take()).toEqual([unsubscribed("private")]);
  });

  plainTest("while a connect is being answered closes with 3011, and the client comes back", async () => {
    const { clock, client: connect, notifier, log } = wire();
    const client = connect({ peer: { user: "ann", channels: ["private", "news"] } });
    log.hold();
    client.send({ id: 1, connect: {} });
    await clock.settle();
    notifier.unsubscribe("ann", "private");
    log.open();
    await clock.settle();
    expect(client.messages).toEqual([]);
    expect(client.closed).toEqual(forceReconnect);
    expect(notifier.stats()).toMatchObject({ subscriptions: 0, channels: 0 });
  });
});

describe("disconnecting a user", () => {
  test("sends nothing more, not even what waits to be sent", async ({ start }) => {
    const { client } = await between(start, ({ notifier }) => notifier.disconnect({ user: "ann" }));
    expect(client.received).toEqual([]);
    expect(client.closed).toEqual({ code: 3503, reason: "force disconnect" });
  });

  test("sends nothing of what waits for room in a window either", async ({ start }) => {
    const core = start({ window: 1_000 });
    const raw = rawSocket(core.notifier, { user: "ann", channels: ["private"] });
    raw.session.receive('{"id":1,"connect":{}}');
    await core.clock.settle();
    for (let n = 0; n < 10; n++) await core.notifier.publish("private", "x".repeat(400));
    await core.clock.settle();
    const before = raw.sent.length;
    core.notifier.disconnect({ user: "ann" });
    raw.pong();
    await core.clock.advance(1_000);
    expect(raw.sent.length).toBe(before);
    raw.session.ended();
  });

  plainTest.each([
    ["is disconnected", (here: Wire) => here.notifier.disconnect({ user: "ann" }), 3503],
    ["expires", (here: Wire) => here.clock.advance(5_000), 3005],
  ])(
    "who %s with a confirmed publication waiting is not sent it, and it is reported as not delivered, once",
    async (_, end, code) => {
      const lost: unknown[] = [];
      const here = wire({ window: 500, onUndelivered: ({ data }, reason) => lost.push([data, reason]) });
      const peer = { user: "ann", channels: ["private"], expires: here.clock.time() + 5_000 };
      const client = here.client({ peer });
      await client.connect();
      client.stall();
      // The first publication fills the window, so that the second waits in the log.
      await here.publish("private", "x".repeat(450));
      const receipt = await here.notifier.publish("private", "secret", { confirm: true, ttl: 60_000 });
      await end(here);
      await here.clock.settle();
      client.resume();
      await here.clock.settle();
      expect(client.closed?.code).toBe(code);
      expect(JSON.stringify(client.messages)).not.toContain("secret");
      const delivered = outcomeOf(receipt.delivered());
      await here.clock.advance(60_000);
      expect(lost).toEqual([["secret", "expired"]]);
      expect(delivered.reason).toMatchObject({ name: "ExpiredError", level: "logged" });
    },
  );

  test("ends every session of that user, and no other", async ({ start }) => {
    const core = start();
    const clients = ["ann", "bob", "ann", ""].map((user) => rawSocket(core.notifier, { user }));
    core.notifier.disconnect({ user: "ann" });
    expect(clients.map(({ closed }) => closed?.code)).toEqual([3503, undefined, 3503, undefined]);
    for (const { session } of clients) session.ended();
  });
});

describe("an outbox", () => {
  const joint = new FrameCache(jsonCodec);
  const push = (channel: string, kind: "pub" | "join" | "leave" | "message") =>
    `{"push":{"channel":${JSON.stringify(channel)},"${kind}":{}}}`;

  plainTest("withholds everything that is pushed to a channel, and only to that one", () => {
    const out = new Outbox();
    const kept = [push("ab", "pub"), push('a"', "pub"), jsonCodec.ping, jsonCodec.reply(1, "ping", "{}")];
    for (const kind of ["pub", "join", "leave", "message"] as const) out.push(push("a", kind));
    for (const text of kept) out.push(text);
    expect(out.withhold("a", jsonCodec)).toBe(true);
    expect(out.take(joint)).toBe(kept.join("\n"));
    expect(out.take(joint)).toBeUndefined();
  });

  plainTest("tells whether a reply holds publications of a channel, until the reply was sent", () => {
    const out = new Outbox();
    out.push("reply");
    out.answered(["a"]);
    expect([out.withhold("b", jsonCodec), out.withhold("a", jsonCodec)]).toEqual([true, false]);
    out.take(joint);
    expect(out.withhold("a", jsonCodec)).toBe(true);
  });
});
