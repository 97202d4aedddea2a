import type { Clock } from "../../src/base/clock.ts";
import type { Log } from "../../src/model/log.ts";
import { type SqliteDatabase, sqliteLog } from "../../src/sqlite.ts";
import { createObjectLog } from "../../src/stores/sqlite/object-log.ts";
import { standIn } from "../support/object-storage.ts";
import { driver, type OpenDatabase } from "../support/sqlite-driver.ts";
import type { Random } from "./random.ts";
import type { Process, Store, Stores } from "./restart-world.ts";

/** Milliseconds after the last beat of a crashed process until the next one may take over: two thirds of the lease. */
const lease = 15_000;

const endless = { ttl: Infinity, size: Infinity, bytes: Infinity };

/** Creates the log of a process. */
type Create = (database: SqliteDatabase, clock: Clock) => Log;

/**
 * Databases in memory, each of which outlives the logs that work with it. A crashed process can do nothing any more, in
 * the middle of a transaction as well: then the transaction is undone.
 */
export const sqliteStores: Stores = () =>
  storeOf(lease, (database, clock) => sqliteLog({ database, clock, lease, ...endless }));

/** The same for the log of an object, each life of which owns its storage at once. */
export const objectStores: Stores = () =>
  storeOf(0, (database, clock) => createObjectLog(standIn(database), { id: "object", clock, ...endless }));

function storeOf(takeover: number, create: Create): Store {
  if (typeof driver === "string") throw new Error(`Cannot simulate with SQLite: ${driver}`);
  const real = driver.open(":memory:");
  return {
    takeover,
    open: (clock, random, died) => processOf({ real, create, clock, source: random, died }),
    close: () => real.close(),
  };
}

interface ProcessParts {
  readonly real: OpenDatabase;
  readonly create: Create;
  readonly clock: Clock;
  readonly source: Random;
  died(): void;
}

function processOf({ real, create, clock, source, died }: ProcessParts): Process {
  let isDead = false;
  /** The number of statements after which the process dies, once it is to die in the middle of its work. */
  let left = Infinity;
  const die = (): void => {
    if (isDead) return;
    isDead = true;
    died();
  };
  const alive = <T>(act: () => T): T => {
    if (left-- <= 0) die();
    if (isDead) throw new Error("The process is dead");
    return act();
  };
  const database: SqliteDatabase = {
    prepare(sql) {
      const statement = real.prepare(sql);
      return {
        ...(statement.reader !== undefined && { reader: statement.reader }),
        all: (...args) => alive(() => statement.all(...args)),
        run: (...args) => alive(() => statement.run(...args)),
      };
    },
  };
  return {
    log: create(database, clock),
    kill(soon) {
      if (soon && source.chance(0.5)) left = source.below(30);
      else die();
    },
    undo() {
      try {
        real.exec("ROLLBACK");
      } catch {} // it was not in the middle of a transaction
    },
  };
}
