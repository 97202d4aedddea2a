import type { Database } from "bun:sqlite";
import { Hono } from "hono";
import { websocket } from "hono/bun";
import { createNotifier } from "tocsin";
import { type BunWebSocket, type BunWebSocketData, upgradeWebSocket } from "tocsin/bun";
import { notifications } from "tocsin/hono";
import type { SqliteDatabase } from "tocsin/sqlite";

// How the entry's own documentation uses it, checked with the types of Bun.

export const handedOut = (socket: Bun.ServerWebSocket<BunWebSocketData>): BunWebSocket => socket;

const app = new Hono();
app.get("/notifications", upgradeWebSocket(notifications(createNotifier())));
export const start = () =>
  Bun.serve({ fetch: (request, server) => app.fetch(request, { server }), websocket });

export const database = (opened: Database): SqliteDatabase => opened;
