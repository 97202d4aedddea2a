import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, start } from "./child.ts";
import { binary, root } from "./runtimes.ts";

/** The Worker of examples/worker, in workerd. */
export interface WorkerExample {
  readonly url: string;
  /** Ends it as Ctrl-C does. Further calls return the same promise. */
  end(): Promise<{ code: number | null; signal: string | null }>;
}

/** Starts the script of `npm run worker` on a free port. Its objects are kept in `folder`. */
export async function workerExample(folder: string): Promise<WorkerExample> {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const [, ...args] = (scripts.worker as string).split(" ");
  const variables = { PORT: "0", TOCSIN_WORKER_FOLDER: folder };
  const program = start(binary("node"), args, { cwd: root, variables });
  const [, url = ""] = await program.until(/^Texts are stretched at (http:\S+) /m);
  let ending: ReturnType<typeof ended> | undefined;
  return { url, end: () => (ending ??= ended(program)) };
}

async function ended(program: Child): Promise<{ code: number | null; signal: string | null }> {
  program.kill("SIGINT");
  const { code, signal } = await program.exit;
  return { code, signal };
}
