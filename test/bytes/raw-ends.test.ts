import { describe, expect, onTestFinished, test } from "vitest";
import { child } from "../support/child.ts";
import { smallMessages } from "../support/limits.ts";
import { joined, type RawSite, rawSite } from "../support/raw.ts";
import { runtime } from "../support/runtime.ts";
import { closeFrame, closing, frame, type Tcp, tcp, upgrade } from "../support/tcp.ts";
import { honosUpgradeWebSocket } from "../support/user-server.ts";

/** Returns a subscriber that has stopped reading, and is so far behind that the server's writes to it are pending. */
async function midSend(here: RawSite): Promise<Tcp> {
  const peer = await here.connected({ id: 2, subscribe: { channel: "bulk" } });
  await peer.until(/"id":2,"subscribe":/);
  peer.pause();
  const text = "x".repeat(200_000);
  for (let n = 0; n < 40; n++) await here.notifier.publish("bulk", text);
  return peer;
}

const half = frame(1, '{"id":2,"ping":{}}').subarray(0, 10);

/** Ways to lose a connection, each with the code that the session ends with. */
const ends: [name: string, code: number, end: (here: RawSite) => Promise<void>][] = [
  ["reset", 1006, async (here) => void (await here.connected()).socket.resetAndDestroy()],
  ["ended without a close frame", 1006, async (here) => void (await here.connected()).socket.end()],
  [
    "reset after half a frame",
    1006,
    async (here) => {
      const { socket } = await here.connected();
      socket.write(half, () => socket.resetAndDestroy());
    },
  ],
  ["ended after half a frame", 1006, async (here) => void (await here.connected()).socket.end(half)],
  [
    "reset after half of a message",
    1006,
    async (here) => {
      const { socket } = await here.connected();
      const first = frame(1, '{"id":2,');
      first[0] = 1;
      socket.write(first, () => socket.resetAndDestroy());
    },
  ],
  [
    "reset while the server sends to it",
    1006,
    async (here) => void (await midSend(here)).socket.resetAndDestroy(),
  ],
  ["ended while the server sends to it", 1006, async (here) => void (await midSend(here)).socket.end()],
  [
    "reset right after its handshake",
    1006,
    async (here) => {
      const peer = here.dial(upgrade("/"));
      await peer.until(/^HTTP\/1.1 101 /);
      peer.socket.resetAndDestroy();
    },
  ],
  ["closed with 1000", 1000, async (here) => (await here.connected()).send(closing(1000))],
  ["closed with 4001", 4001, async (here) => (await here.connected()).send(closing(4001))],
  ["closed without a code", 1005, async (here) => (await here.connected()).send(frame(8, ""))],
];

describe(`a connection to ${runtime}`, () => {
  test.each(ends)(
    "that is %s ends its session once, with %i, and no other client is affected",
    async (_, code, end) => {
      const here = await rawSite({ window: 16 * 1024 * 1024 });
      await end(here);
      expect(await here.ended.until(1)).toEqual([code]);
      await here.unharmed();
      expect(here.notifier.stats()).toMatchObject({ sessions: 1, subscriptions: 0 });
      expect(here.ended.items).toEqual([code]);
    },
  );

  test("that ends before its handshake is answered makes no session", async () => {
    const here = await rawSite();
    for (let n = 0; n < 5; n++) {
      const { socket } = here.dial(upgrade("/").slice(0, 20 * n));
      await new Promise((resolve) => socket.once("connect", resolve));
      socket.resetAndDestroy();
    }
    await here.unharmed();
    expect(here.notifier.stats().sessions).toBe(1);
  });

  test.for([
    ["", () => rawSite({ limits: smallMessages })],
    [
      ", let in by Hono's own upgradeWebSocket,",
      async () => rawSite({ limits: smallMessages, upgradeWebSocket: await honosUpgradeWebSocket() }),
    ],
  ] as const)(
    "that is closed for its message%s still accepts the rest of it, and is not reset",
    async ([_, site], context) => {
      context.skip(
        runtime === "deno",
        "Deno waits for the answer to its close frame, and reads on until then",
      );
      const here = await site();
      const peer = await here.connected();
      const reset = new Promise((resolve) => peer.socket.once("close", resolve));
      const message = frame(1, "x".repeat(1_000_000));
      peer.send(message.subarray(0, 100_000));
      await peer.until(closeFrame(1009));
      peer.socket.end(message.subarray(100_000));
      expect(await reset).toBe(false);
      expect(await here.ended.until(1)).toEqual([1006]);
    },
  );

  test("that is closed for its message and goes on sending is cut", async (context) => {
    context.skip(runtime === "deno", "Deno cuts no WebSocket before its server ends");
    const here = await rawSite({ limits: smallMessages });
    const peer = await here.connected();
    peer.send(frame(1, "x".repeat(100_000)));
    await peer.until(closeFrame(1009));
    expect(await here.ended.until(1)).toEqual([1006]);
  });

  test("may be lost a hundred times in a row, in every way, and leaves nothing", async () => {
    const here = await rawSite();
    for (let round = 0; round < 10; round++) {
      const peers = await Promise.all(Array.from({ length: 10 }, () => joined(here.dial(upgrade("/")))));
      for (const [at, { socket }] of peers.entries()) {
        if (at % 3 === 0) socket.resetAndDestroy();
        else if (at % 3 === 1) socket.end();
        else socket.end(half);
      }
    }
    expect(await here.ended.until(100)).toEqual(Array.from({ length: 100 }, () => 1006));
    await here.unharmed();
    expect(here.notifier.stats().sessions).toBe(1);
  });

  test.each(["reset", "ended"])(
    "that is %s while its peer is authenticated does not keep the process from ending",
    async (how) => {
      const program = child("host-child.ts");
      onTestFinished(() => program.destroy());
      const port = Number((await program.until(/port (\d+)\n/))[1]);
      const { socket } = tcp(port, upgrade("/left/ws"));
      await program.until(/asked\n/);
      if (how === "reset") socket.resetAndDestroy();
      else socket.end();
      await program.until(/answered\n/);
      program.kill("SIGTERM");
      const { code, signal } = await program.exit;
      expect([code, signal]).toEqual([0, null]);
      socket.destroy();
    },
  );
});
