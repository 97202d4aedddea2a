import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { executablePath, launch } from "../support/chromium.ts";
import { type WorkerExample, workerExample } from "../support/worker-example.ts";

if (existsSync(executablePath)) describe("the page of the Worker in Chromium", inChromium);
else
  test.skip(`the page of the Worker in Chromium: there is no ${executablePath}, and CHROMIUM names no other`);

function inChromium(): void {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-worker-page-"));
  let browser: Browser;
  let site: WorkerExample;
  beforeAll(async () => {
    [browser, site] = await Promise.all([launch(), workerExample(folder)]);
  });
  afterAll(async () => {
    await browser.close();
    expect(await site.end()).toEqual({ code: 0, signal: null });
    rmSync(folder, { recursive: true });
  });

  const contexts: BrowserContext[] = [];
  const errors: unknown[] = [];
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
    expect(errors.splice(0)).toEqual([]);
  });

  async function user(): Promise<BrowserContext> {
    const context = await browser.newContext();
    context.setDefaultTimeout(20_000);
    contexts.push(context);
    return context;
  }

  async function tab(context: BrowserContext): Promise<Page> {
    const page = await context.newPage();
    page.on("pageerror", (error) => errors.push(error));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(site.url);
    await page.locator("#state", { hasText: "Connected" }).waitFor();
    return page;
  }

  async function start(page: Page, text: string, rounds: number): Promise<void> {
    await page.getByLabel("Text").fill(text);
    await page.getByLabel("Rounds").fill(String(rounds));
    await page.getByRole("button", { name: "Start" }).click();
  }

  const outcomes = (page: Page): Promise<string[]> => page.locator("#runs p").allTextContents();
  const names = (page: Page): Promise<string[]> => page.locator("#runs h2").allTextContents();

  test("shows a run to its end, and goes on with one after a reload", async () => {
    const page = await tab(await user());
    await start(page, "short", 60);
    await expect.poll(async () => (await outcomes(page))[0]).toMatch(/^[\da-f]{64}$/);
    const [digest] = await outcomes(page);
    await start(page, "long", 100_000);
    await expect.poll(async () => (await outcomes(page))[0]).toMatch(/^\d+ of 100000 rounds$/);
    const [before = ""] = await outcomes(page);
    await page.reload();
    await expect.poll(async () => (await outcomes(page)).length).toBe(2);
    await expect
      .poll(async () => Number.parseInt((await outcomes(page))[0] as string, 10))
      .toBeGreaterThan(Number.parseInt(before, 10));
    expect([await names(page), (await outcomes(page))[1]]).toEqual([["long", "short"], digest]);
    expect(await page.getByRole("button", { name: "Cancel" }).count()).toBe(1);
    await page.getByRole("button", { name: "Cancel" }).click();
    await expect.poll(() => outcomes(page)).toEqual(["Cancelled", digest]);
  });

  test("shows in one tab what another one starts and cancels, and to another user nothing", async () => {
    const context = await user();
    const [one, other] = [await tab(context), await tab(context)];
    const stranger = await tab(await user());
    await start(one, "ours", 100_000);
    await expect.poll(async () => (await outcomes(other))[0]).toMatch(/^\d+ of 100000 rounds$/);
    await other.getByRole("button", { name: "Cancel" }).click();
    for (const page of [one, other]) await expect.poll(() => outcomes(page)).toEqual(["Cancelled"]);
    expect(await names(stranger)).toEqual([]);
  });
}
