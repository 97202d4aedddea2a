import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "../speed/machine.ts";
import type { Found } from "../speed/trial.ts";
import type { CrowdOutcome, CrowdPlan } from "./crowd.ts";
import { now } from "./guest.ts";
import { begin, type Node, Stage, tocsin } from "./stage.ts";

/** A node that dies while its clients are sent publications. */
export interface Recovery {
  readonly name: string;
  readonly nodes: number;
  readonly clients: number;
  /** Whether all clients are on the node that dies, or as many on each node. */
  readonly isOnOne: boolean;
  readonly channels: number;
  /** Publications a second, in rotation over all channels. */
  readonly second: number;
  readonly bytes: number;
}

const usual = { nodes: 3, clients: 10_000, channels: 100, second: 100, bytes: 190 };
export const recoveries: readonly Recovery[] = [
  { name: "a third of the clients on the node that dies", isOnOne: false, ...usual },
  { name: "all clients on the node that dies", isOnOne: true, ...usual },
];

/** Processes that hold the clients, and how many clients each lets connect at the same time. */
const crowds = 4;
const atOnce = 64;
/** Milliseconds of publications: before the death, and in all. */
const times = { before: 4_000, all: 20_000 };

/** Kills a node, and measures how its clients get what they have missed. */
export async function recovery(node: string, plan: Recovery): Promise<Found> {
  const { clients, nodes, isOnOne, channels, second, bytes } = plan;
  const stage = await Stage.start(node, tocsin, nodes);
  const workers: Worker[] = [];
  try {
    const ports = stage.nodes.map(({ port }) => port);
    const [victim, ...survivors] = stage.nodes as [Node, ...Node[]];
    const each = clients / crowds;
    for (let place = 0; place < crowds; place++) {
      const crowd: CrowdPlan = {
        ...{ first: place * each, clients: each, channels, atOnce },
        ...{ ports: isOnOne ? [victim.port] : ports, others: survivors.map(({ port }) => port) },
      };
      workers.push(begin(node, "crowd.ts", crowd));
    }
    await Promise.all(workers.map((worker) => worker.next()));
    const order = { do: "scatter", channel: "c", channels, second, for: times.all, bytes };
    const publishing = stage.publisher.tell<{ events: number }>(JSON.stringify(order));
    await sleep(times.before);
    const before = spentBy(survivors);
    const killed = now();
    await victim.worker.end();
    const spending = allInside(workers, clients).then(() => spentBy(survivors));
    const { events } = await publishing;
    const after = await spending;
    await sleep(1_000);
    const outcomes = await outcomesOf(workers);
    return { ...judged(outcomes, killed, tops(events, channels)), cpu: (after - before) / 1_000 };
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
    await stage.end();
  }
}

function outcomesOf(workers: readonly Worker[]): Promise<CrowdOutcome[]> {
  return Promise.all(workers.map((worker) => worker.tell<CrowdOutcome>("outcome")));
}

async function allInside(workers: readonly Worker[], clients: number): Promise<void> {
  let inside = 0;
  while (inside < clients) {
    await sleep(250);
    inside = (await outcomesOf(workers)).reduce((sum, outcome) => sum + outcome.inside, 0);
  }
}

function spentBy(nodes: readonly Node[]): number {
  return nodes.reduce((sum, { worker }) => sum + worker.cpu, 0);
}

/** The publications of each channel, of so many that were made in rotation. */
function tops(events: number, channels: number): number[] {
  return Array.from({ length: channels }, (_, place) => Math.ceil((events - place) / channels));
}

/** `wrong` counts publications that are missing or doubled, gaps, connections lost twice, and clients that are behind. */
function judged(outcomes: readonly CrowdOutcome[], killed: number, tops: readonly number[]): Found {
  const sum = (of: (outcome: CrowdOutcome) => number): number =>
    outcomes.reduce((all, outcome) => all + of(outcome), 0);
  const waits = outcomes.flatMap(({ current }) => current.map((at) => at - killed)).sort((a, b) => a - b);
  const at = (share: number): number => waits[Math.ceil(waits.length * share) - 1] ?? 0;
  const behind = outcomes.flatMap(({ least }) => tops.filter((top, place) => least[`c${place}`] !== top));
  const lostAgain = sum(({ losses }) => losses) - waits.length;
  return {
    ...{ lost: waits.length, late: sum(({ late }) => late) },
    wrong: sum(({ missed, doubled, gaps }) => missed + doubled + gaps) + lostAgain + behind.length,
    ...{ p50: at(0.5), p99: at(0.99), last: at(1) },
  };
}
