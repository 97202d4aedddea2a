import { describe, expect } from "vitest";
import { version } from "../../../src/base/version.ts";
import { closeOf, framesOf } from "../../support/raw.ts";
import { dataOf, heard } from "../../support/stock-client.ts";
import { closeFrame, closing } from "../../support/tcp.ts";
import { errors, pub, range } from "../expected.ts";
import type { PeerTest } from "../site.ts";
import type { Given } from "../suite.ts";
import { dial } from "./stock.ts";

const expired = { code: 3005, reason: "connection expired" };

/** What takes its time. The tests wait side by side, and assert how long something took from below only. */
export function inTime(test: PeerTest, given: Given): void {
  describe.concurrent("in time", () => {
    expiry(test);
    // The first frame opens a stream, and bare connections are tested beside the streams.
    if (given.transport === "websocket") bare(test, given);
    silence(test);
    lateness(test);
  });
}

function bare(test: PeerTest, { holdsSilent = false }: Given): void {
  test("a peer that does not connect is closed with 3502, and gets nothing before", async ({ site }) => {
    const here = site("quick");
    const since = performance.now();
    const peer = await here.upgrade();
    await peer.until(closeFrame(3502));
    expect(performance.now() - since).toBeGreaterThan(490);
    expect(closeOf(peer)).toEqual({ code: 3502, reason: "stale" });
    expect(framesOf(peer)).toHaveLength(1);
    peer.send(closing(3502));
    if (!holdsSilent) await peer.ended;
    expect(await here.take("refused", 1)).toEqual([{ code: 3502 }]);
  });

  test("a peer that does not read is given up, and is told so when it reads again", async ({ site }) => {
    const here = site("hasty");
    const watcher = await here.connect({ user: "bob" });
    await watcher.call("subscribe", { channel: "room", join_leave: true });
    const stuck = await here.join(["news", "room"]);
    stuck.pause();
    for (let n = 0; n < 10; n++) await here.publish("news", "x".repeat(3_000));
    const gone = (await watcher.take(3)).at(-1)?.push;
    expect(gone).toMatchObject({ leave: { info: { user: "ann" } } });
    stuck.socket.resume();
    await stuck.until(closeFrame(3008));
    stuck.send(closing(3008));
    await stuck.ended;
  });
}

function silence(test: PeerTest): void {
  test("an idle peer that answers no ping is closed with 3012", async ({ site }) => {
    const here = site("quick");
    const peer = await here.connect();
    peer.stall();
    const { pings } = peer;
    await peer.pinged(pings + 1);
    const since = performance.now();
    expect(await peer.closed).toEqual({ code: 3012, reason: "no pong" });
    expect(performance.now() - since).toBeGreaterThan(300);
    expect(peer.pings).toBe(pings + 1);
  });

  test("a peer that answers pings is sent one after the other, and stays connected", async ({ site }) => {
    const here = site("quick");
    const peer = await here.connect();
    const since = performance.now();
    await peer.pinged(4);
    expect(performance.now() - since).toBeGreaterThan(900);
    await peer.nothing();
  });

  test("a peer that answers no ping behind data is closed with 3008", async ({ site }) => {
    const here = site("hasty");
    const peer = await here.subscribe("news");
    peer.stall();
    await here.publish("news", "x".repeat(3_000));
    await peer.pinged(1);
    const since = performance.now();
    expect(await peer.closed).toEqual({ code: 3008, reason: "slow" });
    expect(performance.now() - since).toBeGreaterThan(400);
  });

  test("closing cuts who does not read, within its grace, and reports what did not reach them", async ({
    site,
  }) => {
    const here = site("narrow");
    const peer = await here.subscribe("news");
    peer.stall();
    await here.publish("news", ...range(1, 40).map(() => "x".repeat(500)));
    const { report } = await here.control.close({});
    expect(report.sessions).toEqual({ closed: 0, cut: 1 });
    expect(report.cut).toEqual([{ session: peer.id, user: "ann", channels: { news: { read: 0, top: 40 } } }]);
    expect(report.milliseconds).toBeGreaterThan(990);
    await peer.closed;
  });
}

function lateness(test: PeerTest): void {
  test("an rpc whose handler is late is answered with 100, and its signal aborts", async ({ site }) => {
    const here = site("quick");
    const peer = await here.connect();
    const since = performance.now();
    peer.send({ id: 2, rpc: { method: "never" } }, { id: 3, sub_refresh: {} });
    expect(await peer.take(2)).toEqual([
      { id: 2, error: errors[100] },
      { id: 3, error: errors[108] },
    ]);
    expect(performance.now() - since).toBeGreaterThan(290);
    expect(await here.take("aborted", 1)).toEqual([{ handler: "rpc never" }]);
    expect(await here.take("error", 1)).toMatchObject([{ stage: "rpc" }]);
  });

  test("a subscribe whose authorize is late is answered with 100, and its signal aborts", async ({
    site,
  }) => {
    const here = site("quick");
    const peer = await here.connect();
    expect((await peer.call("subscribe", { channel: "never:a" })).error).toEqual(errors[100]);
    expect(await here.take("aborted", 1)).toEqual([{ handler: "authorize never:a" }]);
    expect(await here.take("error", 1)).toMatchObject([{ stage: "authorize" }]);
  });
}

function expiry(test: PeerTest): void {
  test("a permission that ends closes with 3005, and nothing is sent after", async ({ site }) => {
    const here = site();
    const since = performance.now();
    const peer = await here.open({ channels: "mine", ttl: 800 });
    // It cannot be prolonged, so the client is not asked to.
    expect(await peer.connect()).not.toHaveProperty("expires");
    await here.publish("mine", "in time");
    expect(await peer.closed).toEqual(expired);
    expect(performance.now() - since).toBeGreaterThan(790);
    expect(peer.received).toEqual([pub("mine", 1, "in time")]);
  });

  test("a permission is prolonged by a refresh", async ({ site }) => {
    const here = site("tokens");
    const peer = await here.open({ ttl: 1_200 });
    expect(await peer.connect({ token: "ann" })).toMatchObject({ expires: true, ttl: 1 });
    const other = await here.connect({ ttl: 1_300 }, { token: "ann" });
    const { refresh } = await peer.call("refresh", { token: "new" });
    const ttl = refresh?.ttl ?? 0;
    expect(refresh).toEqual({ client: peer.id, version: `tocsin ${version}`, expires: true, ttl });
    // A client is to refresh ten seconds before the minute is over.
    expect([ttl > 45, ttl <= 50]).toEqual([true, true]);
    expect(await here.take("refreshed", 1)).toEqual([{ user: "ann", token: "new" }]);
    // The other one was to last longer.
    expect(await other.closed).toEqual(expired);
    await peer.nothing();
  });

  test("the stock client refreshes its token before its permission ends, and stays connected", async ({
    site,
  }) => {
    const here = site("tokens");
    const options = { token: "ann", getToken: async () => "new" };
    const client = dial(here, { channels: "mine", ttl: 1_500 }, options);
    const connecting = heard(client, "connecting");
    const data = dataOf(client);
    expect(await here.take("refreshed", 1)).toEqual([{ user: "ann", token: "new" }]);
    // Another client, which does not refresh, says when the first permission is over.
    const other = await here.connect({ ttl: 600 }, { token: "ann" });
    await other.closed;
    await here.publish("mine", "later");
    expect(await data.until(1)).toEqual(["later"]);
    expect(connecting.items).toEqual([]);
  });
}
