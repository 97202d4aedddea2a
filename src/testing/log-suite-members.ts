import { ClosedError, ExistsError } from "../model/errors.ts";
import type { HeldRecord } from "../model/log.ts";
import { gather } from "./log-suite-commit.ts";
import { ends, hold, idle, join, joinOf, next, release } from "./log-suite-joined.ts";
import { append, as, failure, isSame, type LogTests, none, same, turn } from "./log-suite-tools.ts";

/** Records that a process holds, and leaves to whoever comes next. A log without `join` passes at once. */
export const memberTests: LogTests = {
  async "what a member that left has held is inherited, with its channel and position"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held: HeldRecord[] = [];
    for (const name of ["one", "two", "ä 漢 😀"]) {
      await append(log, `${channel} ${name}`, "1");
      held.push(await hold(log, `${channel} ${name}`, name));
    }
    held.push(await hold(log, `${channel} one`, "another"));
    const second = await next(log, channel, tools);
    await second.inherited(held);
  },

  async "what was released is not inherited"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined) return;
    const { record } = await hold(log, channel, "released");
    const held = await hold(log, channel, "held");
    for (const each of [record, `${channel} never held`, record]) await release(first, each);
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "what was inherited is held on, unless it is released"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held: HeldRecord[] = [];
    for (const name of ["one", "two", "three"]) held.push(await hold(log, channel, name));
    let last = log;
    while (held.length > 0) {
      const joined = await next(last, channel, tools);
      await joined.inherited(held);
      await release(joined, held.shift()?.record ?? "");
      last = joined.log;
    }
    const four = await hold(last, channel, "four");
    const joined = await next(last, channel, tools);
    await joined.inherited([four]);
  },

  async "an append that is refused, aborted or a repeat holds nothing"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held = await hold(log, channel, "held", as("w", 1));
    const repeat = await hold(log, channel, "of a repeat", as("w", 1));
    same(repeat.position, held.position);
    const error = await failure(hold(log, channel, "refused", { place: "first" }));
    same(error instanceof ExistsError || String(error), true);
    const signal = AbortSignal.abort("why");
    isSame(await failure(hold(log, channel, "aborted", { signal })), "why");
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "a record is held when its entry is gone, and its channel has begun anew"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held = await hold(log, channel, "held", { retention: none, place: "last" });
    await append(log, channel, "2", { place: "first" });
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "what was held or released and never committed is as it was before"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined || log.commit === undefined) return;
    const held = await hold(log, channel, "held");
    gather(log, channel, "2", { hold: `${channel} gathered` });
    await first.membership.release(held.record);
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "what is held and released before the same commit is not inherited"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined || log.commit === undefined) return;
    gather(log, channel, "1", { hold: `${channel} short` });
    await release(first, `${channel} short`);
    const held = await hold(log, channel, "held");
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "each member has a name of its own"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined) return;
    const second = await next(log, channel, tools);
    const third = await next(second.log, channel, tools);
    const names = [first, second, third].map(({ membership }) => membership.id);
    same([new Set(names).size, names.includes("")], [3, false]);
  },

  async "a member that leaves, even twice, is not told that it is lost"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined) return;
    const held = await hold(log, channel, "held");
    for (let count = 0; count < 2; count++) await first.membership[Symbol.asyncDispose]();
    const second = await next(log, channel, tools);
    await second.inherited([held]);
    await second.log[Symbol.asyncDispose]();
    same([first.losses, second.losses], [[], []]);
  },

  async "a wait to join ends with the reason of its signal, or comes too late"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held = await hold(log, channel, "held");
    const other = await tools.again();
    const [reason, controller] = [new Error("stopped"), new AbortController()];
    const { signal } = controller;
    const waiting = ends(tools, failure(joinOf(other)(idle, { signal })));
    await turn();
    controller.abort(reason);
    const error = await waiting;
    if (error !== undefined) isSame(error, reason);
    isSame(await ends(tools, failure(joinOf(other)(idle, { signal }))), reason);
    await other[Symbol.asyncDispose]();
    // The member that gave up delays nobody, and has inherited nothing.
    const third = await next(log, channel, tools);
    await third.inherited([held]);
  },

  async "a disposed log rejects a join with a ClosedError"(log) {
    if (log.join === undefined) return;
    await log[Symbol.asyncDispose]();
    const error = await failure(log.join(idle));
    same(error instanceof ClosedError || String(error), true);
  },
};
