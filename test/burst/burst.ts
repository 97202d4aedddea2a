import { Centrifuge } from "centrifuge";
import { WebSocket as NodeWebSocket } from "ws";
import { type Client, type ConnectOptions, connect } from "../../src/client.ts";

/**
 * How a burst is published: each `publish` is awaited, or all are called at once; a run yields the events, or emits all
 * at once.
 */
export type How = "awaited" | "loose" | "yields" | "emits";

/** Returns the payload of publication `n`. Its size is between almost nothing and 1 kB. */
export function payload(n: number): { n: number; text: string } {
  return { n, text: "x".repeat((n * 37) % 1_000) };
}

/** A client that counts the publications of a burst. */
export interface Watcher {
  readonly name: string;
  /** The number of publications that have arrived in order. They are numbered from 1. */
  count: number;
  /** The first fault: a missing publication, a lost subscription or an unexpected end. Undefined if there is none. */
  fault: string | undefined;
  close(): unknown;
}

/** The WebSocket class that a client uses. */
type Sockets = NonNullable<ConnectOptions["WebSocket"]>;

/** What is watched: a channel that the client subscribes to, a run, or a server-side subscription. */
export type What = "channel" | "run" | "granted";

function take(watcher: Watcher, data: unknown): void {
  const { n } = data as { n?: number };
  // The events for the start and the ending of a run are not part of the burst.
  if (n === undefined) return;
  if (n === watcher.count + 1) watcher.count = n;
  else watcher.fault ??= `${n} came after ${watcher.count}`;
}

/** Connects a `centrifuge` client. Resolves once the client is subscribed. */
export async function stock(
  url: string,
  what: What,
  channel: string,
  websocket: Sockets = NodeWebSocket,
): Promise<Watcher> {
  const client = new Centrifuge(url, { websocket });
  const watcher: Watcher = { name: "stock", count: 0, fault: undefined, close: () => client.disconnect() };
  const lost = (event: string, { code, reason }: { code?: number; reason?: string }): void => {
    watcher.fault ??= `${event} ${code} ${reason}`;
  };
  client.on("disconnected", (context) => context.code !== 0 && lost("disconnected", context));
  if (what === "granted") {
    client.on("publication", ({ data }) => take(watcher, data));
    client.on("connecting", (context) => context.code !== 0 && lost("connecting", context));
    const ready = new Promise((resolve) => client.on("subscribed", resolve));
    client.connect();
    await ready;
    return watcher;
  }
  const options = what === "run" ? { since: { offset: 0, epoch: "" } } : {};
  const subscription = client.newSubscription(what === "run" ? `run:${channel}` : channel, options);
  subscription.on("publication", ({ data }) => take(watcher, data));
  subscription.on("unsubscribed", (context) => context.code !== 0 && lost("unsubscribed", context));
  subscription.on("subscribing", (context) => context.code !== 0 && lost("subscribing", context));
  const ready = new Promise((resolve) => subscription.on("subscribed", resolve));
  subscription.subscribe();
  client.connect();
  await ready;
  return watcher;
}

/** Connects a client of this project. Resolves once the client is subscribed. */
export async function own(
  url: string,
  what: What,
  channel: string,
  WebSocket: Sockets = NodeWebSocket,
): Promise<Watcher> {
  const client: Client = connect(url, { WebSocket });
  const watcher: Watcher = { name: "own", count: 0, fault: undefined, close: () => client.close() };
  const follow = async (): Promise<void> => {
    try {
      const name = what === "granted" ? "granted" : channel;
      const source = what === "run" ? client.run(channel) : client.follow(name);
      for await (const { data } of source) take(watcher, data);
    } catch (error) {
      if ((error as Error).name !== "ClosedError") watcher.fault ??= String(error);
    }
  };
  void follow();
  // The subscribe command was sent before this command, so its reply arrives first.
  await client.history("news", { limit: 0 });
  return watcher;
}

/** Waits until every watcher has received `count` publications or has a fault, for at most `patience` milliseconds. */
export async function all(watchers: readonly Watcher[], count: number, patience = 60_000): Promise<void> {
  const until = performance.now() + patience;
  while (watchers.some((each) => each.count < count && each.fault === undefined)) {
    if (performance.now() > until) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
