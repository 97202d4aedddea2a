import { expect } from "vitest";
import { type Transport, websocket } from "../support/stock-client.ts";
import { type PeerSocket, StreamSocket } from "../support/stream-socket.ts";
import { type Referee, referee } from "../support/wire-rules.ts";

/** The parts of a message that tests look at. */
export interface Message {
  id?: number;
  error?: { code: number; message: string; temporary?: true };
  connect?: { client: string; subs?: Record<string, Subscribed>; [member: string]: unknown };
  subscribe?: Subscribed;
  history?: { publications: Publication[]; offset: number; epoch: string };
  rpc?: { data?: unknown };
  refresh?: { ttl?: number };
  push?: { channel: string; pub?: Publication; [kind: string]: unknown };
}

export interface Publication {
  offset: number;
  data: unknown;
  time?: number;
}

export interface Subscribed {
  epoch: string;
  offset: number;
  recovered?: boolean;
  was_recovering?: boolean;
  publications?: Publication[];
  data?: { [member: string]: unknown };
}

/** A client that sends and receives frames over a WebSocket or a stream, and answers pings. A referee watches what it is sent. */
export interface Peer {
  /** The id of its session, once it is connected. */
  readonly id: string;
  /** What was received and not yet taken, without pings. */
  readonly received: Message[];
  /** The number of frames received. What comes together over an `http_stream` counts as one. */
  readonly frames: number;
  readonly pings: number;
  /** The subprotocol that the server has selected. */
  readonly protocol: string;
  /** Broken rules of the protocol. */
  readonly breaches: readonly string[];
  /** Sends everything as one frame. */
  send(...commands: (object | string | Uint8Array<ArrayBuffer>)[]): void;
  /** Sends a command with the next number, and returns the number. */
  ask(method: string, params?: object): number;
  /** Sends a command, and removes and returns its reply. */
  call(method: string, params?: object): Promise<Message>;
  /** Sends connect, and returns the result. */
  connect(params?: object): Promise<NonNullable<Message["connect"]>>;
  /** Waits for `count` messages, and removes and returns them. */
  take(count: number): Promise<Message[]>;
  /** Waits until a number of pings has come. */
  pinged(count: number): Promise<void>;
  /** Waits until the server has answered whatever it was sent, and checks that it was sent nothing else. */
  nothing(): Promise<void>;
  /** From now on pings are not answered, until `resume`, which answers one if one has come. */
  stall(): void;
  resume(): void;
  /** The code and reason of the close. */
  readonly closed: Promise<{ code: number; reason: string }>;
  close(code?: number, reason?: string): void;
  /** Cuts the connection, where the runtime's WebSocket can do that, and waits until it has ended. */
  end(): Promise<unknown>;
}

/** Opens a WebSocket, or a stream. It does not send connect. */
export async function open(
  address: string,
  protocols: string[] = [],
  transport: Transport = "websocket",
): Promise<Peer> {
  const socket =
    transport === "websocket"
      ? (new websocket(address, protocols) as WebSocket)
      : new StreamSocket(address, transport);
  const judge = referee({ now: () => performance.now() });
  const peer = new SocketPeer(socket, judge);
  await peer.opened;
  return peer;
}

class SocketPeer implements Peer {
  readonly received: Message[] = [];
  readonly opened: Promise<void>;
  readonly closed: Peer["closed"];
  id = "";
  frames = 0;
  pings = 0;
  readonly #socket: PeerSocket;
  readonly #judge: Referee;
  readonly #waiting = new Set<() => void>();
  #last = 0;
  #isStalled = false;
  /** Whether a ping has come that was not answered. */
  #owes = false;
  #over: { code: number; reason: string } | undefined;

  constructor(socket: PeerSocket, judge: Referee) {
    this.#socket = socket;
    this.#judge = judge;
    socket.addEventListener("message", ({ data }) => this.#read(data));
    socket.addEventListener("error", () => {});
    this.opened = new Promise((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("close", () => reject(new Error("The handshake was refused")));
    });
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason }) => {
        this.#over = { code, reason };
        judge.closed(code, reason);
        resolve(this.#over);
        this.#wake();
      });
    });
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get breaches(): readonly string[] {
    return this.#judge.breaches;
  }

  send(...commands: (object | string | Uint8Array<ArrayBuffer>)[]): void {
    const [first] = commands;
    if (first instanceof Uint8Array) return this.#socket.send(first);
    const frame = commands.map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join("\n");
    for (const [, id] of frame.matchAll(/^\{"id":(\d{1,9})\b/gm))
      this.#last = Math.max(this.#last, Number(id));
    this.#judge.arrived(frame);
    this.#socket.send(frame);
  }

  ask(method: string, params: object = {}): number {
    const id = this.#last + 1;
    this.send({ id, [method]: params });
    return id;
  }

  async call(method: string, params: object = {}): Promise<Message> {
    const id = this.ask(method, params);
    const at = await this.#until(`the reply to ${method}`, () => {
      const index = this.received.findIndex((message) => message.id === id);
      return index < 0 ? undefined : index;
    });
    return this.received.splice(at, 1)[0] as Message;
  }

  async connect(params: object = {}): Promise<NonNullable<Message["connect"]>> {
    const reply = await this.call("connect", params);
    if (reply.connect === undefined) throw new Error(`Expected to be connected: ${JSON.stringify(reply)}`);
    this.id = reply.connect.client;
    return reply.connect;
  }

  async take(count: number): Promise<Message[]> {
    await this.#until(`${count} messages`, () => this.received.length >= count || undefined);
    return this.received.splice(0, count);
  }

  async pinged(count: number): Promise<void> {
    await this.#until(`${count} pings`, () => this.pings >= count || undefined);
  }

  async nothing(): Promise<void> {
    await this.call("ping");
    expect(this.received).toEqual([]);
  }

  stall(): void {
    this.#isStalled = true;
  }

  resume(): void {
    this.#isStalled = false;
    if (this.#owes) this.send({});
    this.#owes = false;
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }

  end(): Promise<unknown> {
    (this.#socket as { terminate?(): void }).terminate?.();
    return this.closed;
  }

  #read(frame: unknown): void {
    this.frames++;
    this.#judge.sent(frame);
    for (const line of String(frame).split("\n")) {
      const message = JSON.parse(line) as Message;
      if (Object.keys(message).length > 0) this.received.push(message);
      else this.#ping();
    }
    this.#wake();
  }

  #ping(): void {
    this.pings++;
    if (this.#isStalled) this.#owes = true;
    else this.send({});
  }

  #wake(): void {
    for (const check of this.#waiting) check();
  }

  /** Waits until `find` returns something. Rejects if the connection ends before. */
  #until<T>(what: string, find: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = find();
        if (found === undefined && this.#over === undefined) return;
        this.#waiting.delete(check);
        if (found !== undefined) resolve(found);
        else reject(new Error(`Closed with ${JSON.stringify(this.#over)} before ${what}`));
      };
      this.#waiting.add(check);
      check();
    });
  }
}

/** The offsets in a subscribe's reply, and of the pushes after it. */
export function offsetsIn(messages: readonly Message[]): number[] {
  return messages.flatMap(({ subscribe, push }) => [
    ...(subscribe?.publications ?? []).map(({ offset }) => offset),
    ...(push?.pub === undefined ? [] : [push.pub.offset]),
  ]);
}

/** Takes messages until the publication with this offset has come, or a later one, and returns all offsets. */
export async function offsetsUntil(peer: Peer, last: number): Promise<number[]> {
  const offsets: number[] = [];
  while ((offsets.at(-1) ?? 0) < last) offsets.push(...offsetsIn(await peer.take(1)));
  return offsets;
}
