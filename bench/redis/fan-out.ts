import { setTimeout as sleep } from "node:timers/promises";
import { cores, swarm, Worker } from "../speed/machine.ts";
import type { Counted, Found } from "../speed/trial.ts";
import { type Latencies, percentile } from "./latencies.ts";
import { Stage, type System } from "./stage.ts";

/** Publications of one node, which clients of other nodes receive. On each of those every channel has one subscriber. */
export const plan = {
  /** Publications a second, one rate after the other. */
  rates: [1_000, 4_000],
  /** Bytes of a publication. */
  bytes: 190,
  /** Milliseconds that are measured, and those before, in which the runtime compiles the code. */
  time: 6_000,
  warmUp: 5_000,
} as const;

/** How many nodes with clients there are, and how many channels the publications go to. */
export interface FanOut {
  readonly nodes: number;
  readonly channels: number;
}

export const fanOuts: readonly FanOut[] = [
  { nodes: 4, channels: 100 },
  { nodes: 4, channels: 10 },
  { nodes: 1, channels: 100 },
  { nodes: 1, channels: 10 },
];

/** Milliseconds without a new event after which the missing events count as lost. */
const patience = 5_000;

/** Measures a system once, at each rate. */
export async function fanOut(node: string, system: System, { nodes, channels }: FanOut): Promise<Found[]> {
  const stage = await Stage.start(node, system, nodes);
  const clients: Worker[] = [];
  try {
    const { path, hello, marker, dialect } = system.greeting("c%d");
    for (const { port } of stage.nodes)
      clients.push(
        new Worker(cores.all, swarm(), [
          ...[port, channels, 64].map(String),
          ...[path, hello, marker, dialect],
        ]),
      );
    await Promise.all(clients.map((each) => each.next()));
    // Until then each node of Socket.IO waits for the stream.
    await sleep(1_000);
    const highest = Math.max(...plan.rates);
    await deliver(stage, clients, { channels, second: highest, time: plan.warmUp });
    const found: Found[] = [];
    for (const rate of plan.rates)
      found.push(await deliver(stage, clients, { channels, second: rate, time: plan.time }));
    return found;
  } finally {
    await Promise.all(clients.map((each) => each.end()));
    await stage.end();
  }
}

/** Publishes in rotation over all channels, and waits until all clients have everything. */
async function deliver(
  stage: Stage,
  clients: readonly Worker[],
  { channels, second, time }: { channels: number; second: number; time: number },
): Promise<Found> {
  await Promise.all(clients.map((each) => each.tell("reset")));
  const before = await stage.spent();
  const began = performance.now();
  const order = { do: "scatter", channel: "c", channels, second, for: time, bytes: plan.bytes };
  const { events } = await stage.publisher.tell<{ events: number }>(JSON.stringify(order));
  const seconds = (performance.now() - began) / 1_000;
  await received(clients, events * clients.length);
  const after = await stage.spent();
  const found = await Promise.all(clients.map((each) => each.tell<{ latencies: Latencies }>("latencies")));
  const latencies = found.map((each) => each.latencies);
  const [servers, publisher, redis] = [
    (after.servers - before.servers) / events,
    (after.publisher - before.publisher) / events,
    (after.redis - before.redis) / events,
  ];
  const cpu = servers + publisher + redis;
  return {
    ...{ events, rate: events / seconds, cpu, servers, publisher, redis, perSecond: 1_000_000 / cpu },
    ...{ p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) },
  };
}

async function received(clients: readonly Worker[], events: number): Promise<void> {
  let last = -1;
  for (let at = performance.now(); performance.now() - at < patience; await sleep(25)) {
    const counted = await Promise.all(clients.map((each) => each.tell<Counted>("count")));
    const now = counted.reduce((sum, each) => sum + each.events, 0);
    if (now === events) return;
    if (now > last) at = performance.now();
    last = now;
  }
  throw new Error(`Received ${last} of ${events} events`);
}
