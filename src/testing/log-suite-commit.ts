import { ClosedError, ExistsError, SealedError } from "../model/errors.ts";
import type { AppendOptions, Position } from "../model/log.ts";
import { demandPosition } from "./log-suite-checked.ts";
import {
  all,
  append,
  as,
  dataOf,
  failure,
  type LogTests,
  none,
  numbers,
  offsetsOf,
  reads,
  same,
  type TestedLog,
  time,
  turn,
} from "./log-suite-tools.ts";

/** Appends that are gathered until they are committed. A log without `commit` passes at once. */
export const commitTests: LogTests = {
  async "what was appended neither is read nor wakes before it is committed"(log, channel, tools) {
    if (log.commit === undefined) return;
    let wakes = 0;
    const bell = tools.bell();
    const watch = await log.watch(channel, () => {
      wakes++;
      bell.ring();
    });
    const { epoch } = await log.read(channel, {});
    same(gather(log, channel, "1"), { offset: 1, epoch });
    // A log that commits by itself needs some turns for it.
    for (let turns = 0; turns < 10; turns++) {
      await turn();
      same([(await log.read(channel, {})).top, wakes], [0, 0]);
    }
    await Promise.all([bell.next(), log.commit()]);
    await reads(log, channel, undefined, ["1"]);
    await watch[Symbol.asyncDispose]();
  },

  async "a channel is as it was until a commit changes it: entries, state and seal"(log, channel) {
    if (log.commit === undefined) return;
    const { epoch } = await append(log, channel, "1", { state: "old" });
    const before = await log.read(channel, {});
    gather(log, channel, "2");
    gather(log, channel, "3", { state: "new", place: "last", retention: { ...all, size: 2 } });
    await turn();
    same(await log.read(channel, {}), before);
    await reads(log, channel, { offset: 0, epoch }, ["1"]);
    await reads(log, channel, { offset: 2, epoch }, "gap");
    await log.commit();
    const { state, sealed } = await log.read(channel, {});
    same([state, sealed], ["new", true]);
    await reads(log, channel, undefined, ["2", "3"]);
  },

  async "a channel begins anew with the commit, and not before"(log, channel) {
    if (log.commit === undefined) return;
    await append(log, channel, "1", { place: "last", retention: none });
    const before = await log.read(channel, {});
    const begun = gather(log, channel, "2", { place: "first" });
    await turn();
    same(await log.read(channel, {}), before);
    await log.commit();
    same((await log.read(channel, {})).epoch, begun.epoch);
    await reads(log, channel, undefined, ["2"]);
  },

  async "an append is checked against those that were gathered before it"(log, channel) {
    if (log.commit === undefined) return;
    const one = gather(log, channel, "1", { place: "first", ...as("w", 1) });
    same(gather(log, channel, "1", as("w", 1)), one);
    same(refusal(log, channel, { place: "first" }) instanceof ExistsError, true);
    const two = gather(log, channel, "2", { place: "last", ...as("w", 2) });
    same(two, { offset: 2, epoch: one.epoch });
    same(refusal(log, channel, {}) instanceof SealedError, true);
    same(gather(log, channel, "2", as("w", 2)), two);
    await log.commit();
    await reads(log, channel, { offset: 0, epoch: one.epoch }, ["1", "2"]);
  },

  async "a commit writes everything, in every channel, at the positions that were returned"(log, channel) {
    if (log.commit === undefined) return;
    const names = numbers(1, 3).map((number) => `${channel} ${number}`);
    const gathered = numbers(1, 20).flatMap((data) =>
      names.map((name) => ({ name, data, position: gather(log, name, data) })),
    );
    await log.commit();
    for (const name of names) {
      const { epoch, entries } = await log.read(name, {});
      const here = gathered.filter((each) => each.name === name);
      const positions = here.map(({ position }) => position);
      same(dataOf({ entries }), numbers(1, 20));
      same(
        offsetsOf(entries).map((offset) => ({ offset, epoch })),
        positions,
      );
    }
  },

  async "every channel that a commit writes to wakes"(log, channel, tools) {
    if (log.commit === undefined) return;
    const names = numbers(1, 3).map((number) => `${channel} ${number}`);
    const bells = names.map(() => tools.bell());
    const watches = await Promise.all(names.map((name, at) => log.watch(name, () => bells[at]?.ring())));
    const heard = bells.map((bell) => bell.next());
    for (const name of [...names, ...names]) gather(log, name, "1");
    await Promise.all([...heard, log.commit()]);
    for (const watch of watches) await watch[Symbol.asyncDispose]();
  },

  async "a commit of nothing changes nothing"(log, channel) {
    if (log.commit === undefined) return;
    await log.commit();
    const position = await append(log, channel, "1");
    for (let count = 0; count < 2; count++) await log.commit();
    await reads(log, channel, undefined, ["1"]);
    same(await append(log, channel, "2"), { ...position, offset: 2 });
  },

  async "a commit that begins while another is under way writes what was gathered until then"(log, channel) {
    if (log.commit === undefined) return;
    const commits: Promise<void>[] = [];
    for (const data of numbers(1, 8)) {
      const { offset } = gather(log, channel, data);
      // The tested log would wait for the commit before.
      const commit = Promise.resolve(log.raw.commit?.());
      commits.push(commit.then(async () => same((await log.read(channel, {})).top >= offset, true)));
      for (let steps = 0; steps < offset; steps++) await undefined;
    }
    await Promise.all(commits);
    await reads(log, channel, undefined, numbers(1, 8));
  },

  async "what was never committed is not in a log that is made again"(log, channel, tools) {
    if (log.commit === undefined) return;
    await append(log, channel, "1", { state: "old" });
    gather(log, channel, "2", { state: "new", place: "last" });
    await log[Symbol.asyncDispose]();
    const next = await tools.again();
    const { entries, state, sealed = false } = await next.read(channel, {});
    const isKept = entries.length > 0;
    same([dataOf({ entries }), sealed], [isKept ? ["1"] : [], false]);
    if (isKept) same(state, "old");
    await append(next, channel, "3");
    await reads(next, channel, undefined, isKept ? ["1", "3"] : ["3"]);
  },

  async "what was committed at once is in a log that is made again, all of it or nothing"(
    log,
    channel,
    tools,
  ) {
    if (log.commit === undefined) return;
    const names = numbers(1, 3).map((number) => `${channel} ${number}`);
    for (const data of numbers(1, 4)) for (const name of names) gather(log, name, data);
    await log.commit();
    await log[Symbol.asyncDispose]();
    const next = await tools.again();
    const slices = await Promise.all(names.map((name) => next.read(name, {})));
    const isKept = slices.some(({ top }) => top > 0);
    same(
      slices.map(dataOf),
      names.map(() => (isKept ? numbers(1, 4) : [])),
    );
  },

  async "a disposed log rejects a commit with a ClosedError"(log, channel) {
    if (log.commit === undefined) return;
    gather(log, channel, "1");
    await log[Symbol.asyncDispose]();
    const error = await failure(log.commit());
    same(error instanceof ClosedError || String(error), true);
  },
};

/** Appends without a commit. */
export function gather(
  { raw }: TestedLog,
  channel: string,
  data: string,
  options: Partial<AppendOptions> = {},
): Position {
  return demandPosition(raw.append(channel, data, { time, retention: all, ...options }));
}

/** Returns what an append throws. */
function refusal(log: TestedLog, channel: string, options: Partial<AppendOptions>): unknown {
  try {
    return gather(log, channel, "x", options);
  } catch (error) {
    return error;
  }
}
