import { onAwake } from "./awake.ts";
import type { ConnectOptions } from "./client.ts";
import { systemTiming, type Timer } from "./clock.ts";
import { ReplyError } from "./errors.ts";
import { createFeed, type Feed } from "./feed.ts";
import type { ConnectResult, Message, Reply } from "./reply.ts";
import { type Links, linkTo } from "./scope.ts";

/** What a client needs of a WebSocket: less than the standard's. */
export interface ClientSocket {
  /** Hears that it is open. */
  onopen: ((event: never) => unknown) | null;
  /** Hears a message, in `data`. */
  onmessage: ((event: never) => unknown) | null;
  /** Hears that it is closed, with `code` and `reason`. */
  onclose: ((event: never) => unknown) | null;
  /** Hears that something went wrong; `onclose` follows. */
  onerror: ((event: never) => unknown) | null;
  /** Sends a text message. */
  send(data: string): void;
  /** Begins the closing handshake. */
  close(code?: number): void;
  /** Ends the connection without waiting for the other side, where there is such a thing. */
  terminate?(): void;
}

/** How a client is connected: it dials, it is, it waits to dial again, or it is closed for good. */
export type ClientStatus = "connecting" | "connected" | "waiting" | "closed";

/** What may end a wait before its time. */
type Waiting = { signal?: AbortSignal | undefined } | undefined;

/** Hears the answer to a command, and how many characters it took: none where the connection was lost before. */
type Answered = (reply: Reply, size: number) => void;

type Begin<T> = (resolve: (value: T) => void, reject: (reason: unknown) => void) => void;

/** What a client does over its link. */
export interface Link {
  readonly status: ClientStatus;
  readonly feed: Feed;
  /** Sends a command once there is a connection. Rejects when it is refused, or when the connection ends without an answer. */
  call<T>(name: string, params: object, waiting: Waiting, again?: boolean): Promise<T>;
  /** Says what is left to say, and closes: what waits rejects with `reason`. Settles once nothing is left. */
  close(reason: unknown): Promise<void>;
}

/** What a feed needs of its link. */
export interface Wire {
  /** Waits until it is settled, `signal` aborts, or the link is closed; where that was before, nothing begins. */
  wait<T>(signal: AbortSignal | undefined, begin: Begin<T>): Promise<T>;
  command(body: object, answered?: Answered): void;
  write(message: object): void;
  /** Does something later, unless the status changes before. What is timed by the same name already stays. */
  time(name: string, ms: number, fire: () => void): void;
  /** Does something after so many failures: anything up to twice as late each time, and never at once. */
  retry(name: string, failures: number, fire: () => void): void;
}

/** Milliseconds that a connection may take to be made, that a ping may be late, and after which a connection has lasted. */
const patience = 10_000;

/**
 * One connection at a time, made again whenever it is lost, until it is closed or `signal` aborts.
 *
 * Throws what the socket's class does.
 */
export function createLink(
  url: string,
  {
    signal,
    token,
    getToken,
    data,
    WebSocket = (globalThis as Pick<ConnectOptions, "WebSocket">).WebSocket,
    clock = systemTiming,
    buffer = 1_048_576,
    onStatus,
  }: ConnectOptions,
): Link {
  if (!WebSocket) throw new TypeError("Cannot connect: give a WebSocket, this runtime has none");
  /** Aborts when it is closed, for the reason that all waits then reject with. */
  const life = new AbortController();
  const { signal: over } = life;
  const wait = createWait(over);
  let closed: Promise<void> | undefined;
  let status: ClientStatus = "waiting";
  let dialled: ClientSocket | undefined;
  /** The same one, while it is open. */
  let socket: ClientSocket | undefined;
  let ids = 0;
  /** Who hears the answers to the commands sent. */
  const answers = new Map<number | undefined, Answered | undefined>();
  /** What asks, on this connection or the next, by what it asks with. */
  const calls = new Map<object, () => void>();
  /** Connections in a row that failed or did not last. */
  let failures = 0;
  /** Milliseconds of silence after which the connection is given up. */
  let period: number;
  /** All that is timed ends with the status. */
  const timers = new Map<string, Timer>();

  function become(next: ClientStatus, why?: ReplyError): void {
    if (status === next) return;
    stop();
    status = next;
    try {
      onStatus?.(next, why);
    } catch (error) {
      console.error(error);
    }
  }

  function time(name: string, ms: number, fire: () => void): void {
    // Who hears of a status may have closed it.
    if (closed || timers.has(name)) return;
    const due = (): void => {
      timers.delete(name);
      fire();
    };
    timers.set(name, clock.timer(ms, due));
  }

  /** Stops what is timed by a name, or all of it. */
  function stop(name?: string): void {
    for (const [each, timer] of timers) {
      if (name && each !== name) continue;
      timer.cancel();
      timers.delete(each);
    }
  }

  function dial(): void {
    become("connecting");
    if (token || !getToken) return open();
    const renew = async (): Promise<void> => {
      try {
        token = await getToken({ signal: over });
      } catch {}
      open();
    };
    renew().catch(close);
  }

  function open(): void {
    if (over.aborted) return;
    if (getToken && !token) return lost(101, "no token", true);
    dialled = new (WebSocket as NonNullable<ConnectOptions["WebSocket"]>)(url);
    dialled.onerror = () => {};
    dialled.onopen = opened;
    dialled.onmessage = ({ data }: { data: string }) => read(data);
    dialled.onclose = ({ code, reason }: { code: number; reason: string }) => lost(code, reason);
    period = patience;
    listen(period);
  }

  function opened(): void {
    socket = dialled;
    command({ connect: { token, data } }, ({ connect, error }) => {
      if (!error) connected(connect as ConnectResult);
      else if (socket) lost(error.code, error.message, error.temporary);
    });
    // What this client has read is its word only once it says so.
    write({ send: { data: { ack: {} } } });
    feed.open();
  }

  function connected({ ping = Infinity }: ConnectResult): void {
    period = ping * 1000 + patience;
    become("connected");
    time("connected", patience, () => {
      failures = 0;
    });
    for (const ask of calls.values()) ask();
  }

  function call<T>(name: string, params: object, waiting: Waiting, again?: boolean): Promise<T> {
    return wait<T>(waiting?.signal, (resolve, reject) => {
      const ask = (): void =>
        command({ [name]: params }, ({ error, [name]: result }, size) => {
          if (!error) resolve(result as T);
          // What may be asked again is, on the next connection.
          else if (size > 0 || !again) reject(error);
        });
      calls.set(params, ask);
      if (status === "connected") ask();
    }).finally(() => calls.delete(params));
  }

  function command(body: object, answered?: Answered): void {
    const id = ++ids;
    answers.set(id, answered);
    write({ id, ...body });
  }

  function write(message: object): void {
    socket?.send(JSON.stringify(message));
  }

  function read(frame: string): void {
    try {
      for (const line of frame.split("\n")) {
        // The connection may have been given up because of what stood before.
        if (socket && line) take(line);
      }
      if (socket) listen(period);
    } catch {
      giveUp();
    }
  }

  function take(line: string): void {
    const message: Message = Object(JSON.parse(line));
    const { id, push, error } = message;
    if (error) message.error = new ReplyError(error.code, error.message, error.temporary);
    if (push) feed.push(push, line.length);
    if (line === "{}") {
      feed.ack();
      write({});
    }
    answers.get(id)?.(message, line.length);
    answers.delete(id);
  }

  /** Gives the connection up when nothing is heard in so many milliseconds. */
  function listen(ms: number): void {
    stop("ping");
    time("ping", ms, giveUp);
  }

  function giveUp(): void {
    lost(3012, "no ping");
  }

  /** The connection is over, or is to be: the code says whether to come back. */
  function lost(code: number, reason: string, mayReturn = !/^[34][5-9]..$/.exec(`${code}`)): void {
    // A token that has expired is asked for anew, where there is somebody to ask.
    if (getToken && (code === 3005 || code === 109)) {
      token = undefined;
      mayReturn = true;
    }
    const error = new ReplyError(code, reason, mayReturn);
    drop()?.terminate?.();
    // Nobody knows what became of what was not answered.
    for (const answered of answers.values()) answered?.({ error }, 0);
    answers.clear();
    if (!mayReturn) return void close(error, error);
    become("waiting", error);
    const [, seconds = 0] = /retry.after\D*(\d+)/i.exec(reason) ?? [];
    retry("connect", failures++, dial, +seconds * 1000);
  }

  function retry(name: string, failures: number, fire: () => void, least = 0): void {
    time(name, least + 100 + clock.random() * Math.min(20_000, 500 * 2 ** failures), fire);
  }

  /** Lets go of the connection there is. Answers it where its end is worth waiting for. */
  function drop(): ClientSocket | undefined {
    // One that is still connecting never tells on some runtimes that it is closed.
    const last = socket;
    if (dialled) {
      dialled.onopen = dialled.onmessage = dialled.onclose = null;
      dialled.close(1000);
    }
    dialled = socket = undefined;
    return last;
  }

  function close(reason: unknown, why?: ReplyError): Promise<void> {
    closed ??= end(reason, why);
    return closed;
  }

  async function end(reason: unknown, why: ReplyError | undefined): Promise<void> {
    feed.ack();
    const last = drop();
    life.abort(reason);
    become("closed", why);
    if (!last) return;
    /** Milliseconds that a close waits for its answer. */
    const farewell = 2_000;
    await new Promise<void>((resolve) => {
      last.onclose = resolve as () => void;
      time("close", farewell, resolve);
    });
    stop();
    last.terminate?.();
  }

  /** All may have changed: tries now what it waits to try, or whether the connection is still one. */
  function awake(): void {
    /** Milliseconds that an answer is waited for. */
    const moment = 5_000;
    if (status === "waiting") dial();
    if (status !== "connected") return;
    command({ ping: {} });
    listen(moment);
  }

  const feed = createFeed({ wait, command, write, time, retry }, buffer);
  if (!signal?.aborted) {
    dial();
    onAwake(awake, over);
  }
  wait(signal, () => {}).catch(close);
  return {
    get status() {
      return status;
    },
    feed,
    call,
    close,
  };
}

/** Makes what waits until it is settled, a signal aborts, or it is `over`. */
function createWait(over: AbortSignal): Wire["wait"] {
  const links: Links = new Map();
  return <T>(signal: AbortSignal | undefined, begin: Begin<T>) => {
    const undo: (() => void)[] = [];
    const waited = new Promise<T>((resolve, reject) => {
      for (const each of [signal, over]) {
        if (!each) continue;
        if (each.aborted) throw each.reason;
        undo.push(linkTo(links, each, reject));
      }
      begin(resolve, reject);
    });
    return waited.finally(() => {
      for (const end of undo) end();
    });
  };
}
