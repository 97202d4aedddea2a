import { Hono } from "hono";
import { generateSignedCookie, getSignedCookie } from "hono/cookie";
import { sign } from "hono/jwt";
import { createNotifier } from "tocsin";
import { notifications } from "tocsin/hono";
import { pipe } from "tocsin/testing";
import { createTickets } from "tocsin/tickets";
import { tokens } from "tocsin/tokens";
import { expect, test, vi } from "vitest";

const secret = "at least 32 bytes that nobody else has";
const notifier = createNotifier();
const app = new Hono();

// A token in the connect command. It is checked there, and refreshed before it expires. Its claims are Centrifugo's.
const byToken = tokens({ secret, audience: "app" });
// app.get("/notifications", upgradeWebSocket(notifications(notifier, { authenticate: byToken })));

// A ticket in the URL, for one upgrade within 30 s. Your login's signed cookie authenticates the request for it.
const tickets = createTickets();
app.get("/ticket", async (c) => {
  const user = await getSignedCookie(c, secret, "user");
  if (!user) return c.text("Unauthorized", 401);
  c.header("Cache-Control", "no-store");
  return c.json({ ticket: await tickets.issue({ user }) });
});
app.get("/notifications", async (c) => {
  await notifications(notifier, { authenticate: tickets.redeem })(c); // upgradeWebSocket(…) in a server
  return c.text("Let in");
});

test("a token contains the user and the channels of the connection", async () => {
  const exp = Math.ceil(Date.now() / 1000) + 60;
  const token = await sign({ sub: "ann", aud: "app", channels: ["user:ann"], exp }, secret);
  const client = pipe(notifier, { peer: byToken() });
  client.send({ id: 1, connect: { token } });
  await vi.waitFor(() => expect(client.received).toMatchObject([{ connect: { subs: { "user:ann": {} } } }]));
  expect((await notifier.presence("user:ann")).clients).toMatchObject([{ user: "ann" }]);
  client.drop();
});

test("a ticket lets one connection in", async () => {
  expect((await app.request("/ticket", { headers: { cookie: "user=ann" } })).status).toBe(401);
  const cookie = await generateSignedCookie("user", "ann", secret);
  const response = await app.request("/ticket", { headers: { cookie } });
  const { ticket } = (await response.json()) as { ticket: string };
  const enter = () => app.request(`/notifications?ticket=${ticket}`, { headers: { upgrade: "websocket" } });
  expect([(await enter()).status, (await enter()).status]).toEqual([200, 401]);
  await notifier.close();
});
