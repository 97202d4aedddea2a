import { connect } from "tocsin/client";
import { expect, onTestFinished, test } from "vitest";
import { systemTiming } from "../../src/base/clock.ts";
import { rejection } from "../support/core.ts";
import { inbox } from "../support/inbox.ts";
import { runtime } from "../support/runtime.ts";
import { site } from "../support/server.ts";
import { dataOf, dial, heard, publish, websocket } from "../support/stock-client.ts";
import { range } from "../support/wire.ts";

const WebSocket = websocket as never;

test(`a tocsin client and a stock one, on ${runtime}, receive the same in the same order across 50 lost connections`, async () => {
  const here = await site({ authorize: () => true });
  const stock = dial(here.address("bob"));
  const subscription = stock.newSubscription("news", { minResubscribeDelay: 5, maxResubscribeDelay: 20 });
  const [theirs, subscribed] = [dataOf(subscription), heard(subscription, "subscribed")];
  subscription.subscribe();
  const ours = inbox<unknown>();
  const statuses = inbox<string>();
  const client = connect(here.address("ann"), {
    WebSocket,
    clock: {
      ...systemTiming,
      random: () => 0,
      timer: (ms, fire) => systemTiming.timer(ms > 100 ? ms : 5, fire),
    },
    onStatus: (status) => status === "connected" && statuses.add(status),
  });
  onTestFinished(() => client.close());
  const collect = async (): Promise<void> => {
    for await (const { data } of client.follow("news", { after: { offset: 0, epoch: "" } })) ours.add(data);
  };
  collect().catch(() => {});
  for (const round of range(1, 50)) {
    // Cut while both are connected, and while they are reconnecting.
    await Promise.all([subscribed.until(round), statuses.until(round)]);
    await publish(here, "news", round * 10 - 9, round * 10 - 4);
    here.cut();
    await publish(here, "news", round * 10 - 3, round * 10);
  }
  const all = range(1, 500);
  expect([await ours.until(500), await theirs.until(500)]).toEqual([all, all]);
  await here.notifier.publish("news", 501);
  expect([await ours.until(501), await theirs.until(501)]).toEqual([range(1, 501), range(1, 501)]);
});

test(`a thousand clients that connect and close, on ${runtime}, leave nothing on the signal that they share`, async () => {
  const here = await site({ authorize: () => true });
  const { signal } = new AbortController();
  const listening = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listening.add(args[1]);
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listening.delete(args[1]);
    remove(...args);
  };
  let peak = 0;
  const timers = new Set<object>();
  const clock: typeof systemTiming = {
    ...systemTiming,
    timer(ms, fire) {
      const own = {};
      timers.add(own);
      const timer = systemTiming.timer(ms, () => {
        timers.delete(own);
        fire();
      });
      return {
        cancel() {
          timers.delete(own);
          timer.cancel();
        },
      };
    },
  };
  const cycle = async (n: number): Promise<void> => {
    const client = connect(here.direct, { WebSocket, signal, clock });
    // Some clients are closed while they connect, some right after that, and some while they follow.
    if (n % 3 > 0) await client.publish("news", n, { signal });
    const next = n % 3 > 1 ? rejection(client.follow("news", { signal }).next()) : undefined;
    peak = Math.max(peak, listening.size);
    await client.close();
    await next;
  };
  // Node prints a warning above ten listeners on one signal.
  for (const batch of range(0, 99)) await Promise.all(range(1, 10).map((n) => cycle(batch * 10 + n)));
  expect([listening.size, timers.size]).toEqual([0, 0]);
  expect(peak).toBeGreaterThan(0);
  expect(peak).toBeLessThanOrEqual(10);
  await expect.poll(() => here.notifier.stats().sessions).toBe(0);
});
