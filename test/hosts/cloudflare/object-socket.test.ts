import { describe, expect, test } from "vitest";
import { attachmentOf, type Keeper, ObjectSocket } from "../../../src/hosts/cloudflare/object-socket.ts";
import type { Session, SessionState } from "../../../src/model/socket.ts";
import { FakeSocket } from "../../support/fake-object.ts";

/** A socket with a session whose state a test sets, and what its object was told. */
function socket({ stored }: { stored?: string } = {}) {
  const raw = new FakeSocket();
  const calls: string[] = [];
  const table = new Map<string, string>();
  let fault: Error | undefined;
  const keeper: Keeper = {
    store(id, state) {
      if (fault !== undefined) throw fault;
      calls.push(`store ${id}`);
      table.set(id, state);
    },
    discard(id) {
      calls.push(`discard ${id}`);
      table.delete(id);
    },
    unsettled: () => void calls.push("unsettled"),
    left: () => void calls.push("left"),
  };
  const own = new ObjectSocket(raw, keeper, undefined, stored);
  let text = "a";
  const session = {
    id: "s",
    isOpen: true,
    get state(): SessionState | undefined {
      return text === "" ? undefined : { format: 1, id: "s", user: "ann", info: text };
    },
    receive() {},
    ended() {},
  };
  own.session = session as Session;
  return {
    ...{ own, raw, calls, table, session },
    /** Goes on. The empty text: the state cannot be read now. */
    become: (next: string): void => {
      text = next;
    },
    fail: (error: Error): void => {
      fault = error;
    },
    /** What is kept with the socket: the text, and whether it may be old. */
    get kept() {
      const attachment = attachmentOf(raw);
      if (attachment === undefined) return undefined;
      const state = attachment.state ?? table.get("s") ?? "{}";
      return [JSON.parse(state).info, attachment.isStale];
    },
  };
}

describe("what is kept with a socket", () => {
  test("is exact at once when the client relies on it", () => {
    const here = socket();
    here.own.changed(true);
    expect([here.kept, here.calls]).toEqual([["a", false], []]);
  });

  test("says at the first progress that the session may go on, and is exact once it has rested", () => {
    const here = socket();
    here.own.changed(true);
    here.become("b");
    here.own.changed(false);
    expect([here.kept, here.calls]).toEqual([["b", true], ["unsettled"]]);
    expect([here.own.settle(), here.kept]).toEqual([true, ["b", false]]);
    here.become("c");
    here.own.changed(false);
    expect([here.kept, here.calls]).toEqual([
      ["c", true],
      ["unsettled", "unsettled"],
    ]);
  });

  test("is written once between two looks, whatever the progress", () => {
    const here = socket();
    for (const text of ["b", "c", "d"]) {
      here.become(text);
      here.own.changed(false);
    }
    expect([here.kept, here.raw.written.length]).toEqual([["b", true], 1]);
    expect([here.own.settle(), here.kept, here.raw.written.length]).toEqual([false, ["d", true], 2]);
    expect([here.own.settle(), here.kept, here.raw.written.length]).toEqual([true, ["d", false], 3]);
    expect(here.calls).toEqual(["unsettled"]);
  });

  test("has a new subscription at once, also while there is progress; then it still says that it may be old", () => {
    const here = socket();
    here.own.changed(false);
    here.become("b");
    here.own.changed(true);
    expect(here.kept).toEqual(["b", true]);
    expect([here.own.settle(), here.kept]).toEqual([true, ["b", false]]);
  });

  test("waits while the state cannot be read, and is written at the next look", () => {
    const here = socket();
    here.own.changed(false);
    here.become("");
    expect([here.own.settle(), here.kept]).toEqual([false, ["a", true]]);
    here.become("b");
    expect([here.own.settle(), here.kept]).toEqual([false, ["b", true]]);
    expect([here.own.settle(), here.kept]).toEqual([true, ["b", false]]);
  });

  test("is not written any more for a session that is over", () => {
    const here = socket();
    here.own.changed(false);
    here.session.isOpen = false;
    here.become("b");
    expect([here.own.settle(), here.kept]).toEqual([true, ["a", true]]);
  });

  test.each([
    ["one byte", "\u00ff", 16_000],
    ["two bytes", "\u0100", 8_000],
  ])(
    "is in the table if its characters of %s are too many for a socket, and then with the socket again",
    (_, character, most) => {
      const here = socket();
      const small = character.repeat(
        most - JSON.stringify({ format: 1, id: "s", user: "ann", info: "" }).length,
      );
      const look = (text: string) => {
        here.become(text);
        here.own.changed(true);
        const [kept, isStale] = here.kept ?? [];
        return [kept === text, isStale, here.table.size];
      };
      expect([look(small), here.calls]).toEqual([[true, false, 0], []]);
      expect(look(`${small}${character}`)).toEqual([true, false, 1]);
      expect(look(small)).toEqual([true, false, 0]);
      here.own.changed(true);
      expect(here.calls).toEqual(["store s", "discard s"]);
    },
  );

  test("stays as it was if the table fails, which the caller is told", () => {
    const here = socket();
    here.own.changed(true);
    here.become("x".repeat(20_000));
    const fault = new Error("disk full");
    here.fail(fault);
    expect(() => here.own.changed(true)).toThrow(fault);
    expect(here.kept).toEqual(["a", false]);
  });

  test("is dropped with the session, from the socket and from the table", () => {
    const here = socket({ stored: "earlier" });
    here.own.forget();
    here.own.forget();
    expect([here.kept, here.raw.deserializeAttachment(), here.calls]).toEqual([
      undefined,
      null,
      ["discard earlier"],
    ]);
  });

  test.each([null, undefined, "text", 1, {}, { id: 1 }, []])("is not of a session if it is %j", (value) => {
    const raw = new FakeSocket();
    raw.serializeAttachment(value);
    expect(attachmentOf(raw)).toBe(undefined);
  });
});

describe("a socket", () => {
  test("sends, and answers pings by itself", () => {
    const { own, raw } = socket();
    own.send("one");
    own.send("two");
    expect([raw.sent, own.answersPings]).toEqual([["one", "two"], true]);
  });

  test("sends nothing more, and does not throw, once it is closing or closed", () => {
    const { own, raw } = socket();
    own.close(3001, "shutdown");
    own.send("late");
    raw.readyState = 3;
    own.send("later");
    expect(raw.sent).toEqual([]);
  });

  test("closes once, and drops what is kept", () => {
    const here = socket();
    here.own.changed(true);
    here.own.close(3001, "shutdown");
    here.own.close(3008, "slow");
    expect([here.raw.closed, here.kept]).toEqual([{ code: 3001, reason: "shutdown" }, undefined]);
  });

  test("drops what is kept though the platform refuses the close", () => {
    const here = socket();
    here.own.changed(true);
    here.raw.close = () => {
      throw new TypeError("refused");
    };
    here.own.close(3001, "shutdown");
    expect(here.kept).toBe(undefined);
  });

  test.each([
    [1000, "bye", 1000, "bye"],
    [1001, "going away", 1000, ""],
    [1005, "", 1000, ""],
    [1006, "lost", 1000, ""],
    [1009, "message too big", 1009, "message too big"],
    [1015, "", 1000, ""],
    [2999, "", 1000, ""],
    [3000, "first", 3000, "first"],
    [4999, "last", 4999, "last"],
    [5000, "", 1000, ""],
  ])("closes with a code that the platform accepts: %i %j becomes %i %j", (code, reason, sent, said) => {
    const { own, raw } = socket();
    own.close(code, reason);
    expect(raw.closed).toEqual({ code: sent, reason: said });
  });

  test("is closed and left when its session cuts it", () => {
    const { own, raw, calls } = socket();
    own.terminate();
    expect([raw.closed, calls]).toEqual([{ code: 3001, reason: "shutdown" }, ["left"]]);
  });
});
