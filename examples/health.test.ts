import { Hono } from "hono";
import { createNotifier } from "tocsin";
import { fakeClock, sharedLog } from "tocsin/testing";
import { expect, test } from "vitest";

test("a node says how its log is", async () => {
  const clock = fakeClock();
  const store = sharedLog({ clock }).open();
  const notifier = createNotifier({ log: store, clock, onError() {} });
  const app = new Hono().get("/health", (c) => {
    const { log } = notifier.totals();
    return c.json(log, log.place === "lost" ? 503 : 200); // lost for good: only a new process helps
  });
  const health = async () => (await app.request("/health")).json();

  void notifier.publish("news", 1);
  await clock.settle();
  expect(await health()).toMatchObject({ place: "joined", waiting: 0, failing: { appends: 0 } });

  store.cut();
  const published = notifier.publish("news", 2);
  await clock.advance(4_000);
  expect(await health()).toMatchObject({ waiting: 1, lag: 4_000, failing: { appends: 4_000 } });

  store.heal();
  await clock.advance(15_000);
  await published;
  expect(await health()).toMatchObject({ waiting: 0, lag: 0, failing: { appends: 0 } });

  const closing = notifier.close();
  await clock.advance(5_000);
  await closing;
});
