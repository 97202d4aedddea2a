import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Random, random } from "../simulation/random.ts";
import { type Child, start } from "../support/child.ts";
import { program } from "../support/runtime.ts";
import { binary, type Runtime } from "../support/runtimes.ts";
import { Bell } from "./bell.ts";
import { type Client, own, stock } from "./clients.ts";
import { judge, nameOf, standing } from "./judge.ts";
import type { Closed, Settings } from "./kills-server.ts";

/** How a server was killed, and what came of it. */
export interface Outcome {
  readonly how: "SIGTERM" | "SIGKILL" | "SIGTERM, then SIGKILL";
  /** Publications that clients have got, gaps that they were told of, sessions that were cut. */
  readonly received: number;
  readonly gaps: number;
  readonly cut: number;
  /** Processes that were started. */
  readonly servers: number;
  /** What is wrong. */
  readonly wrong: string[];
}

/** Milliseconds that a server has for closing. */
const grace = 3_000;
/** Milliseconds over that, for a machine that stalls. */
const slack = 5_000;
/** Milliseconds after which whatever is waited for is taken never to come. */
const patience = 60_000;
/** The moment is within so many milliseconds of the server's start; often it is while clients still connect. */
const moments = 1_500;
const connecting = 400;

/** What every server that is started here has among its arguments. */
export const mark: string = randomUUID();

/** What a seed decides, all of it beforehand: what happens meanwhile happens in real time. */
interface Plan {
  /** Milliseconds after the server's start. */
  readonly moment: number;
  /** When some clients stop reading, where they do. */
  readonly stalls: number | undefined;
  /** Milliseconds between SIGTERM and SIGKILL, where there are both. */
  readonly between: number | undefined;
}

/** Everything of one round. */
interface Stage extends Plan {
  readonly on: Runtime;
  readonly seed: number;
  readonly port: number;
  readonly users: string[];
  readonly bell: Bell;
  readonly clients: Client[];
  readonly servers: Child[];
  readonly wrong: string[];
  cut: number;
}

function planOf({ below, chance }: Random): Plan {
  const moment = below(chance(0.4) ? connecting : moments);
  return {
    moment,
    stalls: chance(0.3) ? below(moment + 1) : undefined,
    between: chance(0.3) ? below(40) : undefined,
  };
}

/** Starts a server and its clients, and kills it at a moment that the seed decides. */
export async function round(on: Runtime, seed: number, count: number): Promise<Outcome> {
  const source = random(seed);
  const stage: Stage = {
    ...planOf(source),
    on,
    seed,
    port: await freePort(),
    users: Array.from({ length: count }, (_, n) => `user${n}`),
    bell: new Bell(),
    clients: [],
    servers: [],
    wrong: [],
    cut: 0,
  };
  try {
    const server = await serve(stage);
    const place = { port: stage.port, changed: stage.bell.ring };
    for (const [n, user] of stage.users.entries())
      stage.clients.push(n % 2 === 0 ? stock(user, place) : own(user, place, source));
    // One seed in two, so that a few in a row have both.
    const how = await (seed % 2 === 0 ? terminate : killAndComeBack)(stage, server);
    const { cut, servers, wrong, clients } = stage;
    const tracks = clients.flatMap((client) => {
      wrong.push(...client.faults.map((fault) => `${nameOf(client)}: ${fault}`));
      for (const { channel, faults } of client.tracks)
        wrong.push(...faults.map((fault) => `${nameOf(client)} in ${channel}: ${fault}`));
      return client.tracks;
    });
    return {
      how,
      received: tracks.reduce((sum, { total }) => sum + total, 0),
      gaps: tracks.reduce((sum, { gaps }) => sum + gaps, 0),
      cut,
      servers: servers.length,
      wrong,
    };
  } finally {
    for (const server of stage.servers) server.destroy();
    await Promise.all(stage.clients.map((client) => client.close()));
  }
}

async function serve({ on, seed, port, users, servers }: Stage): Promise<Child> {
  const file = fileURLToPath(new URL("kills-server.ts", import.meta.url));
  const settings: Settings = { port, grace, seed: seed + servers.length, users, mark };
  const server = start(binary(on), [...program(file, on), JSON.stringify(settings)]);
  servers.push(server);
  await server.until(/port \d+\n/);
  return server;
}

/** SIGTERM at some moment; now and then some clients have stopped reading before. */
async function terminate(stage: Stage, server: Child): Promise<Outcome["how"]> {
  const { moment, stalls = moment, clients } = stage;
  const deaf = stalls < moment ? clients.slice(0, 2) : [];
  await sleep(stalls);
  for (const client of deaf) client.pause();
  await sleep(moment - stalls);
  undisturbed(stage);
  await close(stage, server, deaf);
  return "SIGTERM";
}

/** SIGKILL at some moment, now and then of closing; everybody has to come back to another server. */
async function killAndComeBack(stage: Stage, server: Child): Promise<Outcome["how"]> {
  const { moment, between, clients, bell, wrong } = stage;
  await sleep(moment);
  undisturbed(stage);
  if (between !== undefined) {
    server.kill("SIGTERM");
    await sleep(between);
  }
  server.destroy();
  const { code } = await server.exit;
  leftOf(stage, server);
  if (!(await bell.until(() => clients.every(({ isConnected }) => !isConnected), patience)))
    wrong.push("a client has not noticed that the server is gone");
  const returns = clients.map(comingBack);
  const next = await serve(stage);
  await bell.until(() => returns.every((each) => each.isBack()), patience);
  wrong.push(...returns.flatMap((each) => each.wrong()));
  await close(stage, next, []);
  if (between === undefined) return "SIGKILL";
  // It may have been quicker than the second signal.
  return code === 0 ? "SIGTERM" : "SIGTERM, then SIGKILL";
}

/** What a client that has lost its server still has to do, and whether it did. */
function comingBack(client: Client): { isBack(): boolean; wrong(): string[] } {
  const { connections } = client;
  const rows = client.tracks
    // A client of ours that has heard a run's ending follows it no more.
    .filter(({ isOver }) => !isOver)
    // Whoever has got nothing lacks nothing; ours may have been subscribed without showing it.
    .map((track) => ({ track, least: track.at ? 1 : 0, most: track.at || client.kind === "own" ? 1 : 0 }));
  const isBack = (): boolean =>
    client.connections > connections &&
    rows.every(({ track, least }) => track.gaps >= least && track.received >= 3);
  return {
    isBack,
    wrong: () => [
      ...(isBack() ? [] : [`${nameOf(client)} did not come back: ${standing(client)}`]),
      ...rows
        .filter(({ track: { gaps }, least, most }) => gaps < least || gaps > most)
        .map(
          ({ track, least }) =>
            `${nameOf(client)} was told of ${track.gaps} gaps in ${track.channel}, not ${least}`,
        ),
    ],
  };
}

/** Nobody loses their connection or their place while a server lives. */
function undisturbed({ clients, wrong }: Stage): void {
  for (const client of clients) {
    const gaps = client.tracks.reduce((sum, track) => sum + track.gaps, 0);
    if (client.codes.length + gaps > 0) wrong.push(`${nameOf(client)} was disturbed: ${standing(client)}`);
  }
}

/** SIGTERM, and whether the server ends as promised, and its report is true. */
async function close(stage: Stage, server: Child, deaf: readonly Client[]): Promise<void> {
  const { clients, bell, wrong } = stage;
  const admitted = clients.filter(({ isConnected }) => isConnected).length;
  const followed = new Map(clients.map((each) => [each, each.tracks.filter(({ isOver }) => !isOver)]));
  const began = performance.now();
  server.kill("SIGTERM");
  // One that does not end by itself is killed, and its outcome says so.
  const late = setTimeout(server.destroy, grace + slack);
  const { code, signal, output, at } = await server.exit;
  clearTimeout(late);
  leftOf(stage, server);
  if (code !== 0) wrong.push(`the server ended with ${code ?? signal} after ${Math.round(at - began)} ms`);
  const noise = output.replace(/^(port|closed|Deno\.serve: request\.signal) .*\n/gm, "");
  if (noise !== "") wrong.push(`the server printed ${JSON.stringify(noise.slice(0, 500))}`);
  for (const client of deaf) client.resume();
  if (!(await bell.until(() => clients.every(({ isConnected }) => !isConnected), patience)))
    wrong.push("a client has not noticed that the server is gone");
  const words = /^closed (.*)$/m.exec(output)?.[1];
  if (words === undefined) return void wrong.push("the server made no report");
  const closed = JSON.parse(words) as Closed;
  stage.cut += closed.report.sessions.cut;
  const check = (): string[] => judge(closed, { admitted, followed });
  // What a client has been sent before its connection ended it may still be handling.
  await bell.until(() => check().length === 0, grace);
  wrong.push(...check());
}

/**
 * Ports below those that systems give to clients, which might else connect to themselves. Each process tries others first,
 * and no port twice before it has tried all.
 */
let tried = process.pid * 50;

/** A port that nobody listens to. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + (tried++ % 18_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}

/** Whether a process that has ended left anything. Linux only; elsewhere it finds nothing. */
function leftOf({ port, wrong }: Stage, { pid }: Child): void {
  if (existsSync(`/proc/${pid}`)) wrong.push(`process ${pid} is left`);
  const address = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"].filter((each) => existsSync(each))) {
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      // A socket without an inode is the system's own: it says goodbye for a process that is gone.
      if (local?.endsWith(address) && inode !== "0") wrong.push(`a socket in state ${state} is left`);
    }
  }
}
