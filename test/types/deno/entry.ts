import { Hono } from "hono";
import { createNotifier } from "tocsin";
import { type DenoWebSocket, upgradeWebSocket } from "tocsin/deno";
import { notifications } from "tocsin/hono";

// How the entry's own documentation uses it, checked with the types of Deno.

export const handedOut = ({ socket }: Deno.WebSocketUpgrade): DenoWebSocket => socket;

const app = new Hono();
app.get("/notifications", upgradeWebSocket(notifications(createNotifier())));
export const handler: Deno.ServeHandler = app.fetch;
