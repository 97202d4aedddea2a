import { isObject } from "../../base/check.ts";
import type { Position } from "../../model/log.ts";
import { runOfChannel } from "../../model/run.ts";
import type { Session, Socket } from "../../model/socket.ts";
import { closes } from "../../wire/protocol.ts";
import { finalId, idOf } from "./event-id.ts";

/** A publication, as `events` sends it. */
export interface EventPublication {
  readonly channel: string;
  readonly offset: number;
  readonly data: unknown;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly tags?: Readonly<Record<string, string>>;
}

/** What is lost of a channel: everything after `after`, up to and with `earliest`. */
export interface EventGap {
  readonly channel: string;
  readonly after: Position;
  /** What follows this position is still there, and is sent next. */
  readonly earliest: Position;
  /** The number of publications. `null` if it is not known: the channel has begun anew. */
  readonly lost: number | null;
}

/** Why nothing more comes, of one channel or of all. */
export interface EventClose {
  readonly channel?: string;
  readonly code: number;
  readonly reason: string;
}

/** What a feed hands on. The id has the positions of all channels behind it. */
export type FeedItem =
  | { readonly type: "publication"; readonly id: string; readonly body: EventPublication }
  | { readonly type: "gap"; readonly id: string; readonly body: EventGap }
  | { readonly type: "close"; readonly id: string; readonly body: EventClose }
  | { readonly type: "end"; readonly id: string; readonly body: { readonly runs: readonly string[] } };

/** Where a feed hands on what it reads. */
export interface FeedSink {
  write(items: readonly FeedItem[]): void;
  /** Called for a ping of the session. The sink answers it with `pong` once everything before it was taken. */
  ping(): void;
  /** Ends what is handed on. */
  end(item: FeedItem): void;
  cut(): void;
}

/** A channel that is wanted, and after which position. Without one it begins with what is published next. */
export interface Wanted {
  readonly channel: string;
  readonly after: Position | undefined;
}

/** Why a feed cannot begin: the code of an error reply about a channel, or of the close of the session. */
export interface FeedFault {
  readonly code: number;
  readonly reason: string;
  readonly channel?: string;
}

/** The state of one channel. */
interface Place {
  readonly channel: string;
  readonly isRun: boolean;
  position: Position | undefined;
  /** Whether it had a position before the subscription that is asked for now. */
  isResumed: boolean;
  /** Whether the run was over when the subscription began. */
  wasOver: boolean;
  isOver: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: what the notifier itself has encoded
type Message = any;

/** The types of the publications that end a run. */
const endings: readonly unknown[] = ["run.completed", "run.failed", "run.cancelled"];

/**
 * A client of a session in this process, which reads channels and only hands on what it gets.
 *
 * It acknowledges nothing, and says so: that bytes were taken does not prove that anybody has read them. A client that
 * comes back with a position has acknowledged everything up to there.
 */
export class EventFeed implements Socket {
  readonly #sink: FeedSink;
  readonly #places: ReadonlyMap<string, Place>;
  readonly #subscribing = new Map<number, Place>();
  #session: Session | undefined;
  /** What the session is about to receive. */
  readonly #said: string[] = [];
  #id = 1;
  /** What came of the beginning, as soon as it is known. */
  #begun: { readonly fault: FeedFault | undefined } | undefined;
  #onBegun: ((fault: FeedFault | undefined) => void) | undefined;

  constructor(wanted: readonly Wanted[], sink: FeedSink) {
    this.#sink = sink;
    this.#places = new Map(wanted.map(({ channel, after }) => [channel, placeOf(channel, after)] as const));
  }

  /** The positions of all channels, as an id. */
  get id(): string {
    return idOf(Array.from(this.#places.values(), ({ position }) => position));
  }

  /** The channels of runs that were over when the feed began, and whose ending has not been handed on. */
  get overBefore(): readonly string[] {
    const places = [...this.#places.values()];
    return places.filter(({ wasOver, isOver }) => wasOver && !isOver).map(({ channel }) => channel);
  }

  /** Whether all channels are of runs that have ended, and nothing more will come. */
  get isOver(): boolean {
    return [...this.#places.values()].every(({ isOver }) => isOver);
  }

  /** Connects, and subscribes to all channels. Resolves with why that failed, if it did. */
  begin(session: Session, token: string): Promise<FeedFault | undefined> {
    this.#session = session;
    // They count for those that the server subscribes the client to.
    const positions = Array.from(this.#places.values()).flatMap(({ channel, position }) =>
      position === undefined ? [] : [[channel, { recover: true, ...position }] as const],
    );
    const connect = { token, subs: Object.fromEntries(positions), name: "events" };
    session.receive(`${JSON.stringify({ id: 1, connect })}\n{"send":{"data":{"ack":{}}}}`);
    if (this.#begun !== undefined) return Promise.resolve(this.#begun.fault);
    return new Promise((resolve) => {
      this.#onBegun = resolve;
    });
  }

  pong(): void {
    this.#say("{}");
  }

  /** Sends something to the session, which may be calling now. */
  #say(message: string): void {
    this.#said.push(message);
    if (this.#said.length > 1) return;
    queueMicrotask(() => this.#session?.receive(this.#said.splice(0).join("\n")));
  }

  /** Notes that a run ended at this offset, before the feed began. */
  endedAt(channel: string, offset: number): void {
    const place = this.#places.get(channel);
    if (place !== undefined && (place.position?.offset ?? 0) >= offset) place.isOver = true;
    this.#endIfOver();
  }

  send(frame: string): void {
    const items: FeedItem[] = [];
    let isPinged = false;
    for (const line of frame.split("\n")) {
      const message: Message = JSON.parse(line);
      if (message.push !== undefined) this.#pushed(message.push, items);
      else if (message.id === undefined) isPinged = true;
      else if (message.error !== undefined) this.#refused(message);
      else this.#answered(message, items);
    }
    if (items.length > 0) this.#sink.write(items);
    if (isPinged) this.#sink.ping();
    this.#endIfOver();
  }

  close(code: number, reason: string): void {
    this.#begins({ code, reason });
    this.#endWith({ code, reason });
  }

  terminate(): void {
    this.#sink.cut();
  }

  #begins(fault: FeedFault | undefined): void {
    if (this.#begun !== undefined) return;
    this.#begun = { fault };
    this.#onBegun?.(fault);
  }

  #answered({ id, connect, subscribe }: Message, items: FeedItem[]): void {
    if (connect !== undefined) {
      for (const place of this.#places.values()) {
        const granted = Object.hasOwn(connect.subs ?? {}, place.channel)
          ? connect.subs[place.channel]
          : undefined;
        if (granted === undefined) this.#subscribe(place);
        else this.#subscribed(place, granted, items);
      }
    } else if (subscribe !== undefined) {
      const place = this.#subscribing.get(id);
      this.#subscribing.delete(id);
      if (place !== undefined) this.#subscribed(place, subscribe, items);
    }
    if (this.#subscribing.size === 0) this.#begins(undefined);
  }

  #refused({ id, error }: Message): void {
    const place = this.#subscribing.get(id);
    this.#subscribing.delete(id);
    const fault = { code: error.code, reason: error.message, ...(place && { channel: place.channel }) };
    if (this.#begun === undefined) this.#begins(fault);
    else if (place !== undefined) this.#endWith(fault);
  }

  #subscribe(place: Place): void {
    const { channel, position } = place;
    const id = ++this.#id;
    this.#subscribing.set(id, place);
    place.isResumed = position !== undefined;
    const subscribe = { channel, ...(position !== undefined && { recover: true, ...position }) };
    this.#say(JSON.stringify({ id, subscribe }));
  }

  #subscribed(place: Place, result: Message, items: FeedItem[]): void {
    const { offset, epoch, publications = [], recovered, data } = result;
    place.wasOver =
      place.isRun && isObject(data) && typeof data.status === "string" && data.status !== "working";
    if (!place.isResumed || recovered === true) {
      place.position = { offset, epoch };
      for (const publication of publications) this.#published(place, publication, items);
      return;
    }
    const after = place.position as Position;
    const earliest = { offset: data?.earliest ?? offset - (data?.notice?.kept ?? 0), epoch };
    const isSame = (after.epoch === "" || after.epoch === epoch) && earliest.offset >= after.offset;
    const lost = isSame ? earliest.offset - after.offset : null;
    place.position = earliest;
    items.push({ type: "gap", id: this.id, body: { channel: place.channel, after, earliest, lost } });
    if (earliest.offset < offset) this.#again(place);
  }

  /** Subscribes from where the log is complete. */
  #again(place: Place): void {
    this.#say(JSON.stringify({ id: ++this.#id, unsubscribe: { channel: place.channel } }));
    this.#subscribe(place);
  }

  #pushed({ channel, pub, unsubscribe }: Message, items: FeedItem[]): void {
    const place = this.#places.get(channel);
    if (place === undefined) return;
    if (pub !== undefined) this.#published(place, pub, items);
    if (unsubscribe === undefined) return;
    if (unsubscribe.code >= 2500) return this.#subscribe(place);
    this.#endWith({ channel, ...unsubscribe });
  }

  /** Ends with the reason, whose code says whether the client may come back. */
  #endWith(body: EventClose): void {
    const id = isForGood(body.code) ? finalId(this.id, body.code) : this.id;
    this.#sink.end({ type: "close", id, body });
  }

  #published(place: Place, publication: Message, items: FeedItem[]): void {
    const { channel, position } = place;
    place.position = { offset: publication.offset, epoch: position?.epoch ?? "" };
    if (place.isRun && isObject(publication.data) && endings.includes(publication.data.type))
      place.isOver = true;
    items.push({ type: "publication", id: this.id, body: { channel, ...publication } });
  }

  #endIfOver(): void {
    if (this.#begun === undefined || !this.isOver) return;
    const runs = Array.from(this.#places.keys(), (channel) => runOfChannel(channel) as string);
    this.#sink.end({ type: "end", id: this.id, body: { runs } });
  }
}

/** Returns whether the code of a close, or of the end of a subscription, tells a client to stay away. */
export function isForGood(code: number): boolean {
  const isClose = code >= closes.normal.code;
  return isClose ? /^[34][5-9]/.test(`${code}`) : code >= 2000 && code < 2500;
}

function placeOf(channel: string, position: Position | undefined): Place {
  const isRun = runOfChannel(channel) !== undefined;
  return { channel, isRun, position, isResumed: position !== undefined, wasOver: false, isOver: false };
}
