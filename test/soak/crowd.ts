import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";

/** Where the sessions connect, how many there are at most, and the signal that ends them. */
export interface CrowdOptions {
  port: number;
  sessions: number;
  signal: AbortSignal;
}

/** Sessions that connect, subscribe, publish, read, stop reading, and leave in every possible way. */
export interface Crowd {
  /** The numbers of started connections, received publications and error replies. */
  readonly counts: { connected: number; received: number; errors: number };
  /** The number of connections for each close code. */
  readonly codes: Map<number, number>;
  /** Resolves when all sessions have left after the signal. */
  readonly gone: Promise<void>;
}

/** The number of channels. */
const shared = 50;
/** Used instead of a close code if a client was never closed. */
const lost = 0;

export function crowd({ port, sessions, signal }: CrowdOptions): Crowd {
  const counts = { connected: 0, received: 0, errors: 0 };
  const codes = new Map<number, number>();
  setMaxListeners(0, signal);
  const members = Array.from({ length: sessions }, async (_, user) => {
    const positions = new Map<string, Position>();
    // The sessions start at random times in the first half minute.
    await pause(Math.random() * 30_000, signal);
    while (!signal.aborted) {
      counts.connected++;
      const code = await visit({ port, user, positions, counts, signal });
      codes.set(code, (codes.get(code) ?? 0) + 1);
      await pause(Math.random() * 3_000, signal);
    }
  });
  return { counts, codes, gone: Promise.all(members).then(() => {}) };
}

interface Position {
  epoch: string;
  offset: number;
}

interface Visit {
  port: number;
  user: number;
  positions: Map<string, Position>;
  counts: Crowd["counts"];
  signal: AbortSignal;
}

interface Message {
  id?: number;
  error?: object;
  subscribe?: Position & { publications?: Position[] };
  push?: { channel: string; pub?: { offset: number }; unsubscribe?: object };
}

/** Makes one connection, uses it and ends it. Returns its close code. */
async function visit({ port, user, positions, counts, signal }: Visit): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/?user=${user}`, { perMessageDeflate: false });
  const asked = new Map<number, string>();
  let ids = 1;
  const command = (method: string, params: object): number => {
    const id = ++ids;
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify({ id, [method]: params }));
    return id;
  };
  const take = ({ id, error, subscribe, push }: Message): void => {
    if (error !== undefined) counts.errors++;
    const channel = subscribe === undefined ? push?.channel : asked.get(id ?? 0);
    if (channel === undefined) return;
    const position =
      subscribe === undefined ? positions.get(channel) : { epoch: subscribe.epoch, offset: subscribe.offset };
    if (position === undefined) return;
    if (push?.unsubscribe !== undefined) positions.delete(channel);
    else positions.set(channel, position);
    position.offset = push?.pub?.offset ?? position.offset + (subscribe?.publications?.length ?? 0);
    counts.received += push?.pub === undefined ? (subscribe?.publications?.length ?? 0) : 1;
  };
  socket.on("message", (data) => {
    for (const line of String(data).split("\n")) {
      if (line !== "{}") take(JSON.parse(line));
      else if (socket.readyState === socket.OPEN) socket.send(line);
    }
  });
  socket.on("error", () => {});
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  socket.once("open", () => {
    socket.send('{"id":1,"connect":{}}');
    for (const channel of randomChannels()) {
      const position = positions.get(channel);
      asked.set(command("subscribe", { channel, ...(position && { recover: true, ...position }) }), channel);
    }
  });
  const finished = new AbortController();
  const end = (): void => finished.abort();
  closed.then(end);
  signal.addEventListener("abort", end);
  await stay(socket, command, positions, finished.signal);
  signal.removeEventListener("abort", end);
  await leave(socket, closed);
  return Promise.race([closed, sleep(5_000, lost)]);
}

/** Sends random commands for a while, and sometimes stops reading. */
async function stay(
  socket: WebSocket,
  command: (method: string, params: object) => number,
  positions: ReadonlyMap<string, Position>,
  signal: AbortSignal,
): Promise<void> {
  for (let left = 1 + Math.random() * 12; left > 0 && !signal.aborted; left--) {
    await pause(Math.random() * 10_000, signal);
    const [channel = "shared:0"] = randomChannels();
    const dice = Math.random();
    if (dice < 0.1) command("publish", { channel, data: { text: "x".repeat(Math.random() * 400) } });
    else if (dice < 0.2) command("unsubscribe", { channel });
    else if (dice < 0.3) command("history", { channel, limit: 10 });
    else if (dice < 0.4) command("presence_stats", { channel });
    else if (dice < 0.5) command("rpc", { method: "echo", data: channel });
    else if (dice < 0.7) acknowledge(socket, positions);
    else if (dice < 0.75) socket.pause();
    else if (dice < 0.9) socket.resume();
  }
}

function acknowledge(socket: WebSocket, positions: ReadonlyMap<string, Position>): void {
  const ack = Object.fromEntries([...positions].slice(0, 2));
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify({ send: { data: { ack } } }));
}

/** Ends the connection in a random way: with a close, a protocol error, a reset, or without a close. */
async function leave(socket: WebSocket, closed: Promise<unknown>): Promise<void> {
  const dice = Math.random();
  socket.resume();
  if (dice < 0.3) socket.close(1000);
  else if (dice < 0.5 && socket.readyState === socket.OPEN) socket.send("no JSON");
  else if (dice < 0.6)
    (socket as unknown as { _socket?: { resetAndDestroy(): void } })._socket?.resetAndDestroy();
  else socket.terminate();
  await Promise.race([closed, sleep(5_000)]);
  socket.terminate();
}

function randomChannels(): string[] {
  const channel = (): string => `shared:${Math.floor(Math.random() * shared)}`;
  return [...new Set([channel(), channel(), channel()])];
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {});
}
