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
import type { LogReader } from "../log/log-reader.ts";
import type { Counters } from "./counters.ts";
import type { NotifierOptions, Settings } from "./settings.ts";
import type { Turn } from "./turn.ts";

/** Bytes of encoded publications that are kept for sharing now, over all channels. */
export interface CacheBudget {
  bytes: number;
  /** Whether more are kept than all channels together may. */
  readonly isFull: boolean;
}

/**
 * What every part of a notifier may use: its clock, settings, lifetime, log and turn. No session, channel, ledger or run is
 * in it. The hub implements it.
 */
export interface Context {
  readonly clock: Clock;
  readonly codec: Codec;
  readonly settings: Settings;
  readonly events: EventSchemas | undefined;
  readonly redact: NotifierOptions["redact"];
  readonly scope: Scope;
  readonly wheel: TimerWheel;
  readonly counters: Counters;
  readonly log: LogReader;
  readonly appends: AppendQueues;
  readonly turn: Turn;
  readonly cache: CacheBudget;
  /** Whether sessions close themselves as soon as everything was read. */
  readonly flushing: boolean;
  /** Whether, while they do, clients that acknowledge are given time to. */
  readonly hearing: boolean;
  /** Tells the user's error hook. It never throws. */
  report(error: unknown, stage: ErrorContext["stage"], owner: string): void;
  /** Serialises a payload, once. Throws a TypeError for what JSON cannot hold and a RangeError for what is too large. */
  serialise(what: string | (() => string), value: unknown, options?: SerialiseOptions): string;
  /** Appends a publication after all that was given for its channel before. */
  append(
    channel: string,
    data: string,
    options: Omit<AppendOptions, "time"> & { time?: number },
    steps?: AppendSteps,
  ): MaybePromise<Position>;
}
