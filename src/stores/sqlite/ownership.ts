import type { LogError } from "../../model/errors.ts";
import type { Position } from "../../model/log.ts";
import type { SqlPort } from "./database.ts";
import type { Epochs } from "./epochs.ts";

/** What holds for all channels of a database. */
export interface Head {
  /** What the epoch of a channel is made of that the database does not have, and those that it continues. */
  readonly base: string;
  readonly lineage: readonly Position[];
  /** The epochs of channels with another stamp are over. */
  readonly stamp: string;
}

/** What an ownership is created from. */
export interface OwnershipParts {
  readonly port: SqlPort;
  readonly epochs: Epochs;
  /** Is called with whether another process may have written to the database before. */
  onAcquired(isUsed: boolean): void;
  onLost(error: LogError): void;
}

/** Who may write to the database. All calls throw a `LogError` when the database fails. */
export interface Ownership {
  /** A name that no other owner ever has. Empty before the first call of `acquire`. */
  readonly id: string;
  /** Why the database was lost to another process. */
  readonly lost: LogError | undefined;
  readonly isOwner: boolean;
  /** Whether nobody else can have written since this process last looked, so that what it remembers is true. */
  readonly isSure: boolean;
  /** Milliseconds after which `acquire` is worth another try. Undefined: what fails is for the caller to try again. */
  readonly retryAfter: number | undefined;
  /** What holds for all channels. Only the owner sets it, to what `rebase` has written. */
  head: Head;
  /** Makes this process the owner, unless another one is. */
  acquire(): boolean;
  /**
   * Makes this process the owner.
   *
   * @throws {LogError} when another process is, or when this one was and was taken for gone
   */
  demand(): void;
  /** @throws {LogError} when any process owns the database */
  demandFree(): void;
  /**
   * Looks in a transaction whether this process is still the owner.
   *
   * @throws {LogError} a lasting one, which is `lost` then, when another process is
   */
  fence(): void;
  /** Gives unknown channels another epoch, after channels were forgotten. It runs in a transaction. */
  rebase(): Head;
  /** Gives all channels epochs that continue theirs: at once if this process is the owner, or when it becomes it. */
  renew(): void;
  /** Leaves the database to others. */
  release(): void;
  /** Ends the ownership after it was lost. */
  lose(): void;
}
