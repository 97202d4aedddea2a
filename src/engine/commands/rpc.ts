import { replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { HandlerCall } from "../sessions/handler-call.ts";
import { acknowledge } from "./acknowledge.ts";
import type { Answer, Call } from "./call.ts";
import { cancelRun } from "./cancel-run.ts";

export async function rpc({ hub, session, params }: Call): Promise<Answer> {
  const { peer, id } = session;
  const { method, data } = params;
  if (typeof method !== "string") throw new Refusal(replies.badRequest);
  if (method === "run.cancel") return cancelRun({ hub, session }, data);
  if (method === "ack") {
    const error = acknowledge(session, data);
    if (error !== undefined) throw new Refusal(error);
    return { result: session.codec.results.empty };
  }
  if (hub.rpc === undefined) throw new Refusal(replies.notAvailable);
  const handler = Object.hasOwn(hub.rpc, method) ? hub.rpc[method] : undefined;
  if (handler === undefined) throw new Refusal(replies.methodNotFound);
  const call = ({ signal }: HandlerCall): unknown => handler(peer, { method, data, session: id, signal });
  const value = await session.ask("rpc", call);
  if (value === undefined) return { result: session.codec.results.empty };
  try {
    return {
      result: session.codec.results.rpc(
        hub.serialise(`the answer of ${method}`, value, { allowsUndefined: true }),
      ),
    };
  } catch (error) {
    // The client is told that a result is over the limit, but not that JSON cannot hold it.
    if (error instanceof RangeError) throw new Refusal(replies.limitExceeded, "publication");
    hub.report(error, "rpc", `session ${id}`);
    throw new Refusal(replies.internal);
  }
}
