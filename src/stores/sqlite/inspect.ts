import type { ReadOptions, Slice } from "../../model/log.ts";
import { Bounds } from "../bounds.ts";
import { restored } from "../text.ts";
import { stamped } from "./channel-row.ts";
import { ChannelTable, type NamedRow } from "./channel-table.ts";
import { databasePort, type SqliteDatabase } from "./database.ts";
import { Entries } from "./entries.ts";
import { demandFormat } from "./format.ts";
import { readSlice } from "./read-slice.ts";

/** What a database holds of one channel. */
export interface InspectedChannel {
  readonly channel: string;
  /** Publications kept, and the bytes of their payloads and tags. */
  readonly publications: number;
  readonly bytes: number;
  /** The offset of the oldest publication that is kept, or `top + 1` if none is. */
  readonly first: number;
  readonly top: number;
  readonly epoch: string;
  /** When the newest publication was appended, in milliseconds since the Unix epoch. */
  readonly newest: number;
  readonly sealed: boolean;
  readonly state: string | undefined;
}

/** The process that owns a database, or has not said that it left. */
export interface InspectedOwner {
  readonly id: string;
  /** When it became the owner, and when it was last heard of, in milliseconds since the Unix epoch. */
  readonly since: number;
  readonly beat: number;
  /** Milliseconds for which the database stays with an owner that is silent. */
  readonly lease: number;
}

/** Some channels, and the name after which the next ones follow. */
export interface InspectedBatch {
  readonly channels: readonly InspectedChannel[];
  /** Undefined: there are no more. */
  readonly next: string | undefined;
  /** How many rows were read, with those of reserved channels. */
  readonly rows: number;
}

/** A view of a database that another process may own. It never writes, and owns nothing. */
export interface Inspection {
  /** A number that changes whenever another connection has committed. */
  readonly version: number;
  /** The process that owns the database, if there is one. */
  readonly owner: InspectedOwner | undefined;
  /** The number of rows that reading all channels takes. */
  readonly rows: number;
  /** Returns at most `limit` channels by name, from the one after `after`. Reserved ones are left out. */
  channels(after: string | undefined, limit: number): InspectedBatch;
  /**
   * Reads what the database holds of a channel, whatever its age. Returns undefined for an unknown channel, and for a
   * reserved one.
   */
  read(channel: string, options: ReadOptions): Slice | undefined;
  /** Releases what it holds of the connection, and leaves it open. */
  release(): void;
}

/** Milliseconds for which a lock is waited for: a process that begins or ends has one for a moment. */
const patience = 2_000;
/** The bounds of the log are in the code of its process. Without them, nothing seems to be over. */
const unbounded = new Bounds({ size: Infinity, bytes: Infinity, ttl: Infinity, slack: Infinity });

/**
 * Looks into a database without owning it. The connection may be read-only.
 *
 * Each call sees the database as it is at one moment. Nothing is held between two calls, so that the owner can reuse its
 * write-ahead log.
 *
 * @throws {LogError} when it is no database of a log, or of another format
 */
export function inspect(database: SqliteDatabase): Inspection {
  const port = databasePort(database);
  const entries = new Entries(port);
  const table = new ChannelTable(port, entries, () => unbounded);
  port.rows(`PRAGMA busy_timeout = ${patience}`);
  port.snapshot(() => demandFormat(port));

  const head = () => port.rows("SELECT owner, since, beat, lease, stamp FROM tocsin_log")[0] ?? {};
  /** Returns channels as whoever reads them through the log has them. */
  const current = (rows: readonly NamedRow[]): NamedRow[] => {
    const stamp = restored(head().stamp as string);
    return rows.map(({ name, row }) => ({ name, row: stamped(name, row, stamp) }));
  };

  return {
    get version() {
      return Number(port.rows("PRAGMA data_version")[0]?.data_version);
    },
    get owner() {
      const { owner, since, beat, lease } = head();
      if (typeof owner !== "string") return undefined;
      return { id: owner, since: Number(since), beat: Number(beat), lease: Number(lease) };
    },
    get rows() {
      return table.count();
    },
    channels: (after, limit) =>
      port.snapshot(() => {
        const found = table.after(after, limit);
        const channels = current(found.filter(({ name }) => !isReserved(name)));
        return {
          channels: channels.map(inspected),
          next: found.length < limit ? undefined : found.at(-1)?.name,
          rows: found.length,
        };
      }),
    read: (name, options) =>
      port.snapshot(() => {
        const row = isReserved(name) ? undefined : table.find(name);
        const [channel] = row === undefined ? [] : current([{ name, row }]);
        return channel && readSlice(name, channel.row, options, entries);
      }),
    release: () => port.release(),
  };
}

function inspected({ name: channel, row }: NamedRow): InspectedChannel {
  const { first, top, total, base, used, traits } = row;
  const { epoch, sealed, state } = traits;
  const publications = top + 1 - first;
  return { channel, publications, bytes: total - base, first, top, epoch, newest: used, sealed, state };
}

/** The channels of the engine itself. */
function isReserved(name: string): boolean {
  return name.startsWith("\0");
}
