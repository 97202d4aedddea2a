import type { ImportCost } from "./import-cost.ts";
import type { Result } from "./results.ts";

/** What is to be reached, and what was. */
export interface Target {
  readonly text: string;
  /** How it compares, as it is meant to be read: `"1.2 ×"`. */
  readonly value: string;
  readonly goal: string;
  readonly isMet: boolean;
}

/** How many times as good as another tocsin has to be in a workload. */
interface Ratio {
  workload: string;
  ours: string;
  other: string;
  least: number;
}

const ratios: readonly Ratio[] = [
  { workload: "spread", ours: "tocsin-node", other: "ws", least: 1.1 },
  { workload: "spread", ours: "tocsin-node", other: "socket-io", least: 1.4 },
  { workload: "burst", ours: "tocsin-node", other: "ws", least: 6 },
  { workload: "flood", ours: "tocsin-node", other: "ws", least: 20 },
  { workload: "tokens", ours: "tocsin-node", other: "ws", least: 1 },
  { workload: "connect", ours: "tocsin-node", other: "hono", least: 1 },
  { workload: "storm", ours: "tocsin-node", other: "ws", least: 1 / 1.5 },
  { workload: "spread", ours: "tocsin-bun", other: "bun-publish", least: 0.95 },
  { workload: "burst", ours: "tocsin-bun", other: "bun-publish", least: 0.95 },
  { workload: "flood", ours: "tocsin-bun", other: "bun-publish", least: 0.85 },
  { workload: "tokens", ours: "tocsin-bun", other: "bun-publish", least: 0.8 },
  { workload: "connect", ours: "tocsin-bun", other: "bun", least: 0.6 },
  { workload: "storm", ours: "tocsin-bun", other: "bun", least: 1 / 1.5 },
  { workload: "spread", ours: "tocsin-deno", other: "deno", least: 1 },
  { workload: "burst", ours: "tocsin-deno", other: "deno", least: 6 },
  { workload: "flood", ours: "tocsin-deno", other: "deno", least: 15 },
  { workload: "tokens", ours: "tocsin-deno", other: "deno", least: 0.9 },
  { workload: "connect", ours: "tocsin-deno", other: "deno", least: 0.6 },
  { workload: "storm", ours: "tocsin-deno", other: "deno", least: 1 / 1.5 },
  { workload: "idle", ours: "tocsin-node", other: "ws", least: 1 / 1.5 },
  { workload: "idle", ours: "tocsin-node", other: "hono", least: 1 },
  { workload: "idle", ours: "tocsin-deno", other: "deno", least: 1 / 1.2 },
];

/** What has to stay under a number of its own. */
const bounds = [
  { workload: "idle", ours: "tocsin-node", most: 16, unit: "kB" },
  { workload: "idle", ours: "tocsin-bun", most: 6, unit: "kB" },
] as const;

/** Judges a run. What was not measured is left out. */
export function judge(results: readonly Result[], cost: ImportCost): Target[] {
  const find = (workload: string, id: string): Result | undefined =>
    results.find((result) => result.workload.name === workload && result.entrant.id === id);
  return [
    ...ratios.flatMap((ratio) =>
      compared(ratio, find(ratio.workload, ratio.ours), find(ratio.workload, ratio.other)),
    ),
    ...latencies(find),
    ...bounds.flatMap(({ workload, ours, most, unit }) => {
      const memory = find(workload, ours)?.found.memory;
      return memory === undefined ? [] : [bound(`${workload}, ${ours}`, memory, most, unit)];
    }),
    ...["node", "bun", "deno"].flatMap((runtime) => curve(find, `tocsin-${runtime}`)),
    bound("import, compressed", cost.bytes / 1_000, 12, "kB"),
    bound("import", cost.milliseconds, 15, "ms"),
  ];
}

function compared({ least }: Ratio, ours: Result | undefined, other: Result | undefined): Target[] {
  if (ours === undefined || other === undefined) return [];
  const { name, measure, higherIsBetter = false } = ours.workload;
  const [mine = 0, theirs = 0] = [ours.found[measure], other.found[measure]];
  const ratio = higherIsBetter ? mine / theirs : theirs / mine;
  const text = `${name}, ${ours.entrant.name}, as good as ${other.entrant.name}`;
  return [
    { text, value: `${ratio.toFixed(2)} ×`, goal: `≥ ${Number(least.toFixed(2))} ×`, isMet: ratio >= least },
  ];
}

type Find = (workload: string, id: string) => Result | undefined;

const byHand: Readonly<Record<string, string>> = {
  "tocsin-node": "ws",
  "tocsin-bun": "bun",
  "tocsin-deno": "deno",
};

/** How late events are in spread, beside a loop by hand; and while some do not read, beside while all do. */
function latencies(find: Find): Target[] {
  return Object.entries(byHand).flatMap(([id, other]) => {
    const [ours, theirs, slow] = [find("spread", id), find("spread", other), find("slow", id)];
    if (ours === undefined || theirs === undefined) return [];
    const pairs = (["p50", "p99"] as const).map((name) =>
      bound(`spread, ${ours.entrant.name}, ${name}`, ours.found[name] ?? 0, theirs.found[name] ?? 0, "µs"),
    );
    if (slow === undefined) return pairs;
    const { p99 = 0, usual = 0 } = slow.found;
    return [...pairs, bound(`slow, ${ours.entrant.name}, p99`, p99, usual, "µs")];
  });
}

/** Whether an event costs the same beside a hundred channels and beside a hundred thousand. */
function curve(find: Find, id: string): Target[] {
  const [few, many] = [find("curve-100", id)?.found.cpu, find("curve-100000", id)?.found.cpu];
  if (few === undefined || many === undefined) return [];
  const times = many / few;
  const text = `curve, ${id}, 100 000 channels beside 100`;
  return [{ text, value: `${times.toFixed(2)} ×`, goal: "≤ 1.25 ×", isMet: times <= 1.25 }];
}

function bound(text: string, value: number, most: number, unit: string): Target {
  const shown = (number: number): string => `${Number(number.toPrecision(3))} ${unit}`;
  return { text, value: shown(value), goal: `≤ ${shown(most)}`, isMet: value <= most };
}
