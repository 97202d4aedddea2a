import type { Context } from "hono";
import { printable } from "../base/printable.ts";
import type { Notifier } from "../engine/notifier/notifier.ts";

/** A metric: its name, its help text, and its values by their labels. */
type Family = [name: string, help: string, samples: [labels: string, value: number][]];

/**
 * Returns a handler that responds with what a notifier owns, and with its counters, in Prometheus' text format.
 *
 * The response reveals how many people are connected: restrict access to it. Throws a TypeError when `notifier` is not
 * a notifier.
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

/** Returns a label's value with the escapes of the format. Unprintable characters are escaped too. */
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
