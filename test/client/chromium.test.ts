import { existsSync } from "node:fs";
import { build } from "esbuild";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { Browser } from "playwright-core";
import type { Refused } from "tocsin";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { executablePath, launch } from "../support/chromium.ts";
import { pickyProxy } from "../support/picky-proxy.ts";
import { root } from "../support/runtimes.ts";
import { type SiteOptions, site } from "../support/server.ts";
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
    void seen.calls.push({ status, code: why?.code, message: why?.message, way, at: performance.now() - begun });
  const foreign = new URLSearchParams(location.search).get("server");
  const client = connect(foreign ?? "/?user=ann", {
    WebSocket: foreign === null ? [WebSocket, httpSocket] : httpSocket,
    onStatus,
  });
  globalThis.seen = seen;
  globalThis.client = client;
  for await (const { data } of client.follow("news")) seen.got.push(data);
`;

const full = () => new Response("full", { status: 503, headers: { "Retry-After": "1" } });

interface Seen {
  calls: { status: string; code?: number; message?: string; way: number; at: number }[];
  got: unknown[];
}

type Page = typeof globalThis & {
  seen: Seen;
  client: {
    history(channel: string): Promise<unknown>;
    publish(channel: string, data: unknown): Promise<unknown>;
    close(): Promise<void>;
  };
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

  describe("of a page of another origin, over HTTP,", () => {
    /** Opens a page of another server of this machine, whose client connects to a server with these options. */
    async function foreign(options: (origin: string) => SiteOptions) {
      const other = await site();
      const page = await browser.newPage();
      onTestFinished(() => page.close());
      const origin = new URL(other.streams("events").endpoint).origin;
      const here = await site({ authorize: () => true, ...options(origin) });
      const { origin: server } = new URL(here.streams("events").endpoint);
      // Cookies of one machine are for all its ports.
      await page.context().addCookies([{ name: "user", value: "bob", url: server }]);
      await page.goto(`${origin}/none?server=${encodeURIComponent(server)}`);
      await page.addScriptTag({ type: "module", content: script });
      const seen = () => page.evaluate(() => (globalThis as Page).seen);
      const called = async (count: number) => {
        await page.waitForFunction((count) => (globalThis as Page).seen?.calls.length >= count, count);
        return (await seen()).calls;
      };
      return { page, here, origin, seen, called };
    }

    const byCookie = (c: Context) => ({ user: /user=(\w+)/.exec(c.req.header("cookie") ?? "")?.[1] ?? "" });

    test("works where the origin is listed, with the page's cookies", async () => {
      const { page, here, called, seen } = await foreign((origins) => ({ origins, identity: byCookie }));
      await page.waitForFunction(() => "client" in globalThis);
      await page.evaluate(() => (globalThis as Page).client.history("news"));
      expect((await here.notifier.presence("news")).clients.map(({ user }) => user)).toEqual(["bob"]);
      await page.evaluate(() => (globalThis as Page).client.publish("news", 1));
      here.cut();
      await publish(here, "news", 2, 50);
      await page.waitForFunction(() => (globalThis as Page).seen.got.length >= 50);
      await page.evaluate(() => (globalThis as Page).client.close());
      expect((await seen()).got).toEqual(range(1, 50));
      expect((await called(6)).map(({ status }) => status)).toEqual([
        ...["connecting", "connected", "waiting", "connecting", "connected", "closed"],
      ]);
      await expect.poll(() => here.notifier.stats().sessions).toBe(0);
    });

    test("is refused where the origin is not listed, and both sides are told", async () => {
      const refused: Refused[] = [];
      const { here, origin, called } = await foreign(() => ({
        origins: "https://app.example",
        onRefused: (each) => refused.push(each),
      }));
      const [, first] = await called(2);
      const message = `handshake failed: the server cannot be reached, or its origins do not list ${origin}`;
      expect(first).toMatchObject({ status: "waiting", code: 1006, message });
      expect(refused[0]).toEqual({
        code: 403,
        path: "/http_stream",
        origin,
        reason: `the page is of "${origin}", and origins lists https://app.example; add it there`,
      });
      expect(here.notifier.stats().sessions).toBe(0);
    });

    test("is told the status of a refusal, and waits as long as it asks", async () => {
      let isFull = true;
      const { called } = await foreign((origins) => ({
        origins,
        identity: () => {
          if (isFull) throw new HTTPException(503, { res: full() });
          return {};
        },
      }));
      const [, first] = await called(2);
      expect(first).toMatchObject({ code: 1006, message: "handshake refused: 503, retry after 1 s" });
      isFull = false;
      const calls = await called(4);
      expect((calls[2]?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(999);
    });
  });
}
