import { resumed } from "./acknowledgement.ts";
import type { Channel } from "./channel.ts";
import { isStart } from "./check.ts";
import type { Hub } from "./hub.ts";
import type { Position, Slice } from "./log.ts";
import { isNothing, type Missed } from "./notice.ts";
import { replies } from "./protocol.ts";
import { type Params, positionOf, Refusal } from "./request.ts";
import { publications } from "./segment.ts";
import type { LiveSession } from "./session.ts";
import { andThen, attempt, type Soon } from "./soon.ts";
import type { Subscription } from "./subscription.ts";
import { follow } from "./tracking.ts";

/** Where a subscription would begin, with the channel kept open: one of `commit` and `abandon` has to follow. */
export interface Place {
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
  take(room: number): Place;
  abandon(): void;
}

/** Finds where a subscription would begin, with or without recovery (`protocol.ts` has the rules). */
export function place(session: LiveSession, name: string, params: Params): Soon<Place> {
  return andThen(seek(session, name, params), ({ take }) => take(session.window.room));
}

/** Looks into a channel for a place: several may be looked for at once, and then share the room. */
export function seek(session: LiveSession, name: string, params: Params): Soon<Sought> {
  const { hub } = session;
  if (hub.isFullFor(name)) throw new Refusal(replies.limitExceeded, "channels");
  const channel = hub.channel(name);
  const release = channel.use();
  const read = (): Soon<Sought> => {
    const wanted = params.recover === true ? positionOf(params) : undefined;
    const reading = wanted === undefined ? undefined : recover(hub, channel, wanted, session.window.room);
    return andThen(reading, (find) => ({
      take: (room) => placeAt(session, channel, find?.(room), release),
      abandon: release,
    }));
  };
  return attempt(() => andThen(channel.current(), read), release);
}

/** The place at a channel's top, or at the end of what was `found` for somebody who comes back. */
function placeAt(
  session: LiveSession,
  channel: Channel,
  found: Found | undefined,
  release: () => void,
): Place {
  const { notices, runs } = session.hub;
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
      begin({
        session,
        channel,
        epoch,
        byServer,
        joins,
        cursor,
        waits: undefined,
        proof: session.window.proofFrom(since, cursor),
        acknowledged: since,
        heard: 0,
        quit: undefined,
        behind: undefined,
      });
      if (recovery !== undefined) resumed(session, name, { epoch, offset: recovery.after });
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

function resultOf({ epoch, top }: Channel, found: Found | undefined, data: string): string {
  const recovery = found?.recovery;
  return (
    `{"recoverable":true,"positioned":true,"epoch":${JSON.stringify(epoch)}` +
    `,"offset":${recovery?.after ?? top}${recovery?.publications ?? ""}` +
    `${recovery === undefined ? "" : ',"recovered":true'}${found === undefined ? "" : ',"was_recovering":true'}` +
    `${data}}`
  );
}

interface Found {
  recovery?: Recovery;
  /** What was last said of it: most are told the same. */
  said?: Said;
  missed: Missed;
  /** The offset after which the log is whole, where what was missed cannot be had. */
  earliest?: number;
}

/** A result, and what is in it that one may be told and another not. */
interface Said {
  readonly present: string | undefined;
  readonly notice: Missed | undefined;
  readonly result: string;
}

/** What was found last for somebody who came back to a channel, and had missed no more than a reply holds. */
export interface Recovered {
  readonly channel: Channel;
  readonly epoch: string;
  readonly top: number;
  readonly found: Found;
  /** Whether it is known to be so in this turn. */
  isPresent: boolean;
}

/** What is kept of it for the next turn: nothing where nobody has come back in this one. */
export function carriedOver(known: Recovered | undefined): Recovered | undefined {
  if (known?.isPresent !== true) return undefined;
  known.isPresent = false;
  return known;
}

interface Recovery {
  /** The offset the client sent. */
  after: number;
  /** The offset of the last publication in the reply. */
  cursor: number;
  publications: string;
  bytes: number;
}

/** Looks for what the client missed, once for all who come back to the same place. */
function recover(hub: Hub, channel: Channel, after: Position, room: number): Soon<(room: number) => Found> {
  const known = hub.recovered;
  if (known !== undefined && isAgain(known, channel, after, room) && isStill(known, hub, after)) {
    const { found } = known;
    return (room) => ((found.recovery?.bytes ?? 0) <= room ? found : withoutPublications(found));
  }
  return andThen(channel.read(after), (slice) => (room: number) => {
    const found = findIn(slice, channel, after, room);
    const { epoch, top } = channel;
    const isWhole = found.recovery?.cursor === top && after.epoch === epoch;
    // One at a time, of a window's size at most: storms come to a channel at once.
    hub.recovered = isWhole ? { channel, epoch, top, found, isPresent: true } : undefined;
    return found;
  });
}

/** The same where others have taken the room: all of it follows as pushes. */
function withoutPublications({ recovery, missed }: Found): Found {
  if (recovery === undefined) return { missed };
  return { missed, recovery: { ...recovery, cursor: recovery.after, publications: "", bytes: 0 } };
}

/** Whether what was found is what would be found now: all that there is. */
function isAgain(known: Recovered, channel: Channel, after: Position, room: number): boolean {
  const { recovery } = known.found;
  const isThere = known.channel === channel && known.epoch === channel.epoch && known.top === channel.top;
  return isThere && known.epoch === after.epoch && recovery?.after === after.offset && recovery.bytes <= room;
}

/** Whether the log holds it still: since the last turn it may have let go of some. Not every log can say so at once. */
function isStill(known: Recovered, hub: Hub, after: Position): boolean {
  if (known.isPresent) return true;
  const slice = hub.log.readNow(known.channel.name, { after, limit: 0 });
  known.isPresent = slice?.gapless === true && slice.epoch === known.epoch && slice.top === known.top;
  return known.isPresent;
}

/** Takes what the client missed, or answers only how much when that cannot be had without a hole. */
function findIn(slice: Slice, channel: Channel, after: Position, room: number): Found {
  if (!slice.gapless || slice.epoch !== channel.epoch)
    return { missed: lost(slice, after), earliest: slice.first - 1 };
  channel.tail.addAside(slice.entries);
  const texts: string[] = [];
  let bytes = 0;
  let cursor = after.offset;
  while (cursor < slice.top) {
    const segment = channel.tail.after(cursor);
    const taken = segment === undefined ? undefined : publications(segment, cursor, room - bytes);
    // The rest follows as pushes.
    if (taken === undefined || taken.texts.length === 0) break;
    texts.push(...taken.texts);
    bytes += taken.bytes;
    cursor += taken.texts.length;
  }
  const recovery = {
    after: after.offset,
    cursor,
    publications: texts.length === 0 ? "" : `,"publications":[${texts.join(",")}]`,
    bytes,
  };
  // Whoever begins at the start does not come back.
  const delayed = isStart(after) ? 0 : slice.top - after.offset;
  return { recovery, missed: { epoch: slice.epoch, delayed, gone: 0, kept: 0 } };
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

/** What a client will not be sent that asks for what follows a position which is not to be had any more. */
function lost({ epoch, first, top }: Slice, after: Position): Missed {
  const isKnown = (after.epoch === epoch || isStart(after)) && after.offset < first;
  const kept = top + 1 - first;
  return { epoch, delayed: 0, gone: isKnown ? first - 1 - after.offset : null, kept };
}

function begin(subscription: Subscription): void {
  const { session, channel } = subscription;
  if (!session.isOpen) return;
  session.subscriptions.add(subscription);
  // What came with the recovery is on its way already.
  if (subscription.cursor > subscription.proof.since && channel.book !== undefined) follow(subscription);
  channel.add(subscription);
}
