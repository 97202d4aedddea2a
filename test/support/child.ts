import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { program } from "./runtime.ts";

/** A process that this process has started. */
export interface Child {
  readonly pid: number | undefined;
  /** Waits until the output matches. Rejects if the process ends first. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: "SIGTERM" | "SIGINT"): void;
  /** The exit code or the signal that ended the process, and everything it printed. Resolves once it has ended. */
  readonly exit: Promise<{ code: number | null; signal: string | null; output: string; at: number }>;
  /** When it last printed something. */
  readonly printed: number;
  destroy(): void;
}

/** Starts `test/support/<name>` on this runtime. */
export function child(name: string, ...args: string[]): Child {
  const file = fileURLToPath(new URL(name, import.meta.url));
  return start(process.execPath, [...program(file), ...args]);
}

/** Starts a program, in a directory and with variables of its own if they are given. */
export function start(
  file: string,
  args: readonly string[],
  { cwd, variables }: { cwd?: string; variables?: Record<string, string> } = {},
): Child {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const started = spawn(file, args, {
    env: { ...env, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
    ...(cwd !== undefined && { cwd }),
  });
  const waiting = new Set<() => void>();
  let output = "";
  let printed = 0;
  let isOver = false;
  const check = () => {
    for (const each of waiting) each();
  };
  for (const stream of [started.stdout, started.stderr]) {
    stream.on("data", (data) => {
      output += data;
      printed = performance.now();
      check();
    });
  }
  const exit = new Promise<Awaited<Child["exit"]>>((resolve) => {
    let at = 0;
    started.once("exit", () => {
      at = performance.now();
    });
    started.once("close", (code, signal) => {
      isOver = true;
      check();
      resolve({ code, signal, output, at });
    });
  });
  return {
    pid: started.pid,
    exit,
    get printed() {
      return printed;
    },
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const tryMatch = () => {
          const found = pattern.exec(output);
          if (found !== null) resolve(found);
          else if (isOver) reject(new Error(`Ended before ${pattern}: ${output}`));
          else return;
          waiting.delete(tryMatch);
        };
        waiting.add(tryMatch);
        tryMatch();
      }),
    // Not `started.kill`: after it Deno reports an end by that signal, however the process ended.
    kill: (signal) => void (started.pid !== undefined && process.kill(started.pid, signal)),
    destroy: () => void started.kill("SIGKILL"),
  };
}
