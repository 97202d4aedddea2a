import { SealedError } from "../model/errors.ts";
import type { AppendOptions, Log } from "../model/log.ts";
import type { Identity } from "../model/peer.ts";

/** Begins the channels of tickets. No client can name them. */
const prefix = "\0ticket:";

/** Tickets in a log: a channel each, which is sealed when the ticket is used. So a ticket is used once, wherever. */
export class LogTickets {
  readonly size = 0;
  readonly #log: Log;
  readonly #ttl: number;
  readonly #time: () => number;

  /** `ttl` is how long a ticket is valid, in milliseconds. */
  constructor(log: Log, ttl: number, time: () => number) {
    this.#log = log;
    this.#ttl = ttl;
    this.#time = time;
  }

  async put(ticket: string, identity: Identity): Promise<void> {
    const { user, channels, info, expires = Infinity, ...functions } = identity;
    const lost = Object.entries(functions).find(([, value]) => value !== undefined);
    if (lost !== undefined)
      throw new TypeError(
        `Cannot issue a ticket with ${lost[0]}: a log keeps no functions. Add it to what redeem returns`,
      );
    // JSON has no Infinity.
    const until = expires === Infinity ? undefined : expires;
    await this.#append(ticket, JSON.stringify({ user, channels, info, expires: until }), "first");
  }

  async take(ticket: string): Promise<Identity | null> {
    const { entries, sealed } = await this.#log.read(await channelOf(ticket), { last: 1 });
    const [issued] = entries;
    // The log no longer returns one that has expired.
    if (issued === undefined || sealed === true) return null;
    try {
      await this.#append(ticket, "{}", "last");
    } catch (error) {
      if (error instanceof SealedError) return null;
      throw error;
    }
    return JSON.parse(issued.data) as Identity;
  }

  async #append(ticket: string, data: string, place: AppendOptions["place"]): Promise<void> {
    const retention = { size: 2, bytes: Infinity, ttl: this.#ttl, slack: 0 };
    await this.#log.append(await channelOf(ticket), data, { time: this.#time(), retention, place });
    await this.#log.commit?.();
  }
}

/** A log outlives the moment, and may be copied: it gets no ticket itself. */
async function channelOf(ticket: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(ticket));
  return prefix + hexOf(new Uint8Array(hash));
}

/** Returns bytes as hexadecimal digits. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
