import { andThen, attempt, type MaybePromise } from "../../base/maybe-promise.ts";
import { runOfChannel } from "../../model/run.ts";
import { replies } from "../../wire/protocol.ts";
import type { Channel } from "../channels/channel.ts";
import type { RecoveryResult } from "../channels/recoveries.ts";
import { Refusal } from "../core/refusal.ts";
import { isNothing, type Missed } from "../delivery/missed-notices.ts";
import type { Subscription } from "../delivery/subscription.ts";
import { presentOf, type StoredRun } from "../runs/run-state.ts";
import type { LiveSession } from "../sessions/session.ts";
import { resumed } from "./acknowledge.ts";
import type { Call, Caller } from "./call.ts";
import { type Params, positionOf } from "./params.ts";

/**
 * A subscription that is ready to begin. The channel is kept open until `commit` or `abandon` is called, so one of them
 * must be.
 */
export interface PreparedSubscription {
  result: string;
  /** Bytes of the publications in the result. */
  bytes: number;
  recovered: boolean;
  commit(byServer: boolean, joins: boolean): void;
  abandon(): void;
}

/** A channel that was read for a subscription. The channel is kept open, so `take` or `abandon` must be called. */
export interface Sought {
  /** Prepares the subscription. Its result holds at most `room` bytes of publications. */
  take(room: number): PreparedSubscription;
  abandon(): void;
}

/** Prepares a subscription, with or without recovery (`protocol.ts` has the rules). */
export function place(call: Call, name: string, params: Params): MaybePromise<PreparedSubscription> {
  return andThen(seek(call, name, params), ({ take }) => take(call.session.window.room));
}

/** Reads a channel for a subscription. Several channels can be read at the same time, and then share the room. */
export function seek({ hub, session }: Call, name: string, params: Params): MaybePromise<Sought> {
  if (hub.isFullFor(name)) throw new Refusal(replies.limitExceeded, "channels");
  const channel = hub.channel(name);
  const release = channel.use();
  const read = (): MaybePromise<Sought> => {
    const wanted = params.recover === true ? positionOf(params) : undefined;
    const reading =
      wanted === undefined
        ? undefined
        : hub.recoveries.find({ channel, codec: session.codec, after: wanted }, session.window.room);
    return andThen(reading, (find) =>
      andThen(hub.runs.stored(runOfChannel(name)), (stored) => ({
        take: (room) => placeAt({ hub, session }, channel, { found: find?.(room), stored, release }),
        abandon: release,
      })),
    );
  };
  return attempt(() => andThen(channel.current(), read), release);
}

/** What is known of the place at which a subscription would begin. */
interface Place {
  /** What recovery has found. */
  readonly found: RecoveryResult | undefined;
  /** What the log says of the channel's run, if that is not of this process. */
  readonly stored: StoredRun | undefined;
  release(): void;
}

/** Prepares a subscription that begins at the channel's top, or after the publications that recovery has found. */
function placeAt(
  { hub, session }: Caller,
  channel: Channel,
  { found, stored, release }: Place,
): PreparedSubscription {
  const { notices, runs } = hub;
  const { name, epoch } = channel;
  const recovery = found?.recovery;
  const cursor = recovery?.cursor ?? channel.top;
  const missed = found === undefined || isNothing(found.missed) ? undefined : found.missed;
  const claim = missed === undefined ? undefined : notices.begin(session, name);
  const notice = claim === undefined ? undefined : missed;
  // If nothing can be recovered, the client is told from where it can read. A notice contains the same information.
  const earliest = recovery === undefined && notice === undefined ? found?.earliest : undefined;
  const present = runs.present(name) ?? (stored && presentOf(stored));
  const known = found?.said;
  const isSame = known !== undefined && known.present === present && known.notice === notice;
  const encode = (): string =>
    session.codec.results.subscribe({
      epoch,
      offset: recovery?.after ?? channel.top,
      recovered: recovery?.publications,
      wasRecovering: found !== undefined,
      data: dataOf(present, { earliest, notice }),
    });
  const reply = isSame ? known : { present, notice, result: encode() };
  if (found !== undefined) found.said = reply;
  return {
    result: reply.result,
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
        isFresh: recovery === undefined,
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
      claim?.undo();
      release();
    },
  };
}

/**
 * Returns the `data` of the reply as JSON text: the status of the run, the offset from which the client can read, and
 * the notice. Returns undefined if there are none of them.
 */
function dataOf(
  present: string | undefined,
  members: { earliest: number | undefined; notice: Missed | undefined },
): string | undefined {
  if (members.earliest === undefined && members.notice === undefined) return present;
  const texts = [present ?? "{}", JSON.stringify(members)].map((text) => text.slice(1, -1));
  return `{${texts.filter((text) => text !== "").join(",")}}`;
}

function begin(session: LiveSession, subscription: Subscription): void {
  const { channel } = subscription;
  if (!session.isOpen) return;
  session.enter(subscription);
  // The recovered publications are already in flight.
  if (subscription.cursor > subscription.proof.since && channel.deliveries !== undefined)
    session.track(subscription);
  channel.add(subscription);
}

/** Calls `find` with the time limit of a handler call. A result that is too late is abandoned. */
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
  // The session may end after the result was found, and before `asked` settles.
  if (asked instanceof Promise)
    asked.catch(() => {
      if (kept !== undefined) abandon(kept.value);
    });
  return asked;
}
