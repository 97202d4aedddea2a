import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { connect } from "../../src/client.ts";
import { type Child, child } from "../support/child.ts";
import { runtime } from "../support/runtime.ts";
import { driver } from "../support/sqlite-driver.ts";

const name = `two processes with one database, on ${runtime}`;
const missing = typeof driver === "string" ? `: ${driver}` : "";

/** Starts a server over a database file. */
function start(file: string, lease: number): Child {
  const started = child("overlap-child.ts", JSON.stringify({ file, lease }));
  onTestFinished(async () => {
    started.destroy();
    await started.exit;
  });
  return started;
}

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "tocsin-overlap-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "log.db");
}

async function portOf(server: Child): Promise<number> {
  const [, port] = await server.until(/port (\d+)\n/);
  return Number(port);
}

/** Returns the positions that a server has printed, in their order. */
function positionsIn(output: string): { offset: number; epoch: string }[] {
  const found = output.matchAll(/^published at (\d+) of (.+)$/gm);
  return Array.from(found, ([, offset, epoch = ""]) => ({ offset: Number(offset), epoch }));
}

describe.skipIf(missing !== "")(`${name}${missing}`, () => {
  test("a rolling restart: the second goes on where the first has ended, and no client misses anything", async () => {
    const file = temporary();
    const first = start(file, 15_000);
    let port = await portOf(first);
    const url = () => `ws://127.0.0.1:${port}/`;
    const client = connect(url, { WebSocket });
    onTestFinished(() => client.close());
    const offsets: number[] = [];
    const reading = (async () => {
      for await (const { offset } of client.follow("news", { after: { offset: 0, epoch: "" } })) {
        offsets.push(offset);
        if (offset >= 100) return;
      }
    })();
    await first.until(/published at 30 of/);
    const second = start(file, 15_000);
    port = await portOf(second);
    // While the first works, what is published in the second waits.
    await first.until(/published at 60 of/);
    first.kill("SIGTERM");
    const { code, output } = await first.exit;
    await reading;
    second.kill("SIGTERM");
    const ended = await second.exit;
    expect([code, ended.code]).toEqual([0, 0]);
    const [before, after] = [positionsIn(output), positionsIn(ended.output)];
    expect(new Set([...before, ...after].map(({ epoch }) => epoch)).size).toBe(1);
    const all = [...before, ...after].map(({ offset }) => offset);
    expect(all).toEqual(all.map((_, index) => index + 1));
    expect(offsets).toEqual(offsets.map((_, index) => index + 1));
    expect(offsets.at(-1)).toBe(100);
  });

  test("one that stood still for longer than its lease has lost the database, and is told so", async () => {
    const file = temporary();
    const first = start(file, 600);
    await first.until(/published at 10 of/);
    process.kill(first.pid as number, "SIGSTOP");
    const second = start(file, 600);
    await second.until(/published at \d+ of/);
    process.kill(first.pid as number, "SIGCONT");
    await first.until(/refused LogError lasting true\n/);
    first.kill("SIGTERM");
    const { code, output } = await first.exit;
    second.kill("SIGTERM");
    const ended = await second.exit;
    expect([code, ended.code]).toEqual([0, 0]);
    expect(output).toMatch(/^error .*another process has taken/m);
    const positions = [...positionsIn(output), ...positionsIn(ended.output)];
    const all = positions.map(({ offset }) => offset);
    expect(all).toEqual(all.map((_, index) => index + 1));
    expect(ended.output).not.toMatch(/^refused (?!ClosedError)/m);
  });
});
