import { GapError, ReplyError } from "./errors.ts";
import type { Wire } from "./link.ts";
import type { Position } from "./log.ts";
import type { Publication } from "./publication.ts";
import type { PublicationFields, Push, SubscribeResult } from "./reply.ts";

/** What is said of a run: by what is published, or by the server itself. */
export type Said = Pick<Publication, "data"> | Pick<NonNullable<SubscribeResult["data"]>, "status">;

/** How a channel is read, on behalf of one reader. */
export interface Reading {
  /** Where it begins. Default: with what is published once the server knows of it. */
  after?: Position | undefined;
  signal?: AbortSignal | undefined;
  /** Hears each publication before it is yielded, and how a run stands. Whatever it answers true to is the last, and not yielded. */
  hear?: ((said: Said) => boolean) | undefined;
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
  /** Asks for all channels anew: there is another connection. */
  open(): void;
  /** Takes what the server says of a channel, in so many characters. */
  push(push: Push, size: number): void;
  /** Says at once what all readers of a channel are done with. */
  ack(): void;
}

/** One reader of a channel. */
interface Reader {
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
interface Subscription {
  readonly channel: string;
  readonly readers: Set<Reader>;
  /** Undefined while it is not there; it waits for an answer, or to be asked for again. */
  state?: "waiting" | "in" | undefined;
  /** The last position that came on this connection. */
  at: Position;
  /** Offset of the last publication that was acknowledged. */
  said: number;
  failures: number;
}

/** The place of who begins with what is published from now on, until the server says where that is. */
const live: Position = { offset: -1, epoch: "" };

/** `bound` is how many characters may wait for one reader. */
export function createFeed(link: Wire, bound: number): Feed {
  const subscriptions = new Map<string, Subscription>();

  async function* read(
    channel: string,
    { after = live, signal, hear }: Reading,
  ): AsyncGenerator<Publication, void, void> {
    /** Milliseconds for which what is acknowledged is gathered; a pong takes it along. */
    const interval = 50;
    const reader: Reader = { at: after, unread: [], size: 0, hear };
    const subscription: Subscription = subscriptions.get(channel) ?? {
      channel,
      readers: new Set(),
      at: live,
      said: 0,
      failures: 0,
    };
    subscriptions.set(channel, subscription);
    subscription.readers.add(reader);
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

  function open(): void {
    for (const subscription of subscriptions.values()) renew(subscription);
  }

  function renew(subscription: Subscription): void {
    subscription.state = undefined;
    tend(subscription);
  }

  function push({ channel, pub, unsubscribe }: Push, size: number): void {
    const subscription = subscriptions.get(channel);
    // One that is just being asked for anew has been left before.
    if (subscription?.state !== "in") return;
    if (pub) take(subscription, pub, size);
    if (!unsubscribe) return;
    const { code, reason } = unsubscribe;
    // From 2500 on it asks to come back.
    ended(subscription, new ReplyError(code, reason, code >= 2500));
  }

  function take(subscription: Subscription, fields: PublicationFields, size: number): void {
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
    const ack: Record<string, Position> = {};
    for (const subscription of subscriptions.values()) {
      const { channel, readers, state, at } = subscription;
      // Nobody may say that they have what they were not sent on this connection.
      let { offset } = at;
      for (const { at, unread } of readers) {
        offset = Math.min(offset, unread[0] ? unread[0].offset - 1 : at.offset);
      }
      if (state !== "in" || offset <= subscription.said) continue;
      subscription.said = offset;
      ack[channel] = { offset, epoch: at.epoch };
    }
    if (Object.keys(ack).length) link.write({ send: { data: { ack } } });
  }

  /** Ends the subscription, until it is asked for again. */
  function quit(subscription: Subscription): void {
    if (!subscription.state) return;
    acknowledge();
    link.command({ unsubscribe: { channel: subscription.channel } });
    subscription.state = undefined;
  }

  /** Subscribes, or does so anew, where somebody waits for what the subscription does not bring; ends it where nobody can take it. */
  function tend(subscription: Subscription): void {
    const { channel, readers, state, at } = subscription;
    if (state === "waiting") return;
    const behind = [...readers].filter(
      (reader) => !state || reader.at.epoch !== at.epoch || reader.at.offset < at.offset,
    );
    const [first] = behind
      .filter((reader) => reader.wake)
      .sort((one, other) => one.at.offset - other.at.offset);
    if (readers.size === 0) subscriptions.delete(channel);
    if (first || behind.length === readers.size) quit(subscription);
    if (!first) return;
    const { at: after } = first;
    const { offset, epoch } = after;
    subscription.state = "waiting";
    link.command(
      { subscribe: { channel, ...(after !== live && { recover: true, offset, epoch }) } },
      ({ subscribe, error }, size) => {
        if (!error) return placed(subscription, after, subscribe as SubscribeResult, size);
        ended(subscription, error);
      },
    );
  }

  /** The server has refused a subscription, or ended it. */
  function ended(subscription: Subscription, error: ReplyError): void {
    const { channel, readers } = subscription;
    quit(subscription);
    // With 105 the server has subscribed to it by itself, from elsewhere.
    if (error.temporary || error.code === 105) {
      subscription.state = "waiting";
      link.retry(`subscribe ${channel}`, subscription.failures++, () => renew(subscription));
    } else {
      for (const reader of readers) fail(subscription, reader, error);
      tend(subscription);
    }
  }

  /** The server has said where the channel stands, and may have sent what was missed, in a reply of so many characters. */
  function placed(
    subscription: Subscription,
    after: Position,
    { epoch, offset, publications = [], recovered, data }: SubscribeResult,
    size: number,
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
    tend(subscription);
  }

  return { read, open, push, ack: acknowledge };
}

function wake(reader: Reader): void {
  reader.wake?.();
  reader.wake = undefined;
}

function fail({ readers }: Subscription, reader: Reader, error: unknown): void {
  readers.delete(reader);
  reader.failed = error;
  wake(reader);
}
