import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { bundleWorker, readConfig } from "./bundle.ts";

// npm run worker: runs the Worker and its objects on this machine, in workerd, the runtime of Cloudflare.

const { PORT = "8787", TOCSIN_WORKER_FOLDER } = process.env;
const folder = resolve(
  TOCSIN_WORKER_FOLDER || fileURLToPath(new URL("../../.cache/worker", import.meta.url)),
);

try {
  const [file, config] = [join(folder, "worker.js"), join(folder, "config.capnp")];
  mkdirSync(join(folder, "objects"), { recursive: true });
  writeFileSync(config, configOf(portOf(PORT)));
  writeFileSync(file, await bundleWorker());
  const binary: string = createRequire(import.meta.url)("workerd").default;
  await attend(
    spawn(binary, ["serve", config, "--control-fd=3"], { stdio: ["ignore", "inherit", "inherit", "pipe"] }),
  );
} catch (error) {
  console.error(`Cannot start: ${(error as Error).message}`);
  process.exitCode = 1;
}

/** Prints where workerd listens. Waits until it has ended, and ends it when this process is told to end. */
async function attend(child: ChildProcess): Promise<void> {
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
    child.kill("SIGINT"); // on SIGTERM it would wait until the last client has left
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  let said = "";
  child.stdio[3]?.on("data", (data) => {
    said += data;
    const [, port] = /"listen".*"port":(\d+)/.exec(said) ?? [];
    if (port === undefined) return;
    said = "";
    console.log(`Texts are stretched at http://127.0.0.1:${port} (Ctrl-C stops). Runs are kept in ${folder}`);
  });
  const [code, signal] = await once(child, "exit");
  // In a terminal, Ctrl-C ends it directly.
  if (isStopped || signal === "SIGINT") return console.log("Stopped.");
  throw new Error(`workerd ended with ${signal ?? `code ${code}`}; choose another port with PORT=8788`);
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new RangeError(`PORT is ${JSON.stringify(text)}, not a number from 0 to 65535`);
}

/** Returns the configuration of workerd, in Cap'n Proto, that corresponds to `wrangler.jsonc`. */
function configOf(port: number): string {
  const { compatibility_date, durable_objects } = readConfig();
  const classes = durable_objects.bindings.map(
    ({ class_name }) => `(className = "${class_name}", uniqueKey = "${class_name}", enableSql = true)`,
  );
  const bindings = durable_objects.bindings.map(
    ({ name, class_name }) => `(name = "${name}", durableObjectNamespace = "${class_name}")`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "objects", disk = (path = ${JSON.stringify(join(folder, "objects"))}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "${compatibility_date}",
  durableObjectNamespaces = [${classes.join(", ")}],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [${bindings.join(", ")}],
);
`;
}
