import { isObject } from "../../base/check.ts";
import type { Position } from "../../model/log.ts";
import { replies } from "../../wire/protocol.ts";
import { isStart } from "../core/input-check.ts";
import { isOfEpoch } from "../core/publications.ts";
import { Refusal } from "../core/refusal.ts";
import { readBackwards } from "../log/read-backwards.ts";
import { readPage } from "../log/read-page.ts";
import { type Answer, type Call, channelOf } from "./call.ts";
import { type Params, positionOf } from "./params.ts";
import { permit } from "./permission.ts";

export async function history(call: Call): Promise<Answer> {
  const { hub, session, params } = call;
  const name = channelOf(call);
  const after = sinceOf(params);
  const limit = limitOf(call);
  const reverse = params.reverse === true;
  await permit(call, "history", name);
  const { settings } = hub;
  const { codec } = session;
  const enough = settings.window;
  const slice = await session.ask("log", ({ signal }) =>
    reverse
      ? readBackwards(hub.log, name, { before: after, limit, enough, signal })
      : readPage(hub.log, name, { after, limit, enough, signal }),
  );
  if (!slice.gapless || (after !== undefined && !isOfEpoch(after, slice)))
    throw new Refusal(replies.unrecoverable);
  const texts: string[] = [];
  let bytes = 0;
  for (const entry of slice.entries) {
    const text = codec.publication(entry);
    bytes += codec.byteLength(text) + 1;
    // A reply takes at most one window. The client requests the rest after the end of this one.
    if (bytes > enough && texts.length > 0) break;
    texts.push(text);
  }
  return { result: codec.results.history(texts, slice.top, slice.epoch), channels: [name] };
}

/**
 * Returns the position after which the history begins. `{ offset: 0, epoch: "" }` means everything in the log, even if
 * its start was trimmed; it returns undefined.
 */
function sinceOf({ since }: Params): Position | undefined {
  if (since === undefined) return undefined;
  if (!isObject(since)) throw new Refusal(replies.badRequest);
  const position = positionOf(since);
  return isStart(position) ? undefined : position;
}

/**
 * Returns the limit. Without a limit, or with 0, only the position is requested. A negative limit requests as much as
 * possible.
 */
function limitOf({ hub, params: { limit = 0 } }: Call): number {
  const max = hub.settings.limits.history;
  if (!Number.isSafeInteger(limit)) throw new Refusal(replies.badRequest);
  return (limit as number) < 0 ? max : Math.min(limit as number, max);
}
