import { describe, expect, test } from "vitest";
import { referee } from "./fixtures/wire-rules.ts";

/** What the referee of a connection says about frames that a server sends after `{"id":1,"connect":{}}`. */
function breaches(...frames: (object | string)[]): string[] {
  const { arrived, sent, breaches } = referee();
  arrived('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"a"}}\n{"id":3,"rpc":{}}');
  for (const frame of frames) sent(typeof frame === "string" ? frame : JSON.stringify(frame));
  return breaches;
}

const connect = { id: 1, connect: { client: "c", version: "v", ping: 25, pong: true } };
const subscribe = { id: 2, subscribe: { recoverable: true, positioned: true, epoch: "e", offset: 3 } };
const pub = (offset: number, more = {}) => ({ push: { channel: "a", pub: { data: 1, offset, ...more } } });

describe("the referee of the wire", () => {
  test("has nothing to say about a connection that keeps the rules", () => {
    expect(
      breaches(connect, "{}", subscribe, pub(4, { time: 1, tags: { a: "b" } }), pub(5), { id: 3, rpc: {} }),
    ).toEqual([]);
  });

  test.each<[string, (object | string)[]]>([
    ["a field that the protocol does not have", [{ id: 1, connect: { ...connect.connect, extra: 1 } }]],
    ["a field that is missing", [{ id: 1, connect: { client: "c" } }]],
    ["a field of the wrong kind", [connect, { id: 2, subscribe: { ...subscribe.subscribe, offset: -1 } }]],
    ["an unknown field of an envelope", [{ ...connect, extra: 1 }]],
    ["a kind of push that is not used", [connect, { push: { channel: "a", refresh: {} } }]],
    ["a push with two bodies", [connect, subscribe, { push: { ...pub(4).push, leave: {} } }]],
    ["an error without a code", [{ id: 1, error: { message: "m" } }]],
    ["a ping before the connect reply", ["{}"]],
    ["two pings", [connect, "{}", "{}"]],
    ["a reply to nothing", [connect, { id: 9, ping: {} }]],
    ["replies out of order", [connect, { id: 3, rpc: {} }, subscribe]],
    ["a hole", [connect, subscribe, pub(5)]],
    ["a duplicate", [connect, subscribe, pub(4), pub(4)]],
    ["a publication without a subscription", [connect, pub(1)]],
    ["a hole in what was recovered", [connect, recovered(4, 6)]],
    ["what was recovered coming again", [connect, recovered(4, 5), pub(5)]],
    ["a frame that is empty", [connect, ""]],
  ])("notices %s", (_name, frames) => {
    expect(breaches(...frames)).not.toEqual([]);
  });

  test("notices a frame after the close, a second close, and reasons that are long or JSON", () => {
    for (const [first, second] of [
      ["over", "again"],
      ["x".repeat(124), undefined],
      ['{"a":1}', undefined],
      ["7", undefined],
    ] as const) {
      const judge = referee();
      judge.closed(3000, first);
      if (second !== undefined) judge.closed(3000, second);
      expect(judge.breaches).toHaveLength(1);
    }
    const judge = referee();
    judge.closed(3000, "over");
    judge.sent("{}");
    expect(judge.breaches).toContain("a frame after the close");
  });
});

function recovered(...offsets: number[]): object {
  const publications = offsets.map((offset) => ({ data: 1, offset }));
  return {
    id: 2,
    subscribe: { ...subscribe.subscribe, publications, recovered: true, was_recovering: true },
  };
}
