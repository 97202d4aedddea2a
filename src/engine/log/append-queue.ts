import type { Clock } from "../../base/clock.ts";
import { LinkedNode } from "../../base/linked-list.ts";
import type { Scope } from "../../base/scope.ts";
import type { AppendOptions, Log, Position } from "../../model/log.ts";

/** Bytes that a publication counts beside its payload while it waits. */
const overhead = 128;

/** What comes right before and right after an append, in its place in the queue, and what it may do. */
export interface AppendSteps {
  /** Waits until it may begin; undefined when it may at once. */
  admit?(): Promise<void> | undefined;
  appended?(position: Position): void;
  /** Whether it may wait however much is waiting: what a run yields, or says of itself, is not refused. */
  readonly isExempt?: boolean;
  /** Whether it waits for no subscribers where nothing is before it: what a run says of itself. */
  readonly isUrgent?: boolean;
}

/** What a run yields. */
export const exempt: AppendSteps = { isExempt: true };
/** What a run says of itself. */
export const urgent: AppendSteps = { isExempt: true, isUrgent: true };

/** What the queues are made of. */
export interface AppendQueuesParts {
  readonly log: Log;
  readonly clock: Clock;
  /** Bytes that may be published in a turn while somebody listens. Default: 2 MiB. */
  readonly turn?: number;
  /** Bytes that may wait. */
  readonly most: number;
  /** Has a turn come, in which `AppendQueues.turn` is called. */
  schedule(): void;
  /** Whether somebody follows any channel. */
  isHeard(): boolean;
  /**
   * How far the slowest subscriber of a channel has come that reads what it is sent, without much delay; undefined where all
   * of those have come to an offset. Those that have come no further than `after` do not count.
   */
  slowest?(channel: string, offset: number, after: number): number | undefined;
  onError(error: unknown, owner: string): void;
  /** Hears of every append that succeeded. */
  appended?(channel: string): void;
  /** Hears of each publication that is refused because too much waits. */
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
  /** Stops listening to its signal, where it has one. */
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

/** The publications of one channel that are not in the log yet, and the place of the channel among those that wait. */
export class Queue extends LinkedNode {
  readonly channel: string;
  readonly waiting: LinkedNode = new LinkedNode();
  size = 0;
  /** Whether the first one is on its way into the log. */
  isBusy = false;
  /** Whether it waits for subscribers to catch up, and whether it may: not where all that waits is urgent. */
  isHeld = false;
  mayHold = true;

  constructor(channel: string) {
    super();
    this.channel = channel;
  }

  get first(): Waiting {
    return this.waiting.newer as Waiting;
  }
}

/** What a publication takes while it waits, in bytes. */
export function bytesOf(data: string): number {
  return data.length + overhead;
}
