import type { Clock } from "../../src/base/clock.ts";
import type { Position, Slice } from "../../src/model/log.ts";
import type { SharedLog } from "../../src/testing/shared-log.ts";

/** What was appended to a channel in one epoch. */
export interface EpochTruth {
  readonly channel: string;
  readonly epoch: string;
  /** The payloads, by offset. */
  readonly texts: Map<number, string>;
  readonly lineage: readonly Position[];
}

/** A publication as a reader was given it. */
export interface Claim extends Position {
  readonly who: string;
  readonly channel: string;
  readonly data: string;
}

/** Everything that the store ever had, also what it lost or trimmed since. No two payloads ever have one position. */
export class Truth {
  readonly #epochs = new Map<string, EpochTruth>();
  readonly #shared: SharedLog;
  readonly #clock: Pick<Clock, "now">;
  /** What readers were given. */
  readonly claims: Claim[] = [];
  /** What the store has now, as far as it was looked at. */
  now: Readonly<Record<string, Slice>> = {};

  /** When it was looked at last. */
  looked = 0;

  constructor(shared: SharedLog, clock: Pick<Clock, "now">) {
    this.#shared = shared;
    this.#clock = clock;
  }

  get epochs(): Iterable<EpochTruth> {
    return this.#epochs.values();
  }

  /** Looks at the store. Has to be called before the store loses anything. */
  look(): void {
    this.now = this.#shared.inspect().channels;
    this.looked = this.#clock.now();
    for (const [channel, slice] of Object.entries(this.now)) {
      const key = `${channel} ${slice.epoch}`;
      const known = this.#epochs.get(key) ?? {
        channel,
        epoch: slice.epoch,
        texts: new Map(),
        lineage: slice.lineage ?? [],
      };
      this.#epochs.set(key, known);
      if (known.texts.size === slice.top) continue;
      for (const { offset, data } of slice.entries) {
        const before = known.texts.get(offset);
        if (before === undefined) known.texts.set(offset, data);
        else if (before !== data)
          throw new Error(`${offset} of ${channel} was ${before}, and is ${data} in the same epoch`);
      }
    }
  }

  of(channel: string, epoch: string): EpochTruth | undefined {
    return this.#epochs.get(`${channel} ${epoch}`);
  }

  at(channel: string, { epoch, offset }: Position): string | undefined {
    return this.of(channel, epoch)?.texts.get(offset);
  }

  /** Returns all positions that a payload has had in a channel. */
  placesOf(channel: string, data: string): Position[] {
    return [...this.#epochs.values()].flatMap(({ epoch, texts, ...of }) =>
      [...texts].flatMap(([offset, text]) =>
        of.channel === channel && text === data ? [{ epoch, offset }] : [],
      ),
    );
  }

  /** Returns where a position is now: in the epoch of the channel, or in one that it continues. */
  isNow(channel: string, { epoch, offset }: Position): boolean {
    const slice = this.now[channel];
    if (slice === undefined || offset > slice.top) return false;
    return epoch === slice.epoch || this.continues(channel, slice.epoch, { epoch, offset });
  }

  /** Returns whether an epoch has what an older one had up to a position. */
  continues(channel: string, epoch: string, older: Position): boolean {
    const lineage = this.of(channel, epoch)?.lineage ?? [];
    return lineage.some((each) => each.epoch === older.epoch && older.offset <= each.offset);
  }
}
