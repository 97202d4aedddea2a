import type { WSContext } from "hono/ws";
import type { Notifier } from "../../engine/notifier/notifier.ts";
import type { Identity } from "../../model/peer.ts";
import type { SessionState } from "../../model/socket.ts";
import { closes } from "../../wire/protocol.ts";
import type { PeerHandlers } from "../handlers.ts";
import { type Attachment, attachmentOf, type Keeper, ObjectSocket, reciprocate } from "./object-socket.ts";
import { functionsFor, type NotifierObjectOptions } from "./options.ts";
import { type HibernatableSocket, type ObjectState, open } from "./platform.ts";
import type { SessionTable } from "./session-table.ts";

/** Tells the sockets of sessions from those that the user's own code accepts. */
const tag = "tocsin";

/** What the sockets of an object are created from. */
export interface SocketsParts {
  readonly notifier: Notifier;
  readonly state: ObjectState;
  readonly table: Pick<SessionTable, "put" | "get" | "delete" | "retain">;
  readonly options: Pick<NotifierObjectOptions, "authorize" | "peer">;
}

/** The sockets of an object, each with its session. */
export class Sockets implements Keeper {
  readonly #parts: SocketsParts;
  readonly #sockets = new Map<HibernatableSocket, ObjectSocket>();
  readonly #unsettled = new Set<ObjectSocket>();

  constructor(parts: SocketsParts) {
    this.#parts = parts;
  }

  of(raw: HibernatableSocket): ObjectSocket | undefined {
    return this.#sockets.get(raw);
  }

  /** Accepts a socket. Its session is made at once: a client that says nothing is counted, and timed out. */
  open(raw: HibernatableSocket, handlers: PeerHandlers, protocol: string | undefined): void {
    this.#parts.state.acceptWebSocket(raw, [tag]);
    const socket = new ObjectSocket(raw, this, protocol);
    this.#sockets.set(raw, socket);
    handlers.onOpen(undefined, socket as unknown as WSContext);
    socket.session = handlers.session;
    this.#attempt(socket, () => socket.keep(false));
  }

  /** Takes back the sessions of the life before. A socket that is being closed has none. */
  restore(): void {
    const { state, notifier } = this.#parts;
    const stored = new Set<string>();
    for (const raw of state.getWebSockets(tag).filter(({ readyState }) => readyState === open)) {
      const attachment = attachmentOf(raw);
      if (attachment === undefined) {
        const error = new Error("Cannot restore a session: nothing is kept with its socket");
        this.#lose(new ObjectSocket(raw, this, undefined), error);
        continue;
      }
      if (attachment.state === undefined) stored.add(attachment.id);
      this.#restore(raw, attachment);
    }
    try {
      this.#parts.table.retain(stored);
    } catch (error) {
      notifier.report(error, { stage: "host", owner: "object" });
    }
    this.sweep();
  }

  #restore(raw: HibernatableSocket, { id, isStale, protocol, state }: Attachment): void {
    const { notifier, options } = this.#parts;
    const { authorize, peer } = options;
    const socket = new ObjectSocket(raw, this, protocol, state === undefined ? id : undefined);
    this.#sockets.set(raw, socket);
    this.#attempt(socket, () => {
      const text = state ?? this.#parts.table.get(id);
      if (text === "") throw new Error("Cannot restore a session: its state is not in the storage");
      const kept: SessionState = JSON.parse(text);
      const functions = functionsFor(identityOf(kept), peer);
      socket.session = notifier.restore(socket, kept, { ...functions, authorize, isStale });
      if (isStale) socket.keep(true);
    });
  }

  /** Ends the session of a socket that its peer has closed or lost, and answers the close: the platform does not. */
  ended(raw: HibernatableSocket, code: number, reason: string): void {
    const socket = this.#sockets.get(raw);
    if (socket !== undefined) {
      this.left(socket);
      socket.forget();
      socket.session?.ended(code);
    }
    reciprocate(raw, code, reason);
  }

  /** Keeps what has changed. Returns whether everything is kept. */
  settle(): boolean {
    for (const socket of this.#unsettled)
      this.#attempt(socket, () => socket.settle() && this.#unsettled.delete(socket));
    return this.#unsettled.size === 0;
  }

  /** Tells each session when the platform last answered a ping of its client. */
  sweep(): void {
    const { state } = this.#parts;
    for (const { raw, session } of [...this.#sockets.values()]) {
      if (session?.isOpen !== true) continue;
      const heard = state.getWebSocketAutoResponseTimestamp(raw);
      session.heard?.(heard === null ? 0 : heard.getTime());
    }
  }

  store(id: string, state: string): void {
    this.#parts.table.put(id, state);
  }

  discard(id: string): void {
    try {
      this.#parts.table.delete(id);
    } catch (error) {
      // The next life deletes it.
      this.#parts.notifier.report(error, { stage: "host", owner: `session ${id}` });
    }
  }

  unsettled(socket: ObjectSocket): void {
    this.#unsettled.add(socket);
  }

  left(socket: ObjectSocket): void {
    this.#sockets.delete(socket.raw);
    this.#unsettled.delete(socket);
  }

  /** Restores or keeps a session. If this fails, its client has to connect again, and recovers what it has missed. */
  #attempt(socket: ObjectSocket, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#lose(socket, error);
    }
  }

  #lose(socket: ObjectSocket, error: unknown): void {
    const { raw, session } = socket;
    const id = session?.id ?? attachmentOf(raw)?.id;
    const owner = id === undefined ? "object" : `session ${id}`;
    this.#parts.notifier.report(error, { stage: "host", owner });
    this.left(socket);
    session?.ended(closes.reconnect.code);
    socket.close(closes.reconnect.code, closes.reconnect.reason);
  }
}

function identityOf({ user, channels, info, expires }: SessionState): Identity {
  return { user, channels, info, expires } as Identity;
}
