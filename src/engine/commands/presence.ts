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
  const present = Array.from(subscriptions ?? [], ({ session: { id, info } }) => ({ id, info }));
  const clients = present.map(({ id, info }) => `"${id}":${codec.clientInfo(info)}`).join(",");
  if (exceeds(clients, settings.window)) throw new Refusal(replies.limitExceeded, "presence");
  return { result: `{"presence":{${clients}}}`, channels: [name] };
}

export async function presenceStats(call: Call): Promise<Answer> {
  const { hub } = call;
  const name = channelOf(call);
  await permit(call, "presence", name);
  const clients = hub.channels.get(name)?.subscriptions.size ?? 0;
  return { result: `{"num_clients":${clients},"num_users":${usersOn(hub, name)}}` };
}
