import process from "node:process";
import { createInterface } from "node:readline";
import { Guest } from "./guest.ts";

/**
 * Many clients in one process. When the connection of one is lost, it comes back at once, to one of the nodes that live.
 * Prints `{}` when all are connected for the first time, and then answers each line that it reads. Its last argument is the
 * plan, as JSON.
 */

export interface CrowdPlan {
  /** The number of the first client. The clients of all crowds have numbers of their own. */
  readonly first: number;
  readonly clients: number;
  readonly channels: number;
  /** The ports of the nodes to which the clients connect in turn, and of those to which they come back. */
  readonly ports: readonly number[];
  readonly others: readonly number[];
  /** Clients that connect at the same time. */
  readonly atOnce: number;
}

/** What the clients have been through. */
export interface CrowdOutcome {
  /** Clients that are subscribed now. */
  readonly inside: number;
  readonly missed: number;
  readonly doubled: number;
  readonly gaps: number;
  /** Publications that came to clients which had been away when they were made. */
  readonly late: number;
  readonly losses: number;
  /** When each client that has lost its connection had everything again, in milliseconds since 1970. */
  readonly current: readonly number[];
  /** How far the clients have come that are least far, by channel. */
  readonly least: Readonly<Record<string, number>>;
}

const plan: CrowdPlan = JSON.parse(process.argv.at(-1) ?? "");
/** Those that wait to connect, and those that are about to. */
const waiting: Guest[] = [];
const entering = new Set<Guest>();
const inside = new Set<Guest>();
const returned = new Set<Guest>();
let isComplete = false;
let turn = 0;
let losses = 0;

const guests = Array.from({ length: plan.clients }, (_, index) => {
  const number = plan.first + index;
  return new Guest(`user${number}`, `c${number % plan.channels}`, {
    subscribed(guest) {
      entering.delete(guest);
      inside.add(guest);
      if (isComplete) returned.add(guest);
      fill();
    },
    ended(guest) {
      entering.delete(guest);
      if (inside.delete(guest)) losses++;
      waiting.push(guest);
      fill();
    },
  });
});
waiting.push(...guests);
fill();

/** Lets as many connect as may at the same time. */
function fill(): void {
  if (!isComplete && inside.size === plan.clients) {
    isComplete = true;
    console.log("{}");
  }
  const ports = isComplete ? plan.others : plan.ports;
  while (entering.size < plan.atOnce) {
    const guest = waiting.shift();
    if (guest === undefined) return;
    entering.add(guest);
    guest.enter(ports[turn++ % ports.length] as number);
  }
}

createInterface({ input: process.stdin }).on("line", () => console.log(JSON.stringify(outcome())));

function outcome(): CrowdOutcome {
  const sum = (of: (guest: Guest) => number): number => guests.reduce((all, guest) => all + of(guest), 0);
  const least: Record<string, number> = {};
  for (const { channel, offset } of guests) least[channel] = Math.min(least[channel] ?? Infinity, offset);
  return {
    inside: inside.size,
    missed: sum(({ missed }) => missed),
    doubled: sum(({ doubled }) => doubled),
    gaps: sum(({ gaps }) => gaps),
    late: [...returned].reduce((all, { late }) => all + late, 0),
    losses,
    current: [...returned].map(({ current }) => current),
    least,
  };
}
