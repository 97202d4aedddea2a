import { replies } from "../../wire/protocol.ts";
import { errorOf, validate } from "../core/event-check.ts";
import { Refusal } from "../core/refusal.ts";
import type { Hub } from "../hub/hub.ts";
import { type Answer, type Call, type Caller, channelOf } from "./call.ts";
import { permit } from "./permission.ts";

export async function publish(call: Call): Promise<Answer> {
  const { hub, session, params } = call;
  const name = channelOf(call);
  if (!Object.hasOwn(params, "data")) throw new Refusal(replies.badRequest);
  await permit(call, "publish", name, params.data);
  const data = encode(hub, valid(call, name, params.data));
  await session.ask("log", ({ signal }) => hub.append(name, data, { signal }));
  return { result: call.session.codec.results.empty };
}

/**
 * Returns the event as its schema returns it. The client is not told why a schema refuses an event. A schema that is
 * itself at fault is reported, and the client gets error 100, which is temporary.
 */
function valid({ hub, session: { id } }: Caller, channel: string, data: unknown): unknown {
  if (hub.events === undefined) return data;
  const validation = validate(hub.events, data);
  if ("event" in validation) return validation.event;
  if (validation.isFault) {
    const where = (): string => `to ${JSON.stringify(channel)}`;
    hub.report(errorOf(validation, { verb: "publish", where }), "publish", `session ${id}`);
    throw new Refusal(replies.internal);
  }
  throw new Refusal(replies.badRequest);
}

/** Data that was parsed from JSON may still be nested too deep to be serialised again. */
function encode(hub: Hub, data: unknown): string {
  try {
    return hub.serialise("the payload", data);
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal(replies.limitExceeded, "publication");
    throw new Refusal(replies.badRequest);
  }
}
