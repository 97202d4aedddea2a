import { fork } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { terminationSignal } from "tocsin/node";
import { portOf, start } from "../fingerprint/terminal.ts";
import { startProxy } from "./proxy.ts";
import { startRedis } from "./redis.ts";

// npm run cluster: the demo on three servers behind one port, which work with one Redis

const signal = terminationSignal();
/** The ports of the servers that run, by their names. */
const ports = new Map<string, number>();

await start(async () => {
  await using redis = await startRedis();
  const proxy = await startProxy(portOf(process.env.PORT ?? "3000"), () => [...ports.values()]);
  signal.addEventListener("abort", proxy.stop, { once: true });
  try {
    let isOpen = false;
    const onPort = (): void => {
      if (isOpen || ports.size < 3) return;
      isOpen = true;
      console.log(`Fingerprints are taken at http://127.0.0.1:${proxy.port} (Ctrl-C stops)`);
    };
    await Promise.all(["1", "2", "3"].map((name) => keep(name, redis.port, onPort)));
  } finally {
    proxy.stop();
    proxy.destroy();
  }
  console.log("Stopped.");
});

/** Runs a server until the signal aborts: when it dies, starts another one. */
async function keep(name: string, redis: number, onPort: () => void): Promise<void> {
  while (!signal.aborted) {
    const program = fileURLToPath(new URL("./server.ts", import.meta.url));
    // Ctrl-C in a terminal does not reach a detached process. It gets one signal, from here.
    const server = fork(program, [name, String(redis)], { detached: true });
    server.on("message", (port: number) => {
      ports.set(name, port);
      console.log(`Server ${name} is process ${server.pid}: "kill -9 ${server.pid}" kills it`);
      onPort();
    });
    const stop = (): void => void server.kill();
    signal.addEventListener("abort", stop);
    const [code, killed] = await once(server, "exit");
    signal.removeEventListener("abort", stop);
    ports.delete(name);
    if (signal.aborted) return;
    console.log(`Server ${name} ended with ${killed ?? `code ${code}`}, and is started again`);
    await sleep(500, undefined, { signal }).catch(() => {});
  }
}
