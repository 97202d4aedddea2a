import type { MaybePromise } from "../../base/maybe-promise.ts";
import { type Close, type Codec, type Command, closes } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import type { LimitName } from "../core/counters.ts";
import type { SendWindow } from "../delivery/send-window.ts";
import type { CommandQueue } from "./command-queue.ts";

/** A session, as the handling of its commands uses it. */
export interface Commanded {
  readonly id: string;
  readonly context: Context;
  readonly codec: Codec;
  readonly queue: CommandQueue;
  readonly out: { begin(): void };
  readonly window: SendWindow;
  readonly isOpen: boolean;
  readonly isConnected: boolean;
  /** Whether the first command has come. Only the first command may be `connect`. */
  isGreeted: boolean;
  /** Whether a command is being answered. The next one waits for it. */
  isBusy: boolean;
  /** Called when the first command has come in time. */
  greeted(): void;
  hasExpired(): boolean;
  /** Called when a pong has come. */
  pong(): void;
  /**
   * Handles the acknowledgements of a command, and the intent of an `unsubscribe`. Returns 0 if it acknowledges
   * nothing, and otherwise 1 plus the number of acknowledged channels.
   */
  takeAcknowledgements(command: Command): number;
  /**
   * Answers a command. `isOver` means that it is over the session's rate, and gets an error. It never throws or
   * rejects.
   */
  answer(command: Command, isOver: boolean): MaybePromise<void>;
  close(why: Close): void;
  /** Closes the session because a limit is exceeded. */
  exceed(limit: LimitName, why: Close): void;
}

/** Handles a message from a peer. Urgent commands are handled at once, and the others are queued. */
export function receive(session: Commanded, data: unknown): void {
  const { context, queue } = session;
  if (!session.isOpen || session.hasExpired()) return;
  const commands = commandsIn(session, data);
  const now = context.clock.now();
  let acknowledgements = 0;
  for (const command of commands) {
    const chars = sizeOf(data) / commands.length;
    const acknowledged = session.isGreeted ? session.takeAcknowledgements(command) : 0;
    acknowledgements += acknowledged;
    if (command.method === "pong") session.pong();
    else if ((acknowledged > 0 && command.method === "send") || context.flushing) continue;
    else if (isAnsweredAtOnce(session, command)) answerAtOnce(session, command, chars, now);
    else queue.add(command, chars, now);
    if (!session.isOpen) return;
  }
  // Up to `limits.subscriptions` acknowledgements in one message cost as much as one command.
  if (acknowledgements > 0)
    queue.charge(Math.ceil(acknowledgements / context.settings.limits.subscriptions), now);
  const { exceeded } = queue;
  if (exceeded !== undefined) return session.exceed(exceeded, closes.tooManyRequests);
  work(session);
}

/**
 * Returns whether a command is answered at once, ahead of slow commands: `ping`, acknowledgements and the cancelling of
 * a run. Before the connect reply no command is.
 */
function isAnsweredAtOnce(session: Commanded, { method, params }: Command): boolean {
  if (!session.isConnected || !session.window.hasRoomToReply) return false;
  return (
    method === "ping" || (method === "rpc" && (params.method === "run.cancel" || params.method === "ack"))
  );
}

function answerAtOnce(session: Commanded, command: Command, chars: number, now: number): void {
  const { queue } = session;
  const isOver = queue.charge(1, now);
  if (queue.exceeded !== undefined) return;
  // First answer the queued commands that can be answered now.
  work(session);
  if (!session.isOpen) return;
  const answering = session.answer(command, isOver);
  if (!(answering instanceof Promise)) return;
  queue.hold(chars);
  const done = answering.finally(() => {
    if (session.isOpen) queue.release(chars);
  });
  own(session, command, done);
}

function own({ context, id }: Commanded, { method }: Command, answering: Promise<void>): void {
  context.scope.own("task", `session ${id} ${method}`, answering);
}

/** Answers the queued commands in order, one at a time, while there is room for the replies. */
export function work(session: Commanded): void {
  while (!session.isBusy && session.isOpen) {
    const { first } = session.queue;
    const next = first !== undefined && mayAnswer(session, first) ? session.queue.next() : undefined;
    if (next === undefined) return;
    const { command, isOver } = next;
    const isConnect = command.method === "connect";
    if (isConnect === session.isGreeted) return session.close(closes.badRequest);
    if (isConnect) session.greeted();
    session.isGreeted = true;
    session.isBusy = true;
    session.out.begin();
    const answering = session.answer(command, isOver);
    if (!(answering instanceof Promise)) session.isBusy = false;
    else
      own(
        session,
        command,
        answering.finally(() => finish(session)),
      );
  }
}

function finish(session: Commanded): void {
  session.isBusy = false;
  work(session);
}

function mayAnswer({ window, isConnected }: Commanded, { method, params }: Command): boolean {
  if (window.room > 0 || !isConnected) return true;
  const returnsStored =
    method === "history" || method === "presence" || (method === "subscribe" && params.recover === true);
  return !returnsStored && window.hasRoomToReply;
}

/** Returns the size of a message that was decoded, in characters or bytes. */
function sizeOf(data: unknown): number {
  return typeof data === "string" ? data.length : (data as ArrayBuffer | Uint8Array).byteLength;
}

/** Decodes the commands in a message from a peer. A message that cannot be decoded closes the session. */
function commandsIn(session: Commanded, data: unknown): readonly Command[] {
  const { message, depth } = session.context.settings.limits;
  const commands = session.codec.decode(data, depth, message);
  if (commands === "tooLarge") session.exceed("message", closes.messageTooBig);
  else if (commands === undefined) session.close(closes.badRequest);
  else return commands;
  return [];
}
