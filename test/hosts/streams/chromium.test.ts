import { existsSync } from "node:fs";
import { HTTPException } from "hono/http-exception";
import type { Browser, Page, Request } from "playwright-core";
import { memoryLog, type Refused } from "tocsin";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { executablePath, launch } from "../../support/chromium.ts";
import { page as pageOf } from "../../support/pages.ts";
import { type Site, site } from "../../support/server.ts";
import { range } from "../../support/wire.ts";

if (existsSync(executablePath)) describe("an EventSource in Chromium", inChromium);
else test.skip(`an EventSource in Chromium: there is no ${executablePath}, and CHROMIUM names no other`);

const open = { authorize: () => true };

interface Seen {
  /** The publications, each with the id of its event. */
  got: { id: string; data: unknown; offset: number }[];
  /** The other events: their type and data. */
  others: [string, unknown][];
  /** How often the stream was opened, and `readyState` at each error. */
  opens: number;
  errors: number[];
}

type Following = typeof globalThis & { seen: Seen; source: { readyState: number } };

/** The requests of a page for events, in order. */
interface Tab {
  readonly page: Page;
  readonly requests: Request[];
  readonly seen: () => Promise<Seen>;
  /** Waits until the page has seen so many publications. */
  readonly got: (count: number) => Promise<Seen>;
  /** Waits until the `EventSource` has given up, or was closed. */
  readonly over: () => Promise<Seen>;
}

/** Returns the page's script of the documentation, for a run of the tests' servers. */
function exampleFor(run: string): string {
  const [, script = ""] =
    /```js\n([^`]*new EventSource(?:[^`]|`(?!``))*)```/.exec(pageOf("docs/streams.md").text) ?? [];
  const example = script.replace("/notifications/events?run=42", `/events?user=ann&run=${run}`);
  expect(example).toContain(run);
  return example;
}

function inChromium(): void {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  /** Opens a page of an address, which follows events. Its `EventSource` comes back after half a second. */
  async function follow(
    from: string,
    url: string,
    { closes = false, withCredentials = false } = {},
  ): Promise<Tab> {
    const random = vi.spyOn(systemClock, "random").mockReturnValue(0);
    const page = await browser.newPage();
    onTestFinished(async () => {
      random.mockRestore();
      await page.close();
    });
    const requests: Request[] = [];
    page.on("request", (request) => request.resourceType() === "eventsource" && requests.push(request));
    // Any page of the server will do.
    await page.goto(new URL("/none", from).href);
    await page.evaluate(
      ([url, closes, withCredentials]) => {
        const here = globalThis as unknown as Record<string, unknown> & typeof globalThis;
        const seen: Seen = { got: [], others: [], opens: 0, errors: [] };
        const source = new EventSource(url, { withCredentials });
        Object.assign(here, { seen, source });
        source.onopen = () => void seen.opens++;
        source.onerror = () => void seen.errors.push(source.readyState);
        source.onmessage = ({ data, lastEventId }) => {
          seen.got.push({ id: lastEventId, ...JSON.parse(data) });
        };
        for (const type of ["gap", "end", "close"])
          source.addEventListener(type, (event) => {
            seen.others.push([type, JSON.parse((event as MessageEvent).data)]);
            if (closes && type === "end") source.close();
          });
      },
      [url, closes, withCredentials] as const,
    );
    const seen = (): Promise<Seen> => page.evaluate(() => (globalThis as Following).seen);
    return {
      page,
      requests,
      seen,
      async got(count) {
        await page.waitForFunction((count) => (globalThis as Following).seen.got.length >= count, count);
        return seen();
      },
      async over() {
        await page.waitForFunction(() => (globalThis as Following).source.readyState === 2);
        return seen();
      },
    };
  }

  const originOf = (here: Site): string => new URL(here.streams("events").endpoint).origin;
  const urlOf = (here: Site, query: string): string => `${here.streams("events", "ann").endpoint}&${query}`;
  const lastIdsOf = ({ requests }: Tab): Promise<(string | null)[]> =>
    Promise.all(requests.map((request) => request.headerValue("last-event-id")));

  /** Starts a run of so many events, which waits for `go` behind each hundredth. */
  function longRun({ notifier }: Site, count: number) {
    let go = (): void => {};
    const run = notifier.run(async function* () {
      for (const n of range(1, count)) {
        yield { type: "output", content: String(n) } as never;
        if (n % 100 === 0) await new Promise<void>((resolve) => (go = resolve));
      }
    });
    return { run, go: () => go() };
  }

  test.for([
    ["cut", true],
    ["cut", false],
    ["ended by the server", true],
  ] as const)(
    "follows a run from its start over five streams that are %s, and stays away at its end (closing itself: %s)",
    async ([how, closes]) => {
      const here = await site(open);
      const { run, go } = longRun(here, 600);
      const tab = await follow(originOf(here), urlOf(here, `run=${run.id}`), { closes });
      for (const n of range(1, 5)) {
        await tab.got(100 * n + 1);
        if (how === "cut") here.cut();
        else await here.notifier.disconnect({ user: "ann" }, 3011);
        go();
      }
      await tab.got(601);
      go();
      const { got, others, opens, errors } = await tab.over();
      expect(got.map(({ offset }) => offset)).toEqual(range(1, 602));
      expect(got.map(({ id }) => Number.parseInt(id, 10))).toEqual(range(1, 602));
      expect(others.filter(([type]) => type !== "close")).toEqual([["end", { runs: [run.id] }]]);
      expect(others.length).toBe(how === "cut" ? 1 : 6);
      expect(opens).toBe(6);
      // 0 says that it is about to come back.
      expect(errors).toEqual(closes ? Array(5).fill(0) : [...Array(6).fill(0), 2]);
      const lastIds = await lastIdsOf(tab);
      expect(lastIds.length).toBe(closes ? 6 : 7);
      expect(lastIds.map((id) => id && Number.parseInt(id, 10)).slice(0, 6)).toEqual([
        ...[null, 101, 201, 301, 401, 501],
      ]);
      const last = await tab.requests.at(-1)?.response();
      expect(last?.status()).toBe(closes ? 200 : 204);
      await expect.poll(() => here.notifier.stats().sessions).toBe(0);
    },
  );

  test("of the documentation goes on after a cut and after a server that was replaced, and ends with its run", async () => {
    let isReplaced = false;
    const identity = () => {
      if (isReplaced) throw new HTTPException(503);
      return {};
    };
    const here = await site({ ...open, identity });
    const { run, go } = longRun(here, 300);
    vi.spyOn(systemClock, "random").mockReturnValue(0);
    const page = await browser.newPage();
    onTestFinished(async () => {
      vi.restoreAllMocks();
      await page.close();
    });
    await page.clock.install();
    await page.goto(new URL("/none", originOf(here)).href);
    const script = exampleFor(run.id);
    await page.evaluate((script) => {
      const seen: unknown[] = [];
      Object.assign(globalThis, { seen });
      console.log = (each) => void seen.push(each);
      // biome-ignore lint/security/noGlobalEval: the example runs as it is written
      globalThis.eval(script);
    }, script);
    const got = async (count: number) => {
      await page.waitForFunction(
        (count) => (globalThis as never as { seen: [] }).seen.length >= count,
        count,
      );
      return page.evaluate(() => (globalThis as never as { seen: { offset: number }[] }).seen);
    };
    const answered = (status: number) => page.waitForResponse((response) => response.status() === status);
    await got(101);
    here.cut();
    go();
    await got(201);
    isReplaced = true;
    const refused = answered(503);
    here.cut();
    go();
    await refused;
    isReplaced = false;
    const back = answered(200);
    await page.clock.runFor(5_000);
    await back;
    await got(301);
    go();
    expect((await got(302)).map(({ offset }) => offset)).toEqual(range(1, 302));
    await expect.poll(() => here.notifier.stats().sessions).toBe(0);
  });

  test("is told what is lost when the log was trimmed while it was away", async () => {
    const here = await site({ ...open, log: memoryLog({ size: 5, slack: 0 }) });
    const tab = await follow(originOf(here), urlOf(here, "channel=news&after=0"));
    for (const n of range(1, 3)) await here.notifier.publish("news", n);
    const [first] = (await tab.got(3)).got;
    const release = here.hold();
    here.cut();
    for (const n of range(4, 20)) await here.notifier.publish("news", n);
    release();
    await tab.got(8);
    await here.notifier.publish("news", 21);
    const { got, others } = await tab.got(9);
    const epoch = first?.id.split(":")[1];
    const [after, earliest] = [3, 15].map((offset) => ({ offset, epoch }));
    expect(others).toEqual([["gap", { channel: "news", after, earliest, lost: 12 }]]);
    expect(got.map(({ data }) => data)).toEqual([1, 2, 3, ...range(16, 21)]);
  });

  test.for([
    ["is disconnected for good", { code: 3503, reason: "force disconnect" }],
    ["is unsubscribed", { channel: "news", code: 2000, reason: "server unsubscribed" }],
  ] as const)("whose user %s does not come back", async ([, why]) => {
    const here = await site(open);
    const tab = await follow(originOf(here), urlOf(here, "channel=news&after=0"));
    await here.notifier.publish("news", 1);
    await tab.got(1);
    if ("channel" in why) await here.notifier.unsubscribe("ann", "news");
    else await here.notifier.disconnect({ user: "ann" });
    const { others, errors, opens } = await tab.over();
    expect([others, errors, opens]).toEqual([[["close", why]], [0, 2], 1]);
    expect((await tab.requests.at(-1)?.response())?.status()).toBe(204);
    expect(here.notifier.totals().opened).toBe(1);
  });

  describe("of another origin", () => {
    /** Starts a server, and returns the origin of another one. */
    async function two(origins: "listed" | "default" | "others") {
      const other = originOf(await site(open));
      const refused: Refused[] = [];
      const here = await site({
        ...open,
        ...(origins !== "default" && { origins: origins === "listed" ? other : "https://app.example" }),
        onRefused: (each) => refused.push(each),
        identity: (c) => ({ user: /user=(\w+)/.exec(c.req.header("cookie") ?? "")?.[1] ?? "nobody" }),
      });
      return { here, other, refused };
    }

    test("sends cookies if its page asks for that, and reads the events, where that origin is listed", async () => {
      const { here, other, refused } = await two("listed");
      for (const withCredentials of [true, false]) {
        const tab = await follow(other, urlOf(here, "channel=news&after=0"), { withCredentials });
        await tab.page.context().addCookies([{ name: "user", value: "bob", url: originOf(here) }]);
        here.cut();
        await here.notifier.publish("news", 1);
        await tab.got(1);
        await expect
          .poll(async () => (await here.notifier.presence("news")).clients.map(({ user }) => user))
          .toEqual([withCredentials ? "bob" : "nobody"]);
        await tab.page.close();
        await expect.poll(() => here.notifier.stats().sessions).toBe(0);
      }
      expect(refused).toEqual([]);
    });

    test.for(["default", "others"] as const)(
      "gives up where that origin is not allowed, and the server knows why (origins: %s)",
      async (origins) => {
        const { here, other, refused } = await two(origins);
        const tab = await follow(other, urlOf(here, "channel=news"));
        const { opens, errors } = await tab.over();
        expect([opens, errors, tab.requests.length]).toEqual([0, [2], 1]);
        expect(refused).toEqual([
          {
            code: 403,
            path: "/events",
            origin: other,
            reason: expect.stringMatching(
              origins === "default" ? /list the page in origins$/ : /origins lists .*; add it there$/,
            ),
          },
        ]);
      },
    );
  });
}
