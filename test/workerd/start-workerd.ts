import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { buildSync } from "esbuild";

/** A running `workerd`. */
export interface Workerd {
  /** The address of the worker, without a slash at the end. */
  readonly url: string;
  /** Ends it. Resolves once it has ended. */
  end(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** What `workerd` is started with. */
export interface WorkerdOptions {
  /** The file whose default export is the worker, and whose export `className` is the class of its objects. */
  readonly file: string;
  readonly className: string;
  /** Where it keeps the program, and what the objects store. It is created, or found as an earlier one has left it. */
  readonly directory: string;
  /** The compatibility date. Default: that of the installed version. */
  readonly date?: string | undefined;
  /** Whether the worker may import `workerd:unsafe`, to evict objects. Default: false. */
  readonly isUnsafe?: boolean;
}

/** The package of `workerd`: the path of its program, and the newest date whose changes it knows. */
const { default: binary, compatibilityDate: newest } = createRequire(import.meta.url)("workerd") as {
  default: string;
  compatibilityDate: string;
};

/** Starts the runtime of Cloudflare's workers, with one worker and one class of objects, which it finds as `OBJECT`. */
export async function startWorkerd(options: WorkerdOptions): Promise<Workerd> {
  const { file, directory } = options;
  const disk = join(directory, "disk");
  mkdirSync(disk, { recursive: true });
  buildSync({
    ...{ entryPoints: [file], outfile: join(directory, "worker.js"), bundle: true, format: "esm" },
    ...{ target: "es2022", external: ["cloudflare:*", "workerd:*", "node:*"], conditions: ["workerd"] },
  });
  const config = join(directory, "config.capnp");
  writeFileSync(config, configOf(options, disk));
  const child = spawn(
    binary,
    ["serve", config, "--control-fd=3", ...(options.isUnsafe ? ["--experimental"] : [])],
    {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    },
  );
  return { url: `http://127.0.0.1:${await portOf(child)}`, end: (signal = "SIGTERM") => end(child, signal) };
}

function configOf({ className, date = newest, isUnsafe = false }: WorkerdOptions, disk: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "disk", disk = (path = ${JSON.stringify(disk)}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "${date}",
  compatibilityFlags = [${isUnsafe ? '"unsafe_module", "experimental"' : ""}],
  durableObjectNamespaces = [
    (className = "${className}", uniqueKey = "${className}", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [(name = "OBJECT", durableObjectNamespace = "${className}")],
);
`;
}

/** Waits until it listens, which it says on the descriptor 3. */
function portOf(child: ChildProcess): Promise<number> {
  let said = "";
  let printed = "";
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (printed += data));
    child.stdio[3]?.on("data", (data) => {
      said += data;
      const [, port] = /"listen".*"port":(\d+)/.exec(said) ?? [];
      if (port !== undefined) resolve(Number(port));
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`Cannot start workerd: ${printed}`)));
  });
}

function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("close", () => resolve());
    child.kill(signal);
  });
}
