import { GapError } from "../model/errors.ts";
import type { Position } from "../model/log.ts";
import type { Publication } from "../model/publication.ts";
import { frame } from "./input.ts";
import {
  type PublicationFields,
  type Push,
  type Refusal,
  type Reply,
  refusal,
  type SubscribeResult,
} from "./messages.ts";
import type { Wait } from "./waiting.ts";

/** Hears the answer to a command, and how many characters it took: none where the connection was lost before. */
export type Answered = (reply: Reply, size: number) => void;

/** What a feed needs of its link. */
export interface Wire {
  readonly wait: Wait;
  /** Sends a command with parameters that are JSON already. */
  command(name: string, params: string, answered?: Answered): void;
  write(message: string): void;
  /** Does something later, unless the status changes before. What is timed by the same name already stays. */
  time(name: string, ms: number, fire: () => void): void;
  /** Does something after so many failures: anything up to twice as late each time, and never at once. */
  retry(name: string, failures: number, fire: () => void): void;
}

/** What is said of a run: by what is published, or by the server itself. */
export type RunNews = Pick<Publication, "data"> | Pick<NonNullable<SubscribeResult["data"]>, "status">;

/** How a channel is read, on behalf of one reader. */
export interface Reading {
  /** Where it begins. Default: with what is published once the server knows of it. */
  after?: Position | undefined;
  signal?: AbortSignal | undefined;
  /** Hears each publication before it is yielded, and how a run stands. Whatever it answers true to is the last, and not yielded. */
  hear?: ((said: RunNews) => boolean) | undefined;
}

/**
 * The channels that are followed over a link, and where each reader of them stands.
 *
 * A channel is subscribed once, from where the reader furthest behind is; what others have had already they skip. A reader
 * takes what follows the last one it took, for as long as there is room. What it does not take it asks for again once it
 * has nothing to read: coming back to a position says that one is done with all before it.
 */
export interface Feed {
  /** Yields publications. Asking for the next one says that the reader is done with the last. */
  read(channel: string, reading: Reading): AsyncGenerator<Publication, void, void>;
  /** Where the next connection is to go on with what the server subscribes to by itself, by channel: there is none now. */
  resume(): Readonly<Record<string, object>> | undefined;
  /** There is another connection: takes what the server has subscribed to, in a reply of so many characters, and asks for the rest. */
  open(subs: Readonly<Record<string, SubscribeResult>>, size: number): void;
  /** Takes what the server says of a channel, in so many characters. */
  push(push: Push, size: number): void;
  /** Says at once what all readers of a channel are done with. */
  ack(): void;
}

/** One reader of a channel. */
interface ChannelReader {
  /** The last position that came for it, or the one after which it begins. */
  at: Position;
  /** What came for it; the first one is what it is busy with. */
  readonly unread: Publication[];
  /** Characters of what came since it had nothing to read. */
  size: number;
  /** There while it waits for more. */
  wake?: (() => void) | undefined;
  failed?: unknown;
  readonly hear: Reading["hear"];
}

/** What there is of a channel on this connection: one subscription, however many read it. */
interface FollowedChannel {
  readonly channel: string;
  readonly readers: Set<ChannelReader>;
  /** Undefined while it is not there; it waits for an answer, or to be asked for again. */
  state?: "waiting" | "in" | undefined;
  /** The last position that came on this connection. */
  at: Position;
  /** Offset of the last publication that was acknowledged. */
  said: number;
  failures: number;
  /** Whether the server has subscribed to it by itself: then it goes on while nobody reads it. */
  granted?: boolean;
}

/** The place of who begins with what is published from now on, until the server says where that is. */
const live: Position = { offset: -1, epoch: "" };

/** `bound` is how many characters may wait for one reader. */
export function createFeed(link: Wire, bound: number): Feed {
  const subscriptions = new Map<string, FollowedChannel>();

  async function* read(
    channel: string,
    { after = live, signal, hear }: Reading,
  ): AsyncGenerator<Publication, void, void> {
    /** Milliseconds for which what is acknowledged is gathered; a pong takes it along. */
    const interval = 50;
    const reader: ChannelReader = { at: after, unread: [], size: 0, hear };
    const subscription = subscriptionOf(channel);
    const { readers, state, at, said } = subscription;
    if (after === live && state === "in" && !readers.size) {
      reader.at = at;
      // What came while nobody read is not for this reader to acknowledge.
      if (at.offset > said) subscribe(subscription, live);
    }
    readers.add(reader);
    try {
      for (;;) {
        await link.wait<void>(signal, (resolve) => {
          reader.wake = resolve;
          if (reader.unread[0] || reader.failed) return wake(reader);
          reader.size = 0;
          tend(subscription);
        });
        const [publication] = reader.unread;
        if (!publication) throw reader.failed;
        const isOver = hear?.(publication);
        if (!isOver) yield publication;
        reader.unread.shift();
        if (isOver) return;
        link.time("ack", interval, acknowledge);
      }
    } finally {
      acknowledge();
      if (subscription.readers.delete(reader)) tend(subscription);
    }
  }

  function subscriptionOf(channel: string): FollowedChannel {
    const subscription = subscriptions.get(channel) ?? {
      channel,
      readers: new Set(),
      at: live,
      said: 0,
      failures: 0,
    };
    subscriptions.set(channel, subscription);
    return subscription;
  }

  function resume(): ReturnType<Feed["resume"]> {
    const entries: [string, object][] = [];
    for (const [channel, subscription] of subscriptions) {
      const { readers, granted } = subscription;
      // One message has to hold them; any other is asked for once it is there.
      const first = (granted && entries.length < 50 && firstOf(readers)) || live;
      subscription.at = first;
      if (first !== live) entries.push([channel, { recover: true, ...first }]);
    }
    return entries[0] && Object.fromEntries(entries);
  }

  function open(subs: Parameters<Feed["open"]>[0], size: number): void {
    const granted = new Map(Object.entries(subs));
    for (const [channel] of granted) subscriptionOf(channel);
    for (const [channel, subscription] of subscriptions) {
      const result = granted.get(channel);
      subscription.granted = !!result;
      if (result) grant(subscription, result, size);
      else renew(subscription);
    }
  }

  /** The server has subscribed to it by itself, from where it was asked to if it could. */
  function grant(subscription: FollowedChannel, result: SubscribeResult, size: number): void {
    const { readers, at } = subscription;
    // Who begins elsewhere has to be sent what is there, and to say that what came before is done with.
    const isElsewhere = !result.recovered && [...readers].some(({ at }) => at !== live);
    placed(subscription, at, result, size, isElsewhere);
  }

  function renew(subscription: FollowedChannel): void {
    subscription.state = undefined;
    tend(subscription);
  }

  function push({ channel, pub, unsubscribe }: Push, size: number): void {
    const subscription = subscriptions.get(channel);
    if (!subscription?.state) return;
    if (pub) take(subscription, pub, size);
    // One that is just being asked for anew has been left before.
    if (!unsubscribe || subscription.state !== "in") return;
    const { code, reason } = unsubscribe;
    subscription.granted = false;
    // From 2500 on it asks to come back.
    ended(subscription, { code, message: reason, temporary: code >= 2500 });
  }

  function take(subscription: FollowedChannel, fields: PublicationFields, size: number): void {
    const { channel, readers } = subscription;
    const { epoch } = subscription.at;
    const { offset } = fields;
    const at = { offset, epoch };
    const publication = { channel, epoch, time: 0, ...fields };
    subscription.at = at;
    for (const reader of readers) {
      const { at: last } = reader;
      // What a log begins with may have any offset.
      const isNext = !last.offset || last.offset === offset - 1;
      if (last.epoch !== epoch || !isNext || reader.size > bound) continue;
      reader.at = at;
      reader.size += size;
      reader.unread.push(publication);
      wake(reader);
    }
    // Who did not take it would have to be sent it again, and then from where they are.
    tend(subscription);
  }

  function acknowledge(): void {
    let words = "";
    for (const [channel, subscription] of subscriptions) {
      const { readers, state, at } = subscription;
      // Nobody may say that they have what they were not sent on this connection, or what nobody reads.
      let offset = readers.size && at.offset;
      for (const { at, unread } of readers) {
        offset = Math.min(offset, unread[0] ? unread[0].offset - 1 : at.offset);
      }
      if (state !== "in" || offset <= subscription.said) continue;
      subscription.said = offset;
      words += `,${JSON.stringify(channel)}:${JSON.stringify({ ...at, offset })}`;
      if (words.length > frame) break;
    }
    if (!words) return;
    link.write(`{"send":{"data":{"ack":{${words.slice(1)}}}}}`);
    acknowledge();
  }

  /** Ends the subscription, until it is asked for again. */
  function quit(subscription: FollowedChannel): void {
    if (!subscription.state) return;
    acknowledge();
    link.command("unsubscribe", JSON.stringify({ channel: subscription.channel }));
    subscription.state = undefined;
  }

  /** Subscribes, or does so anew, where somebody waits for what the subscription does not bring; ends it where nobody can take it. */
  function tend(subscription: FollowedChannel): void {
    const { channel, readers, state, at } = subscription;
    if (state === "waiting") return;
    const behind = [...readers].filter(
      (reader) => !state || reader.at.epoch !== at.epoch || reader.at.offset < at.offset,
    );
    if (!readers.size) {
      if (subscription.granted) return;
      subscriptions.delete(channel);
    }
    const first = firstOf(behind);
    if (first) subscribe(subscription, first);
    else if (behind.length === readers.size) quit(subscription);
  }

  function subscribe(subscription: FollowedChannel, after: Position): void {
    const { channel } = subscription;
    quit(subscription);
    subscription.state = "waiting";
    const params = { channel, ...(after !== live && { recover: true, ...after }) };
    link.command("subscribe", JSON.stringify(params), ({ subscribe, error }, size) => {
      if (error) ended(subscription, error);
      else placed(subscription, after, subscribe as SubscribeResult, size);
    });
  }

  /** The server has refused a subscription, or ended it. */
  function ended(subscription: FollowedChannel, error: Refusal): void {
    const { channel, readers } = subscription;
    quit(subscription);
    if (error.temporary) {
      subscription.state = "waiting";
      link.retry(`subscribe ${channel}`, subscription.failures++, () => renew(subscription));
    } else {
      const refused = refusal(`follow "${channel}"`, error);
      for (const reader of readers) fail(subscription, reader, refused);
      tend(subscription);
    }
  }

  /** The server has said where the channel stands, and may have sent what was missed, in a reply of so many characters. */
  function placed(
    subscription: FollowedChannel,
    after: Position,
    { epoch, offset, publications = [], recovered, data }: SubscribeResult,
    size: number,
    isElsewhere?: boolean,
  ): void {
    const { channel, readers } = subscription;
    const at = { offset, epoch };
    Object.assign(subscription, { state: "in", at, said: offset, failures: 0 });
    for (const reader of readers) {
      if (data?.status) reader.hear?.(data);
      if (reader.at !== after) continue;
      if (recovered || after === live) reader.at = at;
      else {
        const earliest = { offset: data?.earliest ?? offset - (data?.notice?.kept ?? 0), epoch };
        fail(subscription, reader, new GapError(channel, after, earliest));
      }
    }
    for (const each of publications) take(subscription, each, size / publications.length);
    if (isElsewhere) quit(subscription);
    tend(subscription);
  }

  return { read, resume, open, push, ack: acknowledge };
}

/** Where the reader furthest behind is of those who wait. */
function firstOf(readers: Iterable<ChannelReader>): Position | undefined {
  const waiting = [...readers].filter(({ wake }) => wake);
  return waiting.sort((one, other) => one.at.offset - other.at.offset)[0]?.at;
}

function wake(reader: ChannelReader): void {
  reader.wake?.();
  reader.wake = undefined;
}

function fail({ readers }: FollowedChannel, reader: ChannelReader, error: unknown): void {
  readers.delete(reader);
  reader.failed = error;
  wake(reader);
}
