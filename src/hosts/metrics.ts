import type { Context } from "hono";
import { printable } from "../base/printable.ts";
import type { Notifier } from "../engine/notifier/notifier.ts";

type Totals = ReturnType<Notifier["totals"]>;

/** A metric: its name, its help text, and its values by their labels. */
type Family = [name: string, help: string, samples: [labels: string, value: number][]];

/**
 * Returns a handler that responds with what a notifier owns, how its log is, and its counters, in Prometheus' text format.
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
  const { bytes, log, refused, opened, closed, errors, limits } = notifier.totals();
  return [
    ["owned", "What the notifier owns now.", labelled("kind", notifier.stats())],
    ["bytes", "Bytes it holds now.", labelled("kind", bytes)],
    ...familiesOfLog(log),
    ["refused_total", "Peers that were not let in.", labelled("code", refused)],
    ["sessions_opened_total", "Sessions that were accepted.", [["", opened]]],
    ["sessions_closed_total", "Sessions that ended.", labelled("code", closed)],
    ["errors_total", "Commands answered with an error.", labelled("code", errors)],
    ["limits_total", "Times that a limit was hit.", labelled("limit", limits)],
  ];
}

const places = ["none", "waiting", "joined", "lost"] as const;

function familiesOfLog({ failing, waiting, waitingBytes, lag, place, node, nodes }: Totals["log"]): Family[] {
  const inSeconds = Object.entries(failing).map(([kind, ms]) => [kind, ms / 1_000]);
  const isIn = places.map((each) => [each, Number(each === place)]);
  return [
    [
      "log_failing_seconds",
      "For how long the log has been failing. 0: it works.",
      labelled("kind", Object.fromEntries(inSeconds)),
    ],
    ["log_waiting", "Publications and messages that are not in the log yet.", [["", waiting]]],
    ["log_waiting_bytes", "Bytes of those.", [["", waitingBytes]]],
    ["log_lag_seconds", "Age of the oldest of those.", [["", lag / 1_000]]],
    ["log_place", "Whether this process may write to its log.", labelled("place", Object.fromEntries(isIn))],
    ["log_nodes", "Nodes that work with the log. 0: one process, or not known yet.", [["", nodes]]],
    ["node_info", "The id of this node.", node === undefined ? [] : labelled("node", { [node]: 1 })],
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
