import { systemTiming, type Timer } from "../base/clock.ts";
import { ReplyError } from "../model/errors.ts";
import { onAwake } from "./awake.ts";
import { type Answered, createFeed } from "./feed.ts";
import { addressOf, frame, jsonOf, named, refuse, textOf } from "./input.ts";
import type { Link, Params } from "./link-port.ts";
import { type ConnectResult, type Message, refusal } from "./messages.ts";
import type { ClientAddress, ClientStatus, ConnectOptions } from "./options.ts";
import type { ClientSocket, SocketClass } from "./socket.ts";
import { createWait } from "./waiting.ts";

/**
 * Milliseconds in which a connection must be made, by which a ping may be late, and after which a connection is stable.
 */
const patience = 10_000;
/** Milliseconds in which a socket must open if another class can be tried. */
const openTimeout = 2_500;
/** Milliseconds for which a class that worked is tried first, before those that precede it in the list. */
const preference = 300_000;

/**
 * Creates a link, which has one connection at a time. A lost connection is made again until the link is closed or
 * `signal` aborts.
 *
 * Throws a TypeError for invalid options. Any error while dialling counts as a failed try.
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
  const classes = [WebSocket].flat() as SocketClass[];
  if (!classes.some(Boolean)) refuse("connect", "no WebSocket, give that of ws");
  textOf("use token", token ?? "");
  const hello = JSON.parse(jsonOf("connect", { name: "tocsin", data }));
  /** Aborts when the link is closed, with the reason that all pending waits reject with. */
  const life = new AbortController();
  const { signal: over } = life;
  const wait = createWait(over);
  let closed: Promise<void> | undefined;
  let status: ClientStatus = "waiting";
  /** Aborts when the results of `url` and `getToken` are no longer needed. */
  let dialling: AbortController | undefined;
  let dialled: ClientSocket | undefined;
  /** The same socket, while it is open. */
  let socket: ClientSocket | undefined;
  /** Whether the server has accepted the connect command. */
  let isAdmitted = false;
  /** The index of the class that is used now. */
  let way = 0;
  /** The index of the class that is tried first. */
  let best = 0;
  /** Whether a socket was created, and no message received yet. */
  let isTrying = false;
  /** Set while a class is tried first that is not the first of the list. */
  let forget: Timer | undefined;
  let ids = 0;
  /** The callbacks for replies, by the id of the command. */
  const answers = new Map<number | undefined, Answered | undefined>();
  /** For each pending call, the function that sends its command on the current connection. */
  const calls = new Set<() => void>();
  /** Consecutive connections that failed or did not become stable. */
  let failures = 0;
  /** Milliseconds without a message after which the connection is given up. 0: the client has to test it with pings. */
  let period = patience;
  /** The timers, by name. All are cancelled when the status changes. */
  const timers = new Map<string, Timer>();

  function become(next: ClientStatus, why?: ReplyError): void {
    if (status === next) return;
    stop();
    status = next;
    // What `onStatus` throws or rejects with must not end the process.
    (async () => onStatus?.(next, why, way))().catch(console.error);
  }

  function time(name: string, ms: number, fire: () => void): void {
    // `onStatus` may have closed the link.
    if (closed || timers.has(name)) return;
    const due = (): void => {
      timers.delete(name);
      fire();
    };
    timers.set(name, clock.timer(ms, due));
  }

  /** Cancels the timer of a name, or all timers. */
  function stop(name?: string): void {
    for (const [each, timer] of timers) {
      if (name && each !== name) continue;
      timer.cancel();
      timers.delete(each);
    }
  }

  /** Gets the token and the URL, and creates a socket: synchronously when no function of the user has to be called. */
  async function dial(): Promise<void> {
    dialling = new AbortController();
    const { signal } = dialling;
    become("connecting");
    listen(patience);
    try {
      if (getToken && !token) token = textOf("use token", await getToken({ signal }));
      const address = typeof url === "string" ? url : addressOf(await url({ signal }));
      signal.throwIfAborted();
      isTrying = true;
      open(new (classes[way] as SocketClass)(address));
    } catch (cause) {
      if (!signal.aborted) lost(getToken && !token ? 101 : 0, "dial failed", true, { cause });
    }
  }

  function open(newSocket: ClientSocket): void {
    let cause: Error | undefined;
    dialled = newSocket;
    newSocket.onerror = ({ error }: { error?: Error }) => {
      cause = error;
    };
    newSocket.onopen = opened;
    newSocket.onmessage = ({ data }: { data: string }) => read(data);
    newSocket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      // Runtimes that expose the HTTP status put it at the end of the error's message.
      const [, status] = /: (\d{3})$/.exec(`${cause?.message}`) ?? [];
      const why = status ? `refused: ${status}` : "failed";
      lost(code, socket ? reason : `handshake ${why}`, undefined, { cause, status: status && +status });
    };
    listen(nextWay() === best ? patience : openTimeout);
  }

  function opened(): void {
    socket = dialled;
    listen(patience);
    const params = { token: token || undefined, ...hello, subs: feed.resume() };
    command("connect", JSON.stringify(params), ({ connect, error }, size) => {
      if (!error) connected(connect as ConnectResult, size);
      else if (socket) lost(error.code, error.message, !!error.temporary);
    });
    // Tells the server that this client acknowledges explicitly: a pong must not count as an acknowledgement.
    write('{"send":{"data":{"ack":{}}}}');
  }

  function connected({ ping: seconds, subs = {} }: ConnectResult, size: number): void {
    period = seconds ? seconds * 1000 + patience : 0;
    isAdmitted = true;
    best = way;
    if (way)
      forget ??= clock.timer(preference, () => {
        best = 0;
        forget = undefined;
      });
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
    signal: AbortSignal | undefined,
    again?: boolean,
  ): Promise<T> {
    const what = named(verb, params.channel ?? params.method);
    const text = jsonOf(what, params);
    let send: () => void;
    const answer = wait<T>(signal, (resolve, reject) => {
      send = () =>
        command(name, text, ({ error, [name]: result }, size) => {
          if (!error) resolve(result as T);
          // A repeatable command is sent again on the next connection, unless its length may be why this one was lost.
          else if (size > 0 || !again || text.length > frame) reject(refusal(what, error));
        });
      calls.add(send);
      if (status === "connected") send();
    });
    return answer.finally(() => calls.delete(send));
  }

  function command(name: string, params: string, answered?: Answered): void {
    // The connect reply must come first: it authenticates the client and names the server's own subscriptions.
    if (!isAdmitted && name !== "connect") return;
    answers.set(++ids, answered);
    write(`{"id":${ids},"${name}":${params}}`);
  }

  function write(message: string): void {
    socket?.send(message);
  }

  function read(frame: string): void {
    isTrying = false;
    try {
      for (const line of frame.split("\n")) {
        // An earlier line may have ended the connection.
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
      write(line);
    }
    answers.get(id)?.(message, line.length);
    answers.delete(id);
  }

  /**
   * Gives the connection up when nothing is received for `ms` milliseconds. When `ms` is 0, nothing need be received
   * until the client sends its next ping.
   */
  function listen(ms: number): void {
    /** Milliseconds between the pings of a client whose server sends none. */
    const pingInterval = 25_000;
    stop("silence");
    if (ms) time("silence", ms, () => lost(3012, "no answer"));
    // The answer sets this timer again, and not the timer itself: in hidden tabs, browsers delay chains of timers.
    else time("ping", pingInterval, () => test(patience));
  }

  /** Tests the connection with a ping, which must be answered within `ms` milliseconds. */
  function test(ms: number): void {
    /**
     * The same text each time, so that a host can answer it with a fixed text and without its application. No command
     * has this id: it is the last one that the protocol can express.
     */
    const ping = '{"id":4294967295,"ping":{}}';
    write(ping);
    listen(ms);
  }

  /** Handles a connection that ended, must end or was not made. The code decides whether to reconnect. */
  function lost(
    code: number,
    reason: string,
    mayReturn = !/^[34][5-9]..$/.exec(`${code}`),
    details?: object,
  ): void {
    // An expired token is replaced by a new one from `getToken`.
    if (getToken && (code === 3005 || code === 109)) {
      token = undefined;
      mayReturn = true;
    }
    const isNew = isTrying || !dialled;
    const error = new ReplyError(code, reason, mayReturn, isNew ? { tries: failures + 1, ...details } : {});
    const next = isTrying ? nextWay() : best;
    drop(error)?.terminate?.();
    feed.resume();
    // The outcome of commands without a reply is unknown.
    for (const answered of answers.values()) answered?.({ error }, 0);
    answers.clear();
    if (!mayReturn) return void close(error, error);
    become("waiting", error);
    const [, seconds = 0] = /retry.after\D*(\d+)/i.exec(reason) ?? [];
    way = next;
    // The back-off begins when all classes have failed.
    if (next !== best) time("connect", +seconds * 1000, dial);
    else retry("connect", failures++, dial, +seconds * 1000);
  }

  /** Returns the index of the class to try after this one. It is `best` when all have been tried. */
  function nextWay(): number {
    return (way + 1) % classes.length;
  }

  function retry(name: string, failures: number, fire: () => void, minDelay = 0): void {
    time(name, minDelay + 100 + clock.random() * Math.min(20_000, 500 * 2 ** failures), fire);
  }

  /** Closes the socket, open or still connecting, and removes its handlers. Returns it if it was open. */
  function drop(reason: unknown): ClientSocket | undefined {
    dialling?.abort(reason);
    // A socket closed while connecting never fires `onclose` on some runtimes, so nobody may wait for it.
    const last = socket;
    if (dialled) {
      dialled.onopen = dialled.onmessage = dialled.onclose = null;
      dialled.close(1000);
    }
    dialled = socket = undefined;
    isAdmitted = isTrying = false;
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
    forget?.cancel();
    become("closed", why);
    if (!last) return;
    /** Milliseconds to wait for the close event. */
    const closeTimeout = 2_000;
    await new Promise<void>((resolve) => {
      last.onclose = resolve as () => void;
      time("close", closeTimeout, resolve);
    });
    stop();
    last.terminate?.();
  }

  /**
   * Is called when the network may have changed. Reconnects now if that is due, or tests the connection with a ping.
   */
  function awake(): void {
    /** Milliseconds to wait for a message. */
    const pingTimeout = 5_000;
    if (status === "waiting") dial();
    // Behind a command that takes long, the ping's reply might be late too.
    if (status === "connected" && !answers.size) test(pingTimeout);
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
