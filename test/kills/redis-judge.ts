import type { Client } from "./clients.ts";
import { nameOf } from "./judge.ts";
import type { Dump } from "./redis-server.ts";

/** What a log went through, and the faults. */
export interface RedisJudgement {
  /** The publications that servers were told to be in the log. */
  readonly resolved: number;
  /** The publications that the log has at the end. */
  readonly kept: number;
  /** The confirmed ones of them, those that a server knew to be delivered, and those that were reported as undelivered. */
  readonly confirmed: number;
  readonly delivered: number;
  readonly undelivered: number;
  /** The publications that the clients received, and the gaps that were reported to them. */
  readonly received: number;
  readonly gaps: number;
  readonly runs: number;
  readonly lost: number;
  /** The runs whose ending is not announced, because their server was killed right after the ending. */
  readonly unannounced: number;
  readonly wrong: string[];
}

/** What the servers have printed. */
interface Printed {
  readonly published: { readonly n: number; readonly at: string }[];
  readonly ended: string[];
  readonly delivered: Set<string>;
  readonly undelivered: string[];
  readonly wrong: string[];
}

/** Checks the final log against everything that servers printed and clients received. */
export function judgeRedis(
  dump: Dump,
  outputs: readonly string[],
  clients: readonly Client[],
): RedisJudgement {
  const printed = printedIn(outputs);
  const { kept, confirmed, wrong } = judgeChannels(dump, printed);
  const runs = judgeRuns(dump, printed.ended);
  const seen = judgeClients(dump, clients);
  return {
    resolved: printed.published.length,
    kept,
    confirmed,
    delivered: printed.delivered.size,
    undelivered: printed.undelivered.length,
    received: seen.received,
    gaps: seen.gaps,
    runs: Object.keys(dump.runs).length,
    lost: runs.lost,
    unannounced: runs.unannounced,
    wrong: [...printed.wrong, ...wrong, ...runs.wrong, ...seen.wrong],
  };
}

function printedIn(outputs: readonly string[]): Printed {
  const printed: Printed = { published: [], ended: [], delivered: new Set(), undelivered: [], wrong: [] };
  // The last line of a killed process may be a part.
  for (const line of outputs.flatMap((output) => output.split("\n").slice(0, -1))) {
    const [, what, rest = ""] = /^(published|ended|delivered|undelivered) (.*)$/.exec(line) ?? [];
    const [, n, at = ""] = /^(\d+) at (.*)$/.exec(rest) ?? [];
    if (what === "published") printed.published.push({ n: Number(n), at });
    else if (what === "ended") printed.ended.push(rest);
    else if (what === "delivered") printed.delivered.add(rest);
    else if (what === "undelivered") printed.undelivered.push(rest.replace(/: \w+$/, ""));
    // While Redis is away, or a server is late, they say so.
    else if (!/^(port \d+|error log of .*|)$/.test(line))
      printed.wrong.push(`a server printed ${line.slice(0, 300)}`);
  }
  return printed;
}

/** Everything that was promised is in the log, once, and each confirmed publication is delivered or reported. */
function judgeChannels(
  { channels }: Dump,
  { published, delivered, undelivered }: Printed,
): { kept: number; confirmed: number; wrong: string[] } {
  const wrong: string[] = [];
  const places = new Map<number, string>();
  const awaited = new Set<string>();
  for (const [channel, publications] of Object.entries(channels))
    for (const [index, { offset, n, confirm }] of publications.entries()) {
      const at = `${offset} of ${channel}`;
      if (offset !== index + 1) wrong.push(`${at} stands at ${index + 1}`);
      if (places.has(n)) wrong.push(`publication ${n} is at ${places.get(n)} and at ${at}`);
      places.set(n, at);
      if (confirm) awaited.add(at);
    }
  for (const { n, at } of published)
    if (places.get(n) !== at) wrong.push(`publication ${n} was at ${at}, and is at ${places.get(n)}`);
  const reported = new Set<string>();
  for (const at of undelivered) {
    if (!awaited.has(at)) wrong.push(`${at} was reported, and is no confirmed publication`);
    if (delivered.has(at)) wrong.push(`${at} was delivered, and reported as undelivered`);
    if (reported.has(at)) wrong.push(`${at} was reported twice`);
    reported.add(at);
  }
  return { kept: places.size, confirmed: awaited.size, wrong };
}

/**
 * Every run has one start and one ending in its own channel. Where it is announced it has one of each at most: a server may
 * be killed between what it writes to one channel and to the other.
 */
function judgeRuns(
  { runs, announced }: Dump,
  ended: readonly string[],
): { lost: number; unannounced: number; wrong: string[] } {
  const wrong: string[] = [];
  let [lost, unannounced] = [0, 0];
  for (const [id, types] of Object.entries(runs)) {
    const told = announced[id] ?? [];
    const ending = types.at(-1) ?? "";
    if (
      types[0] !== "run.started" ||
      types.filter(isStart).length !== 1 ||
      endingsOf(types).length !== 1 ||
      !isEnding(ending)
    )
      wrong.push(`run ${id} has ${types}`);
    if (told.filter(isStart).length > 1 || endingsOf(told).some((each, at) => at > 0 || each !== ending))
      wrong.push(`run ${id} has ${types}, and is announced as ${told}`);
    if (ending === "run.failed") lost++;
    if (endingsOf(told).length === 0) unannounced++;
  }
  for (const id of ended)
    if (runs[id]?.at(-1) !== "run.completed") wrong.push(`run ${id} had ended, and its log says ${runs[id]}`);
  return { lost, unannounced, wrong };
}

const isStart = (type: string): boolean => type === "run.started";
/** Whether an event of this type ends a run. */
export const isEnding = (type: string): boolean => /^run\.(completed|failed|cancelled)$/.test(type);
const endingsOf = (types: readonly string[]): string[] => types.filter(isEnding);

/** Every client has what the log has from where it began to the end, in order, or was told of a gap. */
function judgeClients(
  { channels }: Dump,
  clients: readonly Client[],
): { received: number; gaps: number; wrong: string[] } {
  const wrong: string[] = [];
  let received = 0;
  let gaps = 0;
  for (const client of clients) {
    const name = nameOf(client);
    wrong.push(...client.faults.map((fault) => `${name}: ${fault}`));
    for (const track of client.tracks) {
      received += track.total;
      gaps += track.gaps;
      wrong.push(...track.faults.map((fault) => `${name}: ${fault}`));
      const kept = channels[track.channel] ?? [];
      const other = track.held?.find(([offset, n]) => kept[offset - 1]?.n !== n);
      if (other !== undefined)
        wrong.push(
          `${name} has ${other[1]} at ${other[0]} of ${track.channel}, which holds ${kept[other[0] - 1]?.n}`,
        );
      if (track.held?.length !== track.total) wrong.push(`${name} received publications without a number`);
      // Redis writes each change to the disk before it answers, so nothing of it is ever gone.
      if (track.gaps > 0) wrong.push(`${name} was told of ${track.gaps} gaps in ${track.channel}`);
    }
  }
  return { received, gaps, wrong };
}
