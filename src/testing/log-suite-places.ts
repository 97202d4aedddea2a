import { ExistsError, SealedError } from "../model/errors.ts";
import type { AppendOptions, Position } from "../model/log.ts";
import {
  all,
  append,
  as,
  differs,
  failure,
  fill,
  key,
  type LogTests,
  none,
  numbers,
  offsetsOf,
  reads,
  same,
  type TestedLog,
} from "./log-suite-tools.ts";

const first = { place: "first" } as const;
const last = { place: "last" } as const;
/** Options that would each change a channel. */
const changes: Partial<AppendOptions> = { state: "new", retention: none, key, ...as("w", 1) };

/** Appends that begin a channel, and those that seal it. */
export const placeTests: LogTests = {
  async "in the first place of an unknown channel an append is like any other"(log, channel) {
    const { epoch, offset } = await append(log, channel, "1", first);
    same(offset, 1);
    await reads(log, channel, { offset: 0, epoch }, ["1"]);
    same(await append(log, channel, "2"), { offset: 2, epoch });
  },

  async "in the first place of a channel that has begun an append is refused, and changes nothing"(
    log,
    channel,
  ) {
    await append(log, channel, "1", { state: "old" });
    const before = await log.read(channel, {});
    for (const options of [first, { ...changes, ...first }]) {
      await refuses(append(log, channel, "x", options), ExistsError, channel);
      same(await log.read(channel, {}), before);
    }
    // Neither its number nor its key counts.
    same((await append(log, channel, "2", { key, ...as("w", 1) })).offset, 2);
    const gone = `${channel} gone`;
    await fill(log, gone, 3, none);
    await refuses(append(log, gone, "x", first), ExistsError, gone);
  },

  async "only one of two appends in the first place is made"(log, channel) {
    const calls = [append(log, channel, "1", first), append(log, channel, "2", first)];
    const errors = await Promise.all(calls.map(failure));
    same(
      errors.map((error) => error === undefined || error instanceof ExistsError),
      [true, true],
    );
    same(errors.filter((error) => error === undefined).length, 1);
    await reads(log, channel, undefined, errors[0] === undefined ? ["1"] : ["2"]);
  },

  async "in the last place an append seals its channel: later ones are refused, and change nothing"(
    log,
    channel,
  ) {
    const { epoch } = await append(log, channel, "1", { state: "old" });
    same((await log.read(channel, {})).sealed ?? false, false);
    same(await append(log, channel, "2", last), { offset: 2, epoch });
    const before = await log.read(channel, {});
    same([before.sealed, before.state], [true, "old"]);
    await reads(log, channel, undefined, ["1", "2"]);
    for (const options of [{}, last, changes, { ...changes, ...last }]) {
      await refuses(append(log, channel, "x", options), SealedError, channel);
    }
    await refuses(append(log, channel, "x", { ...changes, ...first }), ExistsError, channel);
    same(await log.read(channel, {}), before);
    same((await append(log, `${channel} other`, "1")).offset, 1);
  },

  async "an append in the last place may be the only one of its channel"(log, channel) {
    same((await append(log, channel, "1", last)).offset, 1);
    same((await log.read(channel, { limit: 0 })).sealed, true);
    await reads(log, channel, undefined, ["1"]);
    await refuses(append(log, channel, "2"), SealedError, channel);
  },

  async "a channel stays sealed when its entries are gone, each at its own time"(log, channel, tools) {
    const retention = { ...all, ttl: 100 };
    const { epoch } = await append(log, channel, "1", { retention });
    await append(log, channel, "2", { ...last, retention });
    await tools.pass(100);
    await tools.holds(async () => {
      const { sealed, ...slice } = await log.read(channel, {});
      same([sealed, slice.epoch, slice.top, slice.first], [true, epoch, 2, 3]);
    });
    await refuses(append(log, channel, "3", { retention }), SealedError, channel);
    await reads(log, channel, { offset: 2, epoch }, []);
  },

  async "a repeat is answered in a sealed channel, whatever its place"(log, channel) {
    const one = await append(log, channel, "1", { key });
    const two = await append(log, channel, "2", { ...as("w", 1), ...last });
    for (const place of [undefined, "first", "last"] as const) {
      same(await append(log, channel, "x", { place, ...as("w", 1) }), two);
      same(await append(log, channel, "x", { place, key }), one);
    }
    await reads(log, channel, undefined, ["1", "2"]);
  },

  async "an append that a sealed channel refused does not count, and is refused again"(log, channel) {
    const one = await append(log, channel, "1", as("w", 1));
    await append(log, channel, "2", last);
    for (let count = 0; count < 2; count++) {
      await refuses(append(log, channel, "x", { key, ...as("w", 2) }), SealedError, channel);
      await refuses(append(log, channel, "x", { key }), SealedError, channel);
    }
    same(await append(log, channel, "1", as("w", 1)), one);
  },

  async "in the first place a sealed channel whose entries are gone begins anew: another epoch, and nothing of before"(
    log,
    channel,
  ) {
    const old = await append(log, channel, "1", { key, state: "old", ...as("v", 1) });
    await append(log, channel, "2", { ...last, retention: none });
    const begun = await append(log, channel, "3", first);
    same(begun.offset, 1);
    differs(begun.epoch, old.epoch);
    const { state, sealed = false } = await log.read(channel, {});
    same([state, sealed], [undefined, false]);
    await reads(log, channel, undefined, ["3"]);
    await reads(log, channel, { offset: 0, epoch: "" }, ["3"]);
    for (const offset of [0, 1, 2]) await reads(log, channel, { offset, epoch: old.epoch }, "gap");
    same(await append(log, channel, "4", { key }), { offset: 2, epoch: begun.epoch });
    same(await append(log, channel, "5", as("v", 1)), { offset: 3, epoch: begun.epoch });
    await reads(log, channel, { offset: 0, epoch: begun.epoch }, ["3", "4", "5"]);
    await refuses(append(log, channel, "x", first), ExistsError, channel);
  },

  async "a sealed channel begins anew once the ttl of its entries is over"(log, channel, tools) {
    const old = await append(log, channel, "1", { ...last, retention: { ...all, ttl: 100 } });
    await tools.pass(100);
    let begun: Position = old;
    await tools.holds(async () => {
      begun = await append(log, channel, "2", { ...first, ...as("w", 1) });
    });
    same(begun.offset, 1);
    differs(begun.epoch, old.epoch);
    await reads(log, channel, undefined, ["2"]);
  },

  async "a channel that began anew does not when the same append is sent again"(log, channel) {
    const old = await append(log, channel, "1", { ...last, retention: none });
    const begun = await append(log, channel, "2", { ...as("w", 2), ...first });
    same(await append(log, channel, "2", { ...as("w", 2), ...first }), begun);
    differs(begun.epoch, old.epoch);
    await append(log, channel, "3");
    same(await append(log, channel, "2", { ...as("w", 2), ...first }), begun);
    same((await append(log, channel, "4", as("w", 3))).offset, 3);
    await reads(log, channel, undefined, ["2", "3", "4"]);
  },

  async "a channel may be sealed and begin anew again and again, each time in another epoch"(log, channel) {
    const begun: Position[] = [];
    for (const data of numbers(1, 5)) {
      begun.push(await append(log, channel, data, first));
      await append(log, channel, "end", { ...last, retention: none });
    }
    same(offsetsOf(begun), [1, 1, 1, 1, 1]);
    same(new Set(begun.map(({ epoch }) => epoch)).size, 5);
    for (const { epoch } of begun.slice(0, 4)) await reads(log, channel, { offset: 1, epoch }, "gap");
  },
};

async function refuses(
  call: ReturnType<TestedLog["append"]>,
  kind: typeof ExistsError | typeof SealedError,
  channel: string,
): Promise<void> {
  const error = await failure(call);
  same(error instanceof kind ? error.channel : `${error ?? "nothing"}`, channel);
}
