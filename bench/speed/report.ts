import type { Entrant } from "./entrants.ts";
import type { ImportCost } from "./import-cost.ts";
import type { Result } from "./results.ts";
import { judge } from "./targets.ts";
import type { Workload } from "./workloads.ts";

/** The machine, and the number of rounds. */
export interface Setting {
  machine: string;
  rounds: number;
  /**
   * Load average of the machine at the end: the mean number of runnable processes. The benchmark itself causes up to 2.
   */
  load: number;
}

/** Returns the whole result as Markdown. */
export function report(
  results: readonly Result[],
  cost: ImportCost,
  { machine, rounds, load }: Setting,
): string {
  const workloads = distinct(results.map(({ workload }) => workload));
  const entrants = distinct(results.map(({ entrant }) => entrant));
  const find = (workload: Workload, entrant: Entrant): Result | undefined =>
    results.find((result) => result.workload === workload && result.entrant === entrant);
  const rows = workloads.map((workload) => [
    workload.name,
    ...entrants.map((entrant) => cell(workload, find(workload, entrant))),
  ]);
  const inOne = workloads
    .filter((workload) => workload.once)
    .map(({ name }) => ` ${name},`)
    .join("");
  const once = inOne === "" ? "" : ` (${inOne.slice(1)} one)`;
  const targets = judge(results, cost).map(({ text, value, goal, isMet }) => [
    text,
    value,
    goal,
    isMet ? "yes" : "**no**",
  ]);
  return [
    "# What it costs",
    "",
    `${new Date().toISOString().slice(0, 10)}, ${machine}; the median of ${rounds} interleaved rounds${once}. The server is pinned to one core,`,
    "and its CPU time is the one that the operating system reports for the process; the clients are a native program on the",
    `other core. The load average at the end was ${load.toFixed(1)}. Above 2, other programs used the machine too, and the`,
    "times are not reliable.",
    "",
    ...workloads.map(({ name, text, unit }) => `- **${name}**: ${text}; ${unit}`),
    "",
    ...table(["", ...entrants.map(({ name }) => name)], rows),
    "",
    "Goals:",
    "",
    ...table(["", "measured", "goal", "met"], targets),
    "",
  ].join("\n");
}

function cell({ measure }: Workload, result: Result | undefined): string {
  const value = result?.found[measure];
  return value === undefined ? "–" : shown(value);
}

/** Formats a number with three significant digits, without an exponent. */
export function shown(value: number): string {
  const digits = Number(value.toPrecision(3));
  return digits >= 1000 ? digits.toLocaleString("en").replaceAll(",", " ") : String(digits);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (parts: readonly string[]): string => `| ${parts.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
