import { GapError, ReplyError } from "./errors.ts";
import type { Link } from "./link.ts";
import type { Position } from "./log.ts";
import type { Publication } from "./publication.ts";
import type { PublicationFields, Reply, SubscribeResult } from "./reply.ts";

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
  wake: (() => void) | undefined;
  failed: unknown;
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

/**
 * The channels that are followed over a link, and where each reader of them stands.
 *
 * A channel is subscribed once, from where the reader furthest behind is; what others have had already they skip. A reader
 * takes what follows the last one it took, for as long as there is room. What it does not take it asks for again once it
 * has nothing to read: coming back to a position says that one is done with all before it.
 */
export class Feed {
  readonly #link: Link;
  readonly #bound: number;
  readonly #subscriptions = new Map<string, Subscription>();
  /** What is to be acknowledged. */
  readonly #words = new Map<string, Position>();

  /** `bound` is how many characters may wait for one reader. */
  constructor(link: Link, bound: number) {
    this.#link = link;
    this.#bound = bound;
  }

  /** Yields publications. Asking for the next one says that the reader is done with the last. */
  async *read(
    channel: string,
    { after, signal, isLast, onPresent }: Reading,
  ): AsyncGenerator<Publication, Publication, void> {
    const at = after?.offset ?? 0;
    const own = { received: at, done: at, unread: [], size: 0, wake: undefined, failed: undefined };
    const reader: Reader = { epoch: after?.epoch, ...own, onPresent };
    const subscription = this.#subscriptions.get(channel) ?? subscriptionTo(channel);
    this.#subscriptions.set(channel, subscription);
    subscription.readers.add(reader);
    try {
      for (;;) {
        const publication = await this.#next(subscription, reader, signal);
        const isOver = isLast?.(publication);
        if (!isOver) yield publication;
        reader.done = publication.offset;
        this.#acknowledge(subscription);
        if (isOver) return publication;
      }
    } finally {
      this.#leave(subscription, reader);
    }
  }

  async #next(
    subscription: Subscription,
    reader: Reader,
    signal: AbortSignal | undefined,
  ): Promise<Publication> {
    for (;;) {
      // A wait rejects at once where it is over before it begins.
      const next = this.#link.isOver(signal) ? undefined : reader.unread.shift();
      if (next !== undefined) {
        reader.size -= next.size;
        return next.publication;
      }
      if (reader.failed !== undefined) throw reader.failed;
      await this.#link.wait<void>(signal, (resolve) => {
        reader.wake = resolve;
        this.#tend(subscription);
        return () => {
          reader.wake = undefined;
        };
      });
    }
  }

  /** The link is up. */
  opened(): void {
    for (const subscription of this.#subscriptions.values()) this.#tend(subscription);
  }

  /** The link is down. */
  lost(): void {
    this.#words.clear();
    for (const subscription of this.#subscriptions.values()) subscription.state = "out";
  }

  publication(channel: string, fields: PublicationFields, size: number): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription?.state !== "in") return;
    const { epoch, readers } = subscription;
    const publication = publicationOf(channel, epoch, fields);
    const { offset } = publication;
    subscription.received = offset;
    let isTaken = false;
    for (const reader of readers) {
      // What a log begins with may have any offset.
      const isNext = reader.received === 0 || reader.received === offset - 1;
      if (reader.epoch !== epoch || !isNext || reader.size > this.#bound) continue;
      isTaken = true;
      reader.received = offset;
      reader.size += size;
      reader.unread.push({ publication, size });
      reader.wake?.();
    }
    this.#acknowledge(subscription);
    // Somebody would have to be sent it again anyway, and then from where they are.
    if (!isTaken) this.#tend(subscription);
  }

  /** The server has ended a subscription: from 2500 on it asks to come back. */
  unsubscribed(channel: string, code: number, reason: string): void {
    const subscription = this.#subscriptions.get(channel);
    // One that is just being asked for anew has been left before.
    if (subscription?.state !== "in") return;
    subscription.state = "out";
    if (code >= 2500) this.#tend(subscription);
    else refuse(subscription, new ReplyError(code, reason));
  }

  /** Says at once what is to be acknowledged. */
  acknowledge(): void {
    if (this.#words.size > 0) this.#link.write({ send: { data: { ack: Object.fromEntries(this.#words) } } });
    this.#words.clear();
  }

  #leave(subscription: Subscription, reader: Reader): void {
    const { channel, readers } = subscription;
    readers.delete(reader);
    if (readers.size > 0) return this.#acknowledge(subscription);
    this.#quit(subscription);
    if (this.#subscriptions.get(channel) === subscription) this.#subscriptions.delete(channel);
  }

  /** Ends the subscription, until it is asked for again. */
  #quit(subscription: Subscription): void {
    if (subscription.state === "out") return;
    this.acknowledge();
    this.#link.command({ unsubscribe: { channel: subscription.channel } });
    subscription.state = "out";
  }

  /** Subscribes, or does so anew, where somebody waits for what the subscription does not bring; ends it where nobody can take it. */
  #tend(subscription: Subscription): void {
    const { channel, readers, state, epoch, received } = subscription;
    if (!this.#link.isOpen || state === "asking") return;
    const isBehind = (reader: Reader): boolean =>
      state === "out" || reader.epoch !== epoch || reader.received < received;
    const [first] = [...readers]
      .filter((reader) => reader.wake && reader.unread.length === 0 && isBehind(reader))
      .sort((one, other) => placeOf(one) - placeOf(other));
    if (first === undefined) {
      if ([...readers].every(isBehind)) this.#quit(subscription);
      return;
    }
    this.#quit(subscription);
    subscription.state = "asking";
    const asked = first.epoch === undefined ? undefined : { epoch: first.epoch, offset: first.received };
    this.#link.command(
      { subscribe: { channel, ...(asked && { recover: true, ...asked }) } },
      ({ subscribe = {}, error }, size) => {
        // Meanwhile everybody may have left.
        if (readers.size === 0) return;
        if (error === undefined) this.#placed(subscription, asked, subscribe, size);
        else this.#refused(subscription, error);
      },
    );
  }

  #refused(subscription: Subscription, { code, message, temporary }: NonNullable<Reply["error"]>): void {
    // The server has subscribed to it by itself, from elsewhere.
    const isSubscribed = code === 105;
    subscription.state = isSubscribed ? "in" : "out";
    if (!isSubscribed && !temporary) return refuse(subscription, new ReplyError(code, message));
    this.#quit(subscription);
    const failures = subscription.failures++;
    const delay = isSubscribed && failures === 0 ? 0 : this.#link.delay(failures);
    this.#link.time(`subscribe ${subscription.channel}`, delay, () => this.#tend(subscription));
  }

  /** The server has said where the channel stands, and may have sent what was missed, in a reply of so many characters. */
  #placed(
    subscription: Subscription,
    asked: Position | undefined,
    { epoch = "", offset = 0, publications = [], recovered = false, data }: SubscribeResult,
    size: number,
  ): void {
    const { channel, readers } = subscription;
    Object.assign(subscription, { state: "in", epoch, received: offset, acknowledged: offset, failures: 0 });
    for (const reader of readers) {
      if (data !== undefined) reader.onPresent?.(data);
      const isAsked = reader.epoch === asked?.epoch && reader.received === (asked?.offset ?? 0);
      // Only who asks without a position is told the top.
      if (isAsked && !asked) Object.assign(reader, { epoch, received: offset, done: offset });
      else if (isAsked && recovered) reader.epoch = epoch;
      else if (isAsked) {
        const after = { offset: reader.received, epoch: reader.epoch ?? "" };
        fail(
          subscription,
          reader,
          new GapError(channel, after, {
            offset: data?.earliest ?? offset - (data?.notice?.kept ?? 0),
            epoch,
          }),
        );
      }
    }
    for (const each of publications) this.publication(channel, each, size / publications.length);
    this.#tend(subscription);
  }

  /** Notes what all readers are done with; it is said soon, together with what else there is to say. */
  #acknowledge(subscription: Subscription): void {
    const { channel, epoch, readers, state, received } = subscription;
    // Nobody may say that they have what they were not sent on this connection.
    const offset = Math.min(received, ...[...readers].map(({ done }) => done));
    if (state !== "in" || readers.size === 0 || offset <= subscription.acknowledged) return;
    subscription.acknowledged = offset;
    this.#words.set(channel, { offset, epoch });
    if (!this.#link.isTimed("words")) this.#link.time("words", interval, () => this.acknowledge());
  }
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

/** Who has no position yet comes first. */
function placeOf({ epoch, received }: Reader): number {
  return epoch === undefined ? -1 : received;
}

function refuse(subscription: Subscription, error: unknown): void {
  for (const reader of subscription.readers) fail(subscription, reader, error);
}

function fail({ readers }: Subscription, reader: Reader, error: unknown): void {
  readers.delete(reader);
  reader.failed = error;
  reader.wake?.();
}
