import type { Position, Retention } from "../../model/log.ts";
import type { Bounds } from "../bounds.ts";
import { restored, stored } from "../text.ts";
import type { ChannelRow, Traits } from "./channel-row.ts";
import type { SqlPort, SqlRow, SqlValue } from "./database.ts";
import type { EntryStore } from "./entry-store.ts";

/** A row with the name of its channel. */
export interface NamedRow {
  readonly name: string;
  readonly row: ChannelRow;
}

/** The highest id of a channel. It and an offset make up the id of an entry. */
const maxId = 2 ** 32 - 1;
const endless: Retention = { size: Infinity, bytes: Infinity, ttl: Infinity, slack: Infinity };
const bounds = ["size", "bytes", "ttl", "slack"] as const;
const traits = ["epoch", "stamp", "lineage", "state", "sealed", ...bounds];
const numbers = ["top", "first", "floor", "total", "base", "since", "used"] as const;
const times = ["due", "oldest"] as const;

const columns = ["id", "name", ...traits, ...numbers, ...times];
// Each index whose column is named is written, even with the value that it has: so a statement names what has changed.
const updates = [...Array(16).keys()].map((changed) => {
  const parts = [numbers, ["due"], ["oldest"], traits].filter((_, bit) => (changed & (1 << bit)) !== 0);
  return `UPDATE tocsin_channels SET ${parts.flat().map((name) => `${name} = ?`)} WHERE id = ?`;
});
const insert = `INSERT INTO tocsin_channels (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;

/** The table of channels. */
export class ChannelTable {
  readonly #port: SqlPort;
  readonly #boundsOf: (channel: string) => Bounds;
  readonly #entries: EntryStore;
  #nextId = 1;

  /** `boundsOf` returns the bounds that hold for a channel where its own retention says nothing. */
  constructor(port: SqlPort, entries: EntryStore, boundsOf: (channel: string) => Bounds) {
    this.#port = port;
    this.#entries = entries;
    this.#boundsOf = boundsOf;
  }

  /** Finds out which id comes next. */
  begin(): void {
    const [row] = this.#port.rows("SELECT max(id) AS id FROM tocsin_channels");
    this.#nextId = Number(row?.id ?? 0) + 1;
  }

  find(name: string): ChannelRow | undefined {
    const [row] = this.#port.rows("SELECT * FROM tocsin_channels WHERE name = ?", stored(name));
    return row && this.#row(name, row);
  }

  count(): number {
    return Number(this.#port.rows("SELECT count(*) AS count FROM tocsin_channels")[0]?.count);
  }

  /** Returns the channels whose names follow `name` in the table, in order. Undefined: from the first one. */
  after(name: string | undefined, limit: number): NamedRow[] {
    const where = name === undefined ? "" : "WHERE name > ?";
    const sql = `SELECT * FROM tocsin_channels ${where} ORDER BY name LIMIT ?`;
    const values = name === undefined ? [limit] : [stored(name), limit];
    return this.#port.rows(sql, ...values).map(this.#named);
  }

  /** Returns the channels of which something may be over, those that wait longest first. */
  dueAt(now: number, limit: number): NamedRow[] {
    const sql = "SELECT * FROM tocsin_channels WHERE due <= ? ORDER BY due LIMIT ?";
    return this.#port.rows(sql, now, limit).map(this.#named);
  }

  /** Returns the two channels that may have the oldest entries. */
  oldest(): NamedRow[] {
    const sql = "SELECT * FROM tocsin_channels WHERE oldest IS NOT NULL ORDER BY oldest LIMIT 2";
    return this.#port.rows(sql).map(this.#named);
  }

  /** Writes a channel for the first time. Returns its row with an id. */
  add(name: string, row: ChannelRow): ChannelRow {
    const added = { ...row, id: this.#freeId() };
    const values = [...traitValues(row.traits), ...numberValues(row), row.due, row.oldest];
    this.#port.rows(insert, added.id, stored(name), ...values);
    return added;
  }

  /** Writes what has changed since `before`. */
  update(row: ChannelRow, before: ChannelRow): void {
    const { due, oldest } = row;
    const values: SqlValue[] = [];
    let changed = 0;
    if (numbers.some((name) => row[name] !== before[name])) changed += values.push(...numberValues(row)) && 1;
    if (due !== before.due) changed += values.push(due) && 2;
    if (oldest !== before.oldest) changed += values.push(oldest) && 4;
    if (row.traits !== before.traits) changed += values.push(...traitValues(row.traits)) && 8;
    if (changed > 0) this.#port.rows(updates[changed] as string, ...values, row.id);
  }

  remove(id: number): void {
    this.#port.rows("DELETE FROM tocsin_channels WHERE id = ?", id);
  }

  /** Ids rise, so that most are free. After four billion channels they begin again. */
  #freeId(): number {
    for (;;) {
      if (this.#nextId > maxId) this.#nextId = 1;
      const id = this.#nextId++;
      if (this.#port.rows("SELECT 1 FROM tocsin_channels WHERE id = ?", id).length === 0) return id;
    }
  }

  readonly #named = (row: SqlRow): NamedRow => {
    const name = restored(row.name as string);
    try {
      return { name, row: this.#row(name, row) };
    } catch {
      // A function of the user fails for this channel. It must not fail the commit of others.
      return { name, row: this.#row(name, row, endless) };
    }
  };

  #row(name: string, row: SqlRow, retention?: Retention): ChannelRow {
    const given = givenIn(row);
    const number = (column: string): number => Number(row[column]);
    return this.#entries.complete({
      id: number("id"),
      traits: {
        epoch: restored(row.epoch as string),
        stamp: restored(row.stamp as string),
        lineage: JSON.parse(row.lineage as string) as Position[],
        given,
        state: row.state === null ? undefined : restored(row.state as string),
        sealed: number("sealed") === 1,
      },
      retention: retention ?? this.#boundsOf(name).with(name, given),
      top: number("top"),
      first: number("first"),
      floor: number("floor"),
      total: number("total"),
      base: number("base"),
      since: number("since"),
      used: number("used"),
      due: number("due"),
      oldest: row.oldest === null ? null : number("oldest"),
    });
  }
}

function numberValues(row: ChannelRow): SqlValue[] {
  return [row.top, row.first, row.floor, row.total, row.base, row.since, row.used];
}

function traitValues({ epoch, stamp, lineage, state, sealed, given }: Traits): SqlValue[] {
  const texts = [stored(epoch), stored(stamp), JSON.stringify(lineage)];
  const own = bounds.map((name) => boundValue(given[name]));
  return [...texts, state === undefined ? null : stored(state), sealed ? 1 : 0, ...own];
}

/** Not every driver can store Infinity. */
function boundValue(bound: number | undefined): SqlValue {
  if (bound === undefined) return null;
  return bound === Infinity ? -1 : bound;
}

function givenIn(row: SqlRow): Partial<Retention> {
  const given: Partial<Retention> = {};
  for (const name of bounds) {
    const value = row[name];
    if (value !== null) given[name] = value === -1 ? Infinity : Number(value);
  }
  return given;
}
