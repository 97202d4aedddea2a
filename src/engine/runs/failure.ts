import { cutText } from "../../base/bytes.ts";
import { attended } from "../../base/hook.ts";
import { isThenable } from "../../base/maybe-promise.ts";
import { describe, type Failure } from "../../model/errors.ts";
import type { FailedRun } from "../../model/hooks.ts";
import type { Context } from "../core/context.ts";

/** The maximum length of the text of an error or reason that is sent to clients, in characters. */
export const longestText = 10_000;

/**
 * Returns what everyone who follows the run may see of a failure. An error of `redact` is reported, and only the fact
 * that the run failed is shown.
 */
export function shownOf(context: Context, error: unknown, { id, name, owner }: FailedRun): Failure {
  const { redact = describe } = context;
  const reportError = (thrown: unknown): void => context.report(thrown, "redact", `run:${id}`);
  try {
    const shown = redact(error, { id, name, owner });
    if (isThenable(shown)) {
      attended(() => shown, reportError);
      throw new TypeError("Cannot use the result of redact: it is a promise, and redact must be synchronous");
    }
    return {
      name: cutText(String(shown.name), longestText),
      message: cutText(String(shown.message), longestText),
    };
  } catch (thrown) {
    reportError(thrown);
    return { name: "Error", message: "failed" };
  }
}
