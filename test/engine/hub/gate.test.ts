import { Hono } from "hono";
import { describe, expect, onTestFinished } from "vitest";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { notifications } from "../../../src/hono.ts";
import { assertQuiet } from "../../../src/testing.ts";
import { rawSocket, test } from "../../support/core.ts";
import { deferred } from "../../support/fake-notifier.ts";
import { entry, runtime } from "../../support/runtime.ts";
import { client, tcp, upgrade } from "../../support/tcp.ts";

const kept = expect.any(Function);

describe("a place reserved for a handshake", () => {
  test("counts as a session until it is released, once", ({ start }) => {
    const { notifier } = start({ limits: { sessions: 2 } });
    const [first, second] = [notifier.reserve("ann"), notifier.reserve("")];
    expect([first, second, notifier.reserve("bob"), notifier.admits("bob")]).toEqual([
      kept,
      kept,
      "sessions",
      false,
    ]);
    expect(notifier.totals().limits).toEqual({ sessions: 2 });
    for (const _ of [1, 2]) (first as () => void)();
    expect([notifier.reserve("bob"), notifier.reserve("bob")]).toEqual([kept, "sessions"]);
    expect(notifier.stats().sessions).toBe(0);
  });

  test("counts for its user, where there is a name", ({ start }) => {
    const { notifier } = start({ limits: { userSessions: 2 } });
    rawSocket(notifier, { user: "ann" });
    const own = notifier.reserve("ann");
    expect([own, notifier.reserve("ann"), notifier.reserve("bob")]).toEqual([kept, "userSessions", kept]);
    expect([1, 2, 3].map(() => notifier.reserve(""))).toEqual([kept, kept, kept]);
    (own as () => void)();
    expect([notifier.admits("ann"), notifier.totals().limits]).toEqual([true, { userSessions: 1 }]);
  });

  test("is released after limits.connect where it was not settled, and after closing", async ({ start }) => {
    const { notifier, clock } = start({ limits: { sessions: 1, userSessions: 1, connect: 3_000 } });
    notifier.reserve("ann");
    await clock.advance(2_999);
    expect(notifier.admits("bob")).toBe(false);
    await clock.advance(1);
    expect(notifier.reserve("ann")).toEqual(kept);
    expect(clock.armed).toBe(0);
  });
});

describe(`more handshakes at once on ${runtime} than there may be sessions`, () => {
  /** Returns a server with room for two sessions. Its `authenticate` settles for all clients at the same time. */
  async function crowded(count: number) {
    const notifier = createNotifier({ grace: 1_000, limits: { sessions: 2 }, onRefused() {} });
    const gate = deferred<{ user: string }>();
    let [asked, answered] = [0, 0];
    const [all, over] = [deferred<void>(), deferred<void>()];
    const app = new Hono();
    app.use(async (_, next) => {
      await next();
      // The upgrade was answered, and there is no session yet.
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (++answered === count) over.resolve();
    });
    const authenticate = () => {
      if (++asked === count) all.resolve();
      return gate.promise;
    };
    app.get("/", entry.upgradeWebSocket(notifications(notifier, { authenticate })));
    const server = await entry.serve(app, { notifier, port: 0, grace: 1_000 });
    const peers = Array.from({ length: count }, () => tcp(server.port, upgrade("/")));
    onTestFinished(async () => {
      for (const peer of peers) peer.destroy();
      await server.close();
      assertQuiet(notifier);
    });
    await all.promise;
    return { notifier, peers, over: over.promise, letIn: () => gate.resolve({ user: "ann" }) };
  }

  test("are answered 503 before the upgrade, beyond the limit", async () => {
    const { notifier, peers, letIn } = await crowded(12);
    letIn();
    const answers = peers.map(async (peer) => {
      const head = await peer.until(/\r\n\r\n/);
      if (!head.startsWith("HTTP/1.1 101 ")) return head.slice(9, 12);
      await client(peer).connected;
      return "connected";
    });
    expect((await Promise.all(answers)).sort()).toEqual([...Array(10).fill("503"), "connected", "connected"]);
    expect(notifier.totals()).toMatchObject({
      opened: 2,
      closed: {},
      refused: { 503: 10 },
      limits: { sessions: 10 },
    });
  });

  test("leave no place reserved by those that disconnected, or were refused, halfway", async () => {
    const { notifier, peers, over, letIn } = await crowded(2);
    for (const peer of peers) peer.destroy();
    letIn();
    await over;
    const free = () => {
      const places = [notifier.reserve("a"), notifier.reserve("b")];
      for (const place of places) if (typeof place === "function") place();
      return places;
    };
    await expect.poll(free).toEqual([kept, kept]);
    expect(notifier.stats().sessions).toBe(0);
  });
});

test("a handshake that is refused after it was admitted releases its place at once", async () => {
  const notifier = createNotifier({ limits: { sessions: 1 }, onRefused() {} });
  const app = new Hono();
  app.get("/", entry.upgradeWebSocket(notifications(notifier)));
  const headers = { upgrade: "websocket", connection: "upgrade" };
  expect((await app.request("/", { headers })).status).toBe(400);
  expect([notifier.reserve("ann"), notifier.totals().refused]).toEqual([kept, { 400: 1 }]);
  await notifier.close();
});
