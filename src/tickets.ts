/**
 * Tickets for one upgrade, for clients that can send no header with it: browsers.
 *
 * @module
 */

export { createTickets, type Tickets, type TicketsOptions } from "./access/tickets.ts";
