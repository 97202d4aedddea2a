import type { MaybePromise } from "../../base/maybe-promise.ts";
import { type ClientInfo, replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import { type Presence, usersOn } from "../hub/presence.ts";
import { type Answer, type Call, channelOf } from "./call.ts";
import { permit } from "./permission.ts";

export async function presence(call: Call): Promise<Answer> {
  const { hub, session } = call;
  const name = channelOf(call);
  await permit(call, "presence", name);
  const { codec } = session;
  const { settings } = hub;
  const clients = await clientsOn(call, name);
  if (clients === undefined) throw new Refusal(replies.limitExceeded, "presence");
  const result = codec.results.presence(clients);
  if (codec.byteLength(result) > settings.window) throw new Refusal(replies.limitExceeded, "presence");
  return { result, channels: [name] };
}

/** Returns the clients on a channel, as other clients see them. Undefined if there are more than a reply may have. */
async function clientsOn(call: Call, name: string): Promise<readonly ClientInfo[] | undefined> {
  const { hub } = call;
  const most = hub.settings.limits.presence;
  const subscriptions = hub.channels.get(name)?.subscriptions;
  if ((subscriptions?.size ?? 0) > most) return undefined;
  if (hub.nodes.id === undefined) return Array.from(subscriptions ?? [], ({ session }) => session.info);
  const { clients } = await everywhere(call, name);
  if (clients.length > most) return undefined;
  return clients.map(({ session: client, user, info }) => {
    return { user, client, info: info === undefined ? undefined : JSON.stringify(info) };
  });
}

/** Asks all nodes. If the log fails meanwhile, the command fails as one that reads. */
function everywhere({ hub, session }: Call, name: string): MaybePromise<Presence> {
  return session.ask("log", () => hub.presence.of(name));
}

export async function presenceStats(call: Call): Promise<Answer> {
  const { hub, session } = call;
  const name = channelOf(call);
  await permit(call, "presence", name);
  const { presenceStats } = session.codec.results;
  if (hub.nodes.id === undefined)
    return { result: presenceStats(hub.channels.get(name)?.subscriptions.size ?? 0, usersOn(hub, name)) };
  const { clients, users } = await everywhere(call, name);
  return { result: presenceStats(clients.length, users) };
}
