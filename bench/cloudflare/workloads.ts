import { setTimeout as sleep } from "node:timers/promises";
import { type Site, type System, site } from "./site.ts";

/** A row of the table: what is measured, and of how many clients. */
export interface Workload {
  readonly name: string;
  readonly unit: string;
  measure(system: System): Promise<number>;
}

/** One publication after the other, each in a turn of its own. */
function spread(subscribers: number, count: number): Workload {
  return {
    name: `spread to ${subscribers}`,
    unit: "µs of CPU an event",
    measure: (system) => published(system, { subscribers, count, warm: count, pause: 5 }),
  };
}

const burst: Workload = {
  name: "burst",
  unit: "µs of CPU an event",
  measure: (system) => published(system, { subscribers: 20, count: 1_000, warm: 5_000 }),
};

interface Publishing {
  readonly subscribers: number;
  readonly count: number;
  /** Publications before the measurement. */
  readonly warm: number;
  readonly pause?: number;
}

async function published(system: System, { subscribers, count, warm, pause }: Publishing): Promise<number> {
  await using here = await site(system);
  const members = await here.join(subscribers);
  const load = pause === undefined ? { count } : { count, pause };
  for (let n = 0; n < warm; n += count) await here.load(load, members);
  // What is done once a second is done outside of the measurement.
  await sleep(1_500);
  const rounds = 3;
  const cpu = await spent(here, async () => {
    for (let n = 0; n < rounds; n++) await here.load(load, members);
    await sleep(1_500);
  });
  return cpu / (rounds * count * subscribers);
}

const idle: Workload = {
  name: "idle",
  unit: "kB of resident memory a connection",
  async measure(system) {
    await using here = await site(system);
    await here.join(200);
    await sleep(1_500);
    const before = here.memory();
    await here.join(2_000);
    await sleep(2_500);
    return (here.memory() - before) / 2_000 / 1_000;
  },
};

/** What it takes to answer a call of a client once the object has been dropped from memory. */
export function restore(sessions: number): Workload {
  return {
    name: `restore ${sessions}`,
    unit: "ms of CPU until the first answer",
    async measure(system) {
      await using here = await site(system);
      const [first] = await here.join(sessions);
      const call = (): Promise<unknown> =>
        (first as NonNullable<typeof first>).ask({ rpc: { method: "echo", data: 1 } });
      const times: number[] = [];
      for (let n = 0; n < 5; n++) {
        await sleep(1_500);
        await here.server.evict();
        times.push((await spent(here, call)) / 1_000);
      }
      return median(times);
    },
  };
}

export async function spent(here: Site, act: () => Promise<unknown>): Promise<number> {
  const before = here.cpu();
  await act();
  return here.cpu() - before;
}

export function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] as number;
}

export const workloads: readonly Workload[] = [
  spread(1, 200),
  spread(100, 200),
  spread(1_000, 50),
  burst,
  idle,
  restore(1_000),
  restore(5_000),
];
