import type { Context, Handler } from "hono";
import type { Notifier } from "../../engine/notifier/notifier.ts";
import type { Identity } from "../../model/peer.ts";
import type { PeerHandlers } from "../handlers.ts";
import { saidHeaders, subprotocolOf } from "../handshake.ts";
import { notifications } from "../notifications.ts";
import { functionsFor, functionsOf, type NotifierObjectOptions, type PeerFunctions } from "./options.ts";
import { type HibernatableSocket, socketPair } from "./platform.ts";

/** What upgrades need of their object. */
export interface UpgradesParts {
  readonly notifier: Notifier;
  readonly options: NotifierObjectOptions;
  /** Accepts a socket for a peer whose handshake is done. */
  open(socket: HibernatableSocket, handlers: PeerHandlers, protocol: string | undefined): void;
}

/** Returns a handler that upgrades requests to sockets which outlive the memory of the object. */
export function upgrades({ notifier, options, open }: UpgradesParts): Handler {
  const { origins, authorize } = options;
  const connecting = notifications(notifier, { origins, authorize, authenticate: identified(options) });
  return async (c) => {
    const handlers = (await connecting(c)) as PeerHandlers;
    try {
      const { client, server } = socketPair();
      const protocol = subprotocolOf(c.req.header("sec-websocket-protocol"), handlers);
      open(server, handlers, protocol);
      return switched(c, client, protocol);
    } catch (error) {
      const { path } = c.req;
      handlers.abandon();
      handlers.report(error, path);
      handlers.refused({ code: 500, reason: "the upgrade failed; onError has its error", path });
      return c.text("Internal Server Error", 500);
    }
  };
}

/** The response that switches protocols. It has the headers that the app has set so far. */
function switched(c: Context, webSocket: HibernatableSocket, protocol: string | undefined): Response {
  const headers = new Headers(saidHeaders(c.body(null)));
  if (protocol !== undefined) headers.set("Sec-WebSocket-Protocol", protocol);
  return new Response(null, { status: 101, headers, webSocket } as ResponseInit);
}

/** Returns an `authenticate` whose identities have the functions of `peer`, and no others: those would not last. */
function identified({ authenticate = () => ({ user: "" }), peer }: NotifierObjectOptions) {
  return async (c: Context): Promise<Identity | null> => {
    const identity = await authenticate(c);
    if (identity === null || identity === undefined) return null;
    const functions = functionsFor(identity, peer);
    for (const [name, given] of Object.entries(functionsOf(identity))) {
      if (given === functions[name as keyof PeerFunctions]) continue;
      throw new TypeError(
        `Cannot keep the ${name} of one identity while the object sleeps: let options() have it, as peer: () => ({ ${name} })`,
      );
    }
    return { ...identity, ...functions };
  };
}
