import { setTimeout as sleep } from "node:timers/promises";
import type { Order } from "../peers/program.ts";
import type { Entrant, Greeting } from "./entrants.ts";
import { cores, swarm, Worker } from "./machine.ts";

/** What the swarm has counted since the last reset. Latencies are in microseconds. */
export interface Counted {
  events: number;
  bytes: number;
  frames: number;
  pings: number;
  p50: number;
  p99: number;
}

/** The values that one trial has measured, by name: the compared one, and those that explain it. */
export type Found = Record<string, number>;

/** Milliseconds between two counts. */
const interval = 25;
/** Milliseconds without a new event after which the missing events count as lost. */
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
    if (this.#clients === undefined) throw new Error("No client is connected yet: call connect first");
    return this.#clients;
  }

  /** Connects `count` clients, at most `atOnce` at a time. Returns the duration in milliseconds. */
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

  /** Waits until `events` events were counted. Rejects if fewer arrive, or more. */
  async received(events: number): Promise<Counted> {
    let last = await this.count();
    for (let idle = 0; last.events < events && idle < patience; idle += interval) {
      await sleep(interval);
      const now = await this.count();
      if (now.events > last.events) idle = 0;
      last = now;
    }
    if (last.events !== events) throw new Error(`Received ${last.events} of ${events} events`);
    return last;
  }

  /**
   * Publishes events, each of which `subscribers` clients receive. Returns the counts, and in `cpu` the CPU time of the
   * server in microseconds per delivered event.
   */
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
