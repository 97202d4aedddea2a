import type { Position } from "../../model/log.ts";
import { restored, stored } from "../text.ts";
import { continuing } from "./channel-row.ts";
import type { SqlPort } from "./database.ts";
import type { Epochs } from "./epochs.ts";
import type { Head } from "./ownership.ts";

/** The row of the table `tocsin_log`. */
export interface LogRow extends Head {
  readonly owner: string | null;
  readonly since: number;
  /** When the owner was last heard of, on the wall clock. */
  readonly beat: number;
  readonly lease: number;
  /** Whether nothing can have been lost since the last owner. */
  readonly clean: boolean;
}

/** The table `tocsin_log`: one row, with the owner, and with what holds for all channels. */
export class HeadTable {
  readonly #port: SqlPort;
  readonly #epochs: Epochs;

  constructor(port: SqlPort, epochs: Epochs) {
    this.#port = port;
    this.#epochs = epochs;
  }

  /** `isWhole`: an older format has only the columns about the owner. */
  read(isWhole = true): LogRow {
    const [row = {}] = this.#port.rows("SELECT * FROM tocsin_log");
    const text = (column: string): string => (isWhole ? restored(row[column] as string) : "");
    return {
      owner: row.owner as string | null,
      since: Number(row.since),
      beat: Number(row.beat),
      lease: Number(row.lease),
      clean: row.clean !== 0,
      base: text("base"),
      lineage: isWhole ? (JSON.parse(row.lineage as string) as Position[]) : [],
      stamp: text("stamp"),
    };
  }

  /** Writes who owns the database from `now` on. */
  own({ owner, lease, clean }: Pick<LogRow, "owner" | "lease" | "clean">, now: number): void {
    const sql = "UPDATE tocsin_log SET owner = ?, since = ?, beat = ?, lease = ?, clean = ?";
    this.#port.rows(sql, owner, now, now, lease, clean ? 1 : 0);
  }

  /** Gives all channels epochs that continue theirs. */
  renew({ base, lineage }: Head): Head {
    const stamp = this.#epochs.next();
    return this.#write({ base: this.#epochs.next(), lineage: continuing(lineage, base, 0), stamp });
  }

  /** Gives unknown channels an epoch that continues none. */
  rebase({ stamp }: Head): Head {
    return this.#write({ base: this.#epochs.next(), lineage: [], stamp });
  }

  #write(head: Head): Head {
    const sql = "UPDATE tocsin_log SET base = ?, lineage = ?, stamp = ?";
    this.#port.rows(sql, stored(head.base), JSON.stringify(head.lineage), stored(head.stamp));
    return head;
  }
}
