import { type ChildProcess, spawn } from "node:child_process";

/** The result of a check, and its duration. */
export interface Verdict {
  /** What failed. Undefined if the check passed. */
  failure: string | undefined;
  seconds: number;
}

/** The result of a process. */
export interface Outcome {
  seconds: number;
  /** Whether the process was killed at its time limit. */
  hung: boolean;
  code: number | null;
  output: string;
}

/** How a process is run. */
export interface RunOptions {
  cwd: string;
  /** The time limit in milliseconds. */
  limit: number;
  /** Ends the process once its output matches. */
  until?: RegExp | undefined;
}

const running = new Set<ChildProcess>();
/** Milliseconds between the match of `until` and the kill, in which the process can finish its line. */
const outputDelay = 300;
/** The maximum length of the kept output in characters. A mutation may cause endless output. */
const maxOutput = 1_000_000;

/**
 * Runs this Node with arguments. Kills the process at its time limit, and after its end kills all processes that it
 * started.
 */
export async function run(args: string[], { cwd, limit, until }: RunOptions): Promise<Outcome> {
  const began = performance.now();
  const env = { ...process.env, NO_COLOR: "1" };
  // The process has its own process group, so that all processes that it starts can be killed.
  const child = spawn(process.execPath, args, {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let output = "";
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    kill(child);
  }, limit);
  let leaving: NodeJS.Timeout | undefined;
  const append = (text: string): void => {
    if (output.length < maxOutput) output += text;
    if (leaving === undefined && until?.test(output)) leaving = setTimeout(kill, outputDelay, child);
  };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", append);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => kill(child));
    child.once("close", resolve);
  });
  clearTimeout(timer);
  clearTimeout(leaving);
  running.delete(child);
  return { seconds: (performance.now() - began) / 1000, hung, code, output };
}

/** Kills every process that still runs. */
export function stopAll(): void {
  for (const child of running) kill(child);
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {} // the group has no process any more
}
