import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { serve } from "@hono/node-server";
import { build } from "esbuild";
import { Hono } from "hono";
import type { Page } from "playwright-core";
import { createNotifier } from "tocsin";
import { transports } from "tocsin/hono";
import { assertQuiet } from "tocsin/testing";
import { expect, onTestFinished, test } from "vitest";
import { executablePath, launch } from "../../support/chromium.ts";
import { root } from "../../support/runtimes.ts";
import { range } from "../../support/wire.ts";

const missing = [executablePath, "/usr/bin/openssl"].filter((path) => !existsSync(path));
const name = "eight tabs of one browser each have two streams, over one connection of HTTP/2";
if (missing.length === 0) test(name, inTabs);
else test.skip(`${name}: there is no ${missing.join(" and no ")}`);

/** A program for a page, which follows a channel in both ways. */
const program = `
  import { connect } from "./src/client.ts";
  import { httpSocket } from "./src/client-http.ts";
  const seen = { ours: [], events: [], statuses: [] };
  const client = connect("/", { WebSocket: httpSocket, onStatus: (status) => void seen.statuses.push(status) });
  const source = new EventSource("/events?channel=news&after=0");
  source.onmessage = ({ data }) => void seen.events.push(JSON.parse(data).data);
  source.onerror = () => void seen.statuses.push("an error");
  Object.assign(globalThis, { seen, leave: () => (source.close(), client.close()) });
  for await (const { data } of client.follow("news", { after: { offset: 0, epoch: "" } })) seen.ours.push(data);
`;

type Tab = typeof globalThis & {
  seen: { ours: number[]; events: number[]; statuses: string[] };
  leave(): Promise<void>;
};

/** Starts a server of HTTP/2, as one does without `serve` of tocsin. */
async function overHttp2() {
  const directory = mkdtempSync(join(tmpdir(), "tocsin-tabs-"));
  const [key, cert] = ["key.pem", "cert.pem"].map((file) => join(directory, file)) as [string, string];
  const curve = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-subj",
    "/CN=localhost",
  ];
  await promisify(execFile)("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", cert]);
  const serverOptions = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(directory, { recursive: true });
  const notifier = createNotifier({ heartbeat: 1_000, grace: 1_000 });
  const app = new Hono();
  app.route("/", transports(notifier, { authorize: () => true }));
  let server: ReturnType<typeof serve>;
  const { port } = await new Promise<AddressInfo>((resolve) => {
    server = serve(
      { fetch: app.fetch, port: 0, hostname: "127.0.0.1", createServer: createSecureServer, serverOptions },
      resolve,
    );
  });
  onTestFinished(async () => {
    await notifier.close();
    await new Promise((resolve) => server.close(resolve));
    assertQuiet(notifier);
  });
  return { notifier, url: `https://127.0.0.1:${port}` };
}

async function inTabs(): Promise<void> {
  const { notifier, url } = await overHttp2();
  const stdin = { contents: program, resolveDir: root, loader: "ts" } as const;
  const options = { bundle: true, format: "esm", write: false, target: "es2022" } as const;
  const [browser, { outputFiles }] = await Promise.all([launch(), build({ stdin, ...options })]);
  onTestFinished(() => browser.close());
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const tabs: Page[] = [];
  for (const _ of range(1, 8)) {
    const tab = await context.newPage();
    await tab.goto(`${url}/none`);
    await tab.addScriptTag({ type: "module", content: outputFiles[0]?.text ?? "" });
    tabs.push(tab);
  }
  const all = range(1, 2_000);
  await Promise.all(all.map((n) => notifier.publish("news", n)));
  for (const tab of tabs) {
    const isDone = () => {
      const { seen } = globalThis as Tab;
      return Math.min(seen?.ours.length, seen?.events.length) >= 2_000;
    };
    await tab.waitForFunction(isDone);
    const seen = await tab.evaluate(() => (globalThis as Tab).seen);
    expect(seen).toEqual({ ours: all, events: all, statuses: ["connecting", "connected"] });
  }
  expect(notifier.stats().sessions).toBe(16);
  for (const tab of tabs) await tab.evaluate(() => (globalThis as Tab).leave());
  await expect.poll(() => notifier.stats().sessions, { timeout: 5_000 }).toBe(0);
}
