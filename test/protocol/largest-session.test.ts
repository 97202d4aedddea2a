import { connect } from "tocsin/client";
import { describe, expect, onTestFinished, test } from "vitest";
import { closes } from "../../src/wire/protocol.ts";
import { runtime } from "../support/runtime.ts";
import { type Site, site } from "../support/server.ts";
import { dial, heard, websocket } from "../support/stock-client.ts";
import { range } from "../support/wire.ts";

/** As many channels as one session may have by default, with the longest names, of characters of three bytes. */
const names = range(1, 1_000).map((n) => String(n).padStart(255, "漢"));

async function everybody(here: Site, count: number): Promise<void> {
  while (here.notifier.stats().subscriptions !== count) await new Promise((resolve) => setImmediate(resolve));
}

describe(`the largest session that the limits allow, on ${runtime}`, () => {
  test("reconnects with a stock client in one message, and recovers everything it missed", {
    timeout: 30_000,
  }, async () => {
    const here = await site({ authorize: () => true });
    const client = dial(here.address("ann"), { timeout: 20_000 });
    const disconnected = heard<{ code: number }>(client, "disconnected");
    let recovered = 0;
    const came: string[] = [];
    let done = (): void => {};
    const over = new Promise<void>((resolve) => {
      done = resolve;
    });
    client.startBatching();
    for (const name of names) {
      const subscription = client.newSubscription(name);
      subscription.on("subscribed", (context) => {
        if (context.wasRecovering && context.recovered) recovered++;
        if (recovered === names.length) done();
      });
      subscription.on("publication", ({ channel }) => came.push(channel));
      subscription.subscribe();
    }
    client.stopBatching();
    await everybody(here, names.length);
    // A channel without any publication has no position to recover from.
    for (const name of names) await here.notifier.publish(name, 1);
    while (came.length < names.length) await new Promise((resolve) => setImmediate(resolve));
    const release = here.hold();
    here.cut();
    await everybody(here, 0);
    for (const name of names) await here.notifier.publish(name, 2);
    release();
    await Promise.race([over, disconnected.until(1)]);
    expect(disconnected.items).toEqual([]);
    expect(recovered).toBe(names.length);
    // The publications come in the replies, or directly after them.
    while (came.length < 2 * names.length) await new Promise((resolve) => setImmediate(resolve));
    expect(new Set(came).size).toBe(names.length);
    expect(here.notifier.totals().limits).toEqual({});
  });

  test("reconnects with a tocsin client, and continues from its positions", { timeout: 30_000 }, async () => {
    const here = await site({ authorize: () => true });
    const client = connect(here.address("ann"), { WebSocket: websocket as never });
    onTestFinished(() => client.close());
    const got = new Map<string, unknown[]>();
    let count = 0;
    const readers = names.map(async (name) => {
      const all: unknown[] = [];
      got.set(name, all);
      for await (const { data } of client.follow(name)) {
        all.push(data);
        count++;
      }
    });
    for (const reader of readers) reader.catch(() => {});
    const until = async (total: number): Promise<void> => {
      while (count < total) await new Promise((resolve) => setImmediate(resolve));
    };
    await everybody(here, names.length);
    for (const name of names) await here.notifier.publish(name, 1);
    await until(names.length);
    here.notifier.disconnect({ user: "ann" }, closes.reconnect.code);
    for (const name of names) await here.notifier.publish(name, 2);
    await until(2 * names.length);
    expect([...got.values()]).toEqual(names.map(() => [1, 2]));
    expect(here.notifier.totals().limits).toEqual({});
    expect(here.notifier.totals().closed).toEqual({ 3011: 1 });
  });
});
