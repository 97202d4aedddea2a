import { describe, expect, onTestFinished, test as plainTest, vi } from "vitest";
import { attended } from "../../src/base/hook.ts";
import { child } from "../support/child.ts";
import { test } from "../support/core.ts";
import { runtime } from "../support/runtime.ts";

describe("a hook that nobody waits for", () => {
  const error = new Error("from a hook");
  const rejecting = {
    // biome-ignore lint/suspicious/noThenProperty: a thenable of another library
    then: (_: unknown, reject: (error: Error) => void) => reject(error),
  };

  plainTest.each([
    [
      "throws",
      () => {
        throw error;
      },
    ],
    ["rejects", () => Promise.reject(error)],
    ["returns a thenable of another library that rejects", () => rejecting],
    [
      "returns an object whose then getter throws",
      () =>
        // biome-ignore lint/suspicious/noThenProperty: a `then` that throws is what is tested
        Object.defineProperty({}, "then", {
          get() {
            throw error;
          },
        }),
    ],
  ])("and %s is reported, once", async (_, call) => {
    const failures: unknown[] = [];
    attended(call, (failure) => failures.push(failure));
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    expect(failures).toEqual([error]);
  });
});

describe("an onError that fails", () => {
  test("is printed to the console, once each time, and its caller goes on", async ({ start }) => {
    const complaints = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => complaints.mockRestore());
    const error = new Error("from onError");
    for (const onError of [
      () => {
        throw error;
      },
      () => Promise.reject(error),
    ]) {
      const { notifier, clock } = start({ onError });
      notifier.report(new Error("any"), { stage: "rpc", owner: "session 1" });
      await clock.settle();
      expect(complaints.mock.calls.splice(0)).toEqual([["tocsin:", error]]);
    }
  });
});

describe("a redact that returns a promise", () => {
  test("is reported, and shows nothing", async ({ start }) => {
    const core = start({ redact: (() => Promise.reject(new Error("from redact"))) as never });
    const run = core.notifier.run(() => Promise.reject(new Error("secret")));
    run.result().catch(() => {});
    await core.clock.settle();
    const { publications } = await core.notifier.history(`run:${run.id}`);
    expect(publications.at(-1)?.data).toMatchObject({ error: { name: "Error", message: "failed" } });
    const reported = core.errors
      .splice(0)
      .map(({ error, context }) => [context.stage, (error as Error).message]);
    expect(reported).toEqual([
      ["redact", "Cannot use the result of redact: it is a promise, and redact must be synchronous"],
      ["redact", "from redact"],
    ]);
  });
});

describe(`a program on ${runtime} whose every handler`, () => {
  plainTest.each(["throws", "rejects later"])("%s goes on, and ends by itself", async (how) => {
    const program = child("failing-child.ts", how.endsWith("later") ? "later" : "now");
    onTestFinished(() => program.destroy());
    const { code, signal, output } = await program.exit;
    const calls = /^calls (.*)$/m.exec(output)?.[1] ?? output;
    expect({ code, signal, handlers: Object.keys(JSON.parse(calls)).sort() }).toEqual({
      code: 0,
      signal: null,
      handlers: [
        "app.onError",
        "authenticate",
        "authorize",
        "connect",
        "createEvents",
        "dispose",
        "log",
        "onClose",
        "onError",
        "onMessage",
        "onOpen",
        "onRefused",
        "onUndelivered",
        "origins",
        "own onError",
        "page",
        "receive",
        "redact",
        "refresh",
        "rpc",
        "serve onError",
        "task",
      ],
    });
  });
});
