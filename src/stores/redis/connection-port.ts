/** A connection, or the connections to all shards of a Cluster. */
export interface Connection {
  /** Sends a command. All commands of one turn should leave together. `key` is what a Cluster finds the shard by. */
  send(key: string, command: readonly string[]): Promise<unknown>;
  /** Subscribes to sharded channels. At most 500 at once, and in a Cluster only of one hash tag. */
  subscribe(names: readonly string[]): Promise<unknown>;
  unsubscribe(names: readonly string[]): Promise<unknown>;
  /** Closes it at once. What is not answered rejects. */
  close(): void;
}

/** What a connection tells whoever has opened it. */
export interface ConnectionEvents {
  message(name: string, text: string): void;
  /** Called when the connection has ended, at least once. */
  ended(error: Error | undefined): void;
  /** Called when the client makes a part of the connection again by itself. Messages may have been missed meanwhile. */
  doubted(error: Error | undefined): void;
}

/** Opens connections like that of the user's client. */
export interface Connector {
  /** Whether the keys are divided among several servers. */
  readonly isCluster: boolean;
  open(events: ConnectionEvents): Opening;
}

/** A connection that is being opened. It may be closed before it is there. */
export interface Opening {
  readonly opened: Promise<Connection>;
  close(): void;
}
