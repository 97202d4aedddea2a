import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../../test/support/runtimes.ts";
import { installed } from "../../test/support/workerd-binary.ts";
import { costOfPublications, costOfWake, publishings } from "./cost.ts";
import { bytesOfEach } from "./heap.ts";
import type { System } from "./site.ts";
import { median, type Workload, workloads } from "./workloads.ts";

/**
 * Measures an object of tocsin beside one by hand, what an object costs, and what takes memory in it:
 * `npm run bench:cloudflare -- [--rounds 3] [--only <name>]`.
 *
 * The systems take turns, and each number is the median of the rounds. `--only` prints the rows whose names contain a
 * text, and writes nothing.
 */

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, only: { type: "string" } },
});
const systems: readonly System[] = ["OURS", "HAND"];

if (values.only === undefined) await measureAll();
else
  for (const row of await rowsOf(workloads.filter(({ name }) => name.includes(values.only ?? ""))))
    console.log(row);

async function measureAll(): Promise<void> {
  const version = "version" in installed ? installed.version : "";
  const text = `# A Durable Object of Cloudflare

Measured on ${new Date().toISOString().slice(0, 10)} with ${cpus().length} cores, in workerd ${version} at its newest compatibility date: the median of ${values.rounds} rounds, in which
the two take turns. CPU is that of the process of workerd; the clients have one of their own. They do not offer compression.
An event has about 200 bytes.

*tocsin* is a \`NotifierObject\`. *By hand* is an object of forty lines that sends each event to all hibernatable sockets, in a
loop. It keeps no log, and a client that comes back has missed what was sent meanwhile.

| | unit | tocsin | by hand | ratio |
|---|---|---|---|---|
${(await rowsOf(workloads)).join("\n")}

- *spread*: publications one after the other, each in a turn of its own, to so many subscribers of one channel
- *burst*: 1 000 publications of one handler, to 20 subscribers
- *idle*: connections with a session and a subscription, beside connections that are only accepted
- *restore*: the object was dropped from memory; CPU until a client has the answer to its next call. Each client has one
  subscription

## What is charged for

${await costs()}

## Bytes of heap

V8's heap in the isolate, with what workerd keeps beside it, after a garbage collection; each measured in a process of its own.

| what | bytes |
|---|---|
${(await bytesOfEach()).map(([name, bytes]) => `| ${name} | ${figure(bytes)} |`).join("\n")}
`;
  writeFileSync(join(root, "bench/results/cloudflare.md"), text);
  console.log(text);
}

/** Returns a row of the table for each workload. */
async function rowsOf(all: readonly Workload[]): Promise<string[]> {
  const found = new Map<string, number[]>();
  for (let round = 0; round < Number(values.rounds); round++)
    for (const { name, measure } of all)
      for (const system of systems) {
        const key = `${name} ${system}`;
        found.set(key, [...(found.get(key) ?? []), await measure(system)]);
      }
  return all.map(({ name, unit }) => {
    const [ours = 0, hand = 0] = systems.map((system) => median(found.get(`${name} ${system}`) ?? []));
    return `| ${name} | ${unit} | ${figure(ours)} | ${figure(hand)} | ${figure(ours / hand)} |`;
  });
}

async function costs(): Promise<string> {
  const cells = (...numbers: number[]): string => numbers.map((number) => figure(number)).join(" | ");
  const rows: string[] = [];
  for (const { name, ...load } of publishings) {
    const { rowsRead, rowsWritten, requests } = await costOfPublications(load);
    rows.push(`| ${name} | ${cells(rowsRead, rowsWritten, requests)} |`);
  }
  const [one, thousand] = await Promise.all([costOfWake(1), costOfWake(1_000)]);
  return `By the row counts of the platform's cursors. An alarm that is set counts as one row, and twenty messages of clients count
as one request. What goes to one channel is sent to one client. The channels are full: each keeps 1 000 publications.

| 1 000 publications of 200 bytes | rows read | rows written | requests |
|---|---|---|---|
${rows.join("\n")}

One wake for the pings of stock clients, from sleep until nothing keeps the object awake:

| clients | ms of CPU | ms awake | rows read | rows written | requests |
|---|---|---|---|---|---|
| 1 | ${cells(one.cpu, one.awake, one.rowsRead, one.rowsWritten, one.requests)} |
| 1 000 | ${cells(thousand.cpu, thousand.awake, thousand.rowsRead, thousand.rowsWritten, thousand.requests)} |`;
}

/** Two digits, and all of those before the point. */
function figure(value: number): string {
  const text = value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
  return text.replace(/\B(?=(\d{3})+$)/g, " ");
}
