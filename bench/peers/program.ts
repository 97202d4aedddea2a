import process from "node:process";
import { createInterface } from "node:readline";

/** What a server is told to do, one at a time. */
export type Order =
  /** So many events to a channel, in one turn. Answers with what the peer says of the first, where it says something. */
  | { do: "fill"; channel: string; count: number; bytes: number }
  /** Some events in one turn, every so many milliseconds. */
  | { do: "steady"; channel: string; count: number; every: number; for: number; bytes: number }
  /** As many events as fast as the loop turns, some in every turn. */
  | { do: "flood"; channel: string; count: number; turn: number; bytes: number }
  /** Channels with a number behind their name, each a share of so many events a second. */
  | { do: "scatter"; channel: string; channels: number; second: number; for: number; bytes: number };

/** An event of a peer. `at` is when it was made: microseconds since 1970, and the mark that the swarm counts. */
export interface Event {
  id: number;
  text: string;
  at: string;
}

/** Publishes to a channel, however the peer does it. What it answers is printed for the first event of `fill`. */
export type Publish = (channel: string, event: Event) => unknown;

let made = 0;

function event(text: string): Event {
  const at = Math.round((performance.timeOrigin + performance.now()) * 1000);
  return { id: 100_000_000 + made++, text, at: `${at}~` };
}

/** A text that makes an event as JSON so many bytes long. */
function filler(bytes: number): string {
  return "x".repeat(Math.max(0, bytes - JSON.stringify(event("")).length));
}

/** Says where the peer listens, and publishes as it is told. */
export function start(port: number, publish: Publish): void {
  console.log(JSON.stringify({ port }));
  createInterface({ input: process.stdin }).on("line", (line) => {
    obey(JSON.parse(line) as Order, publish).then((told) => console.log(JSON.stringify(told)));
  });
}

async function obey(order: Order, publish: Publish): Promise<object> {
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
    // By the clock, so that a timer that is late makes up for it.
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

/** Which sockets follow which channel: what a program by hand keeps. */
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
 * What a peer without a log sends to whoever comes back: all that it has published, as one text, and of each event where
 * it stands, so that one can come back again.
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

/** The channel that a request's address names. */
export function channelOf(url: string | undefined): string {
  return new URL(url ?? "", "http://localhost").searchParams.get("channel") ?? "";
}
