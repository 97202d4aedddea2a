import type { MaybePromise } from "../../base/maybe-promise.ts";
import { type Method, replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { Answer, Call } from "./call.ts";
import { connect } from "./connect.ts";
import { history } from "./history.ts";
import { presence, presenceStats } from "./presence.ts";
import { publish } from "./publish.ts";
import { refresh } from "./refresh.ts";
import { rpc } from "./rpc.ts";
import { subscribe } from "./subscribe.ts";
import { unsubscribe } from "./unsubscribe.ts";

/** The handler of each command. */
export const commands: Record<Method, (call: Call) => MaybePromise<Answer>> = {
  connect,
  subscribe,
  unsubscribe,
  publish,
  presence,
  presence_stats: presenceStats,
  history,
  rpc,
  refresh,
  sub_refresh: () => {
    throw new Refusal(replies.notAvailable);
  },
  ping: ({ session }) => ({ result: session.codec.results.empty }),
};
