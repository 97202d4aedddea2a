import { setTimeout as sleep } from "node:timers/promises";
import type { Order } from "../peers/program.ts";
import type { Entrant, Greeting } from "./entrants.ts";
import { cores, swarm, Worker } from "./machine.ts";

/** What the swarm has counted since it was last reset. Latencies are microseconds. */
export interface Counted {
  events: number;
  bytes: number;
  frames: number;
  pings: number;
  p50: number;
  p99: number;
}

/** What one trial of one entrant has found, by name: what is compared, and what explains it. */
export type Found = Record<string, number>;

/** Milliseconds between two looks at how far the swarm is, and without any news before something counts as lost. */
const look = 25;
const patience = 5_000;

/** One server and its clients, for one trial. */
export class Trial {
  readonly server: Worker;
  readonly #port: Promise<{ port: number }>;
  #clients: Worker | undefined;

  constructor({ file, args }: Entrant, settings: object = {}) {
    this.server = new Worker(cores.server, file, [...args, JSON.stringify(settings)]);
    this.#port = this.server.next<{ port: number }>();
  }

  get clients(): Worker {
    if (this.#clients === undefined) throw new Error("Nobody is connected yet");
    return this.#clients;
  }

  /** Connects clients, so many at once, and answers how many milliseconds it took. */
  async connect(count: number, { path, hello, marker, dialect }: Greeting, atOnce = 64): Promise<number> {
    const { port } = await this.#port;
    const args = [port, count, atOnce].map(String);
    this.#clients = new Worker(cores.load, swarm(), [...args, path, hello, marker, dialect]);
    return (await this.#clients.next<{ milliseconds: number }>()).milliseconds;
  }

  order<T = { events: number }>(order: Order): Promise<T> {
    return this.server.tell<T>(JSON.stringify(order));
  }

  reset(): Promise<object> {
    return this.clients.tell("reset");
  }

  count(): Promise<Counted> {
    return this.clients.tell<Counted>("count");
  }

  /** Waits until so many events were counted. Throws when they are not, or are more. */
  async received(events: number): Promise<Counted> {
    let last = await this.count();
    for (let idle = 0; last.events < events && idle < patience; idle += look) {
      await sleep(look);
      const now = await this.count();
      if (now.events > last.events) idle = 0;
      last = now;
    }
    if (last.events !== events) throw new Error(`Received ${last.events} of ${events} events`);
    return last;
  }

  /** Has events published to `subscribers` each, and answers the CPU for each delivered one, in microseconds. */
  async deliver(order: Order, subscribers: number): Promise<Found> {
    await this.reset();
    const before = this.server.cpu;
    const { events } = await this.order(order);
    const counted = await this.received(events * subscribers);
    const spent = this.server.cpu - before;
    return { ...counted, cpu: spent / counted.events };
  }

  async end(): Promise<void> {
    await this.#clients?.end();
    await this.server.end();
  }
}
