import { createNotifier } from "tocsin";
import { assertQuiet, fakeClock, pipe } from "tocsin/testing";
import { expect, test } from "vitest";

for (let count = 1; count <= 50; count++) {
  test(`only the owner receives a run of ${count} steps, and nothing is left after closing`, async () => {
    const clock = fakeClock();
    const notifier = createNotifier({ clock });
    const [ann, bob] = [pipe(notifier, { peer: { user: "ann" } }), pipe(notifier, { peer: { user: "bob" } })];
    const run = notifier.run(
      async function* () {
        for (let step = 1; step <= count; step++) yield { type: "step", step };
        return count;
      },
      { id: "report", owner: "ann" },
    );
    for (const client of [ann, bob]) {
      client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "run:report", recover: true } });
    }
    await clock.settle();

    expect(await run.result()).toBe(count);
    expect(JSON.stringify(ann.received)).toContain(
      `{"type":"run.completed","run":"report","result":${count}}`,
    );
    expect(bob.received[1]).toMatchObject({ error: { code: 103 } });

    const closed = notifier.close();
    await clock.settle();
    await closed;
    assertQuiet(notifier);
  });
}
