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
 * Soaks a server of each runtime: `npm run soak -- [--minutes 10] [--sessions 2000] [--on node|bun|deno]`.
 *
 * Heap and sockets have to be flat from the second minute on, so a soak that is not longer only tries the program itself.
 * In the end nothing may be left, and the server ends by itself. Linux only.
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
  throw new RangeError("Cannot soak: it takes some minutes, and a session");

/** Seconds between two looks at the server. */
const every = 10;
/** When it has to be flat from, in seconds. */
const warm = 120;
/** By how much the last third of the heap's sizes may be above the first. */
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
    const enough = new AbortController();
    const people = crowd({ port, sessions, signal: enough.signal });
    const samples: Sample[] = [];
    const began = performance.now();
    for (let at = 0, minute = 1; at < minutes * 60; ) {
      await sleep(every * 1_000);
      at = (performance.now() - began) / 1_000;
      const sample = await look(server, port, at);
      if (sample === undefined) {
        console.log(`${on}: ${at.toFixed(0)} s: no answer`);
        continue;
      }
      samples.push(sample);
      if (at < minute * 60) continue;
      minute++;
      console.log(`${on}: ${words(sample)}; ${JSON.stringify(people.counts)}`);
    }
    enough.abort();
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

/** Answers nothing when the machine is too busy for the connection to be taken. */
async function look(server: Child, port: number, at: number): Promise<Sample | undefined> {
  const peer = tcp(port, get("/stats", ["Connection: close"]));
  const response = await peer.ended;
  peer.destroy();
  const body = /\{.*\}/s.exec(response)?.[0];
  if (body === undefined) return undefined;
  const counted = JSON.parse(body) as Omit<Sample, "at" | "sockets">;
  return { ...counted, at, sockets: socketsOf(server.pid) };
}

/** Sockets that a process has open. */
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

/** What is not flat. */
function judge(all: readonly Sample[]): string[] {
  const samples = all.filter(({ at }) => at >= warm);
  if (samples.length === 0) return [];
  const third = Math.max(1, Math.floor(samples.length / 3));
  const middle = (part: readonly Sample[], of: (sample: Sample) => number): number =>
    part.map(of).sort((a, b) => a - b)[Math.floor(part.length / 2)] as number;
  const [first, last] = [samples.slice(0, third), samples.slice(-third)];
  const wrong: string[] = [];
  const heap = ({ heapUsed }: Sample): number => heapUsed;
  const [before, after] = [middle(first, heap), middle(last, heap)];
  // A machine that is busy lets fewer of them in at some times than at others.
  const there = ({ sessions }: Sample): number => sessions;
  const crowded = Math.max(1, middle(last, there) / middle(first, there));
  if (after > before * crowded * slack.factor + slack.bytes)
    wrong.push(`the heap has grown from ${before} to ${after} bytes`);
  // Beside its sessions a server has those that are just coming or going.
  const beside = ({ sockets, sessions }: Sample): number => sockets - sessions;
  const [few, many] = [middle(first, beside), middle(last, beside)];
  if (many > few + sessions / 20) wrong.push(`sockets beside the sessions have grown from ${few} to ${many}`);
  return wrong;
}

/** What is left once everybody has gone. */
async function emptied(server: Child, port: number): Promise<string[]> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const left = await look(server, port, 0);
    if (left !== undefined && isEmpty(left)) {
      console.log(`empty: ${words(left)}`);
      return [];
    }
    if (performance.now() > deadline) return [`left: ${left === undefined ? "no answer" : words(left)}`];
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

function words({ at, sessions, subscriptions, channels, heapUsed, rss, sockets }: Sample): string {
  const size = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const counted = `${sessions} sessions, ${sockets} sockets, ${subscriptions} subscriptions, ${channels} channels`;
  return `${at.toFixed(0)} s: ${counted}, ${size(heapUsed)} of heap, ${size(rss)} in all`;
}
