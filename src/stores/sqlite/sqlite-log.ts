import type {
  AppendOptions,
  Log,
  Member,
  Membership,
  Position,
  ReadOptions,
  Retention,
  Slice,
  WakeHint,
} from "../../model/log.ts";

/** A log in a database of SQLite. */
export interface SqliteLog extends Log {
  /** Gathers a publication, and returns the position that it has once it is committed; see `Log`. */
  append(channel: string, data: string, options: AppendOptions): Position;
  /** Reads what is committed; see `Log`. */
  read(channel: string, options: ReadOptions): Slice;
  /** Calls `wake` after every commit of something in the channel; see `Log`. */
  watch(channel: string, wake: (hint?: WakeHint) => void): AsyncDisposable;
  /** Returns how much is kept of a channel. */
  keeps(channel: string): Retention;
  /** Writes all that was appended and released since the last commit in one transaction; see `Log`. */
  commit(): void;
  /** Waits until this process owns the database; see `Log`. */
  join(member: Member, options?: { signal?: AbortSignal | undefined }): Promise<Membership>;
  /** About how many bytes the log holds in this process: what is gathered, and the channels that it knows. */
  readonly bytes: number;
  /**
   * Gives every channel an epoch that continues its present one. Call it for a database that was restored from a copy:
   * positions that were given out after the copy was made are then recognised, as explicit gaps. Positions that the
   * copy has stay valid.
   *
   * It takes effect at once if the log owns the database, after a commit. Otherwise it does when the log becomes the
   * owner, by `join` or by the first append.
   *
   * @throws {LogError} when the database fails
   * @throws {ClosedError} when the log is closed
   */
  renew(): void;
}
