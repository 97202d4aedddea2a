import type { Context, Handler } from "hono";
import { systemClock } from "../../base/clock.ts";
import type { Notifier } from "../../engine/notifier/notifier.ts";
import type { Peer } from "../../model/peer.ts";
import { channelOfRun, runOfChannel } from "../../model/run.ts";
import type { Session } from "../../model/socket.ts";
import { closes, replies } from "../../wire/protocol.ts";
import { Admission, type AdmissionOptions, type RefusalCode } from "../admission.ts";
import { destroyerOf } from "./byte-stream.ts";
import { crossOrigin } from "./cross-origin.ts";
import { EventFeed, type FeedFault, isForGood, type Wanted } from "./event-feed.ts";
import { isFinalId, positionsIn } from "./event-id.ts";
import { EventStream, Poll } from "./event-sinks.ts";
import { streamHeaders, streamResponse } from "./stream-response.ts";

/** Milliseconds after which a long poll is answered in any case. Many proxies give up after 30 s. */
const longestPoll = 25_000;

/**
 * Returns a handler for `EventSource`, `curl -N` and `fetch`: a GET of the publications of channels as server-sent
 * events.
 *
 * - `channel` names a channel, `run` the id of a run. There may be several of each.
 * - `after` is the position to begin after: the `id` of an event. `Last-Event-ID`, which an `EventSource` sends when it
 *   comes back, goes before it. Default: a channel from now on, a run from its start.
 * - With `Accept: application/json` and without `text/event-stream` it is a long poll: it is answered with
 *   `{ id, publications, gaps }` once there is something, or after 25 s. The next one sends the `id` as `after`.
 *
 * The data of an event is a publication: `{ channel, offset, data, time, tags }`. `event: gap` says what is lost of a
 * channel, `event: end` that all the runs have ended, and `event: close` why the server closes the stream.
 *
 * Answers 204 if all runs had ended at these positions, and after a close for good, such as 3503: an `EventSource` then
 * does not come back. Refuses with 503 and `Retry-After` (closing, full, or a handler failed), 403 (Origin, or a channel
 * is not permitted), 401 (not authenticated), 400 (no such channel or position) or 405. The notifier's `onRefused` is
 * called for each refusal. Throws a TypeError for options that cannot work.
 *
 * @example
 * ```ts
 * app.all("/notifications/events", events(notifier, options));
 * // curl -N 'https://example.com/notifications/events?run=42'
 * ```
 */
export function events(notifier: Notifier, options: AdmissionOptions = {}): Handler {
  const admission = new Admission(notifier, options, "events");
  const handle = async (c: Context): Promise<Response> => {
    const wanted = wantedIn(c);
    if (typeof wanted === "string")
      throw admission.refuse(c, 400, wanted, { text: `Cannot send events: ${wanted}` });
    const accept = c.req.header("accept") ?? "";
    const isPoll = accept.includes("application/json") && !accept.includes("text/event-stream");
    const { peer, release } = await admission.admit(c);
    release();
    if (isFinalId(c.req.header("last-event-id") ?? "")) return c.body(null, 204);
    return (isPoll ? poll : stream)({ c, notifier, admission, peer: narrowed(peer, wanted), wanted });
  };
  return crossOrigin(admission, { methods: ["GET"], handle });
}

/** A request for events. */
interface Asked {
  readonly c: Context;
  readonly notifier: Notifier;
  readonly admission: Admission;
  readonly peer: Peer;
  readonly wanted: readonly Wanted[];
}

async function stream(asked: Asked): Promise<Response> {
  let session: Session | undefined;
  const sink: EventStream = new EventStream({
    pong: () => feed.pong(),
    over: (code) => session?.ended(code),
    destroy: destroyerOf(asked.c),
  });
  const feed = new EventFeed(asked.wanted, sink);
  session = asked.admission.accept(asked.c, feed, asked.peer);
  await begin(asked, feed, session);
  if (feed.isOver && !sink.hasEvents) {
    session.ended(1000);
    return asked.c.body(null, 204);
  }
  // Those that a server has lost come back one after the other.
  sink.note(feed.id, Math.round(500 + 1_500 * systemClock.random()));
  return streamResponse(asked.c, "text/event-stream", sink.body);
}

async function poll(asked: Asked): Promise<Response> {
  let session: Session | undefined;
  const sink: Poll = new Poll({ pong: () => feed.pong(), over: (code) => session?.ended(code) });
  const feed = new EventFeed(asked.wanted, sink);
  session = asked.admission.accept(asked.c, feed, asked.peer);
  await begin(asked, feed, session);
  // Without a position there is nothing to wait for yet: the client learns from where it goes on.
  if (asked.wanted.every(({ after }) => after !== undefined)) {
    const { promise, wake } = sink.waiting();
    const timer = systemClock.timer(longestPoll, wake);
    await promise;
    timer.cancel();
  }
  const polled = sink.take(feed.id);
  session.ended(1000);
  return asked.c.json(polled, 200, streamHeaders);
}

/** Begins to read. Throws an HTTPException if the channels cannot be read. */
async function begin({ c, notifier, admission }: Asked, feed: EventFeed, session: Session): Promise<void> {
  const fault = await feed.begin(session, bearer(c));
  if (fault !== undefined) {
    session.ended(1000);
    const channel =
      fault.channel === undefined ? "" : ` channel ${JSON.stringify(fault.channel.slice(0, 200))}`;
    const text = `Cannot send events${channel && ` of${channel}`}: ${fault.reason}`;
    throw admission.refuse(c, statusOf(fault), `${fault.reason}${channel}`, { text });
  }
  for (const channel of feed.overBefore) {
    try {
      const { offset } = await notifier.history(channel, { limit: 0 });
      feed.endedAt(channel, offset);
    } catch (error) {
      // The stream stays open without the ending of this run.
      notifier.report(error, { stage: "log", owner: channel });
    }
  }
}

/** The status of the response for an error reply, or for a close of the session before it began. */
function statusOf({ code }: FeedFault): RefusalCode {
  return statuses.get(code) ?? (code < closes.normal.code || isForGood(code) ? 400 : 503);
}

const statuses: ReadonlyMap<number, RefusalCode> = new Map<number, RefusalCode>([
  [replies.unauthorized.code, 401],
  [replies.tokenExpired.code, 401],
  [replies.permissionDenied.code, 403],
  [replies.internal.code, 503],
  [replies.tooManyRequests.code, 503],
  [closes.invalidToken.code, 401],
  [closes.expired.code, 401],
  [closes.disconnect.code, 403],
  [closes.permissionDenied.code, 403],
  [closes.connectionLimit.code, 503],
]);

/** Returns the token of a request. */
function bearer(c: Context): string {
  return /^bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
}

/** Returns a peer that the server subscribes to no other channels than those that are wanted. */
function narrowed(peer: Peer, wanted: readonly Wanted[]): Peer {
  const names = new Set(wanted.map(({ channel }) => channel));
  const only = (channels: Peer["channels"]): readonly string[] =>
    channels?.filter((name) => names.has(name)) ?? [];
  const { connect } = peer;
  return {
    ...peer,
    channels: only(peer.channels),
    ...(connect && {
      connect: async (...call: Parameters<typeof connect>) => {
        const identity = await connect(...call);
        return identity && { ...identity, channels: only(identity.channels) };
      },
    }),
  };
}

/** The maximum number of channels: each event has the positions of all. */
const mostChannels = 64;

/** Returns what a request asks for, or what is wrong with it. */
function wantedIn(c: Context): readonly Wanted[] | string {
  const runs = c.req.queries("run") ?? [];
  const channels = new Set([...(c.req.queries("channel") ?? []), ...runs.map(channelOfRun)]);
  if (channels.size === 0) return "name a channel or a run in the URL, ?channel=news or ?run=42";
  if (channels.size > mostChannels) return `there are more than ${mostChannels} channels and runs in the URL`;
  const id = c.req.header("last-event-id") || c.req.query("after") || ",".repeat(channels.size - 1);
  const positions = positionsIn(id, channels.size);
  if (positions === undefined)
    return `the position is not the id of an event of ${channels.size === 1 ? "this channel" : "these channels"}`;
  return Array.from(channels, (channel, at) => ({
    channel,
    after: positions[at] ?? (runOfChannel(channel) === undefined ? undefined : start),
  }));
}

const start = { offset: 0, epoch: "" };
