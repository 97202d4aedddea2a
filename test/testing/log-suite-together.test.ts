import { describe, expect, test } from "vitest";
import { SealedError } from "../../src/model/errors.ts";
import type { NodeLog } from "../../src/testing.ts";
import { sharedLog } from "../../src/testing.ts";
import { failuresIn } from "../support/suite-failures.ts";
import { type NodeFault, withNodeFault } from "../support/wrong-nodes.ts";

function failuresOf(fault: NodeFault): Promise<string[]> {
  return failuresIn(
    ({ clock }) => withNodeFault({ shared: sharedLog({ clock }), members: [], memberships: [] }, fault),
    { patience: 500 },
  );
}

type AppendAll = NodeLog["appendAll"];

/** A log whose `appendAll` gets something else. */
const given =
  (change: (...call: Parameters<AppendAll>) => Parameters<AppendAll>): NodeFault =>
  (log) => ({ appendAll: (...call) => log.appendAll(...change(...call)) });

const ordered = "several payloads are appended in order, with their times and tags";
const once = "several payloads are one append of their writer: again, they are not made again";
const unknown = "several payloads are appended by a writer that the log does not know";
const sealed = "of several payloads for a sealed channel none is appended";
const wakes = "several payloads wake a watcher, and what a wake carries is in order";
const kept = "several payloads are kept as long as their retention says";

const wrong: Readonly<Record<string, { fault: NodeFault; by: string }>> = {
  "appends them in the reverse order": {
    fault: given((channel, entries, options) => [channel, [...entries].reverse(), options]),
    by: ordered,
  },
  "appends only the first": {
    fault: given((channel, entries, options) => [channel, entries.slice(0, 1), options]),
    by: ordered,
  },
  "gives all of them the time of the first": {
    fault: given((channel, entries, options) => [
      channel,
      entries.map((entry) => ({ ...entry, time: entries[0]?.time ?? 0 })),
      options,
    ]),
    by: ordered,
  },
  "forgets their tags": {
    fault: given((channel, entries, options) => [
      channel,
      entries.map(({ data, time }) => ({ data, time })),
      options,
    ]),
    by: ordered,
  },
  "returns the position of the first": {
    fault: (log) => ({
      async appendAll(channel, entries, options) {
        const { epoch, offset } = await log.appendAll(channel, entries, options);
        return { epoch, offset: offset - entries.length + 1 };
      },
    }),
    by: ordered,
  },
  "appends them again when they are sent again": {
    fault: given((channel, entries, { once: _, ...options }) => [channel, entries, options]),
    by: once,
  },
  "counts each of them as an append of the writer": {
    fault: (log) => ({
      async appendAll(channel, entries, { once: first, ...options }) {
        let last = { offset: 0, epoch: "" };
        for (const [n, { data, ...entry }] of entries.entries()) {
          const number = first && { by: first.by, n: first.n + n };
          last = await log.append(channel, data, { ...options, ...entry, once: number });
        }
        return last;
      },
    }),
    by: unknown,
  },
  "refuses a sealed channel with another error": {
    fault: (log) => ({
      appendAll: (...call) =>
        log.appendAll(...call).catch((error: Error) => {
          throw error instanceof SealedError ? new Error(error.message) : error;
        }),
    }),
    by: sealed,
  },
  "wakes nobody for them": {
    fault: (log) => ({
      watch: (channel, wake) => log.watch(channel, (hint) => hint === undefined && wake()),
    }),
    by: wakes,
  },
  "wakes in the reverse order": {
    fault: (log) => ({
      watch: (channel, wake) =>
        log.watch(channel, (hint) => wake(hint && { ...hint, offset: Math.max(1, 21 - hint.offset) })),
    }),
    by: wakes,
  },
  "keeps them as long as all others": {
    fault: given((channel, entries, { retention: _, ...options }) => [channel, entries, options]),
    by: kept,
  },
};

describe.concurrent("logSuite fails a log that takes several payloads together, and", () => {
  test.each(Object.entries(wrong))("%s", async (_, { fault, by }) => {
    expect(await failuresOf(fault)).toContain(by);
  });
});
