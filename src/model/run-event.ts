/** An event of a run's own. Any JSON object with a `type` will do; types that begin with `run.` are tocsin's. */
export interface RunEvent {
  /** What kind of event it is. */
  readonly type: string;
  /** Whatever else it says, as JSON holds it. */
  readonly [field: string]: unknown;
}

/** How far a run has come. */
export interface ProgressEvent extends RunEvent {
  /** Always `"progress"`. */
  readonly type: "progress";
  /** From 0 to 1. */
  readonly progress: number;
  /** How much is done, in whatever unit `total` has. */
  readonly done: number;
  /** How much there is to do. */
  readonly total: number;
}

/** A piece of a run's output. */
export interface OutputEvent extends RunEvent {
  /** Always `"output"`. */
  readonly type: "output";
  /** The piece. */
  readonly output: unknown;
}

/** What a run is doing: it works, or it has ended in one of three ways. */
export type RunStatus = "working" | "completed" | "failed" | "cancelled";

/** The events that tocsin itself writes into a run's channel: the first one, and the one that ends it. */
export type RunLifecycleEvent =
  | { readonly type: "run.started"; readonly run: string; readonly name?: string | undefined }
  | { readonly type: "run.completed"; readonly run: string; readonly result?: unknown }
  | { readonly type: "run.failed"; readonly run: string; readonly error: { name: string; message: string } }
  | {
      readonly type: "run.cancelled";
      readonly run: string;
      /** Who cancelled; `signal` is the caller's own `options.signal`. */
      readonly by: "caller" | "client" | "shutdown" | "signal";
      readonly reason?: string | undefined;
    };

/**
 * Makes a progress event. `details` are put beside it.
 *
 * Throws a RangeError when `done` or `total` is not a finite number, or `total` is not above 0.
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
 * Makes an output event: a piece of what the run produces, of any shape that JSON holds.
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
