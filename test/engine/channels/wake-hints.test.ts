import { describe, expect } from "vitest";
import type { WakeHint } from "../../../src/model/log.ts";
import { fakeClock } from "../../../src/testing.ts";
import { logWith, offsetsIn, publishAll, type Start, subscriber, test, upTo } from "../../support/core.ts";

/**
 * Starts a notifier on an asynchronous log. `change` replaces each wake hint, and `deliver` decides when it is delivered.
 * `reads` lists the channels read.
 */
function startHinted(
  start: Start,
  change: (hint: WakeHint, count: number) => WakeHint | undefined,
  deliver: (wake: () => void) => void = (wake) => wake(),
) {
  const clock = fakeClock();
  const reads: string[] = [];
  const wakes = new Map<string, (hint?: WakeHint) => void>();
  let count = 0;
  const log = logWith(clock, (memory) => ({
    async append(channel, data, options) {
      const position = await memory.append(channel, data, { ...options, once: undefined });
      const { time, tags } = options;
      const hint = change({ ...position, data, time, tags }, ++count);
      deliver(() => wakes.get(channel)?.(hint));
      return position;
    },
    async read(channel, options) {
      reads.push(channel);
      return memory.read(channel, options);
    },
    async watch(channel, wake) {
      wakes.set(channel, wake);
      return { [Symbol.asyncDispose]: async () => void wakes.delete(channel) };
    },
  }));
  return { core: start({ clock, log }), reads };
}

describe("an entry that comes with a wake", () => {
  test("saves a read, where it is the next one", async ({ start }) => {
    const { core, reads } = startHinted(start, (hint) => hint);
    const client = await subscriber(core, "news");
    reads.length = 0;
    await publishAll(core, 20, 50);
    await core.clock.settle();
    expect(offsetsIn(client.received, "news")).toEqual(upTo(20));
    expect(reads).toEqual([]);
  });

  test.for([
    ["is sometimes missing", (hint: WakeHint, count: number) => (count % 3 === 0 ? undefined : hint)],
    [
      "leaves one out",
      (hint: WakeHint, count: number) => (count % 5 === 0 ? { ...hint, offset: hint.offset + 1 } : hint),
    ],
    ["is of another epoch", (hint: WakeHint) => ({ ...hint, epoch: "other" })],
    ["comes too early", (hint: WakeHint) => ({ ...hint, offset: hint.offset + 7 })],
    ["comes again", (hint: WakeHint, count: number) => (count === 2 ? { ...hint, offset: 1 } : hint)],
  ] as const)(
    "is not used where it %s: every publication comes once, in order",
    async ([_, change], { start }) => {
      const { core, reads } = startHinted(start, change);
      const client = await subscriber(core, "news");
      reads.length = 0;
      await publishAll(core, 20, 50);
      await core.clock.settle();
      expect(offsetsIn(client.received, "news")).toEqual(upTo(20));
      expect(reads.length).toBeGreaterThan(0);
    },
  );

  test("is not used if its wake comes after that of a later entry", async ({ start }) => {
    const held: (() => void)[] = [];
    const { core } = startHinted(
      start,
      (hint) => hint,
      (wake) => void held.push(wake),
    );
    const client = await subscriber(core, "news");
    for (const n of upTo(3)) await core.notifier.publish("news", n);
    for (const wake of held.reverse()) wake();
    await core.clock.settle();
    expect(offsetsIn(client.received, "news")).toEqual(upTo(3));
  });

  test("is kept up to the size of a window: the rest is read", async ({ start }) => {
    const { core, reads } = startHinted(start, (hint) => hint);
    const client = await subscriber(core, "news");
    client.stall();
    await publishAll(core, 40, 20_000);
    client.resume();
    await core.clock.settle();
    expect(offsetsIn(client.received, "news")).toEqual(upTo(40));
    expect(reads.length).toBeGreaterThan(1);
  });
});
