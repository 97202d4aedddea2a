import type { Context } from "hono";
import type { WSEvents } from "hono/ws";
import { urlOf } from "../base/url.ts";
import { jsonCodec } from "../wire/json-codec.ts";

// biome-ignore lint/suspicious/noExplicitAny: each runtime has its own socket
type Handlers = Required<WSEvents<any>>;

/** The property of a request and of its `env` that holds the handshake under `serve`. */
const carried: unique symbol = Symbol("handshake");

interface Carrying {
  [carried]?: Handshake;
}

/**
 * An upgrade request under `serve`, while the app handles it.
 *
 * The host does the upgrade once the app has answered. Then the headers that the app set are known, and the host has
 * the runtime's own request, even if the app was given a copy.
 */
export class Handshake {
  /** The handlers of the socket, once the upgrade is accepted. */
  handlers: Handlers | undefined;
  url = "";
  /** Whether the refusal has already been reported. */
  isTold = false;
  readonly report: (error: unknown) => void;
  #lost: () => void = () => {};

  constructor(report: (error: unknown) => void) {
    this.report = report;
  }

  /** Accepts the upgrade. Returns the response for the app to return, with the headers set so far. */
  accept(c: Context, handlers: Handlers, lost: () => void): Response {
    this.handlers = handlers;
    this.url = c.req.url;
    this.#lost = lost;
    return c.body(null);
  }

  /** Is called when an accepted upgrade has failed: there is no socket. */
  lose(): void {
    this.#lost();
  }
}

/**
 * Attaches a handshake to a request and its `env`: an app may pass on only one of them, and a mounted app gets a copy.
 */
export function carry(handshake: Handshake, request: Request, env: object): void {
  (env as Carrying)[carried] = handshake;
  (request as Carrying)[carried] = handshake;
}

/** Returns the handshake of a request under `serve`; undefined in a server of the user's own. */
export function handshakeOf(c: Context): Handshake | undefined {
  return (c.env as Carrying | undefined)?.[carried] ?? (c.req.raw as Carrying)[carried];
}

/** The headers that an app cannot set in the response to an upgrade. */
const ownHeaders =
  /^(connection|content-(length|type|encoding)|keep-alive|proxy-auth(enticate|orization)|te|trailer|transfer-encoding|upgrade|sec-websocket-(accept|extensions|protocol))$/i;

/** Returns the headers that an app has set and that the response to an upgrade may have. */
export function saidHeaders({ headers }: Response): [name: string, value: string][] {
  return [...headers].filter(([name]) => !ownHeaders.test(name));
}

/** Handlers that know the subprotocols of their connection. All others know that of JSON. */
export interface Speaking {
  readonly subprotocols?: readonly string[] | undefined;
}

/** Returns the first offered subprotocol that the handlers know; otherwise undefined, whatever else is offered. */
export function subprotocol(offered: Iterable<string>, handlers: object): string | undefined {
  const { subprotocols = [jsonCodec.subprotocol] } = handlers as Speaking;
  for (const offer of offered) if (subprotocols.includes(offer.trim())) return offer.trim();
  return undefined;
}

/** Returns {@linkcode subprotocol} for the value of the header. */
export function subprotocolOf(offers: string | null | undefined, handlers: object): string | undefined {
  return subprotocol(offers?.split(",") ?? [], handlers);
}

/**
 * Returns why a client is refused that offers encodings of the protocol, and none that the notifier has. A client that
 * offers none of them speaks JSON.
 */
export function unknownEncoding(c: Context, notifier: Speaking): string | undefined {
  const offers = c.req.header("sec-websocket-protocol");
  if (offers === undefined || subprotocolOf(offers, notifier) !== undefined) return undefined;
  const offer = offers.split(",").find((each) => each.trim().startsWith("centrifuge-"));
  if (offer === undefined) return undefined;
  const does = "the client offers only encodings that the notifier does not have";
  return offer.trim() === "centrifuge-protobuf"
    ? `${does}; give it Protobuf: createNotifier({ codecs: [protobufCodec] }), of tocsin/protobuf`
    : `${does}, such as ${JSON.stringify(offer.trim().slice(0, 100))}`;
}

/** Returns whether a request asks for a WebSocket. The header's value is case-insensitive. */
export function wantsWebSocket(upgrade: string | null | undefined): boolean {
  return upgrade?.toLowerCase() === "websocket";
}

/** Why a handshake is refused, and the response to it. */
export interface Fault {
  status: 400 | 426;
  reason: string;
  headers?: Record<string, string>;
}

/**
 * Returns the fault of an upgrade request that is incomplete by RFC 6455, 4.2.1, or whose `Host` no URL can have.
 * Without this check some runtimes accept such a request, and others respond with a server error.
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
