import type { Position } from "../../src/mod.ts";

/** What one client has received of one channel, and the faults in it. */
export class Track {
  readonly channel: string;
  /** The position of the last publication, or the one at which the subscription began. */
  at: Position | undefined;
  /** The offset after which the client began in this epoch. It has all publications from there to `at`. */
  from = 0;
  /** Publications in all epochs. */
  total = 0;
  /** Whether reading has ended, because the run has ended. */
  isOver = false;
  /** How often a gap was reported to the client. */
  gaps = 0;
  readonly faults: string[] = [];
  /**
   * If several processes publish to the channel: the offsets and numbers that it has received. Its epochs may go on in
   * others, and its numbers say nothing about offsets.
   */
  readonly held: (readonly [offset: number, n: number])[] | undefined;
  readonly #changed: () => void;
  readonly #past = new Set<string>();

  constructor(channel: string, changed: () => void, isShared = false) {
    this.channel = channel;
    this.#changed = changed;
    if (isShared) this.held = [];
  }

  /** Records that the client is subscribed: for the first time, or again without a gap. */
  begin(at: Position): void {
    if (this.at === undefined) this.#startAt(at);
    else if (!this.#isSame(at.epoch) || at.offset !== this.at.offset)
      this.#fault(
        `it continues after ${describe(at)}, not after ${describe(this.at)}, and no gap was reported`,
      );
    this.#changed();
  }

  /** Records a gap. The client continues after `next`. */
  gap(next: Position): void {
    this.gaps++;
    if (this.at !== undefined) this.#past.add(this.at.epoch);
    if (this.held === undefined && this.#past.has(next.epoch))
      this.#fault(`the epoch ${next.epoch} begins twice`);
    this.#startAt(next);
    this.#changed();
  }

  /** Records a publication. `n` is the number in its data. The start and the ending of a run have none. */
  take({ epoch, offset }: Position, n: number | undefined): void {
    // A subscription without a position begins at any offset.
    if (this.at === undefined) this.#startAt({ epoch, offset: this.#isRun ? 0 : offset - 1 });
    if (!this.#isSame(epoch) || offset !== (this.at?.offset ?? 0) + 1)
      this.#fault(`${describe({ epoch, offset })} came after ${describe(this.at)}`);
    if (n !== undefined && this.held !== undefined) this.held.push([offset, n]);
    else if (n !== undefined && n !== offset - (this.#isRun ? 1 : 0))
      this.#fault(`offset ${offset} holds publication ${n}`);
    this.at = { epoch, offset };
    this.total++;
    this.#changed();
  }

  /** The number of publications in this epoch. */
  get received(): number {
    return (this.at?.offset ?? 0) - this.from;
  }

  #startAt(at: Position): void {
    this.at = at;
    this.from = at.offset;
  }

  #isSame(epoch: string): boolean {
    return this.held !== undefined || epoch === this.at?.epoch;
  }

  get #isRun(): boolean {
    return this.channel.startsWith("run:");
  }

  #fault(fault: string): void {
    // The first faults suffice; later ones follow from them.
    if (this.faults.length < 3) this.faults.push(fault);
  }
}

function describe(position: Position | undefined): string {
  if (position === undefined) return "nothing";
  const { epoch, offset } = position;
  return `${offset} of epoch ${JSON.stringify(epoch)}`;
}
