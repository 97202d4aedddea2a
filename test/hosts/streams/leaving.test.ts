import { memoryLog } from "tocsin";
import { describe, expect, test } from "vitest";
import { runtime } from "../../support/runtime.ts";
import { type Site, site } from "../../support/server.ts";
import { openStream, post } from "../../support/stream-peer.ts";
import { tcp } from "../../support/tcp.ts";

const open = { authorize: () => true, heartbeat: 60_000 };
const requests = {
  http_stream: openStream({ stream: "/http_stream?user=ann" }),
  sse: openStream({ stream: "/sse?user=ann" }),
  events: "GET /events?user=ann&channel=news HTTP/1.1\r\nHost: localhost\r\n\r\n",
};
const transports = Object.keys(requests) as (keyof typeof requests)[];

function portOf(here: Site): number {
  return Number(new URL(here.direct).port);
}

/** Where many processes share the cores, a timer may be seconds late, and a peer then has a second more. */
const quiet = { timeout: 20_000, interval: 5 };

describe.each(transports)(`a client over %s on ${runtime}`, (transport) => {
  test.each<[string, (socket: ReturnType<typeof tcp>["socket"]) => unknown]>([
    ["ends its connection", (socket) => socket.end()],
    ["resets its connection", (socket) => socket.resetAndDestroy()],
  ])("that %s ends its session, once", async (_, leave) => {
    const here = await site(open);
    const peer = tcp(portOf(here), requests[transport]);
    await peer.until(/\r\n\r\n.*(connect|retry)/s);
    expect(here.notifier.stats().sessions).toBe(1);
    leave(peer.socket);
    await expect.poll(() => here.notifier.stats().sessions, quiet).toBe(0);
    expect(here.notifier.totals()).toMatchObject({ opened: 1, closed: { 1006: 1 } });
  });

  test("that has left before it is answered leaves nothing", async () => {
    const here = await site(open);
    const release = here.hold();
    const peer = tcp(portOf(here), requests[transport]);
    // A later request is answered, so what was sent before has come.
    const later = () =>
      tcp(portOf(here), post("/emulation", "{}", ["Connection: close"])).until(/^HTTP\/1.1 400/);
    await later();
    peer.socket.resetAndDestroy();
    await later();
    release();
    await expect.poll(() => here.notifier.stats().sessions, quiet).toBe(0);
    await here.close();
    const { opened, closed } = here.notifier.totals();
    expect(Object.values(closed).reduce((sum, count) => sum + count, 0)).toBe(opened);
  });

  test("that does not read is closed, and then cut", async () => {
    const log = memoryLog({ bytes: 128 * 1024 * 1024 });
    const limits = { slow: 200, pong: 200 };
    const here = await site({ ...open, log, limits, window: 64 * 1024 * 1024 });
    const peer = tcp(portOf(here), requests[transport].replace("user=ann", "user=ann&channels=news"));
    await peer.until(/\r\n\r\n.*(connect|retry)/s);
    peer.pause();
    // More than the system ever keeps for a connection: Linux may let the receiver's buffer grow to 32 MiB.
    for (let made = 0; made < 450; made++) await here.notifier.publish("news", "x".repeat(100_000));
    await expect.poll(() => here.notifier.stats().sessions, quiet).toBe(0);
    expect(here.notifier.totals().closed).toEqual({ 3008: 1 });
    peer.socket.resume();
    const received = await peer.ended;
    expect(received.length).toBeGreaterThan(1_000_000);
    expect(received).not.toContain('"code":3008');
  }, 60_000);

  // Clients of events answer no pings.
  if (transport === "events") return;
  test("that goes silent is closed for its missing pong", async () => {
    const here = await site({ ...open, heartbeat: 100, limits: { pong: 100 } });
    const peer = tcp(portOf(here), requests[transport]);
    await peer.until(/"code":3012/);
    await expect.poll(() => here.notifier.stats().sessions, quiet).toBe(0);
    expect(here.notifier.totals().closed).toEqual({ 3012: 1 });
    peer.destroy();
  });
});
