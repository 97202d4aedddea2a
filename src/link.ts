import { onAwake } from "./awake.ts";
import type { Clock, Timer } from "./clock.ts";
import { ReplyError } from "./errors.ts";
import { createFeed, type Feed } from "./feed.ts";
import type { ConnectResult, Message, Reply } from "./reply.ts";
import { Links } from "./scope.ts";

/** What a client needs of a WebSocket: less than the standard's. */
export interface ClientSocket {
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  send(data: string): void;
  close(code?: number): void;
  /** Ends the connection without waiting for the other side, where there is such a thing. */
  terminate?(): void;
}

/** How a client is connected: it dials, it is, it waits to dial again, or it is closed for good. */
export type ClientStatus = "connecting" | "connected" | "waiting" | "closed";

/** How a link is kept up. */
export interface LinkOptions {
  readonly url: string;
  readonly token?: string | undefined;
  readonly getToken?: ((context: { signal: AbortSignal }) => string | Promise<string>) | undefined;
  readonly data?: unknown;
  readonly clock: Pick<Clock, "now" | "timer" | "random">;
  /** Characters that may wait for one reader. */
  readonly buffer: number;
  readonly WebSocket: new (url: string) => ClientSocket;
  readonly onStatus?: ((status: ClientStatus, why?: ReplyError) => void) | undefined;
}

/** What may end a wait before its time. */
type Waiting = { signal?: AbortSignal | undefined } | undefined;

/** Hears the answer to a command, and how many characters it took. */
type Answered = (reply: Reply, size: number) => void;

/** One connection at a time, made again whenever it is lost, and the commands that wait for it. */
export interface Link {
  readonly status: ClientStatus;
  readonly feed: Feed;
  readonly timers: ReadonlyMap<string, Timer>;
  /** Throws where nothing is waited for any more: the reason of `signal`, or that of the closing. */
  check(signal: AbortSignal | undefined): void;
  /** Waits until it is settled, `signal` aborts, or the link is closed. What `begin` returns is called in the end. */
  wait<T>(signal: AbortSignal | undefined, begin: Begin<T>): Promise<T>;
  /** Sends a command once there is a connection. Rejects when it is refused, or when the connection ends without an answer. */
  call<T>(name: string, params: object, waiting: Waiting, again?: boolean): Promise<T>;
  command(body: object, answered?: Answered): void;
  write(message: object): void;
  /** Does something later, unless the connection, or the wait for one, is over before, or the same name is used again. */
  time(name: string, ms: number, fire: () => void): void;
  /** How long to wait after so many failures: anything up to twice as long each time, and never nothing. */
  delay(failures: number): number;
  /** Says what is left to say, and closes: what waits rejects with `reason`. Settles once nothing is left. */
  close(reason: unknown): Promise<void>;
}

type Begin<T> = (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void;

/** A command that somebody waits for. */
interface Call {
  readonly body: object;
  /** Whether it is sent again when the connection was lost before its answer. */
  readonly again: boolean;
  isSent: boolean;
  answered(reply: Reply): void;
}

/** Milliseconds that a connection may take to be made, and that may pass after the time of a ping. */
const patience = 10_000;
/** Milliseconds that an answer is waited for when all may have changed. */
const moment = 5_000;
/** Milliseconds that a close waits for its answer. */
const farewell = 2_000;
/** Milliseconds for which a connection has to last so that the next delay is short again. */
const steady = 10_000;

/** Dials, and does so again until it is closed, or `signal` aborts. Throws what the socket's class does. */
export function createLink(options: LinkOptions, signal: AbortSignal | undefined): Link {
  const { clock, getToken, onStatus } = options;
  let { token } = options;
  const links = new Links(console.error);
  /** Aborts when it is closed, for the reason that all waits then reject with. */
  const life = new AbortController();
  let closed: Promise<void> | undefined;
  let status: ClientStatus = "waiting";
  let socket: ClientSocket | undefined;
  let isOpen = false;
  let ids = 0;
  const answers = new Map<number, Answered>();
  const calls = new Set<Call>();
  /** Connections in a row that failed or did not last. */
  let failures = 0;
  /** Milliseconds after which a silence is no longer one between two pings. */
  let period: number;
  /** All that is timed ends with the connection, or with the wait for one. */
  const timers = new Map<string, Timer>();

  function become(next: ClientStatus, why?: ReplyError): void {
    status = next;
    try {
      onStatus?.(next, why);
    } catch (error) {
      console.error(error);
    }
  }

  function time(name: string, ms: number, fire: () => void): void {
    timers.get(name)?.cancel();
    const timer = clock.timer(ms, () => {
      timers.delete(name);
      fire();
    });
    timers.set(name, timer);
  }

  function stop(): void {
    for (const timer of timers.values()) timer.cancel();
    timers.clear();
  }

  function check(signal: AbortSignal | undefined): void {
    for (const each of [signal, life.signal]) each?.throwIfAborted();
  }

  async function wait<T>(signal: AbortSignal | undefined, begin: Begin<T>): Promise<T> {
    check(signal);
    const undo: (() => void)[] = [];
    try {
      return await new Promise<T>((resolve, reject) => {
        for (const each of [signal, life.signal]) undo.push(links.link(each, reject));
        undo.push(begin(resolve, reject));
      });
    } finally {
      for (const end of undo) end();
    }
  }

  function dial(): void {
    stop();
    become("connecting");
    if (token !== undefined || getToken === undefined) return open();
    const { signal } = life;
    new Promise<string>((resolve) => resolve(getToken({ signal })))
      .then(
        (given) => {
          token = given;
          if (!signal.aborted) open();
        },
        () => signal.aborted || lost(101, "no token", true),
      )
      .catch(close);
  }

  function open(): void {
    socket = new options.WebSocket(options.url);
    socket.onerror = () => {};
    socket.onopen = opened;
    socket.onmessage = ({ data }: { data: string }) => read(data);
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => lost(code, reason);
    period = patience;
    listen(period);
  }

  function opened(): void {
    isOpen = true;
    const { data } = options;
    command({ connect: { token, data } }, ({ connect = {}, error }) => {
      if (error === undefined) return connected(connect);
      const { code, message, temporary = false } = error;
      lost(code, message, temporary || (code === 109 && getToken !== undefined));
    });
    // What this client has read is its word only once it says so.
    write({ send: { data: { ack: {} } } });
    feed.opened();
  }

  function connected({ ping }: ConnectResult): void {
    period = (ping || Number.POSITIVE_INFINITY) * 1000 + patience;
    time("steady", steady, () => {
      failures = 0;
    });
    become("connected");
    for (const each of calls) send(each);
  }

  function call<T>(name: string, params: object, waiting: Waiting, again = false): Promise<T> {
    return wait<T>(waiting?.signal, (resolve, reject) => {
      const answered = ({ error, [name]: result }: Reply): void => {
        if (error === undefined) resolve(result as T);
        else reject(new ReplyError(error.code, error.message, error.temporary));
      };
      const call = { body: { [name]: params }, again, answered, isSent: false };
      calls.add(call);
      if (status === "connected") send(call);
      return () => calls.delete(call);
    });
  }

  function send(call: Call): void {
    call.isSent = true;
    command(call.body, call.answered);
  }

  function command(body: object, answered?: Answered): void {
    const id = ++ids;
    if (answered !== undefined) answers.set(id, answered);
    write({ id, ...body });
  }

  function write(message: object): void {
    if (isOpen) socket?.send(JSON.stringify(message));
  }

  function read(frame: string): void {
    try {
      for (const line of frame.split("\n")) {
        // The connection may have been given up because of what stood before.
        if (isOpen && line !== "") take(Object(JSON.parse(line)), line.length);
      }
      if (isOpen) listen(period);
    } catch {
      giveUp();
    }
  }

  function take(message: Message, size: number): void {
    const { id = 0, push } = message;
    if (push !== undefined) feed.pushed(push, size);
    if (size === 2) {
      feed.acknowledge();
      write({});
    }
    answers.get(id)?.(message, size);
    answers.delete(id);
  }

  /** Gives the connection up when nothing is heard in so many milliseconds. */
  function listen(ms: number): void {
    time("silence", ms, giveUp);
  }

  function giveUp(): void {
    lost(3012, "no ping");
  }

  /** The connection is over, or is to be: the code says whether to come back. */
  function lost(code: number, reason: string, mayReturn = !/^(3[5-9]|4[5-9])..$/.test(`${code}`)): void {
    const error = new ReplyError(code, reason, mayReturn);
    // It has expired, and so a new one is asked for, where there is somebody to ask.
    if ((code === 3005 || code === 109) && getToken !== undefined) token = undefined;
    drop()?.terminate?.();
    for (const call of calls) {
      if (call.isSent && !call.again) call.answered({ error });
      call.isSent = false;
    }
    if (!mayReturn) return void close(error, error);
    become("waiting", error);
    const seconds = Number(/retry.after\D{0,3}(\d{1,5})/i.exec(reason)?.[1] ?? 0);
    time("dial", seconds * 1000 + delay(failures++), dial);
  }

  function delay(failures: number): number {
    return 100 + clock.random() * Math.min(20_000, 500 * 2 ** failures);
  }

  /** Lets go of the connection there is. Answers it where its end is worth waiting for. */
  function drop(): ClientSocket | undefined {
    const gone = socket;
    const wasOpen = isOpen;
    socket = undefined;
    isOpen = false;
    answers.clear();
    stop();
    if (gone === undefined) return undefined;
    gone.onopen = gone.onmessage = gone.onclose = null;
    gone.close(1000);
    // One that is still connecting never tells on some runtimes that it is closed.
    return wasOpen ? gone : undefined;
  }

  function close(reason: unknown, why?: ReplyError): Promise<void> {
    closed ??= end(reason, why);
    return closed;
  }

  async function end(reason: unknown, why: ReplyError | undefined): Promise<void> {
    feed.acknowledge();
    const last = drop();
    become("closed", why);
    life.abort(reason);
    links.end();
    if (last === undefined) return;
    await new Promise<void>((resolve) => {
      last.onclose = () => resolve();
      time("close", farewell, resolve);
    });
    stop();
    last.terminate?.();
  }

  const link: Link = {
    get status() {
      return status;
    },
    get feed() {
      return feed;
    },
    timers,
    check,
    wait,
    call,
    command,
    write,
    time,
    delay,
    close,
  };
  const feed = createFeed(link, options.buffer);
  links.link(signal, close);
  if (!life.signal.aborted) {
    dial();
    onAwake(() => {
      if (status === "waiting") dial();
      if (status !== "connected") return;
      command({ ping: {} });
      listen(moment);
    }, life.signal);
  }
  return link;
}
