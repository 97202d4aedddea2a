import { takeWords } from "./acknowledgement.ts";
import { answer, commandsIn } from "./answer.ts";
import { type Command, closes } from "./protocol.ts";
import type { LiveSession } from "./session.ts";

/** Takes a message of a peer's: what overtakes others is done at once, and the rest has its turn. */
export function receive(session: LiveSession, data: unknown): void {
  const { hub, intake } = session;
  if (!session.isOpen || session.hasExpired()) return;
  const commands = commandsIn(session, data);
  const now = hub.clock.now();
  let words = 0;
  for (const command of commands) {
    const chars = (data as string).length / commands.length;
    const said = session.isGreeted ? takeWords(session, command) : 0;
    words += said;
    if (command.method === "pong") session.pong();
    else if ((said > 0 && command.method === "send") || hub.flushing) continue;
    else if (isAnsweredAtOnce(session, command)) answerAtOnce(session, command, chars, now);
    else intake.add(command, chars, now);
    if (!session.isOpen) return;
  }
  // As many words as there may be subscriptions cost as much as one command.
  if (words > 0) intake.charge(Math.ceil(words / hub.settings.limits.subscriptions), now);
  const { exceeded } = intake;
  if (exceeded !== undefined) return session.exceed(exceeded, closes.tooManyRequests);
  work(session);
}

/** Pings, acknowledgements and cancelling a run overtake what is slow. Before it has connected nothing does. */
function isAnsweredAtOnce(session: LiveSession, { method, params }: Command): boolean {
  if (!session.isConnected || !session.window.hasRoomToReply) return false;
  return (
    method === "ping" || (method === "rpc" && (params.method === "run.cancel" || params.method === "ack"))
  );
}

function answerAtOnce(session: LiveSession, command: Command, chars: number, now: number): void {
  const { intake } = session;
  const isOver = intake.charge(1, now);
  if (intake.exceeded !== undefined) return;
  // What can be answered before it is.
  work(session);
  if (!session.isOpen) return;
  const answering = answer(session, command, isOver);
  if (!(answering instanceof Promise)) return;
  intake.hold(chars);
  const done = answering.finally(() => {
    if (session.isOpen) intake.release(chars);
  });
  own(session, command, done);
}

function own({ hub, id }: LiveSession, { method }: Command, answering: Promise<void>): void {
  hub.scope.own("task", `session ${id} ${method}`, answering);
}

/** Answers commands in their order, one after the other, while there is room for the answers. */
export function work(session: LiveSession): void {
  while (!session.isBusy && session.isOpen) {
    const { first } = session.intake;
    const next = first !== undefined && mayAnswer(session, first) ? session.intake.next() : undefined;
    if (next === undefined) return;
    const { command, isOver } = next;
    const isConnect = command.method === "connect";
    if (isConnect === session.isGreeted) return session.close(closes.badRequest);
    if (isConnect) session.pulse.greeted();
    session.isGreeted = true;
    session.isBusy = true;
    session.out.begin();
    const answering = answer(session, command, isOver);
    if (!(answering instanceof Promise)) session.isBusy = false;
    else
      own(
        session,
        command,
        answering.finally(() => workOn(session)),
      );
  }
}

function workOn(session: LiveSession): void {
  session.isBusy = false;
  work(session);
}

function mayAnswer({ window, isConnected }: LiveSession, { method, params }: Command): boolean {
  if (window.room > 0 || !isConnected) return true;
  const isForStored =
    method === "history" || method === "presence" || (method === "subscribe" && params.recover === true);
  return !isForStored && window.hasRoomToReply;
}
