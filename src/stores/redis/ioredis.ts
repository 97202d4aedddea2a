import type { Connection, ConnectionEvents, Connector, Opening } from "./connection-port.ts";

/** What is used of a client of `ioredis`. */
export interface IoredisClient {
  readonly options?: { readonly keyPrefix?: unknown; readonly redisOptions?: object } | undefined;
  /** Only a Cluster has it. */
  readonly isCluster?: boolean;
  duplicate(...overrides: unknown[]): IoredisClient;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  call(command: string, ...args: string[]): Promise<unknown>;
  ssubscribe(...names: string[]): Promise<unknown>;
  sunsubscribe(...names: string[]): Promise<unknown>;
}

/**
 * A command is answered or rejects: none waits for a connection, and none is sent again by the client. So a connection that
 * ends is not made again; the log opens another one. The commands of one turn leave together.
 */
const overrides = {
  lazyConnect: true,
  enableAutoPipelining: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  retryStrategy: null,
};

export function ioredisConnector(client: IoredisClient): Connector {
  const isCluster = client.isCluster === true;
  const duplicate = (): IoredisClient =>
    isCluster
      ? client.duplicate([], { lazyConnect: true, enableAutoPipelining: true, shardedSubscribers: true })
      : client.duplicate(overrides);
  return { isCluster, open: (events) => open(duplicate(), events) };
}

/** What the client of a Cluster tells when it connects again by itself. */
const doubts = ["node error", "nodeError", "-node", "-subscriber"];

function open(client: IoredisClient, events: ConnectionEvents): Opening {
  let last: Error | undefined;
  client.on("error", (error: Error) => {
    last = error;
    events.doubted(error);
  });
  for (const doubt of doubts) client.on(doubt, () => events.doubted(undefined));
  client.on("end", () => events.ended(last));
  client.on("smessage", (name: string, text: string) => events.message(name, text));
  const close = (): void => client.disconnect();
  const connection: Connection = {
    send: (_, [name = "", ...args]) => client.call(name, ...args),
    subscribe: (names) => client.ssubscribe(...names),
    unsubscribe: (names) => client.sunsubscribe(...names),
    close,
  };
  const connect = async (): Promise<Connection> => {
    try {
      await client.connect();
    } catch (error) {
      // "Connection is closed." says less than the error before it.
      throw last ?? error;
    }
    return connection;
  };
  return { opened: connect(), close };
}
