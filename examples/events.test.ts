import { createNotifier, type EventsOf } from "tocsin";
import { expect, test } from "vitest";
import * as z from "zod";

test("an event is checked against its schema before it is published", async () => {
  const notifier = createNotifier({
    events: {
      "invoice.paid": z.object({ amount: z.number() }),
      "user.renamed": z.object({ name: z.string().trim() }),
    },
  });
  await notifier.publish("user:ann", { type: "user.renamed", name: " Ann " });
  await notifier.publish("user:ann", { type: "invoice.paid", amount: 12 });

  // @ts-expect-error the compiler also refuses it
  const wrong = notifier.publish("user:ann", { type: "invoice.paid", amount: "12" });
  const message = 'Cannot publish "invoice.paid" to "user:ann": its schema refuses data.amount';
  await expect(wrong).rejects.toThrow(new TypeError(message));

  const describe = (event: EventsOf<typeof notifier>): string =>
    event.type === "invoice.paid" ? `${event.amount} paid` : `now called ${event.name}`;
  const { publications } = await notifier.history("user:ann");
  expect(publications.map(({ data }) => describe(data))).toEqual(["now called Ann", "12 paid"]);
  await notifier.close();
});
