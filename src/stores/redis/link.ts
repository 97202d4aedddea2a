import { ignorable, type Scope } from "../../base/scope.ts";
import { ClosedError, describe, LogError } from "../../model/errors.ts";
import type { Connection, ConnectionEvents, Connector, Opening } from "./connection-port.ts";
import { faultOf, isOfReplica, isUnknownScript } from "./faults.ts";

/** A script, and the hash that Redis knows it by. */
export interface Script {
  readonly text: string;
  readonly hash: string;
}

/** What a link is created from. */
export interface LinkParts {
  readonly connector: Connector;
  readonly scope: Scope;
  /** Called for each message of a channel that is subscribed to. */
  message(name: string, text: string): void;
  /** Called when messages may have been missed on a connection that is open. */
  doubted(error: unknown): void;
  /** Called when a connection that was open has ended. The next call opens another one. */
  ended(): void;
}

/** Milliseconds that a command, or making a connection, may take. Then the connection is given up. */
const patience = 5_000;
/** Milliseconds after a failed attempt during which no other one is made. */
const pause = 100;

/**
 * A connection to Redis that is opened when it is needed, and again after it has ended. No command waits for a lost
 * connection, and none is sent again: that is decided above.
 */
export class Link {
  readonly #parts: LinkParts;
  #opening: Promise<Connection> | undefined;
  #connection: Connection | undefined;
  #close = (): void => {};
  #failed: { readonly error: unknown; readonly until: () => boolean } | undefined;
  /** Commands that are not answered, and how each is given up. The oldest comes first. */
  readonly #calls = new Map<object, { readonly since: number; readonly reject: (error: unknown) => void }>();
  #stopWatching: (() => void) | undefined;
  readonly #now: () => number;

  constructor(parts: LinkParts, now: () => number) {
    this.#parts = parts;
    this.#now = now;
  }

  /** Whether commands can be sent at once. */
  get isOpen(): boolean {
    return this.#connection !== undefined;
  }

  /** Calls a script. One that Redis does not know yet is sent whole. */
  async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    try {
      return await this.runKnown(script, keys, args);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return await this.runWhole(script, keys, args);
    }
  }

  /** Calls a script by its hash. */
  runKnown({ hash }: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.send(keys[0] ?? "", ["EVALSHA", hash, String(keys.length), ...keys, ...args]);
  }

  /** Calls a script by its text. */
  runWhole({ text }: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.send(keys[0] ?? "", ["EVAL", text, String(keys.length), ...keys, ...args]);
  }

  /** Sends a command. `key` tells a Cluster where to. */
  send(key: string, command: readonly string[]): Promise<unknown> {
    return this.use((connection) => connection.send(key, command));
  }

  /** Uses the connection, at once if it is open. */
  async use<T>(act: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.#connection ?? (await this.#open());
    return await this.#call(connection, act);
  }

  #call<T>(connection: Connection, act: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#parts.scope.wait<T>("an answer of Redis", undefined, ({ resolve, reject }) => {
      const call = {};
      this.#calls.set(call, { since: this.#now(), reject });
      this.#watch();
      act(connection).then(resolve, (error: unknown) => {
        reject(error);
        // Another connection may lead to the server that is the master now.
        if (isOfReplica(error) && connection === this.#connection) this.end(error);
      });
      return () => {
        this.#calls.delete(call);
        if (this.#calls.size === 0) this.#unwatch();
      };
    });
  }

  /** Sees to it that a command which is not answered gives its connection up. */
  #watch(): void {
    if (this.#stopWatching !== undefined) return;
    const [oldest] = this.#calls.values();
    if (oldest === undefined) return;
    const rest = oldest.since + patience - this.#now();
    this.#stopWatching = this.#parts.scope.timer("an answer of Redis", rest, () => {
      this.#stopWatching = undefined;
      const [first] = this.#calls.values();
      if (first !== undefined && this.#now() - first.since >= patience)
        this.end(new Error(`Redis has not answered for ${patience} ms`));
      else this.#watch();
    });
  }

  #unwatch(): void {
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  #open(): Promise<Connection> {
    if (this.#failed?.until() === true) return Promise.reject(this.#failed.error);
    this.#opening ??= this.#connect();
    return this.#opening;
  }

  async #connect(): Promise<Connection> {
    const { scope, connector } = this.#parts;
    let isEnded = false;
    let opening: Opening | undefined;
    const events: ConnectionEvents = {
      doubted: (error) => doubted(error),
      message: (name: string, text: string): void => {
        if (!isEnded) this.#parts.message(name, text);
      },
      ended: (error: Error | undefined): void => {
        if (isEnded) return;
        isEnded = true;
        if (this.#close === close) this.end(error ?? new Error("The connection to Redis has ended"));
      },
    };
    const close = (): void => {
      isEnded = true;
      opening?.close();
    };
    const doubted = (error: Error | undefined): void => {
      if (this.#connection !== undefined && this.#close === close)
        this.#parts.doubted(error ?? new Error("A part of the connection to Redis has ended"));
    };
    this.#close = close;
    try {
      opening = connector.open(events);
      // The scope may be over before anything waits for it.
      const opened = ignorable(opening.opened);
      const connection = await scope.wait<Connection>("a connection to Redis", undefined, (settle) => {
        opened.then(settle.resolve, settle.reject);
        return scope.timer("a connection to Redis", patience, () =>
          settle.reject(new Error(`Redis has not answered for ${patience} ms`)),
        );
      });
      await this.#call(connection, checkVersion);
      if (isEnded) throw new Error("The connection to Redis has ended");
      this.#connection = connection;
      return connection;
    } catch (error) {
      close();
      const over = this.#now() + pause;
      this.#failed = { error, until: () => this.#now() < over };
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  /** Gives the connection up. All commands that are not answered reject. */
  end(error: unknown): void {
    const wasOpen = this.#connection !== undefined;
    this.#connection = undefined;
    this.#close();
    this.#close = () => {};
    for (const { reject } of [...this.#calls.values()]) reject(error);
    if (wasOpen && !this.#parts.scope.isOver) this.#parts.ended();
  }

  /** Closes it for ever. The scope has to be ended, too. */
  close(): void {
    this.end(new ClosedError("Cannot go on: the log is closed"));
  }
}

/** @throws {LogError} a lasting one, when Redis is older than 7. One that does not tell its version is tried */
async function checkVersion(connection: Connection): Promise<void> {
  let info = "";
  try {
    info = String(await connection.send("", ["INFO", "server"]));
  } catch (error) {
    if (!/NOPERM/.test(describe(error).message)) throw faultOf(error, "use Redis");
  }
  const version = /redis_version:(\d+)\S*/.exec(info);
  if (version === null || Number(version[1]) >= 7) return;
  const found = version[0].slice("redis_version:".length);
  throw new LogError(`Cannot use Redis ${found}: it needs version 7 or later`, { lasting: true });
}
