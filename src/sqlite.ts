/**
 * A log that keeps its channels in a database of SQLite: of `node:sqlite`, `bun:sqlite` or `better-sqlite3`.
 *
 * @module
 */

export type { Bound } from "./stores/bounds.ts";
export type { SqliteDatabase, SqliteStatement, SqlValue } from "./stores/sqlite/database.ts";
export { type SqliteLogOptions, sqliteLog } from "./stores/sqlite/options.ts";
export type { SqliteLog } from "./stores/sqlite/sqlite-log.ts";
