import { setTimeout as sleep } from "node:timers/promises";
import type { Member } from "../../test/support/crowd.ts";
import type { Counts } from "./counted.ts";
import type { Load } from "./load.ts";
import { type Site, site } from "./site.ts";

/** What is charged for, as far as it was caused meanwhile. */
export interface Cost {
  readonly requests: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
}

/** What one wake for pings costs. */
export interface Wake extends Cost {
  /** Milliseconds of CPU, restoring included. */
  readonly cpu: number;
  /** Milliseconds from the ping until nothing keeps the object awake. */
  readonly awake: number;
}

/** How 1 000 publications are published: `count` in each request. */
export const publishings: readonly (Load & { readonly name: string })[] = [
  { name: "one by one, to one channel", count: 1 },
  { name: "100 in a turn, to one channel", count: 100 },
  { name: "100 in a turn, to 10 channels", count: 100, channels: 10 },
  { name: "100 in a turn, to 100 channels", count: 100, channels: 100 },
  { name: "one by one, each confirmed", count: 1, confirm: true },
  { name: "one by one, each with an idempotency key", count: 1, isKeyed: true },
];

/**
 * Returns what 1 000 publications cost. One client is sent those to one channel. The channels are full before, so what is
 * trimmed counts.
 */
export async function costOfPublications(load: Load): Promise<Cost> {
  await using here = await site("COUNTED");
  const { count, channels = 1 } = load;
  const members = channels === 1 ? await here.join(1) : [];
  for (let n = 0; n < 1_500 * channels; n += 500) await here.load({ count: 500, channels }, members);
  await sleep(2_500);
  return await costOf(here, async () => {
    for (let n = 0; n < 1_000; n += count) await here.load(load, members);
    await sleep(2_500);
  });
}

/** Returns what it costs to be woken for the pings of so many stock clients. It takes up to three minutes. */
export async function costOfWake(clients: number): Promise<Wake> {
  await using here = await site("COUNTED");
  const members = await here.join(clients);
  await sleep(2_500);
  await here.server.evict();
  const before = here.cpu();
  let awake = 0;
  const cost = await costOf(here, async () => {
    await pinged(members);
    const since = performance.now();
    await here.server.evict();
    awake = performance.now() - since;
  });
  return { ...cost, cpu: (here.cpu() - before) / 1_000, awake };
}

async function pinged(members: readonly Member[]): Promise<void> {
  const before = members.map(({ pings }) => pings);
  while (members.some(({ pings }, index) => pings === before[index])) await sleep(5);
}

async function costOf(here: Site, act: () => Promise<void>): Promise<Cost> {
  const before = await here.post<Counts>("counts");
  await act();
  const after = await here.post<Counts>("counts");
  const spent = (name: keyof Counts): number => after[name] - before[name];
  return {
    // Twenty messages of clients are one request, an alarm is one, and to set it is a row.
    requests: spent("requests") + spent("alarms") + spent("messages") / 20,
    rowsRead: spent("read"),
    rowsWritten: spent("written") + spent("alarmsSet"),
  };
}
