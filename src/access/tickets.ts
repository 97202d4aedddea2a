import type { Context } from "hono";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Identity } from "../model/peer.ts";
import { checkPeer } from "./peer-check.ts";

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
  /** The clock. Default: the system clock. */
  clock?: Pick<Clock, "now"> | undefined;
}

/** Issues and redeems tickets. Each ticket is valid for one connection. */
export interface Tickets {
  /**
   * Returns a new ticket for an identity. Call it in a request that can carry credentials, after they have been
   * checked. Throws a TypeError for an invalid identity.
   */
  issue(identity: Identity): string;
  /**
   * Redeems the ticket in the query of an upgrade request, `?ticket=…`. Returns null if the ticket is missing or
   * unknown, has been used, or has expired. Throws a TypeError if `c` is not a Hono context.
   */
  redeem(c: Context): Identity | null;
  /** The number of unused tickets. */
  readonly size: number;
}

/**
 * Creates a store of tickets in the memory of this process. The process that issues a ticket must also handle the
 * upgrade.
 *
 * It sets no timer: expired tickets are removed when a ticket is issued or redeemed, and there are never more than
 * `size`. Like every URL, a ticket may appear in the logs of proxies. By then it has been used or has expired.
 *
 * Throws a RangeError if `ttl`, `size` or `perUser` is not a number of at least 1.
 *
 * @example
 * ```ts
 * import { createTickets } from "tocsin/tickets";
 *
 * const tickets = createTickets();
 * app.get("/ticket", (c) => {
 *   c.header("Cache-Control", "no-store");
 *   return c.json({ ticket: tickets.issue({ user: c.get("user") }) }); // set by a middleware that has checked the user
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
  clock = systemClock,
}: TicketsOptions = {}): Tickets {
  for (const [name, value] of Object.entries({ ttl, size, perUser })) {
    if (typeof value !== "number" || !(value >= 1))
      throw new RangeError(`Cannot use ${name} "${String(value)}": it is not a number of at least 1`);
  }
  // In the order of issue, which is also the order of expiry.
  const waiting = new Map<string, Waiting>();
  const byUser = new Map<string, Set<string>>();
  const take = (ticket: string): Waiting | undefined => {
    const found = waiting.get(ticket);
    if (found === undefined) return undefined;
    waiting.delete(ticket);
    const { user } = found.identity;
    const own = byUser.get(user);
    own?.delete(ticket);
    if (own?.size === 0) byUser.delete(user);
    return found;
  };
  const removeExpired = (): void => {
    for (const [ticket, { until }] of waiting) {
      if (until > clock.now() && waiting.size <= size) return;
      take(ticket);
    }
  };
  return {
    issue(identity) {
      if (typeof identity?.user !== "string")
        throw new TypeError('Cannot issue a ticket: give whom it lets in, tickets.issue({ user: "ann" })');
      checkPeer(identity, Infinity);
      const ticket = randomText();
      const own = byUser.get(identity.user) ?? new Set();
      byUser.set(identity.user, own.add(ticket));
      waiting.set(ticket, { identity, until: clock.now() + ttl });
      const [oldest] = own;
      // The user "" stands for many anonymous clients, so no limit per user applies.
      if (oldest !== undefined && own.size > perUser && identity.user !== "") take(oldest);
      removeExpired();
      return ticket;
    },
    redeem(c) {
      if (typeof c?.req?.query !== "function")
        throw new TypeError(
          "Cannot redeem a ticket: give redeem itself, notifications(notifier, { authenticate: tickets.redeem })",
        );
      removeExpired();
      return take(c.req.query("ticket") ?? "")?.identity ?? null;
    },
    get size() {
      removeExpired();
      return waiting.size;
    },
  };
}

interface Waiting {
  identity: Identity;
  until: number;
}

/** Returns 256 random bits as hexadecimal digits, which need no escaping in a URL. */
function randomText(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
