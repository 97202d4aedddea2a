import { DurableObject } from "cloudflare:workers";
import {
  type HibernatableSocket,
  type ObjectState,
  socketPair,
} from "../../src/hosts/cloudflare/platform.ts";
import { type Load, play } from "./load.ts";

const tag = "by hand";

/**
 * What tocsin is measured beside: an object that sends each event to every subscriber, in a loop, over hibernatable
 * sockets. It keeps no log, proves nothing, and has no limits.
 */
export class ByHand extends DurableObject {
  readonly #state: ObjectState;
  readonly #sockets: Set<HibernatableSocket>;
  #offset = 0;

  constructor(state: ObjectState, env: unknown) {
    super(state, env);
    this.#state = state;
    const isHere = (each: HibernatableSocket): boolean => each.deserializeAttachment() !== null;
    this.#sockets = new Set(state.getWebSockets(tag).filter(isHere));
  }

  async fetch(request: Request): Promise<Response> {
    if (request.headers.get("upgrade") !== "websocket") {
      await play((await request.json()) as Load, (data) => this.#publish(data));
      return Response.json(this.#sockets.size);
    }
    const { client, server } = socketPair();
    this.#state.acceptWebSocket(server, [tag]);
    server.serializeAttachment({ channel: "news" });
    this.#sockets.add(server);
    return new Response(null, { status: 101, webSocket: client } as ResponseInit);
  }

  #publish(data: unknown): void {
    const pub = { data, offset: ++this.#offset, time: Date.now() };
    const text = JSON.stringify({ push: { channel: "news", pub } });
    for (const socket of this.#sockets) socket.send(text);
  }

  /** Answers a call with what it was sent. */
  webSocketMessage(socket: WebSocket, message: string): void {
    const { id, rpc } = JSON.parse(message);
    socket.send(JSON.stringify({ id, rpc: { data: rpc.data } }));
  }

  webSocketClose(socket: WebSocket): void {
    this.#sockets.delete(socket as unknown as HibernatableSocket);
    socket.close(1000);
  }
}
