import { canBeChannel } from "../../access/peer-check.ts";
import { isObject } from "../../base/check.ts";
import { channelOfRun } from "../../model/run.ts";
import { replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import { mayCancel } from "../runs/run-access.ts";
import type { Answer, Caller } from "./call.ts";
import { authorizes, storedRun } from "./permission.ts";

export async function cancelRun({ hub, session }: Caller, data: unknown): Promise<Answer> {
  const { peer } = session;
  if (!isObject(data) || typeof data.run !== "string") throw new Refusal(replies.badRequest);
  if (data.reason !== undefined && typeof data.reason !== "string") throw new Refusal(replies.badRequest);
  const { run, reason } = data;
  // `authorize` is called even if there is no such run. So a client that may not cancel it cannot tell from the
  // duration whether it exists.
  const channel = channelOfRun(run);
  const canBe = canBeChannel(channel, hub.settings.limits.channel);
  const finding = canBe ? storedRun({ hub, session }, run) : undefined;
  const stored = finding instanceof Promise ? await finding : finding;
  const isAuthorized =
    !mayCancel(hub.runs.get(run) ?? stored, peer.user) &&
    canBe &&
    (await authorizes({ session }, "cancel", channel, reason));
  const status = hub.runs.cancelFor(peer.user, run, { isAuthorized, reason, stored });
  return { result: session.codec.results.rpc(JSON.stringify({ status })) };
}
