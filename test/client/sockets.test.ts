import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket as OfWs } from "ws";
import { systemTiming } from "../../src/base/clock.ts";
import { type Client, type ConnectOptions, connect, type ReplyError } from "../../src/client.ts";
import { inbox } from "../support/inbox.ts";
import { runtime } from "../support/runtime.ts";
import { site } from "../support/server.ts";
import { publish, websocket } from "../support/stock-client.ts";
import { range } from "../support/wire.ts";

/** Reconnects without delay. */
const clock = { ...systemTiming, random: () => 0 };

function dial(url: Parameters<typeof connect>[0], options: ConnectOptions = {}): Client {
  const client = connect(url, { WebSocket: websocket as never, clock, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** Follows a channel in the background, and returns what it receives. */
function reading(client: Client, channel: string) {
  const box = inbox<unknown>();
  (async () => {
    for await (const { data } of client.follow(channel)) box.add(data);
  })().catch(() => {});
  return box;
}

describe("a client of a real server", () => {
  test("follows a thousand channels with long names, and reconnects to all of them", async () => {
    const here = await site({ authorize: () => true });
    const names = range(1, 1_000).map((n) => `${"x".repeat(250)}-${n}`);
    const client = dial(here.address("ann"));
    const boxes = names.map((name) => reading(client, name));
    // Commands are answered in order, so after this reply every channel is subscribed.
    await client.rpc("none").catch(() => {});
    for (const name of names) await here.notifier.publish(name, 1);
    await Promise.all(boxes.map((box) => box.until(1)));
    here.cut();
    for (const name of names) await here.notifier.publish(name, 2);
    expect(await Promise.all(boxes.map((box) => box.until(2)))).toEqual(names.map(() => [1, 2]));
  });

  test("loses nothing of a channel that the server subscribes it to, from the first moment on", async () => {
    const here = await site({ authorize: () => true });
    const client = dial(here.address("ann", "mine"));
    const first = reading(client, "mine");
    await client.history("mine");
    await publish(here, "mine", 1, 50);
    expect(await first.until(50)).toEqual(range(1, 50));
    here.cut();
    await publish(here, "mine", 51, 100);
    expect(await first.until(100)).toEqual(range(1, 100));
  });

  test("reconnects with a new ticket where each ticket is good for one connection", async () => {
    const here = await site({ authorize: () => true });
    let count = 0;
    const address = async () => `${here.address("ann")}&ticket=${++count}`;
    const client = dial(address);
    const box = reading(client, "news");
    await client.history("news");
    await publish(here, "news", 1, 1);
    await box.until(1);
    here.cut();
    await publish(here, "news", 2, 2);
    expect([await box.until(2), count]).toEqual([[1, 2], 2]);
  });

  test("refuses an invalid value in its own call, and goes on", async () => {
    const here = await site({ authorize: () => true, rpc: { echo: (_, { data }) => data } });
    const client = dial(here.address("ann"));
    const wrong = [
      client.publish("news", 1n as never),
      client.rpc("echo", 1n),
      client.run("1").cancel(1n as never),
    ];
    const right = client.rpc("echo", "right");
    for (const call of wrong) await expect(call).rejects.toThrow(TypeError);
    expect([await right, client.status]).toEqual(["right", "connected"]);
  });
});

describe("a handshake that is refused", () => {
  /** Starts a server that refuses every upgrade with the status in its path. */
  async function refusing(): Promise<string> {
    const server = createServer();
    server.on("upgrade", ({ url = "" }, socket) => {
      socket.on("error", () => {});
      socket.end(`HTTP/1.1 ${url.slice(1)} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Returns the reasons why a client waits, one after the other. */
  function waits(url: string, options: ConnectOptions = {}) {
    const box = inbox<ReplyError>();
    dial(url, { onStatus: (_, why) => void (why && box.add(why)), ...options });
    return box;
  }

  test.for([401, 403, 404, 503])("says with which status, and is tried again: %i", async (status) => {
    const whys = await waits(`${await refusing()}/${status}`).until(3);
    expect(
      whys.slice(0, 3).map(({ message, status, tries, temporary }) => [message, status, tries, temporary]),
    ).toEqual([1, 2, 3].map((tries) => [`handshake refused: ${status}`, status, tries, true]));
  });

  test("because nobody listens is reported with the reason", async () => {
    const [why] = await waits("ws://127.0.0.1:1/").until(1);
    expect(why).toMatchObject({
      message: "handshake failed",
      tries: 1,
      temporary: true,
      cause: expect.any(Error),
    });
    expect(why?.status).toBeUndefined();
  });

  test("is reported so with the runtime's own WebSocket, too", async ({ skip }) => {
    const { WebSocket } = globalThis as Pick<ConnectOptions, "WebSocket">;
    skip(WebSocket === undefined, "Node 20 has no WebSocket of its own");
    const [why] = await waits(`${await refusing()}/401`, { WebSocket }).until(1);
    const isTold = runtime !== "node";
    expect([why?.status, why?.tries]).toEqual([isTold ? 401 : undefined, 1]);
  });

  test("is reported so with that of ws, on each runtime that has it", async () => {
    const [why] = await waits(`${await refusing()}/401`, { WebSocket: OfWs as never }).until(1);
    expect(why).toMatchObject({ message: "handshake refused: 401", status: 401 });
  });
});
