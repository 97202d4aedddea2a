import type { Context } from "hono";
import { printable } from "../base/printable.ts";
import type { Notifier } from "../engine/notifier/notifier.ts";

/** What is counted: its name, what it is, and the values by their labels. */
type Family = [name: string, help: string, samples: [labels: string, value: number][]];

/**
 * Makes a handler that answers what a notifier owns, and what has happened in it, in Prometheus' text format.
 *
 * It tells how many people are there: let nobody see it whom that is none of their business.
 *
 * @example
 * ```ts
 * app.get("/metrics", metrics(notifier));
 * ```
 */
export function metrics(notifier: Pick<Notifier, "stats" | "totals">): (c: Context) => Response {
  if (typeof notifier?.totals !== "function")
    throw new TypeError("Cannot make metrics: give a notifier, metrics(createNotifier())");
  return (c) =>
    c.body(textOf(familiesOf(notifier)), 200, {
      "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
      "Cache-Control": "no-store",
    });
}

function familiesOf(notifier: Pick<Notifier, "stats" | "totals">): Family[] {
  const { bytes, refused, opened, closed, errors, limits } = notifier.totals();
  return [
    ["owned", "What the notifier owns now.", labelled("kind", notifier.stats())],
    ["bytes", "Bytes it holds now.", labelled("kind", bytes)],
    ["refused_total", "Peers that were not let in.", labelled("code", refused)],
    ["sessions_opened_total", "Sessions that were accepted.", [["", opened]]],
    ["sessions_closed_total", "Sessions that ended.", labelled("code", closed)],
    ["errors_total", "Commands answered with an error.", labelled("code", errors)],
    ["limits_total", "Times that a limit was hit.", labelled("limit", limits)],
  ];
}

function labelled(label: string, values: object): [string, number][] {
  return Object.entries(values).map(([name, value]) => [`{${label}="${escaped(name)}"}`, value]);
}

/** A label's value, as the format writes it; what else would not show is escaped, too. */
function escaped(text: string): string {
  return printable(text.replace(/[\\"]/g, "\\$&"));
}

function textOf(families: readonly Family[]): string {
  const lines = families.flatMap(([name, help, samples]) => [
    `# HELP tocsin_${name} ${help}`,
    `# TYPE tocsin_${name} ${name.endsWith("_total") ? "counter" : "gauge"}`,
    ...samples.map(([labels, value]) => `tocsin_${name}${labels} ${value}`),
  ]);
  return `${lines.join("\n")}\n`;
}
