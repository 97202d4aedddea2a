import fc from "fast-check";
import { fakeClock } from "tocsin/testing";
import { expect } from "vitest";
import type { Log, Retention } from "../../../src/model/log.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { open } from "../../support/sqlite.ts";
import { live } from "./object-tools.ts";
import { offsets, rows, start, test } from "./tools.ts";

const names = ["a", "b"];
const few = fc.integer({ min: 0, max: 90 });
const retention = fc.record<Retention>({
  size: few,
  bytes: fc.constantFrom(0, 100, 20_000, Infinity),
  ttl: fc.constantFrom(0, 1, 5_000, 20_000, Infinity),
  slack: fc.constantFrom(0, 1, 4_000, 30_000, Infinity),
});
const step = fc.record({
  name: fc.constantFrom(...names),
  ms: fc.constantFrom(0, 0, 1, 999, 5_000, 10_000),
  lengths: fc.array(fc.constantFrom(1, 1, 2, 9, 300, 5_000), { maxLength: 40 }),
  retention: fc.option(retention, { nil: undefined, freq: 12 }),
  /** How the process goes on after the appends. */
  end: fc.constantFrom("commit", "commit", "commit", "fail", "next life", "renew"),
  /** The failing statement. */
  place: fc.constantFrom(
    "COMMIT",
    "UPDATE tocsin_chunks",
    "INSERT INTO tocsin_chunks",
    "UPDATE tocsin_channels",
  ),
  tags: fc.option(fc.constant({ kind: "x" }), { nil: undefined, freq: 4 }),
  time: fc.constantFrom(0, 1.5, -Infinity, Infinity, undefined),
});

/** Returns what channels keep, without their epochs. */
async function kept(log: Log): Promise<unknown> {
  const slices = await Promise.all(names.map((name) => log.read(name, {})));
  return slices.map(({ top, first, entries, state }) => ({ top, first, entries, state }));
}

test("whatever is appended, and however lives end, an object keeps what the memory log does, and each life finds it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const clock = fakeClock();
      const bounds = { size: 70, bytes: 15_000, ttl: 60_000, slack: 20_000, clock };
      const database = open();
      let { log, storage } = live({ database, ...bounds });
      const memory = memoryLog(bounds);
      for (const { name, ms, lengths, retention: own, end, place, tags, time } of steps) {
        await clock.advance(ms);
        for (const length of lengths) {
          const data = JSON.stringify("x".repeat(length));
          const options = {
            time: time ?? clock.time(),
            tags,
            retention: own,
            state: own && String(own.size),
          };
          expect((await memory.append(name, data, options)).offset).toBe(
            log.append(name, data, options).offset,
          );
        }
        if (end === "fail") {
          const before = await kept(live({ database, ...bounds }).log);
          storage.fault = (sql) => (sql.startsWith(place) ? new Error("full: SQLITE_FULL") : undefined);
          try {
            log.commit();
          } catch {
            expect(await kept(live({ database, ...bounds }).log)).toEqual(before);
          }
          storage.fault = () => undefined;
        }
        log.commit();
        if (end === "renew") log.renew();
        const wanted = await kept(memory);
        expect(await kept(log)).toEqual(wanted);
        const next = live({ database, ...bounds });
        expect(await kept(next.log)).toEqual(wanted);
        if (end === "next life") ({ log, storage } = next);
      }
      await memory[Symbol.asyncDispose]();
    }),
    { numRuns: 150 },
  );
});

test("chunks follow each other without a gap, and channels are counted as if each of their rows was written", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 30 }), (batches) => {
      const { log, database } = live({ size: 100, slack: 0 });
      log.append("a", "123", { time: 0 });
      for (const [index, count] of batches.entries()) {
        for (let number = 0; number < count; number++)
          log.append(index % 3 === 0 ? "a" : "b", "123", { time: 0 });
        log.commit();
      }
      const chunks = rows(
        database,
        "SELECT id >> 32 AS channel, id & 4294967295 AS low, count, start, bytes FROM tocsin_chunks",
      );
      for (const [at, { channel, low, count, start, bytes }] of chunks.entries()) {
        expect(bytes).toBe((count as number) * 3);
        const next = chunks[at + 1];
        if (next?.channel !== channel) continue;
        expect([next?.low, next?.start]).toEqual([
          Number(low) + Number(count),
          Number(start) + Number(bytes),
        ]);
      }
    }),
    { numRuns: 50 },
  );
});

test("totalBytes trims what it trims in a file, whether lives are long or short", () => {
  const batch = fc.record({
    names: fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 30 }),
    length: fc.constantFrom(1, 100, 2_000),
    isNext: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 30 }), (batches) => {
      const clock = fakeClock();
      const bounds = { size: Infinity, bytes: Infinity, totalBytes: 20_000, clock };
      const { log: file } = start(bounds);
      const database = open();
      let { log } = live({ database, ...bounds });
      for (const { names, length, isNext } of batches) {
        if (isNext) ({ log } = live({ database, ...bounds }));
        for (const each of [file, log]) {
          for (const name of names) each.append(name, "x".repeat(length), { time: 0 });
          each.commit();
        }
        for (const name of names) expect(offsets(log, name)).toEqual(offsets(file, name));
      }
    }),
    { numRuns: 100 },
  );
});
