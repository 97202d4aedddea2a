import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { start } from "../support/child.ts";
import { runtime } from "../support/runtime.ts";
import { root } from "../support/runtimes.ts";
import { client, tcp, upgrade } from "../support/tcp.ts";

test("clients of a program that bun --hot runs again are closed with 3001, and reconnect to the new one", async (context) => {
  context.skip(runtime !== "bun", "no other runtime has --hot");
  mkdirSync(join(root, ".cache"), { recursive: true });
  // Inside the project, so that its imports resolve like those of any other program in it.
  const folder = mkdtempSync(join(root, ".cache/hot-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "hot.ts");
  const code = readFileSync(join(root, "examples/hot.ts"), "utf8").replace("?? 3000", "?? 0");
  writeFileSync(file, code);
  const program = start(process.execPath, ["--hot", file]);
  onTestFinished(() => program.destroy());
  const connect = async (url: RegExp) => {
    const [, port] = await program.until(url);
    const peer = client(tcp(Number(port), upgrade("/notifications")), { leaves: true });
    await peer.connected;
    return peer;
  };
  const old = await connect(/:(\d+)\n/);
  // Whole at once: Bun would run the module again for a file that is still empty, and once more for the whole one.
  writeFileSync(`${file}.new`, `${code}\n`);
  renameSync(`${file}.new`, file);
  expect(await old.code).toBe(3001);
  await connect(/:\d+\n.*:(\d+)\n/s);
});
