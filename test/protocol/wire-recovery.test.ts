import { describe, expect, test } from "vitest";
import { pub, range, start, type WireOptions, wire } from "../support/wire.ts";

const unrecoverable = { code: 112, message: "unrecoverable position" };
const base = { recoverable: true, positioned: true };

/** Returns a wire with publications 1 to `count` on "news", and a connected client. */
async function withNews(count: number, options: WireOptions = {}) {
  const here = wire(options);
  await here.publish("news", ...range(1, count));
  const client = here.client();
  await client.connect();
  return { ...here, client, news: await here.epoch("news") };
}

/** Returns the publications as a reply contains them. */
const entries = (first: number, last: number) =>
  range(first, last).map((offset) => ({ data: offset, offset, time: start }));

const recover = (offset: number, epoch: string) => ({ channel: "news", recover: true, offset, epoch });

/** The `data` of a reply, with the notice of what was missed. */
const late = (epoch: string, delayed: number) => ({ notice: { epoch, delayed, gone: 0, kept: 0 } });
const lost = (epoch: string, gone: number | null, kept: number) => ({
  notice: { epoch, delayed: 0, gone, kept },
});

describe("a resubscribe", () => {
  test("with the same epoch gets everything it missed in the reply, whose offset is the one it sent", async () => {
    const { client, news, publish } = await withNews(5);
    expect(await client.call("subscribe", recover(2, news))).toEqual({
      id: 2,
      subscribe: {
        ...base,
        epoch: news,
        offset: 2,
        publications: entries(3, 5),
        recovered: true,
        was_recovering: true,
        data: late(news, 3),
      },
    });
    await publish("news", "live");
    expect(client.received).toEqual([pub("news", 6, "live")]);
  });

  test("with an empty epoch is accepted at its offset", async () => {
    const { client, news } = await withNews(3);
    expect(await client.call("subscribe", recover(1, ""))).toEqual({
      id: 2,
      subscribe: {
        ...base,
        epoch: news,
        offset: 1,
        publications: entries(2, 3),
        recovered: true,
        was_recovering: true,
        data: late(news, 2),
      },
    });
  });

  test("from { 0, no epoch } gets everything from the start", async () => {
    const { client, news } = await withNews(3);
    expect(await client.call("subscribe", { channel: "news", recover: true })).toEqual({
      id: 2,
      subscribe: {
        ...base,
        epoch: news,
        offset: 0,
        publications: entries(1, 3),
        recovered: true,
        was_recovering: true,
      },
    });
  });

  test("that missed nothing is recovered without publications", async () => {
    const { client, news } = await withNews(3);
    expect(await client.call("subscribe", recover(3, news))).toEqual({
      id: 2,
      subscribe: { ...base, epoch: news, offset: 3, recovered: true, was_recovering: true },
    });
  });

  test("to a channel that was never published to is recovered at 0", async () => {
    const { client, epoch } = await withNews(0);
    expect(await client.call("subscribe", { channel: "empty", recover: true })).toEqual({
      id: 2,
      subscribe: { ...base, epoch: await epoch("empty"), offset: 0, recovered: true, was_recovering: true },
    });
  });

  test.each([
    ["of another epoch", 2, "other"],
    ["from the future", 6, undefined],
    ["from the future with an empty epoch", 6, ""],
    ["of another epoch, at the top", 5, "other"],
  ])(
    "%s is not recovered: the reply has the top and no publications, and later ones come live",
    async (_name, offset, epoch) => {
      const { client, news, publish } = await withNews(5);
      expect(await client.call("subscribe", recover(offset, epoch ?? news))).toEqual({
        id: 2,
        subscribe: { ...base, epoch: news, offset: 5, was_recovering: true, data: lost(news, null, 5) },
      });
      await publish("news", "live");
      expect(client.received).toEqual([pub("news", 6, "live")]);
    },
  );

  test("that misses what was trimmed is not recovered, and a read can begin at the first publication still kept", async () => {
    const { client, clock, news } = await withNews(5, { memory: { size: 2, slack: 0 } });
    expect(await client.call("subscribe", recover(2, news))).toEqual({
      id: 2,
      subscribe: { ...base, epoch: news, offset: 5, was_recovering: true, data: lost(news, 1, 2) },
    });
    await client.call("unsubscribe", { channel: "news" });
    await clock.advance(5_000);
    expect(await client.call("subscribe", recover(3, news))).toEqual({
      id: 4,
      subscribe: {
        ...base,
        epoch: news,
        offset: 3,
        publications: entries(4, 5),
        recovered: true,
        was_recovering: true,
        data: late(news, 2),
      },
    });
  });

  test("soon after another one gets its notice in a push, once 5 s are over", async () => {
    const { client, clock, news } = await withNews(5);
    const recovered = { ...base, epoch: news, recovered: true, was_recovering: true };
    const subscribe = { ...recovered, offset: 1, publications: entries(2, 5) };
    expect(await client.call("subscribe", recover(1, news))).toEqual({
      id: 2,
      subscribe: { ...subscribe, data: late(news, 4) },
    });
    await client.call("unsubscribe", { channel: "news" });
    expect(await client.call("subscribe", recover(1, news))).toEqual({ id: 4, subscribe });
    await client.call("unsubscribe", { channel: "news" });
    expect(await client.call("subscribe", recover(3, news))).toEqual({
      id: 6,
      subscribe: { ...recovered, offset: 3, publications: entries(4, 5) },
    });
    await clock.advance(4_999);
    expect(client.take()).toEqual([]);
    await clock.advance(1);
    const notice = { channel: "news", ...late(news, 6).notice };
    expect(client.take()).toEqual([{ push: { channel: "news", message: { data: { notice } } } }]);
    await clock.advance(5_000);
    await client.call("unsubscribe", { channel: "news" });
    expect(await client.call("subscribe", recover(1, news))).toEqual({
      id: 8,
      subscribe: { ...subscribe, data: late(news, 4) },
    });
  });

  test("from the start of a trimmed log is not recovered, because that would hide a gap", async () => {
    const { client, news } = await withNews(5, { memory: { size: 2, slack: 0 } });
    expect(await client.call("subscribe", { channel: "news", recover: true })).toEqual({
      id: 2,
      subscribe: { ...base, epoch: news, offset: 5, was_recovering: true, data: lost(news, 3, 2) },
    });
  });

  test("after everything expired is recovered at the top only", async () => {
    const { client, clock, news } = await withNews(3, { memory: { ttl: 1_000 } });
    await clock.advance(1_000);
    expect(await client.call("subscribe", recover(3, news))).toEqual({
      id: 2,
      subscribe: { ...base, epoch: news, offset: 3, recovered: true, was_recovering: true },
    });
    await client.call("unsubscribe", { channel: "news" });
    expect(await client.call("subscribe", recover(2, news))).toEqual({
      id: 4,
      subscribe: { ...base, epoch: news, offset: 3, was_recovering: true, data: lost(news, 1, 0) },
    });
  });

  test.each([
    ["another epoch", 2, "other"],
    ["a future offset", 6, ""],
    ["a trimmed offset", 1, ""],
  ])("with flag 2 and %s is refused with 112, and holds nothing", async (_name, offset, epoch) => {
    const { client, notifier, publish, clock } = await withNews(5, { memory: { size: 3, slack: 0 } });
    const command = { ...recover(offset, epoch), flag: 2 };
    expect(await client.call("subscribe", command)).toEqual({ id: 2, error: unrecoverable });
    await publish("news", "live");
    await clock.settle();
    expect(client.received).toEqual([]);
    expect(notifier.stats()).toMatchObject({ subscriptions: 0, channels: 0 });
  });

  test("with flag 2 that can be recovered is; another flag changes nothing; a first subscribe may have it", async () => {
    const { client, news } = await withNews(2);
    const recovered = { ...base, epoch: news, offset: 2, recovered: true, was_recovering: true };
    expect(await client.call("subscribe", { ...recover(2, news), flag: 3 })).toEqual({
      id: 2,
      subscribe: recovered,
    });
    await client.call("unsubscribe", { channel: "news" });
    expect(await client.call("subscribe", { ...recover(9, news), flag: 1 })).toEqual({
      id: 4,
      subscribe: { ...base, epoch: news, offset: 2, was_recovering: true, data: lost(news, null, 2) },
    });
    expect(await client.call("subscribe", { channel: "first", flag: 2 })).toMatchObject({
      id: 5,
      subscribe: { offset: 0 },
    });
  });

  test("merges what is published while the log is read, without a gap or duplicate", async () => {
    for (const published of range(0, 4)) {
      const here = await withNews(4);
      here.log.hold();
      here.client.send({ id: 7, subscribe: recover(1, here.news) });
      await here.clock.settle();
      for (const data of range(5, 4 + published)) void here.notifier.publish("news", data);
      await here.clock.settle();
      here.log.open();
      await here.publish("news", "last");
      expect(seen(here.client.take(), 1)).toEqual([...range(2, 4 + published), "last"]);
    }
  });

  test("merges what is published between any two steps of the subscribe", async () => {
    for (const steps of range(0, 30)) {
      const { client, clock, news, notifier } = await withNews(4);
      client.send({ id: 7, subscribe: recover(1, news) });
      for (let step = 0; step < steps; step++) await undefined;
      void notifier.publish("news", 5);
      void notifier.publish("news", 6);
      await clock.settle();
      expect(seen(client.take(), 1)).toEqual([2, 3, 4, 5, 6]);
    }
  });

  test("of more than a window gets one window in the reply, and the rest as pushes, in order", async () => {
    const window = 8_192;
    const here = wire({ window });
    const text = "x".repeat(200);
    for (const n of range(1, 500)) await here.notifier.publish("news", { n, text });
    const client = here.client();
    await client.connect();
    client.stall();
    client.send({ id: 7, subscribe: { channel: "news", recover: true } });
    await here.clock.settle();
    expect(client.waiting).toBeLessThanOrEqual(window + 300);
    client.resume();
    await here.clock.settle();
    const data = seen(client.take(), 0) as { n: number }[];
    expect(data.map(({ n }) => n)).toEqual(range(1, 500));
    await here.publish("news", { n: 501 });
    expect(client.received).toEqual([pub("news", 501, { n: 501 })]);
  });

  test("into an almost full window is answered without publications, and all of them follow", async () => {
    const { client: connect, clock, publish, epoch } = wire({ window: 1_000 });
    const member = connect();
    await member.connect();
    await member.call("subscribe", { channel: "filler" });
    await publish("news", ...range(1, 3));
    await clock.advance(30_000);
    member.stall();
    await publish("filler", "x".repeat(900));
    member.send({ id: 7, subscribe: recover(1, await epoch("news")) });
    await clock.settle();
    member.resume();
    await clock.settle();
    const news = await epoch("news");
    const recovered = { epoch: news, offset: 1, recovered: true, was_recovering: true };
    expect(member.take().slice(1)).toEqual([
      { id: 7, subscribe: { ...base, ...recovered, data: late(news, 2) } },
      pub("news", 2, 2),
      pub("news", 3, 3),
    ]);
  });

  test("whose rest was trimmed before it could be sent gets 2500", async () => {
    const window = 4_096;
    const { client: connect, clock, publish, epoch } = wire({ window, memory: { size: 200, slack: 0 } });
    const text = "x".repeat(200);
    await publish("news", ...range(1, 200).map((n) => ({ n, text })));
    const client = connect();
    await client.connect();
    client.stall();
    client.send({ id: 7, subscribe: { channel: "news", recover: true } });
    await clock.settle();
    await publish("news", ...range(201, 400).map((n) => ({ n, text })));
    client.resume();
    await clock.settle();
    const unsubscribe = { code: 2500, reason: "insufficient state" };
    expect(client.received.at(-1)).toEqual({ push: { channel: "news", unsubscribe } });
    const got = seen(client.take().slice(0, -1), 0) as { n: number }[];
    expect(got.map(({ n }) => n)).toEqual(range(1, got.length));
    // Publications in memory may still have been sent. Trimmed ones may not be skipped.
    expect(got.length).toBeLessThan(200);
    expect(await client.call("subscribe", recover(got.length, await epoch("news")))).toMatchObject({
      subscribe: { offset: 400, was_recovering: true },
    });
  });
});

/** Returns the data in the subscribe reply and of the pushes after it. The offsets have to continue at `after`. */
function seen(messages: unknown[], after: number): unknown[] {
  const data: unknown[] = [];
  let next = after;
  const take = (each: { offset: number; data: unknown }): void => {
    expect(each.offset).toBe(++next);
    data.push(each.data);
  };
  type Reply = { offset: number; recovered?: boolean; publications?: { offset: number; data: unknown }[] };
  for (const message of messages as {
    subscribe?: Reply;
    push?: { pub: { offset: number; data: unknown } };
  }[]) {
    if (message.subscribe !== undefined) {
      expect(message.subscribe).toMatchObject({ offset: after, recovered: true });
      message.subscribe.publications?.forEach(take);
    } else if (message.push !== undefined) take(message.push.pub);
  }
  return data;
}
