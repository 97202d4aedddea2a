import { connect, createServer, type Socket } from "node:net";

/** A way to a server that a test can disturb. */
export interface Way {
  readonly port: number;
  /** What the server answers from now on is lost, on the connections that are there: all, or only those that subscribe. */
  swallow(which?: "all" | "subscribers"): void;
  /** Breaks all connections. New ones are made as before. */
  reset(): void;
  /** Refuses new connections, and breaks those that are there, until `mend`. */
  cut(): void;
  mend(): void;
  /** Leads to another port: new connections only. */
  lead(port: number): void;
  /** Milliseconds that everything takes from now on, there and back, on new connections. */
  delay(ms: number): void;
  /** Changes what the server answers, on new connections. */
  rewrite(change: (answer: string) => string): void;
  /** How many connections are there now. */
  readonly size: number;
  destroy(): void;
}

interface Pair {
  readonly near: Socket;
  isSubscriber: boolean;
  isMute: boolean;
}

/** Opens a way to the server of a port. */
export async function proxy(port: number): Promise<Way> {
  let target = port;
  let isCut = false;
  let latency = 0;
  let change: ((answer: string) => string) | undefined;
  const pairs = new Set<Pair>();
  const server = createServer((near) => {
    near.on("error", () => {});
    if (isCut) return void near.destroy();
    const far = connect({ port: target, host: "127.0.0.1" });
    const pair: Pair = { near, isSubscriber: false, isMute: false };
    const rewrites = change;
    const takes = latency;
    pairs.add(pair);
    far.on("error", () => near.destroy());
    near.once("close", () => {
      pairs.delete(pair);
      far.destroy();
    });
    far.once("close", () => near.destroy());
    near.on("data", (data) => {
      if (!pair.isSubscriber && /ssubscribe/i.test(data.toString("latin1"))) pair.isSubscriber = true;
      pass(far, data, takes);
    });
    far.on("data", (data) => {
      if (pair.isMute) return;
      pass(near, rewrites === undefined ? data : rewrites(data.toString("utf8")), takes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const reset = (): void => {
    for (const { near } of [...pairs]) near.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    swallow(which = "all") {
      for (const pair of pairs) if (which === "all" || pair.isSubscriber) pair.isMute = true;
    },
    reset,
    cut() {
      isCut = true;
      reset();
    },
    mend() {
      isCut = false;
    },
    lead(to) {
      target = to;
    },
    delay(ms) {
      latency = ms;
    },
    rewrite(by) {
      change = by;
    },
    get size() {
      return pairs.size;
    },
    destroy() {
      server.close();
      reset();
    },
  };
}

/** Writes to a socket, later if that takes time. What takes the same time stays in order. */
function pass(socket: Socket, data: Buffer | string, ms: number): void {
  if (ms === 0) socket.write(data);
  else setTimeout(() => socket.destroyed || socket.write(data), ms);
}
