import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { build } from "esbuild";
import { describe, test } from "vitest";
import { root } from "./runtimes.ts";
import { installed } from "./workerd-binary.ts";

/** What to run, and how. */
export interface WorkerdOptions {
  /** The TypeScript file whose default export handles requests, and which exports the classes of the objects. */
  entry: string;
  /** The classes of Durable Objects, by the name of their binding. */
  objects: Readonly<Record<string, string>>;
  /** The compatibility date. Default: that of the installed workerd. */
  date?: string | undefined;
  /** Compatibility flags. Default: none. */
  flags?: readonly string[] | undefined;
  /** Whether objects can be evicted, which needs experimental features. Default: false. */
  canEvict?: boolean | undefined;
  /**
   * The folder in which objects keep their storage. Another process may be started with it. Default: a temporary one,
   * which is removed at the end.
   */
  storage?: string | undefined;
  /** Whether it can be inspected, and its workers have `gc()`. Default: false. */
  canInspect?: boolean | undefined;
  /** The most that V8 may keep in a heap, in MiB. A worker that needs more ends the process. Default: V8's own. */
  heap?: number | undefined;
}

/** A process of workerd on a free port of this machine. Disposing of it kills it, and waits until it has ended. */
export interface Workerd extends AsyncDisposable {
  readonly port: number;
  /** Its URL, without a trailing slash. */
  readonly url: string;
  /** The process's id. */
  readonly pid: number;
  /** The port of V8's inspector. 0 unless it was started with `canInspect`. */
  readonly inspectorPort: number;
  /** Everything that it has printed so far. */
  readonly output: string;
  /** Removes all objects from memory, as if they had been idle. Their hibernatable sockets stay. */
  evict(): Promise<void>;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
  /** Resolves once it has ended, with its exit code or the signal that ended it. */
  readonly exited: Promise<number | string | null>;
}

/** The path on which {@linkcode Workerd.evict} calls the worker. */
const evictPath = "/workerd/evict";

/** Groups tests that need workerd. Where it cannot run, they are one skipped test, which says why. */
export function onWorkerd(name: string, define: () => void): void {
  if ("reason" in installed) test.skip(`${name} (${installed.reason})`, () => {});
  else describe(name, define);
}

/** Starts workerd with a worker of the project. Rejects if it ends before it listens. */
export async function workerd(options: WorkerdOptions): Promise<Workerd> {
  if ("reason" in installed) throw new Error(`Cannot start workerd: ${installed.reason}`);
  const folder = mkdtempSync(join(tmpdir(), "tocsin-workerd-"));
  const storage = options.storage ?? join(folder, "storage");
  mkdirSync(storage, { recursive: true });
  await bundle(options, folder);
  const config = configOf({ ...options, date: options.date ?? installed.version }, storage);
  writeFileSync(join(folder, "config.capnp"), config);
  const args = ["serve", "config.capnp", "--control-fd=3", ...(options.canEvict ? ["--experimental"] : [])];
  if (options.canInspect) args.push("--inspector-addr=127.0.0.1:0");
  const child = spawn(installed.file, args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  // The process must not outlive this one, however this one ends.
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const exited = ended(child).finally(() => {
    process.off("exit", kill);
    rmSync(folder, { recursive: true, force: true });
  });
  let output = "";
  const print = (data: unknown): void => {
    output += data;
  };
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", print);
  const ports = await Promise.race([listening(child.stdio[3] as Readable), exited.then(() => undefined)]);
  if (ports === undefined) throw new Error(`workerd ended before it listened: ${output}`);
  const url = `http://127.0.0.1:${ports.port}`;
  return {
    ...ports,
    url,
    pid: child.pid as number,
    get output() {
      return output;
    },
    async evict() {
      if (!options.canEvict) throw new Error("Cannot evict: start workerd with canEvict");
      const response = await fetch(`${url}${evictPath}`);
      if (!response.ok) throw new Error(`Cannot evict: ${await response.text()}`);
      await response.text();
    },
    kill: (signal) => void child.kill(signal),
    exited,
    async [Symbol.asyncDispose]() {
      kill();
      await exited;
    },
  };
}

/** Bundles the worker, and writes what is in front of it. */
async function bundle({ entry, canEvict }: WorkerdOptions, folder: string): Promise<void> {
  const paths = { tocsin: join(root, "src/mod.ts") };
  await build({
    entryPoints: [entry],
    outfile: join(folder, "worker.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:workers", "workerd:unsafe", "node:*"],
    alias: paths,
    plugins: [
      {
        name: "entries of tocsin",
        setup: ({ onResolve }) =>
          onResolve({ filter: /^tocsin\/\w+$/ }, ({ path }) => ({
            path: join(root, `src/${path.slice("tocsin/".length)}.ts`),
          })),
      },
    ],
  });
  writeFileSync(join(folder, "main.js"), canEvict ? evicting : plain);
}

const plain = 'export * from "./worker.js"; export { default } from "./worker.js";';

const evicting = `
import worker from "./worker.js";
import unsafe from "workerd:unsafe";
export * from "./worker.js";
export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname !== "${evictPath}") return worker.fetch(request, env, context);
    await unsafe.evictAllDurableObjects();
    return new Response("evicted");
  },
};
`;

type Configured = WorkerdOptions & { date: string };

/** Returns the configuration, in Cap'n Proto's text format. */
function configOf(
  { date, flags = [], objects, canEvict, canInspect, heap }: Configured,
  storage: string,
): string {
  const all = [...flags, ...(canEvict ? ["experimental", "unsafe_module"] : [])];
  const texts = (items: readonly string[]): string =>
    `[${items.map((item) => JSON.stringify(item)).join(", ")}]`;
  const v8Flags = [
    ...(canInspect ? ["--expose-gc"] : []),
    ...(heap === undefined ? [] : [`--max-heap-size=${heap}`]),
  ];
  const classes = [...new Set(Object.values(objects))];
  const namespaces = classes.map(
    (name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`,
  );
  const bindings = Object.entries(objects).map(
    ([name, className]) => `(name = "${name}", durableObjectNamespace = "${className}")`,
  );
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "storage", disk = (path = ${JSON.stringify(storage)}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
  v8Flags = ${texts(v8Flags)},
);
const main :Workerd.Worker = (
  modules = [
    (name = "main.js", esModule = embed "main.js"),
    (name = "worker.js", esModule = embed "worker.js"),
  ],
  compatibilityDate = "${date}",
  compatibilityFlags = ${texts(all)},
  durableObjectNamespaces = [${namespaces.join(", ")}],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [${bindings.join(", ")}],
);
`;
}

/** Waits for the ports that workerd writes to its control channel. Undefined if the channel ends before. */
function listening(control: Readable): Promise<Pick<Workerd, "port" | "inspectorPort"> | undefined> {
  let text = "";
  return new Promise((resolve) => {
    control.on("data", (data) => {
      text += data;
      const port = /"event":"listen".*?"port":(\d+)/.exec(text)?.[1];
      // It says this first.
      const inspector = /"event":"listen-inspector".*?"port":(\d+)/.exec(text)?.[1];
      if (port !== undefined) resolve({ port: Number(port), inspectorPort: Number(inspector ?? 0) });
    });
    control.once("close", () => resolve(undefined));
  });
}

function ended(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(signal ?? code));
  });
}
