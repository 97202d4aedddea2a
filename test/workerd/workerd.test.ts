import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { onWorkerd, type Workerd, type WorkerdOptions, workerd } from "../support/workerd.ts";

const entry = fileURLToPath(new URL("counting.ts", import.meta.url));

async function start(options: Partial<WorkerdOptions> = {}): Promise<Workerd> {
  const server = await workerd({ entry, objects: { COUNTING: "Counting" }, ...options });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

/** Returns a folder that is removed after the test. */
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "tocsin-test-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

const counts = async ({ url }: Workerd): Promise<unknown> => (await fetch(url)).json();

onWorkerd("a process of workerd", () => {
  test("evicts its objects, which keep what they have stored", async () => {
    const server = await start({ canEvict: true });
    expect([await counts(server), await counts(server)]).toEqual([
      [1, 1],
      [2, 2],
    ]);
    await server.evict();
    expect(await counts(server)).toEqual([1, 3]);
  });

  test("cannot evict objects unless it was started for that", async () => {
    const server = await start();
    await expect(server.evict()).rejects.toThrow("canEvict");
  });

  test("that is killed leaves what was stored to the next one", async () => {
    const storage = folder();
    const first = await start({ storage });
    expect(await counts(first)).toEqual([1, 1]);
    first.kill("SIGKILL");
    expect(await first.exited).toBe("SIGKILL");
    expect(await counts(await start({ storage }))).toEqual([1, 2]);
  });

  test("has a storage of its own by default, and a compatibility date and flags as they are given", async () => {
    const server = await start({ date: "2025-09-01", flags: ["nodejs_compat"] });
    expect(await counts(server)).toEqual([1, 1]);
    expect(server.output).toBe("");
  });

  test("that cannot start rejects with what it has printed", async () => {
    const broken = join(folder(), "broken.ts");
    writeFileSync(broken, 'throw new Error("broken from the start"); export default {};');
    await expect(workerd({ entry: broken, objects: {} })).rejects.toThrow("broken from the start");
  });
});
