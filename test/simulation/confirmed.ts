import type { Position } from "../../src/model/log.ts";
import type { Publication } from "../../src/model/publication.ts";
import type { Delivery, Receipt, UndeliveredReason } from "../../src/model/receipt.ts";

/** A subscriber that deliveries may name. */
export interface Receiver {
  readonly user: string;
  /** Whether it has acknowledged anything in this session. */
  readonly acknowledges: boolean;
  /** Returns whether it has ever received a publication, and whether through its current subscription. */
  has(channel: string, position: Position): boolean;
  hasNow(channel: string, position: Position): boolean;
  /** Returns whether it has acknowledged a publication. */
  acknowledged(channel: string, position: Position): boolean;
}

/** Compares what the notifier reports of confirmed publications with what clients have. */
export class Confirmations {
  /** The receipts of the publications that were made. */
  readonly published = new Map<string, Receipt>();
  readonly #delivered = new Map<string, Delivery>();
  readonly #reported = new Map<string, UndeliveredReason>();
  /** The number of publications that were reported as not in the log. */
  #unlogged = 0;
  readonly #receivers: readonly Receiver[];
  readonly #truth: ReadonlyMap<string, readonly string[]>;
  /** Whether `delivered` is called as soon as a publication is made. */
  readonly asks: boolean;

  constructor(receivers: readonly Receiver[], truth: ReadonlyMap<string, readonly string[]>, asks: boolean) {
    this.#receivers = receivers;
    this.#truth = truth;
    this.asks = asks;
  }

  get reported(): number {
    return this.#reported.size + this.#unlogged;
  }

  /** The publications that are neither delivered nor reported yet. */
  get waiting(): Receipt[] {
    return [...this.published]
      .filter(([key]) => !this.#delivered.has(key) && !this.#reported.has(key))
      .map(([, receipt]) => receipt);
  }

  add(receipt: Receipt): Promise<void> | undefined {
    const key = keyOf(receipt.channel, receipt.position);
    this.published.set(key, receipt);
    return this.asks ? this.#ask(key, receipt) : undefined;
  }

  async #ask(key: string, receipt: Receipt): Promise<void> {
    // A repeated key returns the receipt of the first publication, which may be asked after its wait ended.
    const wasReported = this.#reported.has(key);
    const delivery = await receipt.delivered().catch((error: Error) => error);
    if (delivery instanceof Error) {
      if (!["ExpiredError", "ClosedError"].includes(delivery.name)) throw delivery;
      if (!this.#reported.has(key)) throw new Error(`${key} is given up, and nobody is told`);
      return;
    }
    this.#checkReached(key, receipt, delivery);
    if (!wasReported) this.#take(key, delivery);
  }

  /**
   * A subscriber that a delivery names must have the publication, and must have acknowledged it if the delivery says
   * so.
   */
  #checkReached(key: string, { channel, position }: Receipt, delivery: Delivery): void {
    const client = this.#receivers.find(({ user }) => user === delivery.by);
    if (!client?.has(channel, position))
      throw new Error(`${key} is said to be ${delivery.level} by ${delivery.by}, who lacks it`);
    if (delivery.level === "acknowledged" && !client.acknowledged(channel, position))
      throw new Error(`${key} is said to be acknowledged by ${delivery.by}, who never said so`);
  }

  #take(key: string, delivery: Delivery): void {
    if (this.#reported.has(key)) throw new Error(`${key} is reported and delivered`);
    this.#delivered.set(key, delivery);
  }

  report({ channel, epoch, offset, data }: Publication, reason: UndeliveredReason): void {
    const key = keyOf(channel, { epoch, offset });
    if ((reason === "unlogged") !== (offset === 0 && epoch === ""))
      throw new Error(`${key} is reported as ${reason}`);
    if (reason === "unlogged") {
      this.#unlogged++;
      return;
    }
    if (this.#reported.has(key)) throw new Error(`${key} is reported twice`);
    if (this.#delivered.has(key)) throw new Error(`${key} is delivered, and reported as ${reason}`);
    if (this.#truth.get(`${channel} ${epoch}`)?.[offset - 1] !== JSON.stringify(data))
      throw new Error(`${key} is reported with a payload that was never published`);
    this.#reported.set(key, reason);
  }

  /** When all is quiet, everything that a stock client has read must be discharged. */
  checkQuiet(): void {
    if (!this.asks) return;
    for (const { channel, position } of this.waiting) {
      const reader = this.#receivers.find(
        (client) => !client.acknowledges && client.hasNow(channel, position),
      );
      if (reader !== undefined)
        throw new Error(`${keyOf(channel, position)} waits, though ${reader.user} has read it`);
    }
  }

  /** After closing, each publication is either delivered or reported, and not both. */
  async checkClosed(): Promise<void> {
    for (const [key, receipt] of this.published) {
      if (this.#reported.has(key)) continue;
      const delivery = await receipt.delivered().catch((error: Error) => error);
      if (delivery instanceof Error) throw new Error(`${key} is neither delivered nor reported`);
      if (this.#delivered.has(key)) continue;
      this.#checkReached(key, receipt, delivery);
      this.#take(key, delivery);
    }
  }
}

function keyOf(channel: string, { epoch, offset }: { epoch: string; offset: number }): string {
  return `${offset} of ${channel} in ${epoch}`;
}
