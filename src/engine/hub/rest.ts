import type { Hub } from "./hub.ts";

/**
 * Cancels the timers whose reason is gone. Returns whether all that is in progress is in states of sessions and in the
 * log, so that another process could continue it.
 */
export function restOf(hub: Hub): boolean {
  const { wheel, ledger, scope } = hub;
  wheel.tidy();
  ledger.expiries.tidy();
  // Everything else that a scope owns is in progress: a task, a wait, or a timer for one.
  const deadlines = Number(wheel.isArmed) + Number(ledger.expiries.isArmed);
  return scope.size === deadlines && isIdle(hub) && isKept(hub);
}

/** Whether nothing waits that is not owned by the scope. */
function isIdle({ turn, appends, runs, commandQueues, gate, notices, ledger, uses }: Hub): boolean {
  if (!turn.isIdle || uses > 0 || appends.size + appends.count("timer") + appends.count("task") > 0)
    return false;
  // Shares of a message are fractions, so their sum may be a little above 0. No command has less than two characters.
  return (
    !runs.isBusy && commandQueues.chars < 1 && gate.isFree && notices.areForgotten && ledger.looking === 0
  );
}

/** Whether nothing would be lost with the memory of this process. A session that is being closed has no state. */
function isKept({ closing, records, ledger }: Hub): boolean {
  if (closing > 0 || records.releasing > 0) return false;
  return records.isKept || ledger.taken.confirmed === 0;
}
