import { ignorable } from "../../base/scope.ts";
import { closed, LogError } from "../../model/errors.ts";
import type { HeldRecord, Log, Membership } from "../../model/log.ts";
import { heldIn } from "../core/held-records.ts";
import { type RestoreContext, restoreConfirmed } from "../delivery/restore.ts";
import { backOff, jittered, longer } from "../log/back-off.ts";
import { lastingError } from "../log/log-failure.ts";
import { endLost } from "../runs/lost-run.ts";
import type { RunContext } from "../runs/run-channel.ts";

/** What bringing an inheritance to an end needs. */
export interface InheritanceContext extends RestoreContext, RunContext {}

/** Milliseconds after which it is reported that this process still waits for its place in the log. */
const patience = 2_000;

/**
 * Makes this process a member of its log, if that outlives processes, and brings to an end what processes before it
 * have left: their runs are lost, and their confirmed publications wait on.
 */
export class Inheritance {
  readonly #context: InheritanceContext;
  readonly #log: Log;
  /** Settles once this process is a member. Undefined after that, and for a log without members. */
  joining: Promise<void> | undefined;
  #leaving: AbortController | undefined;

  constructor(context: InheritanceContext, log: Log) {
    this.#context = context;
    this.#log = log;
  }

  /** Called at the first use of the notifier. Until this process is a member, what is published waits. */
  begin(): void {
    if (this.#log.join === undefined) return;
    this.#leaving = new AbortController();
    // Whoever publishes gets a rejection; it has been reported.
    this.joining = ignorable(this.#join(this.#leaving.signal));
  }

  async #join(signal: AbortSignal): Promise<void> {
    const { scope, clock } = this.#context;
    const release = scope.hold("wait", "join the log");
    const quiet = scope.timer("join the log", patience, () => this.#reportWait());
    try {
      for (let wait = backOff.first; ; wait = longer(wait)) {
        try {
          await this.#joinOnce(signal);
          return;
        } catch (error) {
          if (signal.aborted) throw error;
          const lasting = lastingError(error, "join the log");
          if (wait === backOff.first || lasting !== undefined) this.#report(lasting ?? error);
          if (lasting !== undefined) throw lasting;
        }
        await scope.sleep("join the log", jittered(wait, clock), signal);
      }
    } finally {
      quiet();
      release();
    }
  }

  async #joinOnce(signal: AbortSignal): Promise<void> {
    const membership = await this.#log.join?.(
      {
        inherits: (records) => this.#inherit(records),
        lost: (error) => this.#report(error),
      },
      { signal },
    );
    if (membership !== undefined) await this.#joined(membership);
    this.joining = undefined;
  }

  async #joined(membership: Membership): Promise<void> {
    this.#context.records.joined(membership);
    if (membership.nodes !== undefined) await this.#context.nodes.begin(membership);
  }

  #report(error: unknown): void {
    this.#context.report(error, "log", "join the log");
  }

  #reportWait(): void {
    const what =
      "its store does not answer, or takes one process at a time and another one has not closed it";
    this.#report(new LogError(`Cannot write to the log yet: ${what}. What is published waits`));
  }

  #inherit(records: readonly HeldRecord[]): void {
    for (const { record, channel, position } of records) {
      const held = heldIn(record);
      const owner = `what was left of ${channel}`;
      if (held === undefined)
        this.#report(new LogError(`Cannot read ${owner}: another version has written it`));
      else if (held.is === "run")
        this.#context.scope.own("task", owner, endLost(this.#context, channel, record));
      else {
        const waiting = { channel, position, record, expires: held.expires, isEnding: held.isEnding };
        this.#context.scope.own("task", owner, restoreConfirmed(this.#context, waiting));
      }
    }
  }

  /** Ends the wait for the log, and leaves what is held to the next process. */
  async end(): Promise<void> {
    this.#leaving?.abort(closed("join the log"));
    this.#context.nodes.end();
    await this.#context.records.leave();
  }
}
