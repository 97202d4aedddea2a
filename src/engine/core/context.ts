import type { Clock } from "../../base/clock.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Scope } from "../../base/scope.ts";
import type { SerialiseOptions } from "../../base/serialise.ts";
import type { TimerWheel } from "../../base/timer-wheel.ts";
import type { EventSchemas } from "../../model/events.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { AppendOptions, Position } from "../../model/log.ts";
import type { Codec } from "../../wire/protocol.ts";
import type { AppendSteps } from "../log/append-queue.ts";
import type { AppendQueues } from "../log/append-queues.ts";
import type { LogHealth } from "../log/log-health.ts";
import type { LogReader } from "../log/log-reader.ts";
import type { Counters } from "./counters.ts";
import type { HeldRecords } from "./held-records.ts";
import type { NotifierOptions, Settings } from "./settings.ts";
import type { Turn } from "./turn.ts";

/** The memory that all channels together use for encoded publications that sessions share. */
export interface CacheBudget {
  /** Bytes that are kept now. */
  bytes: number;
  /** Whether `bytes` is over the budget of all channels together. */
  readonly isFull: boolean;
}

/**
 * What every part of a notifier may use: its clock, settings, scope, log and turn. It holds no session, channel, ledger
 * or run. The hub implements it.
 */
export interface Context {
  readonly clock: Clock;
  /** The codec of sockets that have agreed on no subprotocol. */
  readonly codec: Codec;
  readonly settings: Settings;
  readonly events: EventSchemas | undefined;
  readonly redact: NotifierOptions["redact"];
  readonly scope: Scope;
  readonly wheel: TimerWheel;
  readonly counters: Counters;
  readonly health: LogHealth;
  readonly log: LogReader;
  readonly appends: AppendQueues;
  readonly records: HeldRecords;
  readonly turn: Turn;
  readonly cache: CacheBudget;
  /** Whether the notifier is closing and each session closes itself once its client has read everything. */
  readonly flushing: boolean;
  /** Whether those sessions still wait for clients that acknowledge to do so. */
  readonly awaitsAcknowledgements: boolean;
  /** Calls the user's error hook. Never throws. */
  report(error: unknown, stage: ErrorContext["stage"], owner: string): void;
  /**
   * Serialises a payload once. Throws a TypeError for a value that JSON cannot hold and a RangeError for one that is
   * too large.
   */
  serialise(what: string | (() => string), value: unknown, options?: SerialiseOptions): string;
  /** Appends a publication behind all earlier ones of its channel. */
  append(
    channel: string,
    data: string,
    options: Omit<AppendOptions, "time"> & { time?: number },
    steps?: AppendSteps,
  ): MaybePromise<Position>;
}
