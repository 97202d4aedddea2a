import { LogError } from "../model/errors.ts";
import { another, hold, join, knows, release } from "./log-suite-joined.ts";
import { append, as, dataOf, differs, failure, type LogTests, same } from "./log-suite-tools.ts";

/**
 * A member that the store takes for gone. A log whose membership has no `nodes` passes at once, and so does a store that
 * lets nobody come back.
 */
export const lostNodeTests: LogTests = {
  async "a member that is taken for gone is told so once, may join again under another id, and works on"(
    log,
    channel,
    tools,
  ) {
    const bell = tools.bell("lost()");
    const one = await join(log, channel, tools, { lost: bell.ring });
    if (one?.membership.nodes === undefined) return;
    const two = await another(channel, tools);
    const held = await hold(log, channel, "held", as("w", 1));
    const told = bell.next();
    await tools.lose();
    await told;
    await two.inherited([held]);
    if (isLasting(one.losses[0])) return;
    const error = await failure(append(log, channel, "early", as("w", 2)));
    same(error instanceof Error && !isLasting(error), true);
    const back = await join(log, channel, tools);
    if (back === undefined) throw new Error("Expected join(), as before");
    differs(back.membership.id, one.membership.id);
    await knows(tools, two, [two, back], [one]);
    // The log knows the append that it made before, and now makes the one that it refused.
    same(await append(log, channel, "1", as("w", 1)), held.position);
    const more = await hold(log, channel, "of the new place", as("w", 2));
    // The place before has no say any more.
    await release(one, more.record);
    await one.membership[Symbol.asyncDispose]();
    await release(back, held.record);
    same(dataOf(await two.log.read(channel, {})), ["1", "1"]);
    await log[Symbol.asyncDispose]();
    await two.inherited([held, more]);
    same([one.losses.length, back.losses, two.losses], [1, [], []]);
  },
};

function isLasting(error: unknown): boolean {
  return error instanceof LogError && error.lasting;
}
