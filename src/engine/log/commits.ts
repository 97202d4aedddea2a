import type { Clock } from "../../base/clock.ts";
import type { Scope } from "../../base/scope.ts";
import { closed } from "../../model/errors.ts";
import type { Log, Position } from "../../model/log.ts";
import type { Waiting } from "./append-queue.ts";
import { backOff, jittered, longer } from "./back-off.ts";
import { lastingError } from "./log-failure.ts";
import type { LogHealth } from "./log-health.ts";

/** Who waits for the commit of an append. */
type Waits = Pick<Waiting, "bytes" | "resolve" | "reject"> & Partial<Pick<Waiting, "steps">>;

/** An append that the log has gathered and not committed yet. */
interface Gathered extends Waits {
  readonly position: Position;
  readonly since: number;
  isWithdrawn: boolean;
  /** Removes the listener from its signal. */
  unlink(): void;
}

/** What commits are created from. */
export interface CommitsParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly scope: Scope;
  readonly health: LogHealth;
  /** Schedules a turn, which calls {@linkcode Commits.run}. */
  schedule(): void;
  onError(error: unknown, owner: string): void;
  /** Called when nothing waits for a commit any more. */
  drained(): void;
}

/**
 * Commits once a turn what a log has gathered, for a log that has `commit`. Until then nothing that depends on it may
 * leave: the log lets nobody read it, and its publishers wait here.
 *
 * A commit that fails is tried again. Everything stays gathered meanwhile.
 */
export class Commits {
  readonly #parts: CommitsParts;
  #items: Gathered[] = [];
  #bytes = 0;
  /** Whether anything was appended or released since the last commit. */
  #hasNews = false;
  #isCommitting = false;
  #wait = backOff.first;
  /** Cancels the pause before the next attempt, while commits fail. */
  #resume: (() => void) | undefined;
  #isFailing = false;
  /** Whether the last commit failed with an error that no retry can fix. */
  #isLost = false;
  #isOver = false;

  constructor(parts: CommitsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#items.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the last commit failed. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** When the oldest append that waits was made. */
  get since(): number | undefined {
    return this.#items[0]?.since;
  }

  /** Settles the publisher's promise once the append is committed, or with the reason of the signal before. */
  add(
    position: Position,
    { bytes, steps, resolve, reject, options }: Waits & { options: { signal?: AbortSignal | undefined } },
  ): void {
    const { scope, clock } = this.#parts;
    const since = clock.now();
    const item = { position, bytes, since, steps, resolve, reject, isWithdrawn: false, unlink() {} };
    item.unlink = scope.link(options.signal, (reason) => {
      item.isWithdrawn = true;
      reject(reason);
    });
    this.#items.push(item);
    this.#bytes += bytes;
    this.touch();
  }

  /** Resolves with the position once the append is committed, or rejects with the reason of the signal before. */
  wait(position: Position, bytes: number, signal: AbortSignal | undefined): Promise<Position> {
    return new Promise((resolve, reject) => {
      this.add(position, { bytes, resolve, reject, options: { signal } });
    });
  }

  /** Called when something was gathered that nobody waits for. */
  touch(): void {
    this.#hasNews = true;
    this.#parts.schedule();
  }

  /** Commits what was gathered, unless a commit is in progress or the last one failed a short time ago. */
  run(): void {
    if (!this.#hasNews || this.#isCommitting || this.#resume !== undefined || this.#isOver) return;
    this.#hasNews = false;
    this.#isCommitting = true;
    const count = this.#items.length;
    let committing: void | Promise<void>;
    try {
      committing = this.#parts.log.commit?.();
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (!(committing instanceof Promise)) {
      this.#done(count);
      return;
    }
    const finishing = committing.then(
      () => this.#done(count),
      (error: unknown) => this.#failed(error),
    );
    this.#parts.scope.own("task", "commit", finishing);
  }

  /** Called when the first `count` appends are committed. */
  #done(count: number): void {
    this.#isCommitting = false;
    this.#isFailing = false;
    this.#isLost = false;
    this.#parts.health.worked("appends");
    this.#wait = backOff.first;
    const items = this.#items.slice(0, count);
    this.#items = this.#items.slice(count);
    for (const { bytes } of items) this.#bytes -= bytes;
    for (const { position, steps, resolve, isWithdrawn, unlink } of items) {
      unlink();
      if (isWithdrawn) continue;
      steps?.appended?.(position);
      resolve(position);
    }
    if (this.#hasNews) this.#parts.schedule();
    if (this.#items.length === 0) this.#parts.drained();
  }

  #failed(error: unknown): void {
    const { clock, scope, health, onError } = this.#parts;
    this.#isCommitting = false;
    const lasting = lastingError(error, "commit to the log");
    health.failed("appends", lasting ?? error);
    if (!this.#isLost && !this.#isOver) onError(lasting ?? error, "commit");
    this.#isFailing = true;
    this.#isLost = lasting !== undefined;
    if (lasting !== undefined) {
      this.#refuse(lasting);
      return;
    }
    this.#hasNews = true;
    this.#resume = scope.timer("commit again", jittered(this.#wait, clock), () => {
      this.#resume = undefined;
      this.run();
    });
    this.#wait = longer(this.#wait);
  }

  #refuse(error: unknown): void {
    const items = this.#items;
    this.#items = [];
    this.#bytes = 0;
    for (const { reject, unlink } of items) {
      unlink();
      reject(error);
    }
    this.#parts.drained();
  }

  /**
   * Rejects what waits. What was rejected must not be committed after that, so then nothing is. Otherwise what is
   * gathered later, such as releases, is still committed.
   */
  end(): void {
    this.#resume?.();
    this.#resume = undefined;
    if (this.#items.length === 0 && !this.#isFailing) return;
    this.#isOver = true;
    this.#refuse(closed("publish"));
  }
}
