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
import { takeAcknowledgements } from "./acknowledge.ts";
import type { Answer, Caller } from "./call.ts";
import { commands } from "./command-table.ts";
import type { Params } from "./params.ts";

/** Answers what clients ask of a notifier. */
export class Commands implements CommandHandler<LiveSession> {
  readonly #hub: Hub;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  takeAcknowledgements(session: LiveSession, command: Command): number {
    return takeAcknowledgements(session, command);
  }

  /** What needs not be waited for is answered at once. */
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

/** Does what a command asks for. What needs no answer has none. */
function handle(
  { hub, session }: Caller,
  command: Command,
  isOver: boolean,
): MaybePromise<Answer | undefined> {
  const { method, params } = command;
  if (isOver) throw new Refusal(replies.tooManyRequests, "rate");
  if (command.isDeep) throw new Refusal(replies.badRequest, "depth");
  // One that came ahead of the answer to connect has waited for it.
  if (method === "send")
    return takeAcknowledgements(session, command) > 0 ? undefined : receive(session, params);
  if (method === "unknown") throw new Refusal(replies.methodNotFound);
  if (method === "ambiguous" || method === "pong") throw new Refusal(replies.badRequest);
  return commands[method]({ hub, session, params });
}

const none: readonly string[] = [];

/**
 * Characters that the first frame has at least, by spaces that JSON does not mind and the window does not count.
 *
 * A system acknowledges at once, at the sender's cost, what it has got that is longer together than the longest segment so
 * far, and before there was one than 536 bytes (Linux, `tcp_initialize_rcv_mss`): two small events. This saves up to a fifth.
 */
const firstFrame = 1_000;
/** So many at once, to be cut from: the engines take longer to repeat one. */
const spaces = " ".repeat(firstFrame);

function reply({ hub, session }: Caller, { id, method }: Command, answered: Answer): void {
  const { result, channels = none, after, abandon } = answered;
  if (channels.some((name) => session.out.isWithheld(name))) {
    abandon?.();
    if (method === "connect") return session.revoke(closes.reconnect);
    throw new Refusal(replies.permissionDenied);
  }
  if (abandon !== undefined && hub.flushing) {
    // Closing has counted who is to get what. The client comes back, and asks again.
    abandon();
    throw new Refusal(replies.internal);
  }
  const { text, bytes } = hub.replies.write(id, method as Method, result);
  session.put(method === "connect" ? text + spaces.slice(text.length) : text, bytes);
  session.out.answered(channels);
  after?.();
}

function refuse({ hub, session }: Caller, { id, method }: Command, error: unknown): void {
  const reply = errorReply({ hub, session }, error);
  // Nobody waits for an answer to what has no id, or came from who is gone.
  if (id === 0 || !session.isOpen) return;
  hub.counters.error(reply.code);
  session.put(hub.codec.error(id, reply));
  // A client waits for its connect reply, and knows what to do after a close.
  if (method === "connect") session.close(closeOf(reply));
}

/** Why a connection ends whose connect command was answered with an error. */
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

/** Hands on what a client sends without wanting an answer. */
async function receive(session: LiveSession, params: Params): Promise<undefined> {
  const { peer } = session;
  const hear = peer.receive;
  try {
    if (hear !== undefined) await session.ask("send", () => hear(peer, params.data));
  } catch {
    // Nobody waits for an answer; what goes wrong has been reported.
  }
}
