import { Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import type { UpgradeWebSocket } from "hono/ws";
import type { Notifier } from "tocsin";
import { notifications } from "tocsin/hono";

/** Everybody may follow the channel "news". Whoever has the token may publish to it. */
export function createApp(
  notifier: Notifier,
  upgradeWebSocket: UpgradeWebSocket,
  token: string | undefined,
): Hono {
  if (!token) throw new Error("Cannot start without TOKEN: set it to a secret of whoever may publish");
  const app = new Hono();
  const events = notifications(notifier, { authenticate: () => ({ user: "", channels: ["news"] }) });
  app.get("/notifications", upgradeWebSocket(events));
  app.post("/news", bearerAuth({ token }), async (c) => {
    const { position } = await notifier.publish("news", await c.req.json());
    return c.json(position, 201);
  });
  return app;
}
