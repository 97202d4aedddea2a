import { exceeds } from "../../base/bytes.ts";
import { replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import { usersOn } from "../hub/presence.ts";
import { type Answer, type Call, channelOf } from "./call.ts";
import { permit } from "./permission.ts";

export async function presence(call: Call): Promise<Answer> {
  const { hub } = call;
  const name = channelOf(call);
  await permit(call, "presence", name);
  const { codec, settings } = hub;
  const subscriptions = hub.channels.get(name)?.subscriptions;
  if ((subscriptions?.size ?? 0) > settings.limits.presence)
    throw new Refusal(replies.limitExceeded, "presence");
  const result = codec.results.presence(Array.from(subscriptions ?? [], ({ session }) => session.info));
  if (exceeds(result, settings.window)) throw new Refusal(replies.limitExceeded, "presence");
  return { result, channels: [name] };
}

export async function presenceStats(call: Call): Promise<Answer> {
  const { hub } = call;
  const name = channelOf(call);
  await permit(call, "presence", name);
  const clients = hub.channels.get(name)?.subscriptions.size ?? 0;
  return { result: hub.codec.results.presenceStats(clients, usersOn(hub, name)) };
}
