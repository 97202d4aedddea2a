import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { createNotifier, type Notifier } from "tocsin";
import { transports } from "tocsin/hono";
import { assertQuiet } from "tocsin/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePort } from "../../kills/free-port.ts";
import { start } from "../../support/child.ts";
import { EventSource, eventsOf } from "../../support/event-source.ts";
import { entry, runtime } from "../../support/runtime.ts";
import { dataOf, dial, heard } from "../../support/stock-client.ts";
import { range } from "../../support/wire.ts";

const reason =
  runtime !== "node"
    ? "Node only, as nginx is the same for all"
    : isInstalled()
      ? undefined
      : "there is no nginx";

function isInstalled(): boolean {
  try {
    execFileSync("nginx", ["-v"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A server with its notifier behind nginx. */
interface Behind {
  readonly notifier: Notifier;
  /** The address of nginx. */
  readonly url: string;
  close(): Promise<unknown>;
}

async function behind(directives: string): Promise<Behind> {
  const notifier = createNotifier({ grace: 2_000, onRefused() {} });
  const app = new Hono();
  const authenticate = () => ({ user: "ann", channels: ["news"] });
  app.route("/notifications", transports(notifier, { authenticate }));
  const server = await entry.serve(app, { notifier, port: 0, grace: 2_000 });
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "tocsin-nginx-"));
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${kind};`,
  );
  const location = `proxy_pass http://127.0.0.1:${server.port}; proxy_http_version 1.1;
    proxy_set_header Host $http_host; proxy_set_header Connection ""; ${directives}`;
  writeFileSync(
    join(directory, "nginx.conf"),
    `daemon off; master_process off; pid pid; error_log stderr notice; events {}
    http { access_log off; ${paths.join(" ")}
      server { listen 127.0.0.1:${port}; location / { ${location} } } }`,
  );
  const nginx = start("nginx", ["-p", directory, "-e", "stderr", "-c", "nginx.conf"]);
  onTestFinished(async () => {
    await server.close();
    nginx.kill("SIGTERM");
    await nginx.exit;
    rmSync(directory, { recursive: true });
    assertQuiet(notifier);
  });
  await nginx.until(/event method/);
  return { notifier, url: `http://127.0.0.1:${port}/notifications`, close: server.close };
}

const gzip = "gzip on; gzip_min_length 1; gzip_proxied any; gzip_types *;";

describe.skipIf(reason !== undefined).each([
  ["buffers", "proxy_buffering on;"],
  ["buffers and compresses", `proxy_buffering on; ${gzip}`],
  ["does not buffer", "proxy_buffering off; proxy_request_buffering off;"],
])(`behind nginx that %s${reason === undefined ? "" : ` (${reason})`}`, (_, directives) => {
  test.each(["http_stream", "sse"] as const)(
    "a stock client over %s gets each publication at once, and the close code",
    async (transport) => {
      const { notifier, url, close } = await behind(directives);
      const client = dial([{ transport, endpoint: `${url}/${transport}` }], {
        emulationEndpoint: `${url}/emulation`,
        eventsource: EventSource,
      });
      const data = dataOf(client);
      const connecting = heard(client, "connecting");
      await heard(client, "connected").until(1);
      for (const n of range(1, 5)) {
        const receipt = await notifier.publish("news", n, { confirm: true });
        expect(await data.until(n)).toEqual(range(1, n));
        expect(await receipt.delivered()).toMatchObject({ level: "read" });
      }
      const report = await close();
      expect(report).toMatchObject({ sessions: { closed: 1, cut: 0 } });
      expect((await connecting.until(1))[0]).toEqual({ code: 3001, reason: "shutdown" });
    },
  );

  test("events come at once, and a client that leaves ends its session", async () => {
    const { notifier, url } = await behind(directives);
    const controller = new AbortController();
    const response = await fetch(`${url}/events?channel=news`, { signal: controller.signal });
    const events = eventsOf(response.body as ReadableStream<Uint8Array>);
    for (const n of range(1, 5)) {
      await notifier.publish("news", n);
      const { value } = await events.next();
      expect(JSON.parse(value?.data as string)).toMatchObject({ data: n });
    }
    expect(notifier.stats().sessions).toBe(1);
    controller.abort();
    await expect.poll(() => notifier.stats().sessions, { timeout: 5_000 }).toBe(0);
  });
});
