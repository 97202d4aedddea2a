import { createRequire } from "node:module";
import { join } from "node:path";
import type { SqliteDatabase } from "../../src/sqlite.ts";

/** A database that a test has opened, of the driver that this runtime has. */
export interface OpenDatabase extends SqliteDatabase {
  exec(sql: string): unknown;
  close(): void;
}

/** A driver of SQLite. */
export interface Driver {
  readonly name: string;
  open(path: string, isReadOnly?: boolean): OpenDatabase;
}

// Specifiers in variables: neither Vitest nor another runtime may look for what only one runtime has.
const [ofBun, ofNode, package3] = ["bun:sqlite", "node:sqlite", "better-sqlite3"];

/** The driver of this runtime, or the reason why there is none. */
export const driver: Driver | string = await find();

async function find(): Promise<Driver | string> {
  if (process.versions.bun !== undefined) {
    const { Database } = await import(ofBun as string);
    const open = (path: string, readonly = false) =>
      new Database(path, readonly ? { readonly } : { create: true, readwrite: true });
    return { name: ofBun as string, open };
  }
  try {
    const { DatabaseSync } = await import(ofNode as string);
    const open = (path: string, readOnly = false) => new DatabaseSync(path, { readOnly });
    return { name: ofNode as string, open };
  } catch {
    return findPackage();
  }
}

function findPackage(): Driver | string {
  const directory = process.env.TOCSIN_BETTER_SQLITE3 ?? ".";
  try {
    const Database = createRequire(join(directory, "_"))(package3 as string);
    const open = (path: string, readonly = false): OpenDatabase => new Database(path, { readonly });
    open(":memory:").close();
    return { name: package3 as string, open };
  } catch {
    return "this runtime has no SQLite: Node has it from 22.13, or with better-sqlite3";
  }
}
