/**
 * Tickets for one upgrade, for clients that cannot send headers with it: browsers.
 *
 * @module
 */

export { createTickets, type Tickets, type TicketsOptions } from "./access/tickets.ts";
