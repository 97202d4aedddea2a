import type { Context } from "hono";
import type { WSEvents } from "hono/ws";
import { urlOf } from "../base/url.ts";
import { jsonCodec } from "../wire/json-codec.ts";

// biome-ignore lint/suspicious/noExplicitAny: whatever socket the runtime has
type Handlers = Required<WSEvents<any>>;

/** Where a request, and the `env` beside it, carry their handshake under `serve`. */
const carried: unique symbol = Symbol("handshake");

interface Carrying {
  [carried]?: Handshake;
}

/**
 * A request for a WebSocket under `serve`, while the app looks at it.
 *
 * The upgrade is the host's, once the app has answered: then the headers that it said are known, and the request is the
 * runtime's own, whatever copy of it the app was given.
 */
export class Handshake {
  /** Who hears of the socket, once it is let in. */
  handlers: Handlers | undefined;
  url = "";
  /** Whether somebody was told already that it was refused. */
  isTold = false;
  readonly report: (error: unknown) => void;
  #lost: () => void = () => {};

  constructor(report: (error: unknown) => void) {
    this.report = report;
  }

  /** Lets it in. Answers what the app is to answer, with the headers that were said so far. */
  accept(c: Context, handlers: Handlers, lost: () => void): Response {
    this.handlers = handlers;
    this.url = c.req.url;
    this.#lost = lost;
    return c.body(null);
  }

  /** It was let in, and has failed all the same: there is no socket. */
  lose(): void {
    this.#lost();
  }
}

/** Has a request and its `env` carry a handshake: apps hand on the one or the other, and mounted ones a copy. */
export function carry(handshake: Handshake, request: Request, env: object): void {
  (env as Carrying)[carried] = handshake;
  (request as Carrying)[carried] = handshake;
}

/** The handshake of a request under `serve`; undefined in a server of the user's own. */
export function handshakeOf(c: Context): Handshake | undefined {
  return (c.env as Carrying | undefined)?.[carried] ?? (c.req.raw as Carrying)[carried];
}

/** Headers that the app does not say where it answers with an upgrade. */
const ownHeaders =
  /^(connection|content-(length|type|encoding)|keep-alive|proxy-auth(enticate|orization)|te|trailer|transfer-encoding|upgrade|sec-websocket-(accept|extensions|protocol))$/i;

/** The headers that an app has said, as far as the answer to an upgrade may have them. */
export function saidHeaders({ headers }: Response): [name: string, value: string][] {
  return [...headers].filter(([name]) => !ownHeaders.test(name));
}

/** The subprotocol to answer with: the codec's where it is offered, else none, whatever else is. */
export function subprotocol(offered: Iterable<string>): string | undefined {
  for (const offer of offered) if (offer.trim() === jsonCodec.subprotocol) return jsonCodec.subprotocol;
  return undefined;
}

/** See {@linkcode subprotocol}; of the header's own value. */
export function subprotocolOf(offers: string | null | undefined): string | undefined {
  return subprotocol(offers?.split(",") ?? []);
}

/** Whether a request asks for a WebSocket. The header's value has no case. */
export function wantsWebSocket(upgrade: string | null | undefined): boolean {
  return upgrade?.toLowerCase() === "websocket";
}

/** Why a handshake is refused, and how. */
export interface Fault {
  status: 400 | 426;
  reason: string;
  headers?: Record<string, string>;
}

/**
 * Finds what is wrong with a request for a WebSocket that is not a whole one, by RFC 6455, 4.2.1, or that names a host
 * which no URL can have. Left to themselves some runtimes let such a request in, and others answer that the server is at
 * fault.
 */
export function faultOf(c: Context): Fault | undefined {
  const tokens = c.req.header("connection")?.toLowerCase().split(",") ?? [];
  if (!tokens.some((token) => token.trim() === "upgrade"))
    return { status: 400, reason: "the handshake lacks Connection: Upgrade; have every proxy pass it on" };
  if (!/^[+/0-9A-Za-z]{22}==$/.test(c.req.header("sec-websocket-key") ?? ""))
    return { status: 400, reason: "the handshake has no valid Sec-WebSocket-Key" };
  if (urlOf(c.req.url) === undefined) return { status: 400, reason: "the Host is none that a URL can have" };
  if (c.req.header("sec-websocket-version") === "13") return undefined;
  const headers = { "Sec-WebSocket-Version": "13" };
  return { status: 426, reason: "the handshake is of another version than 13", headers };
}
