import type { Clock } from "../base/clock.ts";
import { Scope } from "../base/scope.ts";
import { ClosedError, ExistsError, LogError, SealedError } from "../model/errors.ts";
import type { AppendOptions, Log } from "../model/log.ts";
import type { Identity } from "../model/peer.ts";

/** Begins the channels of tickets. No client can name them. */
const prefix = "\0ticket:";

/** Milliseconds to wait before each further try where the log fails. */
const waits = [50, 100, 200];

/** Tickets in a log: a channel each, which is sealed when the ticket is used. So a ticket is used once, wherever. */
export class LogTickets {
  readonly size = 0;
  readonly #log: Log;
  readonly #ttl: number;
  readonly #clock: Clock;
  readonly #scope: Scope;

  /** `ttl` is how long a ticket is valid, in milliseconds. */
  constructor(log: Log, ttl: number, clock: Clock) {
    this.#log = log;
    this.#ttl = ttl;
    this.#clock = clock;
    // Nothing reports to it: whoever issues or redeems gets the error.
    this.#scope = new Scope(clock, () => {});
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
    const channel = await channelOf(ticket);
    const { entries, sealed } = await this.#tried(async () => this.#log.read(channel, { last: 1 }));
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
    // A writer of its own for each append: if its answer is lost, it is made once however often it is sent.
    const once = { by: crypto.randomUUID(), n: 1 };
    const options = { time: this.#clock.time(), retention, place, once };
    const channel = await channelOf(ticket);
    await this.#tried(async () => {
      await this.#log.append(channel, data, options);
      await this.#log.commit?.();
    });
  }

  /** Asks the log, again where it fails for now. Rejects with its error after the last try. */
  async #tried<T>(ask: () => Promise<T>): Promise<T> {
    for (const wait of waits) {
      try {
        return await ask();
      } catch (error) {
        if (isFinal(error)) throw error;
      }
      await this.#scope.sleep("a ticket", wait);
    }
    return ask();
  }
}

/** Whether it is of no use to ask the log again. */
function isFinal(error: unknown): boolean {
  const isAnswer = error instanceof ExistsError || error instanceof SealedError;
  const isMistake = error instanceof TypeError || error instanceof RangeError;
  const isLasting = error instanceof ClosedError || (error instanceof LogError && error.lasting);
  return isAnswer || isMistake || isLasting;
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
