import { type FakeClock, fakeClock } from "tocsin/testing";
import { onTestFinished } from "vitest";
import { createObjectLog, type ObjectLogOptions } from "../../../src/stores/sqlite/object-log.ts";
import type { SqliteLog } from "../../../src/stores/sqlite/sqlite-log.ts";
import { type StandIn, standIn } from "../../support/object-storage.ts";
import { type OpenDatabase, open } from "../../support/sqlite.ts";

export interface Life {
  readonly log: SqliteLog;
  readonly storage: StandIn;
  readonly database: OpenDatabase;
  readonly clock: FakeClock;
}

export interface LifeOptions extends Partial<Omit<ObjectLogOptions, "clock">> {
  clock?: FakeClock;
  /** Default: one in memory. */
  database?: OpenDatabase;
}

/** Begins a life of an object over a database, which earlier lives may have used. Nothing ends it. */
export function live({ database = open(), clock = fakeClock(), ...options }: LifeOptions = {}): Life {
  const storage = standIn(database);
  const log = createObjectLog(storage, { id: "object", ...options, clock });
  onTestFinished(() => log[Symbol.asyncDispose]());
  return { log, storage, database, clock };
}

/** Returns the statements that write, since the number of them was `from`, each by its first words. */
export function writes({ statements }: StandIn, from = 0): string[] {
  const found = statements.slice(from).map((sql) => /^(INSERT|UPDATE|DELETE)\b.*?\b(tocsin_\w+)/.exec(sql));
  return found.flatMap((match) => (match === null ? [] : [`${match[1]} ${match[2]}`]));
}
