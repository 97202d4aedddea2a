import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Child, start } from "../support/child.ts";
import { program } from "../support/runtime.ts";
import { binary, type Runtime } from "../support/runtimes.ts";
import { get, tcp } from "../support/tcp.ts";
import { crowd } from "./crowd.ts";

/**
 * Runs a soak test of a server of each runtime: `npm run soak -- [--minutes 10] [--sessions 2000] [--on
 * node|bun|deno]…`.
 *
 * Heap and sockets must not grow after the second minute, so a shorter run only tests the program itself. At the end
 * nothing may be left, and the server must end by itself. Works on Linux only.
 */

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    sessions: { type: "string" },
    on: { type: "string", multiple: true },
  },
});
const minutes = Number(values.minutes ?? 10);
const sessions = Number(values.sessions ?? 2_000);
if (!(minutes > 0 && sessions >= 1))
  throw new RangeError("Cannot soak: --minutes must be above 0, and --sessions at least 1");

/** Seconds between two samples. */
const every = 10;
/** Seconds after which heap and sockets must not grow any more. */
const warm = 120;
/** How much the median heap size of the last third of the samples may exceed that of the first third. */
const slack = { factor: 1.1, bytes: 3_000_000 };

interface Sample {
  at: number;
  sessions: number;
  subscriptions: number;
  channels: number;
  heapUsed: number;
  rss: number;
  sockets: number;
}

for (const on of values.on ?? ["node", "bun", "deno"]) await soak(on as Runtime);

async function soak(on: Runtime): Promise<void> {
  const file = fileURLToPath(new URL("soak-server.ts", import.meta.url));
  const server = start(binary(on), argumentsFor(on, file));
  process.once("exit", server.destroy);
  try {
    const port = Number((await server.until(/port (\d+)\n/))[1]);
    const stop = new AbortController();
    const people = crowd({ port, sessions, signal: stop.signal });
    const samples: Sample[] = [];
    const began = performance.now();
    for (let at = 0, minute = 1; at < minutes * 60; ) {
      await sleep(every * 1_000);
      at = (performance.now() - began) / 1_000;
      const sample = await takeSample(server, port, at);
      if (sample === undefined) {
        console.log(`${on}: ${at.toFixed(0)} s: no answer`);
        continue;
      }
      samples.push(sample);
      if (at < minute * 60) continue;
      minute++;
      console.log(`${on}: ${describe(sample)}; ${JSON.stringify(people.counts)}`);
    }
    stop.abort();
    await people.gone;
    const wrong = [...judge(samples), ...(await emptied(server, port)), ...(await ended(server))];
    console.log(`${on}: closed with ${JSON.stringify(Object.fromEntries(people.codes))}`);
    if (wrong.length > 0) throw new Error(`${on}: ${wrong.join("; ")}`);
    console.log(`${on}: ${minutes} minutes of ${sessions} sessions left nothing`);
  } finally {
    server.destroy();
    process.off("exit", server.destroy);
  }
}

function argumentsFor(on: Runtime, file: string): string[] {
  const args = program(file, on);
  if (on === "node") return ["--expose-gc", ...args];
  return on === "deno" ? ["run", "--v8-flags=--expose-gc", ...args.slice(1)] : args;
}

/** Takes a sample. Returns undefined if the machine is too busy to accept the connection. */
async function takeSample(server: Child, port: number, at: number): Promise<Sample | undefined> {
  const peer = tcp(port, get("/stats", ["Connection: close"]));
  const response = await peer.ended;
  peer.destroy();
  const body = /\{.*\}/s.exec(response)?.[0];
  if (body === undefined) return undefined;
  const counted = JSON.parse(body) as Omit<Sample, "at" | "sockets">;
  return { ...counted, at, sockets: socketsOf(server.pid) };
}

/** Returns the number of open sockets of a process. */
function socketsOf(pid: number | undefined): number {
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return open.filter((link) => link.startsWith("socket:")).length;
}

/** Returns what has grown: the heap, or the number of sockets. */
function judge(all: readonly Sample[]): string[] {
  const samples = all.filter(({ at }) => at >= warm);
  if (samples.length === 0) return [];
  const third = Math.max(1, Math.floor(samples.length / 3));
  const median = (part: readonly Sample[], of: (sample: Sample) => number): number =>
    part.map(of).sort((a, b) => a - b)[Math.floor(part.length / 2)] as number;
  const [first, last] = [samples.slice(0, third), samples.slice(-third)];
  const wrong: string[] = [];
  const heap = ({ heapUsed }: Sample): number => heapUsed;
  const [before, after] = [median(first, heap), median(last, heap)];
  // On a busy machine the number of open sessions varies, and the heap with it.
  const open = ({ sessions }: Sample): number => sessions;
  const growth = Math.max(1, median(last, open) / median(first, open));
  if (after > before * growth * slack.factor + slack.bytes)
    wrong.push(`the heap has grown from ${before} to ${after} bytes`);
  // The sockets without a session belong to connections that are being opened or closed.
  const extra = ({ sockets, sessions }: Sample): number => sockets - sessions;
  const [extraBefore, extraAfter] = [median(first, extra), median(last, extra)];
  if (extraAfter > extraBefore + sessions / 20)
    wrong.push(`sockets beside the sessions have grown from ${extraBefore} to ${extraAfter}`);
  return wrong;
}

/** Waits up to 30 s until the server has nothing left of the sessions. Returns what is left. */
async function emptied(server: Child, port: number): Promise<string[]> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const left = await takeSample(server, port, 0);
    if (left !== undefined && isEmpty(left)) {
      console.log(`empty: ${describe(left)}`);
      return [];
    }
    if (performance.now() > deadline) return [`left: ${left === undefined ? "no answer" : describe(left)}`];
    await sleep(200);
  }
}

function isEmpty({ sessions, subscriptions, channels, sockets }: Sample): boolean {
  return sessions + subscriptions + channels === 0 && sockets < 20;
}

async function ended(server: Child): Promise<string[]> {
  server.kill("SIGTERM");
  const late = setTimeout(() => server.destroy(), 20_000);
  const { code, signal, output } = await server.exit;
  clearTimeout(late);
  const rest = output.replace(/^(port|closed|Deno\.serve: request\.signal) .*\n/gm, "");
  const wrong = code === 0 ? [] : [`it ended with ${code ?? signal}`];
  return rest === "" ? wrong : [...wrong, `it printed ${rest.slice(0, 2_000)}`];
}

function describe({ at, sessions, subscriptions, channels, heapUsed, rss, sockets }: Sample): string {
  const size = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const counted = `${sessions} sessions, ${sockets} sockets, ${subscriptions} subscriptions, ${channels} channels`;
  return `${at.toFixed(0)} s: ${counted}, ${size(heapUsed)} of heap, ${size(rss)} in all`;
}
