import { test } from "vitest";
import { createNotifier } from "../src/notifier.ts";
import { pipe } from "../src/pipe.ts";
import { fakeClock } from "../src/testing.ts";
test("crowd", async () => {
  for (const n of [2500]) {
  const clock = fakeClock();
  const errors: unknown[] = [];
  const notifier = createNotifier({ clock, window: 2_000, onError: (e) => errors.push(e) });
  let t = performance.now();
  const crowd = [];
  for (let i = 0; i < n; i++) {
    const c = pipe(notifier); crowd.push(c);
    c.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "room", join_leave: true } });
    await clock.settle();
    c.received.length = 0;
  }
  await clock.advance(25_000);
  for (const c of crowd) { c.received.length = 0; c.stall(); }
  const other = pipe(notifier);
  other.send({ id: 1, connect: {} });
  for (let id = 2; id < 100; id += 2) {
    other.send({ id, subscribe: { channel: "room" } }, { id: id + 1, unsubscribe: { channel: "room" } });
    await clock.settle();
  }
  console.log(n, crowd.filter((c) => c.closed).length, errors.length, JSON.stringify(other.received.filter((r: any) => r.error)), JSON.stringify(notifier.stats()), performance.now() - t);
  }
}, 60_000);
