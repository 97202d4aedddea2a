import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { describe } from "../model/errors.ts";
import type { SqliteDatabase } from "../stores/sqlite/database.ts";

/** Opens a file of SQLite to be read. */
export type OpenReadOnly = (path: string) => SqliteDatabase & { close(): void };

type Module = Readonly<Record<string, new (path: string, options: object) => ReturnType<OpenReadOnly>>>;

/** Where a package is looked for. Tests replace them. */
export interface DriverPlaces {
  /** The modules of runtimes. Only the first one that is there is used. */
  readonly modules: readonly (readonly [name: string, exported: string, option: string])[];
  /** Files of the projects in which `better-sqlite3` may be installed. */
  readonly projects: readonly string[];
}

const places: DriverPlaces = {
  modules: [
    ["bun:sqlite", "Database", "readonly"],
    ["node:sqlite", "DatabaseSync", "readOnly"],
  ],
  // The user's project, and that of this command: `npx -p tocsin -p better-sqlite3 tocsin` installs both side by side.
  projects: [join(process.cwd(), "_"), import.meta.url],
};
const fallback = "better-sqlite3";

/**
 * Returns the SQLite of this runtime, or else `better-sqlite3`.
 *
 * @throws {Error} that says what to install, when there is neither
 */
export async function sqliteDriver({ modules, projects }: DriverPlaces = places): Promise<OpenReadOnly> {
  for (const [name, exported, option] of modules) {
    const Database = (await moduleOf(name))?.[exported];
    if (Database !== undefined) return (path) => new Database(path, { [option]: true });
  }
  for (const project of projects) {
    const Database = packageOf(project);
    if (Database !== undefined) return (path) => new Database(path, { readonly: true, fileMustExist: true });
  }
  const advice = `use Node 22.13 or newer, Bun or Deno, or install ${fallback} in this directory`;
  throw new Error(`Cannot read a log: this runtime has no SQLite; ${advice}`);
}

/** Returns a module of the runtime. The name is a variable, so that no other runtime and no bundler looks for it. */
async function moduleOf(name: string): Promise<Module | undefined> {
  const { emitWarning } = process;
  // Some Nodes call their SQLite experimental. What this command uses of it has stayed as it is, so the reader of the
  // output is not told.
  process.emitWarning = ((...args: Parameters<typeof emitWarning>) => {
    if (!String(args[0]).startsWith("SQLite is an experimental")) emitWarning.apply(process, args);
  }) as typeof emitWarning;
  try {
    return await import(name);
  } catch {
    return undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}

function packageOf(project: string): Module[string] | undefined {
  const require = createRequire(project);
  try {
    require.resolve(fallback);
  } catch {
    return undefined;
  }
  try {
    return require(fallback);
  } catch (cause) {
    const [why] = describe(cause).message.split("\n");
    throw new Error(`Cannot load ${fallback}: ${why}. Install it again with this Node`, { cause });
  }
}
