import { type FakeClock, fakeClock } from "tocsin/testing";
import { describe, expect, test } from "vitest";
import {
  anybody,
  type Client,
  pub,
  range,
  start,
  type Wire,
  type WireOptions,
  wire,
} from "../support/wire.ts";

/** Deadlines are exact to this many milliseconds. */
const resolution = 50;

/** Advances the clock in small steps, and returns the times at which the client got a ping. */
async function pingTimes(clock: FakeClock, client: Client, ms: number): Promise<number[]> {
  const times: number[] = [];
  for (const end = clock.now() + ms; clock.now() < end; ) {
    const before = client.pings;
    await clock.advance(resolution);
    for (let n = before; n < client.pings; n++) times.push(clock.now());
  }
  return times;
}

/** Returns when the first ping is due with this seed: at a random time in the second half of the interval. */
function firstPing(seed: number, interval: number): number {
  const due = interval * (0.5 + fakeClock({ seed }).random() / 2);
  return Math.ceil(due / resolution) * resolution;
}

async function connected(
  options: WireOptions = {},
  channels: string[] = ["news"],
): Promise<Wire & { client: Wire["client"]; peer: Client }> {
  const here = wire(options);
  const peer = here.client({ peer: { ...anybody, channels } });
  await peer.connect();
  return { ...here, peer };
}

const noPong = { code: 3012, reason: "no pong" };
const slow = { code: 3008, reason: "slow" };

describe("the heartbeat", () => {
  test.each(range(1, 10))(
    "begins in the second half of the first 25 s, then comes every 25 s (seed %i)",
    async (seed) => {
      const { clock, peer } = await connected({ seed });
      const first = firstPing(seed, 25_000);
      expect(first).toBeGreaterThanOrEqual(12_500);
      expect(first).toBeLessThanOrEqual(25_000);
      const times = await pingTimes(clock, peer, 110_000);
      expect(times).toEqual(range(0, times.length - 1).map((n) => first + n * 25_000));
      expect(times.length).toBe(Math.floor((110_000 - first) / 25_000) + 1);
    },
  );

  test("begins at different times for different sessions", async () => {
    const { clock, client } = wire();
    const peers = range(1, 20).map(() => client());
    for (const peer of peers) await peer.connect();
    await clock.advance(12_400);
    expect(peers.map(({ pings }) => pings)).toEqual(peers.map(() => 0));
    const seen = new Set<number>();
    for (let ms = 0; ms < 13_000; ms += resolution) {
      await clock.advance(resolution);
      seen.add(peers.filter(({ pings }) => pings > 0).length);
    }
    expect(seen.size).toBeGreaterThan(15);
    expect(peers.map(({ pings }) => pings)).toEqual(peers.map(() => 1));
  });

  test("has the configured interval", async () => {
    const { clock, peer } = await connected({ heartbeat: 4_000 });
    const first = firstPing(1, 4_000);
    expect(await pingTimes(clock, peer, 15_000)).toEqual(
      [0, 1, 2, 3].map((n) => first + n * 4_000).filter((time) => time <= 15_000),
    );
  });

  test("does not begin before the connect reply", async () => {
    const { clock, client, log } = wire({ limits: { connect: 300_000, answer: 300_000 } });
    const peer = client({ peer: { ...anybody, channels: ["news"] } });
    log.hold();
    peer.send({ id: 1, connect: {} });
    await clock.advance(100_000);
    expect(peer.messages).toEqual([]);
    log.open();
    await clock.settle();
    expect(peer.messages).toHaveLength(1);
    const times = await pingTimes(clock, peer, 25_000);
    expect(times).toEqual([100_000 + firstPing(1, 25_000)]);
  });

  test("unanswered for 10 s, with nothing else in flight, closes with 3012", async () => {
    const { clock, peer } = await connected();
    await clock.advance(30_000);
    peer.stall();
    await pingTimes(clock, peer, 25_000 - (30_000 - firstPing(1, 25_000)));
    expect(peer.pings).toBe(2);
    await clock.advance(9_999);
    expect(peer.closed).toBeUndefined();
    await clock.advance(1);
    expect(peer.closed).toEqual(noPong);
  });

  test("the first ping unanswered for 10 s closes with 3012, though the connect reply may not have been read", async () => {
    const { clock, peer } = await connected();
    peer.stall();
    await clock.advance(firstPing(1, 25_000) + 9_999);
    expect(peer.closed).toBeUndefined();
    await clock.advance(1);
    expect(peer.closed).toEqual(noPong);
  });

  test("behind a publication may be unanswered for 60 s, then closes with 3008, and no second ping comes meanwhile", async () => {
    const { clock, peer, publish } = await connected();
    await clock.advance(30_000);
    peer.stall();
    await publish("news", "data");
    await pingTimes(clock, peer, 25_000 - (30_000 - firstPing(1, 25_000)));
    expect(peer.pings).toBe(2);
    await clock.advance(59_999);
    expect(peer.closed).toBeUndefined();
    expect(peer.pings).toBe(2);
    await clock.advance(1);
    expect(peer.closed).toEqual(slow);
  });

  test("behind a recovery of many publications may be unanswered for 60 s as well", async () => {
    const { clock, client, publish } = wire({ window: 10_000 });
    await publish("news", ...range(1, 20).map(() => "x".repeat(400)));
    const peer = client();
    await peer.connect();
    await clock.advance(30_000);
    peer.stall();
    peer.send({ id: 7, subscribe: { channel: "news", recover: true } });
    await clock.settle();
    // More than half a window is in flight, so the server sends a barrier at once.
    expect(peer.pings).toBe(2);
    await clock.advance(59_999);
    expect(peer.closed).toBeUndefined();
    await clock.advance(1);
    expect(peer.closed).toEqual(slow);
  });

  test("behind a long history may be unanswered for 60 s as well", async () => {
    const { clock, client, publish } = wire({ window: 10_000 });
    await publish("news", ...range(1, 20).map(() => "x".repeat(400)));
    const peer = client();
    await peer.connect();
    await clock.advance(30_000);
    peer.stall();
    peer.send({ id: 7, history: { channel: "news", limit: -1 } });
    await clock.settle();
    expect(peer.pings).toBe(2);
    await clock.advance(59_999);
    expect(peer.closed).toBeUndefined();
    await clock.advance(1);
    expect(peer.closed).toEqual(slow);
  });

  test("has the configured limits", async () => {
    const quick = await connected({ limits: { pong: 1_000 } });
    quick.peer.stall();
    await quick.clock.advance(firstPing(1, 25_000) + 1_000);
    expect(quick.peer.closed).toEqual(noPong);
    const patient = await connected({ limits: { slow: 5_000 } });
    patient.peer.stall();
    await patient.publish("news", 1);
    await patient.clock.advance(firstPing(1, 25_000) + 5_000);
    expect(patient.peer.closed).toEqual(slow);
  });

  test("answered at the last moment goes on", async () => {
    const { clock, peer, publish } = await connected();
    peer.stall();
    await clock.advance(firstPing(1, 25_000) + 9_999);
    peer.resume();
    await clock.advance(60_000);
    expect(peer.closed).toBeUndefined();
    await publish("news", 1);
    expect(peer.received).toEqual([pub("news", 1, 1, start + clock.now())]);
  });

  test.each([
    ["before any ping", 0],
    ["after the one ping was answered", 30_000],
  ])("a pong %s closes with 3501", async (_name, ms) => {
    const { clock, peer } = await connected();
    await clock.advance(ms);
    peer.send({});
    await clock.settle();
    expect(peer.closed).toEqual({ code: 3501, reason: "bad request" });
  });

  test("two pongs for one ping close with 3501", async () => {
    const { clock, peer } = await connected();
    peer.stall();
    await clock.advance(25_000);
    expect(peer.pings).toBe(1);
    peer.send({}, {});
    await clock.settle();
    expect(peer.closed).toEqual({ code: 3501, reason: "bad request" });
  });

  test("a pong in a frame with commands counts, at any place in it", async () => {
    const { clock, peer } = await connected();
    peer.stall();
    await clock.advance(25_000);
    peer.send({ id: 2, ping: {} }, "{ }", { id: 3, ping: {} });
    await clock.advance(20_000);
    expect(peer.closed).toBeUndefined();
  });

  test("sends at most one ping an interval to a session that gets little", async () => {
    const { clock, peer, publish } = await connected();
    for (const n of range(1, 200)) {
      await publish("news", n);
      await clock.advance(1_000);
    }
    expect(peer.pings).toBe(Math.floor((200_000 - firstPing(1, 25_000)) / 25_000) + 1);
    expect(peer.offsets("news")).toEqual(range(1, 200));
  });

  test("counts from the last barrier: a ping that data required is a heartbeat too", async () => {
    const { clock, peer, publish } = await connected({ window: 1_000 });
    await clock.advance(10_000);
    await publish("news", "x".repeat(600));
    expect(peer.pings).toBe(1);
    expect(await pingTimes(clock, peer, 60_000)).toEqual([35_000, 60_000]);
  });
});

describe("a peer that does not answer the close", () => {
  test("is cut 10 s later, and holds nothing meanwhile", async () => {
    const { clock, client, notifier, publish } = wire();
    const peer = client({ peer: { ...anybody, channels: ["news"] }, answersClose: false });
    await peer.connect();
    notifier.disconnect({ session: peer.id });
    await clock.advance(9_999);
    expect([peer.closed, peer.cut]).toEqual([{ code: 3503, reason: "force disconnect" }, false]);
    expect(notifier.stats()).toMatchObject({ sessions: 1, subscriptions: 0 });
    await publish("news", 1);
    await clock.advance(1);
    expect(peer.cut).toBe(true);
    expect(notifier.stats()).toMatchObject({ sessions: 0 });
    expect(peer.messages).toHaveLength(1);
  });

  test("and had stalled because it was slow is cut as well", async () => {
    const { clock, peer, publish } = await connected();
    await clock.advance(30_000);
    peer.stall();
    await publish("news", "data");
    await clock.advance(firstPing(1, 25_000) - 5_000 + 60_000);
    expect([peer.closed, peer.cut]).toEqual([slow, false]);
    await clock.advance(10_000);
    expect(peer.cut).toBe(true);
  });
});
