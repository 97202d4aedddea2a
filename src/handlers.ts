import type { Context } from "hono";
import {
  defineWebSocketHelper,
  type UpgradeWebSocket,
  type WebSocketHelperDefineHandler,
  type WSContext,
  type WSEvents,
} from "hono/ws";
import type { UpgradeOptions } from "./host.ts";
import type { Notifier } from "./notifier.ts";
import type { Peer } from "./peer.ts";
import { closes } from "./protocol.ts";
import type { Session, Socket } from "./socket.ts";

/** Makes the handlers of one connection. */
type Make<Made extends WSEvents = WSEvents> = (c: Context) => Promise<Made>;

/** Where a function that makes handlers has the one that makes them whole. */
const whole: unique symbol = Symbol("whole");

/**
 * The handlers of a peer's connection. A class, not closures: thousands of connections share its methods. So they are
 * nothing that may be taken apart.
 */
export class PeerHandlers implements Required<WSEvents> {
  readonly #notifier: Notifier;
  readonly #peer: Peer;
  #session: Session | undefined;

  constructor(notifier: Notifier, peer: Peer) {
    this.#notifier = notifier;
    this.#peer = peer;
  }

  onOpen(_event: unknown, ws: WSContext): void {
    this.#session ??= this.#accept(ws);
  }

  /** Not every runtime has an open event, so whatever comes first opens the session. */
  onMessage({ data }: { readonly data: unknown }, ws: WSContext): void {
    this.#session ??= this.#accept(ws);
    this.#session?.receive(data);
  }

  /** Deno says 0 where the connection was lost, and every other runtime 1006. */
  onClose({ code }: { readonly code: number }): void {
    this.#session?.ended(code === 0 ? 1006 : code);
  }

  /** A socket with an error closes, on every runtime; the close event tells the session. */
  onError(): void {}

  #accept(ws: WSContext): Session | undefined {
    try {
      return this.#notifier.accept(socketOf(ws), this.#peer);
    } catch (error) {
      // Nobody would own the socket.
      this.#notifier.report(error, { stage: "authenticate", owner: "accept" });
      ws.close(closes.internal.code, closes.internal.reason);
      return undefined;
    }
  }
}

/** Makes them functions, for whoever wraps them; our own adapters take them whole, see {@linkcode upgrader}. */
export function apart(make: Make<PeerHandlers>): Make {
  const connectPeer = async (c: Context): Promise<WSEvents> => {
    const handlers = await make(c);
    return {
      onOpen: (event, ws) => handlers.onOpen(event, ws),
      onMessage: (event, ws) => handlers.onMessage(event, ws),
      onClose: (event) => handlers.onClose(event),
      onError: () => handlers.onError(),
    };
  };
  return Object.assign(connectPeer, { [whole]: make });
}

/**
 * Makes an `upgradeWebSocket`, as Hono does. Given what {@linkcode apart} made, it takes the handlers whole, which saves
 * each connection three functions.
 */
export function upgrader<T>(
  upgrade: WebSocketHelperDefineHandler<T, UpgradeOptions>,
): UpgradeWebSocket<T, UpgradeOptions> {
  const helper = defineWebSocketHelper(upgrade);
  // Written for a context and its events; a function and its options go the same way.
  const take = (...[first, ...rest]: Parameters<typeof helper>) => helper(wholeOf(first), ...rest);
  return take as typeof helper;
}

function wholeOf<T extends object>(given: T): T {
  return (given as { readonly [whole]?: T })[whole] ?? given;
}

/** A context that can be terminated, as those of our own adapters, is a socket as it is. */
function socketOf(ws: WSContext | Socket): Socket {
  return "terminate" in ws ? ws : new HonoSocket(ws as WSContext);
}

/** What the runtimes' sockets have in common and Hono's context hides. */
interface RawSocket {
  terminate?(): void;
}

class HonoSocket implements Socket {
  readonly #ws: WSContext;

  constructor(ws: WSContext) {
    this.#ws = ws;
  }

  send(data: string | Uint8Array): void {
    this.#ws.send(data as string);
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  terminate(): void {
    (this.#ws.raw as RawSocket | undefined)?.terminate?.();
  }
}
