import type { ImportCost } from "./import-cost.ts";
import type { Result } from "./results.ts";

/** A goal, and the measured value. */
export interface Target {
  readonly text: string;
  /** The measured value as text, such as `"1.2 ×"`. */
  readonly value: string;
  readonly goal: string;
  readonly isMet: boolean;
}

/** A goal for the ratio of tocsin to another entrant in a workload. */
interface Ratio {
  workload: string;
  ours: string;
  other: string;
  min: number;
}

const ratios: readonly Ratio[] = [
  { workload: "spread", ours: "tocsin-node", other: "ws", min: 1.1 },
  { workload: "spread", ours: "tocsin-node", other: "socket-io", min: 1.4 },
  { workload: "burst", ours: "tocsin-node", other: "ws", min: 6 },
  { workload: "flood", ours: "tocsin-node", other: "ws", min: 20 },
  { workload: "tokens", ours: "tocsin-node", other: "ws", min: 1 },
  { workload: "connect", ours: "tocsin-node", other: "hono", min: 1 },
  { workload: "storm", ours: "tocsin-node", other: "ws", min: 1 / 1.5 },
  { workload: "spread", ours: "tocsin-bun", other: "bun-publish", min: 0.95 },
  { workload: "burst", ours: "tocsin-bun", other: "bun-publish", min: 0.95 },
  { workload: "flood", ours: "tocsin-bun", other: "bun-publish", min: 0.85 },
  { workload: "tokens", ours: "tocsin-bun", other: "bun-publish", min: 0.8 },
  { workload: "connect", ours: "tocsin-bun", other: "bun", min: 0.6 },
  { workload: "storm", ours: "tocsin-bun", other: "bun", min: 1 / 1.5 },
  { workload: "spread", ours: "tocsin-deno", other: "deno", min: 1 },
  { workload: "burst", ours: "tocsin-deno", other: "deno", min: 6 },
  { workload: "flood", ours: "tocsin-deno", other: "deno", min: 15 },
  { workload: "tokens", ours: "tocsin-deno", other: "deno", min: 0.9 },
  { workload: "connect", ours: "tocsin-deno", other: "deno", min: 0.6 },
  { workload: "storm", ours: "tocsin-deno", other: "deno", min: 1 / 1.5 },
  { workload: "idle", ours: "tocsin-node", other: "ws", min: 1 / 1.5 },
  { workload: "idle", ours: "tocsin-node", other: "hono", min: 1 },
  { workload: "idle", ours: "tocsin-deno", other: "deno", min: 1 / 1.2 },
];

/** Goals for absolute values. */
const bounds = [
  { workload: "idle", ours: "tocsin-node", max: 16, unit: "kB" },
  { workload: "idle", ours: "tocsin-bun", max: 6, unit: "kB" },
] as const;

/** Compares a run with the goals. Goals without a measurement are left out. */
export function judge(results: readonly Result[], cost: ImportCost): Target[] {
  const find = (workload: string, id: string): Result | undefined =>
    results.find((result) => result.workload.name === workload && result.entrant.id === id);
  return [
    ...ratios.flatMap((ratio) =>
      compared(ratio, find(ratio.workload, ratio.ours), find(ratio.workload, ratio.other)),
    ),
    ...latencies(find),
    ...bounds.flatMap(({ workload, ours, max, unit }) => {
      const memory = find(workload, ours)?.found.memory;
      return memory === undefined ? [] : [bound(`${workload}, ${ours}`, memory, max, unit)];
    }),
    ...["node", "bun", "deno"].flatMap((runtime) => curve(find, `tocsin-${runtime}`)),
    bound("import, compressed", cost.bytes / 1_000, 12, "kB"),
    bound("import", cost.milliseconds, 15, "ms"),
  ];
}

function compared({ min }: Ratio, ours: Result | undefined, other: Result | undefined): Target[] {
  if (ours === undefined || other === undefined) return [];
  const { name, measure, higherIsBetter = false } = ours.workload;
  const [mine = 0, theirs = 0] = [ours.found[measure], other.found[measure]];
  const ratio = higherIsBetter ? mine / theirs : theirs / mine;
  const text = `${name}, ${ours.entrant.name}, as good as ${other.entrant.name}`;
  return [
    { text, value: `${ratio.toFixed(2)} ×`, goal: `≥ ${Number(min.toFixed(2))} ×`, isMet: ratio >= min },
  ];
}

type Find = (workload: string, id: string) => Result | undefined;

const byHand: Readonly<Record<string, string>> = {
  "tocsin-node": "ws",
  "tocsin-bun": "bun",
  "tocsin-deno": "deno",
};

/**
 * Compares latencies: in spread, those of tocsin with those of the program without a library; in slow, the p99 while
 * some clients do not read with the p99 while all read.
 */
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

/** Compares the cost of an event with 100 channels and with 100 000. */
function curve(find: Find, id: string): Target[] {
  const small = find("curve-100", id)?.found.cpu;
  const large = find("curve-100000", id)?.found.cpu;
  if (small === undefined || large === undefined) return [];
  const ratio = large / small;
  const text = `curve, ${id}, 100 000 channels beside 100`;
  return [{ text, value: `${ratio.toFixed(2)} ×`, goal: "≤ 1.25 ×", isMet: ratio <= 1.25 }];
}

function bound(text: string, value: number, max: number, unit: string): Target {
  const shown = (number: number): string => `${Number(number.toPrecision(3))} ${unit}`;
  return { text, value: shown(value), goal: `≤ ${shown(max)}`, isMet: value <= max };
}
