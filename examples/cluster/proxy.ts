import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A port in front of several others. */
export interface ProxyPort {
  readonly port: number;
  /** Accepts no more connections. Those that it has stay. */
  stop(): void;
  /** Ends the connections that are left. */
  destroy(): void;
}

/**
 * Listens on a port of 127.0.0.1, and gives every connection to the next of the ports that `targets` returns. Of one that
 * does not answer, because its server was killed a moment ago, it goes to the one after it.
 */
export async function startProxy(port: number, targets: () => readonly number[]): Promise<ProxyPort> {
  const sockets = new Set<Socket>();
  let next = 0;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    // An error is followed by "close".
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const give = async (client: Socket): Promise<void> => {
    const ports = targets();
    const first = next++;
    for (let tried = 0; tried < ports.length; tried++) {
      const server = keep(connect(ports[(first + tried) % ports.length] as number, "127.0.0.1"));
      server.setNoDelay();
      const isConnected = await once(server, "connect").then(
        () => true,
        () => false,
      );
      if (!isConnected) continue;
      client.on("close", () => server.destroy());
      server.on("close", () => client.destroy());
      if (client.destroyed) server.destroy();
      else client.pipe(server).pipe(client);
      return;
    }
    client.destroy();
  };
  const proxy = createServer({ noDelay: true }, (client) => void give(keep(client)));
  proxy.listen(port, "127.0.0.1");
  await once(proxy, "listening");
  return {
    port: (proxy.address() as AddressInfo).port,
    stop: () => void proxy.close(),
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
