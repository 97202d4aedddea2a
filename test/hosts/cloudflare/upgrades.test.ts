import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { describe, expect, onTestFinished, type TestContext, vi } from "vitest";
import type { NotifierOptions } from "../../../src/engine/core/settings.ts";
import type { NotifierObjectOptions } from "../../../src/hosts/cloudflare/options.ts";
import type { HibernatableSocket } from "../../../src/hosts/cloudflare/platform.ts";
import { upgrades } from "../../../src/hosts/cloudflare/upgrades.ts";
import type { PeerHandlers } from "../../../src/hosts/handlers.ts";
import type { Peer } from "../../../src/model/peer.ts";
import type { Refused } from "../../../src/model/refused.ts";
import { tokens } from "../../../src/tokens.ts";
import { type Start, test } from "../../support/core.ts";
import { fakeGlobals } from "../../support/fake-object.ts";

/** An app that upgrades, over a notifier, and what both said. */
function site(
  start: Start,
  options: NotifierObjectOptions & Pick<NotifierOptions, "limits"> = {},
  middleware: (app: Hono) => Hono = (app) => app,
) {
  const { pairs } = fakeGlobals({ onTestFinished });
  const errors: string[] = [];
  const refused: Refused[] = [];
  const { limits } = options;
  const { notifier } = start({
    ...(limits && { limits }),
    onError: (error, { stage, owner }) =>
      void errors.push(`${stage} of ${owner}: ${(error as Error).message}`),
    onRefused: (each) => void refused.push(each),
  });
  const peers: Peer[] = [];
  const { accept } = notifier;
  vi.spyOn(notifier, "accept").mockImplementation((socket, peer) => {
    peers.push(peer);
    return accept.call(notifier, socket, peer);
  });
  const opened: HibernatableSocket[] = [];
  let fault: Error | undefined;
  const open = (socket: HibernatableSocket, handlers: PeerHandlers): void => {
    if (fault !== undefined) throw fault;
    opened.push(socket);
    const ws = { send() {}, close: () => handlers.onClose({ code: 1000 }), terminate() {} };
    handlers.onOpen(undefined, ws as never);
  };
  const app = middleware(new Hono()).get("*", upgrades({ notifier, options, open }));
  return {
    ...{ notifier, pairs, errors, refused, peers, opened },
    fail: (error?: Error): void => {
      fault = error;
    },
    ask: async (headers: Record<string, string> = {}) => {
      const response = await app.request("http://example.com/ws", {
        headers: { host: "example.com", upgrade: "websocket", ...headers },
      });
      return { status: response.status, headers: response.headers, response, text: await response.text() };
    },
  };
}

describe("an upgrade", () => {
  test("hands one end of a pair to the object, and the other one to the platform", async ({ start }) => {
    const here = site(start, { authenticate: () => ({ user: "ann" }) });
    const { status, response } = await here.ask();
    expect([status, here.pairs.length]).toEqual([101, 1]);
    expect((response as unknown as { webSocket: unknown }).webSocket).toBe(here.pairs[0]?.[0]);
    expect(here.opened).toEqual([here.pairs[0]?.[1]]);
    expect([here.peers.map(({ user }) => user), here.notifier.stats().sessions]).toEqual([["ann"], 1]);
    expect([here.errors, here.refused]).toEqual([[], []]);
  });

  test("accepts everybody as an anonymous user unless it is told otherwise, with authorize", async ({
    start,
  }) => {
    const authorize = () => false;
    const here = site(start, { authorize });
    expect((await here.ask()).status).toBe(101);
    expect(here.peers).toEqual([{ user: "", authorize }]);
  });

  test.for([
    ["centrifuge-json", "centrifuge-json"],
    ["other, centrifuge-json", "centrifuge-json"],
    ["other", null],
  ] as const)("that offers %s is answered with %s", async ([offered, answered], { start }) => {
    const { status, headers } = await site(start).ask({ "sec-websocket-protocol": offered });
    expect([status, headers.get("sec-websocket-protocol")]).toEqual([101, answered]);
  });

  test("has the headers that the app has set, except for those of the handshake", async ({ start }) => {
    const here = site(start, {}, (app) =>
      app.use(async (c, next) => {
        c.header("X-Before", "1");
        c.header("Set-Cookie", "a=1");
        c.header("Set-Cookie", "b=2", { append: true });
        c.header("Sec-WebSocket-Protocol", "mine");
        c.header("Content-Length", "5");
        await next();
      }),
    );
    const { status, headers } = await here.ask();
    expect([status, headers.get("x-before"), headers.getSetCookie()]).toEqual([101, "1", ["a=1", "b=2"]]);
    expect([headers.get("sec-websocket-protocol"), headers.get("content-length")]).toEqual([null, null]);
  });

  test("that fails is reported, answered with 500, and leaves its place to the next one", async ({
    start,
  }) => {
    const here = site(start, { limits: { sessions: 1 } });
    here.fail(new Error("too many sockets"));
    const { status, text } = await here.ask();
    expect([status, text]).toEqual([500, "Internal Server Error"]);
    expect(here.errors).toEqual(["host of /ws: too many sockets"]);
    const reason = "the upgrade failed; onError has its error";
    expect(here.refused).toEqual([{ code: 500, reason, path: "/ws" }]);
    here.fail();
    expect((await here.ask()).status).toBe(101);
  });
});

describe("an upgrade is refused", () => {
  test("with 426 if it asks for no WebSocket", async ({ start }) => {
    const { status, headers } = await site(start).ask({ upgrade: "h2c" });
    expect([status, headers.get("upgrade")]).toEqual([426, "websocket"]);
  });

  test("with 403 to the page of another host, unless it is listed", async ({ start }) => {
    const origin = "https://other.example";
    expect((await site(start).ask({ origin })).status).toBe(403);
    expect((await site(start, { origins: [origin] }).ask({ origin })).status).toBe(101);
  });

  test.for([null, undefined])("with 401 if authenticate answers %s", async (identity, { start }) => {
    const here = site(start, { authenticate: (async () => identity) as never });
    expect((await here.ask()).status).toBe(401);
    expect(here.refused).toEqual([{ code: 401, reason: "authenticate answered null", path: "/ws" }]);
  });

  test("with the response that authenticate throws", async ({ start }) => {
    const authenticate = (): never => {
      throw new HTTPException(402, { message: "Pay first" });
    };
    const { status, text } = await site(start, { authenticate }).ask();
    expect([status, text]).toEqual([402, "Pay first"]);
  });

  test("with 503 while the notifier closes, and above its limits", async ({ start }) => {
    const here = site(start, { limits: { sessions: 1 } });
    expect([(await here.ask()).status, (await here.ask()).status]).toEqual([101, 503]);
    void here.notifier.close();
    expect((await here.ask()).status).toBe(503);
    expect(here.refused.map(({ reason }) => reason)).toEqual([
      "limits.sessions is reached",
      "the notifier is closing",
    ]);
  });

  test.for<[what: string, identity: unknown, message: string]>([
    ["throws", undefined, "down"],
    ["returns no identity", { name: "ann" }, "authenticate has to return { user }, with a string, or null"],
    ["returns a name only", "ann", "authenticate has to return { user }, with a string, or null"],
    [
      "returns functions that would be lost with the memory",
      { user: "ann", receive() {} },
      "Cannot keep the receive of one identity while the object sleeps: let options() have it, as peer: () => ({ receive })",
    ],
  ])("with 500 if authenticate %s, which is reported", async ([, identity, message], { start }) => {
    const authenticate = (() => {
      if (identity === undefined) throw new Error("down");
      return identity;
    }) as never;
    const here = site(start, { authenticate, peer: () => ({ connect: () => null }) });
    expect((await here.ask()).status).toBe(500);
    expect([here.errors, here.peers]).toEqual([[expect.stringContaining(message)], []]);
  });

  test("with 500 if peer returns a promise", async ({ start }) => {
    const here = site(start, { peer: (async () => ({})) as never });
    expect((await here.ask()).status).toBe(500);
    expect(here.errors).toEqual([
      "authenticate of /ws: Cannot use a promise: peer has to return the functions at once",
    ]);
  });
});

describe("the functions of a peer", () => {
  test("are found by its identity, and nothing else is taken from peer", async ({ start }) => {
    const connect = () => null;
    const authenticate = (c: Context) => ({ user: c.req.header("x-user") as string });
    const peer = ({ user }: { user: string }) => ({ ...(user === "ann" && { connect }), channels: ["all"] });
    const here = site(start, { authenticate, peer });
    for (const user of ["ann", "bob"]) await here.ask({ "x-user": user });
    expect(here.peers).toEqual([
      { user: "ann", connect, authorize: undefined },
      { user: "bob", authorize: undefined },
    ]);
  });

  test("may come from authenticate if peer returns the same ones, as with tokens", async ({ start }) => {
    const byToken = tokens({ secret: "a secret of at least 32 characters" });
    const here = site(start, { authenticate: byToken, peer: byToken });
    expect((await here.ask()).status).toBe(101);
    const { connect, refresh } = byToken();
    expect(here.peers).toEqual([{ user: "", connect, refresh, authorize: undefined }]);
  });
});

test("options that cannot work are refused before there is a request", ({
  start,
}: { start: Start } & TestContext) => {
  expect(() => site(start, { authorize: "all" as never })).toThrow("Cannot use authorize: give a function");
  expect(() => site(start, { origins: ["example.com"] })).toThrow(TypeError);
});
