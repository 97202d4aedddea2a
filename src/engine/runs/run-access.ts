import { shown } from "../../base/check.ts";
import type { Action } from "../../model/peer.ts";
import type { RunStatus } from "../../model/run-event.ts";

/** What decides who may do something with a run. */
export interface RunFacts {
  readonly owner: string | undefined;
  /** Whether only those may cancel it whom `authorize` allows to. */
  readonly asksToCancel: boolean;
  readonly status: RunStatus;
}

/** Returns whether a user may do something with the channel of a run. Undefined if the run does not decide. */
export function mayUse(
  run: RunFacts | undefined,
  user: string,
  type: Exclude<Action["type"], "cancel">,
): boolean | undefined {
  if (run === undefined || type === "publish") return false;
  if (run.owner !== undefined && run.owner !== user) return false;
  // The id gives access to the channel, but not to its presence.
  return type === "presence" ? undefined : true;
}

/** Returns whether a user may cancel a run without a call of `authorize`. */
export function mayCancel(run: RunFacts | undefined, user: string): boolean {
  return run !== undefined && !run.asksToCancel && (run.owner === undefined || run.owner === user);
}

/** Throws a TypeError for a reason that is no text. `run` is the run as people read it. */
export function checkReason(run: string, reason: unknown): void {
  if (reason !== undefined && typeof reason !== "string")
    throw new TypeError(`Cannot cancel ${run} for ${shown(reason)}: a reason is a text`);
}
