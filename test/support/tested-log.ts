import { onTestFinished } from "vitest";
import type { AppendOptions, Log } from "../../src/model/log.ts";
import { sqliteLog } from "../../src/sqlite.ts";
import { type MemoryLogOptions, memoryLog } from "../../src/stores/memory.ts";
import { driver } from "./sqlite-driver.ts";

/**
 * Creates the log that the tests of the protocol use: in memory, or in SQLite if the environment variable TOCSIN_TEST_LOG
 * is `sqlite`.
 */
export function testedLog(options: MemoryLogOptions): Log {
  return process.env.TOCSIN_TEST_LOG === "sqlite" ? committing(options) : memoryLog(options);
}

/**
 * Returns a log in SQLite that commits every append at once: these tests wait for publications without a turn of their
 * clock. It keeps what a log in memory keeps, as the tests expect.
 */
function committing(options: MemoryLogOptions): Log {
  if (typeof driver === "string") throw new Error(driver);
  const database = driver.open(":memory:");
  onTestFinished(() => database.close());
  const log = sqliteLog({ database, ttl: 300_000, ...options });
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
