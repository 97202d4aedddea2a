import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { random } from "../simulation/random.ts";
import { type Child, start } from "../support/child.ts";
import { program } from "../support/runtime.ts";
import type { Runtime } from "../support/runtimes.ts";
import { Bell } from "./bell.ts";
import { type Client, own, stock } from "./clients.ts";
import { type Judgement, judgeCrash } from "./crash-judge.ts";
import type { Dump, Settings } from "./crash-server.ts";
import { freePort } from "./free-port.ts";
import { nameOf, standing } from "./judge.ts";

/** What one database went through, and the faults. */
export interface CrashOutcome extends Judgement {
  readonly kills: number;
}

/** What decides how servers are killed. */
export interface CrashPlan {
  /** The runtime, and its executable. */
  readonly on: Runtime;
  readonly file: string;
  readonly seed: number;
  /** How often a server is killed. */
  readonly kills: number;
  /** The number of clients. */
  readonly clients: number;
  readonly mark: string;
}

/** Milliseconds: short, so that the next server does not wait long for the database of a killed one. */
const lease = 300;
/** A server is killed within this many milliseconds of its start. */
const moments = 700;
/** Milliseconds after which a wait counts as failed. */
const patience = 60_000;

/** Kills servers over one database, one after the other, and then checks what the database holds. */
export async function crashRound(plan: CrashPlan): Promise<CrashOutcome> {
  const { seed, kills, clients: count } = plan;
  const source = random(seed);
  const directory = mkdtempSync(join(tmpdir(), "tocsin-crash-"));
  const port = await freePort();
  const bell = new Bell();
  const outputs: string[] = [];
  let server: Child | undefined;
  const clients: Client[] = [];
  const serve = async (life: number): Promise<Child> => {
    const file = fileURLToPath(new URL("crash-server.ts", import.meta.url));
    const isLast = life > kills;
    const database = join(directory, "log.db");
    const settings: Settings = { port, file: database, lease, seed, life, isLast, mark: plan.mark };
    const child = start(plan.file, [...program(file, plan.on), JSON.stringify(settings)]);
    server = child;
    await child.until(/port \d+\n/);
    return child;
  };
  try {
    for (let life = 1; life <= kills; life++) {
      const child = await serve(life);
      const place = { url: `ws://127.0.0.1:${port}/`, changed: bell.ring, isQuick: true };
      for (let n = clients.length; n < count; n++)
        clients.push(n % 2 === 0 ? stock(`user${n}`, place) : own(`user${n}`, place, source));
      await sleep(source.below(moments));
      child.destroy();
      outputs.push((await child.exit).output);
    }
    const last = await serve(kills + 1);
    const dump = (await (await fetch(`http://127.0.0.1:${port}/dump`)).json()) as Dump;
    const top = dump.publications.at(-1)?.offset ?? 0;
    // A client of this project that came after the last publication has no position.
    const hasAll = ({ tracks: [news], isConnected }: Client): boolean =>
      news?.at === undefined ? isConnected : news.at.offset >= top;
    const late = (await bell.until(() => clients.every(hasAll), patience))
      ? []
      : clients.filter((each) => !hasAll(each)).map((each) => `${nameOf(each)} is late: ${standing(each)}`);
    last.kill("SIGTERM");
    const { code, output } = await last.exit;
    outputs.push(output);
    const ended = code === 0 ? [] : [`the last server ended with ${code}`];
    const judged = judgeCrash(dump, outputs, clients);
    return { kills, ...judged, wrong: [...late, ...ended, ...judged.wrong] };
  } finally {
    server?.destroy();
    await server?.exit;
    await Promise.all(clients.map((client) => client.close()));
    rmSync(directory, { recursive: true, force: true });
  }
}
