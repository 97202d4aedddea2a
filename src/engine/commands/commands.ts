import { handled, type MaybePromise } from "../../base/maybe-promise.ts";
import { ClosedError } from "../../model/errors.ts";
import {
  type Close,
  type Command,
  closes,
  type ErrorReply,
  type Method,
  replies,
} from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { Hub } from "../hub/hub.ts";
import type { LiveSession } from "../sessions/session.ts";
import type { CommandHandler } from "../sessions/session-ports.ts";
import { resumed, takeAcknowledgements } from "./acknowledge.ts";
import type { Answer, Caller } from "./call.ts";
import { commands } from "./command-table.ts";
import type { Params } from "./params.ts";

/** Answers the commands of clients. */
export class Commands implements CommandHandler<LiveSession> {
  readonly #hub: Hub;

  constructor(hub: Hub) {
    this.#hub = hub;
    hub.ledger.onReturned = (identity, channel, position) =>
      resumed({ hub, session: { identity } }, channel, position);
  }

  takeAcknowledgements(session: LiveSession, command: Command): number {
    return takeAcknowledgements(session, command);
  }

  /** Answers a command. It is synchronous if the handler is. */
  answer(session: LiveSession, command: Command, isOver: boolean): MaybePromise<void> {
    const caller = { hub: this.#hub, session };
    return handled(
      () => handle(caller, command, isOver),
      (answered) => {
        if (answered !== undefined) reply(caller, command, answered);
      },
      (error) => refuse(caller, command, error),
    );
  }
}

/** Runs a command. Returns undefined if it gets no reply. */
function handle(
  { hub, session }: Caller,
  command: Command,
  isOver: boolean,
): MaybePromise<Answer | undefined> {
  const { method, params } = command;
  if (isOver) throw new Refusal(replies.tooManyRequests, "rate");
  if (command.isDeep) throw new Refusal(replies.badRequest, "depth");
  // A `send` that arrived before the connect command was handled has waited. Its acknowledgements are handled only now.
  if (method === "send")
    return takeAcknowledgements(session, command) > 0 ? undefined : receive(session, params);
  if (method === "unknown") throw new Refusal(replies.methodNotFound);
  if (method === "ambiguous" || method === "pong") throw new Refusal(replies.badRequest);
  return commands[method]({ hub, session, params });
}

const none: readonly string[] = [];

function reply({ hub, session }: Caller, { id, method }: Command, answered: Answer): void {
  const { result, channels = none, after, abandon } = answered;
  if (channels.some((name) => session.out.isWithheld(name))) {
    abandon?.();
    if (method === "connect") return session.revoke(closes.reconnect);
    throw new Refusal(replies.permissionDenied);
  }
  if (abandon !== undefined && hub.flushing) {
    // Closing has already determined what each session is sent. The client reconnects, and asks again.
    abandon();
    throw new Refusal(replies.internal);
  }
  const { codec, replies: written } = session.wire;
  const { text, bytes } = written.write(id, method as Method, result);
  session.put(method === "connect" ? codec.padded(text) : text, bytes);
  session.out.answered(channels);
  after?.();
}

function refuse({ hub, session }: Caller, { id, method }: Command, error: unknown): void {
  const reply = errorReply({ hub, session }, error);
  // A command without an id, or of a session that has ended, gets no reply.
  if (id === 0 || !session.isOpen) return;
  hub.counters.error(reply.code);
  session.put(session.codec.error(id, reply));
  // A client cannot continue without the connect reply. The close code tells it what to do.
  if (method === "connect") session.close(closeOf(reply));
}

/** Returns why the connection closes after an error reply to `connect`. */
function closeOf({ code }: ErrorReply): Close {
  if (code === replies.tokenExpired.code) return closes.expired;
  return code === replies.limitExceeded.code ? closes.channelLimit : closes.internal;
}

function errorReply({ hub, session: { id } }: Caller, error: unknown): ErrorReply {
  if (error instanceof Refusal) {
    if (error.limit !== undefined) hub.counters.hit(error.limit);
    return error.reply;
  }
  if (error instanceof ClosedError) return replies.notAvailable;
  hub.report(error, "internal", `session ${id}`);
  return replies.internal;
}

/** Passes the data of a `send` to the user's handler. */
async function receive(session: LiveSession, params: Params): Promise<undefined> {
  const { peer } = session;
  const handler = peer.receive;
  try {
    if (handler !== undefined) await session.ask("send", () => handler(peer, params.data));
  } catch {
    // A `send` gets no reply, and the error has been reported.
  }
}
