import { Hono } from "hono";
import { getCookie } from "hono/cookie";
import { createNotifier } from "tocsin";
import { notifications } from "tocsin/hono";
import { terminationSignal, upgradeWebSocket } from "tocsin/node";

export const signal = terminationSignal(); // SIGINT and SIGTERM as an AbortSignal
export const notifier = createNotifier({ signal });

/** The logged-in users, by the value of the session cookie. Replace this by your own sessions. */
const sessions = new Map([["s3cr3t", "ann"]]);

const events = notifications(notifier, {
  authenticate: (c) => {
    const user = sessions.get(getCookie(c, "session") ?? "");
    return user === undefined ? null : { user, channels: [`user:${user}`] };
  },
});

export const app = new Hono();
app.get("/notifications", upgradeWebSocket(events));
app.get("/notifications/stats", (c) => c.json(notifier.stats()));
