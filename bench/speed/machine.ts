import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { root } from "../../test/support/runtimes.ts";

/** Maximum time in milliseconds until a process prints its next line. */
const patience = 120_000;

/** The CPU core of the measured server, the core of the clients, and all cores, for what consists of many processes. */
export const cores = { server: 0, load: 1, all: `0-${cpus().length - 1}` } as const;

/** A process that reads one command per line from stdin, and prints one line of JSON for each. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: { resolve(line: object): void; reject(error: Error): void }[] = [];
  #errors = "";

  constructor(core: number | string, file: string, args: readonly string[]) {
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

  #fail(reason: string): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${reason}\n${this.#errors}`));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Returns the next line that the process prints, parsed. Rejects after `patience`, or if the process ends. */
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

  /**
   * CPU time in microseconds that all threads of the process have used, user and kernel, as the operating system
   * reports it.
   */
  get cpu(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * (1_000_000 / ticks);
  }

  /** Resident memory of the process (`VmRSS`) in bytes. */
  get memory(): number {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"));
    return Number(line?.[1]) * 1024;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await exited;
  }
}

const ticks = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Returns the path of the load program. Compiles the program if it is missing or older than its source. */
export function swarm(): string {
  const source = fileURLToPath(new URL("swarm.c", import.meta.url));
  const built = join(root, ".cache/swarm");
  mkdirSync(join(root, ".cache"), { recursive: true });
  const existing = statSync(built, { throwIfNoEntry: false });
  if (existing === undefined || existing.mtimeMs < statSync(source).mtimeMs) {
    execFileSync("cc", ["-O2", "-o", built, source]);
  }
  return built;
}
