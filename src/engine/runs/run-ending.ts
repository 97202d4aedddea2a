import { cutText } from "../../base/bytes.ts";
import { CancelError, describe, RunError } from "../../model/errors.ts";
import type { FailedRun } from "../../model/hooks.ts";
import type { RunLifecycleEvent, RunStatus } from "../../model/run-event.ts";
import type { Context } from "../core/context.ts";
import { longestText, shownOf } from "./failure.ts";

/** The statuses of an ended run. */
export type Ended = Exclude<RunStatus, "working">;

/** The value that a task returned, or the error that it threw. */
export type Outcome = { value: unknown } | { error: unknown };

/**
 * Returns the text of an ending. Only the result is checked against the size limit: the other texts are cut and always
 * fit.
 *
 * Throws a TypeError or RangeError for a result that cannot be written.
 */
export function endingText(
  context: Context,
  { label, ...run }: FailedRun & { label: string },
  status: Ended,
  outcome: Outcome,
): string {
  const { id } = run;
  if ("value" in outcome) {
    const { value } = outcome;
    const result =
      value === undefined
        ? ""
        : `,"result":${context.serialise(`the result of ${label}`, value, { allowsUndefined: true })}`;
    return `{"type":"run.completed","run":${JSON.stringify(id)}${result}}`;
  }
  const { error } = outcome;
  if (status === "failed")
    return encode({ type: "run.failed", run: id, error: shownOf(context, error, run) });
  if (!(error instanceof CancelError)) return encode({ type: "run.cancelled", run: id, by: "signal" });
  const { by, reason } = error;
  // User code may construct a CancelError with any reason.
  const text = reason === undefined ? undefined : cutText(String(reason), longestText);
  return encode({ type: "run.cancelled", run: id, by, reason: text });
}

/** Returns the outcome of a run that has failed, as those get it who wait for its result. */
export function failureOf(run: string, outcome: Outcome): Outcome {
  if ("value" in outcome) return outcome;
  const { error: cause } = outcome;
  return { error: new RunError(run, { cause }, describe(cause).message) };
}

/** Reads an ending: returns how the run ended. */
export function outcomeIn(run: string, data: string): { status: Ended; outcome: Outcome } {
  const { type } = JSON.parse(data) as RunLifecycleEvent;
  try {
    return { status: "completed", outcome: { value: resultIn(run, data) } };
  } catch (error) {
    return { status: type === "run.cancelled" ? "cancelled" : "failed", outcome: { error } };
  }
}

/** Reads an ending: returns its result, or throws the error that the run ended with. */
export function resultIn(run: string, data: string): unknown {
  const ending = JSON.parse(data) as RunLifecycleEvent;
  if (ending.type === "run.completed") return ending.result;
  if (ending.type === "run.failed") {
    const { error, reason } = ending;
    throw new RunError(run, { cause: Object.assign(new Error(), error), reason }, error.message);
  }
  if (ending.type === "run.cancelled")
    throw new CancelError(ending.by === "signal" ? "caller" : ending.by, ending.reason);
  throw new TypeError(`Cannot read the ending of run ${JSON.stringify(run)}: it is ${data.slice(0, 80)}`);
}

export function encode(event: RunLifecycleEvent): string {
  return JSON.stringify(event);
}
