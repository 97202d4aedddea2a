import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { root } from "../../test/support/runtimes.ts";

/** Milliseconds that a process may take over one line. */
const patience = 120_000;

/** The core for what is measured, and the one for everything else. */
export const cores = { server: 0, load: 1 } as const;

/** A process that is told things by lines, and answers each by a line of JSON. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: { resolve(line: object): void; reject(error: Error): void }[] = [];
  #errors = "";

  constructor(core: number, file: string, args: readonly string[]) {
    const [command, ...rest] = ["taskset", "-c", String(core), file, ...args] as [string, ...string[]];
    this.#child = spawn(command, rest, { cwd: root });
    this.#child.stderr?.on("data", (text) => {
      this.#errors += text;
    });
    this.#child.on("exit", (code) => this.#fail(`ended with ${code}`));
    this.#child.stdin?.on("error", () => {});
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#lines.on("line", (line) => {
      if (line.startsWith("{")) this.#waiting.shift()?.resolve(JSON.parse(line));
      else this.#fail(line);
    });
  }

  #fail(why: string): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${why}\n${this.#errors}`));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The next line that it prints. */
  next<T>(): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`No answer in ${patience} ms: ${this.#errors}`)),
        patience,
      );
      const disarm = (): void => clearTimeout(timer);
      this.#waiting.push({
        resolve: (line) => {
          disarm();
          resolve(line as T);
        },
        reject: (error) => {
          disarm();
          reject(error);
        },
      });
    });
  }

  tell<T>(line: string): Promise<T> {
    this.#child.stdin?.write(`${line}\n`);
    return this.next<T>();
  }

  /** Microseconds of CPU that the operating system says it has used, in user and kernel, by all its threads. */
  get cpu(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * (1_000_000 / ticks);
  }

  /** Bytes of memory that are its own and resident. */
  get memory(): number {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"));
    return Number(line?.[1]) * 1024;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const over = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await over;
  }
}

const ticks = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** The load, built by this machine's compiler when it is not there or older than its source. */
export function swarm(): string {
  const source = fileURLToPath(new URL("swarm.c", import.meta.url));
  const built = join(root, ".cache/swarm");
  mkdirSync(join(root, ".cache"), { recursive: true });
  const isThere = statSync(built, { throwIfNoEntry: false });
  if (isThere === undefined || isThere.mtimeMs < statSync(source).mtimeMs) {
    execFileSync("cc", ["-O2", "-o", built, source]);
  }
  return built;
}
