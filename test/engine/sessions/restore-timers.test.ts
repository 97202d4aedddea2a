import { describe, expect, test } from "vitest";
import type { Peer } from "../../../src/model/peer.ts";
import { type Client, type Host, hibernating } from "../../support/hibernating.ts";

const began = 1_767_225_600_000;
const ann: Peer = { user: "ann", authorize: () => true };

async function connected(host: Host, peer = ann): Promise<Client> {
  const client = host.connect(peer);
  client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } });
  await host.settle();
  client.lines.length = 0;
  return client;
}

/** Loses the memory of the notifier for a time, and returns how the socket is closed and when, up to 100 s later. */
async function awayFor(
  host: Host,
  client: Client,
  ms: number,
): Promise<{ code: number; after: number } | undefined> {
  const restore = host.lose();
  await host.clock.advance(ms);
  restore();
  await host.clock.advance(0);
  for (let after = 0; after < 100_000; after += 50) {
    if (client.closed !== undefined) return { code: client.closed.code, after };
    await host.clock.advance(50);
  }
  return undefined;
}

describe("a deadline of a restored session", () => {
  const fast = { heartbeat: 1_000_000 };

  for (const [ms, after] of [
    [0, 10_000],
    [4_000, 6_000],
    [10_000, 0],
    [999_000, 0],
  ] as const) {
    test(`to connect is over in time after ${ms} ms`, async () => {
      const host = hibernating();
      const client = host.connect(ann);
      expect(await awayFor(host, client, ms)).toEqual({ code: 3502, after });
      await host.settle();
      await host.end();
    });

    test(`to expire is over in time after ${ms} ms`, async () => {
      const host = hibernating(undefined, fast);
      const client = await connected(host, { ...ann, expires: began + 10_000 });
      expect(await awayFor(host, client, ms)).toEqual({ code: 3005, after });
      await host.settle();
      await host.end();
    });
  }

  test("to connect does not end a client that connects in the moment in which the session is restored", async () => {
    const host = hibernating(undefined, fast);
    const client = host.connect(ann);
    const restore = host.lose();
    await host.clock.advance(60_000);
    restore();
    client.send({ id: 1, connect: {} });
    await host.clock.advance(60_000);
    expect(client.lines.map((line) => Object.keys(JSON.parse(line)))).toEqual([["id", "connect"]]);
    expect(client.closed).toBeUndefined();
    await host.end();
  });

  test("to expire ends a session before it handles what arrives", async () => {
    const host = hibernating();
    const client = await connected(host, { ...ann, expires: began + 10_000 });
    const restore = host.lose();
    await host.clock.advance(60_000);
    restore();
    client.send({ id: 3, ping: {} });
    expect(client.closed).toEqual({ code: 3005, reason: "connection expired" });
    await host.settle();
    await host.end();
  });

  test("to ping, if it has passed, is due at once", async () => {
    const host = hibernating();
    const client = await connected(host);
    const restore = host.lose();
    await host.clock.advance(60_000);
    restore();
    await host.settle();
    await host.clock.advance(50);
    expect(client.lines).toEqual(["{}"]);
    client.pong();
    await host.clock.advance(20_000);
    expect([client.lines, client.closed]).toEqual([["{}"], undefined]);
    await host.end();
  });

  describe("to answer a ping", () => {
    const pinged = async (host: Host): Promise<Client> => {
      const client = await connected(host);
      await host.clock.advance(25_000);
      // The heartbeat was sent at a random time.
      while (client.lines.length === 0) await host.clock.advance(50);
      return client;
    };
    const sentAt = ({ session: { state } }: Client): number => (state?.pingedAt as number) - began;

    test("goes on", async () => {
      const host = hibernating();
      const client = await connected(host);
      while (client.lines.length === 0) await host.clock.advance(50);
      expect(sentAt(client)).toBe(host.clock.now());
      expect(await awayFor(host, client, 4_000)).toEqual({ code: 3012, after: 6_000 });
      await host.settle();
      await host.end();
    });

    test("goes on for longer behind data", async () => {
      const host = hibernating(undefined, { window: 1_000, heartbeat: 1_000_000 });
      const client = await connected(host);
      void host.notifier.publish("news", "x".repeat(900));
      await host.settle();
      expect(await awayFor(host, client, 40_000)).toEqual({ code: 3008, after: 20_000 });
      await host.settle();
      await host.end();
    });

    for (const ms of [10_000, 9_500, 600_000]) {
      test(`leaves a client a second if nobody could read its pong for ${ms} ms`, async () => {
        const host = hibernating();
        const client = await connected(host);
        while (client.lines.length === 0) await host.clock.advance(50);
        expect(await awayFor(host, client, ms)).toEqual({ code: 3012, after: 1_000 });
        await host.settle();
        await host.end();
      });
    }

    test("has no end for the pong that wakes the process, or that comes soon after", async () => {
      for (const late of [0, 900]) {
        const host = hibernating();
        const client = await pinged(host);
        const restore = host.lose();
        await host.clock.advance(600_000);
        restore();
        if (late > 0) await host.clock.advance(late);
        client.pong();
        await host.clock.advance(9_000);
        client.pong();
        expect(client.closed).toBeUndefined();
        await host.end();
      }
    });
  });
});
