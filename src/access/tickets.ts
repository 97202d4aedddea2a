import type { Context } from "hono";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Identity } from "../model/peer.ts";
import { checkPeer } from "./peer-check.ts";

/** How tickets are made. */
export interface TicketsOptions {
  /** Milliseconds for which a ticket may be used. Default 30 000. */
  ttl?: number | undefined;
  /** Tickets that wait to be used; past it the oldest are void. Default 10 000. */
  size?: number | undefined;
  /** Tickets of one user, where it has a name, that wait to be used; past it that user's oldest are void. Default 10. */
  perUser?: number | undefined;
  /** What time it is. Default: the machine's clock. */
  clock?: Pick<Clock, "now"> | undefined;
}

/** Tickets that wait to be used. Each lets one connection in, once. */
export interface Tickets {
  /** Makes a ticket for who asks, having shown who that is in a request that can carry it. Throws a TypeError for no identity. */
  issue(identity: Identity): string;
  /** Takes the ticket in the query of an upgrade, `?ticket=…`; null where it is none, was used, or is too old. */
  redeem(c: Context): Identity | null;
  /** Tickets that wait. */
  readonly size: number;
}

/**
 * Makes tickets, which are kept in this process: who issues one has to be who upgrades.
 *
 * It arms no timer: what has expired goes when the next one is issued or redeemed, and there are never more than `size`.
 * A ticket may be seen in logs of what lies between, like every address; by then it was used, or it is old.
 *
 * @example
 * ```ts
 * import { createTickets } from "tocsin/tickets";
 *
 * const tickets = createTickets();
 * app.get("/ticket", (c) => {
 *   c.header("Cache-Control", "no-store");
 *   return c.json({ ticket: tickets.issue({ user: c.get("user") }) }); // set by a middleware that has checked who it is
 * });
 * app.get("/notifications", upgradeWebSocket(notifications(notifier, { authenticate: tickets.redeem })));
 *
 * // In the browser: a ticket lets one connection in, so the client asks for another before each.
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
  // In the order in which they were issued, and so expire.
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
  const forget = (): void => {
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
      // Nobody in particular is many.
      if (oldest !== undefined && own.size > perUser && identity.user !== "") take(oldest);
      forget();
      return ticket;
    },
    redeem(c) {
      if (typeof c?.req?.query !== "function")
        throw new TypeError(
          "Cannot redeem a ticket: give redeem itself, notifications(notifier, { authenticate: tickets.redeem })",
        );
      forget();
      return take(c.req.query("ticket") ?? "")?.identity ?? null;
    },
    get size() {
      forget();
      return waiting.size;
    },
  };
}

interface Waiting {
  identity: Identity;
  until: number;
}

/** 256 bits nobody can guess, in letters that an address holds as they are. */
function randomText(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
