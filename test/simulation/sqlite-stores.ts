import type { Clock } from "../../src/base/clock.ts";
import { type SqliteDatabase, sqliteLog } from "../../src/sqlite.ts";
import { driver, type OpenDatabase } from "../support/sqlite-driver.ts";
import type { Random } from "./random.ts";
import type { Process, Stores } from "./restart-world.ts";

/** Milliseconds after the last beat of a crashed process until the next one may take over: two thirds of the lease. */
const lease = 15_000;

/**
 * Databases in memory, each of which outlives the logs that work with it. A crashed process can do nothing any more, in
 * the middle of a transaction as well: then the transaction is undone.
 */
export const sqliteStores: Stores = () => {
  if (typeof driver === "string") throw new Error(`Cannot simulate with SQLite: ${driver}`);
  const real = driver.open(":memory:");
  return {
    takeover: lease,
    open: (clock, random, died) => processOf(real, clock, random, died),
    close: () => real.close(),
  };
};

function processOf(real: OpenDatabase, clock: Clock, source: Random, died: () => void): Process {
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
  const log = sqliteLog({ database, clock, lease, ttl: Infinity, size: Infinity, bytes: Infinity });
  return {
    log,
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
