import { fileURLToPath } from "node:url";
import { type RedisServer, startRedis } from "../../test/support/redis.ts";
import { program } from "../../test/support/runtime.ts";
import { engine, type Greeting, ours } from "../speed/entrants.ts";
import { cores, Worker } from "../speed/machine.ts";

/** A system whose nodes work together over Redis. */
export interface System {
  readonly name: string;
  readonly script: string;
  greeting(channel: string): Greeting;
}

export const tocsin: System = { name: "tocsin", script: "tocsin.ts", greeting: ours };
const socketIo: System = { name: "Socket.IO", script: "socket-io.ts", greeting: engine };
export const systems: readonly System[] = [tocsin, socketIo];

/** A process of a system. */
export interface Node {
  readonly worker: Worker;
  readonly port: number;
}

/** Microseconds of CPU that the parts of a stage have used. */
export interface Spent {
  /** All nodes that have clients. */
  readonly servers: number;
  /** The node that publishes, and has no clients. */
  readonly publisher: number;
  readonly redis: number;
}

/** Starts a process of this benchmark. Its arguments are one object, as JSON. */
export function begin(node: string, script: string, settings: object): Worker {
  const file = fileURLToPath(new URL(script, import.meta.url));
  return new Worker(cores.all, node, [...program(file, "node"), JSON.stringify(settings)]);
}

/** A Redis that keeps everything in memory, the nodes of a system, and one more node that publishes. */
export class Stage {
  readonly redis: RedisServer;
  readonly nodes: readonly Node[];
  readonly publisher: Worker;

  private constructor(redis: RedisServer, nodes: readonly Node[], publisher: Worker) {
    this.redis = redis;
    this.nodes = nodes;
    this.publisher = publisher;
  }

  /** Starts `count` nodes with this executable of Node, and the one that publishes. */
  static async start(node: string, { script }: System, count: number): Promise<Stage> {
    const redis = await startRedis();
    const workers = Array.from({ length: count + 1 }, () => begin(node, script, { redis: redis.port }));
    try {
      const ports = await Promise.all(workers.map((worker) => worker.next<{ port: number }>()));
      const all = workers.map((worker, place) => ({ worker, port: ports[place]?.port ?? 0 }));
      const [publisher, ...nodes] = all as [Node, ...Node[]];
      return new Stage(redis, nodes, publisher.worker);
    } catch (error) {
      await Promise.all(workers.map((worker) => worker.end()));
      await redis.destroy();
      throw error;
    }
  }

  async spent(): Promise<Spent> {
    return {
      servers: this.nodes.reduce((sum, { worker }) => sum + worker.cpu, 0),
      publisher: this.publisher.cpu,
      redis: await cpuOf(this.redis),
    };
  }

  async end(): Promise<void> {
    await Promise.all([this.publisher, ...this.nodes.map(({ worker }) => worker)].map((each) => each.end()));
    await this.redis.destroy();
  }
}

/** Microseconds of CPU that a Redis has used, as it reports them. */
export async function cpuOf(redis: RedisServer): Promise<number> {
  const info = await redis.command("INFO", "cpu");
  const of = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1]);
  return (of("used_cpu_sys") + of("used_cpu_user")) * 1_000_000;
}
