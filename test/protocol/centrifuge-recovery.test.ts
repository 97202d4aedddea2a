import type { PublicationContext } from "centrifuge";
import { memoryLog } from "tocsin";
import { describe, expect, test } from "vitest";
import { runtime } from "../support/runtime.ts";
import { site } from "../support/server.ts";
import { dataOf, heard, publish, reach, stockIn, ways } from "../support/stock-client.ts";
import { gated, range } from "../support/wire.ts";

const open = { authorize: () => true };

describe.each(ways)(`a stock client in %s that comes back over %s on ${runtime}`, (encoding, transport) => {
  const { dial, reader } = stockIn(encoding);

  test.each(["3011", "cut"])(
    "after its connection ended (%s) recovers everything it missed, in order",
    async (how) => {
      const here = await site(open);
      const { client, data, subscribed } = await reader(here, "ann", transport);
      await publish(here, "news", 1, 3);
      await data.until(3);
      const connecting = heard<{ code: number }>(client, "connecting");
      const release = here.hold();
      if (how === "cut") here.cut();
      else here.notifier.disconnect({ user: "ann" }, 3011);
      await connecting.until(1);
      await publish(here, "news", 4, 203);
      release();
      await subscribed.until(2);
      await publish(here, "news", 204, 205);
      expect(await data.until(205)).toEqual(range(1, 205));
      expect(subscribed.items[1]).toMatchObject({ wasRecovering: true, recovered: true });
      // Without a close frame, or a push in its place, the stock client reports a code of its own.
      expect(connecting.items).toMatchObject([{ code: how === "cut" ? 1 : 3011 }]);
    },
  );

  test("gets a notice when what it missed is gone, and goes on live", async () => {
    const here = await site({ ...open, log: memoryLog({ size: 5, slack: 0 }) });
    const { client, data, subscribed } = await reader(here, "ann", transport);
    await publish(here, "news", 1, 3);
    await data.until(3);
    const connecting = heard(client, "connecting");
    const release = here.hold();
    here.notifier.disconnect({ user: "ann" }, 3011);
    await connecting.until(1);
    await publish(here, "news", 4, 20);
    release();
    await subscribed.until(2);
    await publish(here, "news", 21, 22);
    expect(await data.until(5)).toEqual([1, 2, 3, 21, 22]);
    expect(subscribed.items[1]).toMatchObject({
      wasRecovering: true,
      recovered: false,
      streamPosition: { offset: 20 },
    });
  });

  test("recovers each of the server's subscriptions over a reconnect", async () => {
    const here = await site();
    const client = dial(...reach(here, transport, "ann", "mine", "ours"));
    const subscribed = heard<{ channel: string; recovered: boolean; wasRecovering: boolean }>(
      client,
      "subscribed",
    );
    const publications = heard<PublicationContext>(client, "publication");
    await subscribed.until(2);
    await here.notifier.publish("mine", 1);
    await publications.until(1);
    const connecting = heard(client, "connecting");
    const release = here.hold();
    here.cut();
    await connecting.until(1);
    for (const n of [2, 3]) await here.notifier.publish("mine", n);
    await here.notifier.publish("ours", "a");
    release();
    await subscribed.until(4);
    await here.notifier.publish("ours", "b");
    await publications.until(5);
    const of = (channel: string) =>
      publications.items.filter((each) => each.channel === channel).map(({ data, offset }) => [offset, data]);
    expect(of("mine")).toEqual([1, 2, 3].map((n) => [n, n]));
    expect(of("ours")).toEqual([
      [1, "a"],
      [2, "b"],
    ]);
    expect(subscribed.items.slice(2)).toMatchObject([
      { channel: "mine", wasRecovering: true, recovered: true },
      { channel: "ours", wasRecovering: true, recovered: true },
    ]);
  });

  test("misses nothing and gets nothing twice over 50 cuts during 1 250 publications", async () => {
    const here = await site(open);
    const { data, subscribed } = await reader(here, "ann", transport);
    for (const round of range(0, 49)) {
      await subscribed.until(round + 1);
      await publish(here, "news", round * 25 + 1, round * 25 + 10);
      if (round % 2 === 0) here.cut();
      else here.notifier.disconnect({ user: "ann" }, 3011);
      for (const n of range(round * 25 + 11, round * 25 + 25)) {
        await here.notifier.publish("news", n);
        // Spreads the publications over the time that the client takes to reconnect.
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    expect(await data.until(1250)).toEqual(range(1, 1250));
    expect(subscribed.items.length).toBe(51);
    expect(subscribed.items.slice(1).every(({ recovered }) => recovered)).toBe(true);
  });

  test("unsubscribes, receives nothing, and recovers what was published when it subscribes again", async () => {
    const here = await site(open);
    const { client, subscription, data, subscribed } = await reader(here, "ann", transport);
    await publish(here, "news", 1, 1);
    await data.until(1);
    subscription.unsubscribe();
    await client.presenceStats("news");
    await publish(here, "news", 2, 3);
    expect(await client.presenceStats("news")).toEqual({ numClients: 0, numUsers: 0 });
    expect(data.items).toEqual([1]);
    subscription.subscribe();
    await subscribed.until(2);
    expect(await data.until(3)).toEqual([1, 2, 3]);
  });

  test("subscribes again by itself after an insufficient state", async () => {
    const log = gated(() => memoryLog());
    const here = await site({ ...open, log });
    const { client, subscription, data, subscribed } = await reader(here, "ann", transport);
    const subscribing = heard(subscription, "subscribing");
    await publish(here, "news", 1, 2);
    await data.until(2);
    log.wipe();
    await publish(here, "news", 3, 3);
    await subscribed.until(2);
    await publish(here, "news", 4, 4);
    expect(await data.until(3)).toEqual([1, 2, 4]);
    expect(subscribing.items).toEqual([{ channel: "news", code: 2500, reason: "insufficient state" }]);
    expect(subscribed.items[1]).toMatchObject({ wasRecovering: true, recovered: false });
    expect(client.state).toBe("connected");
  });

  test("whose permission expires comes back, and recovers", async () => {
    let connections = 0;
    const here = await site({ identity: () => (connections++ === 0 ? { expires: Date.now() + 300 } : {}) });
    const client = dial(...reach(here, transport, "ann", "mine"));
    const connecting = heard<{ code: number; reason: string }>(client, "connecting");
    const data = dataOf(client);
    await heard(client, "connected").until(1);
    await publish(here, "mine", 1, 2);
    await data.until(2);
    const release = here.hold();
    expect(await connecting.until(1)).toEqual([{ code: 3005, reason: "connection expired" }]);
    await publish(here, "mine", 3, 4);
    release();
    expect(await data.until(4)).toEqual([1, 2, 3, 4]);
  });

  test("gets everything published before the server closes, and then the close", async () => {
    const here = await site(open);
    const { client, data } = await reader(here, "ann", transport);
    const connecting = heard(client, "connecting");
    for (const n of range(1, 200)) void here.notifier.publish("news", n);
    await here.close();
    await connecting.until(1);
    expect(data.items).toEqual(range(1, 200));
  });

  test("receives nothing of another user, whatever happens to that one", async () => {
    const here = await site(open);
    const [ann, bob] = [await reader(here, "ann", transport), await reader(here, "bob", transport)];
    here.notifier.disconnect({ user: "ann" });
    await publish(here, "news", 1, 50);
    expect(await bob.data.until(50)).toEqual(range(1, 50));
    expect(ann.data.items).toEqual([]);
  });
});
