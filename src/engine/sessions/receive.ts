import { exceeds } from "../../base/bytes.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import { type Close, type Command, closes } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import type { LimitName } from "../core/counters.ts";
import type { SendWindow } from "../delivery/send-window.ts";
import type { CommandQueue } from "./command-queue.ts";

/** A session as far as its commands are concerned. */
export interface Commanded {
  readonly id: string;
  readonly context: Context;
  readonly queue: CommandQueue;
  readonly out: { begin(): void };
  readonly window: SendWindow;
  readonly isOpen: boolean;
  readonly isConnected: boolean;
  /** Whether the first command has been seen: the next one must not be `connect` again. */
  isGreeted: boolean;
  /** Whether a command is being answered: the next one has its turn after it. */
  isBusy: boolean;
  /** The first command has come, in time. */
  greeted(): void;
  hasExpired(): boolean;
  /** A pong has come. */
  pong(): void;
  /** Takes what a command says has been received, or is no longer wanted. Answers how many acknowledgements that were. */
  takeAcknowledgements(command: Command): number;
  /** Answers a command, with an error where it is over the session's rate. It never throws or rejects. */
  answer(command: Command, isOver: boolean): MaybePromise<void>;
  close(why: Close): void;
  /** Closes it for being over a limit. */
  exceed(limit: LimitName, why: Close): void;
}

/** Takes a message of a peer's: what overtakes others is done at once, and the rest has its turn. */
export function receive(session: Commanded, data: unknown): void {
  const { context, queue } = session;
  if (!session.isOpen || session.hasExpired()) return;
  const commands = commandsIn(session, data);
  const now = context.clock.now();
  let acknowledgements = 0;
  for (const command of commands) {
    const chars = (data as string).length / commands.length;
    const said = session.isGreeted ? session.takeAcknowledgements(command) : 0;
    acknowledgements += said;
    if (command.method === "pong") session.pong();
    else if ((said > 0 && command.method === "send") || context.flushing) continue;
    else if (isAnsweredAtOnce(session, command)) answerAtOnce(session, command, chars, now);
    else queue.add(command, chars, now);
    if (!session.isOpen) return;
  }
  // As many words as there may be subscriptions cost as much as one command.
  if (acknowledgements > 0)
    queue.charge(Math.ceil(acknowledgements / context.settings.limits.subscriptions), now);
  const { exceeded } = queue;
  if (exceeded !== undefined) return session.exceed(exceeded, closes.tooManyRequests);
  work(session);
}

/** Pings, acknowledgements and cancelling a run overtake what is slow. Before it has connected nothing does. */
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
  // What can be answered before it is.
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

/** Answers commands in their order, one after the other, while there is room for the answers. */
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
        answering.finally(() => workOn(session)),
      );
  }
}

function workOn(session: Commanded): void {
  session.isBusy = false;
  work(session);
}

function mayAnswer({ window, isConnected }: Commanded, { method, params }: Command): boolean {
  if (window.room > 0 || !isConnected) return true;
  const isForStored =
    method === "history" || method === "presence" || (method === "subscribe" && params.recover === true);
  return !isForStored && window.hasRoomToReply;
}

/** Reads the commands in one message of a peer's. One that cannot be read closes the session. */
function commandsIn(session: Commanded, data: unknown): readonly Command[] {
  const { codec, settings } = session.context;
  if (typeof data !== "string") session.close(closes.badRequest);
  else if (exceeds(data, settings.limits.message)) session.exceed("message", closes.messageTooBig);
  else {
    const commands = codec.decode(data, settings.limits.depth);
    if (commands !== undefined) return commands;
    session.close(closes.badRequest);
  }
  return [];
}
