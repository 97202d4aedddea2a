import { SealedError } from "../model/errors.ts";
import type { AppendAllOptions, Position, WakeHint } from "../model/log.ts";
import {
  all,
  append,
  as,
  failure,
  type LogTests,
  numbers,
  offsetsOf,
  reads,
  same,
  type TestedLog,
  time,
} from "./log-suite-tools.ts";

/** Appends of several payloads. A log without `appendAll` passes at once. */
export const togetherTests: LogTests = {
  async "several payloads are appended in order, with their times and tags"(log, channel) {
    if (log.appendAll === undefined) return;
    await append(log, channel, "1");
    const tags = { kind: "late" };
    const entries = [
      { data: "2", time },
      { data: "3", time: time + 1, tags },
      { data: "4", time: time + 2 },
    ];
    const last = await log.appendAll(channel, entries, { retention: all });
    same(await append(log, channel, "5"), { ...last, offset: 5 });
    const { entries: found, epoch } = await log.read(channel, {});
    same([last, offsetsOf(found)], [{ epoch, offset: 4 }, [1, 2, 3, 4, 5]]);
    same(
      found.slice(1, 4).map(({ data, time, tags }) => ({ data, time, tags })),
      entries,
    );
  },

  async "several payloads are one append of their writer: again, they are not made again"(log, channel) {
    if (log.appendAll === undefined) return;
    same((await append(log, channel, "1", as("w", 1))).offset, 1);
    const last = await together(log, channel, ["2", "3", "4"], as("w", 2));
    same(last.offset, 4);
    same(await together(log, channel, ["2", "3", "4"], as("w", 2)), last);
    await append(log, channel, "5");
    same(await together(log, channel, ["2", "3", "4"], as("w", 2)), last);
    same((await together(log, channel, ["6", "7"], as("w", 3))).offset, 7);
    same((await append(log, channel, "8", as("w", 4))).offset, 8);
    for (const n of [2, 6]) {
      const error = await failure(together(log, channel, ["x", "y"], as("w", n)));
      same([error instanceof Error, (error as { lasting?: boolean }).lasting ?? false], [true, false]);
    }
    await reads(log, channel, undefined, numbers(1, 8));
  },

  async "several payloads are appended by a writer that the log does not know"(log, channel) {
    if (log.appendAll === undefined) return;
    const last = await together(log, channel, ["1", "2"], as("w", 7));
    same(last.offset, 2);
    same(await together(log, channel, ["1", "2"], as("w", 7)), last);
    same((await append(log, channel, "3", as("w", 8))).offset, 3);
    await reads(log, channel, undefined, ["1", "2", "3"]);
  },

  async "of several payloads for a sealed channel none is appended"(log, channel) {
    if (log.appendAll === undefined) return;
    await append(log, channel, "1");
    await append(log, channel, "2", { place: "last" });
    same((await failure(together(log, channel, ["3", "4"]))) instanceof SealedError, true);
    await reads(log, channel, undefined, ["1", "2"]);
  },

  async "several payloads wake a watcher, and what a wake carries is in order"(log, channel, tools) {
    if (log.appendAll === undefined) return;
    const bell = tools.bell();
    const hints: (WakeHint | undefined)[] = [];
    await using _ = await log.watch(channel, (hint) => {
      hints.push(hint);
      bell.ring();
    });
    const woken = bell.next();
    const { epoch } = await together(log, channel, numbers(1, 20));
    await woken;
    await tools.holds(async () => {
      const told = hints.filter((hint) => hint !== undefined);
      const wanted = numbers(1, 20).map((data, n) => ({ data, offset: n + 1, epoch, time }));
      const found = told.map(({ data, offset, epoch, time }) => ({ data, offset, epoch, time }));
      same(found, wanted.slice(0, found.length));
    });
    await reads(log, channel, undefined, numbers(1, 20));
  },

  async "several payloads are kept as long as their retention says"(log, channel) {
    if (log.appendAll === undefined) return;
    const last = await together(log, channel, numbers(1, 9), { retention: { ...all, size: 4 } });
    await reads(log, channel, { ...last, offset: 5 }, numbers(6, 9));
    await reads(log, channel, { ...last, offset: 4 }, "gap");
    await append(log, channel, "10", { retention: undefined });
    await reads(log, channel, { ...last, offset: 6 }, numbers(7, 10));
  },
};

function together(
  log: TestedLog,
  channel: string,
  data: readonly string[],
  options: AppendAllOptions = {},
): Promise<Position> {
  const entries = data.map((each) => ({ data: each, time }));
  return (log as Required<TestedLog>).appendAll(channel, entries, { retention: all, ...options });
}
