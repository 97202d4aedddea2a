import { andThen, attempt, type MaybePromise } from "../../base/maybe-promise.ts";
import { replies } from "../../wire/protocol.ts";
import type { Channel } from "../channels/channel.ts";
import type { RecoveryResult } from "../channels/recoveries.ts";
import { Refusal } from "../core/refusal.ts";
import { isNothing, type Missed } from "../delivery/missed-notices.ts";
import type { Subscription } from "../delivery/subscription.ts";
import type { LiveSession } from "../sessions/session.ts";
import { resumed } from "./acknowledge.ts";
import type { Call, Caller } from "./call.ts";
import { type Params, positionOf } from "./params.ts";

/** Where a subscription would begin, with the channel kept open: one of `commit` and `abandon` has to follow. */
export interface PreparedSubscription {
  result: string;
  /** Bytes of the publications in it. */
  bytes: number;
  recovered: boolean;
  commit(byServer: boolean, joins: boolean): void;
  abandon(): void;
}

/** What has to be known of a channel before there is a place in it, with the channel kept open: one of both has to follow. */
export interface Sought {
  /** The place there, whose result holds at most `room` bytes of publications. */
  take(room: number): PreparedSubscription;
  abandon(): void;
}

/** Finds where a subscription would begin, with or without recovery (`protocol.ts` has the rules). */
export function place(call: Call, name: string, params: Params): MaybePromise<PreparedSubscription> {
  return andThen(seek(call, name, params), ({ take }) => take(call.session.window.room));
}

/** Looks into a channel for a place: several may be looked for at once, and then share the room. */
export function seek({ hub, session }: Call, name: string, params: Params): MaybePromise<Sought> {
  if (hub.isFullFor(name)) throw new Refusal(replies.limitExceeded, "channels");
  const channel = hub.channel(name);
  const release = channel.use();
  const read = (): MaybePromise<Sought> => {
    const wanted = params.recover === true ? positionOf(params) : undefined;
    const reading =
      wanted === undefined ? undefined : hub.recoveries.find(channel, wanted, session.window.room);
    return andThen(reading, (find) => ({
      take: (room) => placeAt({ hub, session }, channel, find?.(room), release),
      abandon: release,
    }));
  };
  return attempt(() => andThen(channel.current(), read), release);
}

/** The place at a channel's top, or at the end of what was `found` for somebody who comes back. */
function placeAt(
  { hub, session }: Caller,
  channel: Channel,
  found: RecoveryResult | undefined,
  release: () => void,
): PreparedSubscription {
  const { notices, runs } = hub;
  const { name, epoch } = channel;
  const recovery = found?.recovery;
  const cursor = recovery?.cursor ?? channel.top;
  const missed = found === undefined || isNothing(found.missed) ? undefined : found.missed;
  const turn = missed === undefined ? undefined : notices.begin(session, name);
  const notice = turn === undefined ? undefined : missed;
  // Whoever cannot be given what it missed may go on from here; a notice says as much.
  const earliest = recovery === undefined && notice === undefined ? found?.earliest : undefined;
  const present = runs.present(name);
  const known = found?.said;
  const isAgain = known !== undefined && known.present === present && known.notice === notice;
  const said = isAgain
    ? known
    : { present, notice, result: resultOf(channel, found, dataOf(present, { earliest, notice })) };
  if (found !== undefined) found.said = said;
  return {
    result: said.result,
    bytes: recovery?.bytes ?? 0,
    recovered: recovery !== undefined,
    commit(byServer, joins) {
      const since = recovery?.after ?? cursor;
      begin(session, {
        session,
        channel,
        epoch,
        byServer,
        joins,
        cursor,
        waits: undefined,
        proof: session.window.proofFrom(since, cursor),
        acknowledged: since,
        acknowledgedAt: 0,
        quit: undefined,
        behind: undefined,
      });
      if (recovery !== undefined) resumed({ hub, session }, name, { epoch, offset: recovery.after });
      const isThere = session.subscriptions.has(name);
      if (missed !== undefined && notice === undefined && isThere) notices.tell(session, name, missed);
      release();
    },
    abandon() {
      turn?.undo();
      release();
    },
  };
}

function resultOf({ epoch, top }: Channel, found: RecoveryResult | undefined, data: string): string {
  const recovery = found?.recovery;
  return (
    `{"recoverable":true,"positioned":true,"epoch":${JSON.stringify(epoch)}` +
    `,"offset":${recovery?.after ?? top}${recovery?.publications ?? ""}` +
    `${recovery === undefined ? "" : ',"recovered":true'}${found === undefined ? "" : ',"was_recovering":true'}` +
    `${data}}`
  );
}

/** What the answer says beside the position: how a run stands, from where one can go on, and what was missed. */
function dataOf(
  present: string | undefined,
  said: { earliest: number | undefined; notice: Missed | undefined },
): string {
  if (present === undefined && said.earliest === undefined && said.notice === undefined) return "";
  const texts = [present ?? "{}", JSON.stringify(said)].map((text) => text.slice(1, -1));
  const members = texts.filter((text) => text !== "");
  return members.length === 0 ? "" : `,"data":{${members.join(",")}}`;
}

function begin(session: LiveSession, subscription: Subscription): void {
  const { channel } = subscription;
  if (!session.isOpen) return;
  session.subscriptions.add(subscription);
  // What came with the recovery is on its way already.
  if (subscription.cursor > subscription.proof.since && channel.deliveries !== undefined)
    session.track(subscription);
  channel.add(subscription);
}

/** Looks for places, and abandons what comes too late for whoever asked. */
export function found<T>(
  { session }: Caller,
  find: () => MaybePromise<T>,
  abandon: (late: T) => void,
): MaybePromise<T> {
  let kept: { value: T } | undefined;
  const asked = session.ask("log", (asking) =>
    andThen(find(), (value) => {
      if (asking.isAborted) abandon(value);
      else kept = { value };
      return value;
    }),
  );
  // The session may end after it was found, and before that was heard here.
  if (asked instanceof Promise)
    asked.catch(() => {
      if (kept !== undefined) abandon(kept.value);
    });
  return asked;
}
