import { trim } from "../../base/trim.ts";
import type { Position, Slice } from "../../model/log.ts";

/** Maximum number of channels whose lineage is remembered. Above it, the one that was noted first is forgotten. */
const maxChannels = 10_000;

/**
 * Which epochs of a channel continue which. A store that was set back continues its channels in new epochs, and a
 * position of before stays good up to where it was set back to.
 */
export class Lineages {
  readonly #channels = new Map<string, Pick<Slice, "epoch"> & { readonly lineage: readonly Position[] }>();

  /** Notes what a read has said of a channel. */
  note(channel: string, { epoch, lineage }: Slice): void {
    if (lineage === undefined || this.#channels.get(channel)?.epoch === epoch) return;
    this.#channels.set(channel, { epoch, lineage });
    trim(this.#channels, maxChannels);
  }

  /** Returns the offset up to which two epochs are the same: Infinity for an epoch and itself, 0 if nothing is known. */
  common(channel: string, one: string, other: string): number {
    if (one === other) return Infinity;
    const known = this.#channels.get(channel);
    if (known === undefined) return 0;
    return Math.min(...[one, other].map((epoch) => commonWith(known, epoch)));
  }

  /** Whether another epoch is known to have continued this one. */
  isOlder(channel: string, epoch: string): boolean {
    const { lineage = [] } = this.#channels.get(channel) ?? {};
    return lineage.some((older) => older.epoch === epoch);
  }

  clear(): void {
    this.#channels.clear();
  }
}

/** Returns the offset up to which an epoch is the same as the one of a slice; 0 if that does not continue it. */
export function commonWith({ epoch, lineage = [] }: Pick<Slice, "epoch" | "lineage">, other: string): number {
  if (epoch === other) return Infinity;
  return lineage.find((older) => older.epoch === other)?.offset ?? 0;
}
