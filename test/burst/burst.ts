import { Centrifuge } from "centrifuge";
import { WebSocket as NodeWebSocket } from "ws";
import { type Client, type ConnectOptions, connect } from "../../src/client.ts";

/** How a burst is published. */
export type How = "awaited" | "loose" | "yields" | "emits";

/** The payload of a publication: from almost nothing to 1 kB. */
export function payload(n: number): { n: number; text: string } {
  return { n, text: "x".repeat((n * 37) % 1_000) };
}

/** Somebody who counts what comes. */
export interface Watcher {
  readonly name: string;
  /** How many came in their order, from 1. */
  count: number;
  /** What went wrong, if anything: a hole, a lost subscription, another end. */
  fault: string | undefined;
  close(): unknown;
}

/** The class of a client's sockets. */
type Sockets = NonNullable<ConnectOptions["WebSocket"]>;

/** What is watched: a channel asked for, a run, or a channel granted by the server. */
export type What = "channel" | "run" | "granted";

function take(watcher: Watcher, data: unknown): void {
  const { n } = data as { n?: number };
  // A run's start and ending are no part of the burst.
  if (n === undefined) return;
  if (n === watcher.count + 1) watcher.count = n;
  else watcher.fault ??= `${n} came after ${watcher.count}`;
}

/** A stock client, once it is subscribed. */
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

/** A client of our own, once it is subscribed. */
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
  // The answer comes after that to the subscription, which was asked for before.
  await client.history("news", { limit: 0 });
  return watcher;
}

/** Waits until everybody has so many, or something is wrong. */
export async function all(watchers: readonly Watcher[], count: number, patience = 60_000): Promise<void> {
  const until = performance.now() + patience;
  while (watchers.some((each) => each.count < count && each.fault === undefined)) {
    if (performance.now() > until) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
