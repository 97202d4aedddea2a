import fc from "fast-check";
import { closes } from "../../src/wire/protocol.ts";
import { type Child, start } from "../support/child.ts";
import { command, framesOf } from "../support/raw.ts";
import { client, closing, get, type Tcp, tcp, upgrade } from "../support/tcp.ts";
import { isMessage } from "../support/wire-shapes.ts";
import { type Connection, connection } from "./bytes.ts";

/** What is sent to a server. */
export interface WireOptions {
  seed: number;
  connections: number;
  /** The number of one failed connection. Default: all connections are made. */
  only?: number | undefined;
}

/** A fuzzed server, and a well-behaved client of it that must not be affected. */
export interface Target {
  readonly program: Child;
  readonly port: number;
  readonly canary: Tcp;
}

/** Starts the server program, and connects the canary. */
export async function target(file: string, args: readonly string[]): Promise<Target> {
  const program = start(file, args);
  const port = Number((await program.until(/port (\d+)\n/))[1]);
  const canary = tcp(port, upgrade("/0"));
  await client(canary).connected;
  return { program, port, canary };
}

/** The codes with which a runtime itself closes, or echoes the close of a peer. */
const byRuntime = [1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
const protocols = Object.values(closes).map(({ code }) => code);
/** The number of connections at a time. */
const lanes = 8;
/** Milliseconds after which a server counts as hanging. */
const patience = 10_000;

/** Makes the connections of a seed. Returns the number of frames sent. Rejects with the first fault. */
export async function fuzzWire(target: Target, { seed, connections, only }: WireOptions): Promise<number> {
  const all = fc.sample(connection, { seed, numRuns: connections });
  const queue = all
    .map((each, number) => ({ each, number }))
    .filter(({ number }) => number === (only ?? number));
  let frames = 0;
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { each, number } = next;
      frames += each.frames.length + 1;
      const wrong = await connectOnce(target.port, each).catch((error: Error) => [error.message]);
      if (wrong.length > 0)
        throw new Error(`Seed ${seed}, connection ${number}: ${wrong.join("; ")}\n${describe(each)}`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  await alive(target, frames);
  return frames;
}

/** Checks that the canary still gets a reply, and waits until the server has no session besides the canary's. */
async function alive({ port, canary }: Target, id: number): Promise<void> {
  canary.send(command(id));
  await within("the canary's answer", canary.until(new RegExp(`"id":${id},"ping":`)));
  const deadline = performance.now() + patience;
  for (;;) {
    const { sessions } = await stats(port);
    if (sessions === 1) return;
    if (performance.now() > deadline) throw new Error(`The server keeps ${sessions - 1} sessions`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Requests the counts and the memory usage of a server. */
export async function stats(port: number): Promise<{ sessions: number; rss: number; heapUsed: number }> {
  const peer = tcp(port, get("/stats", ["Connection: close"]));
  const response = await peer.ended;
  peer.destroy();
  return JSON.parse(/\{.*\}/s.exec(response)?.[0] ?? "null");
}

/** Ends a server with SIGTERM. Returns the faults in how it ended. */
export async function finish({ program, canary }: Target): Promise<string[]> {
  program.kill("SIGTERM");
  canary.send(closing(3001));
  const { code, signal, output } = await within("the server's end", program.exit);
  canary.destroy();
  const wrong = code === 0 ? [] : [`ended with ${code ?? signal}`];
  const rest = output.replace(/^(port|closed|Deno\.serve: request\.signal) .*\n/gm, "");
  if (rest !== "") wrong.push(`printed ${rest}`);
  return wrong;
}

/** Sends the bytes of a connection. Returns the faults in what the server sent. */
async function connectOnce(
  port: number,
  { handshake, frames, pieces, ending }: Connection,
): Promise<string[]> {
  const peer = tcp(port);
  const { socket } = peer;
  for (const piece of cut(Buffer.concat([Buffer.from(handshake, "latin1"), ...frames]), pieces))
    peer.send(piece);
  if (ending === "close") peer.send(closing(1000));
  const written = new Promise<void>((resolve) => socket.write("", () => resolve()));
  if (ending === "reset") {
    await written;
    // In Deno a reset during the upgrade keeps the process alive for ever, and there is no workaround. So wait for the
    // response.
    if (handshake.includes("\r\n\r\n")) await peer.until(/\r\n\r\n/).catch(() => {});
    socket.resetAndDestroy();
  } else {
    socket.end();
    // The server may wait for the rest of a message or handshake, but not after the client has ended its side.
    await within("the end of the connection", peer.ended);
    peer.destroy();
  }
  return verdict(peer);
}

function cut(bytes: Buffer, size: number): Buffer[] {
  if (size === 0) return [bytes];
  const step = Math.max(size, Math.ceil(bytes.length / 300));
  return Array.from({ length: Math.ceil(bytes.length / step) }, (_, at) =>
    bytes.subarray(at * step, (at + 1) * step),
  );
}

/** Returns the faults in what the server sent. It may send an HTTP refusal, or frames of the protocol. */
function verdict(peer: Tcp): string[] {
  const { received } = peer;
  if (received === "") return [];
  const status = /^HTTP\/1\.[01] (\d{3}) /.exec(received)?.[1];
  if (status === undefined)
    return received.startsWith("\0\0") ? [] : [`answered ${JSON.stringify(received.slice(0, 200))}`];
  if (status !== "101") return /^[45]/.test(status) && status !== "500" ? [] : [`answered ${status}`];
  return framesOf(peer).flatMap(({ opcode, payload }) => {
    if (opcode === 9 || opcode === 10) return [];
    if (opcode === 8) {
      const code = payload === "" ? 1005 : (payload.charCodeAt(0) << 8) | payload.charCodeAt(1);
      const isFine = byRuntime.includes(code) || protocols.includes(code) || (code >= 3000 && code < 5000);
      return isFine ? [] : [`closed with ${code}`];
    }
    const lines = Buffer.from(payload, "latin1").toString().split("\n");
    return opcode === 1
      ? lines.filter((line) => !isMessage(JSON.parse(line))).map((line) => `sent ${line.slice(0, 300)}`)
      : [`sent a frame of opcode ${opcode}`];
  });
}

async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${patience} ms for ${what}`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function describe({ handshake, frames, ...how }: Connection): string {
  const bytes = frames.map((each) => Buffer.from(each.subarray(0, 200)).toString("latin1"));
  return JSON.stringify({ handshake, bytes, ...how }, undefined, 1);
}
