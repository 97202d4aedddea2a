import { type SqliteLog, type SqliteLogOptions, sqliteLog } from "tocsin/sqlite";
import type { FakeClock } from "tocsin/testing";
import { fakeClock } from "tocsin/testing";
import { test as base, onTestFinished } from "vitest";
import type { AppendOptions, HeldRecord, Member, Position } from "../../../src/model/log.ts";
import { driver, type OpenDatabase, open } from "../../support/sqlite.ts";

export const hour = 3_600_000;
export const day = 24 * hour;

/** A test that is skipped, with the reason, where there is no SQLite. */
export const test = base.extend<{ sqlite: undefined }>({
  sqlite: [
    async ({ skip }, use) => {
      skip(typeof driver === "string", String(driver));
      await use(undefined);
    },
    { auto: true },
  ],
});

export interface Opened {
  readonly log: SqliteLog;
  readonly database: OpenDatabase;
  readonly clock: FakeClock;
}

export interface Start extends Omit<SqliteLogOptions, "database" | "clock"> {
  clock?: FakeClock;
  /** Default: one in the file at `path`, or else in memory. */
  database?: OpenDatabase;
  path?: string;
}

/** Opens a database and creates a log in it, which is disposed after the test. */
export function start({ path, ...options }: Start = {}): Opened {
  const clock = options.clock ?? fakeClock();
  const database = options.database ?? open(path);
  const log = sqliteLog({ ...options, database, clock });
  onTestFinished(() => log[Symbol.asyncDispose]());
  return { log, database, clock };
}

/** Disposes a log, closes its database, and opens both again. */
export async function restart(
  { log, database, clock }: Opened,
  options: Start & { path: string },
): Promise<Opened> {
  await log[Symbol.asyncDispose]();
  database.close();
  return start({ clock, ...options });
}

/** Appends without a commit. */
export function gather(
  log: SqliteLog,
  channel: string,
  data: string,
  options: Partial<AppendOptions> = {},
): Position {
  return log.append(channel, data, { time: 0, ...options });
}

/** Appends and commits. */
export function append(
  log: SqliteLog,
  channel: string,
  data: string,
  options: Partial<AppendOptions> = {},
): Position {
  const position = gather(log, channel, data, options);
  log.commit();
  return position;
}

export function fill(log: SqliteLog, channel: string, count: number, data = "1"): void {
  for (let index = 0; index < count; index++) gather(log, channel, data);
  log.commit();
}

export function offsets(log: SqliteLog, channel: string): number[] {
  return log.read(channel, {}).entries.map(({ offset }) => offset);
}

export function payloads(log: SqliteLog, channel: string): string[] {
  return log.read(channel, {}).entries.map(({ data }) => data);
}

/** Returns what a call throws. */
export function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("Expected an error");
}

/** Returns what a promise rejects with. */
export function rejected(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => Promise.reject(new Error("Expected a rejection")),
    (error: unknown) => error,
  );
}

/** Returns rows of the database, as plain objects. */
export function rows(database: OpenDatabase, sql: string): Record<string, unknown>[] {
  return database
    .prepare(sql)
    .all()
    .map((row) => ({ ...(row as object) }));
}

export function count(database: OpenDatabase, table: string): unknown {
  return rows(database, `SELECT count(*) AS count FROM tocsin_${table}`)[0]?.count;
}

/** A member that records what it is told. */
export interface Recorder extends Member {
  readonly records: HeldRecord[];
  readonly losses: Error[];
}

export function recorder(): Recorder {
  const records: HeldRecord[] = [];
  const losses: Error[] = [];
  return {
    records,
    losses,
    inherits: (given) => void records.push(...given),
    lost: (error) => void losses.push(error),
  };
}
