import { entryCost } from "../../model/log.ts";
import { dueAfter, forgottenAt, isEmpty, stamped } from "./channel-row.ts";
import type { NamedRow } from "./channel-table.ts";
import { type Commit, oldestOf, type Tables } from "./commit.ts";
import type { Ownership } from "./ownership.ts";
import { dropped, trimmed } from "./trim.ts";

/** Milliseconds between two rounds of upkeep, unless there is more to do. */
const pause = 250;
/** How many channels, writers and keys are looked at in a round. */
const share = 32;
/** How many steps may be made in a commit to come below `totalBytes`. */
const maxSteps = 128;
/** Milliseconds for which a channel is left alone after it was looked at. */
const rest = 60_000;
const hour = 3_600_000;

/** What upkeep works with. */
export interface UpkeepParts {
  readonly tables: Tables;
  readonly owner: Ownership;
  readonly totalBytes: number;
}

/** Removes what is over in channels that nobody uses, and keeps all of them below `totalBytes`. Commits do a bit of it. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  #next = -Infinity;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  /** Does a share of the upkeep, as a part of a commit. */
  run(commit: Commit): void {
    const { now } = commit;
    this.#bound(commit);
    // The clock may be set back.
    if (now < this.#next && now >= this.#next - pause) return;
    const due = this.#parts.tables.table.dueAt(now, share);
    let isMore = due.length === share;
    for (const named of due) if (!this.#look(commit, named)) isMore = true;
    if (this.#parts.tables.repeats.expire(now, share)) isMore = true;
    if (commit.isForgetful) commit.head = this.#parts.owner.rebase();
    this.#next = isMore ? now : now + pause;
  }

  /** Looks after one channel of which something may be over. Returns whether it is done. */
  #look(commit: Commit, { name, row }: NamedRow): boolean {
    const { owner, tables } = this.#parts;
    const { now } = commit;
    const current = trimmed(stamped(name, row, owner.head.stamp), now, tables.entries);
    const pruned = commit.prune(current, 1);
    const isPruned = pruned.floor === pruned.first;
    const isOver = isEmpty(pruned) && forgottenAt(pruned) <= now;
    if (isOver && isPruned && !this.#isRemembered(name, row.id, now)) {
      commit.forget(name, pruned);
      return true;
    }
    const due = dueAfter(pruned, now, isOver ? hour : rest);
    commit.replace(name, { ...pruned, due: isPruned ? due : now, oldest: oldestOf(pruned) }, row);
    return isPruned;
  }

  /** What keeps the positions of a channel beyond their time. */
  #isRemembered(name: string, id: number, now: number): boolean {
    const { channels, repeats } = this.#parts.tables;
    return channels.known(name)?.isWatched || repeats.hasKeys(id, now);
  }

  /** Trims the oldest entries of all channels until a little less than `totalBytes` is left. */
  #bound(commit: Commit): void {
    const { totalBytes, tables } = this.#parts;
    if (commit.cost > totalBytes) commit.count();
    if (commit.cost <= totalBytes) return;
    const target = totalBytes - totalBytes / 64;
    for (let step = 0; step < maxSteps && commit.cost > target; step++) {
      const [first, second] = tables.table.oldest();
      if (first === undefined) return;
      this.#dropOldest(commit, first, second?.row.oldest ?? Infinity, commit.cost - target);
    }
  }

  /**
   * Trims the channel with the oldest entry, up to the oldest of the others and a little beyond it: one entry at a time
   * would take too long. If it only seemed to have the oldest, says when its oldest was appended.
   */
  #dropOldest(commit: Commit, { name, row }: NamedRow, other: number, excess: number): void {
    const { owner, tables } = this.#parts;
    const { now } = commit;
    let current = trimmed(stamped(name, row, owner.head.stamp), now, tables.entries);
    if (!isEmpty(current)) {
      const { base, first } = current;
      const until = other + Math.max(now - other, 0) / 16;
      current = dropped(current, tables.entries, ({ start, arrived }, offset) => {
        return arrived <= until && start - base + (offset - first) * entryCost < excess;
      });
    }
    const pruned = commit.prune(current, 64);
    commit.replace(name, { ...pruned, oldest: oldestOf(pruned) }, row);
  }
}
