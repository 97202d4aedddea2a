import {
  append,
  dataOf,
  fill,
  type LogTests,
  numbers,
  offsetsOf,
  plain,
  reads,
  same,
  turn,
} from "./log-suite-tools.ts";

/** What a read returns, and after which positions it is gapless. */
export const readTests: LogTests = {
  async "a read goes on right after its position, and is empty and gapless at the top"(log, channel) {
    const { epoch } = await fill(log, channel, 3);
    await reads(log, channel, { offset: 0, epoch }, ["1", "2", "3"]);
    await reads(log, channel, { offset: 2, epoch }, ["3"]);
    await reads(log, channel, { offset: 3, epoch }, []);
  },

  async "a position with an empty epoch is one of any epoch"(log, channel) {
    await fill(log, channel, 3);
    await reads(log, channel, { offset: 0, epoch: "" }, ["1", "2", "3"]);
    await reads(log, channel, { offset: 2, epoch: "" }, ["3"]);
  },

  async "a position of another epoch is not gapless"(log, channel) {
    await fill(log, channel, 3);
    const { epoch } = await append(log, `${channel} other`, "1");
    await reads(log, channel, { offset: 0, epoch }, "gap");
    await reads(log, channel, { offset: 3, epoch }, "gap");
  },

  async "a position from the future is not gapless"(log, channel) {
    const { epoch } = await fill(log, channel, 3);
    await reads(log, channel, { offset: 4, epoch }, "gap");
    await reads(log, channel, { offset: 4, epoch: "" }, "gap");
  },

  async "a position is gapless exactly while nothing after it was trimmed"(log, channel) {
    await fill(log, channel, 5, { size: 2 });
    const { epoch, top, first } = await log.read(channel, {});
    same({ top, first }, { top: 5, first: 4 });
    await reads(log, channel, { offset: 2, epoch }, "gap");
    await reads(log, channel, { offset: 0, epoch: "" }, "gap");
    await reads(log, channel, { offset: 3, epoch }, ["4", "5"]);
  },

  async "a read without a position begins at the first entry kept, and is gapless"(log, channel) {
    await fill(log, channel, 5, { size: 2 });
    await reads(log, channel, undefined, ["4", "5"]);
  },

  async "a limit keeps the earliest entries, and changes nothing else"(log, channel) {
    const { epoch } = await fill(log, channel, 4);
    const after = { offset: 1, epoch };
    const { entries, ...rest } = plain(await log.read(channel, { after, limit: 2 }));
    same(dataOf({ entries }), ["2", "3"]);
    same(rest, { epoch, top: 4, first: 1, gapless: true });
    same(dataOf(await log.read(channel, { limit: 1 })), ["1"]);
    same(dataOf(await log.read(channel, { after, limit: 0 })), []);
    same(dataOf(await log.read(channel, { after, limit: 100 })), ["2", "3", "4"]);
  },

  async "last keeps the newest entries, and changes nothing else"(log, channel) {
    const { epoch } = await fill(log, channel, 5, { size: 4 });
    const after = { offset: 2, epoch };
    const { entries, ...rest } = plain(await log.read(channel, { after, last: 2 }));
    same(dataOf({ entries }), ["4", "5"]);
    same(rest, { epoch, top: 5, first: 2, gapless: true });
    same(dataOf(await log.read(channel, { last: 1 })), ["5"]);
    same(dataOf(await log.read(channel, { after, last: 0 })), []);
    same(dataOf(await log.read(channel, { after, last: 3 })), ["3", "4", "5"]);
    same(dataOf(await log.read(channel, { after, last: 100 })), ["3", "4", "5"]);
    same(dataOf(await log.read(channel, { last: 100 })), ["2", "3", "4", "5"]);
    same(dataOf(await log.read(channel, { after: { offset: 5, epoch }, last: 2 })), []);
    // The log still keeps the entries that are read, but not all that follow the position.
    same((await log.read(channel, { after: { offset: 0, epoch }, last: 2 })).gapless, false);
  },

  async "a thousand entries are read whole, and in parts from the earliest on"(log, channel) {
    const data = numbers(1, 1_100);
    await Promise.all(data.map((each) => append(log, channel, each)));
    const { epoch, entries } = await log.read(channel, {});
    same(dataOf({ entries }), data);
    for (const [offset, limit] of [
      [0, 300],
      [100, 257],
      [700, 1_000],
    ] as const) {
      const slice = await log.read(channel, { after: { offset, epoch }, limit });
      same(dataOf(slice), data.slice(offset, offset + limit));
    }
    same(dataOf(await log.read(channel, { limit: 600 })), data.slice(0, 600));
    same(dataOf(await log.read(channel, { last: 600 })), data.slice(-600));
  },

  async "reads among appends are whole: nothing missing, out of order or beyond top"(log, channel) {
    let after = { offset: 0, epoch: "" };
    for (let round = 1; round <= 60; round++) {
      const retention = { size: round < 30 ? 1_000 : 3, slack: 0 };
      const calls = [log.read(channel, { after }), log.read(channel, {})];
      const appended = append(log, channel, String(2 * round - 1), { retention });
      calls.push(log.read(channel, { after, limit: 2 }));
      // A failure is reported by the `Promise.all` below.
      for (const call of [...calls, appended]) call.catch(() => {});
      if (round % 4 === 0) await turn();
      const last = append(log, channel, String(2 * round), { retention });
      calls.push(log.read(channel, { after }));
      for (const { entries } of await Promise.all(calls)) {
        same(dataOf({ entries }), offsetsOf(entries).map(String));
      }
      same(offsetsOf(await Promise.all([appended, last])), [2 * round - 1, 2 * round]);
      if (round % 3 === 0) after = await last;
    }
  },
};
