import type { Clock } from "../../base/clock.ts";
import { stored } from "../text.ts";
import { HeadTable } from "./head-table.ts";
import type { Head, Ownership, OwnershipParts } from "./ownership.ts";

/** What a sole ownership is created from. */
export interface SoleOwnershipParts extends OwnershipParts {
  readonly clock: Clock;
  /** The name of the only one that ever uses the database, however often it begins anew. */
  readonly name: string;
}

/**
 * The ownership of a database that nobody else can open, as that of a Durable Object. A new life of the owner has it at
 * once: the platform lets nothing of an earlier one write any more. So nothing is waited for, and no timer is set. The
 * database names its owner, which is written once. If it names another one, it is a copy.
 */
export class SoleOwnership implements Ownership {
  readonly #parts: SoleOwnershipParts;
  readonly #table: HeadTable;
  #head: Head | undefined;
  id = "";
  readonly lost = undefined;
  readonly isSure = true;
  readonly retryAfter = undefined;

  constructor(parts: SoleOwnershipParts) {
    this.#parts = parts;
    this.#table = new HeadTable(parts.port, parts.epochs);
  }

  get isOwner(): boolean {
    return this.#head !== undefined;
  }

  get head(): Head {
    return this.#head ?? this.#acquire();
  }

  set head(head: Head) {
    this.#head = head;
  }

  acquire(): boolean {
    void this.head;
    return true;
  }

  #acquire(): Head {
    const { port, epochs, name, onAcquired } = this.#parts;
    const row = this.#table.read();
    const owner = stored(name);
    const head = row.owner === owner ? row : port.write(() => this.#take(owner));
    this.id = epochs.next();
    this.#head = head;
    onAcquired(false);
    return head;
  }

  /** The epochs of a copy go on where it was made, so that they are over here. */
  #take(owner: string): Head {
    const { clock } = this.#parts;
    const row = this.#table.read();
    this.#table.own({ owner, lease: 0, clean: true }, clock.time());
    return row.since > 0 ? this.#table.renew(row) : row;
  }

  demand(): void {
    this.acquire();
  }

  demandFree(): void {}

  fence(): void {}

  rebase(): Head {
    return this.#table.rebase(this.head);
  }

  renew(): void {
    const { head } = this;
    this.#head = this.#parts.port.write(() => this.#table.renew(head));
  }

  release(): void {
    this.#head = undefined;
  }

  lose(): void {}
}
