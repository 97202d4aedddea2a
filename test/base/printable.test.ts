import { Hono } from "hono";
import { expect, onTestFinished, test, vi } from "vitest";
import { loggable } from "../../src/base/printable.ts";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import { notifications } from "../../src/hono.ts";

/** Returns the arguments of each call of a `console` method. */
function callsOf(method: "error" | "warn"): unknown[][] {
  const spy = vi.spyOn(console, method).mockImplementation(() => {});
  onTestFinished(() => spy.mockRestore());
  return spy.mock.calls;
}

test("a thrown value with harmless text is logged unchanged", () => {
  const plain = new Error("No room", { cause: new TypeError("Full") });
  expect(loggable(plain)).toBe(plain);
  expect(loggable({ any: 1 })).toEqual({ any: 1 });
  expect(loggable("in words")).toBe("in words");
});

test("a thrown value cannot forge a line of the log, or command a terminal, and neither can its cause", () => {
  expect(loggable("a\n\u001b[2Jb")).toBe("a\\n\\u001b[2Jb");
  const forged = new Error("No user ann\ntocsin: all is well\u001b[2J");
  const lines = String(loggable(forged)).split("\n");
  expect(lines[0]).toBe("Error: No user ann\\ntocsin: all is well\\u001b[2J");
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.slice(1).filter((line) => !line.startsWith("    at "))).toEqual([]);
  const deep = String(loggable(new Error("outside", { cause: new Error("in\rside") })));
  expect(deep).toMatch(/\n {4}\[cause\]:\n {4}Error: in\\rside\n/);
});

test("a path that holds control characters is logged as one line, with the error and with the refusal", async () => {
  const [errors, warnings] = [callsOf("error"), callsOf("warn")];
  const notifier = createNotifier();
  const connect = notifications(notifier, {
    authenticate: () => {
      throw new Error("failed");
    },
  });
  const app = new Hono();
  app.get("/:name", async (c) => {
    await connect(c);
    return c.text("in");
  });
  const asked = await app.request("/a%0Atocsin:%20fine%1B[2J%E2%80%AE", {
    headers: { upgrade: "websocket" },
  });
  expect(asked.status).toBe(500);
  const path = "/a\\ntocsin: fine\\u001b[2J\\u202e";
  expect(errors).toEqual([[`tocsin: authenticate of ${path}:`, new Error("failed")]]);
  expect(warnings).toEqual([[`tocsin: refused 500 at ${path}: authenticate failed; onError has its error`]]);
  await notifier.close();
});
