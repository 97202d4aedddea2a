import { Hono } from "hono";
import { createNotifier } from "tocsin";
import { serve, upgradeWebSocket } from "tocsin/deno";
import { notifications } from "tocsin/hono";
import { progress } from "tocsin/run";

// Deno's own runner fails a test that leaves an operation or a resource behind: that is the whole assertion here.

Deno.test("a notifier that was used and closed leaves nothing behind", async () => {
  const notifier = createNotifier();
  const stop = new AbortController();
  const following = notifier.follow("news", { signal: stop.signal }).next();
  await notifier.publish("news", 1);
  stop.abort();
  await following.catch(() => {});
  await notifier.run(async ({ emit }) => emit(progress(1, 2))).result();
  await notifier.close();
});

Deno.test("a server with a connected client, a run and a close leaves nothing behind", async () => {
  const notifier = createNotifier();
  const app = new Hono();
  app.get("/notifications", upgradeWebSocket(notifications(notifier, { authorize: () => true })));
  const server = await serve(app, { notifier, port: 0 });
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/notifications`);
  const closed = new Promise<number>((resolve) => {
    socket.onclose = ({ code }) => resolve(code);
  });
  const subscribed = new Promise<void>((resolve) => {
    socket.onmessage = ({ data }) => {
      for (const line of data.split("\n")) {
        if (line === "{}") socket.send("{}");
        else if ("subscribe" in JSON.parse(line)) resolve();
      }
    };
  });
  socket.onopen = () => {
    socket.send('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}');
  };
  await subscribed;
  await notifier.publish("news", "hello");
  notifier.run(async function* ({ signal }) {
    yield progress(1, 2);
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  const report = await server.close();
  const code = await closed;
  if (code !== 3001 || report.sessions.closed !== 1)
    throw new Error(`Closed ${code}: ${JSON.stringify(report)}`);
});
