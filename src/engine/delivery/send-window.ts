/** What pongs prove of one subscription. At most one of the barriers that cover it is outstanding. */
export interface Proof {
  /** Offset that is proven read, whatever barrier is answered next. */
  read: number;
  /** Offset covered by barrier number `markBarrier`. */
  mark: number;
  markBarrier: number;
  /** Number of the barrier that covers everything handed on since `mark`. */
  barrier: number;
  /** The offset at which the subscription began. Nothing up to there was sent. */
  readonly since: number;
  /** Offset that was sent before frame number `frame`, which is the last one that something was handed to. */
  sent: number;
  frame: number;
}

/** How far a proof is once nothing is queued: what `SendWindow.proofOf` returns. */
export interface ProofState {
  /** Offset that is proven read. */
  readonly read: number;
  /** Offset that the outstanding ping covers, or `read` if it covers nothing. */
  readonly mark: number;
  /** 0 if everything is proven read; otherwise which of the pings that are not answered covers the rest, from 1 on. */
  readonly barrier: number;
}

/**
 * What a window has in flight once nothing is queued. Byte counts begin where everything before is proven read: all
 * bytes, the end of the last data, the end of the last publication, the excess, and what the outstanding ping covers,
 * or 0.
 */
export type WindowState = readonly [
  unproven: number,
  data: number,
  publications: number,
  excess: number,
  barrier: number,
];

/**
 * Counts what one session has in flight, and what its pongs prove.
 *
 * A ping behind the data is a *barrier*: its pong proves that everything before it was read. That works on every
 * runtime and with any client. The number of bytes that a socket reports as buffered does not.
 */
export class SendWindow {
  readonly #size: number;
  /** Bytes queued in this turn, and not sent yet. */
  #queued = 0;
  /** Bytes sent, and bytes proven read, since the session began. */
  #sent = 0;
  #proven = 0;
  /** Frames sent. */
  #frames = 0;
  /** The byte count at the end of the last data: publications and large replies. */
  #data = 0;
  /** The byte count at the end of the last publication. */
  #publications = 0;
  /** Bytes by which the publication in flight exceeds the window, if it is larger than the window. */
  #excess = 0;
  /** Pings sent and answered. At most one is outstanding; its pong proves `#barrier` bytes. */
  #pings = 0;
  #pongs = 0;
  #barrier = 0;
  /** When the outstanding ping was sent. */
  pingedAt = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Bytes that may still be sent; below 0 if replies went over the window. */
  get room(): number {
    return this.#size - this.#inFlight;
  }

  get #inFlight(): number {
    return this.#sent - this.#proven + this.#queued;
  }

  /** Whether replies may still be sent: they may take as much as the window once more, whatever was published. */
  get hasRoomToReply(): boolean {
    return this.room + this.#excess > -this.#size;
  }

  /** Whether everything that was ever queued is proven read. */
  get isClear(): boolean {
    return this.#inFlight === 0;
  }

  /**
   * Whether a publication is in flight. While none is, a publication of any size may be sent: otherwise a large one
   * never could be.
   */
  get hasPublications(): boolean {
    return this.#publications > this.#proven;
  }

  /**
   * Whether half of the window is in flight. It is then time for a barrier, so that its pong comes before the window is
   * full.
   */
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

  /** Adds bytes to the frame of this turn. */
  queue(bytes: number, areData: boolean): void {
    this.#queued += bytes;
    if (areData) this.#data = this.#sent + this.#queued;
  }

  /** Adds publications to the frame of this turn. */
  hand(bytes: number): void {
    this.queue(bytes, true);
    this.#publications = this.#data;
    this.#excess = Math.min(bytes, Math.max(0, -this.room));
  }

  /** Counts the frame of this turn as sent. */
  send(): void {
    this.#sent += this.#queued;
    this.#queued = 0;
    this.#frames++;
  }

  /** Adds a ping of so many bytes to the frame. */
  ping(bytes: number, now: number): void {
    this.queue(bytes, false);
    this.#pings++;
    this.#barrier = this.#sent + this.#queued;
    this.pingedAt = now;
  }

  /** Adds another ping in place of the outstanding one. A pong proves only what that one covers. */
  pingAgain(bytes: number, now: number): void {
    this.queue(bytes, false);
    this.pingedAt = now;
  }

  /** Counts a pong. Returns false if no ping was outstanding. */
  pong(): boolean {
    if (!this.hasPing) return false;
    this.#pongs++;
    this.#proven = this.#barrier;
    if (!this.hasPublications) this.#excess = 0;
    return true;
  }

  /**
   * Returns the proof of a subscription whose client has everything up to `after` and is being sent what follows, up to
   * `cursor`.
   */
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

  /** Returns the offset up to which a subscription, now at `cursor`, was sent what it was handed. */
  writtenOf(proof: Proof, cursor: number): number {
    return proof.frame < this.#frames ? cursor : proof.sent;
  }

  /** Returns the offset up to which the pongs prove that a subscription, now at `cursor`, was read. */
  readOf(proof: Proof, cursor: number): number {
    if (proof.barrier <= this.#pongs) return cursor;
    return proof.markBarrier <= this.#pongs ? proof.mark : proof.read;
  }

  /** What is in flight, for `restore`. Undefined if that is nothing. Called while nothing is queued. */
  get state(): WindowState | undefined {
    if (this.isClear) return undefined;
    const proven = this.#proven;
    return [
      this.#inFlight,
      Math.max(0, this.#data - proven),
      Math.max(0, this.#publications - proven),
      this.#excess,
      this.hasPing ? this.#barrier - proven : 0,
    ];
  }

  /** Takes over what an earlier window had in flight. Called before anything else. */
  restore([unproven, data, publications, excess, barrier]: WindowState): void {
    this.#sent = unproven;
    this.#data = data;
    this.#publications = publications;
    this.#excess = excess;
    this.#barrier = barrier;
    this.#pings = barrier > 0 ? 1 : 0;
    // Frame 0 stands for all frames of the earlier window.
    this.#frames = 1;
  }

  /** Returns how far the proof of a subscription at `cursor` is, for `restoreProof`. Called while nothing is queued. */
  proofOf(proof: Proof, cursor: number): ProofState {
    const read = this.readOf(proof, cursor);
    if (proof.barrier <= this.#pongs) return { read, mark: read, barrier: 0 };
    return { read, mark: proof.mark, barrier: proof.barrier - this.#pongs };
  }
}

/** Returns a proof that continues where one of an earlier window was. Nothing up to `since` was sent. */
export function restoreProof({ read, mark, barrier }: ProofState, since: number): Proof {
  return { read, mark, markBarrier: mark > read ? 1 : 0, barrier, since, sent: since, frame: 0 };
}
