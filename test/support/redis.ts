import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { createClient } from "redis";
import type { RedisClient } from "../../src/redis.ts";

/** Why there is no server on this machine, or undefined. */
export const missing: string | undefined = whyMissing();

function whyMissing(): string | undefined {
  const found = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  if (found.error !== undefined) return "there is no redis-server on this machine";
  const major = Number(/v=(\d+)/.exec(found.stdout)?.[1]);
  return major >= 7 ? undefined : `redis-server ${major} is too old`;
}

export type Package = "redis" | "ioredis";

/** The packages whose clients the log is tested with: all that it takes, or only the first in the suite, which is short. */
export const packages: readonly Package[] =
  process.env.TOCSIN_TEST_REDIS === "all" ? ["redis", "ioredis"] : ["redis"];

/** Returns a client that is not connected. Only its settings are used. */
export function clientOf(name: Package, port: number): RedisClient {
  if (name === "redis") return createClient({ url: `redis://127.0.0.1:${port}` });
  return new Redis({ port, host: "127.0.0.1", lazyConnect: true });
}

/** A server that the test may stop, freeze, kill and start again. */
export interface RedisServer {
  readonly port: number;
  /** Sends one command on a connection of its own, and returns the answer as text. Rejects for an error. */
  command(...words: string[]): Promise<string>;
  freeze(): void;
  thaw(): void;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  /** Starts it again, on the same port, with what it has written to its directory. */
  restart(): Promise<void>;
  /** Ends it for good, and removes its directory. */
  destroy(): Promise<void>;
}

/** Starts a server on a free port. Without options, it keeps everything in memory only. */
export async function startRedis(...options: string[]): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), "tocsin-redis-"));
  const port = await freePort();
  const all = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", ...options];
  let running = await launch(all, port);
  const kill = async (): Promise<void> => {
    running.signal("SIGKILL");
    await running.exit;
  };
  return {
    port,
    command: (...words) => command(port, words),
    freeze: () => running.signal("SIGSTOP"),
    thaw: () => running.signal("SIGCONT"),
    kill,
    async restart() {
      running = await launch(all, port);
    },
    async destroy() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Starts a sentinel that watches the master of a port, as `mymaster`, and takes it for down after a second. */
export async function startSentinel(
  master: number,
): Promise<{ readonly port: number; destroy(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), "tocsin-redis-"));
  const port = await freePort();
  const file = join(directory, "sentinel.conf");
  const settings = [
    ...[`port ${port}`, `dir ${directory}`, `sentinel monitor mymaster 127.0.0.1 ${master} 1`],
    ...["sentinel down-after-milliseconds mymaster 1000", "sentinel failover-timeout mymaster 3000"],
  ];
  writeFileSync(file, settings.join("\n"));
  const running = await launch([file, "--sentinel"], port);
  return {
    port,
    async destroy() {
      running.signal("SIGKILL");
      await running.exit;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface Running {
  signal(name: NodeJS.Signals): void;
  readonly exit: Promise<unknown>;
}

async function launch(args: readonly string[], port: number): Promise<Running> {
  const child = spawn("redis-server", args, { stdio: "ignore" });
  const exit = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (;;) {
    const answer = await command(port, ["PING"]).catch(String);
    if (answer === "PONG") break;
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { pid } = child;
  return {
    signal(name) {
      // Not `child.kill`: on Deno a process that was sent a signal once is taken for ended.
      if (pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(pid, name);
    },
    exit,
  };
}

/** Returns a port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Sends a command, and reads until the answer is whole. Answers of more than one part come as they are. */
export function command(port: number, words: readonly string[]): Promise<string> {
  const text = [`*${words.length}`, ...words.flatMap((word) => [`$${Buffer.byteLength(word)}`, word]), ""];
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" });
    let received = "";
    socket.on("error", reject);
    socket.on("data", (data) => {
      received += data.toString("utf8");
      const [head = "", ...rest] = received.split("\r\n");
      if (rest.length === 0) return;
      const body = received.slice(head.length + 2);
      if (
        head[0] === "$" &&
        Number(head.slice(1)) >= 0 &&
        Buffer.byteLength(body) < Number(head.slice(1)) + 2
      )
        return;
      socket.destroy();
      if (head[0] === "-") reject(new Error(head.slice(1)));
      else resolve(head[0] === "$" ? body.slice(0, -2) : head[0] === "*" ? body : head.slice(1));
    });
    socket.write(text.join("\r\n"));
  });
}
