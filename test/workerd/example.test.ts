import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { CancelError, type Client, connect, RunError } from "../../src/client.ts";
import { root } from "../support/runtimes.ts";
import { type WorkerExample, workerExample } from "../support/worker-example.ts";

// The Worker of examples/worker, its object and its page, as `npm run worker` runs them.

const temporary = mkdtempSync(join(tmpdir(), "tocsin-worker-"));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

const beginning = { offset: 0, epoch: "" };
const ann = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const bob = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
const cookie = (user: string) => ({ Cookie: `user=${user}` });

/** Connects as a tab of a user does. */
function tab(url: string, user = ann): Client {
  class OfUser extends WebSocket {
    constructor(to: string) {
      super(to, { headers: cookie(user) });
    }
  }
  const client = connect(`${url}/notifications`, { WebSocket: OfUser });
  onTestFinished(() => client.close());
  return client;
}

function post(url: string, body: unknown, user = ann): Promise<Response> {
  const headers = { "Content-Type": "application/json", ...cookie(user) };
  return fetch(`${url}/runs`, { method: "POST", headers, body: JSON.stringify(body) });
}

async function begin(url: string, text: string, rounds: number, user = ann): Promise<string> {
  const response = await post(url, { text, rounds }, user);
  expect(response.status).toBe(202);
  return ((await response.json()) as { run: string }).run;
}

/** Reads a run to its end. `look` is called with every event before the next one is read. */
async function read(client: Client, id: string, look = async (_: number): Promise<void> => {}) {
  const events: { offset: number; data: unknown }[] = [];
  const reading = client.run(id, { after: beginning })[Symbol.asyncIterator]();
  for (let step = await reading.next(); ; step = await reading.next()) {
    if (step.done) return { events, result: step.value };
    events.push({ offset: step.value.offset, data: step.value.data });
    await look(events.length);
  }
}

/** Reads what a user's channel announces, up to a number of events. */
async function announced(client: Client, count: number): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const { data } of client.follow("runs", { after: beginning })) {
    if (events.push(data) === count) break;
  }
  return events;
}

function stretched(text: string, rounds: number): string {
  let hash: Uint8Array = new TextEncoder().encode(text);
  for (let done = 0; done < rounds; done++) hash = createHash("sha256").update(hash).digest();
  return Buffer.from(hash).toString("hex");
}

describe("the Worker of the example, in workerd", () => {
  let site: WorkerExample;
  beforeAll(async () => {
    site = await workerExample(join(temporary, "shared"));
  });
  afterAll(async () => {
    expect(await site.end()).toEqual({ code: 0, signal: null });
  });

  test("serves the page and its script, and gives every browser a user of its own", async () => {
    const responses = await Promise.all([fetch(site.url), fetch(site.url)]);
    const users = responses.map(
      ({ headers }) => /^user=([\da-f-]{36});/.exec(headers.get("set-cookie") ?? "")?.[1],
    );
    expect(new Set(users).size).toBe(2);
    expect(users).not.toContain(undefined);
    expect(await responses[0].text()).toBe(readFileSync(join(root, "examples/worker/page.html"), "utf8"));
    const script = await fetch(`${site.url}/page.js`);
    expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(await script.text()).toContain("/notifications");
  });

  test("runs a task in the object of its user, whose events arrive in order", async () => {
    const client = tab(site.url);
    const id = await begin(site.url, "correct horse", 220);
    const { events, result } = await read(client, id);
    expect(events).toEqual([
      { offset: 1, data: { type: "run.started", run: id, name: "correct horse" } },
      ...[50, 100, 150, 200].map((done, index) => ({
        offset: index + 2,
        data: { type: "progress", progress: done / 220, done, total: 220 },
      })),
    ]);
    expect(result).toEqual({ digest: stretched("correct horse", 220), rounds: 220 });
    expect(await announced(client, 2)).toEqual([
      { type: "run.started", run: id, name: "correct horse" },
      { type: "run.completed", run: id, result },
    ]);
  });

  test("cancels a run for one tab, and the other one is told", async () => {
    const user = "cccccccc-cccc-4ccc-8ccc-cccccccccccc";
    const [one, other] = [tab(site.url, user), tab(site.url, user)];
    const id = await begin(site.url, "long", 100_000, user);
    const reading = read(one, id, async (count) => {
      if (count === 3) expect(await other.run(id).cancel("Enough")).toBe("requested");
    });
    await expect(reading).rejects.toEqual(new CancelError("client", "Enough"));
    expect(await announced(other, 2)).toEqual([
      { type: "run.started", run: id, name: "long" },
      { type: "run.cancelled", run: id, by: "client", reason: "Enough" },
    ]);
    expect(await one.run(id).cancel()).toBe("finished");
  });

  test("lets no other user see, follow or cancel a run", async () => {
    const stranger = tab(site.url, bob);
    const id = await begin(site.url, "secret", 50);
    await expect(stranger.run(id).result()).rejects.toMatchObject({ name: "ReplyError", code: 103 });
    expect(await stranger.run(id).cancel()).toBe("unknown");
    const own = await begin(site.url, "own", 50, bob);
    expect(await announced(stranger, 2)).toMatchObject([{ run: own }, { run: own }]);
  });

  test("refuses who has no cookie, and a page of another host", async () => {
    const [runs, notifications] = [`${site.url}/runs`, `${site.url}/notifications`];
    expect((await fetch(runs, { method: "POST", body: "{}" })).status).toBe(401);
    const refusal = (headers: Record<string, string>): Promise<string> =>
      new Promise((resolve) => {
        new WebSocket(notifications, { headers }).once("error", ({ message }) => resolve(message));
      });
    expect(await refusal({})).toBe("Unexpected server response: 401");
    expect(await refusal({ ...cookie(ann), Origin: "http://example.com" })).toBe(
      "Unexpected server response: 403",
    );
  });

  test.each([
    [{ text: "", rounds: 1 }, "Enter a text of 1 to 200 characters."],
    [{ text: "x".repeat(201), rounds: 1 }, "Enter a text of 1 to 200 characters."],
    [{ text: "x", rounds: 0 }, "Enter a number of rounds from 1 to 100 000."],
    [{ text: "x", rounds: 100_001 }, "Enter a number of rounds from 1 to 100 000."],
    [{ text: "x", rounds: 1.5 }, "Enter a number of rounds from 1 to 100 000."],
    [null, "Enter a text of 1 to 200 characters."],
  ])("says what is wrong with %j", async (body, problem) => {
    const response = await post(site.url, body);
    expect([response.status, await response.json()]).toEqual([400, { problem }]);
  });

  test("refuses a fifth run of a user at the same time", async () => {
    const user = "dddddddd-dddd-4ddd-8ddd-dddddddddddd";
    const ids = [];
    for (let run = 1; run <= 4; run++) ids.push(await begin(site.url, `run ${run}`, 100_000, user));
    expect((await post(site.url, { text: "fifth", rounds: 1 }, user)).status).toBe(429);
    const client = tab(site.url, user);
    for (const id of ids) expect(await client.run(id).cancel()).toBe("requested");
    expect(await announced(client, 8)).toHaveLength(8);
    expect((await post(site.url, { text: "fifth", rounds: 1 }, user)).status).toBe(202);
  });
});

test("the example has its runs when it starts again; one that was cut off is lost", {
  timeout: 60_000,
}, async () => {
  const folder = join(temporary, "restarted");
  const first = await workerExample(folder);
  onTestFinished(() => void first.end());
  const before = tab(first.url);
  const done = await begin(first.url, "done", 100);
  const { result } = await read(before, done);
  const cut = await begin(first.url, "cut", 100_000);
  await announced(before, 3);
  expect(await first.end()).toEqual({ code: 0, signal: null });
  await before.close();

  const second = await workerExample(folder);
  onTestFinished(() => void second.end());
  const after = tab(second.url);
  expect(await after.run(done).result()).toEqual(result);
  await expect(after.run(cut).result()).rejects.toBeInstanceOf(RunError);
  expect((await announced(after, 4)).at(-1)).toMatchObject({ type: "run.failed", run: cut, reason: "lost" });
  expect(await second.end()).toEqual({ code: 0, signal: null });
});
