import {
  append,
  appendAll,
  dataOf,
  fill,
  type LogTests,
  numbers,
  offsetsOf,
  plain,
  reads,
  same,
  time,
} from "./log-suite-tools.ts";

/** The order of appends in a channel, and what an entry keeps. */
export const entryTests: LogTests = {
  async "offsets rise by one from 1, in one epoch"(log, channel) {
    const positions = await appendAll(log, channel, ["1", "2", "3"]);
    same(offsetsOf(positions), [1, 2, 3]);
    same(new Set(positions.map(({ epoch }) => epoch)).size, 1);
  },

  async "appends made at once stand in the order in which they were called"(log, channel) {
    const data = Array.from({ length: 50 }, (_, index) => String(index));
    const positions = await Promise.all(data.map((each) => append(log, channel, each)));
    same(
      offsetsOf(positions),
      data.map((_, index) => index + 1),
    );
    same(dataOf(await log.read(channel, {})), data);
  },

  async "an entry keeps offset, data, time and tags, and nothing else"(log, channel) {
    const tags = { kind: "greeting", "": "é" };
    await append(log, channel, '{"a":1}', { time: 42, tags });
    await append(log, channel, "null");
    same((await log.read(channel, {})).entries, [
      { offset: 1, data: '{"a":1}', time: 42, tags },
      { offset: 2, data: "null", time },
    ]);
  },

  async "an unknown channel has an epoch that stays valid, top 0 and nothing to read"(log, channel) {
    const { epoch, ...rest } = plain(await log.read(channel, {}));
    same(rest, { top: 0, first: 1, entries: [], gapless: true });
    same(epoch === "", false);
    await append(log, channel, "1");
    await reads(log, channel, { offset: 0, epoch }, ["1"]);
  },

  async "a watched channel has its epoch before its first entry"(log, channel) {
    const watch = await log.watch(channel, () => {});
    const { epoch } = await log.read(channel, {});
    same((await append(log, channel, "1")).epoch, epoch);
    await watch[Symbol.asyncDispose]();
  },

  async "offsets go on without a jump when entries are trimmed"(log, channel) {
    const { epoch } = await fill(log, channel, 5, { size: 2 });
    for (let offset = 6; offset <= 9; offset++) {
      same(await append(log, channel, String(offset), { retention: { size: 2, slack: 0 } }), {
        offset,
        epoch,
      });
    }
    await reads(log, channel, { offset: 7, epoch }, numbers(8, 9));
  },

  async "two channels know nothing of each other"(log, channel) {
    const other = `${channel} other`;
    await fill(log, channel, 3, { size: 1 });
    same((await fill(log, other, 2)).offset, 2);
    await reads(log, channel, undefined, ["3"]);
    await reads(log, other, undefined, ["1", "2"]);
  },

  async "any string names a channel of its own"(log, channel) {
    const forms = ["", " ", "é", "e\u0301", "A", "a", "*", ">", "a.b", "%61", '"', "\n", "\0", "😀"];
    const odd = ["__proto__", "constructor", channel + "n".repeat(1000)];
    const names = [...odd, ...forms.map((form) => channel + form)];
    const before = await Promise.all(names.map((name) => log.read(name, { limit: 0 })));
    for (const name of names) await append(log, name, JSON.stringify(name));
    for (const [index, name] of names.entries()) {
      const { epoch = "", top = 0 } = before[index] ?? {};
      await reads(log, name, { offset: top, epoch }, [JSON.stringify(name)]);
    }
  },

  async "payloads of any script and of 256 KiB come back unchanged"(log, channel) {
    const texts = ["", " é e\u0301 ", "漢字 かな", "שלום", "👩‍👩‍👧 😀", "\u2028\u2029\ufeff\0\\"];
    const long = ["x".repeat(262_142), "漢".repeat(87_380)];
    const data = [...texts, ...long].map((text) => JSON.stringify(text));
    await appendAll(log, channel, data);
    same(dataOf(await log.read(channel, {})), data);
  },
};
