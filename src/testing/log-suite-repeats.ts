import { ClosedError } from "../model/errors.ts";
import {
  all,
  append,
  as,
  failure,
  key,
  type LogTests,
  minute,
  numbers,
  offsetsOf,
  reads,
  same,
  type TestedLog,
} from "./log-suite-tools.ts";

/** Appends that are sent again. */
export const repeatTests: LogTests = {
  async "a writer's last append, sent again, answers its position and appends nothing"(log, channel) {
    const first = await append(log, channel, "1", as("w", 1));
    same(await append(log, channel, "1", as("w", 1)), first);
    const second = await append(log, channel, "2", as("w", 2));
    same(second, { offset: 2, epoch: first.epoch });
    await append(log, channel, "3");
    for (let count = 0; count < 2; count++) same(await append(log, channel, "2", as("w", 2)), second);
    await reads(log, channel, undefined, ["1", "2", "3"]);
  },

  async "the same append sent twice at once is made once"(log, channel) {
    // A writer sends nothing else before its first append has settled.
    await append(log, channel, "1", as("w", 1));
    const calls = [2, 2, 3, 3, 4].map((n) => append(log, channel, String(n), as("w", n)));
    same(offsetsOf(await Promise.all(calls)), [2, 2, 3, 3, 4]);
    await reads(log, channel, undefined, numbers(1, 4));
  },

  async "a writer's number that is neither its last nor the next is refused, and may be tried again"(
    log,
    channel,
  ) {
    for (const n of [1, 2, 3]) await append(log, channel, String(n), as("w", n));
    for (const n of [2, 1, 5]) {
      const error = await failure(append(log, channel, "x", as("w", n)));
      const isPlain = error instanceof Error && !(error instanceof ClosedError);
      same([isPlain, (error as { lasting?: boolean }).lasting ?? false], [true, false]);
    }
    same((await append(log, channel, "4", as("w", 4))).offset, 4);
    await reads(log, channel, undefined, numbers(1, 4));
  },

  async "a writer that is not known begins where it says"(log, channel) {
    same((await append(log, channel, "1", as("w", 7))).offset, 1);
    same((await append(log, channel, "1", as("w", 7))).offset, 1);
    same((await append(log, channel, "2", as("w", 8))).offset, 2);
    await reads(log, channel, undefined, ["1", "2"]);
  },

  async "each writer counts for itself, in each channel"(log, channel) {
    same((await append(log, channel, "1", as("v", 1))).offset, 1);
    same((await append(log, channel, "2", as("w", 1))).offset, 2);
    same((await append(log, channel, "2", as("w", 1))).offset, 2);
    same((await append(log, `${channel} other`, "1", as("w", 1))).offset, 1);
    same((await append(log, channel, "3", as("v", 2))).offset, 3);
    await reads(log, channel, undefined, ["1", "2", "3"]);
  },

  async "a key that was used answers the first position, and appends nothing"(log, channel) {
    const first = await append(log, channel, "1", { key });
    await append(log, channel, "2", { key: { ...key, text: "order 8" } });
    same(await append(log, channel, "3", { key }), first);
    same((await append(log, `${channel} other`, "1", { key })).offset, 1);
    const [one, other] = await twice(log, channel, { ...key, text: "order 9" });
    same(one, other);
    await reads(log, channel, undefined, ["1", "2", "4"]);
  },

  async "a key counts until its ttl is over"(log, channel, tools) {
    const short = { text: "short", ttl: 100 };
    await append(log, channel, "1", { key });
    await append(log, channel, "2", { key: short });
    await tools.pass(100);
    await tools.holds(async () => {
      same((await append(log, channel, "3", { key: short })).offset, 3);
    });
    same((await append(log, channel, "4", { key })).offset, 1);
    if (!(await tools.pass(minute - 101))) return;
    same((await append(log, channel, "4", { key })).offset, 1);
    await tools.pass(1);
    same((await append(log, channel, "4", { key })).offset, 4);
  },

  async "once and key are known when the entry was trimmed"(log, channel) {
    const retention = { ...all, size: 1 };
    const first = await append(log, channel, "1", { key, ...as("w", 1), retention });
    await append(log, channel, "2", { retention });
    same(await append(log, channel, "1", { ...as("w", 1), retention }), first);
    same(await append(log, channel, "1", { key, retention }), first);
    await reads(log, channel, undefined, ["2"]);
  },

  async "an append with once and a used key answers the key's first use, and is the writer's last"(
    log,
    channel,
  ) {
    const first = await append(log, channel, "1", { key });
    same(await append(log, channel, "2", { key, ...as("w", 1) }), first);
    same(await append(log, channel, "2", as("w", 1)), first);
    same((await append(log, channel, "3", as("w", 2))).offset, 2);
    await reads(log, channel, undefined, ["1", "3"]);
  },
};

function twice(log: TestedLog, channel: string, key: { text: string; ttl: number }) {
  return Promise.all([append(log, channel, "4", { key }), append(log, channel, "4", { key })]);
}
