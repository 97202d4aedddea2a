import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { executablePath, launch } from "../support/chromium.ts";
import { contrast } from "../support/demo-page.ts";
import { buildPackage, type DemoServer, demoServer, keepsRuns } from "../support/demo-server.ts";
import { relay } from "../support/relay.ts";
import { root } from "../support/runtimes.ts";

if (existsSync(executablePath)) describe("the demo page in Chromium", inChromium);
else test.skip(`the demo page in Chromium: there is no ${executablePath}, and CHROMIUM names no other`);

function inChromium(): void {
  const temporary = mkdtempSync(join(tmpdir(), "tocsin-chromium-"));
  const small = join(temporary, "small");
  mkdirSync(small);
  for (const name of ["a", "b", "c"]) writeFileSync(join(small, name), name.repeat(40_000));
  /** A file that takes minutes to hash and no room on the disk, after a few that take no time. */
  const slow = join(temporary, "slow");
  mkdirSync(slow);
  for (const name of ["1", "2", "last"]) writeFileSync(join(slow, name), "");
  truncateSync(join(slow, "last"), 2 ** 36);
  const screenshots = join(root, ".cache/screenshots");

  let browser: Browser;
  let server: DemoServer;
  beforeAll(async () => {
    rmSync(screenshots, { recursive: true, force: true });
    const launching = launch();
    await buildPackage();
    [browser, server] = await Promise.all([launching, demoServer()]);
  });
  afterAll(async () => {
    await browser.close();
    server.kill("SIGTERM");
    expect(await server.exit).toMatchObject({ code: 0, signal: null });
    rmSync(temporary, { recursive: true });
  });

  /** Cleanups that run after each test, and the errors in its pages. */
  const opened: (() => unknown)[] = [];
  const errors: unknown[] = [];
  afterEach(async () => {
    for (const end of opened.splice(0)) await end();
    expect(errors.splice(0)).toEqual([]);
  });

  /** Returns a new user: a browser context with its own cookies and storage. */
  async function user(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await browser.newContext({ viewport: { width: 820, height: 720 }, ...options });
    context.setDefaultTimeout(20_000);
    opened.push(() => context.close());
    return context;
  }

  async function tab(context: BrowserContext, url = server.url): Promise<Page> {
    const page = await context.newPage();
    page.on("pageerror", (error) => errors.push(error));
    page.on("console", (message) => {
      // Some tests are about a server that cannot be reached, or that refuses a run.
      const isMeant = /net::ERR_|the server responded with a status of 4(00|29) /.test(message.text());
      if (message.type() === "error" && !isMeant) errors.push(message.text());
    });
    await page.goto(url);
    await is(page, "connected");
    return page;
  }

  const is = (page: Page, state: string) => page.locator(`body[data-state="${state}"]`).waitFor();
  const has = (page: Page, status: string) => page.locator(`article[data-status="${status}"]`).waitFor();
  const textOf = (page: Page, selector: string) => page.locator(selector).textContent();
  const shoot = (page: Page, name: string) =>
    page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });

  async function start(page: Page, folder: string): Promise<void> {
    await page.getByLabel("Folder", { exact: true }).fill(folder);
    await page.getByRole("button", { name: "Start" }).click();
  }

  const cancel = (page: Page) => page.getByRole("button", { name: "Cancel" }).click();

  /** Starts a run that does not end by itself, and waits until it hashes its large file. */
  async function startSlow(page: Page): Promise<void> {
    await start(page, slow);
    await reaches(page, 5);
  }

  /** Waits until the only run shows `count` events. Returns how many are shown, and checks that none is missing. */
  async function reaches(page: Page, count: number): Promise<number> {
    let shown: number[] = [];
    const look = async () => {
      shown = await offsets(page);
      return shown.length;
    };
    await expect.poll(look, { timeout: 20_000 }).toBeGreaterThanOrEqual(count);
    expect(shown).toEqual(from1(shown.length));
    return shown.length;
  }

  /** Returns the offsets in the log of the page's only run. */
  async function offsets(page: Page): Promise<number[]> {
    const lines = await page.locator(".log li").allTextContents();
    return lines.filter((line) => line.startsWith("#")).map((line) => Number.parseInt(line.slice(1), 10));
  }

  const from1 = (length: number) => Array.from({ length }, (_, index) => index + 1);

  /** Returns the text with the lowest contrast, and that contrast, in the colours that are drawn. */
  async function faintest(page: Page): Promise<{ text: string; contrast: number }> {
    const drawn = (await page.evaluate(`(() => {
      const colour = (text) => text.match(/[\\d.]+/g).map(Number);
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const found = [];
      for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
        const element = node.parentElement;
        if (node.data.trim() === "" || !element.checkVisibility() || element.closest(".hidden, script, template")) continue;
        let opacity = 1;
        let ground;
        for (let at = element; at !== null; at = at.parentElement) {
          const style = getComputedStyle(at);
          opacity *= style.opacity;
          const [red, green, blue, alpha = 1] = colour(style.backgroundColor);
          if (ground === undefined && alpha === 1) ground = [red, green, blue];
        }
        found.push({ text: node.data.trim(), ink: colour(getComputedStyle(element).color).slice(0, 3), ground, opacity });
      }
      return found;
    })()`)) as { text: string; ink: number[]; ground: number[]; opacity: number }[];
    const hex = (parts: number[]) =>
      `#${parts.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
    const contrasts = drawn.map(({ text, ink, ground, opacity }) => {
      const seen = ink.map((part, index) => part * opacity + (ground[index] ?? 0) * (1 - opacity));
      return { text, contrast: contrast(hex(seen), hex(ground)) };
    });
    expect(contrasts.length).toBeGreaterThan(8);
    return contrasts.sort((one, other) => one.contrast - other.contrast)[0] as (typeof contrasts)[0];
  }

  test("shows a run from its start to its digest", async () => {
    const page = await tab(await user());
    await shoot(page, "1-no-runs");
    await start(page, small);
    await has(page, "completed");
    const sha = (data: string) => createHash("sha256").update(data).digest("hex");
    const manifest = ["a", "b", "c"].map((name) => `${name}\0${sha(name.repeat(40_000))}\n`);
    expect(await textOf(page, ".outcome code")).toBe(sha(manifest.join("")));
    expect(await textOf(page, ".outcome")).toMatch(/^3 files, 0\.1 MB in \d\.\d s/);
    expect(await page.locator("progress").evaluate((bar: { value: number }) => bar.value)).toBe(1);
    expect(await textOf(page, "summary")).toMatch(/^Log: \d+ events, no gaps$/);
    await shoot(page, "2-completed");
  });

  test("goes on with a run after a reload, and shows its log from the start", async () => {
    const page = await tab(await user());
    await startSlow(page);
    const before = await reaches(page, 10);
    await page.locator("summary").click();
    await shoot(page, "3-working");
    await page.reload();
    await has(page, "working");
    await reaches(page, before + 5);
    await shoot(page, "4-reloaded");
    await cancel(page);
    await has(page, "cancelled");
  });

  test("goes on after it was offline, and sends what was requested meanwhile", async () => {
    const way = await relay(server.url);
    opened.push(() => way.destroy());
    const context = await user();
    const page = await tab(context, way.url);
    // When offline, Chromium refuses new connections, and only delays data on open ones. That would not show for long.
    const goOffline = async () => {
      way.cut();
      await is(page, "waiting");
      await context.setOffline(true);
    };
    const comeBack = async () => {
      way.mend();
      await context.setOffline(false);
    };
    await startSlow(page);
    await goOffline();
    const before = (await offsets(page)).length;
    expect(await textOf(page, "#banner-text")).toMatch(
      /^The server cannot be reached\. This page keeps trying/,
    );
    expect(await textOf(page, ".badge")).toBe("Last seen working");
    expect(await textOf(page, "#state")).toBe("Server not reached");
    for (const colorScheme of ["dark", "light"] as const) {
      await page.emulateMedia({ colorScheme });
      expect((await faintest(page)).contrast).toBeGreaterThanOrEqual(4.5);
      await shoot(page, `5-offline-${colorScheme}`);
    }
    await comeBack();
    await is(page, "connected");
    await reaches(page, before + 5);
    expect(await page.locator(".log").textContent()).toContain(
      `connected again, goes on after event ${before}`,
    );
    expect(await textOf(page, "summary")).toMatch(/, no gaps$/);
    await page.locator("summary").click();
    await shoot(page, "6-back");
    await goOffline();
    await cancel(page);
    expect(await textOf(page, ".notice")).toBe("It will be cancelled as soon as the server can be reached.");
    expect((await faintest(page)).contrast).toBeGreaterThanOrEqual(4.5);
    await shoot(page, "7-cancelled-offline");
    await comeBack();
    await has(page, "cancelled");
    expect(await textOf(page, ".outcome")).toBe("You pressed Cancel, in this tab or another.");
  });

  test("shows that runs ended with a server that was killed, in tabs that stayed and in new ones", async () => {
    const database = join(mkdtempSync(join(temporary, "database-")), "demo.db");
    const first = await demoServer({ database });
    opened.push(() => first.destroy());
    const [staying, leaving] = await Promise.all([user(), user()]);
    const stayed = await tab(staying, first.url);
    const left = await tab(leaving, first.url);
    await startSlow(stayed);
    await startSlow(left);
    await left.close();
    first.kill("SIGKILL");
    await is(stayed, "waiting");
    await first.exit;
    expect(await textOf(stayed, "#banner-text")).toMatch(/^The server cannot be reached\./);
    expect(await textOf(stayed, ".badge")).toBe("Last seen working");
    await shoot(stayed, "8-server-killed");
    const second = await demoServer({ port: Number(new URL(first.url).port), database });
    opened.push(() => second.destroy());
    const came = await tab(leaving, second.url);
    await stayed.locator("#retry").dispatchEvent("click"); // hidden when the page has reconnected already
    for (const page of [stayed, came]) {
      await is(page, "connected");
      await has(page, keepsRuns ? "lost" : "gone");
      expect([await textOf(page, ".badge"), await textOf(page, ".outcome")]).toEqual(
        keepsRuns
          ? ["Lost", "The process that ran it is gone: it was killed, or it crashed."]
          : ["Ended with its server", "The server that worked on it is gone, and how it ended is not known."],
      );
    }
    await shoot(stayed, "9-server-restarted");
    await shoot(came, "10-server-restarted-later");
    await start(stayed, small);
    await has(stayed, "completed");
    second.kill("SIGTERM");
    await is(stayed, "waiting");
    expect(await textOf(stayed, "#banner-text")).toMatch(/^The server was stopped\./);
    expect(await textOf(stayed, "#state")).toBe("Server stopped");
    expect(await second.exit).toMatchObject({ code: 0, signal: null });
  });

  test.runIf(keepsRuns)("lists the runs of an earlier server, the newest first", async () => {
    const database = join(mkdtempSync(join(temporary, "database-")), "demo.db");
    const first = await demoServer({ database });
    opened.push(() => first.destroy());
    const context = await user();
    const before = await tab(context, first.url);
    await start(before, small);
    await has(before, "completed");
    const outcome = await textOf(before, ".outcome");
    await start(before, slow);
    await has(before, "working");
    first.kill("SIGTERM");
    await has(before, "cancelled");
    await before.close();
    expect(await first.exit).toMatchObject({ code: 0, signal: null });
    const second = await demoServer({ database });
    opened.push(() => second.destroy());
    const page = await tab(context, second.url);
    await has(page, "completed");
    await has(page, "cancelled");
    expect(await page.locator(".badge").allTextContents()).toEqual(["Cancelled", "Completed"]);
    expect(await page.locator(".path").allTextContents()).toEqual([slow, small]);
    expect(await page.locator(".outcome").allTextContents()).toEqual([
      "The server was stopped while it worked.",
      outcome,
    ]);
    expect(await page.getByRole("button", { name: "Cancel" }).count()).toBe(0);
    await shoot(page, "17-runs-of-an-earlier-server");
  });

  test("shows that it is busy without marking the folder as wrong, and the other way round", async () => {
    const page = await tab(await user());
    const isInvalid = () => page.locator("#folder").getAttribute("aria-invalid");
    const colourOf = () => page.evaluate("getComputedStyle(document.getElementById('problem')).color");
    // The app's response to a ninth run. Eight real runs would slow down other tests.
    const problem = "8 runs are working already. Wait for one to end, or cancel one.";
    await page.route("**/runs", (route) => route.fulfill({ status: 429, json: { problem } }));
    await start(page, small);
    await page.locator("#problem:not(:empty)").waitFor();
    expect(await textOf(page, "#problem")).toBe(problem);
    expect(await isInvalid()).toBe("false");
    const busy = await colourOf();
    await shoot(page, "14-busy");
    await page.unroute("**/runs");
    await start(page, "no/such");
    await expect.poll(() => textOf(page, "#problem")).toBe("There is no folder “no/such”.");
    expect(await isInvalid()).toBe("true");
    expect(await colourOf()).not.toBe(busy);
    await shoot(page, "15-no-such-folder");
  });

  test("shows the run of this project's own folder, its default, also after a reload", async () => {
    const page = await tab(await user());
    await expect.poll(() => page.getByLabel("Folder", { exact: true }).inputValue()).toBe(root);
    await page.getByRole("button", { name: "Start" }).click();
    await has(page, "working");
    // The run takes two seconds to get so far: the time that a person needs to see it and to reload.
    const done = async () => Number.parseInt((await textOf(page, ".figures"))?.replaceAll(",", "") ?? "", 10);
    await expect.poll(done, { timeout: 20_000 }).toBeGreaterThanOrEqual(800);
    await page.reload();
    await has(page, "working");
    await shoot(page, "16-own-folder-reloaded");
    await cancel(page);
    await has(page, "cancelled");
  });

  test("shows in one tab what another one starts and cancels", async () => {
    const context = await user();
    const [one, other] = [await tab(context), await tab(context)];
    await startSlow(one);
    await reaches(other, 5);
    await cancel(other);
    for (const page of [one, other]) {
      await has(page, "cancelled");
      expect(await textOf(page, ".outcome")).toBe("You pressed Cancel, in this tab or another.");
      expect(await page.getByRole("button", { name: "Cancel" }).isVisible()).toBe(false);
    }
    expect(await offsets(one)).toEqual(await offsets(other));
    await shoot(one, "11-cancelled-in-another-tab");
  });

  test("shows no user the runs of another one, and lets none follow or cancel them", async () => {
    const phone = { viewport: { width: 390, height: 720 }, colorScheme: "dark" } as const;
    const [ann, bob] = [await tab(await user()), await tab(await user(phone))];
    await startSlow(ann);
    const [id] = (await ann.evaluate(
      "JSON.parse(localStorage.getItem('working')).map(({ id }) => id)",
    )) as string[];
    await start(bob, small);
    await has(bob, "completed");
    await bob.reload();
    await has(bob, "completed");
    expect(await bob.locator("article").count()).toBe(1);
    expect(await ann.locator("article").count()).toBe(1);
    // Anything that a user who has the id could do.
    const tried = await bob.evaluate(`(async () => {
      const { connect } = await import("tocsin/client");
      const client = connect("/notifications");
      const run = client.run(${JSON.stringify(id)});
      const codeOf = ({ code }) => code;
      const result = await run.result().catch(codeOf);
      const followed = await run[Symbol.asyncIterator]().next().catch(codeOf);
      const cancelled = await run.cancel();
      await client.close();
      return { result, followed, cancelled };
    })()`);
    expect(tried).toEqual({ result: 103, followed: 103, cancelled: "unknown" });
    await has(ann, "working");
    await shoot(ann, "12-one-user");
    await shoot(bob, "13-another-user");
    await cancel(ann);
    await has(ann, "cancelled");
  });
}
