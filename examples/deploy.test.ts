import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { systemTiming } from "../src/base/clock.ts";
import { ClosedError, connect } from "../src/client.ts";
import { type Child, start } from "../test/support/child.ts";
import { program, runtime } from "../test/support/runtime.ts";
import { binary, root } from "../test/support/runtimes.ts";
import { driver } from "../test/support/sqlite-driver.ts";
import { frame, tcp, upgrade } from "../test/support/tcp.ts";

// The examples of docs/deploy.md are started as they are deployed, and stopped as the platforms stop them.

/** How a platform stops a process: with a signal, and after some milliseconds with SIGKILL. */
const stop = {
  node: { signal: "SIGTERM", patience: 10_000 },
  bun: { signal: "SIGTERM", patience: 10_000 },
  deno: { signal: "SIGINT", patience: 5_000 },
}[runtime] as { signal: "SIGTERM" | "SIGINT"; patience: number };

/** The command of docs/deploy.md. `folder` is where the volume is. */
function command(folder: string): string[] {
  if (runtime === "node") return [process.execPath, ...program(join(root, "examples/deploy/node.ts"))];
  if (runtime === "bun") return [binary("bun"), "examples/deploy/bun.ts"];
  const permissions = ["net", "env=DATABASE,PORT,TOKEN", `read=${folder}`, `write=${folder}`];
  const allowed = permissions.map((permission) => `--allow-${permission}`);
  return [binary("deno"), "run", "--no-prompt", ...allowed, "examples/deploy/deno.ts"];
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-deploy-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface Deployed {
  readonly port: number;
  /** Publishes to the channel "news". Returns whether the server answered that it has it. */
  publish(number: number): Promise<boolean>;
  /** Sends the signal of the platform, and then SIGKILL if the process has not ended in time. */
  stop(): Promise<Awaited<Child["exit"]> & { milliseconds: number }>;
}

/** Starts a deployed server. Sessions, runs and all else of it are gone once it has been stopped. */
async function deploy(
  [file = "", ...args]: readonly string[],
  variables: Record<string, string> = {},
): Promise<Deployed> {
  const server = start(file, args, { cwd: root, variables: { PORT: "0", TOKEN: "secret", ...variables } });
  onTestFinished(server.destroy);
  const [, port] = await server.until(/^Listening on http:\S+:(\d+)$/m);
  return {
    port: Number(port),
    async publish(number) {
      const headers = { authorization: "Bearer secret" };
      const body = JSON.stringify({ number });
      try {
        const response = await fetch(`http://127.0.0.1:${port}/news`, { method: "POST", headers, body });
        await response.text();
        return response.status === 201;
      } catch {
        return false; // the server has been stopped
      }
    },
    async stop() {
      const began = performance.now();
      server.kill(stop.signal);
      const kill = setTimeout(server.destroy, stop.patience);
      const exit = await server.exit;
      clearTimeout(kill);
      return { ...exit, milliseconds: exit.at - began };
    },
  };
}

/** Follows "news" from its start. It reconnects after the minimum delay. */
function follower(port: number) {
  const numbers: number[] = [];
  const offsets: number[] = [];
  const codes: (number | undefined)[] = [];
  const waiting = new Set<() => void>();
  const check = (): void => {
    for (const each of waiting) each();
  };
  const client = connect(`http://127.0.0.1:${port}/notifications`, {
    WebSocket,
    clock: { ...systemTiming, random: () => 0 },
    onStatus(status, why) {
      if (status === "waiting") codes.push(why?.code);
      check();
    },
  });
  const events = client.follow("news", { after: { offset: 0, epoch: "" } });
  const read = async (): Promise<void> => {
    for await (const { data, offset } of events) {
      numbers.push((data as { number: number }).number);
      offsets.push(offset);
      check();
    }
  };
  // Closing the client ends the loop with an error.
  const reading = read().catch((error: unknown) => expect(error).toBeInstanceOf(ClosedError));
  onTestFinished(async () => {
    await client.close();
    await reading;
  });
  return {
    numbers,
    offsets,
    codes,
    until: (condition: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const tryOnce = (): void => {
          if (!condition()) return;
          waiting.delete(tryOnce);
          resolve();
        };
        waiting.add(tryOnce);
        tryOnce();
      }),
  };
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** Publishes while the platform stops the server, and looks at what a client got. */
async function stopsInTime(command: readonly string[]): Promise<void> {
  const server = await deploy(command);
  const client = follower(server.port);
  expect(await server.publish(1)).toBe(true);
  await client.until(() => client.numbers.length === 1);
  const answers = upTo(200).map((number) => server.publish(number));
  await answers[99];
  const { code, signal, output, milliseconds } = await server.stop();
  expect([code, signal]).toEqual([0, null]);
  expect(milliseconds).toBeLessThan(stop.patience / 2);
  await client.until(() => client.codes.length > 0);
  expect(client.codes[0]).toBe(3001);
  const answered = await Promise.all(answers);
  const published = upTo(200).filter((_, index) => answered[index]);
  expect(published.filter((number) => !client.numbers.includes(number))).toEqual([]);
  expect(client.offsets).toEqual(upTo(client.offsets.length));
  expect(client.offsets.length).toBeGreaterThan(1);
  expect(output).toMatch(/sessions: \{\s+closed: 1,\s+cut: 0,?\s+\}/);
}

describe(`a server deployed on ${runtime}`, () => {
  test(`ends by itself after ${stop.signal}, tells its clients 3001, and delivers everything`, async () => {
    await stopsInTime(command(temporary()));
  });

  test(`ends before SIGKILL comes, ${stop.patience / 1_000} s after ${stop.signal}, although a client does not answer`, async () => {
    const server = await deploy(command(temporary()));
    const client = follower(server.port);
    const deaf = tcp(server.port, upgrade("/notifications"));
    onTestFinished(deaf.destroy);
    await deaf.until(/^HTTP\/1\.1 101 /);
    deaf.send(frame(1, '{"id":1,"connect":{}}'));
    await deaf.until(/"connect":/);
    deaf.pause();
    expect(await server.publish(1)).toBe(true);
    await client.until(() => client.numbers.length === 1);
    const { code, signal, output } = await server.stop();
    expect([code, signal]).toEqual([0, null]);
    expect(output).toMatch(/sessions: \{\s+closed: 1,\s+cut: 1,?\s+\}/);
    await client.until(() => client.codes.length > 0);
    expect(client.codes[0]).toBe(3001);
  });

  test.skipIf(typeof driver === "string" || driver.name === "better-sqlite3")(
    "goes on where it was after a new deployment, with a database on a volume (needs Node from 22.13)",
    { timeout: 60_000 },
    async () => {
      const folder = temporary();
      const DATABASE = join(folder, "notifications.db");
      const first = await deploy(command(folder), { DATABASE });
      const client = follower(first.port);
      for (const number of upTo(3)) expect(await first.publish(number)).toBe(true);
      await client.until(() => client.numbers.length === 3);
      expect(await first.stop()).toMatchObject({ code: 0, signal: null });
      const second = await deploy(command(folder), { DATABASE, PORT: String(first.port) });
      expect(await second.publish(4)).toBe(true);
      await client.until(() => client.numbers.length === 4);
      expect(client.offsets).toEqual(upTo(4));
      expect(client.numbers).toEqual(upTo(4));
      expect(await second.stop()).toMatchObject({ code: 0, signal: null });
    },
  );

  test("does not start without a token, and says so", async () => {
    const starting = deploy(command(temporary()), { TOKEN: "" });
    await expect(starting).rejects.toThrow(
      /Cannot start without TOKEN: set it to a secret of whoever may publish/,
    );
  });

  test.skipIf(runtime !== "bun")(
    "does the same as an executable that Bun has compiled (only Bun compiles)",
    { timeout: 60_000 },
    async () => {
      const folder = temporary();
      const file = join(folder, "server");
      const build = ["build", "--compile", "examples/deploy/bun.ts", "--outfile", file];
      execFileSync(binary("bun"), build, { cwd: root, stdio: "pipe" });
      await stopsInTime([file]);
    },
  );
});
