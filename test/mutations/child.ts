import { type ChildProcess, spawn } from "node:child_process";

/** What a check said, and how long it took. */
export interface Verdict {
  /** What failed, unless all went well. */
  failure: string | undefined;
  seconds: number;
}

/** What became of a process. */
export interface Outcome {
  seconds: number;
  /** Whether it had to be killed at its limit. */
  hung: boolean;
  code: number | null;
  output: string;
}

/** How a process is run. */
export interface RunOptions {
  cwd: string;
  /** Milliseconds it may take. */
  limit: number;
  /** What it may say that makes the rest of no interest. */
  until?: RegExp | undefined;
}

const running = new Set<ChildProcess>();
/** Milliseconds that a process has for the rest of its sentence once it has said what ends it. */
const lastWords = 300;
/** Output kept, in characters; a fault may print without end. */
const most = 1_000_000;

/** Runs this Node with arguments, and ends it with all that it started, at its limit if it has not ended before. */
export async function run(args: string[], { cwd, limit, until }: RunOptions): Promise<Outcome> {
  const began = performance.now();
  const env = { ...process.env, NO_COLOR: "1" };
  // A group of its own, so that nothing it started can outlive it.
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
  const hear = (text: string): void => {
    if (output.length < most) output += text;
    if (leaving === undefined && until?.test(output)) leaving = setTimeout(kill, lastWords, child);
  };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", hear);
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

/** Ends every process that still runs. */
export function stopAll(): void {
  for (const child of running) kill(child);
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {} // nothing of the group is left
}
