import type { Connection, ConnectionEvents, Connector, Opening } from "./connection-port.ts";

/** What is used of a client of `redis`. */
export interface NodeRedisClient {
  readonly options?:
    | { readonly socket?: object; readonly commandOptions?: object; readonly keyPrefix?: unknown }
    | undefined;
  readonly isOpen?: boolean;
  duplicate(overrides?: object): NodeRedisClient;
  connect(): Promise<unknown>;
  destroy(): unknown;
  on(event: string, listener: (...args: never[]) => void): unknown;
  sendCommand(...args: unknown[]): Promise<unknown>;
  sSubscribe(names: string[], listener: (text: string, name: string) => void): Promise<unknown>;
  sUnsubscribe(names: string[], listener: (text: string, name: string) => void): Promise<unknown>;
  /** Only a Cluster has it. */
  nodeClient?: unknown;
  /** Only a Sentinel has it. */
  getSentinelNode?: unknown;
  acquire?: unknown;
}

/** How a command is sent differs between a single server, a Cluster and a Sentinel. */
type Kind = "single" | "cluster" | "sentinel";

export function nodeRedisConnector(client: NodeRedisClient): Connector {
  const kind = kindOf(client);
  return {
    isCluster: kind === "cluster",
    open: (events) => open(client.duplicate(overrides(client, kind)), kind, events),
  };
}

function kindOf(client: NodeRedisClient): Kind {
  if (typeof client.nodeClient === "function") return "cluster";
  return typeof client.acquire === "function" ? "sentinel" : "single";
}

/**
 * A command is answered or rejects: none waits for a connection, and none is sent again by the client. So a connection that
 * ends is not made again; the log opens another one. The log has its own patience, too: the time-out of the client would
 * create a signal for each command.
 */
function overrides({ options }: NodeRedisClient, kind: Kind): object {
  if (kind !== "single") return {};
  return {
    disableOfflineQueue: true,
    socket: { ...options?.socket, reconnectStrategy: false },
    commandOptions: { ...options?.commandOptions, timeout: undefined },
  };
}

/** What the clients of a Cluster and of a Sentinel tell when they connect again by themselves. */
const doubts: Record<Kind, readonly string[]> = {
  single: [],
  cluster: ["node-error", "node-disconnect", "node-reconnecting", "sharded-channel-moved-error"],
  sentinel: ["client-error", "topology-change", "reconnecting"],
};

function open(client: NodeRedisClient, kind: Kind, events: ConnectionEvents): Opening {
  let isClosed = false;
  client.on("error", (error: Error) => {
    if (kind === "single") events.ended(error);
    else events.doubted(error);
  });
  for (const doubt of doubts[kind]) client.on(doubt, () => events.doubted(undefined));
  client.on("end", () => events.ended(undefined));
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    void attempt(() => client.destroy());
  };
  const connection = connectionOf(client, kind, events, close);
  const connect = async (): Promise<Connection> => {
    await client.connect();
    // A client that is destroyed while it connects still gets its socket, and keeps it.
    if (isClosed) void attempt(() => client.destroy());
    return connection;
  };
  return { opened: connect(), close };
}

function connectionOf(
  client: NodeRedisClient,
  kind: Kind,
  events: ConnectionEvents,
  close: () => void,
): Connection {
  const listener = (text: string, name: string): void => events.message(name, text);
  return {
    send(key, command) {
      if (kind === "cluster") return client.sendCommand(key, false, command);
      return kind === "sentinel" ? client.sendCommand(false, command) : client.sendCommand(command);
    },
    subscribe: (names) => client.sSubscribe([...names], listener),
    unsubscribe: (names) => client.sUnsubscribe([...names], listener),
    close,
  };
}

/** A client that is closed already throws. */
async function attempt(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch {}
}
