import { Hono } from "hono";
import { createNotifier, type Refused } from "tocsin";
import { notifications } from "tocsin/hono";
import { expect, test } from "vitest";

test("a hook is called for each refused connection, with the reason", async () => {
  const refused: Refused[] = [];
  const notifier = createNotifier({ onRefused: (each) => refused.push(each) });
  const events = notifications(notifier, { origins: ["https://example.com"] });
  const app = new Hono();
  app.get("/notifications", async (c) => {
    await events(c); // upgradeWebSocket(events) in a server
    return c.text("Let in");
  });

  const headers = { upgrade: "websocket", origin: "http://localhost:5173" };
  expect((await app.request("/notifications", { headers })).status).toBe(403);
  const reason =
    'the page is of "http://localhost:5173", and origins lists https://example.com; add it there';
  expect(refused).toEqual([{ code: 403, path: "/notifications", origin: "http://localhost:5173", reason }]);
  expect(notifier.totals().refused).toEqual({ 403: 1 });
  await notifier.close();
});
