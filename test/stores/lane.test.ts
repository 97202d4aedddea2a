import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { Lane } from "../../src/stores/redis/lane.ts";
import type { Operation } from "../../src/stores/redis/operation.ts";
import { fakeClock } from "../../src/testing.ts";

/** Makes a lane whose calls are all answered. `sent` has the operations of each call, by name. */
function make() {
  const clock = fakeClock();
  const sent: string[][] = [];
  const answer = async (_: unknown, __: unknown, [, , , count, , ...names]: string[]) => {
    sent.push(names);
    return ["server", ...Array.from({ length: Number(count) }, () => "1 epoch")];
  };
  const lane = new Lane({
    scope: new Scope(clock, () => {}),
    link: { runKnown: answer, runWhole: answer },
    script: async () => ({ text: "", hash: "" }),
    isPipelined: true,
    seed: () => "",
    fence: { id: undefined, generation: 0 },
    refresh: async () => {},
  });
  const operation = (name: string, size: number, count: number): Operation => ({
    ...{ channel: "news", member: undefined, size, count, isOver: false },
    encode: (call) => void call.args.push(name),
    answered() {},
    reject() {},
  });
  return { clock, lane, sent, operation };
}

test("a call has at most 256 entries and 262 144 bytes, but at least one operation", async () => {
  const { clock, lane, sent, operation } = make();
  const most = 262_144;
  const of: [name: string, size: number, count: number][] = [
    ...(["a", "b", "c", "d", "e"] as const).map((name): [string, number, number] => [name, 100, 64]),
    ["f", 100, 1_000],
    ["g", most / 2, 1],
    ["h", most / 2, 1],
    ["i", 1, 1],
    ["j", 2 * most, 1],
    ["k", 1, 1],
  ];
  for (const [name, size, count] of of) lane.add(operation(name, size, count));
  lane.flush();
  await clock.settle();
  expect(sent).toEqual([["a", "b", "c", "d"], ["e"], ["f"], ["g", "h"], ["i"], ["j"], ["k"]]);
});
