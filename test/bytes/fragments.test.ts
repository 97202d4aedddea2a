import { describe, expect, onTestFinished, test } from "vitest";
import { smallMessages } from "../support/limits.ts";
import { runtime } from "../support/runtime.ts";
import { site } from "../support/server.ts";
import { closeFrame, frame, type Tcp, tcp, upgrade } from "../support/tcp.ts";

/** Returns a masked fragment: the first one has the opcode, and the last one has the final bit. */
function fragment(opcode: number, payload: string, isLast: boolean): Uint8Array {
  const bytes = frame(opcode, payload);
  if (!isLast) bytes[0] = opcode;
  return bytes;
}

function sendInPieces(peer: Tcp, message: string, length: number): void {
  for (let at = 0; at < message.length; at += length) {
    const isLast = at + length >= message.length;
    peer.send(fragment(at === 0 ? 1 : 0, message.slice(at, at + length), isLast));
  }
}

describe(`a message in fragments on ${runtime}`, () => {
  async function open() {
    const here = await site({ limits: smallMessages });
    const peer = tcp(Number(new URL(here.address()).port), upgrade("/?user=ann"));
    onTestFinished(() => peer.destroy());
    await peer.until(/\r\n\r\n/);
    peer.send(frame(1, '{"id":1,"connect":{}}'));
    await peer.until(/"connect":/);
    return { here, peer };
  }
  const message = (bytes: number) => `{"id":2,"ping":{"x":"${"x".repeat(bytes - 24)}"}}`;

  test("of 65 536 bytes in all is read", async () => {
    const { peer } = await open();
    sendInPieces(peer, message(65_536), 10_000);
    await peer.until(/"id":2,"ping":\{\}/);
  });

  test("of one byte more is closed with 1009, whichever fragment has that byte", async () => {
    for (const length of [10_000, 65_536]) {
      const { peer } = await open();
      sendInPieces(peer, message(65_537), length);
      expect(await peer.until(closeFrame(1009))).not.toContain('"id":2');
    }
  });

  test("of a megabyte is not read, and neither is what follows it", async () => {
    const { here, peer } = await open();
    sendInPieces(peer, message(1_000_000), 50_000);
    peer.send(frame(1, '{"id":3,"ping":{}}'));
    // The close frame may be lost when the connection is reset.
    expect(await peer.ended).not.toMatch(/"id":[23]/);
    await here.close();
    expect(here.notifier.totals()).toMatchObject({ opened: 1, errors: {} });
  });
});
