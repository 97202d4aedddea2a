import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Peer } from "../../model/peer.ts";
import type { Socket } from "../../model/socket.ts";
import type { Close, Command } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import type { CommandQueues } from "./command-queue.ts";
import type { FrameCache } from "./frame-cache.ts";
/** What a session needs beside; `S` is the class of sessions. */
export interface SessionContext<S> extends Context {
  readonly frames: FrameCache;
  readonly commandQueues: CommandQueues;
  /** All there are. */
  readonly sessions: { add(session: S): void; delete(session: S): void };
  /** There is one more. */
  entered(session: S): void;
  /** We close one; `wasFresh`: before it was connected. */
  closed(why: Close, wasFresh: boolean): void;
  /** One is about to give up its subscriptions, for whatever reason. */
  leaving(session: S): void;
  /** One is over. */
  left(session: S): void;
}

/** Who answers what a client asks for. */
export interface CommandHandler<S> {
  /** Takes what a command says has been received, or is no longer wanted. Answers how many acknowledgements that were. */
  takeAcknowledgements(session: S, command: Command): number;
  /** Answers a command, with an error where it is over the session's rate. It never throws or rejects. */
  answer(session: S, command: Command, isOver: boolean): MaybePromise<void>;
}

/** What a session is made of. */
export interface SessionParts<S> {
  readonly context: SessionContext<S>;
  readonly commands: CommandHandler<S>;
  readonly socket: Socket;
  readonly peer: Peer;
}
