import { LogError } from "../../model/errors.ts";
import { stored } from "../text.ts";
import type { SqlPort } from "./database.ts";
import { entriesTable } from "./entries.ts";

/** Brings a database from one format to the next. It runs in a transaction. */
export type FormatStep = (port: SqlPort, fresh: () => string) => void;

/**
 * The steps to each format of a database in a file, in order: the first creates format 1 in an empty database. A step that
 * was released never changes. The tables `tocsin_format` and `tocsin_log` keep the columns that every version reads:
 * `version`, `owner`, `since`, `beat` and `lease`.
 */
export const fileSteps: readonly FormatStep[] = [tablesWith(entriesTable)];

const tables: readonly string[] = [
  "CREATE TABLE tocsin_format (version INTEGER NOT NULL)",
  "INSERT INTO tocsin_format (version) VALUES (0)",
  // One row: who owns the database, and what holds for all channels.
  `CREATE TABLE tocsin_log (
    owner TEXT, since INTEGER, beat INTEGER, lease INTEGER, clean INTEGER NOT NULL,
    base TEXT NOT NULL, lineage TEXT NOT NULL, stamp TEXT NOT NULL
  )`,
  `CREATE TABLE tocsin_channels (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL, stamp TEXT NOT NULL, lineage TEXT NOT NULL, state TEXT, sealed INTEGER NOT NULL,
    size REAL, bytes REAL, ttl REAL, slack REAL,
    top INTEGER NOT NULL, first INTEGER NOT NULL, floor INTEGER NOT NULL, total INTEGER NOT NULL,
    base INTEGER NOT NULL, since INTEGER NOT NULL, used INTEGER NOT NULL, due INTEGER NOT NULL, oldest INTEGER
  )`,
  "CREATE INDEX tocsin_channels_due ON tocsin_channels (due)",
  "CREATE INDEX tocsin_channels_oldest ON tocsin_channels (oldest) WHERE oldest IS NOT NULL",
  ...["writers", "keys"].flatMap((kind) => [
    `CREATE TABLE tocsin_${kind} (
      channel INTEGER NOT NULL, text TEXT NOT NULL, n INTEGER NOT NULL, place INTEGER NOT NULL,
      expires INTEGER NOT NULL, PRIMARY KEY (channel, text)
    ) WITHOUT ROWID`,
    `CREATE INDEX tocsin_${kind}_expires ON tocsin_${kind} (expires)`,
  ]),
  `CREATE TABLE tocsin_held (
    record TEXT PRIMARY KEY, channel TEXT NOT NULL, place INTEGER NOT NULL, epoch TEXT NOT NULL
  ) WITHOUT ROWID`,
];

/** Returns the step that creates the tables of format 1, of which `entries` creates the one with the entries. */
export function tablesWith(entries: string): FormatStep {
  return (port, fresh) => {
    for (const sql of [...tables, entries]) port.rows(sql);
    const columns = "(clean, base, lineage, stamp)";
    port.rows(`INSERT INTO tocsin_log ${columns} VALUES (1, ?, '[]', ?)`, stored(fresh()), stored(fresh()));
  };
}

/** What a database is brought to its newest format with. */
export interface FormatParts {
  readonly port: SqlPort;
  /** Makes an epoch. */
  fresh(): string;
  /** Throws unless no other process owns the database. */
  demandFree(): void;
  /** The steps of this version. */
  readonly steps: readonly FormatStep[];
}

/**
 * Creates the tables of the log, or brings those of an older version to the newest format, in one transaction.
 *
 * @throws {LogError} a lasting one, when a newer version of tocsin has written the database
 */
export function migrate({ port, fresh, demandFree, steps: known }: FormatParts): void {
  if (formatOf(port, known.length) === known.length) return;
  port.write(() => {
    // Another process may have been faster.
    const format = formatOf(port, known.length);
    if (format > 0) demandFree();
    for (const step of known.slice(format)) step(port, fresh);
    if (format < known.length) port.rows("UPDATE tocsin_format SET version = ?", known.length);
  });
}

/**
 * Demands that a database has the format of this version, for somebody who only reads.
 *
 * @throws {LogError} a lasting one, when it has another format, or is no database of a log
 */
export function demandFormat(port: SqlPort, known: readonly FormatStep[] = fileSteps): void {
  const format = formatOf(port, known.length);
  if (format === known.length) return;
  const what =
    format === 0
      ? "it holds no log. Give the file that sqliteLog() writes"
      : `its format ${format} is older than format ${known.length}. Read it with the version of tocsin that has written it`;
  throw new LogError(`Cannot read the database of the log: ${what}`, { lasting: true });
}

function formatOf(port: SqlPort, newest: number): number {
  const [table] = port.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'tocsin_format'");
  if (table === undefined) return 0;
  const version = Number(port.rows("SELECT version FROM tocsin_format")[0]?.version ?? 0);
  if (version <= newest) return version;
  const what = `its format ${version} is newer than format ${newest}, which this version of tocsin knows`;
  throw new LogError(`Cannot use the database of the log: ${what}. Install a newer version`, {
    lasting: true,
  });
}
