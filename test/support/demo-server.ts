import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { runtime } from "./runtime.ts";
import { binary, root } from "./runtimes.ts";

/** Whether the demo keeps its runs in a database. Otherwise this runtime has no SQLite. */
export const keepsRuns: boolean = runtime !== "node" || isBuiltin("node:sqlite");

/** The demo, in a process of this runtime. */
export interface DemoServer {
  /** The address that it printed. */
  readonly url: string;
  /** Waits until it has printed a text that matches. Rejects with the code and the output if it ends before. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): void;
  /** How it ended, everything that it printed, and when it ended. */
  readonly exit: Promise<{ code: number | null; signal: string | null; output: string; at: number }>;
  destroy(): void;
}

/** The command that its main file documents, with the minimum of permissions for Deno. */
function command(database: string): string[] {
  if (runtime === "bun") return [];
  if (runtime === "node") return ["--import", "tsx"];
  const permissions = ["net=127.0.0.1", "env=PORT,TOCSIN_DEMO_DB", "read", `write=${dirname(database)}`];
  return ["run", "--no-prompt", ...permissions.map((permission) => `--allow-${permission}`)];
}

/** Where a demo listens, and keeps its runs. */
export interface DemoOptions {
  /** Default: a free port. */
  port?: number | undefined;
  /** Default: a file that is removed when the process has ended. */
  database?: string | undefined;
}

/**
 * Builds the package into `dist`, from which the demo serves the client. Several processes may do so at the same time.
 */
export async function buildPackage(): Promise<void> {
  await promisify(execFile)(binary("node"), ["--import", "tsx", "build.ts"], { cwd: root });
}

/** Starts the demo as a person does. Rejects with the code and the output if it ends before it listens. */
export async function demoServer({ port = 0, database }: DemoOptions = {}): Promise<DemoServer> {
  const directory = database === undefined ? mkdtempSync(join(tmpdir(), "tocsin-demo-db-")) : undefined;
  const file = database ?? join(directory as string, "demo.db");
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [...command(file), `examples/fingerprint/${runtime}.ts`], {
    cwd: root,
    // Node 22 warns that its SQLite is experimental.
    env: { ...env, NODE_NO_WARNINGS: "1", PORT: String(port), TOCSIN_DEMO_DB: file },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      output += data;
      for (const check of waiting) check();
    });
  }
  const exit = new Promise<Awaited<DemoServer["exit"]>>((resolve) => {
    let at = 0;
    child.once("exit", () => {
      at = performance.now();
    });
    child.once("close", (code, signal) => {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
      resolve({ code, signal, output, at });
    });
  });
  const until = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const check = (): void => {
        const found = pattern.exec(output);
        if (found === null) return;
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      check();
      exit.then(({ code }) =>
        reject(new Error(`Ended with code ${code} before it printed ${pattern}: ${output}`)),
      );
    });
  const [, url = ""] = await until(/^Fingerprints are taken at (http:\S+) /m);
  return {
    url,
    until,
    exit,
    // Not `child.kill`: after it Deno reports an end by that signal, however the process ended.
    kill: (signal) => void (child.pid !== undefined && process.kill(child.pid, signal)),
    destroy: () => void child.kill("SIGKILL"),
  };
}
