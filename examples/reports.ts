import { setTimeout as render } from "node:timers/promises";
import { Hono } from "hono";
import { createNotifier } from "tocsin";
import { notifications } from "tocsin/hono";
import { serve, terminationSignal, upgradeWebSocket } from "tocsin/node"; // or tocsin/deno, tocsin/bun
import { progress } from "tocsin/run";

const signal = terminationSignal(); // SIGINT and SIGTERM as an AbortSignal
const notifier = createNotifier({ signal });
const app = new Hono<{ Variables: { user?: string } }>();

app.post("/reports", (c) => {
  const run = notifier.run(async function* ({ signal }) {
    for (let page = 1; page <= 10; page++) {
      await render(200, page, { signal });
      yield progress(page, 10); // the event is in the log before the next line runs
    }
    return { url: "/reports/42.pdf" }; // return: the result; throw: a failure; signal: aborts when the run must stop
  });
  return c.json({ run: run.id }, 202);
});

const events = notifications(notifier, {
  authenticate: (c) => ({ user: c.get("user") ?? "" }), // set by your login middleware; "" is an anonymous user
  authorize: (_peer, { type, channel }) => type === "subscribe" && channel.startsWith("public:"),
});
app.get("/notifications", upgradeWebSocket(events));

const server = await serve(app, { notifier, signal, port: Number(process.env.PORT ?? 3000) });
console.log(`Listening on ${server.url}`);
console.log(await server.closed); // the report of the clean stop; then the process ends by itself
