import type { ErrorReply } from "../../wire/protocol.ts";
import type { LimitName } from "./counters.ts";

/** Thrown to answer a command with an error. It is no Error: peers can cause thousands, and a stack is dear and says nothing. */
export class Refusal {
  readonly reply: ErrorReply;
  /** The limit that the command is over, where that is why. */
  readonly limit: LimitName | undefined;
  constructor(reply: ErrorReply, limit?: LimitName) {
    this.reply = reply;
    this.limit = limit;
  }
}
