import { shown } from "./report.ts";
import type { Result } from "./results.ts";

const width = 760;
const row = 22;
const label = 270;
const gap = 46;
const colours = { ours: "#2563eb", others: "#9ca3af", text: "#111827", faint: "#6b7280" };

/** Returns an SVG with one bar chart for each workload. Each chart is labelled "more is better" or "less is better". */
export function plot(results: readonly Result[]): string {
  const names = [...new Set(results.map(({ workload }) => workload.name))];
  let top = 20;
  const panels = names.map((name) => {
    const panel = results.filter(({ workload }) => workload.name === name);
    const text = bars(panel, top);
    top += panel.length * row + gap;
    return text;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${top}" fill="#ffffff"/>`,
    ...panels,
    "</svg>",
    "",
  ].join("\n");
}

function bars(panel: readonly Result[], top: number): string {
  const workload = panel[0]?.workload;
  if (workload === undefined) return "";
  const values = panel.map(({ found }) => found[workload.measure] ?? 0);
  const longest = Math.max(...values);
  const direction = workload.higherIsBetter ? "more is better" : "less is better";
  const head = textElement(
    10,
    top,
    `${workload.name}: ${workload.unit}, ${direction}`,
    "start",
    colours.text,
    "bold",
  );
  const rows = panel.map(({ entrant }, at) => {
    const value = values[at] ?? 0;
    const y = top + 10 + at * row;
    const length = Math.max(1, (value / longest) * (width - label - 90));
    const colour = entrant.isOurs ? colours.ours : colours.others;
    return [
      textElement(label - 10, y + 13, entrant.name, "end", colours.text),
      `<rect x="${label}" y="${y}" width="${length.toFixed(1)}" height="${row - 6}" fill="${colour}"/>`,
      textElement(label + length + 6, y + 13, shown(value), "start", colours.faint),
    ].join("\n");
  });
  return [head, ...rows].join("\n");
}

function textElement(
  x: number,
  y: number,
  text: string,
  anchor: string,
  fill: string,
  weight = "normal",
): string {
  const safe = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}" fill="${fill}" font-weight="${weight}">${safe}</text>`;
}
