import fc from "fast-check";
import { expect } from "vitest";
import type { CloseReport } from "../../../src/engine/notifier/notifier.ts";
import type { Pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  finish,
  logWith,
  offsetsIn,
  outcomeOf,
  type Start,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";

const channels = ["a", "b"];
const clientCount = 4;

const step = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("publish"), fc.nat(1), fc.integer({ min: 0, max: 600 })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("turn"), fc.constant(0), fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("time"), fc.constant(0), fc.integer({ min: 1, max: 3_000 })) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom("stall", "resume"), fc.nat(clientCount - 1), fc.constant(0)),
  },
);

type Step = [string, number, number];

interface Options {
  window: number;
  /** Upper bound for the duration of each call of the log, in milliseconds. */
  delay: number;
  seed: number;
  /** For each client: the milliseconds after the start of `close` when it reads again, or null for never. */
  resumes: (number | null)[];
}

const setup = fc.record<Options>({
  window: fc.constantFrom(1, 400, 2_000, 262_144),
  delay: fc.constantFrom(0, 30, 900),
  seed: fc.nat(),
  resumes: fc.array(fc.option(fc.integer({ min: 0, max: 5_500 })), {
    minLength: clientCount,
    maxLength: clientCount,
  }),
});

async function play(
  start: Start,
  { window, delay, seed, resumes }: Options,
  steps: Step[],
): Promise<CloseReport> {
  const clock = fakeClock({ seed });
  let slow = false;
  const wait = async (): Promise<void> => {
    if (slow) await new Promise<void>((resolve) => void clock.timer(delay * clock.random(), resolve));
  };
  const log = logWith(
    clock,
    (memory) => ({
      read: (...args) => wait().then(() => memory.read(...args)),
      append: (...args) => wait().then(() => memory.append(...args)),
    }),
    { size: Infinity, bytes: Infinity, ttl: Infinity },
  );
  const core = start({ clock, log, window });
  const { notifier } = core;
  const clients: Pipe[] = [];
  for (let i = 0; i < clientCount; i++) clients.push(await subscriber(core, channels));
  slow = delay > 0;
  const published = [];
  for (const [what, which, amount] of steps) {
    const channel = channels[which] as string;
    if (what === "publish") published.push(outcomeOf(notifier.publish(channel, "x".repeat(amount))));
    else if (what === "turn") await clock.settle();
    else if (what === "time") await clock.advance(amount);
    else if (what === "stall") clients[which]?.stall();
    else clients[which]?.resume();
  }
  for (const [i, ms] of resumes.entries()) if (ms !== null) clock.timer(ms, () => clients[i]?.resume());
  const closed = outcomeOf(notifier.close());
  await clock.advance(5_000);
  const report = closed.value as CloseReport;
  expect(report.milliseconds).toBeLessThanOrEqual(5_000);
  expect(report.sessions.closed + report.sessions.cut).toBe(clientCount);
  for (const { state } of published) expect(state).not.toBe("pending");
  for (const channel of channels) {
    const made = published.flatMap(({ value }) =>
      value?.channel === channel ? [value.position.offset] : [],
    );
    const last = Math.max(0, ...made);
    for (const { received, session, closed, cut } of clients) {
      const got = offsetsIn(received, channel);
      expect(got).toEqual(upTo(got.length));
      const place = report.cut.find((each) => each.session === session.id)?.channels[channel];
      if (place === undefined) {
        expect([closed?.code, got.length >= last]).toEqual([3001, true]);
        continue;
      }
      expect(cut).toBe(true);
      expect(place.top).toBeGreaterThanOrEqual(last);
      expect(place.read).toBeLessThanOrEqual(got.length);
      expect(got.length).toBeLessThanOrEqual(place.top);
    }
  }
  await clock.advance(60_000);
  await finish(core);
  return report;
}

test("whenever it closes, every publication with a receipt has reached each peer, or is in the report", async ({
  start,
}) => {
  const sums = { closed: 0, cut: 0 };
  const property = fc.asyncProperty(
    setup,
    fc.array(step, { minLength: 5, maxLength: 50, size: "max" }),
    async (options, steps) => {
      const { sessions } = await play(start, options, steps as Step[]);
      sums.closed += sessions.closed;
      sums.cut += sessions.cut;
    },
  );
  await fc.assert(property, { numRuns: 80 });
  expect(Math.min(sums.closed, sums.cut)).toBeGreaterThan(0);
});
