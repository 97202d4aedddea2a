import { fileURLToPath } from "node:url";
import type { Position, Slice } from "../../src/model/log.ts";
import { random } from "../simulation/random.ts";
import { type Workerd, workerd } from "../support/workerd.ts";

/** What to do. */
export interface KillPlan {
  /** The folder of the storage. */
  readonly storage: string;
  /** How often workerd is killed. */
  readonly count: number;
  readonly seed: number;
}

/** What has happened. */
export interface KillOutcome {
  /** Appends that were acknowledged. */
  acknowledged: number;
  /** Appends that are in the log, acknowledged or not. */
  kept: number;
  /** What must not be. */
  readonly wrong: string[];
}

interface Acknowledged {
  readonly data: string;
  readonly position: Position;
}

const entry = fileURLToPath(new URL("log-object.ts", import.meta.url));
const channels = ["a", "b", "c"];
/** How many appends are under way at once. */
const writers = 8;

/**
 * Kills workerd by SIGKILL while objects append, and starts it again over the same storage. Then every acknowledged append
 * must be where its position said, and no offset may be missing, in one epoch for each channel.
 */
export async function killRounds({ storage, count, seed }: KillPlan): Promise<KillOutcome> {
  const { below } = random(seed);
  const outcome: KillOutcome = { acknowledged: 0, kept: 0, wrong: [] };
  const acknowledged = new Map(channels.map((name) => [name, [] as Acknowledged[]]));
  let server = await start(storage);
  try {
    for (let round = 1; round <= count; round++) {
      await killUnderLoad(server, round, 1 + below(200), acknowledged);
      server = await start(storage);
      for (const [name, appends] of acknowledged)
        judge(await read(server, name), name, appends, outcome.wrong);
    }
    for (const [name, appends] of acknowledged) {
      outcome.acknowledged += appends.length;
      outcome.kept += (await read(server, name)).entries.length;
    }
  } finally {
    await server[Symbol.asyncDispose]();
  }
  return outcome;
}

function start(storage: string): Promise<Workerd> {
  return workerd({ entry, objects: { OBJECT: "LogObject" }, storage });
}

/** Appends until workerd is killed, which it is when so many appends were acknowledged. */
async function killUnderLoad(
  server: Workerd,
  round: number,
  most: number,
  acknowledged: ReadonlyMap<string, Acknowledged[]>,
): Promise<void> {
  let count = 0;
  const write = async (writer: number): Promise<void> => {
    for (let n = 1; count < most; n++) {
      const channel = channels[(writer + n) % channels.length] as string;
      const data = `"${round} ${writer} ${n}"`;
      const position = await append(server, channel, data).catch(() => undefined);
      if (position === undefined) return;
      acknowledged.get(channel)?.push({ data, position });
      if (++count === most) server.kill("SIGKILL");
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  await server.exited;
}

async function append(server: Workerd, channel: string, data: string): Promise<Position> {
  const query = new URLSearchParams({ object: `of ${channel}`, channel, data });
  return (await fetch(`${server.url}/append?${query}`)).json() as Promise<Position>;
}

async function read(server: Workerd, channel: string): Promise<Slice> {
  const query = new URLSearchParams({ object: `of ${channel}`, channel });
  return (await fetch(`${server.url}/read?${query}`)).json() as Promise<Slice>;
}

/** Says what of a channel is not as it was acknowledged. */
function judge(
  { epoch, first, top, entries }: Slice,
  name: string,
  acknowledged: readonly Acknowledged[],
  wrong: string[],
): void {
  if (first !== 1 || entries.length !== top)
    wrong.push(`${name} has ${entries.length} of ${top} publications`);
  for (const [at, { offset }] of entries.entries())
    if (offset !== at + 1) wrong.push(`${name} has ${offset} after ${at}`);
  if (new Set(entries.map(({ data }) => data)).size !== entries.length) wrong.push(`${name} has one twice`);
  for (const { data, position } of acknowledged) {
    const found = entries[position.offset - 1]?.data;
    if (found !== data)
      wrong.push(`${name} has ${found} at ${position.offset}, where ${data} was acknowledged`);
    if (position.epoch !== epoch)
      wrong.push(`${name} is in epoch ${epoch}, ${data} was in ${position.epoch}`);
  }
}
