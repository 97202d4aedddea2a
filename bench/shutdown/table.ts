import type { Outcome, Scale } from "../../test/support/shutdown.ts";
import type { Entrant } from "./systems.ts";

/** The result of one system in one case. */
export interface Cell {
  text: string;
  /** The bounds that the system broke. */
  wrong: readonly string[];
}

/** A case, with a cell for each system. A cell is undefined if the case does not apply to the system. */
export interface Row {
  name: string;
  cells: readonly (Cell | undefined)[];
}

/** Formats the outcome of a server as a short text. */
export function cellOf(outcome: Outcome, wrong: readonly string[], { patience }: Scale): Cell {
  const { settled, exit, codes, lost, unreported, leftovers, code } = outcome;
  const parts = [
    settled === undefined ? "" : seconds(settled),
    exit === undefined ? `> ${patience / 1000} s, killed` : `+ ${Math.round(exit)} ms`,
    code !== 0 && exit !== undefined ? `code ${code}` : "",
    codesIn(codes),
    `${lost} lost`,
    unreported > 0 ? `${unreported} unreported` : "",
    ...leftovers,
  ];
  const text = parts.filter((part) => part !== "").join(" · ");
  return { text: wrong.length > 0 ? `**out of bounds** ${text}` : text, wrong };
}

/** Returns the whole result as Markdown. */
export function table(
  entrants: readonly Entrant[],
  rows: readonly Row[],
  setting: Scale & { settled: number; exit: number; machine: string },
): string {
  const { healthy, stuck, grace, patience, settled, exit, machine } = setting;
  const line = (parts: readonly string[]): string => `| ${parts.join(" | ")} |`;
  const lines = [
    "# Shutting down while peers misbehave",
    "",
    `${new Date().toISOString().slice(0, 10)}, ${machine}. ${healthy} healthy clients and ${stuck} that misbehave, each server in a`,
    `process of its own, all on one machine; SIGTERM with a grace of ${grace / 1000} s. Each cell: the time from the start of closing to`,
    "its end · the time from there until the process ends by itself · the close codes that healthy clients got · the number of",
    "publications from before closing that healthy clients did not get (lost) · the number that the others did not get and no",
    "report names (unreported) · what is left over.",
    `After ${patience / 1000} s a process is killed. Bounds for tocsin: settled within the grace + ${settled} ms, ended within ${exit} ms more, code 0, all`,
    "healthy clients 3001, nothing lost, nothing unreported, nothing left.",
    "The other systems have no grace, and were measured 12 at a time; tocsin was measured 2 at a time. Compare what the servers",
    "wait for, not tenths of a second.",
    "",
    line(["", ...entrants.map(({ name }) => name)]),
    line(["---", ...entrants.map(() => "---")]),
    ...rows.map(({ name, cells }) => line([name, ...cells.map((cell) => cell?.text ?? "–")])),
    "",
  ];
  return lines.join("\n");
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

function codesIn(codes: Readonly<Record<string, number>>): string {
  const seen = Object.entries(codes).map(
    ([code, count]) => [code === "none" ? "1006" : code, count] as const,
  );
  const [first, ...rest] = seen;
  if (first === undefined) return "";
  return rest.length === 0 ? first[0] : seen.map(([code, count]) => `${code} × ${count}`).join(", ");
}
