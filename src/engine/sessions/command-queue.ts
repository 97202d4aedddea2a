import type { Command } from "../../wire/protocol.ts";
import type { Limits } from "../core/limits.ts";

/** The limits on what a peer sends. */
export type CommandLimit = "commands" | "commandChars" | "commandTotalChars" | "rate";

/** The state that the command queues of all sessions share. */
export interface CommandQueues {
  readonly limits: Limits;
  /** Characters of the waiting commands of all sessions. */
  chars: number;
}

/** A command that waits to be answered. */
interface Waiting {
  command: Command;
  /** Its share of the characters of the message that it came in. */
  chars: number;
  /** Whether the command is over the session's rate, and is answered with an error. */
  isOver: boolean;
}

/**
 * The waiting commands of one session, and the rate limit of the session.
 *
 * The rate limit is a token bucket: it holds `burst` commands when it is full, and gains `rate` commands per second. A
 * command above it is answered with an error. After another `burst` of such commands the session is closed, because the
 * client ignores the errors.
 */
export class CommandQueue {
  readonly #all: CommandQueues;
  /** Undefined while no command waits, which is most of the time. */
  #waiting: Waiting[] | undefined;
  /**
   * The number of commands that count for `limits.commands`: those that wait, and those that are answered ahead of the
   * queue (see `hold`). Commands that publish do not count, because they wait for the pace of publishing.
   */
  #count = 0;
  #chars = 0;
  /**
   * The tokens of the bucket, in thousandths of a command. A millisecond then adds a whole number, which V8 stores
   * without a heap object.
   */
  #allowance: number;
  #at: number;

  constructor(all: CommandQueues, now: number) {
    this.#all = all;
    this.#allowance = all.limits.burst * 1_000;
    this.#at = now;
  }

  /** When the session last sent a command, on the clock's `now`, or when it began. */
  get at(): number {
    return this.#at;
  }

  /** Characters of the session's waiting commands. */
  get chars(): number {
    return this.#chars;
  }

  /** Takes tokens for a number of commands. Returns whether the rate is exceeded. */
  charge(commands: number, now: number): boolean {
    const { rate, burst } = this.#all.limits;
    this.#allowance = Math.min(burst * 1_000, this.#allowance + (now - this.#at) * rate) - commands * 1_000;
    this.#at = now;
    return this.#allowance < 0;
  }

  /** Adds a command to the queue. `chars` is its share of the message. */
  add(command: Command, chars: number, now: number): void {
    const isOver = this.charge(1, now);
    this.#waiting ??= [];
    this.#waiting.push({ command, chars, isOver });
    if (command.method !== "publish") this.#count++;
    this.#weigh(chars);
  }

  /** Counts a command that is answered ahead of the queue, until `release`. */
  hold(chars: number): void {
    this.#count++;
    this.#weigh(chars);
  }

  release(chars: number): void {
    this.#count--;
    this.#weigh(-chars);
    this.#tidy();
  }

  #weigh(chars: number): void {
    this.#chars += chars;
    this.#all.chars += chars;
  }

  /**
   * Resets the character count when nothing waits. Shares of a message are fractions, and their rounding errors add up.
   */
  #tidy(): void {
    if (this.#waiting?.length === 0) this.#waiting = undefined;
    if (this.#waiting === undefined && this.#count === 0) this.#weigh(-this.#chars);
  }

  /** The next command. It stays in the queue. */
  get first(): Command | undefined {
    return this.#waiting?.[0]?.command;
  }

  next(): Waiting | undefined {
    const next = this.#waiting?.shift();
    if (next === undefined) return undefined;
    this.#weigh(-next.chars);
    if (next.command.method !== "publish") this.#count--;
    this.#tidy();
    return next;
  }

  /** Returns whether an `unsubscribe` for this channel waits in the queue. */
  isQuitting(channel: string): boolean {
    return (
      this.#waiting?.some(
        ({ command: { method, params } }) => method === "unsubscribe" && params.channel === channel,
      ) === true
    );
  }

  /**
   * The limit for which the session must be closed, if any.
   *
   * A session may use at most as many of `commandTotalChars` as are left free. So the more all sessions use, the less
   * one of them may use, and sessions that send a lot do not shut out those that send little.
   */
  get exceeded(): CommandLimit | undefined {
    const { commands, commandChars, commandTotalChars, burst } = this.#all.limits;
    if (this.#count > commands) return "commands";
    if (this.#chars > commandChars) return "commandChars";
    if (this.#chars > commandTotalChars - this.#all.chars) return "commandTotalChars";
    return this.#allowance < -burst * 1_000 ? "rate" : undefined;
  }

  clear(): void {
    this.#waiting = undefined;
    this.#count = 0;
    this.#weigh(-this.#chars);
  }
}
