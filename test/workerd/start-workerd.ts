import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";

/** A process of workerd, the runtime of Cloudflare's workers, on a free port. Disposing of it ends it. */
export interface Workerd extends AsyncDisposable {
  /** Its URL, without a slash at the end. */
  readonly url: string;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
  /** Resolves once it has ended. */
  readonly exited: Promise<void>;
}

/** What to run. */
export interface WorkerdOptions {
  /** The file whose default export handles requests, and which exports the classes of the objects. */
  readonly entry: string;
  /** The classes of objects, by the name of their binding. */
  readonly objects: Readonly<Record<string, string>>;
  /** The folder in which objects keep their storage. */
  readonly storage: string;
}

/** Starts workerd with a worker of the project. */
export async function workerd({ entry, objects, storage }: WorkerdOptions): Promise<Workerd> {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-workerd-"));
  mkdirSync(storage, { recursive: true });
  buildSync({
    ...{ entryPoints: [entry], outfile: join(folder, "worker.js"), bundle: true, format: "esm" },
    ...{ target: "es2022", external: ["cloudflare:*", "node:*"], conditions: ["workerd"] },
  });
  const config = join(folder, "config.capnp");
  writeFileSync(config, configOf(objects, storage));
  const binary: string = createRequire(import.meta.url)("workerd").default;
  const child = spawn(binary, ["serve", config, "--control-fd=3"], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve())).finally(() =>
    rmSync(folder, { recursive: true }),
  );
  return {
    url: `http://127.0.0.1:${await portOf(child)}`,
    kill: (signal) => void child.kill(signal),
    exited,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function configOf(objects: WorkerdOptions["objects"], storage: string): string {
  const classes = Object.values(objects);
  const namespaces = classes.map(
    (name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`,
  );
  const bindings = Object.entries(objects).map(
    ([binding, name]) => `(name = "${binding}", durableObjectNamespace = "${name}")`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "disk", disk = (path = ${JSON.stringify(storage)}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [${namespaces}],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [${bindings}],
);
`;
}

/** Waits until it listens, which it says on the descriptor 3. */
function portOf(child: ChildProcess): Promise<number> {
  let said = "";
  let printed = "";
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (data) => {
        printed += data;
      });
    child.stdio[3]?.on("data", (data) => {
      said += data;
      const [, port] = /"listen".*"port":(\d+)/.exec(said) ?? [];
      if (port !== undefined) resolve(Number(port));
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`workerd ended before it listened: ${printed}`)));
  });
}
