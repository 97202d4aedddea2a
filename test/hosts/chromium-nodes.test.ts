import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { Notifier } from "tocsin";
import { type Server, serve, upgradeWebSocket } from "tocsin/node";
import { assertQuiet, sharedLog } from "tocsin/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../examples/fingerprint/app.ts";
import { executablePath, launch } from "../support/chromium.ts";
import { buildPackage } from "../support/demo-server.ts";

if (existsSync(executablePath))
  describe("the demo page of three servers over one log, in Chromium", overNodes);
else
  test.skip(
    `the demo page of three servers over one log, in Chromium: there is no ${executablePath}, and CHROMIUM names no other`,
  );

/** One of the servers. */
interface DemoNode {
  readonly server: Server;
  readonly notifier: Notifier;
  readonly log: ReturnType<ReturnType<typeof sharedLog>["open"]>;
}

function overNodes(): void {
  const temporary = mkdtempSync(join(tmpdir(), "tocsin-chromium-nodes-"));
  /** A file that takes minutes to hash and no room on the disk, after a few that take no time. */
  for (const name of ["1", "2", "last"]) writeFileSync(join(temporary, name), "");
  truncateSync(join(temporary, "last"), 2 ** 36);

  const shared = sharedLog({ lease: 1_500 });
  let nodes: DemoNode[] = [];
  let browser: Browser;
  let user: BrowserContext;
  let pages: Page[] = [];
  const errors: unknown[] = [];

  beforeAll(async () => {
    const launching = launch();
    await buildPackage();
    browser = await launching;
    nodes = await Promise.all([1, 2, 3].map(open));
    user = await browser.newContext({ viewport: { width: 820, height: 720 } });
    user.setDefaultTimeout(20_000);
    pages = await pagesOf(nodes);
  });

  afterAll(async () => {
    await browser?.close();
    // What is left of the killed one is cut. Nothing of any may stay.
    await Promise.all(nodes.map(({ server, log }, at) => (at === 0 ? end(server, log) : server.close())));
    for (const { notifier } of nodes) assertQuiet(notifier);
    expect(shared.inspect().watches).toBe(0);
    rmSync(temporary, { recursive: true });
  });

  async function open(): Promise<DemoNode> {
    const log = shared.open();
    const { app, notifier } = await createApp({ upgradeWebSocket, log, folder: temporary });
    return { server: await serve(app, { notifier, port: 0 }), notifier, log };
  }

  async function end(server: Server, log: DemoNode["log"]): Promise<void> {
    log.kill();
    await server.close({ signal: AbortSignal.abort() });
  }

  /** Opens the page of each server, for one user: a browser has the same cookies for all ports of a host. */
  async function pagesOf(all: readonly DemoNode[]): Promise<Page[]> {
    const opened: Page[] = [];
    for (const { server } of all) {
      const page = await user.newPage();
      page.on("pageerror", (error) => errors.push(error));
      await page.goto(server.url);
      await page.locator('body[data-state="connected"]').waitFor();
      opened.push(page);
    }
    return opened;
  }

  async function start(page: Page): Promise<void> {
    await page.getByLabel("Folder", { exact: true }).fill(temporary);
    await page.getByRole("button", { name: "Start" }).click();
  }

  /** Waits until the newest run shows `count` events, and checks that none is missing. */
  async function reaches(page: Page, count: number): Promise<void> {
    const offsets = async () => {
      const lines = await page.locator("article").first().locator(".log li").allTextContents();
      return lines.filter((line) => line.startsWith("#")).map((line) => Number.parseInt(line.slice(1), 10));
    };
    await expect
      .poll(async () => (await offsets()).length, { timeout: 20_000 })
      .toBeGreaterThanOrEqual(count);
    const shown = await offsets();
    expect(shown).toEqual(Array.from({ length: shown.length }, (_, index) => index + 1));
  }

  const has = (page: Page, status: string) => page.locator(`article[data-status="${status}"]`).waitFor();

  test("shows on each what is started on the first, watched on the second and cancelled on the third", async () => {
    const [first, second, third] = pages as [Page, Page, Page];
    await start(first);
    await reaches(second, 8);
    expect(nodes.map(({ notifier }) => notifier.stats().runs)).toEqual([1, 0, 0]);
    await third.getByRole("button", { name: "Cancel" }).click();
    for (const page of pages) {
      await has(page, "cancelled");
      expect(await page.locator(".outcome").textContent()).toBe(
        "You pressed Cancel, in this tab or another.",
      );
      expect(await page.getByRole("button", { name: "Cancel" }).isVisible()).toBe(false);
    }
    expect(nodes.map(({ notifier }) => notifier.stats().runs)).toEqual([0, 0, 0]);
    expect(errors).toEqual([]);
  });

  test("shows on the others that a run is lost whose server was killed", async () => {
    const [first, second, third] = pages as [Page, Page, Page];
    await start(first);
    await reaches(second, 5);
    nodes[0]?.log.kill();
    for (const page of [second, third]) {
      await has(page, "lost");
      const newest = page.locator("article").first();
      expect(await newest.locator(".outcome").textContent()).toBe(
        "The process that ran it is gone: it was killed, or it crashed.",
      );
    }
    expect(errors).toEqual([]);
  });
}
