import type { Clock } from "../../base/clock.ts";
import { boundsByName } from "../bounds.ts";
import { createDatabaseLog } from "./database-log.ts";
import type { SqliteLog } from "./sqlite-log.ts";
export function createObjectLog(
  storage: any,
  { clock }: { id: string; clock: Clock; [x: string]: unknown },
): SqliteLog {
  const rows = (q: string, ...v: unknown[]) => storage.sql.exec(q, ...v).toArray();
  const port: any = {
    broken: undefined,
    open() {},
    sync() {},
    rows,
    write: (w: any) => storage.transactionSync(w),
    snapshot: (w: any) => w(),
    release() {},
  };
  const d = { size: 1000, bytes: 1048576, ttl: 86400000, slack: 8388608 };
  return createDatabaseLog({
    port,
    boundsOf: boundsByName(d, d),
    totalBytes: 1e9,
    durability: "process",
    lease: 15000,
    clock,
  });
}
