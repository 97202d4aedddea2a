import { Cluster } from "ioredis";
import { createCluster } from "redis";
import type { RedisClient } from "../../src/redis.ts";
import { type Package, type RedisServer, startRedis } from "./redis.ts";

/** Three masters that have the slots of a Cluster between them. */
export interface RedisCluster {
  readonly servers: readonly RedisServer[];
  /** Returns a client that is not connected. */
  client(name: Package): RedisClient;
  /** Sends a command to every master. */
  command(...words: string[]): Promise<void>;
  /** Moves the slot of a key to the next master, with all that is in it. Returns how many keys were moved. */
  move(key: string): Promise<number>;
  destroy(): Promise<void>;
}

const slots = 16_384;

export async function startRedisCluster(): Promise<RedisCluster> {
  const servers = await Promise.all([1, 2, 3].map(() => startRedis("--cluster-enabled", "yes")));
  const [first] = servers as [RedisServer];
  for (const [at, server] of servers.entries()) {
    const [from, to] = [at, at + 1].map((part) => Math.floor((part * slots) / servers.length)) as [
      number,
      number,
    ];
    await server.command("CLUSTER", "ADDSLOTSRANGE", String(from), String(to - 1));
    await first.command("CLUSTER", "MEET", "127.0.0.1", String(server.port));
  }
  const isWhole = async ({ command }: RedisServer): Promise<boolean> => {
    const info = await command("CLUSTER", "INFO");
    return /cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info);
  };
  for (const server of servers) {
    while (!(await isWhole(server))) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    servers,
    client: (name) =>
      name === "redis"
        ? createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${first.port}` }] })
        : new Cluster([{ port: first.port, host: "127.0.0.1" }], { lazyConnect: true }),
    async command(...words) {
      for (const server of servers) await server.command(...words);
    },
    async move(key) {
      const slot = await first.command("CLUSTER", "KEYSLOT", key);
      const source = await ownerOf(servers, key);
      const target = servers[(servers.indexOf(source) + 1) % servers.length] as RedisServer;
      return await moveSlot(slot, source, target, servers);
    },
    async destroy() {
      await Promise.all(servers.map((server) => server.destroy()));
    },
  };
}

/** Returns the master that has a key's slot. */
async function ownerOf(servers: readonly RedisServer[], key: string): Promise<RedisServer> {
  for (const server of servers) {
    const answer = await server.command("EXISTS", key).catch(String);
    if (!/MOVED/.test(answer)) return server;
  }
  throw new Error(`Nobody has the slot of ${key}`);
}

async function moveSlot(
  slot: string,
  source: RedisServer,
  target: RedisServer,
  servers: readonly RedisServer[],
): Promise<number> {
  const [from, to] = await Promise.all([source, target].map((each) => each.command("CLUSTER", "MYID")));
  await target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", from ?? "");
  await source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", to ?? "");
  let moved = 0;
  for (;;) {
    const found = await source.command("CLUSTER", "GETKEYSINSLOT", slot, "1");
    const [, key] = found.split("\r\n");
    if (key === undefined) break;
    await source.command("MIGRATE", "127.0.0.1", String(target.port), key, "0", "5000");
    moved++;
  }
  for (const server of [target, source, ...servers])
    await server.command("CLUSTER", "SETSLOT", slot, "NODE", to ?? "");
  return moved;
}
