import type { Position } from "../../src/mod.ts";

/** What one client has seen of one channel, and what is wrong with it. */
export class Track {
  readonly channel: string;
  /** The last position that came, or the one at which a subscription began. */
  at: Position | undefined;
  /** The offset after which it began in this epoch; it has all from there to `at`. */
  from = 0;
  /** Publications in all epochs. */
  total = 0;
  /** Whether nobody reads on: a run has ended. */
  isOver = false;
  /** How often the client was told that some are gone. */
  gaps = 0;
  readonly faults: string[] = [];
  readonly #changed: () => void;
  readonly #past = new Set<string>();

  constructor(channel: string, changed: () => void) {
    this.channel = channel;
    this.#changed = changed;
  }

  /** The subscription is there: for the first time, or again with nothing missed. */
  begin(at: Position): void {
    if (this.at === undefined) this.#startAt(at);
    else if (at.epoch !== this.at.epoch || at.offset !== this.at.offset)
      this.#fault(`it goes on after ${words(at)}, not after ${words(this.at)}, without a word`);
    this.#changed();
  }

  /** Some publications are gone; it goes on after a position. */
  gap(next: Position): void {
    this.gaps++;
    if (this.at !== undefined) this.#past.add(this.at.epoch);
    if (this.#past.has(next.epoch)) this.#fault(`the epoch ${next.epoch} begins twice`);
    this.#startAt(next);
    this.#changed();
  }

  /** A publication has come. Its number says which one it is; a run's start and ending have none. */
  take({ epoch, offset }: Position, n: number | undefined): void {
    // Who follows from now on begins anywhere.
    if (this.at === undefined) this.#startAt({ epoch, offset: this.#isRun ? 0 : offset - 1 });
    if (epoch !== this.at?.epoch || offset !== this.at.offset + 1)
      this.#fault(`${words({ epoch, offset })} came after ${words(this.at)}`);
    if (n !== undefined && n !== offset - (this.#isRun ? 1 : 0))
      this.#fault(`offset ${offset} holds publication ${n}`);
    this.at = { epoch, offset };
    this.total++;
    this.#changed();
  }

  /** Publications in this epoch. */
  get received(): number {
    return (this.at?.offset ?? 0) - this.from;
  }

  #startAt(at: Position): void {
    this.at = at;
    this.from = at.offset;
  }

  get #isRun(): boolean {
    return this.channel.startsWith("run:");
  }

  #fault(fault: string): void {
    // The first ones say enough; the rest follows from them.
    if (this.faults.length < 3) this.faults.push(fault);
  }
}

function words(position: Position | undefined): string {
  if (position === undefined) return "nothing";
  const { epoch, offset } = position;
  return `${offset} of epoch ${JSON.stringify(epoch)}`;
}
