import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Hono, type MiddlewareHandler } from "hono";
import { createNotifier } from "tocsin";
import { notifications } from "tocsin/hono";
import { describe, expect, onTestFinished, test } from "vitest";
import { deferred } from "../support/fake-notifier.ts";
import { oddHandshakes } from "../support/odd-handshakes.ts";
import { joined, rawSite } from "../support/raw.ts";
import { entry, runtime } from "../support/runtime.ts";
import { root } from "../support/runtimes.ts";
import { get, type Tcp, tcp, upgrade } from "../support/tcp.ts";

/** Returns the status of the response to a peer, and the chosen subprotocol if there is one. */
async function answerTo(peer: Tcp): Promise<string> {
  const head = await peer.until(/\r\n\r\n/).catch(() => peer.received);
  const status = /^HTTP\/1.\d (\d+) /.exec(head)?.[1] ?? "nothing";
  const protocol = /\r\nsec-websocket-protocol: *([^\r]+)\r\n/i.exec(head)?.[1];
  expect(head).not.toMatch(/sec-websocket-extensions/i);
  return protocol === undefined ? status : `${status} ${protocol}`;
}

describe(`${runtime}, at a WebSocket handshake`, () => {
  test.each(oddHandshakes)("that is odd ($what), responds, and goes on", async (row) => {
    const here = await rawSite();
    for (const [name, request] of Object.entries(row.cases)) {
      const peer = here.dial(request);
      expect([name, await answerTo(peer)]).toEqual([name, row[runtime]]);
      peer.destroy();
    }
    await here.unharmed();
    await joined(here.dial(upgrade("/")));
  });

  test("has the responses that the table of the docs lists", () => {
    const page = readFileSync(join(root, "docs/runtimes.md"), "utf8");
    const rows = oddHandshakes.map(({ what, node, bun, deno }) => `| ${what} | ${node} | ${bun} | ${deno} |`);
    expect(rows.filter((row) => !page.includes(`${row}\n`))).toEqual([]);
  });

  test("responds with its version when another one is requested", async () => {
    const here = await rawSite();
    const peer = here.dial(upgrade("/").replace("Version: 13", "Version: 8"));
    expect(await peer.until(/\r\n\r\n/)).toMatch(/\r\nsec-websocket-version: 13\r\n/i);
  });

  test("takes the frames that come with the handshake", async () => {
    const here = await rawSite();
    const early = Buffer.from('\x81\x97\0\0\0\0{"id":1,"connect":{} } ', "latin1");
    const peer = here.dial(Buffer.concat([Buffer.from(upgrade("/")), early]));
    await peer.until(/"id":1,"connect":/);
  });
});

/** What a user's middleware may do after an upgrade. */
const middleware: [name: string, behind: MiddlewareHandler][] = [
  [
    "throws",
    async (_, next) => {
      await next();
      throw new Error("behind the upgrade");
    },
  ],
  [
    "replaces the response",
    async (c, next) => {
      await next();
      c.res = new Response("instead");
    },
  ],
  [
    "sets a header",
    async (c, next) => {
      await next();
      c.header("X-Seen", "yes");
    },
  ],
];

describe(`a middleware on ${runtime} that`, () => {
  async function served(behind: MiddlewareHandler) {
    const notifier = createNotifier({ grace: 500 });
    const app = new Hono();
    app.onError((_, c) => c.text("failed", 500));
    app.get("/hello", (c) => c.text("hello"));
    app.get("/ws", behind, entry.upgradeWebSocket(notifications(notifier)));
    const server = await entry.serve(app, { notifier, port: 0, grace: 500 });
    onTestFinished(() => void server.close());
    const dial = (request: string): Tcp => {
      const peer = tcp(server.port, request);
      onTestFinished(() => peer.destroy());
      return peer;
    };
    return { server, dial };
  }

  test.each(middleware)("%s behind an upgrade ends nothing but its own request", async (_, behind) => {
    const { server, dial } = await served(behind);
    const peer = await joined(dial(upgrade("/ws")));
    expect(await dial(get("/hello")).until(/hello$/)).toMatch(/^HTTP\/1.1 200 /);
    peer.destroy();
    await server.close();
  });

  test("never ends after an upgrade does not keep the server from closing", async () => {
    const upgraded = deferred<void>();
    const { server, dial } = await served(async (_, next) => {
      await next();
      upgraded.resolve();
      await new Promise(() => {});
    });
    const peer = dial(upgrade("/ws"));
    await upgraded.promise;
    await server.close();
    await peer.ended;
  });
});
