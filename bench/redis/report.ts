import { versionIn, versionOf } from "../speed/entrants.ts";
import { shown } from "../speed/report.ts";
import { depths, type Way, ways } from "./appends.ts";
import { type FanOut, fanOuts, plan } from "./fan-out.ts";
import { recoveries } from "./recovery.ts";
import type { Rounds } from "./rounds.ts";
import { type System, systems } from "./stage.ts";

/** The machine, and how it was used. */
export interface Setting {
  /** The executable of Node. */
  readonly node: string;
  readonly machine: string;
  readonly rounds: number;
  /** Load average of the machine before the first round, and after the last. */
  readonly load: number;
  readonly after: number;
}

/** The most rounds in which appends and recoveries are measured. */
export const fewRounds = 3;

/** Returns the name of what a system has done at a rate. */
export function fanOutKey({ nodes, channels }: FanOut, rate: number, { name }: System): string {
  return `${nodes} ${channels} ${rate} ${name}`;
}

/** Returns the whole result as Markdown. */
export function report(rounds: Rounds, { node, machine, rounds: count, load, after }: Setting): string {
  const packages = ["redis", "socket.io", "@socket.io/redis-streams-adapter"];
  const versions = packages.map((name) => `${name} ${versionIn(name)}`).join(", ");
  return [
    "# Nodes that share a Redis",
    "",
    `${new Date().toISOString().slice(0, 10)}, ${machine}; Node ${versionOf(node)}, ${versions}. The median of ${count} rounds`,
    `(appends and recoveries: ${Math.min(count, fewRounds)}), in which the systems take turns. Every measurement has a Redis of its own, which writes nothing to the disk. All processes`,
    `share the cores. The load average was ${load.toFixed(1)} before the first round, and ${after.toFixed(1)} after the last; the benchmark itself`,
    "causes up to 3.",
    "",
    ...fanOutPart(rounds),
    ...appendsPart(rounds),
    ...recoveryPart(rounds),
  ].join("\n");
}

function fanOutPart(rounds: Rounds): string[] {
  const { bytes, rates } = plan;
  const rows = fanOuts.flatMap((one) =>
    rates.flatMap((rate) => systems.flatMap((system) => fanOutRow(rounds, one, rate, system))),
  );
  if (rows.length === 0) return [];
  const ratios = fanOuts.flatMap((one) => rates.map((rate) => ratioOf(rounds, one, rate)));
  const head = ["", "nodes", "channels", "a second", "for a CPU second", "µs of CPU (range)"];
  return [
    "## From one node to the clients of others",
    "",
    `One node without clients publishes ${bytes} bytes at a fixed rate, in rotation to 100 channels or to 10. The *nodes* of the`,
    "table have the clients: on each of them every channel has one subscriber. CPU is that of a publication, in all nodes, the",
    "publisher included, and in Redis, as the operating system and Redis report it. Latency is the time from the call that",
    "publishes until the client, a native program, has read the publication. Socket.IO keeps no positions here: its recovery of",
    "connections is off, as it is by default.",
    "",
    ...table([...head, "publisher", "nodes", "Redis", "p50 in ms", "p99 in ms (range)"], rows),
    "",
    `tocsin beside Socket.IO, publications for a CPU second: ${ratios.join("; ")}.`,
    "",
  ];
}

function fanOutRow(rounds: Rounds, one: FanOut, rate: number, system: System): string[][] {
  const key = fanOutKey(one, rate, system);
  const found = rounds.medians(key);
  if (found === undefined) return [];
  const of = (value: string): string => shown(found[value] ?? 0);
  const withRange = (value: string): string =>
    `${of(value)} (${rounds.range(key, value).map(shown).join("–")})`;
  const parts = ["publisher", "servers", "redis", "p50"].map(of);
  return [
    [
      system.name,
      String(one.nodes),
      String(one.channels),
      shown(rate),
      of("perSecond"),
      withRange("cpu"),
      ...parts,
      withRange("p99"),
    ],
  ];
}

function ratioOf(rounds: Rounds, one: FanOut, rate: number): string {
  const { nodes, channels } = one;
  const [ours = 0, other = 1] = systems.map(
    (system) => rounds.medians(fanOutKey(one, rate, system))?.perSecond ?? 0,
  );
  return `${shown(ours / other)} × with ${nodes} ${nodes === 1 ? "node" : "nodes"} and ${channels} channels at ${shown(rate)} a second`;
}

const columns: Record<Way, string> = {
  "one a call": "`redis-benchmark`, one a call",
  "all in one call": "`redis-benchmark`, n a call",
  append: "`redisLog`",
  publish: "`publish`",
};

function appendsPart(rounds: Rounds): string[] {
  const rows = depths.flatMap((depth) => {
    const found = ways.map((way) => rounds.medians(`${depth} ${way}`));
    const second = (place: number): number => found[place]?.second ?? 0;
    if (found.some((each) => each === undefined)) return [];
    const cells = found.map((each) => `${shown(each?.second ?? 0)} (${shown(each?.redis ?? 0)})`);
    const share = (of: number): string => `${Math.round((second(2) / of) * 100)} %`;
    return [[String(depth), ...cells, share(second(0)), share(second(1))]];
  });
  if (rows.length === 0) return [];
  return [
    "## Appends",
    "",
    "Appends of 190 bytes to ten channels, n of them under way at any time on one connection: appends a second, and in brackets",
    "µs of Redis's CPU for each. All run the same script. `redis-benchmark` sends the same call again and again: n calls of one",
    "append at a time (`-P n`), or one call of n appends. Its appends all have the time of its start, and a lone one goes to a",
    "random channel; it need not make or read anything. `redisLog` makes each call from what was asked for in one turn. `publish` is",
    "the whole way through a notifier, which numbers its appends, and appends together what waits in a channel.",
    "",
    ...table(["n", ...ways.map((way) => columns[way]), "`redisLog` of the first", "of the second"], rows),
    "",
  ];
}

function recoveryPart(rounds: Rounds): string[] {
  const rows = recoveries.flatMap(({ name }) => {
    const found = rounds.medians(name);
    if (found === undefined) return [];
    const [, wrong] = rounds.range(name, "wrong");
    const of = (value: string): string => shown(found[value] ?? 0);
    const last = `${of("last")} (${rounds.range(name, "last").map(shown).join("–")})`;
    return [[name, ...["lost", "late", "p50", "p99"].map(of), last, String(wrong), of("cpu")]];
  });
  if (rows.length === 0) return [];
  const [{ clients, nodes, channels, second } = { clients: 0, nodes: 0, channels: 0, second: 0 }] =
    recoveries;
  return [
    "## When a node dies",
    "",
    `${nodes} nodes of tocsin, ${shown(clients)} clients, each of which follows one of ${channels} channels; another node publishes ${second} times a second. One`,
    "node is killed with SIGKILL. Its clients come back at once to the other two, with their positions: no client waits before it",
    "dials, and 256 dial at the same time. The clients are four processes on the same cores. Times are from the kill until a client",
    "has everything that was published before it was let in again. *Clients*: those that lost their node. *Made up for*: what they",
    "were sent of the time when they were away. *Wrong*: publications that a client missed or got twice, gaps, further connections",
    "that were lost, and clients that had not everything in the end; the highest of all rounds. CPU is that of the other two nodes",
    "from the kill until all are back.",
    "",
    ...table(
      ["", "clients", "made up for", "p50 in ms", "p99 in ms", "last in ms (range)", "wrong", "ms of CPU"],
      rows,
    ),
    "",
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (parts: readonly string[]): string => `| ${parts.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}
