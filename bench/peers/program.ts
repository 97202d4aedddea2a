import process from "node:process";
import { createInterface } from "node:readline";

/** A command to a server. A server executes one command at a time. */
export type Order =
  /**
   * Publishes `count` events to a channel in one turn. The reply has the result of the first `publish`, if there is
   * one.
   */
  | { do: "fill"; channel: string; count: number; bytes: number }
  /** Publishes `count` events in one turn, every `every` milliseconds, for `for` milliseconds. */
  | { do: "steady"; channel: string; count: number; every: number; for: number; bytes: number }
  /** Publishes `count` events as fast as the event loop runs, `turn` events in each turn. */
  | { do: "flood"; channel: string; count: number; turn: number; bytes: number }
  /**
   * Publishes `second` events per second for `for` milliseconds, in rotation over `channels` channels. The name of a
   * channel is `channel` and a number from 0.
   */
  | { do: "scatter"; channel: string; channels: number; second: number; for: number; bytes: number };

/**
 * An event that a peer publishes. `at` is the time of publication in microseconds since 1970, then `~`, which the swarm
 * counts.
 */
export interface Event {
  id: number;
  text: string;
  at: string;
}

/** Publishes to a channel with the peer's library. For the first event of `fill`, the return value is printed. */
export type Publish = (channel: string, event: Event) => unknown;

let made = 0;

function event(text: string): Event {
  const at = Math.round((performance.timeOrigin + performance.now()) * 1000);
  return { id: 100_000_000 + made++, text, at: `${at}~` };
}

/** Returns a text that makes the JSON of an event `bytes` bytes long. */
function filler(bytes: number): string {
  return "x".repeat(Math.max(0, bytes - JSON.stringify(event("")).length));
}

/** Prints the port of the peer, then executes the commands from stdin. */
export function start(port: number, publish: Publish): void {
  console.log(JSON.stringify({ port }));
  createInterface({ input: process.stdin }).on("line", (line) => {
    execute(JSON.parse(line) as Order, publish).then((reply) => console.log(JSON.stringify(reply)));
  });
}

async function execute(order: Order, publish: Publish): Promise<object> {
  const text = filler(order.bytes);
  if (order.do === "fill") return fill(order, text, publish);
  if (order.do === "steady") return steady(order, text, publish);
  if (order.do === "flood") return flood(order, text, publish);
  return scatter(order, text, publish);
}

type Of<Name> = Extract<Order, { do: Name }>;

async function fill({ channel, count }: Of<"fill">, text: string, publish: Publish): Promise<object> {
  const first = publish(channel, event(text));
  for (let done = 1; done < count; done++) publish(channel, event(text));
  return { events: count, first: (await first) ?? null };
}

function steady(
  { channel, count, every, for: milliseconds }: Of<"steady">,
  text: string,
  publish: Publish,
): Promise<object> {
  let events = 0;
  const turns = Math.floor(milliseconds / every);
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      for (let done = 0; done < count; done++) publish(channel, event(text));
      events += count;
      if (events < turns * count) return;
      clearInterval(timer);
      resolve({ events });
    }, every);
  });
}

function flood({ channel, count, turn }: Of<"flood">, text: string, publish: Publish): Promise<object> {
  let events = 0;
  return new Promise((resolve) => {
    const go = (): void => {
      for (let done = 0; done < turn; done++) publish(channel, event(text));
      events += turn;
      if (events < count) setImmediate(go);
      else resolve({ events });
    };
    go();
  });
}

function scatter(
  { channel, channels, second, for: milliseconds }: Of<"scatter">,
  text: string,
  publish: Publish,
): Promise<object> {
  let events = 0;
  const began = performance.now();
  return new Promise((resolve) => {
    // The count depends on the elapsed time, so that a late timer callback publishes what is missing.
    const timer = setInterval(() => {
      const elapsed = Math.min(performance.now() - began, milliseconds);
      for (const due = Math.floor((elapsed * second) / 1000); events < due; events++) {
        publish(channel + (events % channels), event(text));
      }
      if (elapsed < milliseconds) return;
      clearInterval(timer);
      resolve({ events });
    }, 1);
  });
}

/** The sockets of each channel, for the programs without a library. */
export class Channels<Socket> {
  readonly #sockets = new Map<string, Set<Socket>>();

  add(channel: string, socket: Socket): void {
    const sockets = this.#sockets.get(channel);
    if (sockets === undefined) this.#sockets.set(channel, new Set([socket]));
    else sockets.add(socket);
  }

  delete(channel: string, socket: Socket): void {
    this.#sockets.get(channel)?.delete(socket);
  }

  of(channel: string): Iterable<Socket> {
    return this.#sockets.get(channel) ?? [];
  }
}

/**
 * The reply of a peer without a log to a client that resumes: the first 1000 published events as one text. Each event
 * has its offset and time, so that the client could resume again.
 */
export class Backlog {
  #texts: string[] = [];
  #joined: string | undefined;

  add(text: string): void {
    if (this.#texts.length >= 1000) return;
    this.#texts.push(`{"data":${text},"offset":${this.#texts.length + 1},"time":${Date.now()}}`);
    this.#joined = undefined;
  }

  get text(): string {
    this.#joined ??= this.#texts.join("\n");
    return this.#joined;
  }
}

/** Returns the channel in the URL of a request. */
export function channelOf(url: string | undefined): string {
  return new URL(url ?? "", "http://localhost").searchParams.get("channel") ?? "";
}
