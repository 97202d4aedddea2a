import { onTestFinished } from "vitest";
import type { AppendOptions, Log } from "../../src/model/log.ts";
import { sqliteLog } from "../../src/sqlite.ts";
import { type MemoryLogOptions, memoryLog } from "../../src/stores/memory.ts";
import { createObjectLog } from "../../src/stores/sqlite/object-log.ts";
import { standIn } from "./object-storage.ts";
import { driver } from "./sqlite-driver.ts";

/**
 * Creates the log that the tests of the protocol use: in memory, in SQLite if the environment variable TOCSIN_TEST_LOG is
 * `sqlite`, or in a storage that stands for that of a Durable Object if it is `object`.
 */
export function testedLog(options: MemoryLogOptions): Log {
  const { TOCSIN_TEST_LOG: kind } = process.env;
  return kind === "sqlite" || kind === "object" ? committing(options, kind) : memoryLog(options);
}

/**
 * Returns a log that commits every append at once: these tests wait for publications without a turn of their
 * clock. It keeps what a log in memory keeps, as the tests expect.
 */
function committing(options: MemoryLogOptions, kind: "sqlite" | "object"): Log {
  if (typeof driver === "string") throw new Error(driver);
  const database = driver.open(":memory:");
  onTestFinished(() => database.close());
  const bounds = { ttl: 300_000, ...options };
  const log =
    kind === "sqlite"
      ? sqliteLog({ database, ...bounds })
      : createObjectLog(standIn(database), { id: "object", ...bounds });
  return {
    append(channel: string, data: string, appendOptions: AppendOptions) {
      const position = log.append(channel, data, appendOptions);
      log.commit();
      return position;
    },
    read: (channel, readOptions) => log.read(channel, readOptions),
    watch: (channel, wake) => log.watch(channel, wake),
    keeps: (channel) => log.keeps(channel),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
