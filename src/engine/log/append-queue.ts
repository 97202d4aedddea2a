import type { Clock } from "../../base/clock.ts";
import { LinkedNode } from "../../base/linked-list.ts";
import type { Scope } from "../../base/scope.ts";
import type { AppendOptions, Log, Position } from "../../model/log.ts";
import type { LogHealth } from "./log-health.ts";

/** Bytes that a waiting publication counts in addition to its payload. */
const overhead = 128;

/** Options of an append that may change while it waits: the id of this node, and where a run has begun. */
export type Current = Pick<AppendOptions, "origin" | "follows">;

/**
 * Callbacks right before an append, and as soon as it is in the log, in the order of the queue, and the privileges of
 * the append.
 */
export interface AppendSteps {
  /** Returns a promise to wait for before the append, or undefined if the append may start at once. */
  admit?(): Promise<void> | undefined;
  appended?(position: Position): void;
  /** Returns what may be another than when the append was asked for. Called before each attempt. */
  current?(): Current;
  /** Whether the append is accepted however much is waiting. Events of runs are never refused. */
  readonly isExempt?: boolean;
  /** Whether the append does not wait for subscribers if nothing is queued before it: for start and ending of a run. */
  readonly isUrgent?: boolean;
}

/** For the events that a run yields. */
export const exempt: AppendSteps = { isExempt: true };
/** For the start and the ending of a run. */
export const urgent: AppendSteps = { isExempt: true, isUrgent: true };

/** What append queues are created from. */
export interface AppendQueuesParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly health: LogHealth;
  /** Bytes that may be published in one turn while anybody follows a channel. Default: 2 MiB. */
  readonly turn?: number;
  /** Maximum number of bytes that may wait, over all channels. */
  readonly most: number;
  /** Schedules a turn, which calls `AppendQueues.turn`. */
  schedule(): void;
  /** Whether anybody follows any channel. */
  isHeard(): boolean;
  /**
   * Returns the lowest offset reached by those subscribers of a channel that read without much delay. Returns undefined
   * if all of those have reached `offset`. Subscribers that have not passed `after` do not count.
   */
  slowest?(channel: string, offset: number, after: number): number | undefined;
  /** Settles once this process may append. Undefined if there is nothing to wait for. */
  joining?(): Promise<void> | undefined;
  onError(error: unknown, owner: string): void;
  /** Called after every append that succeeded. */
  appended?(channel: string): void;
  /** Called for each publication that is refused because too much is waiting. */
  refused?(): void;
  readonly parent?: Scope;
}

/** A publication that is not in the log yet. */
export class Waiting extends LinkedNode {
  readonly data: string;
  readonly options: AppendOptions;
  readonly steps: AppendSteps | undefined;
  readonly since: number;
  readonly resolve: (position: Position) => void;
  readonly reject: (reason: unknown) => void;
  /** Removes the listener from its signal, if there is one. */
  unlink: (() => void) | undefined;

  constructor(
    { data, options, steps, since }: Pick<Waiting, "data" | "options" | "steps" | "since">,
    resolve: Waiting["resolve"],
    reject: Waiting["reject"],
  ) {
    super();
    this.data = data;
    this.options = options;
    this.steps = steps;
    this.since = since;
    this.resolve = resolve;
    this.reject = reject;
  }

  get bytes(): number {
    return bytesOf(this.data);
  }
}

/**
 * The publications of one channel that are not in the log yet. As a node it stands in the list of the queues that wait.
 */
export class Queue extends LinkedNode {
  readonly channel: string;
  readonly waiting: LinkedNode = new LinkedNode();
  size = 0;
  /** Whether the append of the first publication is in progress. */
  isBusy = false;
  /** Whether the queue waits for subscribers to catch up. */
  isHeld = false;
  /** Whether the queue may wait for subscribers. False where everything in it is urgent. */
  mayHold = true;

  constructor(channel: string) {
    super();
    this.channel = channel;
  }

  get first(): Waiting {
    return this.waiting.newer as Waiting;
  }

  /** The publications behind the first. */
  *behind(): Generator<Waiting> {
    for (let item = this.first.newer; item !== this.waiting; item = item.newer) yield item as Waiting;
  }
}

/** Returns the bytes that a publication counts while it waits. */
export function bytesOf(data: string): number {
  return data.length + overhead;
}
