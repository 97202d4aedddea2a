import { describe, expect } from "vitest";
import { nextPart } from "../../../src/engine/log/read-page.ts";
import type { Slice } from "../../../src/model/log.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { type Start, startWith, test } from "../../support/core.ts";

/** Returns a client that may read everything. Its log records how many entries each read returned. */
async function reading(
  start: Start,
  count: number,
  chars: number,
  change = (slice: Slice, _reads: number) => slice,
) {
  const entries: number[] = [];
  const core = startWith(start, (log) => ({
    async read(channel, options) {
      const slice = change(await log.read(channel, options), entries.length + 1);
      entries.push(slice.entries.length);
      return slice;
    },
  }));
  for (let n = 1; n <= count; n++) {
    await core.notifier.publish("news", "x".repeat(chars));
    await core.clock.settle();
  }
  const client = pipe(core.notifier);
  client.send({ id: 1, connect: {} });
  await core.clock.settle();
  client.take();
  const ask = async (params: object): Promise<number[] | object | undefined> => {
    client.send({ id: 2, history: { channel: "news", limit: -1, ...params } });
    await core.clock.settle();
    const [{ history, error }] = client.take() as [
      { history?: { publications: { offset: number }[] }; error?: object },
    ];
    return history?.publications.map(({ offset }) => offset) ?? error;
  };
  return { entries, ask };
}

describe("a history", () => {
  test("of large publications is read only as far as a reply has room, forwards and backwards", async ({
    start,
  }) => {
    const { entries, ask } = await reading(start, 80, 100_000);
    expect(await ask({})).toEqual([1, 2]);
    expect(entries.splice(0)).toEqual([16]);
    expect(await ask({ reverse: true })).toEqual([80, 79]);
    expect(entries.splice(0)).toEqual([0, 16]);
    expect(await ask({ since: { offset: 70, epoch: "" } })).toEqual([71, 72]);
    expect(entries).toEqual([10]);
  });

  test("of small ones is read in two parts", async ({ start }) => {
    const { entries, ask } = await reading(start, 100, 10);
    expect(await ask({})).toHaveLength(100);
    expect(entries.splice(0)).toEqual([16, 84]);
    expect(await ask({ reverse: true })).toHaveLength(100);
    expect(entries.splice(0)).toEqual([0, 16, 84]);
    expect(await ask({ limit: 20 })).toHaveLength(20);
    expect(entries).toEqual([16, 4]);
  });

  test("ends where the log trims what follows while it is read", async ({ start }) => {
    const torn = (slice: Slice): Slice => ({ ...slice, gapless: false, entries: [] });
    const { ask } = await reading(start, 100, 10, (slice, reads) => (reads === 2 ? torn(slice) : slice));
    expect(await ask({})).toHaveLength(16);
  });
});

test("the next part is as large as a reply has room for, estimated from the publications before", () => {
  expect(nextPart(0, 0, 1_000)).toBe(16);
  expect(nextPart(16, 160, 1_000)).toBe(84);
  expect(nextPart(16, 900, 1_000)).toBe(2);
});
