import { ignorable } from "../../base/scope.ts";
import { closed, describe, LogError } from "../../model/errors.ts";
import type { HeldRecord, Log, Membership } from "../../model/log.ts";
import { type Close, closes } from "../../wire/protocol.ts";
import { heldIn } from "../core/held-records.ts";
import { type RestoreContext, restoreConfirmed } from "../delivery/restore.ts";
import { lastingError } from "../log/log-failure.ts";
import { tryAgain } from "../log/try-again.ts";
import { LostRuns } from "../runs/lost-runs.ts";
import type { RunContext } from "../runs/run-channel.ts";
import { Renewal, type RenewalContext } from "./renewal.ts";

/** What a place in the log, and bringing an inheritance to an end, need. */
export interface InheritanceContext extends RestoreContext, RunContext, RenewalContext {
  readonly runs: RenewalContext["runs"] & { lose(error: Error): void };
  readonly sessions: Iterable<{ close(why: Close): void }>;
}

/** The place of this process among those that work with its log. */
interface Place {
  /** Why the log has taken this process for gone. */
  lost: Error | undefined;
}

/** Milliseconds after which it is reported that this process still waits for its place in the log. */
const patience = 2_000;

/**
 * Makes this process a member of its log, if that outlives processes, and brings to an end what processes before it
 * have left: their runs are lost, and their confirmed publications wait on.
 *
 * If the log takes this process for gone, others do the same with what it has begun. It then joins again, if it may.
 */
export class Inheritance {
  readonly #context: InheritanceContext;
  readonly #log: Log;
  readonly #renewal: Renewal;
  readonly #lostRuns: LostRuns;
  /** Settles once this process is a member. Undefined after that, and for a log without members. */
  joining: Promise<void> | undefined;
  #leaving: AbortController | undefined;
  /** The records that are being brought to an end, and the place in which they were inherited. */
  readonly #inherited = new Map<string, Place>();
  #isForeignReported = false;

  constructor(context: InheritanceContext, log: Log) {
    this.#context = context;
    this.#log = log;
    this.#lostRuns = new LostRuns(context);
    this.#renewal = new Renewal(context, this.#lostRuns);
  }

  /** Called at the first use of the notifier. Until this process is a member, what is published waits. */
  begin(): void {
    if (this.#log.join === undefined) return;
    this.#leaving = new AbortController();
    this.#context.nodes.usedAt = this.#context.clock.time();
    this.#enter(this.#leaving.signal);
  }

  #enter(signal: AbortSignal): void {
    // Whoever publishes gets a rejection; it has been reported.
    this.joining = ignorable(this.#join(signal));
  }

  async #join(signal: AbortSignal): Promise<void> {
    const { scope } = this.#context;
    const release = scope.hold("wait", "join the log");
    const quiet = scope.timer("join the log", patience, () => this.#reportWait());
    try {
      let place: Place | undefined;
      while (place === undefined || place.lost !== undefined) {
        const entered: Place = { lost: undefined };
        place = entered;
        const membership = await this.#again(signal, () => this.#joinOnce(entered, signal));
        if (membership !== undefined) await this.#again(signal, () => this.#joined(entered, membership));
        if (lastingError(entered.lost, "join the log") !== undefined) throw entered.lost;
      }
      this.joining = undefined;
    } finally {
      quiet();
      release();
    }
  }

  /** Tries something until it succeeds, or until no retry can help. */
  #again<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    const attempt = async (): Promise<T> => {
      try {
        return await act();
      } catch (error) {
        const lasting = signal.aborted ? undefined : lastingError(error, "join the log");
        if (lasting !== undefined) this.#report(lasting);
        throw lasting ?? error;
      }
    };
    return tryAgain(this.#context, "join the log", attempt, signal);
  }

  async #joinOnce(place: Place, signal: AbortSignal): Promise<Membership | undefined> {
    return this.#log.join?.(
      {
        inherits: (records) => this.#inherit(place, records),
        lost: (error) => this.#lost(place, error),
        renewed: () => this.#renewal.begin(),
      },
      { signal },
    );
  }

  async #joined(place: Place, membership: Membership): Promise<void> {
    const { records, nodes } = this.#context;
    if (place.lost === undefined) records.joined(membership);
    try {
      if (place.lost === undefined && membership.nodes !== undefined) await nodes.begin(membership);
    } catch (error) {
      nodes.end({ isForGood: false });
      if (place.lost === undefined) throw error;
    }
    if (place.lost !== undefined) nodes.end({ isForGood: false });
  }

  #report(error: unknown): void {
    this.#context.report(error, "log", "join the log");
  }

  #reportWait(): void {
    const what =
      "its store does not answer, or takes one process at a time and another one has not closed it";
    this.#report(new LogError(`Cannot write to the log yet: ${what}. What is published waits`));
  }

  /** Lets go of everything that others have inherited now. */
  #lost(place: Place, error: Error): void {
    const { records, nodes, runs, ledger, sessions } = this.#context;
    if (place.lost !== undefined || this.#leaving?.signal.aborted !== false) return;
    const lasting = lastingError(error, "work with the log");
    place.lost = lasting ?? error;
    const next = lasting === undefined ? "joins it again" : "closes its sessions. Create a new notifier";
    const what = "Runs and confirmed publications of this process go to others, and it";
    const message = `Lost the place in the log: ${describe(error).message}. ${what} ${next}`;
    this.#report(new LogError(message, { cause: error, lasting: lasting !== undefined }));
    records.lost(lasting !== undefined);
    nodes.end({ isForGood: lasting !== undefined });
    runs.lose(error);
    this.#lostRuns.clear();
    ledger.disown();
    if (lasting !== undefined) for (const session of [...sessions]) session.close(closes.internal);
    else if (this.joining === undefined) this.#enter(this.#leaving.signal);
  }

  #inherit(place: Place, records: readonly HeldRecord[]): void {
    // Nothing is published any more while this process closes: whoever is next inherits it.
    if (this.#context.flushing) return;
    for (const each of records) {
      const { record, channel } = each;
      if (this.#inherited.get(record) === place) continue;
      this.#inherited.set(record, place);
      this.#context.scope.own("task", `what was left of ${channel}`, this.#end(place, each));
    }
  }

  /** Brings something to an end. What another version has written is left alone: it is held until such a one comes. */
  async #end(place: Place, { record, channel, position }: HeldRecord): Promise<void> {
    const context = this.#context;
    const held = heldIn(record);
    // Others have it if this process is taken for gone before it is done.
    const isOver = (): boolean => place.lost !== undefined;
    try {
      let isKnown = held !== undefined;
      if (held?.is === "run") isKnown = await this.#lostRuns.end({ record, channel, position });
      else if (held?.is === "confirmed") {
        const { expires, isEnding } = held;
        await restoreConfirmed(context, { channel, position, record, expires, isEnding, isOver });
      }
      if (!isKnown) this.#leave(channel);
    } finally {
      if (this.#inherited.get(record) === place) this.#inherited.delete(record);
    }
  }

  #leave(channel: string): void {
    this.#context.counters.hit("messages");
    if (this.#isForeignReported) return;
    this.#isForeignReported = true;
    this.#report(new LogError(`Cannot read what was left of ${channel}: another version has written it`));
  }

  /** Ends the wait for the log, and leaves what is held to the next process. */
  async end(): Promise<void> {
    this.#leaving?.abort(closed("join the log"));
    this.#context.nodes.end({ isForGood: true });
    await this.#context.records.leave();
  }
}
