import { execFile, spawn } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import { runtime } from "./runtime.ts";
import { binary, root } from "./runtimes.ts";

/** The demo, in a process of this runtime. */
export interface DemoServer {
  /** The address that it printed. */
  readonly url: string;
  kill(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): void;
  /** How it ended, everything that it printed, and when it ended. */
  readonly exit: Promise<{ code: number | null; signal: string | null; output: string; at: number }>;
  destroy(): void;
}

/** The commands that its main file documents, with the minimum of permissions for Deno. */
const commands = {
  node: ["--import", "tsx"],
  bun: [],
  deno: ["run", "--no-prompt", "--allow-net=127.0.0.1", "--allow-env=PORT", "--allow-read"],
};

/**
 * Builds the package into `dist`, from which the demo serves the client. Several processes may do so at the same time.
 */
export async function buildPackage(): Promise<void> {
  await promisify(execFile)(binary("node"), ["--import", "tsx", "build.ts"], { cwd: root });
}

/** Starts the demo as a person does. Rejects with the output if it ends before it listens. */
export async function demoServer(port = 0): Promise<DemoServer> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [...commands[runtime], `examples/fingerprint/${runtime}.ts`], {
    cwd: root,
    env: { ...env, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let listening = (_: string): void => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      output += data;
      const found = /^Fingerprints are taken at (http:\S+) /.exec(output);
      if (found?.[1] !== undefined) listening(found[1]);
    });
  }
  const exit = new Promise<Awaited<DemoServer["exit"]>>((resolve) => {
    let at = 0;
    child.once("exit", () => {
      at = performance.now();
    });
    child.once("close", (code, signal) => resolve({ code, signal, output, at }));
  });
  const url = await new Promise<string>((resolve, reject) => {
    listening = resolve;
    exit.then(() => reject(new Error(`Ended before it listened: ${output}`)));
  });
  return {
    url,
    exit,
    // Not `child.kill`: after it Deno reports an end by that signal, however the process ended.
    kill: (signal) => void (child.pid !== undefined && process.kill(child.pid, signal)),
    destroy: () => void child.kill("SIGKILL"),
  };
}
