import type { Channel, Subscription } from "./channel.ts";
import type { Position } from "./log.ts";
import { type Params, positionOf } from "./request.ts";
import { publications } from "./segment.ts";
import type { LiveSession } from "./session.ts";

/** Where a subscription would begin, with the channel kept open: one of `commit` and `abandon` has to follow. */
export interface Place {
  result: string;
  /** Bytes of the publications in it. */
  bytes: number;
  recovered: boolean;
  commit(byServer: boolean, joins: boolean): void;
  abandon(): void;
}

/**
 * Finds where a subscription would begin, with or without recovery (`protocol.ts` has the rules).
 *
 * The result holds at most `room` bytes of publications.
 */
export async function place(
  session: LiveSession,
  name: string,
  params: Params,
  room: number,
): Promise<Place> {
  const channel = session.hub.channel(name);
  const release = channel.use();
  try {
    await channel.current();
    const recovery = params.recover === true ? await recover(channel, positionOf(params), room) : undefined;
    const { epoch } = channel;
    const cursor = recovery?.cursor ?? channel.top;
    const data = session.hub.runs.present(name);
    const result =
      `{"recoverable":true,"positioned":true,"epoch":${JSON.stringify(epoch)}` +
      `,"offset":${recovery?.after ?? channel.top}${recovery?.publications ?? ""}` +
      `${recovery === undefined ? "" : ',"recovered":true'}${params.recover === true ? ',"was_recovering":true' : ""}` +
      `${data === undefined ? "" : `,"data":${data}`}}`;
    return {
      result,
      bytes: recovery?.bytes ?? 0,
      recovered: recovery !== undefined,
      commit(byServer, joins) {
        const proof = session.window.proofFrom(recovery?.after ?? cursor, cursor);
        begin({ session, channel, byServer, joins, cursor, waits: undefined, proof }, epoch);
        release();
      },
      abandon: release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

interface Recovery {
  /** The offset the client sent. */
  after: number;
  /** The offset of the last publication in the reply. */
  cursor: number;
  publications: string;
  bytes: number;
}

/** Reads what the client missed, or answers undefined when that cannot be had without a hole. */
async function recover(channel: Channel, after: Position, room: number): Promise<Recovery | undefined> {
  const slice = await channel.read(after);
  if (!slice.gapless || slice.epoch !== channel.epoch) return undefined;
  channel.encodeAside(slice);
  const texts: string[] = [];
  let bytes = 0;
  let cursor = after.offset;
  while (cursor < slice.top) {
    const segment = channel.segmentAfter(cursor);
    const taken = segment === undefined ? undefined : publications(segment, cursor, room - bytes);
    // The rest follows as pushes.
    if (taken === undefined || taken.texts.length === 0) break;
    texts.push(...taken.texts);
    bytes += taken.bytes;
    cursor += taken.texts.length;
  }
  return {
    after: after.offset,
    cursor,
    publications: texts.length === 0 ? "" : `,"publications":[${texts.join(",")}]`,
    bytes,
  };
}

function begin(subscription: Subscription, epoch: string): void {
  const { session, channel } = subscription;
  if (!session.isOpen) return;
  session.subscriptions.set(channel.name, subscription);
  channel.add(subscription, epoch);
}
