import { Hono } from "hono";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import { notifications } from "../../src/hono.ts";
import type { ServeOptions, Server } from "../../src/hosts/host.ts";
import { assertQuiet } from "../../src/testing.ts";
import { type Child, child } from "../support/child.ts";
import { deferred, fakeNotifier, fakeReport } from "../support/fake-notifier.ts";
import { type HostApp, hostApp } from "../support/host-app.ts";
import { smallMessages } from "../support/limits.ts";
import { entry, runtime } from "../support/runtime.ts";
import { client, closeFrame, closing, frame, get, type Tcp, tcp, upgrade } from "../support/tcp.ts";
import { honosUpgradeWebSocket, userServer } from "../support/user-server.ts";

const { serve, upgradeWebSocket } = entry;

/** Cleanups that run after each test. */
const opened: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.destroy();
});

function dial(port: number, first: string | Uint8Array = ""): Tcp {
  const peer = tcp(port, first);
  opened.push(peer);
  return peer;
}

interface Site {
  server: Server;
  notifier: ReturnType<typeof fakeNotifier>;
  app: HostApp;
  dial(first?: string | Uint8Array): Tcp;
  /** Closes the server, and returns how many milliseconds that took. */
  closed(): Promise<number>;
}

async function site(options: Partial<ServeOptions> = {}): Promise<Site> {
  const notifier = fakeNotifier();
  const app = hostApp(upgradeWebSocket, () => notifier.session());
  const server = await serve(app, { notifier, port: 0, grace: 300, ...options });
  opened.push({ destroy: () => void server.close({ signal: AbortSignal.abort() }) });
  return {
    server,
    notifier,
    app,
    dial: (first) => dial(server.port, first),
    async closed() {
      const start = performance.now();
      expect(await server.close()).toBe(fakeReport);
      return performance.now() - start;
    },
  };
}

async function open(here: Site, path = "/ws", headers: string[] = []): Promise<Tcp> {
  const peer = here.dial(upgrade(path, headers));
  await peer.until(/^HTTP\/1.1 101 .*\r\n\r\n/s);
  return peer;
}

/** Returns the status of a response to a new connection, or "refused" when nobody listens. */
async function answer(port: number, request: string): Promise<string> {
  const peer = dial(port, request);
  return /^HTTP\/1.1 (\d+)/.exec(await peer.until(/\r\n\r\n/).catch(() => ""))?.[1] ?? "refused";
}

/** Upper bound for a close that waits for nothing. Shared machines stall; the grace of such a test is a minute. */
const promptly = 2_000;
/** Upper bound for a close that takes the whole grace of 300 ms. */
const late = 300 + 2_000;

describe(`serve on ${runtime}`, () => {
  test("has the same three names in every entry, and each entry can be imported on any runtime", async () => {
    const entries = [import("../../src/node.ts"), import("../../src/deno.ts"), import("../../src/bun.ts")];
    const names = (await Promise.all(entries)).map((found) => Object.keys(found).sort());
    const three = ["serve", "terminationSignal", "upgradeWebSocket"];
    expect(names).toEqual([three, three, three]);
  });

  test("listens on a free port and returns it", async () => {
    const { server } = await site();
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    expect(await (await fetch(server.url)).text()).toBe("hello");
    await server.close();
    expect(await answer(server.port, get("/"))).toBe("refused");
  });

  test("rejects when the port is taken, and leaves it to its owner", async () => {
    const { server } = await site();
    const signal = new AbortController().signal;
    const listeners = vi.spyOn(signal, "addEventListener");
    await expect(site({ port: server.port, signal })).rejects.toThrow(/EADDRINUSE|AddrInUse|in use/i);
    expect(listeners).not.toHaveBeenCalled();
    expect(await (await fetch(server.url)).text()).toBe("hello");
    await server.close();
    const next = await site({ port: server.port });
    expect(await answer(server.port, get("/"))).toBe("200");
    await next.server.close();
  });

  test("does not listen when its signal had aborted, and closes the notifier", async () => {
    const { server } = await site();
    await server.close();
    const late = await site({ port: server.port, signal: AbortSignal.abort() });
    expect(await late.server.closed).toBe(fakeReport);
    expect(late.notifier.closing.aborted).toBe(true);
    expect(await answer(server.port, get("/"))).toBe("refused");
  });

  test.each([
    ["nothing", []],
    ["no options", [{ fetch: () => new Response() }]],
    ["no notifier", [{ fetch: () => new Response() }, {}]],
    ["no notifier among several", [{ fetch: () => new Response() }, { notifier: [] }]],
    [
      "something else in place of a notifier",
      [{ fetch: () => new Response() }, { notifier: [fakeNotifier(), new Hono()] }],
    ],
    ["the arguments swapped", [{ notifier: fakeNotifier() }, new Hono()]],
  ])("rejects with what to pass instead, when called with %s", async (_, args) => {
    const [app] = args as [{ fetch?: unknown } | undefined];
    const message =
      app?.fetch === undefined
        ? "Cannot serve: give a Hono app first, serve(app, { notifier }), or anything with its fetch"
        : "Cannot serve: give the notifier that ends with the server, serve(app, { notifier })";
    await expect(serve(...(args as Parameters<typeof serve>))).rejects.toThrow(new TypeError(message));
  });

  test("of another runtime rejects with that reason", async () => {
    const others = { bun: () => import("../../src/bun.ts"), deno: () => import("../../src/deno.ts") };
    for (const [name, load] of Object.entries(others).filter(([name]) => name !== runtime)) {
      const theirs = await load();
      const message = `Cannot serve: this is not ${name === "bun" ? "Bun" : "Deno"}; import from the entry of this runtime, such as tocsin/node`;
      await expect(theirs.serve(new Hono(), { notifier: fakeNotifier() })).rejects.toThrow(
        new TypeError(message),
      );
    }
  });

  test("responds with 500 when the app throws or rejects, and reports to the notifier", async () => {
    const error = new Error("thrown by fetch");
    const notifier = fakeNotifier();
    const fail = (): Response => {
      throw error;
    };
    const app = { fetch: ({ url }: Request) => (url.endsWith("/sync") ? fail() : Promise.reject(error)) };
    const server = await serve(app, { notifier, port: 0 });
    expect((await fetch(`${server.url}/sync`)).status).toBe(500);
    expect((await fetch(`${server.url}/async`)).status).toBe(500);
    expect(notifier.errors).toEqual([error, error]);
    await server.close();
  });

  test("serves a request for another protocol as an ordinary one", async () => {
    const here = await site();
    const headers = [
      "Upgrade: h2c",
      "Connection: Upgrade, HTTP2-Settings",
      "HTTP2-Settings: AAMAAABkAAQAAP__",
    ];
    const peer = here.dial(get("/", headers));
    expect(await peer.until(/hello$/)).toMatch(/^HTTP\/1.1 200 /);
    peer.send(get("/"));
    expect(await peer.until(/hello.*hello$/s)).toMatch(/200.*200/s);
    expect(await here.closed()).toBeLessThan(promptly);
  });
});

describe(`upgradeWebSocket on ${runtime}`, () => {
  test("opens, transfers text and bytes, and closes with the given code", async () => {
    const here = await site();
    const peer = await open(here);
    peer.send(frame(1, "grüße"));
    await peer.until(new RegExp(Buffer.from("echo grüße").toString("latin1")));
    peer.send(frame(2, new Uint8Array(1000)));
    await peer.until(/1000 bytes/);
    peer.send(closing(4001));
    expect(await peer.ended).toMatch(closeFrame(4001));
    await vi.waitFor(() => expect(here.notifier.open).toBe(0));
  });

  test("accepts the upgrade header in any case", async () => {
    const here = await site();
    const peer = here.dial(upgrade("/ws").replace("Upgrade: websocket", "upgrade: WebSocket"));
    await peer.until(/^HTTP\/1.1 101 /);
  });

  test("destroys a peer that it refused, and that keeps its own side open", async (context) => {
    context.skip(runtime !== "node", "Node only: Bun lets go after 11 s, Deno not within 30 s");
    const here = await site();
    const peer = here.dial(upgrade("/refuse/403"));
    await peer.ended;
    const gone = new Promise((resolve) => peer.socket.once("close", resolve));
    const talk = setInterval(() => peer.send("x"), 5);
    await gone;
    clearInterval(talk);
    expect(peer.received).toMatch(/^HTTP\/1.1 403 /);
  });

  test.each([401, 403, 426, 503])(
    "refuses with the status %i and the headers it was given",
    async (status) => {
      const here = await site();
      const peer = here.dial(upgrade(`/refuse/${status}`));
      const response = await peer.until(/\r\n\r\n/);
      expect(response).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(response).toMatch(/\r\nretry-after: 7\r\n/i);
    },
  );

  test.each([
    ["centrifuge-json", "centrifuge-json"],
    ["a, centrifuge-json", "centrifuge-json"],
    ["a,centrifuge-json,b", "centrifuge-json"],
    ["a", undefined],
  ])("answers the subprotocols %o with %o", async (offered, chosen) => {
    const peer = await open(await site(), "/ws", [`Sec-WebSocket-Protocol: ${offered}`]);
    expect(/\r\nsec-websocket-protocol: *([^\r]*)\r\n/i.exec(peer.received)?.[1]).toBe(chosen);
  });

  test("goes on after handlers that throw and reject, and reports each", async () => {
    const here = await site();
    const peer = await open(here, "/throws");
    peer.send(frame(1, "one"));
    await peer.until(/heard one/);
    peer.send(frame(1, "two"));
    await peer.until(/heard two/);
    peer.send(closing(1000));
    await vi.waitFor(() =>
      expect(here.notifier.errors.map((error) => (error as Error).message)).toEqual([
        "from onOpen",
        "from onMessage",
        "from onMessage",
        "from onClose",
      ]),
    );
  });

  test("works in a server that the user starts", async () => {
    const notifier = fakeNotifier();
    const server = await userServer(hostApp(upgradeWebSocket, () => notifier.session()));
    opened.push(server);
    const refused = dial(server.port, upgrade("/refuse/403"));
    expect(await refused.until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 403 .*\r\nretry-after: 7\r\n/is);
    const peer = dial(server.port, upgrade("/ws"));
    await peer.until(/^HTTP\/1.1 101 /);
    peer.send(frame(1, "one"));
    await peer.until(/echo one/);
    const closed = notifier.close();
    await peer.until(closeFrame(3001));
    peer.send(closing(3001));
    await peer.ended;
    peer.destroy();
    expect(await closed).toBe(fakeReport);
    expect(await answer(server.port, upgrade("/ws"))).toBe("503");
  });

  test("may be Hono's own under serve", async () => {
    const notifier = fakeNotifier();
    const app = hostApp(await honosUpgradeWebSocket(), () => notifier.session());
    const server = await serve(app, { notifier, port: 0, grace: 60_000 });
    const peer = dial(server.port, upgrade("/ws", ["Sec-WebSocket-Protocol: centrifuge-json"]));
    expect(await peer.until(/\r\n\r\n/)).toMatch(/\r\nsec-websocket-protocol: centrifuge-json\r\n/i);
    peer.send(frame(1, "one"));
    await peer.until(/echo one/);
    const closed = server.close();
    await peer.until(closeFrame(3001));
    peer.send(closing(3001));
    expect(await closed).toBe(fakeReport);
  });

  test("sends the headers that the app has set, except for those of the upgrade", async () => {
    const notifier = fakeNotifier();
    const app = new Hono();
    app.use(async (c, next) => {
      await next();
      c.header("X-App", "one");
      c.header("Connection", "close");
    });
    app.get(
      "/ws",
      upgradeWebSocket(() => notifier.session()),
    );
    const server = await serve(app, { notifier, port: 0 });
    const peer = dial(server.port, upgrade("/ws"));
    const head = await peer.until(/\r\n\r\n/);
    expect(head).toMatch(/^HTTP\/1.1 101 .*\r\nx-app: one\r\n/is);
    expect(head.match(/^connection: .*$/gim)).toEqual([expect.stringMatching(/^connection: upgrade/i)]);
    const closed = server.close();
    await peer.until(closeFrame(3001));
    peer.send(closing(3001));
    expect(await closed).toBe(fakeReport);
  });

  // Deno has no such limit. There the notifier checks the size.
  const hasLimit = runtime !== "deno";
  if (hasLimit)
    test("closes a peer that sends more than the option allows with 1009", async () => {
      const here = await site({ maxMessage: 2000 });
      const peer = await open(here);
      peer.send(frame(2, new Uint8Array(2000)));
      await peer.until(/2000 bytes/);
      peer.send(frame(2, new Uint8Array(2001)));
      expect(await peer.ended).toMatch(closeFrame(1009));
      expect(peer.received).not.toContain("2001 bytes");
    });
});

describe(`notifications on ${runtime}`, () => {
  async function served(authenticate: () => Promise<{ user: string } | null>) {
    const notifier = createNotifier({ grace: 60_000, limits: smallMessages });
    const app = new Hono();
    app.get("/", upgradeWebSocket(notifications(notifier, { authenticate })));
    const server = await serve(app, { notifier, port: 0, grace: 60_000 });
    opened.push({ destroy: () => void server.close({ signal: AbortSignal.abort() }) });
    const respond = (request: string) => dial(server.port, request).until(/\r\n\r\n/);
    return { server, respond };
  }

  test("refuse before the upgrade, each for its reason", async () => {
    const { respond } = await served(async () => null);
    expect(await respond(upgrade("/"))).toMatch(/^HTTP\/1.1 401 /);
    expect(await respond(upgrade("/", ["Origin: https://elsewhere.example"]))).toMatch(/^HTTP\/1.1 403 /);
    expect(await respond(get("/"))).toMatch(/^HTTP\/1.1 426 /);
  });

  test("read a message of 65 536 bytes, and close a longer one with 1009", async () => {
    const { server } = await served(async () => ({ user: "" }));
    const peer = dial(server.port, upgrade("/"));
    await client(peer).connected;
    const message = (length: number) => frame(1, `{"send":{"data":"${"x".repeat(length - 20)}"}}`);
    peer.send(message(65_536));
    peer.send(frame(1, '{"id":2,"rpc":{"method":"unknown"}}'));
    await peer.until(/"id":2,"error"/);
    peer.send(message(65_537));
    expect(await peer.ended).toMatch(closeFrame(1009));
  });

  test("refuse a peer that was being authenticated when closing began, with a Retry-After", async () => {
    const authenticating = deferred<void>();
    const gate = deferred<{ user: string }>();
    const { server, respond } = await served(() => {
      authenticating.resolve();
      return gate.promise;
    });
    const response = respond(upgrade("/"));
    await authenticating.promise;
    const closed = server.close();
    gate.resolve({ user: "late" });
    expect(await response).toMatch(/^HTTP\/1.1 503 .*\r\nretry-after: 1\r\n/is);
    expect((await closed).sessions).toEqual({ closed: 0, cut: 0 });
  });
});

describe(`notifications on ${runtime}, misused,`, () => {
  test.each<[string, unknown[], string]>([
    [
      "without a notifier",
      [],
      "Cannot make notifications: give a notifier first, notifications(createNotifier(), options)",
    ],
    [
      "with an app in place of the notifier",
      [new Hono()],
      "Cannot make notifications: give a notifier first, notifications(createNotifier(), options)",
    ],
    [
      "with tickets in place of an authenticator",
      [createNotifier(), { authenticate: {} }],
      "Cannot use authenticate: give a function, not object",
    ],
    [
      "with a name that is misspelt",
      [createNotifier(), { authenticated: () => null }],
      "Cannot use authenticated: notifications take authenticate, authorize and origins",
    ],
    [
      "with a boolean in place of a function",
      [createNotifier(), { authorize: true }],
      "Cannot use authorize: give a function, not boolean",
    ],
  ])("%s fail with what to pass instead", (_, args, message) => {
    const make = () => notifications(...(args as Parameters<typeof notifications>));
    expect(make).toThrow(new TypeError(message));
  });
});

describe(`several notifiers on ${runtime}`, () => {
  async function served(names: readonly string[], given: readonly number[] = names.map((_, at) => at)) {
    const app = new Hono();
    const notifiers = names.map((name) => {
      const notifier = createNotifier({ grace: 5_000 });
      const authenticate = () => ({ user: "ann", channels: [name] });
      app.get(`/${name}`, upgradeWebSocket(notifications(notifier, { authenticate })));
      return notifier;
    });
    const notifier = given.map((at) => notifiers[at] as (typeof notifiers)[number]);
    const server = await serve(app, { notifier, port: 0, grace: 5_000 });
    opened.push({ destroy: () => void server.close({ signal: AbortSignal.abort() }) });
    const peers = names.map((name) => client(dial(server.port, upgrade(`/${name}`)), { leaves: true }));
    await Promise.all(peers.map(({ connected }) => connected));
    return { server, notifiers, peers };
  }

  test("are all flushed and closed before the server is, with one report, whichever of them begins", async () => {
    const { server, notifiers, peers } = await served(["one", "two", "three"]);
    const publish = notifiers.map((notifier, at) =>
      notifier.publish(["one", "two", "three"][at] as string, at),
    );
    await Promise.all(publish);
    void notifiers[1]?.close();
    const report = await server.closed;
    expect(await Promise.all(peers.map(({ code }) => code))).toEqual([3001, 3001, 3001]);
    expect(peers.map(({ messages }) => messages.filter((line) => line.includes('"pub"')).length)).toEqual([
      1, 1, 1,
    ]);
    expect(report).toMatchObject({ sessions: { closed: 3, cut: 0 }, cut: [], undelivered: [], givenUp: 0 });
    for (const each of notifiers) assertQuiet(each);
  });

  test("that are not passed are cut once the others are closed", async () => {
    const { server, notifiers, peers } = await served(["one", "two"], [0]);
    const { sessions } = await server.close();
    expect(sessions).toEqual({ closed: 1, cut: 0 });
    const codes = await Promise.all(peers.map(({ code }) => code));
    expect(codes[0]).toBe(3001);
    expect(codes[1]).not.toBe(3001);
    await notifiers[1]?.close();
  });
});

describe(`closing on ${runtime}`, () => {
  const patient = { grace: 60_000 };

  test("returns one promise with the notifier's report, for every caller", async () => {
    const { server } = await site(patient);
    const first = server.close();
    expect(server.close()).toBe(first);
    expect(server.closed).toBe(first);
    expect(await first).toBe(fakeReport);
    expect(server.close({ signal: new AbortController().signal })).toBe(first);
    await server[Symbol.asyncDispose]();
  });

  test("begins with the signal, and leaves no listener on it", async () => {
    const controller = new AbortController();
    const added = vi.spyOn(controller.signal, "addEventListener");
    const removed = vi.spyOn(controller.signal, "removeEventListener");
    const { server } = await site({ ...patient, signal: controller.signal });
    controller.abort();
    expect(await server.closed).toBe(fakeReport);
    expect(removed.mock.calls.length).toBe(added.mock.calls.length);
    controller.abort();
    expect(await server.close()).toBe(fakeReport);
  });

  test("begins with the notifier's own close, and a close by hand removes the listener from the signal", async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const { server, notifier } = await site({ ...patient, signal });
    void notifier.close();
    expect(await server.closed).toBe(fakeReport);
    expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([1, 1]);
  });

  test("can be called from a handler", async () => {
    const notifier = fakeNotifier();
    const fetch = (): Response => {
      void server.close();
      return new Response("bye");
    };
    const app = { fetch };
    const server: Server = await serve(app, { notifier, port: 0, grace: 60_000 });
    const peer = dial(server.port, get("/"));
    expect(await peer.until(/bye$/)).toMatch(/^HTTP\/1.1 200 /);
    expect(await server.closed).toBe(fakeReport);
  });

  test("does not wait for idle connections, incomplete requests or kept-alive ones", async () => {
    const here = await site(patient);
    const kept = here.dial(get("/"));
    await kept.until(/hello$/);
    const idle = here.dial();
    const half = here.dial("GET / HTTP/1.1\r\nHost: loc");
    const body = here.dial("POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
    await body.until(/404/);
    expect(await here.closed()).toBeLessThan(promptly);
    await Promise.all([kept.ended, half.ended, body.ended]);
    idle.destroy();
  });

  test("sends 3001 to open WebSockets and ends them", async () => {
    const here = await site(patient);
    const peer = await open(here);
    const closed = here.closed();
    await peer.until(closeFrame(3001));
    peer.send(closing(3001));
    await peer.ended;
    expect(await closed).toBeLessThan(promptly);
  });

  test("refuses new connections from the moment it begins", async () => {
    const here = await site(patient);
    const peer = here.dial(get("/slow"));
    await here.app.entered("/slow");
    const closed = here.closed();
    const refused = runtime === "deno" ? "503" : "refused";
    expect(await answer(here.server.port, get("/"))).toBe(refused);
    expect(await answer(here.server.port, upgrade("/ws"))).toBe(refused);
    here.app.release();
    expect(await peer.until(/sure$/)).toMatch(/^HTTP\/1.1 200 /);
    expect(await closed).toBeLessThan(promptly);
  });

  test("lets responses in progress finish", async () => {
    const here = await site(patient);
    const slow = here.dial(get("/slow"));
    const stream = here.dial(get("/stream"));
    await Promise.all([here.app.entered("/slow"), stream.until(/first half/)]);
    const closed = here.closed();
    here.app.release();
    expect(await slow.ended).toMatch(/slow but sure$/);
    expect(await stream.ended).toMatch(/first half.*second half\r\n0\r\n\r\n$/s);
    expect(await closed).toBeLessThan(promptly);
  });

  // Deno reports that a body was read completely, but not that it was written.
  const knowsWritten = runtime !== "deno";
  if (knowsWritten)
    test("lets a response finish that is being written to a slow reader", async () => {
      const size = 32 * 1024 * 1024;
      const app = { fetch: () => new Response(new Uint8Array(size)) };
      const server = await serve(app, { notifier: fakeNotifier(), port: 0, grace: 60_000 });
      const peer = dial(server.port, get("/"));
      await peer.until(/^HTTP\/1.1 200 /);
      peer.pause();
      const closed = server.close();
      peer.socket.resume();
      expect((await peer.ended).split("\r\n\r\n")[1]).toHaveLength(size);
      expect(await closed).toBe(fakeReport);
    });

  test("cuts at the deadline what never finishes", async () => {
    const here = await site();
    const never = here.dial(get("/never"));
    const hang = here.dial(get("/hang"));
    const upgrading = here.dial(upgrade("/hang/ws"));
    await Promise.all([never.until(/first half/), here.app.entered("/hang"), here.app.entered("/hang/ws")]);
    const elapsed = await here.closed();
    expect(elapsed).toBeGreaterThan(290);
    expect(elapsed).toBeLessThan(late);
    expect(await never.ended).not.toContain("second half");
    expect(await hang.ended).toBe("");
    expect(await upgrading.ended).toMatch(runtime === "deno" ? /^HTTP\/1.1 503 / : /^$/);
  });

  test("ends its grace when the signal given to close aborts", async () => {
    const here = await site(patient);
    const hang = here.dial(get("/hang"));
    await here.app.entered("/hang");
    const controller = new AbortController();
    const closed = here.server.close();
    const again = here.server.close({ signal: controller.signal });
    const start = performance.now();
    controller.abort();
    expect([await closed, await again]).toEqual([fakeReport, fakeReport]);
    expect(performance.now() - start).toBeLessThan(promptly);
    expect(await hang.ended).toBe("");
  });

  test("refuses an upgrade whose handler ends during the close", async () => {
    const here = await site(patient);
    const peer = here.dial(upgrade("/late"));
    await here.app.entered("/late");
    const closed = here.closed();
    here.app.release();
    const response = await peer.until(/\r\n\r\n/);
    expect(response).toMatch(/^HTTP\/1.1 503 /);
    expect(response).toMatch(/\r\nretry-after: 1\r\n/i);
    expect(await closed).toBeLessThan(promptly);
  });

  test("does not wait for a peer that keeps TCP open after the close handshake", async () => {
    const here = await site(patient);
    const peer = await open(here);
    const closed = here.closed();
    await peer.until(/shutdown/);
    peer.send(closing(3001));
    expect(await closed).toBeLessThan(promptly);
    await peer.ended;
  });

  test("cuts a peer that never answers the close frame, and one that keeps sending instead", async () => {
    const here = await site();
    const silent = await open(here);
    const chatty = await open(here);
    const chatter = setInterval(() => chatty.send(frame(1, "and another thing")), 5);
    const elapsed = await here.closed();
    clearInterval(chatter);
    expect(elapsed).toBeLessThan(late);
    await Promise.all([silent.ended, chatty.ended]);
  });

  test("cuts a peer that never reads", async () => {
    const here = await site();
    const peer = await open(here);
    peer.pause();
    peer.send(frame(1, "x".repeat(60_000)));
    await vi.waitFor(() => expect(here.notifier.open).toBe(1));
    expect(await here.closed()).toBeLessThan(late);
  });
});

describe(`a process of ${runtime}`, () => {
  function start(...args: string[]): Child {
    const started = child("host-child.ts", ...args);
    opened.push(started);
    return started;
  }

  test("is not kept alive by listeners for signals", async () => {
    expect(await start("listen-to-signals-only").exit).toMatchObject({ code: 0, output: "end\n" });
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "ends by itself after %s, and the abort reason has its name",
    async (signal) => {
      const program = start();
      const [line] = await program.until(/port \d+\n/);
      program.kill(signal);
      const output = `${line}AbortError: Received ${signal}\nclosed 0 cut 0\n`;
      expect(await program.exit).toMatchObject({ code: 0, signal: null, output });
    },
  );

  test("ends within its grace whatever its peers do, loses nothing for those that read, after two signals", async () => {
    const program = start();
    const port = Number((await program.until(/port (\d+)\n/))[1]);
    const reader = client(dial(port, upgrade("/notifications")));
    const lingering = dial(port, upgrade("/notifications"));
    const [silent, deaf, chatty] = [1, 2, 3].map(() => dial(port, upgrade("/notifications"))) as [
      Tcp,
      Tcp,
      Tcp,
    ];
    const peers = [lingering, silent, deaf, chatty];
    for (const peer of [silent, deaf, chatty]) peer.send(frame(1, '{"id":1,"connect":{}}'));
    await Promise.all([
      reader.connected,
      client(lingering).connected,
      ...peers.map((peer) => peer.until(/"id":1/)),
    ]);
    deaf.pause();
    for (const request of [get("/hang"), upgrade("/hang/ws"), "", "GET / HTTP/1.1\r\nHo"])
      dial(port, request);
    expect(await answer(port, get("/publish"))).toBe("200");
    const chatter = setInterval(() => chatty.send(frame(1, '{"send":{"data":{}}}')), 5);
    const began = performance.now();
    program.kill("SIGTERM");
    const code = await reader.code;
    program.kill("SIGTERM");
    const { index, input } = await program.until(/closed \d+ cut \d+\n/);
    const closed = performance.now();
    const exit = await program.exit;
    clearInterval(chatter);
    expect(code).toBe(3001);
    expect(reader.messages.filter((line) => line.includes('"pub"')).map(numberOf)).toEqual(upTo(500));
    expect(input.slice(index)).toBe("closed 2 cut 3\n");
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(closed - began).toBeLessThan(2_500 + 2_000);
    expect(exit.at - closed).toBeLessThan(1_000);
  });
});

function numberOf(line: string): unknown {
  return JSON.parse(line).push.pub.data.number;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
