import type { Context } from "hono";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Log } from "../model/log.ts";
import type { Identity } from "../model/peer.ts";
import { checkPeer } from "./peer-check.ts";
import { hexOf, LogTickets } from "./tickets-in-log.ts";
import { MemoryTickets } from "./tickets-in-memory.ts";

/** Options of `createTickets`. */
export interface TicketsOptions {
  /** How long a ticket is valid, in milliseconds. Default: 30 000. */
  ttl?: number | undefined;
  /** The maximum number of unused tickets. Above it the oldest become invalid. Default: 10 000. */
  size?: number | undefined;
  /**
   * The maximum number of unused tickets of one user. Above it the user's oldest ticket becomes invalid. It does not
   * apply to the user "". Default: 10.
   */
  perUser?: number | undefined;
  /**
   * The log that keeps the tickets, also that of a notifier. A ticket is then valid after a restart, and in every process
   * that works with the log. `size` and `perUser` do not apply: a ticket that is not used goes with its `ttl`. Default:
   * the memory of this process.
   */
  log?: Log | undefined;
  /** The clock. What it does not have is the system clock's. Default: the system clock. */
  clock?: (Pick<Clock, "now" | "time"> & Partial<Clock>) | undefined;
}

/** Issues and redeems tickets. Each ticket is valid for one connection. */
export interface Tickets {
  /**
   * Returns a new ticket for an identity. Call it in a request that can carry credentials, after they have been
   * checked. Rejects with a TypeError for an invalid identity, or for one with functions if there is a `log`, and with the
   * error of the log, if that still fails at the fourth try.
   */
  issue(identity: Identity): Promise<string>;
  /**
   * Redeems the ticket in the query of an upgrade request, `?ticket=…`. Returns null if the ticket is missing or
   * unknown, has been used, or has expired. Rejects with a TypeError if `c` is not a Hono context, and with the error of
   * the log.
   */
  redeem(c: Context): Promise<Identity | null>;
  /** The number of unused tickets in the memory of this process. 0 with a `log`, which does not count them. */
  readonly size: number;
}

/**
 * Creates a store of tickets, in the memory of this process or in a log. Without a `log`, the process that issues a
 * ticket must also handle the upgrade, and there are never more than `size` tickets.
 *
 * It sets no timer: expired tickets are removed when a ticket is issued or redeemed. Like every URL, a ticket may appear
 * in the logs of proxies. By then it has been used or has expired. A log keeps only the SHA-256 of a ticket.
 *
 * Throws a RangeError if `ttl`, `size` or `perUser` is not a number of at least 1.
 *
 * @example
 * ```ts
 * import { createTickets } from "tocsin/tickets";
 *
 * const tickets = createTickets();
 * app.get("/ticket", async (c) => {
 *   c.header("Cache-Control", "no-store");
 *   return c.json({ ticket: await tickets.issue({ user: c.get("user") }) }); // set by a middleware that has checked the user
 * });
 * app.get("/notifications", upgradeWebSocket(notifications(notifier, { authenticate: tickets.redeem })));
 *
 * // In the browser: a ticket is valid for one connection, so the client fetches a new one before each connection.
 * const client = connect(async ({ signal }) => {
 *   const { ticket } = await (await fetch("/ticket", { signal })).json();
 *   return `/notifications?ticket=${ticket}`;
 * });
 * ```
 */
export function createTickets({
  ttl = 30_000,
  size = 10_000,
  perUser = 10,
  log,
  clock = systemClock,
}: TicketsOptions = {}): Tickets {
  for (const [name, value] of Object.entries({ ttl, size, perUser })) {
    if (typeof value !== "number" || !(value >= 1))
      throw new RangeError(`Cannot use ${name} "${String(value)}": it is not a number of at least 1`);
  }
  const kept =
    log === undefined
      ? new MemoryTickets({ ttl, size, perUser }, clock)
      : new LogTickets(log, ttl, { ...systemClock, ...clock });
  return {
    async issue(identity) {
      if (typeof identity?.user !== "string")
        throw new TypeError('Cannot issue a ticket: give whom it lets in, tickets.issue({ user: "ann" })');
      checkPeer(identity, Infinity);
      const ticket = randomText();
      await kept.put(ticket, identity);
      return ticket;
    },
    async redeem(c) {
      if (typeof c?.req?.query !== "function")
        throw new TypeError(
          "Cannot redeem a ticket: give redeem itself, notifications(notifier, { authenticate: tickets.redeem })",
        );
      return kept.take(c.req.query("ticket") ?? "");
    },
    get size() {
      return kept.size;
    },
  };
}

/** Returns 256 random bits as hexadecimal digits, which need no escaping in a URL. */
function randomText(): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(32)));
}
