import { describe, expect, test } from "vitest";
import { anybody, range, wire } from "../../support/wire.ts";

interface Reply {
  subscribe: { recovered?: boolean; offset: number; publications?: { offset: number }[] };
}

describe("two connections of one user", () => {
  test("that recover from different positions each get what they missed, or the answer that it is gone", async () => {
    const here = wire({ memory: { size: 20, slack: 0 } });
    const ann = { ...anybody, user: "ann" };
    for (const n of range(1, 50)) await here.notifier.publish("news", n);
    const epoch = await here.epoch("news");
    const from = async (offset: number, of: string): Promise<[boolean, number, number[]]> => {
      const client = here.client({ peer: ann });
      await client.connect();
      const reply = await client.call("subscribe", { channel: "news", recover: true, offset, epoch: of });
      const { recovered = false, offset: at, publications = [] } = (reply as Reply).subscribe;
      return [recovered, at, publications.map((each) => each.offset)];
    };
    // The log keeps offsets 31 to 50.
    const lost = [false, 50, []];
    expect(await Promise.all([from(45, epoch), from(30, epoch)])).toEqual([
      [true, 45, range(46, 50)],
      [true, 30, range(31, 50)],
    ]);
    expect(await Promise.all([from(29, epoch), from(0, epoch), from(0, "")])).toEqual([lost, lost, lost]);
    expect(await Promise.all([from(51, epoch), from(Number.MAX_SAFE_INTEGER, epoch)])).toEqual([lost, lost]);
    expect(await Promise.all([from(50, "another"), from(45, `${epoch}0`)])).toEqual([lost, lost]);
    await here.publish("news", 51);
    expect((await here.notifier.presence("news")).clients).toHaveLength(9);
  });
});
