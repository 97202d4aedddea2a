import { systemTiming, type Timer } from "../base/clock.ts";
import { ReplyError } from "../model/errors.ts";
import { onAwake } from "./awake.ts";
import { type Answered, createFeed, type Feed } from "./feed.ts";
import { addressOf, frame, jsonOf, named, refuse, textOf } from "./input.ts";
import { type ConnectResult, type Message, refusal } from "./messages.ts";
import type { ClientAddress, ClientStatus, ConnectOptions } from "./options.ts";
import type { ClientSocket } from "./socket.ts";
import { createWait } from "./waiting.ts";

/** What a command is about: a channel, or a method. */
type Params = { channel?: string; method?: string; [more: string]: unknown };

/** What may end a wait before its time. */
type Waiting = { signal?: AbortSignal | undefined } | undefined;

/** What a client does over its link. */
export interface Link {
  readonly status: ClientStatus;
  readonly feed: Feed;
  /**
   * Sends a command once there is a connection. Rejects with a TypeError where JSON does not hold it, and with a ReplyError,
   * which says by `verb` what cannot be done, when it is refused, or when the connection ends without an answer.
   */
  call<T>(name: string, verb: string, params: Params, waiting: Waiting, again?: boolean): Promise<T>;
  /** Says what is left to say, and closes: what waits rejects with `reason`. Settles once nothing is left. */
  close(reason: unknown): Promise<void>;
}

/** Milliseconds that a connection may take to be made, that a ping may be late, and after which a connection has lasted. */
const patience = 10_000;

/**
 * One connection at a time, made again whenever it is lost, until it is closed or `signal` aborts.
 *
 * Throws a TypeError for options that cannot be used. Whatever goes wrong in dialling is one more try that failed.
 */
export function createLink(
  url: Exclude<ClientAddress, URL>,
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
  if (!WebSocket) refuse("connect", "there is no WebSocket, give that of ws");
  textOf("connect", token ?? "");
  const hello = JSON.parse(jsonOf("connect", { data }));
  /** Aborts when it is closed, for the reason that all waits then reject with. */
  const life = new AbortController();
  const { signal: over } = life;
  const wait = createWait(over);
  let closed: Promise<void> | undefined;
  let status: ClientStatus = "waiting";
  /** Aborts when nobody waits any more for what the user is asked for. */
  let dialling: AbortController | undefined;
  let dialled: ClientSocket | undefined;
  /** The same one, while it is open. */
  let socket: ClientSocket | undefined;
  /** Whether the connect command has been answered. */
  let isAdmitted = false;
  let ids = 0;
  /** Who hears the answers to the commands sent. */
  const answers = new Map<number | undefined, Answered | undefined>();
  /** What asks, on this connection or the next. */
  const calls = new Set<() => void>();
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
    // It may throw, or reject, which is nothing to end the process for.
    (async () => onStatus?.(next, why))().catch(console.error);
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

  /** Asks the user for what it takes, and makes a socket: at once, where nobody has to be asked. */
  async function dial(): Promise<void> {
    dialling = new AbortController();
    const { signal } = dialling;
    become("connecting");
    listen(patience);
    try {
      if (getToken && !token) token = textOf("connect", await getToken({ signal }));
      const address = typeof url === "string" ? url : addressOf(await url({ signal }));
      signal.throwIfAborted();
      open(new (WebSocket as NonNullable<ConnectOptions["WebSocket"]>)(address));
    } catch (cause) {
      if (!signal.aborted) lost(getToken && !token ? 101 : 0, "dial failed", true, { cause });
    }
  }

  function open(made: ClientSocket): void {
    let cause: Error | undefined;
    dialled = made;
    made.onerror = ({ error }: { error?: Error }) => {
      cause = error;
    };
    made.onopen = opened;
    made.onmessage = ({ data }: { data: string }) => read(data);
    made.onclose = ({ code, reason }: { code: number; reason: string }) => {
      if (socket) return lost(code, reason);
      // Every runtime that tells the status ends with it.
      const [, status] = /: (\d{3})$/.exec(`${cause?.message}`) ?? [];
      const why = status ? `refused: ${status}` : "failed";
      lost(code, `handshake ${why}`, true, { cause, status: status && +status });
    };
    period = patience;
    listen(period);
  }

  function opened(): void {
    socket = dialled;
    answers.set(++ids, ({ connect, error }, size) => {
      if (!error) connected(connect as ConnectResult, size);
      else if (socket) lost(error.code, error.message, !!error.temporary);
    });
    const params = { token: token || undefined, ...hello, subs: feed.resume() };
    write(`{"id":${ids},"connect":${JSON.stringify(params)}}`);
    // What this client has read is its word only once it says so.
    write('{"send":{"data":{"ack":{}}}}');
  }

  function connected({ ping = Infinity, subs = {} }: ConnectResult, size: number): void {
    period = ping * 1000 + patience;
    isAdmitted = true;
    feed.open(subs, size);
    become("connected");
    time("connected", patience, () => {
      failures = 0;
    });
    for (const send of calls) send();
  }

  async function call<T>(
    name: string,
    verb: string,
    params: Params,
    waiting: Waiting,
    again?: boolean,
  ): Promise<T> {
    const what = named(verb, params.channel ?? params.method);
    const text = jsonOf(what, params);
    let send = (): void => {};
    const answer = wait<T>(waiting?.signal, (resolve, reject) => {
      send = () =>
        command(name, text, ({ error, [name]: result }, size) => {
          if (!error) resolve(result as T);
          // What may be asked again is, on the next connection, unless it may be why this one was lost.
          else if (size > 0 || !again || text.length > frame) reject(refusal(what, error));
        });
      calls.add(send);
      if (status === "connected") send();
    });
    return answer.finally(() => calls.delete(send));
  }

  function command(name: string, params: string, answered?: Answered): void {
    // The server says first who this is, and what it has subscribed to.
    if (!isAdmitted) return;
    answers.set(++ids, answered);
    write(`{"id":${ids},"${name}":${params}}`);
  }

  function write(message: string): void {
    socket?.send(message);
  }

  function read(frame: string): void {
    try {
      for (const line of frame.split("\n")) {
        // The connection may have been given up because of what stood before.
        if (socket && line) take(line);
      }
      if (socket) listen(period);
    } catch {
      lost(3012, "no answer");
    }
  }

  function take(line: string): void {
    const message: Message = Object(JSON.parse(line));
    const { id, push } = message;
    if (push) feed.push(push, line.length);
    if (line === "{}") {
      feed.ack();
      write("{}");
    }
    answers.get(id)?.(message, line.length);
    answers.delete(id);
  }

  /** Gives the connection up when nothing is heard in so many milliseconds. */
  function listen(ms: number): void {
    stop("ping");
    time("ping", ms, () => lost(3012, "no answer"));
  }

  /** The connection is over, or is to be, or was not made: the code says whether to come back. */
  function lost(
    code: number,
    reason: string,
    mayReturn = !/^[34][5-9]..$/.exec(`${code}`),
    details?: object,
  ): void {
    // A token that has expired is asked for anew, where there is somebody to ask.
    if (getToken && (code === 3005 || code === 109)) {
      token = undefined;
      mayReturn = true;
    }
    const error = new ReplyError(code, reason, mayReturn, socket ? {} : { tries: failures + 1, ...details });
    drop(error)?.terminate?.();
    feed.resume();
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

  /** Lets go of the connection there is, or would be. Answers it where its end is worth waiting for. */
  function drop(reason: unknown): ClientSocket | undefined {
    dialling?.abort(reason);
    // One that is still connecting never tells on some runtimes that it is closed.
    const last = socket;
    if (dialled) {
      dialled.onopen = dialled.onmessage = dialled.onclose = null;
      dialled.close(1000);
    }
    dialled = socket = undefined;
    isAdmitted = false;
    return last;
  }

  function close(reason: unknown, why?: ReplyError): Promise<void> {
    closed ??= end(reason, why);
    return closed;
  }

  async function end(reason: unknown, why: ReplyError | undefined): Promise<void> {
    feed.ack();
    const last = drop(reason);
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
    // Behind what takes long to answer its answer might be late.
    if (status !== "connected" || answers.size) return;
    command("ping", "{}");
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
