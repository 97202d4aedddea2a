import { Hono } from "hono";
import type { WSEvents } from "hono/ws";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { output } from "../../../src/run.ts";
import { entry, runtime } from "../../support/runtime.ts";
import { site } from "../../support/server.ts";
import { client, frame, tcp, upgrade } from "../../support/tcp.ts";
import { range } from "../../support/wire.ts";

const pings = (first: number, count: number): string =>
  range(first, first + count - 1)
    .map((id) => `{"id":${id},"ping":{}}`)
    .join("\n");

describe(`a peer that floods ${runtime}`, () => {
  async function open() {
    const here = await site({ limits: { rate: 1, burst: 2_000 } });
    const dial = async () => {
      const peer = tcp(Number(new URL(here.address()).port), upgrade("/?user=ann"));
      onTestFinished(() => peer.destroy());
      const kept = client(peer, { leaves: true });
      await kept.connected;
      return { ...kept, peer };
    };
    return { here, dial };
  }

  test("has its first 2 000 commands answered, then gets errors, and is closed with 3013; no other client is affected", async () => {
    const { here, dial } = await open();
    const [flood, other] = [await dial(), await dial()];
    // The peer reads every reply, so that only its rate of commands can close the connection.
    for (const at of range(0, 6)) {
      flood.peer.send(frame(1, pings(2 + at * 500, 500)));
      await flood.peer.until(new RegExp(`"id":${1 + (at + 1) * 500},`));
    }
    flood.peer.send(frame(1, pings(3_502, 600)));
    expect(await flood.code).toBe(3013);
    const errors = flood.messages.filter((message) => message.includes('"error"'));
    const answered = flood.messages.length - 1 - errors.length;
    // The rate allows a few more for each second that this has taken.
    expect(answered).toBeGreaterThanOrEqual(1_999);
    expect(answered).toBeLessThan(2_030);
    expect(errors[0]).toBe(
      `{"id":${answered + 2},"error":{"code":111,"message":"too many requests","temporary":true}}`,
    );
    other.peer.send(frame(1, '{"id":2,"ping":{}}'));
    await other.peer.until(/"id":2,"ping":{}/);
    expect(here.notifier.totals()).toMatchObject({ closed: { 3013: 1 }, errors: { 111: errors.length } });
  });
});

test("sockets are read while a run only yields: a client cancels it within 250 ms", async () => {
  const here = await site();
  const peer = tcp(Number(new URL(here.address()).port), upgrade("/?user=ann"));
  onTestFinished(() => peer.destroy());
  await client(peer, { leaves: true }).connected;
  let cancelled = 0;
  const run = here.notifier.run(async function* ({ signal }) {
    const end = systemClock.now() + 2_000;
    while (!signal.aborted && systemClock.now() < end) yield output("x");
    cancelled = systemClock.now();
  });
  await new Promise<void>((resolve) => void systemClock.timer(50, resolve));
  const asked = systemClock.now();
  peer.send(frame(1, `{"id":2,"rpc":{"method":"run.cancel","data":{"run":"${run.id}"}}}`));
  await run.result();
  expect(cancelled - asked).toBeLessThan(250);
  await peer.until(/"id":2,"rpc":{"data":{"status":"requested"}}/);
});

const isBun = runtime === "bun";
// Only Bun reports a frame that it did not send. The other runtimes drop nothing.
if (isBun)
  test("a frame that Bun drops makes send throw, and never counts as sent", async () => {
    const notifier = createNotifier({ onError() {} });
    const sent: number[] = [];
    const thrown: unknown[] = [];
    const events: WSEvents = {
      onOpen(_event, ws) {
        const piece = "x".repeat(8 * 1_024 * 1_024);
        for (let n = 0; n < 20; n++) {
          try {
            ws.send(piece);
            sent.push(n);
          } catch (error) {
            thrown.push(error);
          }
        }
      },
    };
    const app = new Hono().get(
      "/",
      entry.upgradeWebSocket(() => events),
    );
    const server = await entry.serve(app, { notifier, port: 0, grace: 100 });
    const peer = tcp(server.port, upgrade("/"));
    await peer.until(/\r\n\r\n/);
    peer.pause();
    await server.close();
    peer.destroy();
    expect(sent.length + thrown.length).toBe(20);
    expect(sent.length).toBeLessThan(12);
    expect(thrown[0]).toMatchObject({ message: "Cannot send: Bun dropped the frame" });
  });
