import {
  all,
  append,
  appendAll,
  dataOf,
  day,
  differs,
  fill,
  type LogTests,
  minute,
  numbers,
  offsetsOf,
  plain,
  reads,
  same,
  type TestedLog,
  time,
} from "./log-suite-tools.ts";

/** What a log keeps of a channel, for how long, and what it remembers after that. */
export const keepingTests: LogTests = {
  async "epoch and top outlive the entries"(log, channel) {
    const { epoch } = await fill(log, channel, 3, { size: 0 });
    const slice = await log.read(channel, {});
    same(plain(slice), { epoch, top: 3, first: 4, entries: [], gapless: true });
    same(await append(log, channel, "4"), { offset: 4, epoch });
    await reads(log, channel, { offset: 3, epoch }, ["4"]);
  },

  async "the retention given with an append replaces the one before it"(log, channel) {
    await fill(log, channel, 5, { size: 2 });
    await fill(log, channel, 2, { size: 3 });
    same((await log.read(channel, {})).first, 5);
    await log.append(channel, "0", { time, retention: { slack: 0 } });
    await append(log, channel, "1234567890", { retention: { ...all, bytes: 10 } });
    same(dataOf(await log.read(channel, {})), ["1234567890"]);
  },

  async "an entry goes when its ttl is over, each at its own time, and not before"(log, channel, tools) {
    const short = { ...all, ttl: 100 };
    const other = `${channel} other`;
    const first = await append(log, channel, "1", { retention: short });
    const { epoch } = await fill(log, other, 2, { ttl: minute });
    await tools.pass(100);
    await tools.holds(async () => {
      const empty = { top: 1, first: 2, entries: [], gapless: true };
      same(plain(await log.read(channel, {})), { ...empty, epoch: first.epoch });
    });
    await reads(log, channel, { offset: 0, epoch: "" }, "gap");
    await reads(log, other, { offset: 0, epoch }, ["1", "2"]);
    if (!(await tools.pass(minute - 101))) return;
    await append(log, other, "3", { retention: { ...all, ttl: minute } });
    await reads(log, other, undefined, ["1", "2", "3"]);
    await tools.pass(1);
    await reads(log, other, undefined, ["3"]);
  },

  async "what is beyond size and bytes is kept while it is young and fits into slack"(log, channel) {
    await fill(log, channel, 50, { size: 2, slack: 1_048_576 });
    await reads(log, channel, undefined, numbers(1, 50));
    const long = `${channel} long`;
    const data = JSON.stringify("x".repeat(998));
    for (let count = 0; count < 20; count++) {
      await append(log, long, data, { retention: { ...all, bytes: 5_000, slack: 1_048_576 } });
    }
    same((await log.read(long, { limit: 0 })).first, 1);
  },

  async "what is beyond size and bytes takes no more than slack"(log, channel) {
    const data = JSON.stringify("x".repeat(998));
    for (let count = 0; count < 20; count++) {
      await append(log, channel, data, { retention: { ...all, size: 2, slack: 5_000 } });
    }
    // A store decides what each entry costs besides its payload.
    const { first, top } = await log.read(channel, {});
    same([top, top - first + 1 >= 4, top - first + 1 <= 7], [20, true, true]);
  },

  async "what is beyond size is gone after 10 s, and not before"(log, channel, tools) {
    const { epoch } = await fill(log, channel, 5, { size: 2, slack: 1_048_576 });
    if (!(await tools.pass(9_999))) return;
    await reads(log, channel, undefined, numbers(1, 5));
    await tools.pass(1);
    await reads(log, channel, undefined, ["4", "5"]);
    await reads(log, channel, { offset: 1, epoch }, "gap");
  },

  async "a log that says how much it keeps says what the last append set"(log, channel) {
    if (log.keeps === undefined) return;
    const retention = { size: 7, bytes: 7_000, ttl: minute, slack: 70 };
    await append(log, channel, "1", { retention });
    // A log may leave out what it does not know.
    same({ ...retention, ...log.keeps(channel) }, retention);
    for (const bound of Object.values(log.keeps(`${channel} other`))) same(bound >= 0, true);
    same((await log.read(`${channel} other`, {})).top, 0);
  },

  async "a watched channel is remembered without entries, whatever else is used"(log, channel, tools) {
    const watch = await log.watch(channel, () => {});
    const other = await log.watch(channel, () => {});
    const { epoch } = await append(log, channel, "1", { retention: { ...all, ttl: 100 } });
    await other[Symbol.asyncDispose]();
    await tools.pass(100);
    const names = numbers(1, 300).map((name) => `${channel} ${name}`);
    await Promise.all(names.map((name) => log.read(name, { limit: 0 })));
    await tools.holds(async () => {
      const empty = { top: 1, first: 2, entries: [], gapless: true };
      same(plain(await log.read(channel, {})), { ...empty, epoch });
    });
    if (await tools.pass(30 * day)) await useOthers(log, channel);
    same(await append(log, channel, "2"), { offset: 2, epoch });
    await watch[Symbol.asyncDispose]();
  },

  async "a channel is remembered for 24 hours after its last append"(log, channel, tools) {
    const { epoch } = await append(log, channel, "1", { retention: { ...all, ttl: minute } });
    if (!(await tools.pass(day - 1))) return;
    await useOthers(log, channel);
    same(await append(log, channel, "2"), { offset: 2, epoch });
  },

  async "no position comes twice, however long a channel is forgotten"(log, channel, tools) {
    const first = await append(log, channel, "1", { retention: { ...all, ttl: minute } });
    if (!(await tools.pass(3 * day))) return;
    await useOthers(log, channel);
    const second = await append(log, channel, "2", { retention: { ...all, ttl: minute } });
    differs(second, first);
    await reads(log, channel, first, first.epoch === second.epoch ? ["2"] : "gap");
  },

  async "no position comes twice in a log that is made again"(log, channel, tools) {
    const first = await append(log, channel, "1");
    await log[Symbol.asyncDispose]();
    const next = await tools.again();
    const second = await append(next, channel, "2");
    differs(second, first);
    await reads(next, channel, first, first.epoch === second.epoch ? ["2"] : "gap");
  },

  async "older epochs that an epoch continues are read like the epoch itself, as far as it continues them"(
    log,
    channel,
    tools,
  ) {
    const before = await fill(log, channel, 3);
    await log[Symbol.asyncDispose]();
    const next = await tools.again();
    await appendAll(next, channel, ["4", "5"]);
    const { lineage = [], first, top, entries } = await next.read(channel, {});
    for (const { epoch, offset: end } of lineage) {
      for (let offset = 0; offset <= top; offset++) {
        const { gapless, entries } = await next.read(channel, { after: { offset, epoch } });
        const isServed = offset >= first - 1 && offset <= end;
        same([epoch, offset, gapless], [epoch, offset, isServed]);
        if (isServed) same(offsetsOf(entries)[0] ?? top + 1, offset + 1);
      }
      const continued = entries.filter(({ offset }) => offset <= end);
      if (epoch === before.epoch) same(dataOf({ entries: continued }), numbers(first, Math.min(end, top)));
    }
  },
};

/** For stores that can be wiped. */
export const wipeTests: LogTests = {
  async "no position comes twice after the store was wiped"(log, channel, tools) {
    const first = await fill(log, channel, 3);
    await tools.wipe();
    const second = await append(log, channel, "1");
    differs(second.epoch, first.epoch);
    await reads(log, channel, { ...first, offset: 1 }, "gap");
    await reads(log, channel, first, "gap");
    same(dataOf(await log.read(channel, {})), ["1"]);
  },
};

/** Uses the log often enough for the upkeep that it does during other calls. */
async function useOthers(log: TestedLog, channel: string): Promise<void> {
  for (const name of numbers(1, 20)) await append(log, `${channel} ${name}`, "1");
}
