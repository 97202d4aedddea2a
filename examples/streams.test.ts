import { Hono } from "hono";
import { createNotifier } from "tocsin";
import { transports } from "tocsin/hono";
import { expect, test } from "vitest";

test("a run is followed without a WebSocket", async () => {
  const notifier = createNotifier();
  const app = new Hono();
  // With upgradeWebSocket of tocsin/node, deno or bun, there is a WebSocket at /notifications, too.
  app.route("/notifications", transports(notifier, { authenticate: () => ({ user: "ann" }) }));

  const run = notifier.run(async () => "done", { owner: "ann" });
  await run.result();

  // curl -N 'https://example.com/notifications/events?run=…'
  const response = await app.request(`/notifications/events?run=${run.id}`);
  const text = await response.text(); // the stream ends with the run
  expect(text.match(/"type":"[\w.]+"/g)).toEqual(['"type":"run.started"', '"type":"run.completed"']);
  expect(text).toContain(`event: end\ndata: {"runs":["${run.id}"]}`);
  await notifier.close();
});
