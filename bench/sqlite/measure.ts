import { statSync } from "node:fs";
import { createNotifier, type Notifier } from "../../src/mod.ts";
import { sqliteLog } from "../../src/sqlite.ts";
import { driver, type OpenDatabase } from "../../test/support/sqlite-driver.ts";

/**
 * Measures one system in a process of its own, and prints the numbers as JSON. Its last argument is the task, as JSON.
 */

/** What is measured. `by hand` is one transaction a publication on the driver itself. */
export interface Task {
  readonly system: "memory" | "power" | "process" | "by hand";
  readonly what: "lone" | "load" | "fill" | "start";
  readonly file: string;
}

/** Microseconds of CPU and of time for each publication, or what starting takes. */
export interface Numbers {
  /** CPU for each publication. */
  readonly cpu?: number;
  /** The median time from `publish` to its receipt. */
  readonly p50?: number;
  /** Bytes on disk for each publication. */
  readonly disk?: number;
  /** Milliseconds until the first publication is in the log. */
  readonly ready?: number;
  /** Bytes of memory that it took. */
  readonly memory?: number;
}

const { system, what, file }: Task = JSON.parse(process.argv.at(-1) ?? "");
const payload = { text: "x".repeat(180) };
const data = JSON.stringify(payload);
const isOneByOne = what === "lone" || system === "by hand";
const [warm, count] = isOneByOne ? [500, 2_500] : [20_000, 60_000];

process.stdout.write(`${JSON.stringify(await measure())}\n`);

async function measure(): Promise<Numbers> {
  if (what === "fill") return fill();
  if (what === "start") return start();
  const { publish, end } = system === "by hand" ? byHand() : ofNotifier();
  const act = what === "lone" ? lone : underLoad;
  await act(publish, warm);
  const before = process.cpuUsage();
  const times = await act(publish, count);
  const { user, system: kernel } = process.cpuUsage(before);
  await end();
  const disk = system === "memory" ? undefined : statSync(file).size / (warm + count);
  return { cpu: (user + kernel) / count, p50: median(times), ...(disk !== undefined && { disk }) };
}

type Publish = (n: number) => unknown;

/** Publishes one after the other. */
async function lone(publish: Publish, times: number): Promise<number[]> {
  const taken: number[] = [];
  for (let n = 0; n < times; n++) {
    const began = performance.now();
    await publish(n);
    taken.push((performance.now() - began) * 1_000);
  }
  return taken;
}

/** Publishes a hundred at once, to ten channels. */
async function underLoad(publish: Publish, times: number): Promise<number[]> {
  const taken: number[] = [];
  for (let n = 0; n < times; n += 100) {
    const began = performance.now();
    await Promise.all(Array.from({ length: 100 }, (_, index) => publish(n + index)));
    taken.push((performance.now() - began) * 10);
  }
  return taken;
}

function ofNotifier(): { publish: Publish; end(): Promise<void> } {
  const retention = { size: Infinity, bytes: Infinity, ttl: Infinity, slack: 0, totalBytes: Infinity };
  const database = system === "memory" ? undefined : open();
  const durability = system === "process" ? "process" : "power";
  const log = database && sqliteLog({ database, durability, ...retention });
  const notifier = createNotifier(log === undefined ? {} : { log });
  return {
    publish: (n) => notifier.publish(`channel ${n % 10}`, payload),
    end: () => close(notifier, database),
  };
}

/** What a program does that keeps its events in a table: one transaction for each. */
function byHand(): { publish: Publish; end(): Promise<void> } {
  const database = open();
  for (const sql of [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, channel TEXT NOT NULL, data TEXT NOT NULL, time INTEGER NOT NULL)",
    "CREATE INDEX by_channel ON events (channel, id)",
  ])
    database.exec(sql);
  const insert = database.prepare("INSERT INTO events (channel, data, time) VALUES (?, ?, ?)");
  return {
    publish: (n) => insert.run(`channel ${n % 10}`, JSON.stringify(payload), Date.now()),
    async end() {
      database.close();
    },
  };
}

function open(): OpenDatabase {
  if (typeof driver === "string") throw new Error(driver);
  return driver.open(file);
}

async function close(notifier: Notifier, database: OpenDatabase | undefined): Promise<void> {
  await notifier.close();
  database?.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database?.close();
}

/** Writes a million publications into ten thousand channels. */
async function fill(): Promise<Numbers> {
  const database = open();
  const log = sqliteLog({ database, durability: "process", ttl: Infinity, totalBytes: Infinity });
  for (let n = 0; n < 1_000_000; n++) {
    log.append(`channel ${n % 10_000}`, data, { time: Date.now() });
    if (n % 10_000 === 9_999) log.commit();
  }
  await log[Symbol.asyncDispose]();
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  return { disk: statSync(file).size / 1_000_000 };
}

async function start(): Promise<Numbers> {
  const before = process.memoryUsage().rss;
  const began = performance.now();
  const database = open();
  const log = sqliteLog({ database, durability: "process", ttl: Infinity, totalBytes: Infinity });
  const notifier = createNotifier({ log });
  await notifier.publish("channel 1", payload);
  const ready = performance.now() - began;
  const memory = process.memoryUsage().rss - before;
  await close(notifier, database);
  return { ready, memory };
}

function median(values: number[]): number {
  return values.sort((one, other) => one - other)[Math.floor(values.length / 2)] as number;
}
