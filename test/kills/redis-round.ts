import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type ProxyPort, startProxy } from "../../examples/cluster/proxy.ts";
import { type Random, random } from "../simulation/random.ts";
import { type Child, start } from "../support/child.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { program } from "../support/runtime.ts";
import { Bell } from "./bell.ts";
import { type Client, own, stock } from "./clients.ts";
import { nameOf, standing } from "./judge.ts";
import { isEnding, judgeRedis, type RedisJudgement } from "./redis-judge.ts";
import type { Dump, Settings } from "./redis-server.ts";

/** What decides how servers over one Redis are killed. */
export interface RedisPlan {
  readonly seed: number;
  /** How long servers are killed. */
  readonly seconds: number;
  readonly clients: number;
  readonly publishers: number;
  readonly mark: string;
}

/** What a Redis and its servers went through, and the faults. */
export interface RedisOutcome extends RedisJudgement {
  readonly kills: number;
  readonly restarts: number;
  /** The confirmed publications that clients had, and that no server alive knows to be delivered. */
  readonly waiting: number;
}

/** The number of servers at a time. */
const servers = 3;
/** Milliseconds: short, so that what a killed server has begun does not wait long. */
const lease = 2_000;
/** Milliseconds from one kill to the next. */
const between = { least: 1_000, most: 2_500 };
/** Milliseconds after which a wait counts as failed. */
const patience = 60_000;
const channels = Array.from({ length: 10 }, (_, index) => `news${index}`);

/** The servers of a round, and everything that those before them have printed. */
class Fleet {
  readonly outputs: string[] = [];
  readonly #plan: RedisPlan;
  readonly #redis: RedisServer;
  readonly #running = new Map<number, { readonly child: Child; readonly port: number }>();
  #lives = 0;

  constructor(plan: RedisPlan, redis: RedisServer) {
    this.#plan = plan;
    this.#redis = redis;
  }

  get ports(): number[] {
    return Array.from(this.#running.values(), ({ port }) => port);
  }

  async start(place: number): Promise<void> {
    const { seed, publishers, mark } = this.#plan;
    const settings: Settings = {
      redis: this.#redis.port,
      package: place === 1 ? "ioredis" : "redis",
      ...{ lease, seed, channels, mark },
      life: ++this.#lives,
      publishers: publishers / servers,
    };
    const file = fileURLToPath(new URL("redis-server.ts", import.meta.url));
    const child = start(process.execPath, [...program(file, "node"), JSON.stringify(settings)]);
    this.#running.set(place, { child, port: 0 });
    const [, port] = await child.until(/port (\d+)\n/);
    this.#running.set(place, { child, port: Number(port) });
  }

  async kill(place: number): Promise<void> {
    const child = this.#running.get(place)?.child;
    child?.destroy();
    await this.#ended(place);
  }

  /** Sends SIGTERM to all, and returns what is wrong with how they end. */
  async close(): Promise<string[]> {
    const wrong: string[] = [];
    for (const [place, { child }] of this.#running) {
      child.kill("SIGTERM");
      const late = setTimeout(child.destroy, patience / 4);
      const { code, signal } = await child.exit;
      clearTimeout(late);
      if (code !== 0) wrong.push(`server ${place} ended with ${code ?? signal}`);
      await this.#ended(place);
    }
    return wrong;
  }

  async destroy(): Promise<void> {
    for (const place of [...this.#running.keys()]) await this.kill(place);
  }

  async #ended(place: number): Promise<void> {
    const child = this.#running.get(place)?.child;
    if (child !== undefined) this.outputs.push((await child.exit).output);
    this.#running.delete(place);
  }
}

/** Kills servers over one Redis, and Redis itself once, and then checks what the log holds. */
export async function redisRound(plan: RedisPlan): Promise<RedisOutcome> {
  const source = random(plan.seed);
  const bell = new Bell();
  // Each change is on the disk before it is answered, so that a killed Redis has lost nothing.
  const redis = await startRedis("--appendonly", "yes", "--appendfsync", "always");
  const fleet = new Fleet(plan, redis);
  const clients: Client[] = [];
  let proxy: ProxyPort | undefined;
  try {
    await Promise.all(Array.from({ length: servers }, (_, place) => fleet.start(place)));
    proxy = await startProxy(0, () => fleet.ports.filter((port) => port > 0));
    for (let n = 0; n < plan.clients; n++) {
      const shared = channels[n % channels.length] as string;
      const place = { url: `ws://127.0.0.1:${proxy.port}/`, changed: bell.ring, isQuick: true, shared };
      clients.push((n >> 4) % 2 === 0 ? stock(`user${n}`, place) : own(`user${n}`, place, source));
    }
    const done = await disturb(plan, { fleet, redis, source });
    const { dump, wrong, waiting } = await settle(fleet, clients, bell, done.kills);
    wrong.push(...(await fleet.close()));
    const judged = judgeRedis(dump, fleet.outputs, clients);
    return { ...done, ...judged, waiting, wrong: [...wrong, ...judged.wrong] };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await fleet.destroy();
    proxy?.stop();
    proxy?.destroy();
    await redis.destroy();
  }
}

/** Kills one server after the other, and starts each again. In the middle, Redis is killed and started again. */
async function disturb(
  { seconds }: RedisPlan,
  { fleet, redis, source }: { fleet: Fleet; redis: RedisServer; source: Random },
): Promise<{ kills: number; restarts: number }> {
  const began = performance.now();
  const passed = (): number => (performance.now() - began) / 1000;
  let kills = 0;
  let restarts = 0;
  while (passed() < seconds) {
    await sleep(between.least + source.below(between.most - between.least));
    if (restarts === 0 && passed() > seconds / 2) {
      await redis.kill();
      await sleep(source.below(500));
      await redis.restart();
      restarts++;
    } else {
      const place = source.below(servers);
      await fleet.kill(place);
      kills++;
      await sleep(source.below(300));
      await fleet.start(place);
    }
  }
  return { kills, restarts };
}

/** Waits until everything has ended, and everybody has everything. Returns the log, and who is late. */
async function settle(
  fleet: Fleet,
  clients: readonly Client[],
  bell: Bell,
  kills: number,
): Promise<{ dump: Dump; wrong: string[]; waiting: number }> {
  const wrong: string[] = [];
  const ask = async <T>(port: number, path: string): Promise<T> =>
    (await (await fetch(`http://127.0.0.1:${port}/${path}`)).json()) as T;
  const { ports } = fleet;
  const first = ports[0] as number;
  await Promise.all(ports.map((port) => ask(port, "stop")));
  const end = performance.now() + patience;
  // What killed servers had begun is over after their lease.
  const isOver = ({ runs }: Dump): boolean =>
    Object.values(runs).every((types) => isEnding(types.at(-1) ?? ""));
  let dump = await ask<Dump>(first, "dump");
  while (!isOver(dump) && performance.now() < end) {
    await sleep(500);
    dump = await ask<Dump>(first, "dump");
  }
  const topOf = (client: Client): number =>
    dump.channels[client.tracks[0]?.channel ?? ""]?.at(-1)?.offset ?? 0;
  // A client of this project that came after the last publication has no position.
  const hasAll = (client: Client): boolean => {
    const at = client.tracks[0]?.at;
    return at === undefined ? client.isConnected : at.offset >= topOf(client);
  };
  if (!(await bell.until(() => clients.every(hasAll), patience)))
    for (const each of clients.filter((client) => !hasAll(client)))
      wrong.push(`${nameOf(each)} is late: ${standing(each)}, of ${topOf(each)}`);
  // What was published before the first client came waits on.
  const isSeen = (at: string): boolean => {
    const [, offset, channel] = /^confirmed (\d+) of (.*)$/.exec(at) ?? [];
    return clients.some(
      ({ tracks: [news] }) =>
        news?.channel === channel && news?.held?.some(([held]) => held === Number(offset)),
    );
  };
  const waiting = async (): Promise<string[]> =>
    (await Promise.all(ports.map((port) => ask<string[]>(port, "waiting")))).flat().filter(isSeen);
  let left = await waiting();
  while (left.length > 0 && performance.now() < end) {
    await sleep(500);
    left = await waiting();
  }
  // What a client had acknowledged to a server that was killed waits on at its heir, for as long as it may.
  if (kills === 0) wrong.push(...left.map((at) => `${at} is neither delivered nor reported`));
  return { dump, wrong, waiting: left.length };
}
