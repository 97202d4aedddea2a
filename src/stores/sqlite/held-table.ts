import type { HeldRecord, Position } from "../../model/log.ts";
import { restored, stored } from "../text.ts";
import type { SqlPort } from "./database.ts";

/** The table of the records that the owner of the database holds. */
export class HeldTable {
  readonly #port: SqlPort;

  constructor(port: SqlPort) {
    this.#port = port;
  }

  add(record: string, channel: string, { offset, epoch }: Position): void {
    const sql = "INSERT OR REPLACE INTO tocsin_held (record, channel, place, epoch) VALUES (?, ?, ?, ?)";
    this.#port.rows(sql, stored(record), stored(channel), offset, stored(epoch));
  }

  remove(record: string): void {
    this.#port.rows("DELETE FROM tocsin_held WHERE record = ?", stored(record));
  }

  all(): HeldRecord[] {
    return this.#port.rows("SELECT record, channel, place, epoch FROM tocsin_held").map((row) => ({
      record: restored(row.record as string),
      channel: restored(row.channel as string),
      position: { offset: Number(row.place), epoch: restored(row.epoch as string) },
    }));
  }
}
