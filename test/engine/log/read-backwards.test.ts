import { describe, expect } from "vitest";
import type { Slice } from "../../../src/model/log.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { type Core, type Start, startWith, test } from "../../support/core.ts";

/** Returns a client that may read everything. Its log records how many entries each read returned. */
async function reading(
  start: Start,
  change: (slice: Slice, reads: number) => Slice | Promise<Slice> = (slice) => slice,
): Promise<{ core: Core; entries: number[]; ask(params: object): Promise<unknown> }> {
  const entries: number[] = [];
  const core = startWith(start, (log) => ({
    async read(channel, options) {
      const slice = await change(await log.read(channel, options), entries.length + 1);
      entries.push(slice.entries.length);
      return slice;
    },
  }));
  for (let n = 1; n <= 900; n++) await core.notifier.publish("news", n);
  const client = pipe(core.notifier);
  client.send({ id: 1, connect: {} });
  await core.clock.settle();
  client.take();
  return {
    core,
    entries,
    async ask(params) {
      client.send({ id: 2, history: { channel: "news", reverse: true, ...params } });
      await core.clock.settle();
      const [{ history, error }] = client.take() as [
        { history?: { publications: { data: number }[] }; error?: object },
      ];
      return history?.publications.map(({ data }) => data) ?? error;
    },
  };
}

describe("the newest publications of a channel", () => {
  test.for([
    [{ limit: 1 }, [900]],
    [{ limit: 3 }, [900, 899, 898]],
    [{ limit: 2, since: { offset: 11, epoch: "" } }, [10, 9]],
    [{ limit: 5, since: { offset: 3, epoch: "" } }, [2, 1]],
    [{ limit: 5, since: { offset: 2_000, epoch: "" } }, [900, 899, 898, 897, 896]],
    [{ limit: 0 }, []],
  ] as [object, number[]][])("by %j is read without the rest", async ([params, expected], { start }) => {
    const { entries, ask } = await reading(start);
    expect(await ask(params)).toEqual(expected);
    expect(entries).toEqual(expected.length === 0 ? [0] : [0, expected.length]);
  });

  test("are collected from several reads where the log returns less than was asked for", async ({
    start,
  }) => {
    const { entries, ask } = await reading(start, (slice) => ({
      ...slice,
      entries: slice.entries.slice(0, 4),
    }));
    expect(await ask({ limit: 10 })).toEqual([900, 899, 898, 897, 896, 895, 894, 893, 892, 891]);
    expect(entries).toEqual([0, 4, 4, 2]);
  });

  test("are read again where the log trims them meanwhile, and refused where it trims them again", async ({
    start,
  }) => {
    const torn = (slice: Slice): Slice => ({ ...slice, gapless: false, entries: [] });
    const once = await reading(start, (slice, reads) => (reads === 2 ? torn(slice) : slice));
    expect(await once.ask({ limit: 2 })).toEqual([900, 899]);
    const always = await reading(start, (slice, reads) => (reads % 2 === 0 ? torn(slice) : slice));
    expect(await always.ask({ limit: 2 })).toEqual({ code: 112, message: "unrecoverable position" });
    expect(always.entries).toHaveLength(6);
  });
});
