import type { Command } from "../../wire/protocol.ts";
import type { Limits } from "../core/limits.ts";

/** The limits on what a peer sends. */
export type CommandLimit = "commands" | "commandChars" | "commandTotalChars" | "rate";

/** What all sessions have together. */
export interface CommandQueues {
  readonly limits: Limits;
  /** Characters of all commands that wait. */
  chars: number;
}

/** A command that waits for its turn. */
interface Waiting {
  command: Command;
  /** Its share of the message it came in. */
  chars: number;
  /** Whether it is over the session's rate, and to be answered with an error. */
  isOver: boolean;
}

/**
 * The commands of one session that wait for their turn, and how many more it may send.
 *
 * Its allowance is a bucket: `burst` commands when it is full, and `rate` more each second. What is over it is still
 * answered, with an error, until another `burst` has come: then nobody is listening to the errors.
 */
export class CommandQueue {
  readonly #all: CommandQueues;
  /** There while somebody waits: most of the time nobody does. */
  #waiting: Waiting[] | undefined;
  /** How many of them count, with those that are answered out of their order: publications wait for the pace instead. */
  #count = 0;
  #chars = 0;
  /** In thousandths of a command: what a millisecond adds is then a whole number, which V8 keeps in place. */
  #allowance: number;
  #at: number;

  constructor(all: CommandQueues, now: number) {
    this.#all = all;
    this.#allowance = all.limits.burst * 1_000;
    this.#at = now;
  }

  /** How long the commands that wait are, in characters. */
  get chars(): number {
    return this.#chars;
  }

  /** Takes so many commands from the allowance. Answers whether it is overdrawn. */
  charge(commands: number, now: number): boolean {
    const { rate, burst } = this.#all.limits;
    this.#allowance = Math.min(burst * 1_000, this.#allowance + (now - this.#at) * rate) - commands * 1_000;
    this.#at = now;
    return this.#allowance < 0;
  }

  /** Takes a command, of so many characters. */
  add(command: Command, chars: number, now: number): void {
    const isOver = this.charge(1, now);
    this.#waiting ??= [];
    this.#waiting.push({ command, chars, isOver });
    if (command.method !== "publish") this.#count++;
    this.#weigh(chars);
  }

  /** Counts a command that does not wait for its turn, but for an answer, until `release`. */
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

  /** Shares of a message are fractions, whose sum may be a little off. */
  #tidy(): void {
    if (this.#waiting?.length === 0) this.#waiting = undefined;
    if (this.#waiting === undefined && this.#count === 0) this.#weigh(-this.#chars);
  }

  /** The next command, which stays. */
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

  /** Whether the client has asked to end a subscription that it has not been answered yet. */
  isQuitting(channel: string): boolean {
    return (
      this.#waiting?.some(
        ({ command: { method, params } }) => method === "unsubscribe" && params.channel === channel,
      ) === true
    );
  }

  /**
   * The limit that the session is over for good, if any. Of what all may have together none may take more than it leaves the
   * others: the more wait, the less may wait of one, so that many who send a lot keep out nobody who sends little.
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
