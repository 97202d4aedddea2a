import { checkBound } from "../../base/check.ts";
import type { Clock } from "../../base/clock.ts";
import type { Failure } from "../../model/errors.ts";
import type { EventSchemas } from "../../model/events.ts";
import type { ErrorContext, FailedRun } from "../../model/hooks.ts";
import type { Log } from "../../model/log.ts";
import type { RpcHandler } from "../../model/peer.ts";
import type { Publication } from "../../model/publication.ts";
import type { UndeliveredReason } from "../../model/receipt.ts";
import type { Refused } from "../../model/refused.ts";
import { type Limits, resolveLimits } from "./limits.ts";

/** How a notifier is made. */
export interface NotifierOptions<Schemas extends EventSchemas = EventSchemas> {
  /**
   * Where channels are kept. Closing the notifier closes it: one log is for one notifier. Default: a `memoryLog()` of the
   * notifier's own.
   */
  log?: Log | undefined;
  /** Closes the notifier when it aborts. */
  signal?: AbortSignal | undefined;
  /** Milliseconds that closing may take. Default 5 000. */
  grace?: number | undefined;
  /** Milliseconds between the pings of an idle session, up to 2 147 473 000. Default 25 000. */
  heartbeat?: number | undefined;
  /**
   * Bytes a session may have in flight, unproven by a pong; replies may take as much again. A publication that is larger
   * goes alone. Default 262 144 (256 KiB).
   */
  window?: number | undefined;
  /** How much peers and publishers may send, open and ask for. What is left out has its default. */
  limits?: Partial<Limits> | undefined;
  /** What time it is, and what timers are of. Default: the machine's clock. */
  clock?: Clock | undefined;
  /**
   * The schemas of the events that may be published, by their `type`; no others may, by anybody. Runs may also emit the
   * vocabularies of `tocsin/run` and `tocsin/agent`. What is written is what a schema makes of an event. Default: anything.
   */
  events?: Schemas | undefined;
  /** Methods that clients may call, by name. Default: none but `run.cancel` and `ack`, which are tocsin's own. */
  rpc?: Readonly<Record<string, RpcHandler>> | undefined;
  /**
   * Hears, once each, of confirmed publications that are given up, and why. What it throws or rejects with is reported;
   * nobody waits for it. Default: they are in the report of closing, if they wait that long.
   */
  onUndelivered?: ((publication: Publication, reason: UndeliveredReason) => unknown) | undefined;
  /**
   * Says what `run.failed` shows of what a task threw, to everybody who follows the run. What it throws itself is
   * reported, and nothing is shown then but that the run failed. Default: name and message, never a stack or a cause.
   */
  redact?: ((error: unknown, run: FailedRun) => Failure) | undefined;
  /**
   * Hears of errors that nobody's promise carries. What it throws or rejects with itself goes to the console; nobody waits
   * for it. Default: `console.error`, with what could forge a line of the log escaped.
   */
  onError?: ((error: unknown, context: ErrorContext) => unknown) | undefined;
  /**
   * Hears of everybody who is not let in: of refused handshakes, and of sockets that are closed for good before they are
   * connected. What it throws or rejects with is reported; nobody waits for it. Default: a line of `console.warn`, at most
   * one a second, with a count of those left out, until closing begins.
   */
  onRefused?: ((refused: Refused) => unknown) | undefined;
}

/** The options with every number filled in and checked. */
export interface Settings {
  readonly grace: number;
  readonly heartbeat: number;
  readonly window: number;
  readonly limits: Readonly<Limits>;
}

/** The longest heartbeat, in milliseconds: clients wait for 10 s more, by timers that take no more than 2 ** 31 - 1 ms. */
const longestHeartbeat = 2_147_473_000;

/** Fills in the defaults. Throws a RangeError for a number that cannot be a bound, or not together with the others. */
export function resolveSettings(options: NotifierOptions): Settings {
  const { grace = 5_000, heartbeat = 25_000, window = 262_144 } = options;
  return {
    grace: checkBound("grace", grace),
    heartbeat: checkedWhole("heartbeat", heartbeat, longestHeartbeat),
    window: checkedWhole("window", window, Number.MAX_SAFE_INTEGER),
    limits: resolveLimits(options.limits),
  };
}

function checkedWhole(name: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  throw new RangeError(`Cannot use ${name} "${String(value)}": it is no whole number from 1 to ${most}`);
}
