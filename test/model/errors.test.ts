import { expect, describe as group, test } from "vitest";
import { CancelError, ClosedError, describe, GapError, RunError } from "../../src/model/errors.ts";

group("the errors that callers catch", () => {
  const gap = new GapError("run:42", { offset: 7, epoch: "x" }, { offset: 9, epoch: "y" });

  test.each([
    [new ClosedError(), "ClosedError", "Cannot go on: the notifier is closed"],
    [
      new ClosedError('Cannot publish to "a": the notifier is closed'),
      "ClosedError",
      'Cannot publish to "a": the notifier is closed',
    ],
    [new CancelError("client"), "CancelError", "Cancelled by the client"],
    [new CancelError("caller", "changed my mind"), "CancelError", "Cancelled by the caller: changed my mind"],
    [gap, "GapError", 'Cannot resume "run:42" after 7: its log was trimmed or replaced'],
    [new RunError('r"1', { cause: new TypeError("no font") }), "RunError", 'Run "r\\"1" failed: no font'],
    [new RunError("r1", { cause: undefined }), "RunError", 'Run "r1" failed: undefined'],
  ])("%s has its name and message", (error, name, message) => {
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.message]).toEqual([name, message]);
    expect(String(error)).toBe(`${name}: ${message}`);
  });

  test("their data is what they were constructed with", () => {
    expect([gap.channel, gap.after, gap.earliest]).toEqual([
      "run:42",
      { offset: 7, epoch: "x" },
      { offset: 9, epoch: "y" },
    ]);
    const { by, reason } = new CancelError("shutdown");
    expect([by, reason]).toEqual(["shutdown", undefined]);
    expect(new CancelError("client", "enough").reason).toBe("enough");
    const failed = new RunError("r1", { cause: 1 });
    expect([failed.run, failed.reason]).toEqual(["r1", undefined]);
    expect(new RunError("r1", { cause: 1, reason: "lost" }).reason).toBe("lost");
  });

  test("a cause is the thrown value itself", () => {
    const cause = { odd: true };
    expect(new ClosedError(undefined, { cause }).cause).toBe(cause);
    expect(new CancelError("shutdown", undefined, { cause }).cause).toBe(cause);
    expect(new RunError("r1", { cause }).cause).toBe(cause);
    expect("cause" in new ClosedError()).toBe(false);
  });
});

group("describe", () => {
  const hostile = new Error("hidden");
  Object.defineProperty(hostile, "message", {
    get() {
      throw new Error("from a getter");
    },
  });
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();

  test.each([
    ["an error", new TypeError("no"), { name: "TypeError", message: "no" }],
    [
      "an error of tocsin",
      new CancelError("client"),
      { name: "CancelError", message: "Cancelled by the client" },
    ],
    ["a string", "no", { name: "Error", message: "no" }],
    ["undefined", undefined, { name: "Error", message: "undefined" }],
    ["null", null, { name: "Error", message: "null" }],
    ["a symbol", Symbol("no"), { name: "Error", message: "Symbol(no)" }],
    ["an object", {}, { name: "Error", message: "[object Object]" }],
    ["an object without a prototype", Object.create(null), { name: "Error", message: "unknown" }],
    ["a message that throws", hostile, { name: "Error", message: "unknown" }],
    ["a revoked proxy", revoked.proxy, { name: "Error", message: "unknown" }],
    [
      "a name and message of other types",
      Object.assign(new Error(), { name: 1, message: 2 }),
      { name: "1", message: "2" },
    ],
  ])("it reads %s, and nothing else of it", (_, thrown, failure) => {
    expect(describe(thrown)).toEqual(failure);
  });

  test("it has neither stack nor cause", () => {
    const error = new Error("no", { cause: new Error("secret") });
    expect(Object.keys(describe(error))).toEqual(["name", "message"]);
    expect(JSON.stringify(describe(error))).toBe('{"name":"Error","message":"no"}');
  });
});
