import { createNotifier } from "tocsin";
import { assertQuiet, fakeClock, pipe } from "tocsin/testing";
import { expect, test } from "vitest";

test("a subscriber gets the publication, and nothing is left after closing", async () => {
  const clock = fakeClock();
  const notifier = createNotifier({ clock });
  const client = pipe(notifier);
  client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } });
  await clock.settle();
  client.take();

  await notifier.publish("news", { text: "It begins" });
  await clock.settle();
  expect(client.received).toMatchObject([{ push: { channel: "news", pub: { offset: 1 } } }]);

  const report = notifier.close();
  await clock.settle();
  expect(await report).toMatchObject({ sessions: { closed: 1, cut: 0 } });
  expect(client.closed).toEqual({ code: 3001, reason: "shutdown" });
  assertQuiet(notifier);
});
