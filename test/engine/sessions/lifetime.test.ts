import { describe, expect, test } from "vitest";
import { resolveLimits } from "../../../src/engine/core/limits.ts";
import { hibernating } from "../../support/hibernating.ts";
import { site } from "../../support/server.ts";
import { heard, publish, reader } from "../../support/stock-client.ts";
import { type Client, range, type Wire, wire } from "../../support/wire.ts";

const lifetime = 100_000;
const comeBack = { code: 3011, reason: "force reconnect" };
const began = 1_767_225_600_000;

/** Starts a notifier whose sessions are sent no ping while they last. */
function start(options: Parameters<typeof wire>[0] = {}): Wire {
  return wire({ heartbeat: 1_000_000, ...options, limits: { lifetime, ...options.limits } });
}

/** Returns when each client is closed, in milliseconds from now, up to `most` later. */
async function endsOf({ clock }: Wire, clients: readonly Client[], most = lifetime): Promise<number[]> {
  const ends = clients.map(() => Infinity);
  for (let at = 0; at <= most; at += 50) {
    for (const [index, { closed }] of clients.entries())
      if (closed !== undefined) ends[index] = Math.min(ends[index] as number, at);
    await clock.advance(50);
  }
  return ends;
}

describe("limits.lifetime", () => {
  test("is off by default", async () => {
    expect(resolveLimits().lifetime).toBe(Infinity);
    const here = wire({ heartbeat: 1_000_000_000 });
    const client = here.client();
    await client.connect();
    await here.clock.advance(100_000_000);
    expect(client.closed).toBeUndefined();
  });

  test("asks sessions to come back one by one, before it is over", async () => {
    const here = start();
    const clients = range(1, 200).map(() => here.client());
    for (const client of clients) await client.connect();
    const ends = await endsOf(here, clients);
    expect(clients.map(({ closed }) => closed)).toEqual(clients.map(() => comeBack));
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(75_000);
    expect(Math.max(...ends)).toBeLessThanOrEqual(95_050);
    // In each second of these twenty, a twentieth of them leaves on average.
    const perSecond = range(75, 95).map((n) => ends.filter((end) => Math.floor(end / 1_000) === n).length);
    expect(Math.max(...perSecond)).toBeLessThan(30);
    expect(here.notifier.totals().limits).toEqual({ lifetime: 200 });
  });

  test("waits for a command that is being answered", async () => {
    let answer = (_: unknown): void => {};
    const slow = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const limits = { lifetime, answer: 1_000_000 };
    const host = hibernating(undefined, { heartbeat: 1_000_000, rpc: { slow }, limits });
    const client = host.connect({ user: "ann" });
    client.send({ id: 1, connect: {} });
    await host.settle();
    const { leaveAt } = client.session.state as unknown as { leaveAt: number };
    client.send({ id: 9, rpc: { method: "slow" } });
    await host.clock.advance(leaveAt - began + 4_000);
    expect(client.closed).toBeUndefined();
    answer("done");
    await host.settle();
    expect(client.lines.at(-1)).toBe('{"id":9,"rpc":{"data":"done"}}');
    await host.clock.advance(600);
    expect(client.closed).toEqual(comeBack);
    await host.settle();
    await host.end();
  });

  test("waits for no command beyond its end", async () => {
    const here = start({ rpc: { slow: () => new Promise(() => {}) }, limits: { answer: 1_000_000 } });
    const clients = range(1, 20).map(() => here.client());
    for (const client of clients) {
      await client.connect();
      client.send({ id: 9, rpc: { method: "slow" } });
    }
    const ends = await endsOf(here, clients);
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(80_000);
    expect(Math.max(...ends)).toBeLessThanOrEqual(100_000);
  });

  test("sends what is queued before it closes", async () => {
    const here = start();
    const client = here.client();
    await client.connect();
    await client.call("subscribe", { channel: "news" });
    let count = 0;
    while (client.closed === undefined) {
      // The publication and the end of the lifetime may come in the same turn.
      void here.notifier.publish("news", ++count);
      await here.clock.advance(50);
    }
    expect(client.offsets("news")).toEqual(range(1, client.offsets("news").length));
    expect(count - client.offsets("news").length).toBeLessThanOrEqual(1);
  });

  test("goes on while a session has no memory", async () => {
    for (const away of [0, 60_000]) {
      const host = hibernating(undefined, { heartbeat: 1_000_000, limits: { lifetime } });
      const client = host.connect({ user: "ann" });
      client.send({ id: 1, connect: {} });
      await host.settle();
      const { leaveAt } = client.session.state as unknown as { leaveAt: number };
      expect(leaveAt - began).toBeGreaterThanOrEqual(75_000);
      const restore = host.lose();
      await host.clock.advance(away);
      restore();
      expect(client.session.state).toMatchObject({ leaveAt });
      await host.clock.advance(leaveAt - began - away - 50);
      expect(client.closed).toBeUndefined();
      await host.clock.advance(100);
      expect(client.closed).toEqual(comeBack);
      await host.settle();
      await host.end();
    }
  });

  test("ends a session at once whose lifetime was over while it had no memory", async () => {
    const host = hibernating(undefined, { heartbeat: 1_000_000, limits: { lifetime } });
    const client = host.connect({ user: "ann" });
    client.send({ id: 1, connect: {} });
    await host.settle();
    const restore = host.lose();
    await host.clock.advance(200_000);
    restore();
    await host.clock.advance(50);
    expect(client.closed).toEqual(comeBack);
    await host.settle();
    await host.end();
  });

  test.for(["websocket", "http_stream"] as const)(
    "costs a stock client nothing over 20 lifetimes: %s",
    async (way) => {
      const here = await site({ authorize: () => true, limits: { lifetime: 400 } });
      const { client, data, subscribed } = await reader(here, "ann", way);
      const closed = heard<{ code: number }>(client, "connecting");
      for (let n = 1; subscribed.items.length <= 20; n++) {
        await publish(here, "news", n, n);
        await data.until(n);
      }
      expect(data.items).toEqual(range(1, data.items.length));
      expect(closed.items.slice(0, 20).map(({ code }) => code)).toEqual(Array(20).fill(3011));
      expect(subscribed.items.slice(1, 21).every(({ recovered }) => recovered)).toBe(true);
    },
  );
});
