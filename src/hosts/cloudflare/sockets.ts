import type { WSContext } from "hono/ws";
import type { Notifier } from "../../engine/notifier/notifier.ts";
import type { Identity } from "../../model/peer.ts";
import type { SessionState } from "../../model/socket.ts";
import type { SqlPort } from "../../stores/sqlite/database.ts";
import { closes } from "../../wire/protocol.ts";
import type { PeerHandlers } from "../handlers.ts";
import { type Attachment, attachmentOf, type Keeper, ObjectSocket, reciprocate } from "./object-socket.ts";
import { functionsOf, type NotifierObjectOptions } from "./options.ts";
import type { HibernatableSocket, ObjectState } from "./platform.ts";
import { SessionTable } from "./session-table.ts";

/** What the sockets of an object are created from. */
export interface SocketsParts {
  readonly notifier: Notifier;
  readonly state: ObjectState;
  readonly port: SqlPort;
  readonly options: Pick<NotifierObjectOptions, "authorize" | "peer">;
}

/** The sockets of an object, each with its session. */
export class Sockets implements Keeper {
  readonly table: SessionTable;
  readonly #parts: SocketsParts;
  readonly #sockets = new Map<HibernatableSocket, ObjectSocket>();
  readonly #unsettled = new Set<ObjectSocket>();

  constructor(parts: SocketsParts) {
    this.#parts = parts;
    this.table = new SessionTable(parts.port);
  }

  of(raw: HibernatableSocket): ObjectSocket | undefined {
    return this.#sockets.get(raw);
  }

  /** Accepts a socket. Its session is made at once: a client that says nothing is counted, and timed out. */
  open(raw: HibernatableSocket, handlers: PeerHandlers): void {
    this.#parts.state.acceptWebSocket(raw);
    const socket = new ObjectSocket(raw, this);
    this.#sockets.set(raw, socket);
    handlers.onOpen(undefined, socket as unknown as WSContext);
    socket.session = handlers.session;
    socket.keep(false);
  }

  /** Takes back the sessions of the life before. */
  restore(): void {
    const attached = this.#parts.state.getWebSockets().flatMap((raw) => {
      const attachment = attachmentOf(raw);
      return attachment === undefined ? [] : [{ raw, attachment }];
    });
    const spilled = attached.filter(({ attachment }) => attachment.state === undefined);
    if (spilled.length > 0) this.table.retain(new Set(spilled.map(({ attachment }) => attachment.id)));
    for (const { raw, attachment } of attached) this.#restore(raw, attachment);
    this.sweep();
  }

  #restore(raw: HibernatableSocket, { id, isStale, state }: Attachment): void {
    const { notifier, options } = this.#parts;
    const { authorize, peer } = options;
    const socket = new ObjectSocket(raw, this, state === undefined);
    try {
      const text = state ?? this.table.get(id);
      const kept: SessionState = JSON.parse(text);
      const own = functionsOf(peer?.(identityOf(kept)));
      socket.session = notifier.restore(socket, kept, { ...own, authorize, isStale });
      this.#sockets.set(raw, socket);
      if (isStale) socket.keep(true);
    } catch (error) {
      // The client reconnects, and recovers what it has missed.
      notifier.report(error, { stage: "host", owner: `session ${id}` });
      socket.close(closes.reconnect.code, closes.reconnect.reason);
    }
  }

  /** Ends the session of a socket that its peer has closed or lost, and answers the close: the platform does not. */
  ended(raw: HibernatableSocket, code: number, reason: string): void {
    const socket = this.#sockets.get(raw);
    this.#sockets.delete(raw);
    if (socket !== undefined) {
      this.#unsettled.delete(socket);
      socket.forget();
      socket.session?.ended(code);
    }
    reciprocate(raw, code, reason);
  }

  unsettled(socket: ObjectSocket): void {
    this.#unsettled.add(socket);
  }

  /** Keeps what has changed. Returns whether everything is kept. */
  settle(): boolean {
    for (const socket of this.#unsettled) if (socket.settle()) this.#unsettled.delete(socket);
    return this.#unsettled.size === 0;
  }

  /** Tells each session when the platform last answered a ping of its client. */
  sweep(): void {
    const { state } = this.#parts;
    for (const { raw, session } of [...this.#sockets.values()]) {
      const heard = state.getWebSocketAutoResponseTimestamp(raw);
      session?.heard?.(heard === null ? 0 : heard.getTime());
    }
  }
}

function identityOf({ user, channels, info, expires }: SessionState): Identity {
  return { user, channels, info, expires };
}
