import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Child, start } from "../test/support/child.ts";
import { program, runtime } from "../test/support/runtime.ts";
import { root } from "../test/support/runtimes.ts";
import { driver } from "../test/support/sqlite-driver.ts";

// The example of docs/durable.md is started, stopped and started again.

const isNode = runtime === "node" && typeof driver !== "string" && driver.name === "node:sqlite";

test.skipIf(!isNode)(
  "a server that keeps its channels in SQLite goes on where it was (needs Node from 22.13)",
  async () => {
    const cwd = mkdtempSync(join(tmpdir(), "tocsin-durable-"));
    onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
    const serve = (): Child => {
      const file = join(root, "examples/durable/node.ts");
      const server = start(process.execPath, program(file), {
        cwd,
        variables: { PORT: "0", TOKEN: "secret" },
      });
      onTestFinished(server.destroy);
      return server;
    };
    const publish = async (server: Child): Promise<{ offset: number; epoch: string }> => {
      const [url] = await server.until(/http:\S+/);
      const response = await fetch(`${url}/news`, {
        method: "POST",
        headers: { authorization: "Bearer secret" },
        body: '{"text":"It begins"}',
      });
      expect(response.status).toBe(201);
      return (await response.json()) as { offset: number; epoch: string };
    };
    const first = serve();
    const { offset, epoch } = await publish(first);
    first.kill("SIGTERM");
    expect((await first.exit).code).toBe(0);
    expect(existsSync(join(cwd, "notifications.db"))).toBe(true);
    const second = serve();
    expect(await publish(second)).toEqual({ offset: offset + 1, epoch });
    second.kill("SIGTERM");
    expect((await second.exit).code).toBe(0);
  },
);
