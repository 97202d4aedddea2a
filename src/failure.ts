import { describe, type Failure } from "./errors.ts";
import type { Hub } from "./hub.ts";
import type { FailedRun } from "./settings.ts";
import { shortened } from "./text.ts";

/** The longest text of an error or reason that is sent on, in characters. */
export const longestText = 10_000;

/** What of a failure everybody who follows the run may see. */
export function shownOf(hub: Hub, error: unknown, { id, name, owner }: FailedRun): Failure {
  const { redact = describe } = hub;
  try {
    const shown = redact(error, { id, name, owner });
    return {
      name: shortened(String(shown.name), longestText),
      message: shortened(String(shown.message), longestText),
    };
  } catch (thrown) {
    hub.report(thrown, "redact", `run:${id}`);
    return { name: "Error", message: "failed" };
  }
}
