/** An event of a run: any JSON object with a `type`. Types that begin with `run.` are reserved for tocsin. */
export interface RunEvent {
  /** The kind of event. */
  readonly type: string;
  /** Any other fields that JSON can represent. */
  readonly [field: string]: unknown;
}

/** The progress of a run. */
export interface ProgressEvent extends RunEvent {
  /** Always `"progress"`. */
  readonly type: "progress";
  /** The fraction that is done, from 0 to 1. */
  readonly progress: number;
  /** The amount that is done, in the unit of `total`. */
  readonly done: number;
  /** The total amount of work. */
  readonly total: number;
}

/** A piece of a run's output. */
export interface OutputEvent extends RunEvent {
  /** Always `"output"`. */
  readonly type: "output";
  /** The piece of output. */
  readonly output: unknown;
}

/** The status of a run: it is working, or it has ended in one of three ways. */
export type RunStatus = "working" | "completed" | "failed" | "cancelled";

/** The events that tocsin itself writes to a run's channel: the start and the ending. */
export type RunLifecycleEvent =
  | { readonly type: "run.started"; readonly run: string; readonly name?: string | undefined }
  | { readonly type: "run.completed"; readonly run: string; readonly result?: unknown }
  | {
      readonly type: "run.failed";
      readonly run: string;
      readonly error: { name: string; message: string };
      /** `lost`: the process that ran it ended without writing an ending. Otherwise the task threw. */
      readonly reason?: "lost" | undefined;
    }
  | {
      readonly type: "run.cancelled";
      readonly run: string;
      /** Who cancelled the run. `signal` is the caller's `options.signal`. */
      readonly by: "caller" | "client" | "shutdown" | "signal";
      readonly reason?: string | undefined;
    };

/**
 * Creates a progress event. The fields of `details` are added to it.
 *
 * Throws a RangeError if `done` or `total` is not a finite number, or if `total` is not above 0.
 *
 * @example
 * ```ts
 * import { progress } from "tocsin/run";
 *
 * progress(3, 10); // { type: "progress", progress: 0.3, done: 3, total: 10 }
 * ```
 */
export function progress(
  done: number,
  total: number,
  details: Readonly<Record<string, unknown>> = {},
): ProgressEvent {
  if (!Number.isFinite(done) || !Number.isFinite(total) || total <= 0) {
    throw new RangeError(
      `Cannot report progress "${done} of ${total}": both have to be numbers, and the total above 0`,
    );
  }
  return { ...details, type: "progress", progress: Math.min(Math.max(done / total, 0), 1), done, total };
}

/**
 * Creates an output event: a piece of the run's output. `value` can be anything that JSON can represent.
 *
 * @example
 * ```ts
 * import { output } from "tocsin/run";
 *
 * output("line 1"); // { type: "output", output: "line 1" }
 * ```
 */
export function output(value: unknown): OutputEvent {
  return { type: "output", output: value };
}
