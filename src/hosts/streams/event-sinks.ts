import { ByteStream, type ByteStreamParts } from "./byte-stream.ts";
import type { FeedItem, FeedSink } from "./event-feed.ts";
import { eventOf } from "./stream-response.ts";

const encoder = new TextEncoder();

/** What a sink tells its owner. */
export interface SinkParts {
  /** Called once everything before the last ping was taken. */
  pong(): void;
  /** Called once, when nothing more is handed on. `code` is 1000 after an end. */
  over(code?: number): void;
}

/** Hands items on as a stream of events, for an `EventSource`. */
export class EventStream implements FeedSink {
  readonly #stream: ByteStream;
  readonly #pong: () => void;
  /** Whether a ping is to be answered once everything was taken. */
  #isPinged = false;
  #isEnded = false;
  /** Whether anything but an end was written. */
  hasEvents = false;

  constructor({ pong, over, destroy }: SinkParts & Pick<ByteStreamParts, "destroy">) {
    this.#pong = pong;
    this.#stream = new ByteStream({
      taken: () => this.#answer(),
      over: () => over(this.#isEnded ? 1000 : undefined),
      destroy,
    });
  }

  get body(): ReadableStream<Uint8Array> {
    return this.#stream.body;
  }

  /** Tells an `EventSource` from which positions it goes on, and after how many milliseconds it may come back. */
  note(id: string, retry: number): void {
    this.#stream.write(encoder.encode(`retry: ${retry}\nid: ${id}\n\n`));
  }

  write(items: readonly FeedItem[]): void {
    this.hasEvents = true;
    this.#stream.write(encoder.encode(items.map(textOf).join("")));
  }

  /** Pings are comments, which keep proxies from closing a stream of which nothing is heard. */
  ping(): void {
    this.#isPinged = true;
    this.#stream.write(encoder.encode(":\n\n"));
  }

  end(item: FeedItem): void {
    this.#isEnded = true;
    this.#stream.end(encoder.encode(textOf(item)));
  }

  cut(): void {
    this.#stream.cut();
  }

  #answer(): void {
    if (!this.#isPinged) return;
    this.#isPinged = false;
    this.#pong();
  }
}

function textOf({ type, id, body }: FeedItem): string {
  return eventOf(JSON.stringify(body), { id, ...(type !== "publication" && { event: type }) });
}

/** The answer to a long poll: what has come, up to the id with which the next one goes on. */
export interface Polled {
  id: string;
  publications: unknown[];
  gaps: unknown[];
  /** The runs that have ended, if all channels are of runs that have. */
  ended?: readonly string[];
  /** Why nothing more will come. */
  close?: unknown;
}

/** Keeps items until somebody asks. */
export class Poll implements FeedSink {
  readonly #parts: SinkParts;
  readonly #polled: Polled = { id: "", publications: [], gaps: [] };
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(parts: SinkParts) {
    this.#parts = parts;
  }

  get isEmpty(): boolean {
    const { publications, gaps } = this.#polled;
    return publications.length + gaps.length === 0 && !this.#isOver;
  }

  /** Returns a promise that resolves once there is something to answer, or when `wake` is called. */
  waiting(): { promise: Promise<void>; wake(): void } {
    let wake = (): void => {};
    const promise = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#wake = wake;
    if (!this.isEmpty) wake();
    return { promise, wake };
  }

  /** Returns what has come. Nothing is handed on after that. */
  take(id: string): Polled {
    this.#isOver = true;
    return { ...this.#polled, id };
  }

  write(items: readonly FeedItem[]): void {
    for (const { type, body } of items) {
      if (type === "gap") this.#polled.gaps.push(body);
      else if (type === "publication") this.#polled.publications.push(body);
    }
    this.#wake?.();
  }

  /** A poll ends as soon as there is something to read, so a ping never comes behind anything. */
  ping(): void {
    if (this.isEmpty) this.#parts.pong();
  }

  end({ type, body }: FeedItem): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (type === "end") this.#polled.ended = body.runs;
    else this.#polled.close = body;
    this.#wake?.();
    this.#parts.over();
  }

  cut(): void {
    this.#isOver = true;
    this.#wake?.();
    this.#parts.over();
  }
}
