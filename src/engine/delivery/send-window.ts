/** How far a subscription was handed on, by the barriers that cover it: at most one of them is outstanding. */
export interface Proof {
  /** Offset proven read for good. */
  read: number;
  /** Offset covered by barrier number `markBarrier`. */
  mark: number;
  markBarrier: number;
  /** The barrier that covers all that was handed on since. */
  barrier: number;
  /** Where it began: nothing up to there was sent. */
  readonly since: number;
  /** Offset that was sent before frame number `frame`, the last that something was handed to. */
  sent: number;
  frame: number;
}

/**
 * What one session has in flight, and what its pongs prove.
 *
 * A ping behind the data is a *barrier*: its pong proves that everything before it was read. That works on every runtime
 * and with any client, where the bytes a socket says it has buffered do not.
 */
export class SendWindow {
  readonly #size: number;
  /** Bytes gathered in this turn, not sent yet. */
  #queued = 0;
  /** Bytes sent, and proven read, since the session began. */
  #sent = 0;
  #proven = 0;
  /** Frames sent. */
  #frames = 0;
  /** Where in those bytes the last data ends: publications, and replies as large. */
  #data = 0;
  /** Where in them the last publication ends that was handed on. */
  #publications = 0;
  /** By how much the one in flight went past the window, where it is too large for it. */
  #excess = 0;
  /** Pings sent and answered. One may be outstanding: then it proves `#barrier` bytes. */
  #pings = 0;
  #pongs = 0;
  #barrier = 0;
  /** When the outstanding ping was sent. */
  pingedAt = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Bytes that may still be put on their way; below 0 when replies went past the window. */
  get room(): number {
    return this.#size - this.#inFlight;
  }

  get #inFlight(): number {
    return this.#sent - this.#proven + this.#queued;
  }

  /** Whether replies may still be put on their way: they take as much as the window once more, whatever was published. */
  get hasRoomToReply(): boolean {
    return this.room + this.#excess > -this.#size;
  }

  /** Whether all that was ever put on its way is proven read. */
  get isClear(): boolean {
    return this.#inFlight === 0;
  }

  /** Whether a publication is in flight. While none is, one may be handed on, however large: else it never could be. */
  get hasPublications(): boolean {
    return this.#publications > this.#proven;
  }

  /** Whether half of it is in flight: time for a barrier, so that the pong comes before it is full. */
  get isHalfFull(): boolean {
    return this.#inFlight >= this.#size / 2;
  }

  get hasPing(): boolean {
    return this.#pings > this.#pongs;
  }

  /** Whether the outstanding ping, or the next one, has unproven data before it. */
  get isBehindData(): boolean {
    return this.#data > this.#proven;
  }

  /** Puts bytes into the frame of this turn. */
  queue(bytes: number, areData: boolean): void {
    this.#queued += bytes;
    if (areData) this.#data = this.#sent + this.#queued;
  }

  /** Puts publications into the frame of this turn. */
  hand(bytes: number): void {
    this.queue(bytes, true);
    this.#publications = this.#data;
    this.#excess = Math.min(bytes, Math.max(0, -this.room));
  }

  /** The frame has been sent. */
  send(): void {
    this.#sent += this.#queued;
    this.#queued = 0;
    this.#frames++;
  }

  /** A ping, of so many bytes, goes into the frame. */
  ping(bytes: number, now: number): void {
    this.queue(bytes, false);
    this.#pings++;
    this.#barrier = this.#sent + this.#queued;
    this.pingedAt = now;
  }

  /** A pong came. Answers false where no ping was outstanding. */
  pong(): boolean {
    if (!this.hasPing) return false;
    this.#pongs++;
    this.#proven = this.#barrier;
    if (!this.hasPublications) this.#excess = 0;
    return true;
  }

  /** What is known of a subscription whose client has everything to `after`, and is being sent on to `cursor`. */
  proofFrom(after: number, cursor: number): Proof {
    const barrier = cursor > after ? this.#pings + 1 : 0;
    return {
      read: after,
      mark: after,
      markBarrier: 0,
      barrier,
      since: after,
      sent: after,
      frame: this.#frames,
    };
  }

  /** Notes, before a subscription moves on from `cursor`, which barrier covers what. */
  cover(proof: Proof, cursor: number): void {
    if (proof.frame !== this.#frames) {
      proof.sent = cursor;
      proof.frame = this.#frames;
    }
    const next = this.#pings + 1;
    if (proof.barrier === next) return;
    if (proof.markBarrier <= this.#pongs) proof.read = proof.mark;
    proof.mark = cursor;
    proof.markBarrier = proof.barrier;
    proof.barrier = next;
  }

  /** The offset up to which a subscription, now at `cursor`, was sent what it was handed. */
  writtenOf(proof: Proof, cursor: number): number {
    return proof.frame < this.#frames ? cursor : proof.sent;
  }

  /** The offset up to which the pongs prove a subscription, now at `cursor`, read. */
  readOf(proof: Proof, cursor: number): number {
    if (proof.barrier <= this.#pongs) return cursor;
    return proof.markBarrier <= this.#pongs ? proof.mark : proof.read;
  }
}
