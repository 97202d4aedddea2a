import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What a proxy does with a WebSocket's upgrade: passes it on, answers 400, never answers, or resets the connection. */
export type Upgrades = "pass" | "refuse" | "swallow" | "reset";

/** A proxy that passes on requests, and may not know WebSockets. */
export interface PickyProxy {
  readonly port: number;
  upgrades: Upgrades;
  /** How many upgrades have come, whatever became of them. */
  readonly tried: number;
  /** How many connections are open to it. */
  readonly open: number;
  /** Cuts every connection without telling either end. */
  cut(): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of a port of this machine. */
export async function pickyProxy(port: number): Promise<PickyProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    keep(near);
    near.once("data", (first) => {
      if (/^upgrade: websocket\r$/im.test(first.toString("latin1"))) {
        proxy.tried++;
        if (proxy.upgrades === "swallow") return;
        if (proxy.upgrades === "reset") return void (near.resetAndDestroy?.() ?? near.destroy());
        if (proxy.upgrades === "refuse")
          return void near.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      }
      const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      keep(far);
      far.write(first);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.pipe(to);
        from.once("close", () => to.destroy());
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy = {
    port: (server.address() as AddressInfo).port,
    upgrades: "pass" as Upgrades,
    tried: 0,
    get open() {
      return sockets.size;
    },
    cut,
    async close() {
      if (!server.listening) return;
      server.close();
      cut();
      await once(server, "close");
    },
  };
  return proxy;
}
