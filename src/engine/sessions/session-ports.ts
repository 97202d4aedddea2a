import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Peer } from "../../model/peer.ts";
import type { Socket } from "../../model/socket.ts";
import type { Close, Command } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import type { CommandQueues } from "./command-queue.ts";
import type { RestoredSession } from "./session-state.ts";
import type { Wire } from "./wire.ts";

/** What a session needs besides the context. `S` is the class of sessions. */
export interface SessionContext<S> extends Context {
  /** Returns how a session is written to whose socket has agreed on a subprotocol; "" or undefined for none. */
  wireOf(subprotocol: string | undefined): Wire;
  readonly commandQueues: CommandQueues;
  /** All sessions. */
  readonly sessions: { add(session: S): void; delete(session: S): void };
  /** Called when a session has been created. `isRestored` means that it continues one of an earlier process. */
  entered(session: S, isRestored: boolean): void;
  /** Called when the server closes a session. `wasFresh` means that it was not connected yet. */
  closed(why: Close, wasFresh: boolean): void;
  /** Called before a session gives up its subscriptions, for any reason. */
  leaving(session: S): void;
  /** Called when a session has ended. `wasClosed` means that the server had closed it before. */
  left(session: S, wasClosed: boolean): void;
}

/** Answers the commands of clients. */
export interface CommandHandler<S> {
  /**
   * Handles the acknowledgements of a command, and the intent of an `unsubscribe`. Returns 0 if it acknowledges
   * nothing, and otherwise 1 plus the number of acknowledged channels.
   */
  takeAcknowledgements(session: S, command: Command): number;
  /**
   * Answers a command. `isOver` means that it is over the session's rate, and gets an error. It never throws or
   * rejects.
   */
  answer(session: S, command: Command, isOver: boolean): MaybePromise<void>;
}

/** What a session is created from. */
export interface SessionParts<S> {
  readonly context: SessionContext<S>;
  readonly commands: CommandHandler<S>;
  readonly socket: Socket;
  readonly peer: Peer;
  /** What is known of the session in an earlier process. Undefined for a new one. */
  readonly restored?: RestoredSession | undefined;
}
