import { type Server as HttpServer, IncomingMessage, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createWSMessageEvent, type WSContext, type WSEvents } from "hono/ws";
import type { RawData, WebSocket, WebSocketServer } from "ws";
import { Connection, Frames } from "./connection.ts";
import { frameOf } from "./frame.ts";
import { type Handshake, saidHeaders, subprotocol } from "./handshake.ts";
import type { Listening } from "./host.ts";

type Handlers = Required<WSEvents<WebSocket>>;

/** The part of a request's `env` that is read here. */
export interface Env {
  readonly incoming?: IncomingMessage;
  readonly outgoing?: ServerResponse | undefined;
  /** The adapter's WebSocket server, for its own `upgradeWebSocket`. */
  readonly wss?: unknown;
}

/** The adapter's listener for upgrades. */
type Adapter = (request: IncomingMessage, socket: Socket, head: Buffer) => unknown;

/**
 * Answers upgrade requests on Node, in place of the adapter.
 *
 * The adapter creates a whole request for each, and keeps it as long as the socket exists. Together that takes more
 * memory than the rest of a connection. The adapter still finishes refusals, and upgrades that its own
 * `upgradeWebSocket` accepts.
 */
export class Upgrades {
  readonly #listening: Listening;
  readonly #webSockets: WebSocketServer;
  readonly #opened: (socket: Socket) => void;
  readonly #frames = new Frames(frameOf);
  /** The known answers to requests that the adapter is about to finish. */
  readonly #answered = new Map<IncomingMessage, (env: Env) => Response>();
  readonly #requestOf = createRequests();
  #adapter: Adapter = () => {};
  /** What the adapter puts into the `env` of an upgrade. Its own `upgradeWebSocket` needs it. */
  #env: Env = {};
  /** The handlers of the upgrade that is being finished. */
  #opening: object = {};

  constructor(listening: Listening, webSockets: WebSocketServer, opened: (socket: Socket) => void) {
    this.#listening = listening;
    this.#webSockets = webSockets;
    this.#opened = opened;
  }

  /** The `fetch` that the adapter has to call for every request. */
  readonly fetch = (request: Request, env: Env): Response | Promise<Response> => {
    const { incoming, outgoing } = env;
    const isUpgrade = outgoing === undefined && incoming !== undefined;
    return (isUpgrade && this.#answered.get(incoming)?.(env)) || this.#listening.answer(request, env);
  };

  /** Removes the adapter's listener from the server, and keeps it for `#end`. */
  async replace(server: HttpServer): Promise<void> {
    const [adapter] = server.listeners("upgrade");
    server.removeAllListeners("upgrade");
    this.#adapter = (...upgrade) => adapter?.apply(server, upgrade);
    // The adapter passes its `env` only to an app. So it gets a fake upgrade here, on a destroyed socket.
    const socket = new Socket().destroy();
    const request = new IncomingMessage(socket);
    Object.assign(request.headers, { upgrade: "websocket", host: "localhost" });
    await this.#end(request, socket, Buffer.alloc(0), (env) => {
      this.#env = { ...env };
      return new Response(null);
    });
  }

  /** Lets the adapter finish an upgrade with a known answer. */
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

  /** Answers one upgrade request. */
  async answer(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const webRequest = this.#requestOf(request);
    // If no request can be created, the adapter refuses.
    if (webRequest === undefined) {
      this.#listening.refused(request.url ?? "", 400, "no request can be made of it");
      return void (await this.#adapter(request, socket, head));
    }
    const env = { ...this.#env, incoming: request };
    socket.on("error", ignore);
    const { handshake, response } = await this.#listening.upgrade(webRequest, env);
    socket.off("error", ignore);
    if (handshake.handlers !== undefined) this.#open(request, socket, head, response, handshake);
    else {
      await this.#end(request, socket, head, (adapterEnv) => {
        Object.assign(adapterEnv, env);
        return response;
      });
    }
  }

  /** Chooses among the subprotocols that the client offers, for the upgrade that is being finished. */
  choose(offered: Iterable<string>): string | undefined {
    return subprotocol(offered, this.#opening);
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
    this.#opening = handlers;
    let isOpen = false;
    const add = (all: string[]): void => void all.push(...lines);
    if (lines.length > 0) this.#webSockets.once("headers", add);
    this.#webSockets.handleUpgrade(request, socket, head, (raw) => {
      isOpen = true;
      this.#opened(socket);
      // A peer that has ended its side cannot answer a ping. Data that it has not read would keep the socket open.
      socket.on("end", destroy);
      new FramedConnection(raw, url, socket, this.#frames, handlers).open();
    });
    this.#opening = {};
    this.#webSockets.off("headers", add);
    if (!isOpen) handshake.lose();
  }
}

/** Creates requests as the adapter does for plain requests: their members are computed when they are read. */
function createRequests(): (incoming: IncomingMessage) => Request | undefined {
  let webRequest: Request | undefined;
  const listener = getRequestListener((request) => {
    webRequest = request;
    return answer;
  });
  // An instance of the adapter's own class, which `getRequestListener` has just made the global `Response`.
  const answer = new Response(null);
  const outgoing = { writeHead() {}, end() {}, on() {} } as unknown as ServerResponse;
  return (incoming) => {
    webRequest = undefined;
    listener(incoming, outgoing);
    return webRequest;
  };
}

const connection: unique symbol = Symbol("connection");

/** A socket and its connection. All sockets share the same listeners, which read the connection from the socket. */
type Connected = WebSocket & { [connection]: FramedConnection };

/**
 * Sends text in frames. Sockets that send the same text share one frame, and a frame is one write.
 *
 * Only under `serve`, whose sockets do not compress: then `ws` has no queue of its own that a frame could overtake.
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
    raw.on("message", received);
    raw.on("close", closed);
    raw.on("error", failed);
    this.#handlers.onOpen(new Event("open"), this.#context);
  }

  received(data: RawData, isBinary: boolean): void {
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
    if (data instanceof ArrayBuffer) raw.send(data);
    // No frame may follow a close frame.
    else if (raw.readyState === raw.OPEN) this.#tcp.write(this.#frames.of(data));
  }
}

function received(this: WebSocket, data: RawData, isBinary: boolean): void {
  (this as Connected)[connection].received(data, isBinary);
}

function closed(this: WebSocket, code: number, reason: Buffer): void {
  (this as Connected)[connection].closed(code, String(reason));
}

function failed(this: WebSocket, error: Error): void {
  (this as Connected)[connection].failed(error);
}

/** Destroys a connection when our side ends: a peer may keep its own side open for ever. */
export function endWithUs(socket: Socket): void {
  socket.on("finish", destroy);
}

/**
 * Keeps a connection open until its peer ends it, or `ws` does after its `closeTimeout`. Undoes {@linkcode endWithUs}.
 *
 * For a peer that sent something invalid and is probably still sending. If the connection were destroyed at once,
 * incoming data would reset it, and the peer would not read the close frame.
 */
export function endWithPeer(socket: Socket): void {
  socket.off("finish", destroy);
}

function destroy(this: Socket): void {
  this.destroy();
}

function ignore(): void {}

/** Creates an event with the members of its class: not every version of Node has the classes. */
// biome-ignore lint/suspicious/noExplicitAny: Hono declares the class of the event, and not every runtime has it.
function eventOf(type: string, members: object): any {
  return Object.assign(new Event(type), members);
}

function messageOf(data: RawData, isBinary: boolean): ReturnType<typeof createWSMessageEvent> {
  if (!isBinary) return createWSMessageEvent(String(data));
  // By default `ws` passes Buffers, which may share their memory with others.
  const { buffer, byteOffset, byteLength } = data as Buffer;
  return createWSMessageEvent(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
}
