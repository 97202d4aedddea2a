import { describe, expect, test } from "vitest";
import { referee } from "../support/wire-rules.ts";

/** Returns the broken rules that the referee finds in frames that a server sends after `{"id":1,"connect":{}}`. */
function breaches(...frames: (object | string)[]): string[] {
  const { arrived, sent, breaches } = referee();
  arrived('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"a"}}\n{"id":3,"rpc":{}}');
  for (const frame of frames) sent(typeof frame === "string" ? frame : JSON.stringify(frame));
  return breaches;
}

const connect = { id: 1, connect: { client: "c", version: "v", ping: 25, pong: true } };
const subscribe = { id: 2, subscribe: { recoverable: true, positioned: true, epoch: "e", offset: 3 } };
const pub = (offset: number, more = {}) => ({ push: { channel: "a", pub: { data: 1, offset, ...more } } });

const answered = (more: object) => ({ id: 2, subscribe: { ...subscribe.subscribe, ...more } });

const missed = { epoch: "e", delayed: 2, gone: 0, kept: 0 };
const notice = (more = {}) => ({
  push: { channel: "a", message: { data: { notice: { channel: "a", ...missed, ...more } } } },
});

describe("the referee of the protocol", () => {
  test("reports nothing for a connection that keeps the rules", () => {
    expect(
      breaches(connect, "{}", subscribe, pub(4, { time: 1, tags: { a: "b" } }), pub(5), { id: 3, rpc: {} }),
    ).toEqual([]);
  });

  test("reports nothing for notices that are true, and five seconds apart", () => {
    let time = 0;
    const told = new Map();
    const [one, other] = [referee({ now: () => time, told }), referee({ now: () => time, told })];
    for (const { arrived, sent } of [one, other]) {
      arrived('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"a"}}');
      sent(JSON.stringify(connect));
      sent(JSON.stringify(subscribe));
      // A notice that was due is sent to all of a user's connections at once.
      sent(JSON.stringify(notice()));
    }
    time = 5_000;
    one.sent(JSON.stringify(notice({ delayed: 0, gone: null, kept: 1 })));
    expect([...one.breaches, ...other.breaches]).toEqual([]);
    time = 9_999;
    other.sent(JSON.stringify(notice()));
    expect([...one.breaches, ...other.breaches]).toEqual(["a told again after 4999 ms"]);
    expect(breaches(connect, late(missed))).toEqual([]);
    expect(breaches(connect, lost({ ...missed, delayed: 0, gone: 1 }))).toEqual([]);
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
    ["a gap in the recovered publications", [connect, recovered(4, 6)]],
    ["recovered publications a second time", [connect, recovered(4, 5), pub(5)]],
    ["a frame that is empty", [connect, ""]],
    ["a notice with all counts zero", [connect, subscribe, notice({ delayed: 0 })]],
    ["a notice with a field too many", [connect, subscribe, notice({ extra: 1 })]],
    ["a notice with a negative count", [connect, subscribe, notice({ gone: -1 })]],
    ["a notice of another epoch", [connect, subscribe, notice({ epoch: "f" })]],
    ["a notice of another channel", [connect, subscribe, notice({ channel: "b" })]],
    ["a notice without a subscription", [connect, notice()]],
    ["two notices within five seconds", [connect, subscribe, notice(), notice()]],
    ["a notice soon after one in a reply", [connect, late(missed), notice()]],
    ["a notice of fewer than came late", [connect, late({ ...missed, delayed: 1 })]],
    ["a notice of a loss in a recovery", [connect, late({ ...missed, gone: 1 })]],
    ["a notice of late publications without a recovery", [connect, lost(missed)]],
    ["a notice where nothing was recovered", [connect, answered({ data: { notice: missed } })]],
  ])("reports %s", (_name, frames) => {
    expect(breaches(...frames)).not.toEqual([]);
  });

  test("reports a frame after the close, a second close, and reasons that are long or JSON", () => {
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

function recovered(...offsets: number[]) {
  const publications = offsets.map((offset) => ({ data: 1, offset }));
  return answered({ publications, recovered: true, was_recovering: true });
}

/** Returns a reply to `subscribe` with two recovered publications and this notice. */
function late(notice: object) {
  const { subscribe } = recovered(4, 5);
  return answered({ ...subscribe, data: { notice } });
}

function lost(notice: object) {
  return answered({ was_recovering: true, data: { notice } });
}
