import { describe, expect, test } from "vitest";
import { smallMessages } from "../support/limits.ts";
import { closeOf, command, odd, rawSite } from "../support/raw.ts";
import { runtime } from "../support/runtime.ts";
import { closeFrame, frame, type Tcp } from "../support/tcp.ts";

const limit = 65_536;

/** Returns a command of exactly so many bytes. Its reply is `{"id":7,"ping":{}}`. */
function sized(bytes: number): string {
  return `{"id":7,"ping":{"x":"${"x".repeat(bytes - 24)}"}}`;
}

/** Splits a message into fragments of so many bytes. */
function parts(text: string, size: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < text.length; at += size) {
    const fin = at + size >= text.length;
    frames.push(odd(text.slice(at, at + size), { fin, opcode: at === 0 ? 1 : 0 }));
  }
  return frames;
}

/** Returns the same fragment `count` times, as one buffer. */
function repeated(count: number, payload: string): Buffer {
  const part = odd(payload, { fin: false, opcode: 0 });
  return Buffer.concat(Array.from({ length: count }, () => part));
}

function begin(peer: Tcp): void {
  peer.send(odd('{"id":7,"ping":{"x":"', { fin: false }));
}

describe(`a message to ${runtime}`, () => {
  test.each([
    ["in one frame", limit],
    ["in two", limit / 2],
    ["in 64", 1_024],
    ["in 4 096", 16],
  ])("of 64 KiB is read %s, and one byte more closes with 1009", async (_, size) => {
    const here = await rawSite({ limits: smallMessages });
    const peer = await here.connected();
    for (const each of parts(sized(limit), size)) peer.send(each);
    await peer.until(/"id":7,"ping":/);
    for (const each of parts(sized(limit + 1), size)) peer.send(each);
    await peer.until(closeFrame(1009));
    expect(peer.received.match(/"id":7/g)).toHaveLength(1);
    await here.unharmed();
  });

  test("in a thousand parts of one byte is read", async () => {
    const here = await rawSite({ limits: smallMessages });
    const peer = await here.connected();
    peer.send(Buffer.concat(parts(sized(1_000), 1)));
    await peer.until(/"id":7,"ping":/);
  });

  test("of 20 000 parts of one byte that never ends is closed: by Node at once, elsewhere for missing pongs", async () => {
    const here = await rawSite({ heartbeat: 50, limits: { pong: 200 } });
    const peer = await here.connected();
    begin(peer);
    peer.send(repeated(20_000, "y"));
    const code = runtime === "node" ? 1008 : 3012;
    await peer.until(closeFrame(code));
    expect(here.notifier.stats().subscriptions).toBe(0);
  });

  test("that never ends is cut at 64 KiB, though not on Deno (see docs/runtimes.md)", async (context) => {
    context.skip(runtime === "deno", "Deno gathers parts without a limit and offers no way to set one");
    const here = await rawSite({ limits: smallMessages });
    const peer = await here.connected();
    begin(peer);
    let sent = 0;
    while (peer.received.length < 2_000 && closeOf(peer) === undefined && sent < 1_000) {
      await new Promise((resolve) => peer.socket.write(repeated(1, "y".repeat(10_000)), resolve));
      sent++;
    }
    await peer.until(closeFrame(1009));
    expect(await here.ended.until(1)).toEqual([1006]);
    await here.unharmed();
  });

  test.each([
    ["65 537 bytes", [0, 0, 0, 0, 0, 1, 0, 1]],
    ["1 GiB", [0, 0, 0, 0, 0x40, 0, 0, 0]],
  ])(
    "whose header has a length of %s, and whose rest never comes, is closed or takes no memory",
    async (_, length) => {
      const here = await rawSite({ heartbeat: 50, limits: { ...smallMessages, pong: 200 } });
      const peer = await here.connected();
      peer.send(Uint8Array.from([0x81, 0xff, ...length, 0, 0, 0, 0]));
      // Deno reads frames of up to 64 MiB. It cuts the connection on longer ones.
      if (runtime !== "deno") await peer.until(closeFrame(1009));
      else if (length[4] === 0) await peer.until(closeFrame(3012));
      else expect(closeOf({ received: await peer.ended })).toBeUndefined();
    },
  );

  test("that is incomplete when its connection closes is ignored", async () => {
    const here = await rawSite({ limits: smallMessages });
    const peer = await here.connected();
    peer.send(frame(1, sized(100)).subarray(0, 60));
    peer.socket.end();
    expect(await here.ended.until(1)).toEqual([1006]);
    expect(peer.received).not.toMatch(/"id":7/);
  });

  test("that is compressed is never decompressed, so that no deflate bomb can grow", async () => {
    const here = await rawSite({ limits: smallMessages });
    const peer = await here.connected();
    // These are the first bytes of a hundred megabytes of one letter, deflated.
    peer.send(odd(Uint8Array.of(0xec, 0xc1, 0x01, 0x01, 0, 0, 0, 0x80, 0x90, 0xfe), { rsv: 4 }));
    expect(closeOf({ received: await peer.ended })?.code).toBe(runtime === "deno" ? undefined : 1002);
    await here.unharmed();
  });

  test("that comes one byte at a time is read whole", async () => {
    const here = await rawSite({ limits: smallMessages });
    const peer = await here.connected();
    peer.socket.setNoDelay(true);
    for (const byte of command(7))
      await new Promise((resolve) => peer.socket.write(Uint8Array.of(byte), resolve));
    await peer.until(/"id":7,"ping":/);
  });

  test("in a burst of 900 is answered, each, in order", async () => {
    const here = await rawSite({ limits: smallMessages });
    const peer = await here.connected();
    peer.send(Buffer.concat(Array.from({ length: 900 }, (_, n) => command(n + 2))));
    const received = await peer.until(/"id":901,"ping":/);
    const ids = [...received.matchAll(/"id":(\d+),"ping":/g)].map(([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: 900 }, (_, n) => n + 2));
  });
});
