import type { Clock } from "../../src/base/clock.ts";
import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import type { PublishOptions } from "../../src/engine/notifier/publisher.ts";
import type { Receipt } from "../../src/model/receipt.ts";
import type { Truth } from "./truth.ts";

/** The bytes that a waiting publication counts besides its text. */
const overhead = 128;

/** One publication of the simulation, from its call on. */
interface Sent {
  readonly channel: string;
  readonly text: string;
  readonly since: number;
  readonly isConfirmed: boolean;
  readonly order: number;
}

/** The publications with one key. */
interface Keyed {
  readonly texts: Set<string>;
  first?: { position: string; until: number };
}

/** What the class needs. */
interface Parts {
  readonly clock: Pick<Clock, "now">;
  readonly truth: Truth;
  readonly notes: unknown[];
  /** `limits.waiting`, and how long a key is remembered. */
  readonly waiting: number;
  readonly idempotency: number;
}

/**
 * Owns all publications. Each must settle, for a documented reason, and what resolved must be in the log once, in
 * order.
 */
export class Publications {
  /** The largest offset of the publications that resolved, by channel and epoch. */
  readonly tops = new Map<string, number>();
  readonly #parts: Parts;
  readonly #pending = new Set<Sent>();
  readonly #resolved = new Map<string, { order: number; offset: number }[]>();
  readonly #keyed = new Map<string, Keyed>();
  #bytes = 0;
  #order = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The number of publications that have not settled. */
  get pending(): number {
    return this.#pending.size;
  }

  /** A number that no other publication has. */
  get serial(): number {
    return ++this.#order;
  }

  /** Publishes. Settles after the publication, with its receipt if there is one. */
  publish(
    notifier: Notifier,
    channel: string,
    body: object,
    options: PublishOptions,
  ): Promise<Receipt | undefined> {
    const order = this.serial;
    const data = { ...body, serial: order };
    return this.own(channel, JSON.stringify(data), options, () => notifier.publish(channel, data, options));
  }

  /** Checks a publication against what the notifier guarantees. A run's event has no receipt. */
  async own<T extends Receipt | undefined>(
    channel: string,
    text: string,
    { signal, confirm = false, idempotencyKey: key }: PublishOptions,
    make: () => Promise<T>,
  ): Promise<T | undefined> {
    const { clock, notes } = this.#parts;
    const sent = { channel, text, since: clock.now(), isConfirmed: confirm, order: this.#order };
    const keyed = key === undefined ? undefined : this.#key(channel, key, text);
    this.#pending.add(sent);
    this.#bytes += text.length + overhead;
    const most = this.#bytes;
    try {
      const receipt = await make();
      if (receipt !== undefined) this.#resolve(sent, receipt, keyed);
      return receipt;
    } catch (error) {
      if (!(signal?.aborted && error === signal.reason) && !this.#isStated(error as Error, most))
        notes.push(error);
      return undefined;
    } finally {
      this.#pending.delete(sent);
      this.#bytes -= text.length + overhead;
    }
  }

  #isStated({ name }: Error, bytes: number): boolean {
    // Clients, and runs whose events are not awaited, have publications waiting as well.
    return name === "ClosedError" || (name === "BusyError" && bytes + 4_096 > this.#parts.waiting);
  }

  #key(channel: string, key: string, text: string): Keyed {
    const name = `${channel} ${key}`;
    const keyed = this.#keyed.get(name) ?? { texts: new Set<string>() };
    this.#keyed.set(name, keyed);
    keyed.texts.add(text);
    return keyed;
  }

  #resolve({ channel, text, since, order }: Sent, { position }: Receipt, keyed: Keyed | undefined): void {
    const { clock, truth, notes, idempotency } = this.#parts;
    const { epoch, offset } = position;
    const key = `${channel} ${epoch}`;
    const there = truth.texts.get(key)?.[offset - 1] ?? "nothing";
    if (there !== text && !keyed?.texts.has(there))
      notes.push(new Error(`${offset} of ${key} is ${there}, not ${text}`));
    this.tops.set(key, Math.max(offset, this.tops.get(key) ?? 0));
    if (keyed === undefined) {
      const resolved = this.#resolved.get(key) ?? [];
      this.#resolved.set(key, resolved);
      resolved.push({ order, offset });
    } else if (keyed.first === undefined || since >= keyed.first.until) {
      keyed.first = { position: `${offset} ${epoch}`, until: clock.now() + idempotency };
    } else if (keyed.first.position !== `${offset} ${epoch}`) {
      notes.push(
        new Error(`${key}: a key that counts was published at ${keyed.first.position} and ${offset}`),
      );
    }
  }

  /**
   * The oldest publication that only waits for its turn. Unknown while confirmed publications are pending, because they
   * may wait for others.
   */
  get oldest(): { channel: string; since: number } | undefined {
    for (const { isConfirmed } of this.#pending) if (isConfirmed) return undefined;
    for (const sent of this.#pending) return sent;
    return undefined;
  }

  /** In each channel the publications must be in the order of their calls. */
  checkOrder(): void {
    for (const [key, resolved] of this.#resolved) {
      resolved.sort((one, other) => one.order - other.order);
      let last = 0;
      for (const { offset } of resolved) {
        if (offset <= last) throw new Error(`${key}: ${offset} was called for after ${last}`);
        last = offset;
      }
    }
  }
}
