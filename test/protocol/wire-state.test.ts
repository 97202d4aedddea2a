import { describe, expect, test } from "vitest";
import { anybody, pub, range, start, wire } from "../support/wire.ts";

const base = { recoverable: true, positioned: true };
const recover = (offset: number, epoch: string) => ({ channel: "news", recover: true, offset, epoch });

describe("insufficient state of a live subscription", () => {
  /** Returns a client that stalled while more was published than the log keeps. */
  async function overtaken(channels: string[]) {
    const here = wire({ window: 1_000, memory: { size: 5, slack: 0 } });
    const client = here.client({ peer: { ...anybody, channels } });
    await client.connect();
    if (channels.length === 0) await client.call("subscribe", { channel: "news" });
    await here.clock.advance(30_000);
    client.stall();
    const text = "x".repeat(200);
    for (const n of range(1, 50)) await here.publish("news", { n, text });
    client.resume();
    await here.clock.settle();
    return { ...here, client };
  }

  test("that the client made is pushed as unsubscribe 2500, after which a resubscribe works", async () => {
    const { client, publish, epoch } = await overtaken([]);
    const got = client.offsets("news");
    expect(got).toEqual(range(1, 4));
    expect(client.received.at(-1)).toEqual({
      push: { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } },
    });
    client.take();
    const news = await epoch("news");
    const notice = { epoch: news, delayed: 0, gone: 41, kept: 5 };
    expect(await client.call("subscribe", recover(got.length, news))).toEqual({
      id: 3,
      subscribe: { ...base, epoch: news, offset: 50, was_recovering: true, data: { notice } },
    });
    await publish("news", "live");
    expect(client.received).toEqual([pub("news", 51, "live", start + 30_000)]);
  });

  test("that the server made closes with 3010", async () => {
    const { client, notifier } = await overtaken(["news"]);
    expect(client.closed).toEqual({ code: 3010, reason: "insufficient state" });
    const got = client.offsets("news");
    expect(got).toEqual(range(1, got.length));
    expect(notifier.stats()).toMatchObject({ sessions: 0, subscriptions: 0, channels: 0 });
  });

  test("because the log was wiped ends it with 2500 as well", async () => {
    const { client: connect, clock, publish, log } = wire();
    const client = connect();
    await client.connect();
    await client.call("subscribe", { channel: "news" });
    await publish("news", 1);
    log.wipe();
    await publish("news", 2);
    await clock.settle();
    expect(client.received).toEqual([
      pub("news", 1, 1),
      { push: { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } } },
    ]);
  });

  test("that the server made closes with 3010 because the log was wiped", async () => {
    const { client: connect, publish, log } = wire();
    const client = connect({ peer: { user: "ann", channels: ["news"] } });
    await client.connect();
    await publish("news", 1);
    log.wipe();
    await publish("news", 2);
    expect(client.offsets("news")).toEqual([1]);
    expect(client.closed).toEqual({ code: 3010, reason: "insufficient state" });
  });
});
