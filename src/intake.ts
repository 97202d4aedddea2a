import type { Command } from "./protocol.ts";
import type { Limits } from "./settings.ts";

/** The limits on what a peer sends. */
export type IntakeLimit = "commands" | "commandChars" | "rate";

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
export class Intake {
  readonly #limits: Limits;
  /** There while somebody waits: most of the time nobody does. */
  #waiting: Waiting[] | undefined;
  /** How many of them count, with those that are answered out of their order: publications wait for the pace instead. */
  #count = 0;
  /** How long the commands that wait are, in characters. */
  chars = 0;
  /** In thousandths of a command: what a millisecond adds is then a whole number, which V8 keeps in place. */
  #allowance: number;
  #at: number;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#allowance = limits.burst * 1_000;
    this.#at = now;
  }

  /** Takes so many commands from the allowance. Answers whether it is overdrawn. */
  charge(commands: number, now: number): boolean {
    const { rate, burst } = this.#limits;
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
    this.chars += chars;
  }

  /** Counts a command that does not wait for its turn, but for an answer, until `release`. */
  hold(chars: number): void {
    this.#count++;
    this.chars += chars;
  }

  release(chars: number): void {
    this.#count--;
    this.chars -= chars;
    this.#tidy();
  }

  /** Shares of a message are fractions, whose sum may be a little off. */
  #tidy(): void {
    if (this.#waiting?.length === 0) this.#waiting = undefined;
    if (this.#waiting === undefined && this.#count === 0) this.chars = 0;
  }

  /** The next command, which stays. */
  get first(): Command | undefined {
    return this.#waiting?.[0]?.command;
  }

  next(): Waiting | undefined {
    const next = this.#waiting?.shift();
    if (next === undefined) return undefined;
    this.chars -= next.chars;
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

  /** The limit that the session is over for good, if any. */
  get exceeded(): IntakeLimit | undefined {
    const { commands, commandChars, burst } = this.#limits;
    if (this.#count > commands) return "commands";
    if (this.chars > commandChars) return "commandChars";
    return this.#allowance < -burst * 1_000 ? "rate" : undefined;
  }

  clear(): void {
    this.#waiting = undefined;
    this.#count = 0;
    this.chars = 0;
  }
}
