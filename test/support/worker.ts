import { rmSync, writeFileSync } from "node:fs";

/**
 * Lets a test process end by itself under `test/run.ts`. Vitest would kill it.
 *
 * Each process creates a file named by its pid, and removes it when it ends. A leak in a test keeps the process alive.
 * Then the file stays, and lists what was still active.
 */
const directory = process.env.TOCSIN_WORKERS;
/**
 * Milliseconds that a process has to end. Longer than the half second for which a test of a wrong log waits for a wake that
 * never comes: such a wait is over by itself.
 */
const patience = 2_000;
const once = Symbol.for("tocsin.test.worker");

if (directory !== undefined && process.send !== undefined && !(once in globalThis)) {
  Object.assign(globalThis, { [once]: true });
  const file = `${directory}/${process.pid}`;
  writeFileSync(file, "");
  process.on("exit", () => rmSync(file));
  process.on("message", (message: { type?: unknown }) => {
    if (message.type === "stop") process.once("SIGTERM", () => end(file));
  });
}

/**
 * Releases the channel to the parent; closing it makes Deno spin. If the process still does not end, writes down what
 * is active.
 */
function end(file: string): void {
  process.channel?.unref();
  setTimeout(() => {
    writeFileSync(file, process.getActiveResourcesInfo().join(", ") || "something");
  }, patience).unref();
}
