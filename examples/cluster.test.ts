import { createNotifier } from "tocsin";
import { fakeClock, sharedLog } from "tocsin/testing";
import { expect, test } from "vitest";

test("when a process dies, another one brings its runs to an end", async () => {
  const clock = fakeClock();
  const shared = sharedLog({ clock });
  const [dying, living] = [shared.open(), shared.open()];
  const one = createNotifier({ log: dying, clock });
  const two = createNotifier({ log: living, clock });
  await clock.settle();

  const run = one.run(({ signal }) => stopped(signal), { name: "report" });
  await clock.settle();
  expect(await two.runs.find(run.id)).toMatchObject({ name: "report", status: "working" });

  dying.kill();
  await clock.advance(30_000);
  expect(await two.runs.find(run.id)).toMatchObject({ status: "failed" });
  expect(shared.nodes).toHaveLength(1);

  // Closing also ends what is left of the notifier whose process is dead.
  const closing = [one.close(), two.close()];
  await clock.advance(5_000);
  await Promise.all(closing);
  expect(clock.armed).toBe(0);
});

/** Works until it has to stop. */
function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}
