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
  #chars = 0;
  /** In thousandths of a command: what a millisecond adds is then a whole number, which V8 keeps in place. */
  #allowance: number;
  #at: number;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#allowance = limits.burst * 1_000;
    this.#at = now;
  }

  /** How long the commands that wait are, in characters. */
  get chars(): number {
    return this.#chars;
  }

  /** Takes a command, of so many characters. */
  add(command: Command, chars: number, now: number): void {
    const { rate, burst } = this.#limits;
    this.#allowance = Math.min(burst * 1_000, this.#allowance + (now - this.#at) * rate) - 1_000;
    this.#at = now;
    this.#waiting ??= [];
    this.#waiting.push({ command, chars, isOver: this.#allowance < 0 });
    this.#chars += chars;
  }

  next(): Waiting | undefined {
    const next = this.#waiting?.shift();
    if (next !== undefined) this.#chars -= next.chars;
    if (this.#waiting?.length === 0) this.clear();
    return next;
  }

  /** The limit that the session is over for good, if any. */
  get exceeded(): IntakeLimit | undefined {
    const { commands, commandChars, message, burst } = this.#limits;
    if ((this.#waiting?.length ?? 0) > commands) return "commands";
    if (this.#chars > Math.max(commandChars, message)) return "commandChars";
    return this.#allowance < -burst * 1_000 ? "rate" : undefined;
  }

  clear(): void {
    this.#waiting = undefined;
    this.#chars = 0;
  }
}
