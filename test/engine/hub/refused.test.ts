import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { describe, expect, onTestFinished, test as plainTest, vi } from "vitest";
import type { NotifierOptions } from "../../../src/engine/core/settings.ts";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { type NotificationsOptions, notifications } from "../../../src/hono.ts";
import type { Refused } from "../../../src/model/refused.ts";
import { protobufCodec } from "../../../src/protobuf.ts";
import { assertQuiet, fakeClock } from "../../../src/testing.ts";
import { rawSocket, test } from "../../support/core.ts";
import { deferred } from "../../support/fake-notifier.ts";
import { entry, runtime } from "../../support/runtime.ts";
import { closeFrame, frame, get, tcp, upgrade } from "../../support/tcp.ts";

/** Starts a server on this runtime, and records what it refused. */
async function served(options: NotificationsOptions = {}, settings: NotifierOptions = {}) {
  const refused: Refused[] = [];
  const notifier = createNotifier({
    grace: 1_000,
    onError() {},
    onRefused: (each) => void refused.push(each),
    ...settings,
  });
  const app = new Hono();
  app.get("/ws", entry.upgradeWebSocket(notifications(notifier, options)));
  app.get("/page", (c) => c.text("a page"));
  app.get("/gone", (c) => c.text("gone", 410));
  const server = await entry.serve(app, { notifier, port: 0, grace: 1_000 });
  const peers: ReturnType<typeof tcp>[] = [];
  onTestFinished(async () => {
    for (const peer of peers) peer.destroy();
    await server.close();
    assertQuiet(notifier);
  });
  const dial = (request: string) => {
    const peer = tcp(server.port, request);
    peers.push(peer);
    return peer;
  };
  const status = async (request: string): Promise<string> =>
    (await dial(request).until(/\r\n\r\n/)).slice("HTTP/1.1 ".length, "HTTP/1.1 ".length + 3);
  return { notifier, refused, server, dial, status };
}

describe(`a refusal on ${runtime}`, () => {
  plainTest("for an incomplete handshake is reported, each time with its reason", async () => {
    const { notifier, refused, status } = await served();
    const whole = upgrade("/ws");
    expect(await status(get("/ws"))).toBe("426");
    expect(await status(whole.replace("Connection: Upgrade", "Connection: keep-alive, x"))).toBe("400");
    expect(await status(whole.replace(/Sec-WebSocket-Key: .*/, "Sec-WebSocket-Key: short"))).toBe("400");
    expect(await status(whole.replace("Version: 13", "Version: 8"))).toBe("426");
    expect(await status(upgrade("/ws?secret").replace("Host: localhost", "Host: a:b:c"))).toBe("400");
    const path = "/ws";
    expect(refused).toEqual([
      {
        code: 426,
        reason:
          "no WebSocket was asked for; connect to ws: or wss:, and have every proxy pass on Upgrade and Connection",
        path,
      },
      { code: 400, reason: "the handshake lacks Connection: Upgrade; have every proxy pass it on", path },
      { code: 400, reason: "the handshake has no valid Sec-WebSocket-Key", path },
      { code: 426, reason: "the handshake is of another version than 13", path },
      { code: 400, reason: "the Host is none that a URL can have", path },
    ]);
    expect(notifier.totals().refused).toEqual({ 400: 3, 426: 2 });
  });

  plainTest("for its encoding is reported with how to allow it", async () => {
    const { refused, status, notifier } = await served();
    const offering = (offers: string) => upgrade("/ws", [`Sec-WebSocket-Protocol: ${offers}`]);
    expect(await status(offering("centrifuge-protobuf"))).toBe("400");
    expect(await status(offering("mqtt, centrifuge-x"))).toBe("400");
    expect(await status(offering("mqtt"))).toBe("101");
    const why = "the client offers only encodings that the notifier does not have";
    expect(refused).toEqual([
      {
        code: 400,
        reason: `${why}; give it Protobuf: createNotifier({ codecs: [protobufCodec] }), of tocsin/protobuf`,
        path: "/ws",
      },
      { code: 400, reason: `${why}, such as "centrifuge-x"`, path: "/ws" },
    ]);
    expect(notifier.totals().refused).toEqual({ 400: 2 });
    const speaking = await served({}, { codecs: [protobufCodec] });
    expect(await speaking.status(offering("centrifuge-protobuf"))).toBe("101");
    expect(speaking.refused).toEqual([]);
  });

  plainTest("for its origin is reported with that origin, and with the allowed ones", async () => {
    const { refused, status } = await served();
    const asked = upgrade("/ws", ["Origin: https://elsewhere.example"]);
    expect(await status(asked)).toBe("403");
    const listing = await served({ origins: ["https://App.example/"] });
    expect(await listing.status(asked)).toBe("403");
    const judging = await served({ origins: () => false });
    expect(await judging.status(asked)).toBe("403");
    const refusal = { code: 403, path: "/ws", origin: "https://elsewhere.example" };
    expect([...refused, ...listing.refused, ...judging.refused]).toEqual([
      {
        ...refusal,
        reason:
          'the page is of "https://elsewhere.example", and the Host is "localhost"; have the proxy pass on Host, or list the page in origins',
      },
      {
        ...refusal,
        reason:
          'the page is of "https://elsewhere.example", and origins lists https://App.example/; add it there',
      },
      { ...refusal, reason: 'the function origins does not answer true for "https://elsewhere.example"' },
    ]);
  });

  plainTest("by the authenticator is reported, without anything of what it threw", async () => {
    const answers = [
      () => null,
      () => Promise.reject(new Error("hunter2")),
      () => {
        throw new HTTPException(402, { message: "pay first" });
      },
    ];
    const all: unknown[] = [];
    for (const authenticate of answers) {
      const { refused, status, notifier } = await served({ authenticate });
      all.push([await status(upgrade("/ws?ticket=t1cket")), refused, notifier.totals().refused]);
    }
    const path = "/ws";
    expect(all).toEqual([
      ["401", [{ code: 401, reason: "authenticate answered null", path }], { 401: 1 }],
      ["500", [{ code: 500, reason: "authenticate failed; onError has its error", path }], { 500: 1 }],
      ["402", [{ code: 402, reason: "authenticate threw a response of its own", path }], { 402: 1 }],
    ]);
  });

  plainTest("because the server is full, or closing, is reported with the limit", async () => {
    const entered = deferred<void>();
    const gate = deferred<{ user: string }>();
    const { notifier, refused, status, server } = await served(
      {
        authenticate: (c) => {
          if (c.req.query("slow") === undefined) return { user: "ann" };
          entered.resolve();
          return gate.promise;
        },
      },
      { limits: { userSessions: 1 } },
    );
    expect(await status(upgrade("/ws"))).toBe("101");
    expect(await status(upgrade("/ws"))).toBe("503");
    const late = status(upgrade("/ws?slow"));
    await entered.promise;
    const closed = server.close();
    gate.resolve({ user: "bob" });
    expect(await late).toBe("503");
    await closed;
    expect(refused).toEqual([
      { code: 503, reason: "limits.userSessions is reached", path: "/ws" },
      { code: 503, reason: "the notifier is closing", path: "/ws" },
    ]);
    expect(notifier.totals().refused).toEqual({ 503: 2 });
  });

  plainTest(
    "on an unknown path, or by the app, is reported, and a page that is not an upgrade is not",
    async () => {
      const { refused, status } = await served();
      expect(await status(get("/page"))).toBe("200");
      expect(await status(get("/nowhere"))).toBe("404");
      expect(await status(upgrade("/nowhere%0A"))).toBe("404");
      expect(await status(upgrade("/gone"))).toBe("410");
      expect(refused).toEqual([
        {
          code: 404,
          reason: "nothing is at this path; give upgradeWebSocket(…) the path and the method GET",
          path: "/nowhere%0A",
        },
        {
          code: 410,
          reason: "the app refused it before it came to upgradeWebSocket(…), or has none there",
          path: "/gone",
        },
      ]);
    },
  );

  plainTest("during connect is reported with the code that closes it", async () => {
    const peer = { user: "", connect: () => null };
    const { notifier, refused, dial } = await served({ authenticate: () => peer });
    const wrong = dial(upgrade("/ws"));
    await wrong.until(/^HTTP\/1.1 101 /);
    wrong.send(frame(1, '{"id":1,"connect":{"token":"t0ken"}}'));
    await wrong.until(closeFrame(3500));
    expect(refused).toEqual([{ code: 3500, reason: "invalid token" }]);
    expect(notifier.totals().refused).toEqual({ 3500: 1 });
  });
});

describe("a session that is refused", () => {
  test("at accept, late or over the limit of channels is reported; one that a user disconnects is not", async ({
    start,
  }) => {
    const refused: Refused[] = [];
    const { notifier, clock } = start({
      limits: { sessions: 3, channels: 1, connect: 1_000 },
      onRefused: (each) => void refused.push(each),
    });
    const two = rawSocket(notifier, { user: "ann", channels: ["a", "b"] });
    rawSocket(notifier, { user: "late" });
    rawSocket(notifier, { user: "kicked" });
    rawSocket(notifier, { user: "above" });
    notifier.disconnect({ user: "kicked" });
    two.session.receive('{"id":1,"connect":{}}');
    await clock.advance(1_000);
    void notifier.close();
    await clock.settle();
    rawSocket(notifier, { user: "after" });
    expect(refused).toEqual([
      { code: 3504, reason: "connection limit" },
      { code: 3505, reason: "channel limit" },
      { code: 3502, reason: "stale" },
      { code: 3001, reason: "shutdown" },
    ]);
    expect(notifier.totals().refused).toEqual({ 3504: 1, 3505: 1, 3502: 1, 3001: 1 });
  });
});

describe("the hook that is called with refusals", () => {
  test("gets texts that are safe to log", ({ start }) => {
    const refused: Refused[] = [];
    const { notifier } = start({ onRefused: (each) => void refused.push(each) });
    notifier.refused({ code: 403, reason: "a\nb", path: `/\u001b${"x".repeat(300)}`, origin: "\u202e" });
    expect(refused).toEqual([
      { code: 403, reason: "a\\nb", path: `/\\u001b${"x".repeat(198)}`, origin: "\\u202e" },
    ]);
  });

  test("is reported when it throws or rejects", async ({ start }) => {
    for (const onRefused of [
      () => {
        throw new Error("thrown");
      },
      () => Promise.reject(new Error("rejected")),
    ]) {
      const core = start({ onRefused });
      core.notifier.refused({ code: 401, reason: "nobody" });
      await core.clock.settle();
      expect(core.errors.splice(0).map(({ context }) => context)).toEqual([
        { stage: "refused", owner: "401" },
      ]);
    }
  });

  test("prints a line to the console by default, at most one a second, with a count of the others", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    onTestFinished(() => warn.mockRestore());
    const clock = fakeClock();
    const notifier = createNotifier({ clock });
    const refuse = (code: number) => notifier.refused({ code, reason: "because", path: "/ws" });
    for (const code of [401, 403, 403]) refuse(code);
    await clock.advance(999);
    refuse(404);
    await clock.advance(1);
    refuse(401);
    await clock.advance(1_000);
    notifier.refused({ code: 3500, reason: "invalid token" });
    expect(warn.mock.calls).toEqual([
      ["tocsin: refused 401 at /ws: because"],
      ["tocsin: refused 401 at /ws: because (3 more before it)"],
      ["tocsin: refused 3500: invalid token"],
    ]);
    expect(clock.armed).toBe(0);
    // A refusal because of the close is not printed.
    void notifier.close();
    await clock.advance(10_000);
    refuse(503);
    expect(warn).toHaveBeenCalledTimes(3);
    expect(notifier.totals().refused).toEqual({ 401: 2, 403: 2, 404: 1, 3500: 1, 503: 1 });
  });
});
