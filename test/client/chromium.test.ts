import { existsSync } from "node:fs";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { executablePath, launch } from "../support/chromium.ts";
import { pickyProxy } from "../support/picky-proxy.ts";
import { root } from "../support/runtimes.ts";
import { site } from "../support/server.ts";
import { publish } from "../support/stock-client.ts";
import { range } from "../support/wire.ts";

if (existsSync(executablePath)) describe("the client in Chromium", inChromium);
else test.skip(`the client in Chromium: there is no ${executablePath}, and CHROMIUM names no other`);

/** A program for a page. It keeps what happens in `seen`. */
const program = `
  import { connect } from "./src/client.ts";
  import { httpSocket } from "./src/client-http.ts";
  const seen = { calls: [], got: [] };
  const begun = performance.now();
  const onStatus = (status, why, way) =>
    void seen.calls.push({ status, code: why?.code, way, at: performance.now() - begun });
  const client = connect("/?user=ann", { WebSocket: [WebSocket, httpSocket], onStatus });
  globalThis.seen = seen;
  globalThis.client = client;
  for await (const { data } of client.follow("news")) seen.got.push(data);
`;

interface Seen {
  calls: { status: string; code?: number; way: number; at: number }[];
  got: unknown[];
}

type Page = typeof globalThis & {
  seen: Seen;
  client: { history(channel: string): Promise<unknown>; close(): Promise<void> };
};

function inChromium(): void {
  let browser: Browser;
  let script: string;
  beforeAll(async () => {
    const stdin = { contents: program, resolveDir: root, loader: "ts" } as const;
    const options = { bundle: true, format: "esm", write: false, target: "es2022" } as const;
    const [launched, { outputFiles }] = await Promise.all([launch(), build({ stdin, ...options })]);
    browser = launched;
    script = outputFiles[0]?.text ?? "";
  });
  afterAll(() => browser.close());

  test.for(["refuse", "swallow", "reset"] as const)(
    "connects over HTTP within 3 s where WebSockets do not pass, and misses nothing: %s",
    async (upgrades) => {
      const here = await site({ authorize: () => true });
      const proxy = await pickyProxy(Number(new URL(here.direct).port));
      proxy.upgrades = upgrades;
      const page = await browser.newPage();
      onTestFinished(async () => {
        await page.close();
        await proxy.close();
      });
      // Chromium lets a page connect to this machine only if it comes from this machine itself. Any page will do.
      await page.goto(`http://127.0.0.1:${proxy.port}/none`);
      await page.addScriptTag({ type: "module", content: script });
      await page.waitForFunction(() => "client" in globalThis);
      const until = (count: number) =>
        page.waitForFunction((count) => (globalThis as Page).seen?.got.length >= count, count);
      await page.evaluate(() => (globalThis as Page).client.history("news"));
      await publish(here, "news", 1, 100);
      await until(100);
      proxy.cut();
      await publish(here, "news", 101, 200);
      await until(200);
      await page.evaluate(() => (globalThis as Page).client.close());
      const { calls, got } = await page.evaluate(() => (globalThis as Page).seen);
      expect(got).toEqual(range(1, 200));
      expect(calls.map(({ status, way }) => `${status} ${way}`)).toEqual([
        "connecting 0",
        "waiting 0",
        "connecting 1",
        "connected 1",
        "waiting 1",
        "connecting 1",
        "connected 1",
        "closed 1",
      ]);
      expect(calls[3]?.at).toBeLessThan(3_000);
      expect(proxy.tried).toBe(1);
      while (here.notifier.stats().sessions > 0) await new Promise((resolve) => setImmediate(resolve));
    },
  );
}
