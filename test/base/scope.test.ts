import { describe, expect, test } from "vitest";
import { Scope, type Settle } from "../../src/base/scope.ts";
import { ClosedError } from "../../src/model/errors.ts";
import { fakeClock } from "../../src/testing.ts";

interface Spied {
  controller: AbortController;
  signal: AbortSignal;
  /** Returns the number of listeners now. */
  listening(): number;
  /** Returns the number of listeners ever added. */
  added(): number;
}

function spiedSignal(): Spied {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  let added = 0;
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener(...args: Parameters<typeof addEventListener>) {
      added++;
      listeners.add(args[1]);
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: Parameters<typeof removeEventListener>) {
      listeners.delete(args[1]);
      removeEventListener.apply(signal, args);
    },
  });
  return { controller, signal, listening: () => listeners.size, added: () => added };
}

function createScope() {
  const clock = fakeClock();
  const errors: [error: unknown, owner: string][] = [];
  const scope = new Scope(clock, (error, owner) => errors.push([error, owner]));
  return { clock, errors, scope };
}

function noop(): void {}

/** Returns the state of a promise: "pending", its value or its reason. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  let state: unknown = "pending";
  promise.then(
    (value) => {
      state = { value };
    },
    (reason: unknown) => {
      state = { reason };
    },
  );
  await fakeClock().settle();
  return state;
}

describe("link", () => {
  test("one listener serves every link of a signal, and is removed with the last", () => {
    const { scope } = createScope();
    const { signal, listening, added } = spiedSignal();
    const unlinks = Array.from({ length: 100 }, () => scope.link(signal, noop));
    expect([listening(), added()]).toEqual([1, 1]);
    for (const unlink of unlinks.slice(1)) unlink();
    expect(listening()).toBe(1);
    unlinks[0]?.();
    expect(listening()).toBe(0);
    scope.link(signal, noop)();
    expect([listening(), added()]).toEqual([0, 2]);
  });

  test("every link is called with the reason once, in order of linking, and no listener is left", () => {
    const { scope } = createScope();
    const { controller, signal, listening } = spiedSignal();
    const reason = { why: "because" };
    const calls: [string, unknown][] = [];
    for (const name of ["a", "b", "c"]) scope.link(signal, (given) => calls.push([name, given]));
    controller.abort(reason);
    controller.abort("again");
    expect(calls).toEqual([
      ["a", reason],
      ["b", reason],
      ["c", reason],
    ]);
    expect(calls.every(([, given]) => given === reason)).toBe(true);
    expect(listening()).toBe(0);
  });

  test("the link of a signal that had aborted is called at once, and adds no listener", () => {
    const { scope } = createScope();
    const { controller, signal, added } = spiedSignal();
    controller.abort("early");
    const calls: unknown[] = [];
    scope.link(signal, (reason) => calls.push(reason))();
    expect(calls).toEqual(["early"]);
    expect(added()).toBe(0);
  });

  test("a link undone by another listener is not called", () => {
    const { scope } = createScope();
    const { controller, signal } = spiedSignal();
    const calls: string[] = [];
    scope.link(signal, () => {
      calls.push("first");
      unlink();
    });
    const unlink = scope.link(signal, () => calls.push("second"));
    controller.abort();
    expect(calls).toEqual(["first"]);
  });

  test("the same function linked twice is called twice, and once after one was undone", () => {
    const { scope } = createScope();
    const { controller, signal } = spiedSignal();
    let calls = 0;
    const abort = () => calls++;
    scope.link(signal, abort);
    const unlink = scope.link(signal, abort);
    scope.link(signal, abort);
    unlink();
    unlink();
    controller.abort();
    expect(calls).toBe(2);
  });

  test("undoing twice leaves the links of others alone", () => {
    const { scope } = createScope();
    const { controller, signal, listening } = spiedSignal();
    const first = scope.link(signal, noop);
    first();
    let calls = 0;
    scope.link(signal, () => calls++);
    first();
    expect(listening()).toBe(1);
    controller.abort();
    expect(calls).toBe(1);
  });

  test("without a signal, a link does nothing", () => {
    const { scope } = createScope();
    scope.link(undefined, () => expect.unreachable())();
    expect(scope.inspect()).toEqual([]);
  });

  test("two signals have a listener each, and one that aborts leaves the other's", () => {
    const { scope } = createScope();
    const [one, other] = [spiedSignal(), spiedSignal()];
    const calls: string[] = [];
    scope.link(one.signal, () => calls.push("one"));
    scope.link(other.signal, () => calls.push("other"));
    one.controller.abort();
    expect(calls).toEqual(["one"]);
    expect([one.listening(), other.listening()]).toEqual([0, 1]);
  });
});

describe("wait", () => {
  type Ending = "resolve" | "reject" | "abort" | "end";
  const endings: Ending[] = ["resolve", "reject", "abort", "end"];
  const orders = endings.flatMap((first) =>
    endings.filter((it) => it !== first).map((then) => [first, then] as const),
  );

  test.each(orders)(
    "settled by %s and then %s, it is undone once and has the first outcome",
    async (first, then) => {
      const { scope } = createScope();
      const { controller, signal, listening } = spiedSignal();
      const reason = { why: "itself" };
      let undone = 0;
      let settle: Settle<string> | undefined;
      const wait = scope.wait<string>("me", signal, (given) => {
        settle = given;
        return () => undone++;
      });
      const over: Record<Ending, () => void> = {
        resolve: () => settle?.resolve("value"),
        reject: () => settle?.reject(reason),
        abort: () => controller.abort(reason),
        end: () => scope.end(reason),
      };
      expect([undone, listening(), scope.count("wait")]).toEqual([0, 1, 1]);
      over[first]();
      expect([undone, listening(), scope.count("wait")]).toEqual([1, 0, 0]);
      over[then]();
      over[first]();
      expect(undone).toBe(1);
      const result = await wait.catch((thrown: unknown) =>
        thrown === reason ? "the reason itself" : thrown,
      );
      expect(result).toBe(first === "resolve" ? "value" : "the reason itself");
    },
  );

  test("settled inside begin, it is undone once, after begin returned", async () => {
    const { scope } = createScope();
    const { signal, listening } = spiedSignal();
    const order: string[] = [];
    const wait = scope.wait<number>("me", signal, ({ resolve, reject }) => {
      resolve(1);
      resolve(2);
      reject(new Error("too late"));
      order.push("begun");
      return () => order.push("undone");
    });
    expect(order).toEqual(["begun", "undone"]);
    expect([listening(), scope.inspect()]).toEqual([0, []]);
    expect(await wait).toBe(1);
  });

  test("aborted inside begin, it is undone once", async () => {
    const { scope } = createScope();
    const { controller, signal, listening } = spiedSignal();
    let undone = 0;
    const wait = scope.wait("me", signal, () => {
      controller.abort("inside");
      return () => undone++;
    });
    await expect(wait).rejects.toBe("inside");
    expect([undone, listening(), scope.count("wait")]).toEqual([1, 0, 0]);
  });

  test("with a signal that had aborted it never begins", async () => {
    const { scope } = createScope();
    const reason = { why: "itself" };
    await expect(scope.wait("me", AbortSignal.abort(reason), () => expect.unreachable())).rejects.toBe(
      reason,
    );
    expect(scope.inspect()).toEqual([]);
  });

  test("in a scope that ended it never begins, and rejects with the scope's reason; the signal's comes first", async () => {
    const { scope } = createScope();
    const reason = { why: "itself" };
    scope.end(reason);
    await expect(scope.wait("me", undefined, () => expect.unreachable())).rejects.toBe(reason);
    await expect(scope.wait("me", AbortSignal.abort("mine"), () => expect.unreachable())).rejects.toBe(
      "mine",
    );
  });

  test("100 000 waits on one long-lived signal leave nothing behind", async () => {
    const { scope } = createScope();
    const { signal, listening, added } = spiedSignal();
    const settles: Settle<void>[] = [];
    const waits = Array.from({ length: 50_000 }, () =>
      scope.wait<void>("together", signal, (settle) => {
        settles.push(settle);
        return noop;
      }),
    );
    expect([scope.count("wait"), listening(), added()]).toEqual([50_000, 1, 1]);
    for (const { resolve } of settles) resolve();
    await Promise.all(waits);
    for (let count = 0; count < 50_000; count++) {
      await scope.wait<void>("in turn", signal, ({ resolve }) => {
        resolve();
        return noop;
      });
    }
    expect([scope.count("wait"), listening(), scope.inspect()]).toEqual([0, 0, []]);
  });
});

describe("follow", () => {
  test("it settles as the promise does", async () => {
    const { scope } = createScope();
    expect(await scope.waitFor("me", undefined, Promise.resolve(1))).toBe(1);
    const error = new Error("failed");
    await expect(scope.waitFor("me", undefined, Promise.reject(error))).rejects.toBe(error);
    expect(scope.inspect()).toEqual([]);
  });

  test("aborted first, it rejects with the reason, and a later rejection of the promise is handled", async () => {
    const { scope, errors } = createScope();
    const { controller, signal } = spiedSignal();
    let fail: (reason: unknown) => void = noop;
    const promise = new Promise((_, reject) => {
      fail = reject;
    });
    const followed = scope.waitFor("me", signal, promise);
    controller.abort("enough");
    await expect(followed).rejects.toBe("enough");
    fail(new Error("late"));
    await fakeClock().settle();
    expect(errors).toEqual([]);
  });
});

describe("sleep", () => {
  test("it lasts exactly as long as requested", async () => {
    const { scope, clock } = createScope();
    const sleep = scope.sleep("me", 100);
    await clock.advance(99);
    expect(await stateOf(sleep)).toBe("pending");
    await clock.advance(1);
    expect(await stateOf(sleep)).toEqual({ value: undefined });
    expect([clock.armed, scope.inspect()]).toEqual([0, []]);
  });

  test("aborted or ended, it disarms its timer at once", async () => {
    const { scope, clock } = createScope();
    const { controller, signal, listening } = spiedSignal();
    const aborted = scope.sleep("me", 100, signal);
    const ended = scope.sleep("me", 100);
    expect(clock.armed).toBe(2);
    controller.abort("enough");
    expect([clock.armed, listening()]).toEqual([1, 0]);
    scope.end("over");
    expect(clock.armed).toBe(0);
    await expect(aborted).rejects.toBe("enough");
    await expect(ended).rejects.toBe("over");
  });
});

describe("timer", () => {
  test("it is listed until it fires, once", async () => {
    const { scope, clock } = createScope();
    const counts: number[] = [];
    scope.timer("heartbeat", 10, () => counts.push(scope.count("timer")));
    expect(scope.inspect()).toEqual([{ kind: "timer", owner: "heartbeat", age: 0 }]);
    await clock.advance(100);
    expect(counts).toEqual([0]);
    expect(scope.inspect()).toEqual([]);
  });

  test("disarmed, before or by the scope's end, it never fires", async () => {
    const { scope, clock } = createScope();
    const disarm = scope.timer("me", 10, () => expect.unreachable());
    disarm();
    disarm();
    expect([clock.armed, scope.count("timer")]).toEqual([0, 0]);
    scope.timer("me", 10, () => expect.unreachable());
    scope.end();
    expect([clock.armed, scope.count("timer")]).toEqual([0, 0]);
    scope.timer("me", 10, () => expect.unreachable())();
    expect(clock.armed).toBe(0);
    await clock.advance(100);
  });
});

describe("own", () => {
  test("a promise is listed until it settles, and a rejection goes to the error hook with its owner", async () => {
    const { scope, clock, errors } = createScope();
    const error = new Error("failed");
    scope.own("task", "good", Promise.resolve());
    scope.own("task", "bad", Promise.reject(error));
    scope.own("run", "endless", new Promise(noop));
    expect([scope.count("task"), scope.count("run")]).toEqual([2, 1]);
    await clock.settle();
    expect(scope.inspect()).toEqual([{ kind: "run", owner: "endless", age: 0 }]);
    expect(errors).toEqual([[error, "bad"]]);
  });

  test("a promise that rejects after the end is still reported", async () => {
    const { scope, clock, errors } = createScope();
    let fail: (reason: unknown) => void = noop;
    scope.own(
      "task",
      "me",
      new Promise((_, reject) => {
        fail = reject;
      }),
    );
    scope.end();
    expect(scope.inspect()).toEqual([]);
    fail("late");
    await clock.settle();
    expect(errors).toEqual([["late", "me"]]);
  });
});

describe("hold, inspect and count", () => {
  test("what is held is listed with kind, owner and age, longest first", async () => {
    const { scope, clock } = createScope();
    scope.hold("socket", "session 1");
    await clock.advance(30);
    const release = scope.hold("run", 'run:42 "render"');
    await clock.advance(12);
    expect(scope.inspect()).toEqual([
      { kind: "socket", owner: "session 1", age: 42 },
      { kind: "run", owner: 'run:42 "render"', age: 12 },
    ]);
    expect([scope.count("socket"), scope.count("run"), scope.count("wait")]).toEqual([1, 1, 0]);
    release();
    release();
    expect(scope.inspect()).toEqual([{ kind: "socket", owner: "session 1", age: 42 }]);
  });

  test("the end calls each listener once, with its reason, and none that was released", () => {
    const { scope } = createScope();
    const calls: [string, unknown][] = [];
    scope.hold("socket", "kept", (reason) => calls.push(["kept", reason]));
    scope.hold("socket", "released", (reason) => calls.push(["released", reason]))();
    scope.end("over");
    scope.end("again");
    expect(calls).toEqual([["kept", "over"]]);
  });
});

describe("end", () => {
  test("it disarms every timer, rejects every wait, removes every listener and empties the list", async () => {
    const { scope, clock } = createScope();
    const { signal, listening } = spiedSignal();
    const reason = { why: "over" };
    const waits = [
      scope.wait("wait", signal, () => noop),
      scope.sleep("sleep", 50, signal),
      scope.waitFor("follow", signal, new Promise(noop)),
    ];
    scope.timer("timer", 10, () => expect.unreachable());
    scope.link(signal, () => expect.unreachable());
    scope.own("task", "task", new Promise(noop));
    scope.hold("socket", "socket");
    expect([scope.inspect().length, clock.armed, listening()]).toEqual([6, 2, 1]);
    scope.end(reason);
    expect([scope.inspect(), clock.armed, listening()]).toEqual([[], 0, 0]);
    const settled = await Promise.allSettled(waits);
    expect(settled.map((each) => each.status === "rejected" && each.reason === reason)).toEqual([
      true,
      true,
      true,
    ]);
    await clock.advance(100);
  });

  test("without a reason it is a ClosedError", async () => {
    const { scope } = createScope();
    const wait = scope.wait("me", undefined, () => noop);
    scope.end();
    await expect(wait).rejects.toEqual(new ClosedError());
  });

  test("after the end nothing is held or armed", () => {
    const { scope, clock } = createScope();
    scope.end();
    scope.hold("socket", "me", () => expect.unreachable())();
    scope.timer("me", 1, () => expect.unreachable())();
    expect([scope.inspect(), clock.armed]).toEqual([[], 0]);
  });
  test("a begin that throws rejects, and leaves nothing behind", async () => {
    const { scope } = createScope();
    const { signal, listening } = spiedSignal();
    const error = new Error("cannot begin");
    const wait = scope.wait("me", signal, () => {
      throw error;
    });
    await expect(wait).rejects.toBe(error);
    expect([scope.inspect(), listening()]).toEqual([[], 0]);
  });
  test("a link made after the end listens to nothing", () => {
    const { scope } = createScope();
    const { signal, added } = spiedSignal();
    scope.end();
    scope.link(signal, noop)();
    expect(added()).toBe(0);
  });
  test("what another listener releases is not called at the end", () => {
    const { scope } = createScope();
    let release = noop;
    scope.hold("socket", "first", () => release());
    release = scope.hold("socket", "second", () => expect.unreachable());
    scope.end();
  });
  test("one end, abort listener or undo that throws is reported, and all others are called", async () => {
    const errors: unknown[] = [];
    const scope = new Scope(fakeClock(), (error) => errors.push(error));
    const controller = new AbortController();
    const calls: string[] = [];
    const fail = (): never => {
      throw new Error("fails");
    };
    scope.link(controller.signal, fail);
    scope.link(controller.signal, () => calls.push("abort"));
    controller.abort();
    const waiting = scope.wait("me", undefined, () => fail);
    scope.hold("socket", "first", fail);
    scope.hold("socket", "second", () => calls.push("end"));
    scope.end("over");
    await expect(waiting).rejects.toBe("over");
    expect([calls, errors.length, scope.inspect()]).toEqual([["abort", "end"], 3, []]);
  });
});
