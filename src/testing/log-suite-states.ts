import { append, as, fill, key, type LogTests, none, same, type TestedLog } from "./log-suite-tools.ts";

/** What a channel says of itself. */
export const stateTests: LogTests = {
  async "a channel's state is read with it, and the last one is what it is"(log, channel) {
    same((await log.read(channel, {})).state, undefined);
    await append(log, channel, "1");
    same((await log.read(channel, {})).state, undefined);
    await append(log, channel, "2", { state: "one" });
    await append(log, channel, "3");
    await says(log, channel, "one");
    await append(log, channel, "4", { state: "two" });
    await says(log, channel, "two");
    await append(log, channel, "5", { state: "" });
    await says(log, channel, "");
    same((await log.read(`${channel} other`, {})).state, undefined);
  },

  async "a channel's state is kept when its entries are gone"(log, channel) {
    const { epoch } = await fill(log, channel, 2);
    await append(log, channel, "3", { state: "here", retention: none });
    same((await log.read(channel, {})).first, 4);
    await says(log, channel, "here");
    same(await append(log, channel, "4", { retention: none }), { offset: 4, epoch });
    await says(log, channel, "here");
  },

  async "a repeat has no state"(log, channel) {
    await append(log, channel, "1", { state: "one", key, ...as("w", 1) });
    await append(log, channel, "1", { state: "two", ...as("w", 1) });
    await append(log, channel, "1", { state: "three", key });
    await says(log, channel, "one");
  },

  async "a channel that begins anew has the state of its first append, or none"(log, channel) {
    for (const state of ["one", undefined, "two"]) {
      await append(log, channel, "1", { place: "first", state });
      same((await log.read(channel, {})).state, state);
      await append(log, channel, "2", { place: "last", state: "over", retention: none });
      await says(log, channel, "over");
    }
  },

  async "a state of 4 096 characters of any script comes back unchanged"(log, channel) {
    for (const text of ["x", "é", "漢", "😀"]) {
      const state = text.repeat(4_096 / text.length);
      await append(log, channel, "1", { state });
      await says(log, channel, state);
    }
  },
};

/** Checks that every kind of read returns a state. */
async function says(log: TestedLog, channel: string, state: string): Promise<void> {
  const after = { offset: 1, epoch: "of another channel" };
  for (const options of [{}, { limit: 0 }, { last: 1 }, { after }])
    same((await log.read(channel, options)).state, state);
}
