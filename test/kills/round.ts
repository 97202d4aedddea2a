import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Random, random } from "../simulation/random.ts";
import { type Child, start } from "../support/child.ts";
import { program } from "../support/runtime.ts";
import { binary, type Runtime } from "../support/runtimes.ts";
import { Bell } from "./bell.ts";
import { type Client, own, stock } from "./clients.ts";
import { freePort } from "./free-port.ts";
import { judge, nameOf, standing } from "./judge.ts";
import type { Closed, Settings } from "./kills-server.ts";

/** How a server was killed, and the result. */
export interface Outcome {
  readonly how: "SIGTERM" | "SIGKILL" | "SIGTERM, then SIGKILL";
  /** The publications that the clients received. */
  readonly received: number;
  /** The gaps that were reported to the clients. */
  readonly gaps: number;
  /** The sessions that were cut. */
  readonly cut: number;
  /** The server processes that were started. */
  readonly servers: number;
  /** The faults. */
  readonly wrong: string[];
}

/** Milliseconds that a server has for closing. */
const grace = 3_000;
/** Milliseconds in addition to the grace, for a slow machine. */
const slack = 5_000;
/** Milliseconds after which a wait counts as failed. */
const patience = 60_000;
/** The server is killed within this many milliseconds of its start. */
const moments = 1_500;
/** In 40 % of the rounds it is killed within this many milliseconds, while clients still connect. */
const connecting = 400;

/** The text that every server started here has in its command line. */
export const mark: string = randomUUID();

/** What the seed decides. All of it is decided before the round starts, because the round runs in real time. */
interface Plan {
  /** When the server is killed, in milliseconds after its start. */
  readonly moment: number;
  /** When some clients stop reading, in milliseconds after the server's start. Undefined: all clients read. */
  readonly stalls: number | undefined;
  /** Milliseconds between SIGTERM and SIGKILL. Undefined: only one signal is sent. */
  readonly between: number | undefined;
}

/** The state of one round. */
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

/** Starts a server and its clients, and kills the server at the time that the seed decides. */
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
    const place = { url: `ws://127.0.0.1:${stage.port}/`, changed: stage.bell.ring };
    for (const [n, user] of stage.users.entries())
      stage.clients.push(n % 2 === 0 ? stock(user, place) : own(user, place, source));
    // Even and odd seeds alternate, so that a few consecutive seeds test both ways.
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

/** Sends SIGTERM at the planned time. In some rounds the first two clients have stopped reading before. */
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

/**
 * Sends SIGKILL at the planned time, in some rounds shortly after SIGTERM. Then every client must reconnect to another
 * server.
 */
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
  // The server may have ended before the second signal.
  return code === 0 ? "SIGTERM" : "SIGTERM, then SIGKILL";
}

/** Returns the checks that a client has come back after its server was killed: connections, publications and gaps. */
function comingBack(client: Client): { isBack(): boolean; wrong(): string[] } {
  const { connections } = client;
  const rows = client.tracks
    // A client of this project stops following a run once it has received the run's ending.
    .filter(({ isOver }) => !isOver)
    // A client without any publication misses nothing, so it gets no gap. A client of this project may get one all the
    // same: it may have been subscribed, which its track does not show.
    .map((track) => ({ track, min: track.at ? 1 : 0, max: track.at || client.kind === "own" ? 1 : 0 }));
  const isBack = (): boolean =>
    client.connections > connections &&
    rows.every(({ track, min }) => track.gaps >= min && track.received >= 3);
  return {
    isBack,
    wrong: () => [
      ...(isBack() ? [] : [`${nameOf(client)} did not come back: ${standing(client)}`]),
      ...rows
        .filter(({ track: { gaps }, min, max }) => gaps < min || gaps > max)
        .map(({ track, min }) => `${nameOf(client)} got ${track.gaps} gaps in ${track.channel}, not ${min}`),
    ],
  };
}

/** Checks that no client has lost its connection or its position while the server was running. */
function undisturbed({ clients, wrong }: Stage): void {
  for (const client of clients) {
    const gaps = client.tracks.reduce((sum, track) => sum + track.gaps, 0);
    if (client.codes.length + gaps > 0) wrong.push(`${nameOf(client)} was disturbed: ${standing(client)}`);
  }
}

/** Sends SIGTERM. Checks that the server ends as documented, and that its report is true. */
async function close(stage: Stage, server: Child, deaf: readonly Client[]): Promise<void> {
  const { clients, bell, wrong } = stage;
  const admitted = clients.filter(({ isConnected }) => isConnected).length;
  const followed = new Map(clients.map((each) => [each, each.tracks.filter(({ isOver }) => !isOver)]));
  const began = performance.now();
  server.kill("SIGTERM");
  // A server that does not end by itself is killed. Then its exit code is not 0, which is a fault below.
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
  const json = /^closed (.*)$/m.exec(output)?.[1];
  if (json === undefined) return void wrong.push("the server made no report");
  const closed = JSON.parse(json) as Closed;
  stage.cut += closed.report.sessions.cut;
  const check = (): string[] => judge(closed, { admitted, followed });
  // A client may still process data that it received before its connection ended.
  await bell.until(() => check().length === 0, grace);
  wrong.push(...check());
}

/**
 * Checks that an ended process has left no process entry and no socket. Works on Linux only; elsewhere it finds
 * nothing.
 */
function leftOf({ port, wrong }: Stage, { pid }: Child): void {
  if (existsSync(`/proc/${pid}`)) wrong.push(`process ${pid} is left`);
  const address = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"].filter((each) => existsSync(each))) {
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      // A socket without an inode belongs to the kernel, which closes the connection of an ended process.
      if (local?.endsWith(address) && inode !== "0") wrong.push(`a socket in state ${state} is left`);
    }
  }
}
