import { Hono } from "hono";
import { createNotifier, type Refused } from "tocsin";
import { notifications, transports } from "tocsin/hono";
import { assertQuiet } from "tocsin/testing";
import { expect, onTestFinished, test } from "vitest";
import { entry, runtime } from "../../support/runtime.ts";
import { openStream, post } from "../../support/stream-peer.ts";
import { get, type Tcp, tcp, upgrade } from "../../support/tcp.ts";

test(`while a server closes on ${runtime}, it takes what the clients of streams post, and nothing else`, async () => {
  const refused: Refused[] = [];
  const notifier = createNotifier({ grace: 10_000, onRefused: (each) => refused.push(each) });
  const app = new Hono();
  const { upgradeWebSocket } = entry;
  // A mounted app sees neither the server's request nor its whole path.
  app.mount("/outer", new Hono().route("/inner", transports(notifier)).fetch);
  app.get("/ws", upgradeWebSocket(notifications(notifier)));
  app.all("/other", (c) => c.text("answered"));
  const server = await entry.serve(app, { notifier, port: 0, grace: 10_000 });
  const peers: Tcp[] = [];
  onTestFinished(async () => {
    for (const peer of peers) peer.destroy();
    await server.close();
    assertQuiet(notifier);
  });
  const dial = (request: string): Tcp => {
    const peer = tcp(server.port, request);
    peers.push(peer);
    return peer;
  };
  const statusOf = async (request: string): Promise<string | undefined> =>
    /^HTTP\/1.1 (\d+)/.exec(await dial(request).until(/^HTTP\/1.1 \d+/))?.[1];

  const stream = dial(openStream({ stream: "/outer/inner/http_stream" }));
  const received = await stream.until(/"session":"[^"]+"/);
  const session = /"session":"([^"]+)"/.exec(received)?.[1];
  expect(await statusOf(post("/other", "{}"))).toBe("200");

  const closed = server.close();
  await stream.until(/^\{\}\r?$/m);
  expect(await statusOf(post("/other", "{}"))).toBe("503");
  expect(await statusOf(get("/other"))).toBe("503");
  expect(await statusOf(get("/outer/inner/emulation"))).toBe("503");
  expect(await statusOf(upgrade("/ws"))).toBe("503");
  expect(refused).toEqual([{ code: 503, path: "/ws", reason: "the server is closing" }]);
  expect(notifier.stats().sessions).toBe(1);
  expect(await statusOf(post("/outer/inner/emulation", JSON.stringify({ session, data: "{}" })))).toBe("204");
  await stream.until(/"code":3001/);
  expect((await closed).sessions).toEqual({ closed: 1, cut: 0 });
});
