/** The types of Node 20, which the project is checked with, do not have this module: Node has it from 22.13. */
declare module "node:sqlite" {
  import type { SqliteDatabase } from "tocsin/sqlite";

  export interface DatabaseSync extends SqliteDatabase {
    close(): void;
  }
  export const DatabaseSync: new (path: string, options?: { readOnly?: boolean }) => DatabaseSync;
}
