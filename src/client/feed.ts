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

/**
 * Is called with the reply to a command, and the reply's size in characters. When the connection is lost before the
 * reply arrives, `reply` is an error and `size` is 0.
 */
export type Answered = (reply: Reply, size: number) => void;

/** The part of a link that a feed uses. */
export interface Wire {
  readonly wait: Wait;
  /** Sends a command whose parameters are already JSON. */
  command(name: string, params: string, answered?: Answered): void;
  write(message: string): void;
  /**
   * Calls `fire` after `ms` milliseconds, unless the connection status changes first. Does nothing when a timer of this
   * name is already set.
   */
  time(name: string, ms: number, fire: () => void): void;
  /** Calls `fire` after 100 ms plus a random time: up to 500 ms, doubled with each failure, but never over 20 s. */
  retry(name: string, failures: number, fire: () => void): void;
}

/** News about a run: a publication of its channel, or the status in a subscribe reply. */
export type RunNews = Pick<Publication, "data"> | Pick<NonNullable<SubscribeResult["data"]>, "status">;

/**
 * Is called with each publication before it is yielded, and with the status of a run. When it returns true for a
 * publication, reading ends there, and that publication is not yielded.
 */
type Hear = (news: RunNews) => boolean;

/**
 * The channels that are followed over a link, and the position of each of their readers.
 *
 * A channel has one subscription, which starts at the position of the reader furthest behind. The other readers skip
 * the publications that they already have. A reader takes the publication that follows its last one, as long as it has
 * room. It asks for the rest again once it has nothing left to read, and not earlier: subscribing after a position
 * acknowledges everything up to that position.
 */
export interface Feed {
  /**
   * Yields the publications after a position, by default those after the server subscribes the channel. Asking for the
   * next one marks the previous one as handled.
   */
  read(
    channel: string,
    after?: Position,
    signal?: AbortSignal,
    hear?: Hear,
  ): AsyncGenerator<Publication, void>;
  /**
   * Returns the positions from which the next connection recovers channels that the server subscribes by itself, by
   * channel; undefined when there are none. Is called when a connection is lost, and before the connect command of the
   * next one.
   */
  resume(): Readonly<Record<string, object>> | undefined;
  /**
   * Handles a new connection: takes over the subscriptions that the server made (`subs`, from a reply of `size`
   * characters), and subscribes the other channels.
   */
  open(subs: Readonly<Record<string, SubscribeResult>>, size: number): void;
  /** Handles a push about a channel, of `size` characters. */
  push(push: Push, size: number): void;
  /** Acknowledges at once, for each channel, the publications that all of its readers have handled. */
  ack(): void;
}

/** One reader of a channel. */
interface ChannelReader {
  /** The last position received for it, or the position to start after. */
  at: Position;
  /** The publications received for it. It is handling the first one. */
  readonly unread: Publication[];
  /** Characters received since it last had nothing to read. */
  size: number;
  /** Set while it waits for more. */
  wake?: (() => void) | undefined;
  failed?: unknown;
  readonly hear: Hear | undefined;
}

/** The subscription of a channel on this connection: one, however many readers the channel has. */
interface FollowedChannel {
  readonly channel: string;
  readonly readers: Set<ChannelReader>;
  /** Undefined: not subscribed. `waiting`: for a subscribe reply, or for a retry. `in`: subscribed. */
  state?: "waiting" | "in" | undefined;
  /** The last position received on this connection. */
  at: Position;
  /** Offset of the last publication that was acknowledged. */
  ack: number;
  failures: number;
  /** Whether the server subscribed the channel by itself. Such a subscription stays while it has no readers. */
  granted?: boolean;
}

/** The position of a reader that starts with new publications, until the server replies with the channel's position. */
const live: Position = { offset: -1, epoch: "" };

/** Creates a feed. `bound` is how many characters may wait for one reader. */
export function createFeed(link: Wire, bound: number): Feed {
  const subscriptions = new Map<string, FollowedChannel>();

  async function* read(
    channel: string,
    after: Position = live,
    signal?: AbortSignal,
    hear?: Hear,
  ): AsyncGenerator<Publication, void, void> {
    /** Milliseconds for which acknowledgements are collected before they are sent. A pong sends them earlier. */
    const interval = 50;
    const reader: ChannelReader = { at: after, unread: [], size: 0, hear };
    const subscription = subscriptionOf(channel);
    const { readers, state, at, ack } = subscription;
    if (after === live && state === "in" && !readers.size) {
      reader.at = at;
      // This reader must not acknowledge what was pushed while there was no reader: so it subscribes anew.
      if (at.offset > ack) subscribe(subscription, live);
    }
    readers.add(reader);
    try {
      for (;;) {
        await link.wait<void>(signal, (resolve) => {
          reader.wake = resolve;
          if (reader.unread[0] || reader.failed) return wake(reader);
          reader.size = 0;
          adjust(subscription);
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
      if (readers.delete(reader)) adjust(subscription);
    }
  }

  function subscriptionOf(channel: string): FollowedChannel {
    const subscription = subscriptions.get(channel) ?? {
      channel,
      readers: new Set(),
      at: live,
      ack: 0,
      failures: 0,
    };
    subscriptions.set(channel, subscription);
    return subscription;
  }

  function resume(): ReturnType<Feed["resume"]> {
    const entries: [string, object][] = [];
    for (const [channel, subscription] of subscriptions) {
      // One message has to hold them all. Any other channel is subscribed after the connect reply.
      const first = (subscription.granted && entries.length < 50 && firstOf(subscription.readers)) || live;
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

  /** Handles a subscription that the server made by itself, from the position that `resume` returned if possible. */
  function grant(subscription: FollowedChannel, result: SubscribeResult, size: number): void {
    const { readers, at } = subscription;
    // Readers at another position need what follows it. Subscribing from there also acknowledges what came before it.
    const isElsewhere = !result.recovered && [...readers].some(({ at }) => at !== live);
    subscribed(subscription, at, result, size, isElsewhere);
  }

  function renew(subscription: FollowedChannel): void {
    subscription.state = undefined;
    adjust(subscription);
  }

  function push({ channel, pub, unsubscribe }: Push, size: number): void {
    const subscription = subscriptions.get(channel);
    if (!subscription?.state) return;
    if (pub) take(subscription, pub, size);
    // While a subscribe command waits for its reply, the push is about the subscription before it, which is over.
    if (!unsubscribe || subscription.state !== "in") return;
    subscription.granted = false;
    // Codes from 2500 up tell the client to subscribe again.
    const temporary = unsubscribe.code >= 2500;
    ended(subscription, { ...unsubscribe, message: unsubscribe.reason, temporary });
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
      // The first publication in a log may have any offset.
      const isNext = !last.offset || last.offset === offset - 1;
      if (last.epoch !== epoch || !isNext || reader.size > bound) continue;
      reader.at = at;
      reader.size += size;
      reader.unread.push(publication);
      wake(reader);
    }
    // Readers that did not take it need it again, from their own position.
    adjust(subscription);
  }

  function acknowledge(): void {
    let acks = "";
    for (const [channel, subscription] of subscriptions) {
      const { readers, at } = subscription;
      // Only what was received on this connection and has readers may be acknowledged.
      let offset = readers.size && at.offset;
      for (const { at, unread } of readers) {
        offset = Math.min(offset, unread[0] ? unread[0].offset - 1 : at.offset);
      }
      if (subscription.state !== "in" || offset <= subscription.ack) continue;
      subscription.ack = offset;
      acks += `,${JSON.stringify(channel)}:${JSON.stringify({ ...at, offset })}`;
      if (acks.length > frame) break;
    }
    if (!acks) return;
    link.write(`{"send":{"data":{"ack":{${acks.slice(1)}}}}}`);
    acknowledge();
  }

  /** Unsubscribes the channel. */
  function quit(subscription: FollowedChannel): void {
    if (!subscription.state) return;
    acknowledge();
    link.command("unsubscribe", JSON.stringify({ channel: subscription.channel }));
    subscription.state = undefined;
  }

  /**
   * Subscribes, again if necessary, when a reader waits for publications that the subscription will not bring.
   * Unsubscribes when no reader can take what the subscription brings.
   */
  function adjust(subscription: FollowedChannel): void {
    const { readers, state, at } = subscription;
    if (state === "waiting") return;
    const behind = [...readers].filter(
      (reader) => !state || reader.at.epoch !== at.epoch || reader.at.offset < at.offset,
    );
    if (!readers.size) {
      if (subscription.granted) return;
      subscriptions.delete(subscription.channel);
    }
    const first = firstOf(behind);
    if (first) subscribe(subscription, first);
    else if (behind.length === readers.size) quit(subscription);
  }

  function subscribe(subscription: FollowedChannel, after: Position): void {
    quit(subscription);
    subscription.state = "waiting";
    const params = { channel: subscription.channel, ...(after !== live && { recover: true, ...after }) };
    link.command("subscribe", JSON.stringify(params), ({ subscribe, error }, size) => {
      if (error) ended(subscription, error);
      else subscribed(subscription, after, subscribe as SubscribeResult, size);
    });
  }

  /** Handles a subscription that the server refused or ended: tries again, or fails the readers. */
  function ended(subscription: FollowedChannel, error: Refusal): void {
    const { channel, readers } = subscription;
    quit(subscription);
    if (error.temporary) {
      subscription.state = "waiting";
      link.retry(`subscribe ${channel}`, subscription.failures++, () => renew(subscription));
    } else {
      const refused = refusal(`follow "${channel}"`, error);
      for (const reader of readers) fail(subscription, reader, refused);
      adjust(subscription);
    }
  }

  /** Handles a subscribe result, from a reply of `size` characters: the channel's position, and what was missed. */
  function subscribed(
    subscription: FollowedChannel,
    after: Position,
    { epoch, offset, publications = [], recovered, data }: SubscribeResult,
    size: number,
    isElsewhere?: boolean,
  ): void {
    const { channel, readers } = subscription;
    const at = { offset, epoch };
    Object.assign(subscription, { state: "in", at, ack: offset, failures: 0 });
    for (const reader of readers) {
      if (data?.status) reader.hear?.(data);
      if (reader.at !== after) continue;
      if (recovered || after === live) reader.at = at;
      else {
        const earliest = { offset: data?.earliest ?? offset - (data?.notice?.kept ?? 0), epoch };
        fail(subscription, reader, new GapError(channel, after, earliest));
      }
    }
    for (const fields of publications) take(subscription, fields, size / publications.length);
    if (isElsewhere) quit(subscription);
    adjust(subscription);
  }

  return { read, resume, open, push, ack: acknowledge };
}

/** Returns the position of the reader furthest behind among those that wait. */
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
