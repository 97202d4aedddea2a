import { Hono, type MiddlewareHandler } from "hono";
import { setCookie } from "hono/cookie";
import type { UpgradeWebSocket } from "hono/ws";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import { notifications } from "../../src/hono.ts";
import type { App } from "../../src/hosts/host.ts";
import type { Refused } from "../../src/model/refused.ts";
import { assertQuiet } from "../../src/testing.ts";
import { joined } from "../support/raw.ts";
import { entry, runtime } from "../support/runtime.ts";
import { tcp, upgrade } from "../support/tcp.ts";
import { honosUpgradeWebSocket, userServer } from "../support/user-server.ts";

/** The `upgradeWebSocket` of every runtime. All of them can be imported on each runtime. */
const all: Record<typeof runtime, UpgradeWebSocket> = {
  node: (await import("../../src/node.ts")).upgradeWebSocket as UpgradeWebSocket,
  bun: (await import("../../src/bun.ts")).upgradeWebSocket as UpgradeWebSocket,
  deno: (await import("../../src/deno.ts")).upgradeWebSocket as UpgradeWebSocket,
};

/** Returns a notifier, an app whose WebSockets are at `/ws`, and what both reported. */
function site(upgradeWebSocket: UpgradeWebSocket = entry.upgradeWebSocket as UpgradeWebSocket) {
  const errors: string[] = [];
  const refused: Refused[] = [];
  const notifier = createNotifier({
    grace: 1_000,
    onError: (error, { stage, owner }) => void errors.push(`${stage} ${owner}: ${(error as Error).message}`),
    onRefused: (each) => void refused.push(each),
  });
  const app = new Hono();
  app.get("/ws", upgradeWebSocket(notifications(notifier)));
  return { notifier, app, errors, refused };
}

type Site = ReturnType<typeof site>;

/** Serves with `serve`, or with the server that a user of this runtime would write. */
async function serving({ notifier }: Site, app: App, how: "serve" | "user" = "serve") {
  const server =
    how === "serve" ? await entry.serve(app, { notifier, port: 0, grace: 1_000 }) : await userServer(app);
  const peers: ReturnType<typeof tcp>[] = [];
  onTestFinished(async () => {
    for (const peer of peers) peer.destroy();
    await notifier.close();
    if ("destroy" in server) server.destroy();
    else await server.close();
    assertQuiet(notifier);
  });
  return (path = "/ws") => {
    const peer = tcp(server.port, upgrade(path));
    peers.push(peer);
    return peer;
  };
}

/** Apps that call another app in ways that lose the request, its `env`, or both. */
const wrapped: [name: string, wrap: (app: Hono) => App][] = [
  ["is called without its env", (app) => ({ fetch: (request) => app.fetch(request) })],
  [
    "is given a copy of the request",
    (app) => ({ fetch: (request, env) => app.fetch(new Request(request), env as object) }),
  ],
  ["is mounted by another", (app) => new Hono().mount("/", app.fetch)],
  [
    "has its request copied by a middleware",
    (app) => {
      const outer = new Hono();
      outer.use(async (c, next) => {
        c.req.raw = new Request(c.req.raw);
        await next();
      });
      return outer.route("/", app);
    },
  ],
];

describe(`under serve on ${runtime}, an app that`, () => {
  test.each(wrapped)("%s lets its peers in", async (_, wrap) => {
    const here = site();
    const dial = await serving(here, wrap(here.app));
    await joined(dial());
    expect([here.errors, here.refused]).toEqual([[], []]);
  });

  test.each(Object.keys(all) as (keyof typeof all)[])(
    "has upgradeWebSocket of tocsin/%s accepts its peers",
    async (name) => {
      const here = site(all[name]);
      const dial = await serving(here, here.app);
      await joined(dial());
      expect([here.errors, here.refused]).toEqual([[], []]);
    },
  );

  test("loses both its env and the request responds with 500, and reports what to do", async (context) => {
    context.skip(runtime === "deno", "Deno upgrades a copy as well");
    const here = site();
    const dial = await serving(here, { fetch: (request) => here.app.fetch(new Request(request)) });
    expect(await dial().until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 500 /);
    const why =
      runtime === "node"
        ? "the request has no env of Node's server; call app.fetch(request, env)"
        : "Bun's server is not in the env; call app.fetch(request, { server })";
    const message = `Cannot upgrade: ${why}, and take upgradeWebSocket from the entry of the runtime that serves`;
    expect(here.errors).toEqual([`host /ws: ${message}`]);
    // The server no longer recognises the handshake as its own, and reports only the response.
    const seen = "the app refused it before it came to upgradeWebSocket(…), or has none there";
    expect(here.refused).toEqual([message, seen].map((reason) => ({ code: 500, reason, path: "/ws" })));
  });
});

describe(`in a server of the user's own on ${runtime}, an app that`, () => {
  const others = (Object.keys(all) as (keyof typeof all)[]).filter((name) => name !== runtime);

  test.each(others)("has upgradeWebSocket of tocsin/%s answers 500, and says what to do", async (name) => {
    const here = site(all[name]);
    const dial = await serving(here, here.app, "user");
    expect(await dial().until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 500 /);
    expect(here.errors).toEqual([
      expect.stringMatching(
        /^host \/ws: Cannot upgrade: .*take upgradeWebSocket from the entry of the runtime that serves$/,
      ),
    ]);
    expect(here.refused).toMatchObject([{ code: 500, path: "/ws" }]);
  });

  test("is called with a copy of the request responds with 500, and reports what to do", async (context) => {
    context.skip(
      runtime !== "bun",
      "Node's adapter has all it needs in the env, and Deno upgrades a copy as well",
    );
    const here = site();
    const fetch = (request: Request, env?: unknown) => here.app.fetch(new Request(request), env as object);
    const dial = await serving(here, { fetch }, "user");
    expect(await dial().until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 500 /);
    expect(here.errors).toEqual([
      "host /ws: Cannot upgrade: Bun did not make this request; pass on Bun's own request, not a copy",
    ]);
  });

  test("was served without WebSockets responds with 500, and reports what to do", async (context) => {
    context.skip(runtime !== "node", "only @hono/node-server can be started without them");
    const { serve } = await import("@hono/node-server");
    const here = site();
    const port = await new Promise<number>((resolve) => {
      const server = serve({ fetch: here.app.fetch, port: 0, hostname: "127.0.0.1" }, (info) =>
        resolve(info.port),
      );
      onTestFinished(() => void server.close());
    });
    const peer = tcp(port, upgrade("/ws"));
    onTestFinished(() => peer.destroy());
    expect(await peer.until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 500 /);
    expect(here.errors).toEqual([
      "host /ws: Cannot upgrade: the server was made without WebSockets; give serve of @hono/node-server websocket: { server: new WebSocketServer({ noServer: true }) }, or use serve of tocsin/node",
    ]);
    await here.notifier.close();
    assertQuiet(here.notifier);
  });

  test("has handlers of its own reports to its onError, or to the console", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => error.mockRestore());
    const reported: unknown[] = [];
    const name = others[0] as keyof typeof all;
    const app = new Hono();
    app.get(
      "/ws",
      all[name](() => ({})),
    );
    app.get(
      "/own",
      all[name](() => ({}), { onError: (each: unknown) => void reported.push(each) } as never),
    );
    const dial = await serving(site(), app, "user");
    for (const path of ["/ws", "/own"]) expect(await dial(path).until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 500 /);
    expect(error.mock.calls).toEqual([["tocsin:", expect.any(TypeError)]]);
    expect(reported).toEqual([expect.any(TypeError)]);
  });
});

describe(`the response to an upgrade on ${runtime}`, () => {
  const saying: MiddlewareHandler = async (c, next) => {
    setCookie(c, "first", "1");
    setCookie(c, "second", "2");
    c.header("X-Before", "yes");
    c.header("Connection", "close");
    await next();
    c.header("X-Behind", "yes");
    setCookie(c, "third", "3");
  };

  async function head(how: "serve" | "user") {
    const here = site();
    const app = new Hono();
    app.use(saying);
    app.route("/", here.app);
    const dial = await serving(here, app, how);
    const peer = await joined(dial());
    const lines = (/^.*?\r\n\r\n/s.exec(peer.received)?.[0] ?? "").split("\r\n");
    const named = (name: string) =>
      lines
        .filter((line) => line.toLowerCase().startsWith(`${name}: `))
        .map((line) => line.slice(name.length + 2));
    return {
      status: lines[0],
      cookies: named("set-cookie"),
      before: named("x-before"),
      behind: named("x-behind"),
      connection: named("connection").map((each) => each.toLowerCase()),
    };
  }

  test("has the cookies and headers that middleware set before the handler and after it", async () => {
    expect(await head("serve")).toEqual({
      status: "HTTP/1.1 101 Switching Protocols",
      cookies: ["first=1; Path=/", "second=2; Path=/", "third=3; Path=/"],
      before: ["yes"],
      behind: ["yes"],
      connection: ["upgrade"],
    });
  });

  test("has those that were set before the handler in a server of the user's own", async () => {
    const { cookies, ...rest } = await head("user");
    // On Bun the response is made in the handler.
    const isLate = runtime !== "bun";
    expect(cookies).toEqual(["first=1; Path=/", "second=2; Path=/", ...(isLate ? ["third=3; Path=/"] : [])]);
    expect(rest).toMatchObject({ before: ["yes"], behind: isLate ? ["yes"] : [], connection: ["upgrade"] });
  });
});

test(`Hono's own upgradeWebSocket still works under serve on ${runtime}`, async () => {
  const here = site(await honosUpgradeWebSocket());
  const dial = await serving(here, here.app);
  await joined(dial());
  expect([here.errors, here.refused]).toEqual([[], []]);
});
