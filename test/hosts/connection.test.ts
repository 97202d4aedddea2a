import { type Context, Hono } from "hono";
import type { UpgradeWebSocket, WSContext, WSEvents } from "hono/ws";
import { afterEach, expect, test } from "vitest";
import { deferred, fakeNotifier } from "../support/fake-notifier.ts";
import { rawSite } from "../support/raw.ts";
import { entry, runtime } from "../support/runtime.ts";
import { websocket } from "../support/stock-client.ts";
import { closing } from "../support/tcp.ts";

const opened: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.destroy();
});

/** Starts a server that calls `open` with each context when it opens. */
async function address(open: (ws: WSContext) => void): Promise<string> {
  const app = new Hono();
  app.get(
    "/ws",
    entry.upgradeWebSocket(() => ({ onOpen: (_, ws) => open(ws as WSContext) })),
  );
  const server = await entry.serve(app, { notifier: fakeNotifier(), port: 0, grace: 300 });
  opened.push({ destroy: () => void server.close({ signal: AbortSignal.abort() }) });
  return `${server.url.replace("http", "ws")}/ws?who=ann`;
}

/** Returns all messages that a client receives until it is closed, and the close code. */
async function received(url: string): Promise<{ messages: unknown[]; code: number }> {
  const client = new websocket(url) as WebSocket;
  client.binaryType = "arraybuffer";
  const messages: unknown[] = [];
  const closed = deferred<number>();
  client.onmessage = ({ data }) => void messages.push(data);
  client.onclose = ({ code }) => closed.resolve(code);
  return { code: await closed.promise, messages };
}

const texts = [
  ...[0, 1, 125, 126, 127, 65_535, 65_536, 70_000].map((size) => "x".repeat(size)),
  ...[62, 63, 32_767, 32_768].map((size) => "é".repeat(size)),
  "\u{1f514}\u2028",
];

test(`text of any size arrives unchanged, the same one for two clients, on ${runtime}`, async () => {
  const url = await address((ws) => {
    for (const text of texts) ws.send(text);
    ws.close(3001, "shutdown");
  });
  const all = await Promise.all([received(url), received(url)]);
  expect(all).toEqual(all.map(() => ({ messages: texts, code: 3001 })));
});

test(`bytes stay bytes, between texts and in their order, on ${runtime}`, async () => {
  const url = await address((ws) => {
    ws.send("a");
    ws.send(new Uint8Array([1, 2, 3]));
    ws.send("b");
    ws.close(3001, "shutdown");
  });
  const { messages } = await received(url);
  expect(
    messages.map((each) => (typeof each === "string" ? each : [...new Uint8Array(each as ArrayBuffer)])),
  ).toEqual(["a", [1, 2, 3], "b"]);
});

test(`what is sent after a close is ignored, on ${runtime}`, async () => {
  const url = await address((ws) => {
    ws.close(3001, "shutdown");
    ws.send("late");
  });
  expect(await received(url)).toEqual({ messages: [], code: 3001 });
});

test(`a context has its URL, state, socket and binary type, on ${runtime}`, async () => {
  const seen = deferred<unknown[]>();
  const url = await address((ws) => {
    seen.resolve([ws.readyState, ws.url?.searchParams.get("who"), ws.raw !== undefined, ws.binaryType]);
    ws.close(3001, "shutdown");
  });
  await received(url);
  expect(await seen.promise).toEqual([1, "ann", true, "arraybuffer"]);
});

type Make = (c: Context) => WSEvents | Promise<WSEvents>;

/** What users may do with handlers on the way to an upgrade, and which events these handlers receive. */
const ways: [
  how: string,
  seen: string[],
  upgrade: (make: Make, record: (what: string) => void) => unknown,
][] = [
  [
    "wrapped",
    ["message", "message", "message", "close"],
    (make, record) =>
      entry.upgradeWebSocket(async (c) => {
        const { onMessage, onClose, ...others } = await make(c);
        return {
          ...others,
          onMessage(event, ws) {
            record("message");
            onMessage?.(event, ws);
          },
          onClose(event, ws) {
            record("close");
            onClose?.(event, ws);
          },
        };
      }),
  ],
  [
    "made by the app",
    [],
    (make) => async (c: Context) => entry.upgradeWebSocket(c, (await make(c)) as WSEvents),
  ],
];

test.each(ways)(`handlers that are %s do what they always do, on ${runtime}`, async (_, seen, upgrade) => {
  const called: string[] = [];
  const upgradeWebSocket = (make: Make) => upgrade(make, (what) => void called.push(what));
  const here = await rawSite({ upgradeWebSocket: upgradeWebSocket as UpgradeWebSocket });
  const peer = await here.connected({ id: 2, subscribe: { channel: "news" } });
  await peer.until(/"id":2,"subscribe":/);
  await here.notifier.publish("news", "hello");
  await peer.until(/"hello"/);
  peer.send(closing(4001));
  expect(await here.ended.until(1)).toEqual([4001]);
  expect(called).toEqual(seen);
});
