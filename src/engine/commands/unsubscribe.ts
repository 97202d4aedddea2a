import { type Answer, type Call, channelOf } from "./call.ts";

export function unsubscribe(call: Call): Answer {
  const { session } = call;
  const subscription = session.subscriptions.get(channelOf(call));
  if (subscription !== undefined) session.drop(subscription);
  return { result: call.session.codec.results.empty };
}
