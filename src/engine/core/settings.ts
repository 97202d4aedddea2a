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
import type { ProtocolCodec } from "../../wire/protocol.ts";
import { type Limits, resolveLimits } from "./limits.ts";

/** Options of `createNotifier`. */
export interface NotifierOptions<Schemas extends EventSchemas = EventSchemas> {
  /**
   * The log that keeps the channels. Closing the notifier closes it, so every notifier needs its own. Default: a new
   * `memoryLog()`.
   */
  log?: Log | undefined;
  /** Closes the notifier when it aborts. */
  signal?: AbortSignal | undefined;
  /** Milliseconds that closing may take. Default 5 000. */
  grace?: number | undefined;
  /** Milliseconds between the pings of an idle session, up to 2 147 473 000. Default 25 000. */
  heartbeat?: number | undefined;
  /**
   * Bytes that a session may have in flight: sent, and not yet proven read by a pong. Replies may take as much again. A
   * larger publication is sent alone. Default 262 144 (256 KiB).
   */
  window?: number | undefined;
  /** How much peers and publishers may send, open and ask for. Limits that are left out have their defaults. */
  limits?: Partial<Limits> | undefined;
  /** The source of the time and of timers. Default: the clock of the machine. */
  clock?: Clock | undefined;
  /**
   * The schemas of the events that may be published, by their `type`. Nobody may publish other events. Runs may also
   * emit the vocabularies of `tocsin/run` and `tocsin/agent`. The notifier publishes the event that the schema returns.
   * Default: anything may be published.
   */
  events?: Schemas | undefined;
  /**
   * Encodings of the protocol that clients may ask for besides JSON, by their WebSocket subprotocol, such as
   * `protobufCodec` of `tocsin/protobuf`. Default: none.
   */
  codecs?: readonly ProtocolCodec[] | undefined;
  /** The methods that clients may call, by name. Default: none but `run.cancel` and `ack`, which are built in. */
  rpc?: Readonly<Record<string, RpcHandler>> | undefined;
  /**
   * Called once for each confirmed publication that is given up, with the reason. Nobody awaits it. What it throws or
   * rejects with is reported to `onError`. Default: no call; the close report lists only those that are given up while
   * the notifier closes.
   */
  onUndelivered?: ((publication: Publication, reason: UndeliveredReason) => unknown) | undefined;
  /**
   * Returns what `run.failed` shows of a task's error to everybody who follows the run. If it throws, its error is
   * reported, and followers see only that the run failed. Default: name and message, never a stack or a cause.
   */
  redact?: ((error: unknown, run: FailedRun) => Failure) | undefined;
  /**
   * Called with each error that no promise of the caller carries. Nobody awaits it. What it throws or rejects with goes
   * to the console. Default: `console.error`, with characters escaped that could forge a line of the log.
   */
  onError?: ((error: unknown, context: ErrorContext) => unknown) | undefined;
  /**
   * Called for everybody who is refused: for refused handshakes, and for sockets that are closed for good before they
   * are connected. Nobody awaits it. What it throws or rejects with is reported to `onError`. Default: `console.warn`,
   * at most one line per second with the number of those left out, until closing begins.
   */
  onRefused?: ((refused: Refused) => unknown) | undefined;
}

/** The numbers among the options, checked, with defaults. */
export interface Settings {
  readonly grace: number;
  readonly heartbeat: number;
  readonly window: number;
  readonly limits: Readonly<Limits>;
}

/** The longest heartbeat, in milliseconds. Clients wait 10 s longer, with timers that hold at most 2 ** 31 - 1 ms. */
const longestHeartbeat = 2_147_473_000;

/**
 * Returns the numbers among the options, with defaults. Throws a RangeError for an invalid number, or for one that
 * contradicts another.
 */
export function resolveSettings(options: NotifierOptions): Settings {
  const { grace = 5_000, heartbeat = 25_000, window = 262_144 } = options;
  return {
    grace: checkBound("grace", grace),
    heartbeat: checkedWhole("heartbeat", heartbeat, longestHeartbeat),
    window: checkedWhole("window", window, Number.MAX_SAFE_INTEGER),
    limits: resolveLimits(options.limits),
  };
}

function checkedWhole(name: string, value: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
  throw new RangeError(`Cannot use ${name} "${String(value)}": it is no whole number from 1 to ${max}`);
}
