import { createNotifier } from "tocsin";
import { fakeClock, pipe } from "tocsin/testing";
import { expect, test } from "vitest";

test("a confirmed publication is delivered, or reported", async () => {
  const clock = fakeClock();
  const lost: unknown[] = [];
  const onUndelivered = ({ data }: { data: unknown }, reason: string) => lost.push([data, reason]);
  const notifier = createNotifier({ clock, onUndelivered });
  const ann = pipe(notifier, { peer: { user: "ann", channels: ["user:ann"] } });
  ann.send({ id: 1, connect: {} });
  await clock.settle();

  const invoice = await notifier.publish("user:ann", "Invoice 7 is due", { confirm: true });
  await clock.settle();
  expect(await invoice.delivered()).toMatchObject({ level: "read", by: "ann" });

  await notifier.publish("user:bob", "Invoice 8 is due", { confirm: true, ttl: 60_000 });
  await clock.advance(60_000);
  expect(lost).toEqual([["Invoice 8 is due", "expired"]]);

  await notifier.publish("user:bob", "Invoice 9 is due", { confirm: true });
  const report = notifier.close();
  await clock.settle();
  expect((await report).undelivered).toMatchObject([{ channel: "user:bob", reason: "closed" }]);
});
