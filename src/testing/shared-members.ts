import type { Clock } from "../base/clock.ts";
import type { HeldRecord } from "../model/log.ts";

/** A record, and who holds it. */
interface Held {
  readonly held: HeldRecord;
  /** The id of a member. Undefined while nobody is there to inherit the record. */
  readonly node: string | undefined;
  /** Whether the member has been told that it holds the record. */
  readonly isTold: boolean;
}

/** What members are created from. */
export interface SharedMembersParts {
  readonly clock: Pick<Clock, "now">;
  readonly lease: number;
  /** Called for a member that has inherited records. */
  inherited(id: string): void;
}

/**
 * The members of a shared store, and what they hold.
 *
 * A member that was silent for its lease is taken for gone. Silence is counted between the signs of life of all
 * members, a third of the lease at most from one to the next. So while all are silent, because the store stands still
 * or nobody reaches it, nobody's silence counts.
 */
export class SharedMembers {
  readonly #parts: SharedMembersParts;
  /** When each member was last heard, on `#counted`. Who joined first comes first. */
  #members = new Map<string, number>();
  #gone = new Set<string>();
  #records = new Map<string, Held>();
  /** The time of which silence is counted, and when it was last moved on. */
  #counted = 0;
  #heard: number;

  /** `from` is what the members begin with: those of an earlier moment. */
  constructor(parts: SharedMembersParts, from?: SharedMembers) {
    this.#parts = parts;
    this.#heard = parts.clock.now();
    if (from === undefined) return;
    this.#members = new Map(from.ids.map((id) => [id, this.#counted]));
    this.#gone = new Set(from.#gone);
    this.#records = new Map(from.#records);
  }

  /** The ids of all members that are not taken for gone, who joined first before the others. */
  get ids(): string[] {
    return [...this.#members.keys()];
  }

  get records(): { readonly held: HeldRecord; readonly node: string | undefined }[] {
    return [...this.#records.values()];
  }

  /** Returns members that are the same now, and are not changed together with these. */
  copy(): SharedMembers {
    return new SharedMembers(this.#parts, this);
  }

  isGone(id: string): boolean {
    return this.#gone.has(id);
  }

  /**
   * Called at each sign of life of a member. Takes those for gone that were silent for too long. A member that is not
   * known enters: the store has lost it, or it joins. Returns false for one that is taken for gone itself.
   */
  hear(id: string): boolean {
    if (this.#gone.has(id)) return false;
    const { clock, lease } = this.#parts;
    const now = clock.now();
    this.#counted += Math.min(now - this.#heard, lease / 3);
    this.#heard = now;
    const isNew = !this.#members.has(id);
    this.#members.set(id, this.#counted);
    const silent = [...this.#members].filter(([, heard]) => this.#counted - heard >= lease);
    for (const [silentId] of silent) this.#remove(silentId);
    if (isNew || silent.length > 0) this.#handOver();
    return true;
  }

  /** Takes a member for gone at once. */
  leave(id: string): void {
    this.#remove(id);
    this.#handOver();
  }

  #remove(id: string): void {
    this.#members.delete(id);
    this.#gone.add(id);
  }

  /** Gives what no member holds to the one that has lived longest. */
  #handOver(): void {
    const [heir] = this.#members.keys();
    if (heir === undefined) return;
    let hasMore = false;
    for (const [record, { held, node }] of this.#records) {
      if (node !== undefined && this.#members.has(node)) continue;
      this.#records.set(record, { held, node: heir, isTold: false });
      hasMore = true;
    }
    if (hasMore) this.#parts.inherited(heir);
  }

  /** Returns what a member has inherited and was not told about. */
  take(id: string): HeldRecord[] {
    const news = [...this.#records.values()].filter(({ node, isTold }) => node === id && !isTold);
    for (const each of news) this.#records.set(each.held.record, { ...each, isTold: true });
    return news.map(({ held }) => held);
  }

  /** Holds a record for a member. One that is held is left as it is. */
  hold(id: string, held: HeldRecord): void {
    if (!this.#records.has(held.record)) this.#records.set(held.record, { held, node: id, isTold: true });
  }

  /** Releases a record. One that the member does not hold is left as it is. */
  release(id: string, record: string): void {
    if (this.#records.get(record)?.node === id) this.#records.delete(record);
  }
}
