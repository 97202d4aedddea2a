import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { defineWebSocketHelper, type UpgradeWebSocket, type WSContext, type WSEvents } from "hono/ws";
import { complain } from "../base/console.ts";
import type { Notifier } from "../engine/notifier/notifier.ts";
import type { Peer } from "../model/peer.ts";
import type { Refused } from "../model/refused.ts";
import type { Session, Socket } from "../model/socket.ts";
import { closes } from "../wire/protocol.ts";
import { type Bounded, contained, guard } from "./guard.ts";
import { faultOf, handshakeOf, type Speaking, wantsWebSocket } from "./handshake.ts";
import type { UpgradeOptions } from "./host.ts";

/** The handlers of a peer's connection. They are functions of their own, so that other code can take and wrap them. */
export class PeerHandlers implements Required<WSEvents>, Bounded, Speaking {
  readonly #notifier: Notifier;
  readonly #peer: Peer;
  #session: Session | undefined;
  /** Releases the place that is reserved for the connection until it is a session. */
  #release: (() => void) | undefined;

  constructor(notifier: Notifier, peer: Peer, release: () => void) {
    this.#notifier = notifier;
    this.#peer = peer;
    this.#release = release;
  }

  get subprotocols(): readonly string[] {
    return this.#notifier.subprotocols;
  }

  /** Its session, once there is one. */
  get session(): Session | undefined {
    return this.#session;
  }

  readonly onOpen = (_event: unknown, ws: WSContext): void => {
    this.#session ??= this.#accept(ws);
  };

  /** Opens the session if it is not open: not every runtime has an open event. */
  readonly onMessage = ({ data }: { readonly data: unknown }, ws: WSContext): void => {
    this.#session ??= this.#accept(ws);
    this.#session?.receive(data);
  };

  readonly takes = (): boolean => {
    // A session that is closing ignores messages, and does not count them.
    return !this.#notifier.closing.aborted && (this.#session === undefined || this.#session.isOpen === true);
  };

  /** Ends the session. For a lost connection, Deno reports code 0, and every other runtime 1006. */
  readonly onClose = ({ code }: { readonly code: number }): void => {
    this.abandon();
    this.#session?.ended(code === 0 ? 1006 : code);
  };

  /** Does nothing: on every runtime a close event follows an error, and ends the session. */
  readonly onError = (): void => {};

  /** Releases the reserved place. Is called when the session is accepted, and when there will be none. */
  abandon(): void {
    this.#release?.();
    this.#release = undefined;
  }

  /** Reports that the handshake was refused, although the peer was authenticated. */
  refused(refused: Refused): void {
    this.#notifier.refused(refused);
  }

  report(error: unknown, path: string): void {
    this.#notifier.report(error, { stage: "host", owner: path });
  }

  #accept(ws: WSContext): Session | undefined {
    this.abandon();
    try {
      return this.#notifier.accept(socketOf(ws), this.#peer);
    } catch (error) {
      // No session owns the socket.
      this.#notifier.report(error, { stage: "authenticate", owner: "accept" });
      ws.close(closes.internal.code, closes.internal.reason);
      return undefined;
    }
  }
}

/** Upgrades a request by the runtime itself, in a server of the user's own. Throws an error that says what to do. */
type LetIn<T> = (c: Context, handlers: Required<WSEvents<T>>) => Response | Promise<Response>;

/**
 * Creates an `upgradeWebSocket` like Hono's.
 *
 * Under the `serve` of any runtime, the host does the upgrade. In other servers, `letIn` does.
 */
export function upgrader<T>(letIn: LetIn<T>): UpgradeWebSocket<T, UpgradeOptions> {
  const helper = defineWebSocketHelper<T, UpgradeOptions>(async (c, events, options) =>
    wantsWebSocket(c.req.header("upgrade")) ? upgrade(c, events, options, letIn) : undefined,
  );
  // The types are for a context and its events. A function and its options are passed on in the same way.
  const take = (...[first, ...rest]: Parameters<typeof helper>) => {
    const isGiven = typeof first === "function" || (first as Partial<Context> | undefined)?.req !== undefined;
    if (!isGiven)
      throw new TypeError(
        "Cannot upgrade: give what makes the handlers, upgradeWebSocket(notifications(notifier))",
      );
    return helper(first, ...rest);
  };
  return take as typeof helper;
}

async function upgrade<T>(
  c: Context,
  events: WSEvents<T>,
  options: UpgradeOptions | undefined,
  letIn: LetIn<T>,
): Promise<Response> {
  const peer = events instanceof PeerHandlers ? events : undefined;
  const handshake = handshakeOf(c);
  const refuse = (status: 400 | 426 | 500, reason: string, headers?: Record<string, string>): never => {
    peer?.abandon();
    peer?.refused({ code: status, reason, path: c.req.path });
    if (handshake !== undefined) handshake.isTold = peer !== undefined;
    throw new HTTPException(status, {
      res: new Response(statusTexts[status], { status, ...(headers && { headers }) }),
    });
  };
  const fault = faultOf(c);
  if (fault !== undefined) return refuse(fault.status, fault.reason, fault.headers);
  const ownReport = options?.onError === undefined ? undefined : contained(options.onError);
  const guarded = guard(events, ownReport ?? handshake?.report ?? complain);
  try {
    if (handshake !== undefined) return handshake.accept(c, guarded, () => peer?.abandon());
    return await letIn(c, guarded);
  } catch (error) {
    if (error instanceof Gone) return refuse(400, error.message);
    if (ownReport !== undefined) ownReport(error);
    else if (peer !== undefined) peer.report(error, c.req.path);
    else complain(error);
    return refuse(500, error instanceof Error ? error.message : "the upgrade failed");
  }
}

const statusTexts = { 400: "Bad Request", 426: "Upgrade Required", 500: "Internal Server Error" } as const;

/** Is thrown when a client has left before its upgrade was answered. */
export class Gone extends Error {
  constructor() {
    super("the client has left");
  }
}

/** Returns the socket of a context. A context that has `terminate`, as in our own adapters, is the socket itself. */
function socketOf(ws: WSContext | Socket): Socket {
  return "terminate" in ws ? ws : new HonoSocket(ws as WSContext);
}

/** The member that the runtimes' sockets have and Hono's context hides. */
interface RawSocket {
  terminate?(): void;
}

class HonoSocket implements Socket {
  readonly #ws: WSContext;

  constructor(ws: WSContext) {
    this.#ws = ws;
  }

  get protocol(): string | undefined {
    return this.#ws.protocol ?? undefined;
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
