import type { Position } from "../../src/mod.ts";
import type { Client } from "./clients.ts";
import type { Dump } from "./crash-server.ts";
import { nameOf } from "./judge.ts";

/** What servers have promised before they were killed. */
export interface Promised {
  /** Publications that were said to be in the log: the number in each, and its position. */
  readonly published: readonly ({ readonly n: number } & Position)[];
  /** The runs that were said to have completed. */
  readonly ended: readonly string[];
}

/** What a log went through, and the faults. */
export interface Judgement {
  /** The publications that a server was told to be in the log. */
  readonly resolved: number;
  /** The publications that the log has at the end. */
  readonly kept: number;
  /** The publications that the clients received. */
  readonly received: number;
  readonly runs: number;
  readonly lost: number;
  readonly wrong: string[];
}

/** Checks the final log against everything that servers printed and clients received. */
export function judgeCrash(dump: Dump, outputs: readonly string[], clients: readonly Client[]): Judgement {
  const { wrong, ...promised } = promisedIn(outputs);
  const judged = judgeLog(dump, promised, clients);
  return { ...judged, wrong: [...judged.wrong, ...wrong] };
}

function promisedIn(outputs: readonly string[]) {
  const published: Promised["published"][number][] = [];
  const ended: string[] = [];
  const wrong: string[] = [];
  // The last line of a killed process may be a part.
  for (const line of outputs.flatMap((output) => output.split("\n").slice(0, -1))) {
    const [, n, offset, epoch = ""] = /^published (\d+) at (\d+) of (.+)$/.exec(line) ?? [];
    const [, run] = /^ended (.+)$/.exec(line) ?? [];
    if (run !== undefined) ended.push(run);
    else if (n !== undefined) published.push({ n: Number(n), offset: Number(offset), epoch });
    else if (!/^(port \d+|Deno\.serve: .*|)$/.test(line))
      wrong.push(`a server printed ${line.slice(0, 300)}`);
  }
  return { published, ended, wrong };
}

/** Checks the final log against everything that servers promised and clients received. */
export function judgeLog(
  { epoch, publications, runs }: Dump,
  { published, ended }: Promised,
  clients: readonly Client[],
): Judgement {
  const wrong: string[] = [];
  for (const [index, { offset, n }] of publications.entries())
    if (offset !== index + 1 || n !== offset) wrong.push(`publication ${index + 1} is ${n} at ${offset}`);
  const top = publications.length;
  for (const { n, offset, epoch: of } of published)
    if (n !== offset || offset > top || of !== epoch)
      wrong.push(`${n} was at ${offset} of ${of}; the log has ${top} of ${epoch}`);
  for (const run of ended)
    if (runs[run]?.at(-1) !== "run.completed")
      wrong.push(`run ${run} had ended, and its log says ${runs[run]}`);
  let received = 0;
  for (const client of clients) {
    wrong.push(...client.faults.map((fault) => `${nameOf(client)}: ${fault}`));
    for (const { at, faults, gaps, total } of client.tracks) {
      received += total;
      wrong.push(...faults.map((fault) => `${nameOf(client)}: ${fault}`));
      if (gaps > 0) wrong.push(`${nameOf(client)} was told of ${gaps} gaps`);
      if (at !== undefined && (at.epoch !== epoch || at.offset > top))
        wrong.push(`${nameOf(client)} has ${at.offset} of ${at.epoch}; the log has ${top} of ${epoch}`);
    }
  }
  let lost = 0;
  for (const [id, types] of Object.entries(runs)) {
    const endings = types.filter((type) => /^run\.(completed|failed|cancelled)$/.test(type));
    if (types[0] !== "run.started" || endings.length !== 1 || types.at(-1) !== endings[0])
      wrong.push(`run ${id} has ${types}`);
    if (endings[0] === "run.failed") lost++;
  }
  const count = Object.keys(runs).length;
  return { resolved: published.length, kept: top, received, runs: count, lost, wrong };
}
