import { onAwake } from "./awake.ts";
import type { Clock } from "./clock.ts";
import { ReplyError } from "./errors.ts";
import { Feed } from "./feed.ts";
import type { ConnectResult, Message, Reply } from "./reply.ts";
import { Links } from "./scope.ts";
import { Timers } from "./timers.ts";

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
/** Milliseconds that an answer is waited for when all may have changed, and until a token is asked for once more. */
const moment = 5_000;
/** Milliseconds that a close waits for its answer. */
const farewell = 2_000;
/** Milliseconds for which a connection has to last so that the next delay is short again. */
const steady = 10_000;
/** Characters of commands that go as one message: servers bound how long one may be. */
const chunk = 16_384;

/** One connection at a time, made again whenever it is lost, and the commands that wait for it. */
export class Link {
  readonly feed: Feed;
  status: ClientStatus = "waiting";
  isOpen = false;
  readonly #options: LinkOptions;
  readonly #links = new Links(console.error);
  /** Aborts when it is closed, for the reason that all waits then reject with. */
  readonly #life = new AbortController();
  #closed: Promise<void> | undefined;
  #unlisten = (): void => {};
  #token: string | undefined;
  #socket: ClientSocket | undefined;
  #ids = 0;
  readonly #handlers = new Map<number, (reply: Reply, size: number) => void>();
  readonly #calls = new Set<Call>();
  #out: string[] = [];
  /** Connections in a row that failed or did not last. */
  #failures = 0;
  #steadyAt = 0;
  /** Frames so far. */
  #heard = 0;
  #period = 0;
  /** All that is timed ends with the connection, or with the wait for one. */
  readonly #timers: Timers;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#timers = new Timers(options.clock);
    this.#token = options.token;
    this.feed = new Feed(this, options.buffer);
  }

  /** Dials, and does so again until it is closed, or `signal` aborts. Throws what the socket's class does. */
  open(signal: AbortSignal | undefined): void {
    this.#links.link(signal, (reason) => this.close(reason));
    if (this.#life.signal.aborted) return;
    this.dial();
    this.#unlisten = onAwake(() => this.wake());
  }

  /** Whether nothing is waited for any more. */
  isOver(signal: AbortSignal | undefined): boolean {
    return signal?.aborted === true || this.#life.signal.aborted;
  }

  /** Waits until it is settled, `signal` aborts, or the link is closed. What `begin` returns is called in the end. */
  wait<T>(
    signal: AbortSignal | undefined,
    begin: (resolve: (value: T | PromiseLike<T>) => void, reject: (reason: unknown) => void) => () => void,
  ): Promise<T> {
    const undo: (() => void)[] = [];
    const waited = new Promise<T>((resolve, reject) => {
      for (const each of [signal, this.#life.signal]) undo.push(this.#links.link(each, reject));
      if (!this.isOver(signal)) undo.push(begin(resolve, reject));
    });
    return waited.finally(() => {
      for (const end of undo) end();
    });
  }

  /** Tries now what it waits to try, or whether the connection is still one. */
  wake(): void {
    if (this.status === "waiting") this.dial();
    if (this.status !== "connected") return;
    this.command({ ping: {} });
    this.#listen(moment);
  }

  dial(): void {
    this.#timers.stopAll();
    this.#become("connecting");
    const { getToken } = this.#options;
    if (this.#token !== undefined || getToken === undefined) return this.#open();
    const life = new AbortController();
    const { signal } = life;
    // What is asked for counts no more once waiting for it is over.
    this.#timers.put("token", { cancel: () => life.abort() });
    new Promise<string>((resolve) => resolve(getToken({ signal })))
      .then(
        (token) => {
          this.#token = token;
          if (!signal.aborted) this.#open();
        },
        () => signal.aborted || this.#lost(101, "no token", true),
      )
      .catch((error) => this.close(error));
  }

  #open(): void {
    const { WebSocket, url } = this.#options;
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onerror = () => {};
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }: { data: string }) => this.#read(data);
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => this.#lost(code, reason);
    this.#listen(patience);
  }

  #opened(): void {
    this.isOpen = true;
    const { data, getToken } = this.#options;
    this.command({ connect: { token: this.#token, data } }, ({ connect, error }) => {
      if (connect !== undefined) return this.#connected(connect);
      const { code = 0, message = "", temporary = false } = error ?? {};
      const mayRenew = code === 109 && getToken !== undefined;
      this.#lost(code, message, temporary || mayRenew);
    });
    // What this client has read is its word only once it says so.
    this.write({ send: { data: { ack: {} } } });
    this.feed.opened();
  }

  #connected({ ping = 0, pong = false }: ConnectResult): void {
    const { now } = this.#options.clock;
    this.#steadyAt = now() + steady;
    this.#timers.stop("silence");
    this.#period = ping * 1000 + patience;
    if (pong) this.#listen(this.#period);
    for (const call of this.#calls) this.#send(call);
    this.#become("connected");
  }

  /** Sends a command once there is a connection. Rejects when it is refused, or when the connection ends without an answer. */
  call(body: object, signal: AbortSignal | undefined, again = false): Promise<Reply> {
    return this.wait<Reply>(signal, (resolve, reject) => {
      const answered = (reply: Reply): void => {
        const { error } = reply;
        if (error === undefined) resolve(reply);
        else reject(new ReplyError(error.code, error.message, error.temporary));
      };
      const call = { body, again, answered, isSent: false };
      this.#calls.add(call);
      if (this.status === "connected") this.#send(call);
      return () => this.#calls.delete(call);
    });
  }

  #send(call: Call): void {
    call.isSent = true;
    this.command(call.body, call.answered);
  }

  command(body: object, answered?: (reply: Reply, size: number) => void): void {
    const id = ++this.#ids;
    if (answered !== undefined) this.#handlers.set(id, answered);
    this.write({ id, ...body });
  }

  /** Sends a message together with what else is written in this turn. */
  write(message: object): void {
    if (!this.isOpen) return;
    if (this.#out.push(JSON.stringify(message)) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const lines = this.#out.splice(0);
    const text = lines.join("\n");
    for (const each of text.length > chunk ? lines : [text]) if (each !== "") this.#socket?.send(each);
  }

  #read(frame: string): void {
    this.#heard++;
    for (const line of frame.split("\n")) {
      // The connection may have been given up because of what stood before.
      if (this.isOpen && line !== "") this.#take(line);
    }
  }

  #take(line: string): void {
    let message: Message;
    try {
      message = Object(JSON.parse(line));
    } catch {
      return this.#giveUp();
    }
    const { id = 0, push } = message;
    if (push?.pub !== undefined) this.feed.publication(push.channel, push.pub, line.length);
    if (push?.unsubscribe !== undefined)
      this.feed.unsubscribed(push.channel, push.unsubscribe.code, push.unsubscribe.reason);
    if (line === "{}") {
      this.feed.acknowledge();
      this.write({});
    }
    const answered = this.#handlers.get(id);
    this.#handlers.delete(id);
    answered?.(message, line.length);
  }

  /** Gives the connection up when nothing is heard in so many milliseconds, and then in each period. */
  #listen(ms: number): void {
    const heard = this.#heard;
    this.time("silence", ms, () => (this.#heard > heard ? this.#listen(this.#period) : this.#giveUp()));
  }

  #giveUp(): void {
    const socket = this.#socket;
    this.#lost(3012, "no ping");
    socket?.terminate?.();
  }

  /** The connection is over, or is to be: the code says whether to come back. */
  #lost(code: number, reason: string, mayReturn = !/^(3[5-9]|4[5-9])..$/.test(`${code}`)): void {
    const error = new ReplyError(code, reason, mayReturn);
    if (this.status === "connected" && this.#options.clock.now() >= this.#steadyAt) this.#failures = 0;
    // It has expired, and so a new one is asked for, where there is somebody to ask.
    if ((code === 3005 || code === 109) && this.#options.getToken !== undefined) this.#token = undefined;
    this.#drop();
    for (const call of [...this.#calls]) {
      if (call.isSent && !call.again) call.answered({ error });
      call.isSent = false;
    }
    if (!mayReturn) return void this.close(error, error);
    this.#become("waiting", error);
    const seconds = Number(/retry.after\D{0,3}(\d{1,5})/i.exec(reason)?.[1] ?? 0);
    this.time("dial", seconds * 1000 + this.delay(this.#failures++), () => this.dial());
  }

  /** How long to wait after so many failures: anything up to twice as long each time, and never nothing. */
  delay(failures: number): number {
    return 100 + this.#options.clock.random() * Math.min(20_000, 500 * 2 ** failures);
  }

  /** Lets go of the connection there is. Answers it where its end is worth waiting for. */
  #drop(): ClientSocket | undefined {
    const socket = this.#socket;
    const wasOpen = this.isOpen;
    this.#socket = undefined;
    this.isOpen = false;
    this.#out = [];
    this.#handlers.clear();
    this.#timers.stopAll();
    this.feed.lost();
    if (socket === undefined) return undefined;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
    // One that is still connecting never tells on some runtimes that it is closed.
    return wasOpen ? socket : undefined;
  }

  /** Says what is left to say, and closes: what waits rejects with `reason`. Settles once nothing is left. */
  close(reason: unknown, why?: ReplyError): Promise<void> {
    this.#closed ??= this.#close(reason, why);
    return this.#closed;
  }

  async #close(reason: unknown, why: ReplyError | undefined): Promise<void> {
    this.#unlisten();
    this.feed.acknowledge();
    this.#flush();
    const socket = this.#drop();
    this.#become("closed", why);
    this.#life.abort(reason);
    this.#links.end();
    if (socket === undefined) return;
    await new Promise<void>((resolve) => {
      socket.onclose = () => resolve();
      this.time("close", farewell, resolve);
    });
    this.#timers.stopAll();
    socket.onclose = null;
    socket.terminate?.();
  }

  #become(status: ClientStatus, why?: ReplyError): void {
    this.status = status;
    try {
      this.#options.onStatus?.(status, why);
    } catch (error) {
      console.error(error);
    }
  }

  isTimed(name: string): boolean {
    return this.#timers.has(name);
  }

  /** Does something later, unless the connection, or the wait for one, is over before, or the same name is used again. */
  time(name: string, ms: number, fire: () => void): void {
    this.#timers.set(name, ms, fire);
  }
}
