import { rmSync, writeFileSync } from "node:fs";

/**
 * Makes a test process end by itself, under `test/run.ts`, where Vitest would kill it.
 *
 * Each leaves a file named by its pid, and takes it away as it ends. What a test leaked keeps the process, so the file
 * stays, and says what was still active.
 */
const directory = process.env.TOCSIN_WORKERS;
const patience = 250;
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

/** Lets go of the channel to the parent (closing it makes Deno spin), and writes down what is active when that was not enough. */
function end(file: string): void {
  process.channel?.unref();
  setTimeout(() => {
    writeFileSync(file, process.getActiveResourcesInfo().join(", ") || "something");
  }, patience).unref();
}
