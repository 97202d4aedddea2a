import { GapError, ReplyError } from "./errors.ts";
import type { Link } from "./link.ts";
import type { Position } from "./log.ts";
import type { Publication } from "./publication.ts";
import type { PublicationFields, Push, Reply, SubscribeResult } from "./reply.ts";

/** How a channel is read, on behalf of one reader. */
export interface Reading {
  /** Where it begins. Default: with what is published once the server knows of it. */
  after?: Position | undefined;
  signal?: AbortSignal | undefined;
  /** Says which publication is the last; it is returned, not yielded. Default: none is. */
  isLast?: ((publication: Publication) => boolean) | undefined;
  /** Hears what the server says of the channel beside its position: of a run, how it stands. */
  onPresent?: ((data: NonNullable<SubscribeResult["data"]>) => void) | undefined;
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
  read(channel: string, reading: Reading): AsyncGenerator<Publication, Publication, void>;
  /** There is a new connection. */
  opened(): void;
  pushed(push: Push, size: number): void;
  /** Says at once what all readers of a channel are done with. */
  acknowledge(): void;
}

/** One reader of a channel. */
interface Reader {
  /** Undefined until the server says where the channel stands, for one that begins there; "" for the start. */
  epoch: string | undefined;
  /** Offset of the last publication that came for it. */
  received: number;
  /** Offset of the last publication that it is done with. */
  done: number;
  readonly unread: { publication: Publication; size: number }[];
  /** Characters of what is unread. */
  size: number;
  /** There while it waits for more. */
  wake?: (() => void) | undefined;
  failed?: unknown;
  readonly onPresent: Reading["onPresent"];
}

/** What there is of a channel on this connection: one subscription, however many read it. */
interface Subscription {
  readonly channel: string;
  readonly readers: Set<Reader>;
  state: "out" | "asking" | "in";
  epoch: string;
  /** Offset of the last publication that came on this connection, and of the last that was acknowledged. */
  received: number;
  acknowledged: number;
  failures: number;
}

/** Milliseconds for which what is acknowledged is gathered; a pong takes it along. */
const interval = 50;

/** `bound` is how many characters may wait for one reader. */
export function createFeed(link: Link, bound: number): Feed {
  const subscriptions = new Map<string, Subscription>();

  async function* read(
    channel: string,
    { after, signal, isLast, onPresent }: Reading,
  ): AsyncGenerator<Publication, Publication, void> {
    const at = after?.offset ?? -1;
    const reader: Reader = { epoch: after?.epoch, received: at, done: at, unread: [], size: 0, onPresent };
    const subscription = subscriptions.get(channel) ?? subscriptionTo(channel);
    subscriptions.set(channel, subscription);
    subscription.readers.add(reader);
    try {
      for (;;) {
        link.check(signal);
        const next = reader.unread.shift();
        if (next !== undefined) {
          const { publication, size } = next;
          reader.size -= size;
          const isOver = isLast?.(publication);
          if (!isOver) yield publication;
          reader.done = publication.offset;
          if (isOver) return publication;
          if (!link.timers.has("words")) link.time("words", interval, acknowledge);
        } else if (reader.failed !== undefined) throw reader.failed;
        else {
          await link.wait<void>(signal, (resolve) => {
            reader.wake = resolve;
            tend(subscription);
            return () => {
              reader.wake = undefined;
            };
          });
        }
      }
    } finally {
      acknowledge();
      if (subscription.readers.delete(reader)) tend(subscription);
    }
  }

  function opened(): void {
    for (const subscription of subscriptions.values()) {
      subscription.state = "out";
      tend(subscription);
    }
  }

  function pushed({ channel, pub, unsubscribe }: Push, size: number): void {
    const subscription = subscriptions.get(channel);
    // One that is just being asked for anew has been left before.
    if (subscription?.state !== "in") return;
    if (pub !== undefined) take(subscription, pub, size);
    if (unsubscribe !== undefined) {
      const { code, reason: message } = unsubscribe;
      // From 2500 on it asks to come back.
      ended(subscription, { code, message, temporary: code >= 2500 });
    }
  }

  function take(subscription: Subscription, fields: PublicationFields, size: number): void {
    const { channel, epoch, readers } = subscription;
    const publication = publicationOf(channel, epoch, fields);
    const { offset } = publication;
    subscription.received = offset;
    for (const reader of readers) {
      // What a log begins with may have any offset.
      const isNext = reader.received === 0 || reader.received === offset - 1;
      if (reader.epoch !== epoch || !isNext || reader.size > bound) continue;
      reader.received = offset;
      reader.size += size;
      reader.unread.push({ publication, size });
      reader.wake?.();
    }
    // Who did not take it would have to be sent it again, and then from where they are.
    tend(subscription);
  }

  function acknowledge(): void {
    const ack: Record<string, Position> = {};
    for (const subscription of subscriptions.values()) {
      const { channel, epoch, readers, received } = subscription;
      // Nobody may say that they have what they were not sent on this connection.
      const offset = Math.min(received, ...[...readers].map(({ done }) => done));
      if (subscription.state !== "in" || offset <= subscription.acknowledged) continue;
      subscription.acknowledged = offset;
      ack[channel] = { offset, epoch };
    }
    if (Object.keys(ack).length > 0) link.write({ send: { data: { ack } } });
  }

  /** Ends the subscription, until it is asked for again. */
  function quit(subscription: Subscription): void {
    if (subscription.state === "out") return;
    acknowledge();
    link.command({ unsubscribe: { channel: subscription.channel } });
    subscription.state = "out";
  }

  /** Subscribes, or does so anew, where somebody waits for what the subscription does not bring; ends it where nobody can take it. */
  function tend(subscription: Subscription): void {
    const { channel, readers, state, epoch, received } = subscription;
    if (state === "asking") return;
    const isBehind = (reader: Reader): boolean =>
      state === "out" || reader.epoch !== epoch || reader.received < received;
    const [first] = [...readers]
      .filter((reader) => reader.wake && reader.unread.length === 0 && isBehind(reader))
      .sort((one, other) => one.received - other.received);
    if (readers.size === 0) subscriptions.delete(channel);
    if (first !== undefined || [...readers].every(isBehind)) quit(subscription);
    if (first !== undefined) ask(subscription, first);
  }

  function ask(subscription: Subscription, { epoch, received: offset }: Reader): void {
    const { channel } = subscription;
    subscription.state = "asking";
    link.command(
      { subscribe: { channel, ...(epoch !== undefined && { recover: true, epoch, offset }) } },
      ({ subscribe = {}, error }, size) => {
        if (error === undefined) placed(subscription, { epoch, offset }, subscribe, size);
        else ended(subscription, error);
      },
    );
  }

  /** The server has refused a subscription, or ended it. */
  function ended(
    subscription: Subscription,
    { code, message, temporary }: NonNullable<Reply["error"]>,
  ): void {
    quit(subscription);
    // With 105 the server has subscribed to it by itself, from elsewhere.
    if (temporary || code === 105) {
      const { channel } = subscription;
      const delay = link.delay(subscription.failures++);
      return link.time(`subscribe ${channel}`, delay, () => tend(subscription));
    }
    for (const reader of subscription.readers) fail(subscription, reader, new ReplyError(code, message));
    tend(subscription);
  }

  /** The server has said where the channel stands, and may have sent what was missed, in a reply of so many characters. */
  function placed(
    subscription: Subscription,
    after: { epoch: string | undefined; offset: number },
    { epoch = "", offset = 0, publications = [], recovered, data }: SubscribeResult,
    size: number,
  ): void {
    const { channel, readers } = subscription;
    Object.assign(subscription, { state: "in", epoch, received: offset, acknowledged: offset, failures: 0 });
    for (const reader of readers) {
      if (data !== undefined) reader.onPresent?.(data);
      if (reader.epoch !== after.epoch || reader.received !== after.offset) continue;
      // Only who asks without a position is told the top.
      if (after.epoch === undefined) Object.assign(reader, { epoch, received: offset, done: offset });
      else if (recovered) reader.epoch = epoch;
      else {
        const earliest = { offset: data?.earliest ?? offset - (data?.notice?.kept ?? 0), epoch };
        fail(subscription, reader, new GapError(channel, after as Position, earliest));
      }
    }
    for (const each of publications) take(subscription, each, size / publications.length);
    tend(subscription);
  }

  return { read, opened, pushed, acknowledge };
}

/** A publication as it is read here. */
export function publicationOf(
  channel: string,
  epoch: string,
  { data, offset, time = 0, tags }: PublicationFields,
): Publication {
  return { channel, offset, epoch, data, time, tags };
}

function subscriptionTo(channel: string): Subscription {
  return { channel, readers: new Set(), state: "out", epoch: "", received: 0, acknowledged: 0, failures: 0 };
}

function fail({ readers }: Subscription, reader: Reader, error: unknown): void {
  readers.delete(reader);
  reader.failed = error;
  reader.wake?.();
}
