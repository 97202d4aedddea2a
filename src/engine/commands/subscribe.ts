import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import { replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import { quitEarly } from "./acknowledge.ts";
import { type Answer, type Call, channelOf } from "./call.ts";
import { naturalOf, positionOf } from "./params.ts";
import { permit } from "./permission.ts";
import { found, type PreparedSubscription, place } from "./prepared-subscription.ts";

export function subscribe(call: Call): MaybePromise<Answer> {
  const { hub, session, params } = call;
  const name = channelOf(call);
  if (params.type !== undefined && params.type !== 0) throw new Refusal(replies.notAvailable);
  if (session.subscriptions.has(name)) throw new Refusal(replies.alreadySubscribed);
  if (session.subscriptions.size >= hub.settings.limits.subscriptions)
    throw new Refusal(replies.limitExceeded, "subscriptions");
  const flag = naturalOf(params, "flag");
  positionOf(params);
  const joins = params.join_leave === true;
  const permitted = andThen(permit(call, "subscribe", name, params.data), () =>
    joins ? permit(call, "presence", name) : undefined,
  );
  const find = (): MaybePromise<PreparedSubscription> => place(call, name, params);
  const abandonLate = (late: PreparedSubscription): void => late.abandon();
  const prepared = andThen(permitted, () => found(call, find, abandonLate));
  return andThen(prepared, ({ result, recovered, commit, abandon }) => {
    if (params.recover === true && !recovered && (flag & rejectUnrecovered) !== 0) {
      abandon();
      throw new Refusal(replies.unrecoverable);
    }
    const after = (): void => {
      commit(false, joins);
      quitEarly(session, name);
    };
    return { result, channels: [name], after, abandon };
  });
}

/** The bit of the subscribe flag that requests an error instead of `recovered: false`. */
const rejectUnrecovered = 2;
