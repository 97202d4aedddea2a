import { cutText } from "../../base/bytes.ts";
import { attended } from "../../base/hook.ts";
import { isThenable } from "../../base/maybe-promise.ts";
import { describe, type Failure } from "../../model/errors.ts";
import type { FailedRun } from "../../model/hooks.ts";
import type { Context } from "../core/context.ts";

/** The longest text of an error or reason that is sent on, in characters. */
export const longestText = 10_000;

/** What of a failure everybody who follows the run may see. */
export function shownOf(context: Context, error: unknown, { id, name, owner }: FailedRun): Failure {
  const { redact = describe } = context;
  const failed = (thrown: unknown): void => context.report(thrown, "redact", `run:${id}`);
  try {
    const shown = redact(error, { id, name, owner });
    if (isThenable(shown)) {
      attended(() => shown, failed);
      throw new TypeError("Cannot show what redact answered: it is a promise, and nobody waits for one");
    }
    return {
      name: cutText(String(shown.name), longestText),
      message: cutText(String(shown.message), longestText),
    };
  } catch (thrown) {
    failed(thrown);
    return { name: "Error", message: "failed" };
  }
}
