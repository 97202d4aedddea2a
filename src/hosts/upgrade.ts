import { type Server as HttpServer, IncomingMessage, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createWSMessageEvent, type WSContext, type WSEvents } from "hono/ws";
import type { RawData, WebSocket, WebSocketServer } from "ws";
import { Connection, Frames } from "./connection.ts";
import { frameOf } from "./frame.ts";
import { type Handshake, saidHeaders } from "./handshake.ts";
import type { Listening } from "./host.ts";

type Handlers = Required<WSEvents<WebSocket>>;

/** What of a request's `env` is read here. */
export interface Env {
  readonly incoming?: IncomingMessage;
  readonly outgoing?: ServerResponse | undefined;
  /** Where the adapter has its WebSockets, for its own `upgradeWebSocket`. */
  readonly wss?: unknown;
}

/** The adapter's listener for upgrades. */
type Adapter = (request: IncomingMessage, socket: Socket, head: Buffer) => unknown;

/**
 * Answers requests for WebSockets on Node, in place of the adapter.
 *
 * The adapter makes a whole request of each, and keeps it for as long as its socket is there: together more than what all
 * the rest of a connection takes. It still ends what is not ours: refusals, and what its own `upgradeWebSocket` lets in.
 */
export class Upgrades {
  readonly #listening: Listening;
  readonly #webSockets: WebSocketServer;
  readonly #opened: (socket: Socket) => void;
  readonly #frames = new Frames(frameOf);
  /** What was answered already to requests that the adapter is about to end. */
  readonly #answered = new Map<IncomingMessage, (env: Env) => Response>();
  readonly #requestOf = createRequests();
  #adapter: Adapter = () => {};
  /** What the adapter puts into the `env` of an upgrade: its own `upgradeWebSocket` needs it. */
  #env: Env = {};

  constructor(listening: Listening, webSockets: WebSocketServer, opened: (socket: Socket) => void) {
    this.#listening = listening;
    this.#webSockets = webSockets;
    this.#opened = opened;
  }

  /** What the adapter has to call for every request. */
  readonly fetch = (request: Request, env: Env): Response | Promise<Response> => {
    const { incoming, outgoing } = env;
    const isUpgrade = outgoing === undefined && incoming !== undefined;
    return (isUpgrade && this.#answered.get(incoming)?.(env)) || this.#listening.answer(request, env);
  };

  /** Takes the place of the adapter's listener. */
  async replace(server: HttpServer): Promise<void> {
    const [adapter] = server.listeners("upgrade");
    server.removeAllListeners("upgrade");
    this.#adapter = (...upgrade) => adapter?.apply(server, upgrade);
    // It says what it puts there only to an app. This upgrade is over before it begins.
    const socket = new Socket().destroy();
    const request = new IncomingMessage(socket);
    Object.assign(request.headers, { upgrade: "websocket", host: "localhost" });
    await this.#end(request, socket, Buffer.alloc(0), (env) => {
      this.#env = { ...env };
      return new Response(null);
    });
  }

  /** Has the adapter end an upgrade with what was answered to it. */
  async #end(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    answer: (env: Env) => Response,
  ): Promise<void> {
    this.#answered.set(request, answer);
    try {
      await this.#adapter(request, socket, head);
    } finally {
      this.#answered.delete(request);
    }
  }

  /** Answers one upgrade. */
  async answer(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const made = this.#requestOf(request);
    // What no request can be made of is the adapter's to refuse.
    if (made === undefined) {
      this.#listening.refused(request.url ?? "", 400, "no request can be made of it");
      return void (await this.#adapter(request, socket, head));
    }
    const env = { ...this.#env, incoming: request };
    socket.on("error", ignore);
    const { handshake, response } = await this.#listening.upgrade(made, env);
    socket.off("error", ignore);
    if (handshake.handlers !== undefined) this.#open(request, socket, head, response, handshake);
    else {
      await this.#end(request, socket, head, (its) => {
        Object.assign(its, env);
        return response;
      });
    }
  }

  #open(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    response: Response,
    handshake: Handshake,
  ): void {
    if (socket.destroyed) return handshake.lose();
    const { url } = handshake;
    const handlers = handshake.handlers as Handlers;
    const lines = saidHeaders(response).map(([name, value]) => `${name}: ${value}`);
    let isOpen = false;
    const add = (all: string[]): void => void all.push(...lines);
    if (lines.length > 0) this.#webSockets.once("headers", add);
    this.#webSockets.handleUpgrade(request, socket, head, (raw) => {
      isOpen = true;
      this.#opened(socket);
      // A peer that has ended its side can answer no ping any more. What it has not read would hold the socket.
      socket.on("end", destroy);
      new FramedConnection(raw, url, socket, this.#frames, handlers).open();
    });
    this.#webSockets.off("headers", add);
    if (!isOpen) handshake.lose();
  }
}

/** Makes requests as the adapter does when nobody asks for an upgrade: what they hold is looked up when it is read. */
function createRequests(): (incoming: IncomingMessage) => Request | undefined {
  let made: Request | undefined;
  const listener = getRequestListener((request) => {
    made = request;
    return answer;
  });
  // Of the adapter's own kind, which it made the global one just now.
  const answer = new Response(null);
  const outgoing = { writeHead() {}, end() {}, on() {} } as unknown as ServerResponse;
  return (incoming) => {
    made = undefined;
    listener(incoming, outgoing);
    return made;
  };
}

const connection: unique symbol = Symbol("connection");

/** A socket with the connection that its listeners, which all sockets share, find there. */
type Connected = WebSocket & { [connection]: FramedConnection };

/**
 * Has text leave as frames that all who are sent the same text share, in one write each.
 *
 * Only under `serve`, whose sockets compress nothing: then `ws` keeps nothing of its own before or behind a frame.
 */
class FramedConnection extends Connection<WebSocket> {
  readonly #tcp: Socket;
  readonly #frames: Frames<Buffer>;
  readonly #handlers: Handlers;

  constructor(raw: WebSocket, url: string, tcp: Socket, frames: Frames<Buffer>, handlers: Handlers) {
    super(raw, url, raw.protocol);
    this.#tcp = tcp;
    this.#frames = frames;
    this.#handlers = handlers;
  }

  open(): void {
    const raw = this.raw as Connected;
    raw[connection] = this;
    raw.on("message", heard);
    raw.on("close", closed);
    raw.on("error", failed);
    this.#handlers.onOpen(new Event("open"), this.#context);
  }

  heard(data: RawData, isBinary: boolean): void {
    this.#handlers.onMessage(messageOf(data, isBinary), this.#context);
  }

  closed(code: number, reason: string): void {
    this.#handlers.onClose(eventOf("close", { code, reason }), this.#context);
  }

  failed(error: Error): void {
    endWithPeer(this.#tcp);
    this.#handlers.onError(eventOf("error", { error }), this.#context);
  }

  get #context(): WSContext<WebSocket> {
    return this as unknown as WSContext<WebSocket>;
  }

  override send(data: string | ArrayBuffer | Uint8Array): void {
    const { raw } = this;
    if (typeof data !== "string") raw.send(data);
    // Behind a close frame there must not be another.
    else if (raw.readyState === raw.OPEN) this.#tcp.write(this.#frames.of(data));
  }
}

function heard(this: WebSocket, data: RawData, isBinary: boolean): void {
  (this as Connected)[connection].heard(data, isBinary);
}

function closed(this: WebSocket, code: number, reason: Buffer): void {
  (this as Connected)[connection].closed(code, String(reason));
}

function failed(this: WebSocket, error: Error): void {
  (this as Connected)[connection].failed(error);
}

/** Has a connection be over when our side is: a peer may keep its own open for ever. */
export function endWithUs(socket: Socket): void {
  socket.on("finish", destroy);
}

/**
 * Has a connection stay after all until its peer ends it, or `ws` does after its `closeTimeout`.
 *
 * For a peer that could not be understood and is likely sending still: destroyed at once, the connection would be reset
 * by what comes, and take the close frame with it before it is read.
 */
export function endWithPeer(socket: Socket): void {
  socket.off("finish", destroy);
}

function destroy(this: Socket): void {
  this.destroy();
}

function ignore(): void {}

/** An event with what its class would have: not every Node has the classes. */
// biome-ignore lint/suspicious/noExplicitAny: the class of the event is Hono's to name, and not every runtime has it.
function eventOf(type: string, members: object): any {
  return Object.assign(new Event(type), members);
}

function messageOf(data: RawData, isBinary: boolean): ReturnType<typeof createWSMessageEvent> {
  if (!isBinary) return createWSMessageEvent(String(data));
  // By default `ws` hands out Buffers, which share their memory with others.
  const { buffer, byteOffset, byteLength } = data as Buffer;
  return createWSMessageEvent(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
}
