import type { ErrorReply } from "../../wire/protocol.ts";
import type { LimitName } from "./counters.ts";

/**
 * Thrown to answer a command with an error. It is not an Error: peers can cause thousands, and a stack is expensive and
 * useless here.
 */
export class Refusal {
  readonly reply: ErrorReply;
  /** The limit that the command exceeds, if that is the reason. */
  readonly limit: LimitName | undefined;
  constructor(reply: ErrorReply, limit?: LimitName) {
    this.reply = reply;
    this.limit = limit;
  }
}
