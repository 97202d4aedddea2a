import type { Position } from "../../model/log.ts";
import type { Content } from "./channel-ledger.ts";

/** A confirmed publication on its way into the log. */
export interface Confirmation {
  readonly channel: string;
  readonly content: Content;
  readonly time: number;
  /** Milliseconds after which it is given up. */
  readonly ttl: number;
  readonly signal: AbortSignal | undefined;
  /** Called as soon as it is in the log. */
  readonly logged?: ((position: Position) => void) | undefined;
}
