import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A Redis of this example alone. */
export interface Redis extends AsyncDisposable {
  readonly port: number;
}

/**
 * Runs Redis until the pipe of its input closes, which it also does when this process is killed. Then it removes the
 * folder.
 */
const script = 'redis-server "$@" & read -r _; kill $!; wait; rm -rf "$0"';

/**
 * Starts Redis on a free port, with a temporary folder. Disposing ends it, and removes the folder.
 *
 * @throws {Error} when there is no Redis 7 on this machine
 */
export async function startRedis(): Promise<Redis> {
  const version = /v=(\d+)\S*/.exec(spawnSync("redis-server", ["--version"], { encoding: "utf8" }).stdout);
  if (version === null || Number(version[1]) < 7) {
    const found = version === null ? "there is none" : `this is ${version[0].slice(2)}`;
    throw new Error(
      `redis-server 7 is needed, and ${found}: "apt install redis-server" or "brew install redis"`,
    );
  }
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "tocsin-cluster-"));
  const settings = {
    port,
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    appendonly: "yes", // after a crash everything is there that publishers were told to be in the log
    "maxmemory-policy": "noeviction",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const shell = spawn("sh", ["-c", script, folder, ...options], {
    detached: true, // Ctrl-C in a terminal must not reach it: the servers need it until they have closed
    stdio: ["pipe", "ignore", "inherit"],
  });
  const ended = once(shell, "close");
  while (!(await answers(port))) await sleep(20);
  return {
    port,
    async [Symbol.asyncDispose]() {
      shell.stdin.end();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.write("PING\r\n");
    const [data] = await once(socket, "data");
    return String(data) === "+PONG\r\n";
  } catch {
    return false; // it does not listen yet
  } finally {
    socket.destroy();
  }
}
