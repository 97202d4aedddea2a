import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import { buildSync } from "esbuild";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { attach } from "../../examples/attach/attach.ts";
import { connect } from "../../src/client.ts";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import { notifications } from "../../src/hono.ts";
import { upgradeWebSocket } from "../../src/node.ts";
import { type Child, child, start } from "../support/child.ts";
import { type Inbox, inbox } from "../support/inbox.ts";
import { program, runtime } from "../support/runtime.ts";
import { root } from "../support/runtimes.ts";
import { tcp, upgrade } from "../support/tcp.ts";

const folder = join(root, "examples/attach");
const page = readFileSync(join(root, "docs/attach.md"), "utf8");

test("docs/attach.md shows every file of examples/attach, word for word", () => {
  const blocks = [...page.matchAll(/```(\w+)\n(?:\/\/|#) (\S+)\n([\s\S]*?)```/g)];
  expect(blocks.map(([, , file]) => file).sort()).toEqual(
    readdirSync(folder)
      .map((name) => `examples/attach/${name}`)
      .sort(),
  );
  for (const [, language, file, code] of blocks) {
    expect(language).toBe(file?.endsWith(".conf") ? "nginx" : "ts");
    expect(code).toBe(readFileSync(join(root, file as string), "utf8"));
  }
});

/** Cleanups that run after all tests. */
const opened: (() => unknown)[] = [];
afterAll(async () => {
  for (const end of opened) await end();
});

if (runtime === "node") onNode();
else test.skip("attached to a server: Node only, as those servers are");

function onNode(): void {
  mkdirSync(join(root, ".cache"), { recursive: true });
  const folders = {
    temporary: mkdtempSync(join(tmpdir(), "tocsin-attach-")),
    cache: mkdtempSync(join(root, ".cache/attach-")),
  };
  afterAll(() => {
    for (const each of Object.values(folders)) rmSync(each, { recursive: true });
  });

  const others: [string, Other][] = [
    ["express", { says: "Hello from Express", orders: "/orders", upgrade: "/chat", unknown: 400 }],
    ["fastify", { says: "Hello from Fastify", orders: "/orders", upgrade: "/chat", unknown: 400 }],
    ["node-http", { says: "Hello from node:http", orders: "/", upgrade: "/chat", unknown: 400 }],
    ["vite", { says: "Hello from Vite", upgrade: "/", protocol: "vite-hmr" }],
    ["next", { says: "Hello from Next", upgrade: "/_next/hmr?id=1", unknown: "socket hang up" }],
  ];
  // All servers start at the same time, because each takes a while.
  const servers = new Map<string, Child>();
  beforeAll(() => {
    for (const [name] of others) servers.set(name, startExample(name, folders));
  });
  afterAll(() => {
    for (const server of servers.values()) server.destroy();
  });

  describe.each(others)("attached to a server as in examples/attach/%s.ts", (name, other) => {
    let server: Child;
    let url: string;
    let client: Followed;
    let theirs: Inbox<string | number>;
    beforeAll(async () => {
      server = servers.get(name) as Child;
      url = (await server.until(/Listening on (\S+)/))[1] as string;
    });

    test("answers the routes of both apps", async () => {
      expect(await (await fetch(url)).text()).toContain(other.says);
      expect(await (await fetch(`${url}/notifications/stats`)).json()).toMatchObject({ sessions: 0 });
      expect((await fetch(`${url}/notifications/nowhere`)).status).toBe(404);
    });

    test("accepts clients that authenticate finds by a cookie, and no others", async () => {
      client = follow(`${url}/notifications`, { headers: { cookie } });
      await client.statuses.until(2);
      expect(client.statuses.items.map(([status]) => status)).toEqual(["connecting", "connected"]);
      expect(await answerTo(`${url}/notifications`)).toBe(401);
    });

    test("refuses a page of another origin with 403, and accepts one of its own", async () => {
      const headers = { cookie };
      expect(await answerTo(`${url}/notifications`, { headers, origin: "https://example.com" })).toBe(403);
      expect(await answerTo(`${url}/notifications`, { headers, origin: url })).toBe(101);
    });

    test("leaves other upgrades to the other app", async () => {
      theirs = messagesOf(ws(`${url}${other.upgrade}`, {}, other.protocol));
      expect(await theirs.until(1)).toEqual([expect.stringMatching(/^Hello from the chat$|^\{"type":/)]);
      if (other.unknown !== undefined) expect(await answerTo(`${url}/nobody's`)).toBe(other.unknown);
    });

    const { orders } = other;
    if (orders !== undefined)
      test("delivers what the other app publishes", async () => {
        expect((await fetch(`${url}${orders}`, { method: "POST" })).ok).toBe(true);
        expect(await client.events.until(1)).toEqual([{ text: "Your order is on its way" }]);
      });

    test("closes tocsin's clients with 3001 on SIGTERM, and ends by itself with 0", async () => {
      server.kill("SIGTERM");
      const lost = (await client.statuses.until(3))[2];
      expect(lost).toEqual(["waiting", 3001]);
      await client.close();
      expect(await theirs.until(2)).toEqual([theirs.items[0], other.orders ? 1001 : 1006]);
      expect(await server.exit).toMatchObject({ code: 0, signal: null });
    });
  });

  test("Vite's proxy passes on the page's Host, unless it is configured to change the origin", async () => {
    const server = startExample("node-http", folders);
    onTestFinished(() => server.destroy());
    const [, target] = await server.until(/Listening on (\S+)/);
    const { createServer: createVite } = await import("vite");
    const statusWith = async (options: { changeOrigin?: boolean }): Promise<number | string> => {
      const proxy = { "/notifications": { target: target as string, ws: true, ...options } };
      const listen = { port: 0, host: "127.0.0.1", proxy };
      const vite = await createVite({ configFile: false, root: folders.temporary, server: listen });
      try {
        await vite.listen();
        const origin = vite.resolvedUrls?.local[0]?.replace(/\/$/, "") as string;
        return await answerTo(`${origin}/notifications`, { headers: { cookie }, origin });
      } finally {
        await vite.close();
      }
    };
    expect(await statusWith({})).toBe(101);
    expect(await statusWith({ changeOrigin: true })).toBe(403);
    server.kill("SIGTERM");
    expect(await server.exit).toMatchObject({ code: 0, signal: null });
  });

  test("authenticate gets Node's request, and peers that keep the server open are cut after the grace", async () => {
    const notifier = createNotifier({ onRefused() {} });
    const seen: unknown[] = [];
    const events = notifications(notifier, {
      authenticate: (c) => {
        seen.push(c.env.incoming.user);
        return null;
      },
    });
    const app = new Hono().get("/notifications", upgradeWebSocket(events));
    const server = createServer();
    const attached = attach(server, app, { notifier, path: "/notifications", grace: 20 });
    server.on("upgrade", (request, socket, head) => {
      Object.assign(request, { user: "ann" });
      // Upgrades that are not tocsin's get no response: this is a common mistake.
      attached.upgrade(request, socket, head);
    });
    const accepted = inbox<unknown>();
    server.on("connection", (socket) => accepted.add(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const refused = tcp(port, upgrade("/notifications"));
    const peers = [
      refused,
      tcp(port, "GET / HTTP/1.1\r\nHost: loc"),
      tcp(port, upgrade("/notificationsX")),
      tcp(port),
    ];
    onTestFinished(() => {
      for (const peer of peers) peer.destroy();
    });
    expect(await refused.until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 401 /);
    expect(seen).toEqual(["ann"]);
    await accepted.until(peers.length);
    await notifier.close();
    await new Promise((resolve) => server.close(resolve));
    await Promise.all(peers.map(({ ended }) => ended));
  });

  const missing = ["nginx", "openssl"].filter((name) => !isInstalled(name));
  if (missing.length === 0) behindNginx(folders);
  else test.skip(`attached to a server behind nginx: there is no ${missing.join(" and no ")}`);
}

function behindNginx(folders: Folders): void {
  const { temporary } = folders;
  let server: Child;
  let port: string;
  let certificate: { cert: string; key: string };
  beforeAll(async () => {
    server = startExample("node-http", folders);
    certificate = await certify(temporary);
    port = (await server.until(/Listening on http:\S+:(\d+)/))[1] as string;
  });
  afterAll(() => server.destroy());

  /** Starts nginx with one of the examples. It listens on a Unix socket, so that no port has to be free. */
  async function proxy(name: string, change = (text: string) => text): Promise<Proxied> {
    const directory = mkdtempSync(join(temporary, "nginx-"));
    const socketPath = join(directory, "socket");
    const example = readFileSync(join(folder, name), "utf8");
    const site = change(example)
      .replace("listen 443", `listen unix:${socketPath}`)
      .replace("/etc/ssl/example.com.pem", certificate.cert)
      .replace("/etc/ssl/example.com.key", certificate.key)
      .replace("127.0.0.1:3000", `127.0.0.1:${port}`);
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (kind) => `${kind}_temp_path ${kind};`,
    );
    const main = `daemon off; master_process off; pid pid; error_log stderr notice; events {}
      http { access_log off; ${paths.join(" ")} ${site} }`;
    writeFileSync(join(directory, "nginx.conf"), main);
    const nginx = start("nginx", ["-p", directory, "-e", "stderr", "-c", "nginx.conf"]);
    onTestFinished(async () => {
      nginx.kill("SIGTERM");
      expect(await nginx.exit).toMatchObject({ code: 0, signal: null });
    });
    await nginx.until(/event method/);
    const ca = readFileSync(certificate.cert);
    const createConnection = () => connectTls({ path: socketPath, ca, servername: "example.com" });
    return { dial: { createConnection } as ClientOptions, get: (path) => get(path, socketPath, ca) };
  }

  describe("attached to a server behind nginx with TLS", () => {
    test("serves both apps, and the page's own origin matches", async () => {
      const { dial, get } = await proxy("nginx.conf");
      expect(await get("/")).toBe("Hello from node:http");
      expect(JSON.parse(await get("/notifications/stats"))).toMatchObject({ sessions: 0 });
      const url = "https://example.com/notifications";
      const own = { ...dial, headers: { cookie }, origin: "https://example.com" };
      expect(await answerTo(url, { ...own, origin: "https://example.org" })).toBe(403);
      const client = follow(url, own);
      await client.statuses.until(2);
      await fetch(`http://127.0.0.1:${port}`, { method: "POST" });
      expect(await client.events.until(1)).toEqual([{ text: "Your order is on its way" }]);
      await client.close();
    });

    test("refuses the page's own origin where nginx does not pass on Host", async () => {
      const { dial } = await proxy("nginx.conf", (text) => text.replace(/proxy_set_header Host .*/, ""));
      const own = { ...dial, headers: { cookie }, origin: "https://example.com" };
      expect(await answerTo("https://example.com/notifications", own)).toBe(403);
    });

    test("works with a path below a prefix, and is closed with 3001", async () => {
      const { dial, get } = await proxy("nginx-prefix.conf");
      expect(await get("/app/")).toBe("Hello from node:http");
      expect(JSON.parse(await get("/app/notifications/stats"))).toMatchObject({ runs: 0 });
      const own = { ...dial, headers: { cookie }, origin: "https://example.com" };
      const client = follow("https://example.com/app/notifications", own);
      await client.statuses.until(2);
      server.kill("SIGTERM");
      expect((await client.statuses.until(3))[2]).toEqual(["waiting", 3001]);
      await client.close();
      expect(await server.exit).toMatchObject({ code: 0, signal: null });
    });
  });
}

/** Folders that a test may write to: a temporary one, and one inside the project. */
interface Folders {
  temporary: string;
  cache: string;
}

/** The server that tocsin is attached to. */
interface Other {
  says: string;
  /** The path that publishes. */
  orders?: string;
  /** The path of a WebSocket of this server's own. */
  upgrade: string;
  protocol?: string;
  /** The status of an upgrade to an unknown path, or the error. Vite does not respond. */
  unknown?: number | string;
}

/** A client of tocsin, with its status changes and the events that it received. */
interface Followed {
  statuses: Inbox<[status: string, code: number | undefined]>;
  events: Inbox<unknown>;
  close(): Promise<void>;
}

interface Proxied {
  dial: ClientOptions;
  get(path: string): Promise<string>;
}

const cookie = "session=s3cr3t";

function startExample(name: string, { temporary, cache }: Folders): Child {
  const { NODE_ENV } = process.env;
  Object.assign(process.env, { PORT: "0", NODE_ENV: "production" });
  try {
    if (name === "vite") return startVite(temporary);
    if (name === "next") return startNext(cache);
    return child(`../../examples/attach/${name}.ts`);
  } finally {
    delete process.env.PORT;
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = NODE_ENV;
  }
}

/** Starts Vite in a folder of its own, where it finds only one page. */
function startVite(temporary: string): Child {
  const site = mkdtempSync(join(temporary, "vite-"));
  writeFileSync(join(site, "index.html"), "<!doctype html><title>Vite</title><p>Hello from Vite</p>");
  const enter = `data:text/javascript,process.chdir(${JSON.stringify(site)})`;
  return start(process.execPath, ["--import", enter, ...program(join(folder, "vite.ts"))]);
}

/** Starts the example with a stand-in for Next. The bundle is inside the project, because it imports its packages. */
function startNext(cache: string): Child {
  const [example, outfile] = [join(folder, "next.ts"), join(cache, "next.mjs")];
  const alias = { next: join(root, "test/support/next-stand-in.ts") };
  const target = { platform: "node", format: "esm", target: "node20" } as const;
  buildSync({ entryPoints: [example], outfile, bundle: true, packages: "external", alias, ...target });
  return start(process.execPath, [outfile]);
}

/** Connects a tocsin client that follows the channel of its user. */
function follow(url: string, options: ClientOptions): Followed {
  const [statuses, events] = [inbox<[string, number | undefined]>(), inbox<unknown>()];
  class Dialled extends WebSocket {
    constructor(address: string) {
      super(address, options);
    }
  }
  const client = connect(url, {
    WebSocket: Dialled,
    onStatus: (status, why) => statuses.add([status, why?.code]),
  });
  const read = async (): Promise<void> => {
    for await (const { data } of client.follow("user:ann")) events.add(data);
  };
  // The loop rejects when the client is closed.
  const reading = read().catch(() => {});
  const close = async (): Promise<void> => {
    await client.close();
    await reading;
  };
  opened.push(close);
  return { statuses, events, close };
}

function ws(url: string, options: ClientOptions = {}, protocol?: string): WebSocket {
  const socket = new WebSocket(url.replace(/^http/, "ws"), protocol, options);
  opened.push(() => socket.terminate());
  return socket;
}

/** Returns the messages that a WebSocket receives, and then its close code. */
function messagesOf(socket: WebSocket): Inbox<string | number> {
  const box = inbox<string | number>();
  socket.on("message", (data) => box.add(String(data)));
  socket.on("close", (code) => box.add(code));
  return box;
}

/** Returns the status of the response to a WebSocket request, or the error message. */
function answerTo(url: string, options: ClientOptions = {}): Promise<number | string> {
  const socket = ws(url, options);
  return new Promise((resolve) => {
    socket.on("open", () => resolve(101));
    socket.on("unexpected-response", (_, { statusCode = 0 }) => resolve(statusCode));
    socket.on("error", ({ message }) => resolve(message));
  });
}

function isInstalled(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;
}

/** Makes a certificate for example.com. */
async function certify(directory: string): Promise<{ cert: string; key: string }> {
  const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const name = ["-subj", "/CN=example.com", "-addext", "subjectAltName=DNS:example.com"];
  await promisify(execFile)("openssl", ["req", "-x509", ...curve, ...name, "-keyout", key, "-out", cert]);
  return { cert, key };
}

/** Requests the page of example.com at a path. */
function get(path: string, socketPath: string, ca: Buffer): Promise<string> {
  const to = { host: "example.com", servername: "example.com", path, socketPath, ca, agent: false };
  return new Promise((resolve, reject) => {
    const request = httpsRequest(to, async (response) => resolve(await text(response)));
    request.on("error", reject);
    request.end();
  });
}
