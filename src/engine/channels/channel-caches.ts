import type { Entry } from "../../model/log.ts";
import type { Codec } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import { SegmentCache } from "./segment-cache.ts";

/** The empty list that almost all channels have. Nothing is ever added to it. */
const none: readonly SegmentCache[] = [];

/** The publications of a channel, encoded by each codec that its subscriptions have: most often by one. */
export class ChannelCaches {
  readonly #context: Context;
  readonly #channel: string;
  #first: SegmentCache | undefined;
  #others: readonly SegmentCache[] = none;

  constructor(context: Context, channel: string) {
    this.#context = context;
    this.#channel = channel;
  }

  of(codec: Codec): SegmentCache {
    if (this.#first?.codec === codec) return this.#first;
    const known = this.#others.find((cache) => cache.codec === codec);
    if (known !== undefined) return known;
    const cache = new SegmentCache(this.#context, this.#channel, codec);
    if (this.#first === undefined) this.#first = cache;
    else this.#others = [...this.#others, cache];
    return cache;
  }

  /** Called when a subscription leaves. Nothing more is encoded for a further codec that nobody has. */
  left(codec: Codec): void {
    const other = this.#others.find((cache) => cache.codec === codec);
    if (other === undefined || --other.readers > 0) return;
    other.drop();
    this.#others = this.#others.filter((cache) => cache !== other);
  }

  /** Adds entries after the newest ones; see `SegmentCache.add`. */
  add(entries: readonly Entry[]): number | undefined {
    for (const other of this.#others) other.add(entries);
    return (this.#first ?? this.of(this.#context.codec)).add(entries);
  }

  trim(minCursor: number): void {
    this.#first?.trim(minCursor);
    for (const other of this.#others) other.trim(minCursor);
  }

  drop(): void {
    this.#first?.drop();
    for (const other of this.#others) other.drop();
  }
}
