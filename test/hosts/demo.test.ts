import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { UpgradeWebSocket } from "hono/ws";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../examples/fingerprint/app.ts";
import {
  type Fingerprint,
  type FingerprintOptions,
  fingerprint,
} from "../../examples/fingerprint/fingerprint.ts";
import type { RunEvent } from "../../src/run.ts";
import {
  contentsOf,
  contrast,
  type PagePublication,
  page,
  palettes,
  type Watcher,
  watch,
} from "../support/demo-page.ts";
import {
  buildPackage,
  type DemoOptions,
  type DemoServer,
  demoServer,
  keepsRuns,
} from "../support/demo-server.ts";
import { runtime } from "../support/runtime.ts";
import { root } from "../support/runtimes.ts";
import { tcp, upgrade } from "../support/tcp.ts";

beforeAll(buildPackage);

const temporary = mkdtempSync(join(tmpdir(), "tocsin-demo-"));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

/** About 300 small files: some empty, some with names whose order differs between characters and bytes. */
const tree = join(temporary, "tree");
for (let folder = 0; folder < 15; folder++) {
  const path = join(tree, folder % 3 === 0 ? `folder ${folder}` : `a/b/${folder}`);
  mkdirSync(path, { recursive: true });
  for (let file = 0; file < 20; file++)
    writeFileSync(join(path, `${file}.txt`), "x".repeat(folder * file * 97));
}
for (const name of ["\u{1F514}", "\uFF5E", "é", "-", "a.txt"]) writeFileSync(join(tree, name), name);
const fileCount = 305;

/** A file that takes minutes to hash and no room on the disk, after a few that take no time. */
const slow = join(temporary, "slow");
mkdirSync(slow);
for (let file = 0; file < 10; file++) writeFileSync(join(slow, `${file}.txt`), String(file));
writeFileSync(join(slow, "last"), "");
truncateSync(join(slow, "last"), 2 ** 36);

/** Returns the files of a folder. `readdir` with `recursive` is not used, because on Bun it follows links. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesOf(path);
    return entry.isFile() ? [path] : [];
  });
}

/** Returns the digest of a folder, computed in another way. */
function digestOf(folder: string): string {
  const hash = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
  const paths = filesOf(folder).map((path) => Buffer.from(path.slice(folder.length + 1)));
  const lines = paths
    .sort(Buffer.compare)
    .map((path) => `${path}\0${hash(readFileSync(join(folder, path.toString())))}\n`);
  return hash(lines.join(""));
}

/** Returns the size of a folder's files. */
function bytesOf(folder: string): number {
  return filesOf(folder).reduce((sum, path) => sum + statSync(path).size, 0);
}

const ann = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const bob = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
const cookie = (user: string) => ({ Cookie: `user=${user}` });

/** Cleanups that run after each test. */
const opened: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.destroy();
});

describe("a fingerprint", () => {
  interface Taken {
    events: RunEvent[];
    result?: Fingerprint;
    thrown?: unknown;
  }

  /** Runs a fingerprint to its end. `look` is called with every event before the task goes on. */
  async function take(
    folder: string,
    {
      signal = new AbortController().signal,
      now = () => 0,
      look = (_: RunEvent): void => {},
      ...pace
    }: Partial<FingerprintOptions> & { look?: (event: RunEvent) => void } = {},
  ): Promise<Taken> {
    const events: RunEvent[] = [];
    const task = fingerprint(folder, { signal, now, ...pace });
    try {
      for (let step = await task.next(); ; step = await task.next()) {
        if (step.done) return { events, result: step.value };
        events.push(step.value);
        look(step.value);
      }
    } catch (thrown) {
      return { events, thrown };
    }
  }

  test("is the hash of the sorted paths and hashes", async () => {
    const { result } = await take(tree);
    const digest = digestOf(tree);
    expect(result).toEqual({
      digest,
      files: fileCount,
      bytes: bytesOf(tree),
      unreadable: 0,
      skipped: 0,
      seconds: 0,
    });
  });

  test("reports nothing twice while its clock stands still, and reports the last state all the same", async () => {
    const { events } = await take(tree);
    expect(events.map(({ type, done, total }) => ({ type, done, total }))).toEqual([
      { type: "listing", done: undefined, total: undefined },
      { type: "progress", done: 0, total: fileCount },
      { type: "progress", done: fileCount, total: fileCount },
    ]);
  });

  test("reports its state every tenth of a second", async () => {
    let time = 0;
    const times: number[] = [];
    const { events } = await take(tree, { now: () => (time += 3), look: () => times.push(time) });
    const progress = events.filter(({ type }) => type === "progress");
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    // The end of the listing and the end of the task are reported at once.
    const free = [events.findIndex(({ type }) => type === "progress") - 1, gaps.length - 1];
    const held = gaps.filter((_, index) => !free.includes(index));
    expect(Math.min(...held)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...held)).toBeLessThan(100 + 9);
    expect(progress.at(-1)).toMatchObject({ progress: 1, done: fileCount, bytes: bytesOf(tree) });
    const dones = progress.map(({ done }) => Number(done));
    expect(dones).toEqual([...dones].sort((one, other) => one - other));
  });

  test("reports rates", async () => {
    let time = 0;
    const { events } = await take(tree, {
      now: () => time,
      look: ({ type }) => {
        if (type === "progress") time = 500;
      },
    });
    const rates = { filesPerSecond: fileCount * 2, bytesPerSecond: bytesOf(tree) * 2 };
    expect(events.at(-1)).toMatchObject(rates);
  });

  test("stops in the middle of a file, with the reason of its signal and the last state", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    let time = 0;
    const look = ({ bytes }: RunEvent): void => {
      if (Number(bytes) > 1e6) controller.abort(reason);
    };
    const { events, thrown } = await take(slow, { signal: controller.signal, now: () => (time += 10), look });
    expect(thrown).toBe(reason);
    expect(events.at(-1)).toMatchObject({ type: "progress", done: 10, total: 11, file: "last" });
    expect(Number(events.at(-1)?.bytes)).toBeLessThan(2e6);
  });

  test("keeps a pace, and reports its state meanwhile", async () => {
    let time = 0;
    const waits: number[] = [];
    const wait = async (milliseconds: number): Promise<void> => {
      waits.push(milliseconds);
      time += milliseconds;
    };
    const { events, result } = await take(tree, { now: () => time, filesPerSecond: 50, wait });
    expect(waits.map(Math.round)).toEqual(Array(fileCount).fill(20));
    expect(result).toMatchObject({ digest: digestOf(tree), seconds: (fileCount * 20) / 1000 });
    // One at the start, one every tenth of a second (every fifth file), and one at the end.
    expect(events.filter(({ type }) => type === "progress").length).toBe(1 + 60 + 1);
  });

  test("stops at once while it keeps its pace, with the reason of its signal", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const look = ({ done }: RunEvent): void => {
      if (done === 0) setTimeout(() => controller.abort(reason), 1);
    };
    const slowly = { signal: controller.signal, filesPerSecond: 0.001, look };
    expect((await take(tree, slowly)).thrown).toBe(reason);
  });

  test("does not begin when its signal has aborted", async () => {
    const reason = new Error("never mind");
    expect(await take(tree, { signal: AbortSignal.abort(reason) })).toEqual({
      events: [{ type: "listing", files: 0, file: "" }],
      thrown: reason,
    });
  });

  test("counts and names what it cannot read, and goes on", async () => {
    const folder = join(temporary, "vanishing");
    mkdirSync(folder);
    for (const name of ["a", "b", "c"]) writeFileSync(join(folder, name), name);
    const look = ({ type, done }: RunEvent): void => {
      if (type === "progress" && done === 0) rmSync(join(folder, "b"));
    };
    const { events, result } = await take(folder, { look });
    expect(events.filter(({ type }) => type === "output")).toEqual([
      { type: "output", output: { path: "b", error: "ENOENT" } },
    ]);
    expect(events.at(-1)).toMatchObject({ done: 3, total: 3, unreadable: 1 });
    expect(result).toMatchObject({ digest: digestOf(folder), files: 2, bytes: 2, unreadable: 1 });
  });

  test("does not follow links, not even one that replaces a file", async () => {
    const folder = join(temporary, "links");
    mkdirSync(folder);
    writeFileSync(join(folder, "file"), "file");
    writeFileSync(join(folder, "swapped"), "swapped");
    symlinkSync(tree, join(folder, "to-folder"));
    symlinkSync(join(folder, "file"), join(folder, "to-file"));
    const look = ({ type, done }: RunEvent): void => {
      if (type !== "progress" || done !== 0) return;
      rmSync(join(folder, "swapped"));
      symlinkSync(join(folder, "file"), join(folder, "swapped"));
    };
    const { result } = await take(folder, { look });
    expect(result).toMatchObject({ digest: digestOf(folder), files: 1, unreadable: 1, skipped: 2 });
  });

  test("of an empty folder is that of no lines", async () => {
    const folder = join(temporary, "empty");
    mkdirSync(folder);
    const { events, result } = await take(folder);
    expect(events.at(-1)).toMatchObject({ type: "progress", progress: 1, done: 0, total: 0 });
    expect(result).toMatchObject({ digest: createHash("sha256").digest("hex"), files: 0, bytes: 0 });
  });

  test("of a missing folder fails, with its name", async () => {
    const { thrown } = await take(join(temporary, "gone"));
    expect((thrown as Error).message).toBe(`Cannot list ${JSON.stringify(join(temporary, "gone"))}: ENOENT`);
  });
});

describe("the app", () => {
  const host = { Host: "localhost:3000", ...cookie(ann) };
  const json = { ...host, "Content-Type": "application/json" };
  const upgradeWebSocket = (() => (_: unknown, next: () => unknown) => next()) as unknown as UpgradeWebSocket;

  async function site() {
    const made = await createApp({ upgradeWebSocket, folder: temporary });
    opened.push({ destroy: () => void made.notifier.close() });
    const post = (body: string, headers: Record<string, string> = json) =>
      made.app.request("/runs", { method: "POST", headers, body });
    return { ...made, post };
  }

  test("serves the page under a policy that only allows its own scripts and modules", async () => {
    const { app } = await site();
    const response = await app.request("/", { headers: host });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=UTF-8");
    const html = await response.text();
    const hashed = (tag: "script" | "style") =>
      contentsOf(html, tag)
        .map((text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
        .join(" ");
    expect(contentsOf(html, "script").length).toBe(2);
    expect(response.headers.get("content-security-policy")).toBe(
      `default-src 'none'; script-src 'self' ${hashed("script")}; style-src ${hashed("style")}; connect-src 'self'; ` +
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });

  test("serves the client and its imports, as they are in the package, and nothing else", async () => {
    const { app } = await site();
    const served: string[] = [];
    const wanted = ["client.js"];
    for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
      if (served.includes(name)) continue;
      served.push(name);
      const response = await app.request(`/client/${name}`, { headers: host });
      expect([response.status, response.headers.get("content-type")]).toEqual([
        200,
        "text/javascript; charset=utf-8",
      ]);
      const code = await response.text();
      expect(code).toBe(readFileSync(join(root, "dist", name), "utf8"));
      const imported = code.matchAll(/^(?:im|ex)port .*"(\.\.?\/.*)";$/gm);
      wanted.push(...Array.from(imported, ([, file = ""]) => join(dirname(name), file)));
    }
    expect(served).toContain("client/link.js");
    for (const name of ["mod.js", "client.d.ts", "..%2Fpackage.json", "%2Fetc%2Fpasswd", ""]) {
      expect((await app.request(`/client/${name}`, { headers: host })).status).toBe(404);
    }
  });

  test("makes every browser a user, and recognises it later", async () => {
    const { app } = await site();
    const open = async (headers: Record<string, string>) => {
      const response = await app.request("/", { headers });
      return /^user=([^;]+); Max-Age=31536000; Path=\/; HttpOnly; SameSite=Strict$/.exec(
        response.headers.get("set-cookie") ?? "",
      )?.[1];
    };
    const { Host } = host;
    const [one, other] = [await open({ Host }), await open({ Host })];
    expect(one).toMatch(/^[\da-f-]{36}$/);
    expect(other).not.toBe(one);
    expect(await open({ Host, Cookie: `user=${one}` })).toBe(one);
    expect(await open({ Host, Cookie: "user=ann" })).not.toBe("ann");
  });

  test.each([{}, { Cookie: "user=ann" }, { Cookie: `other=${ann}` }])(
    "does nothing for %j",
    async (headers) => {
      const { app, notifier } = await site();
      const { Host } = host;
      const body = JSON.stringify({ folder: "tree" });
      const init = {
        method: "POST",
        headers: { Host, "Content-Type": "application/json", ...headers },
        body,
      };
      expect((await app.request("/runs", init)).status).toBe(401);
      expect((await app.request("/user", { headers: { Host, ...headers } })).status).toBe(401);
      expect(notifier.runs.list()).toEqual([]);
    },
  );

  test("announces a run on the channel of its user only, which it tells nobody else", async () => {
    const { app, post, notifier } = await site();
    const { run } = (await (await post(JSON.stringify({ folder: "tree" }))).json()) as { run: string };
    await notifier.runs.get(run)?.result();
    const tell = async (user: string) =>
      (await app.request("/user", { headers: { ...host, ...cookie(user) } })).json();
    expect(await tell(ann)).toEqual({ folder: temporary, channel: `user:${ann}` });
    expect(await tell(bob)).toEqual({ folder: temporary, channel: `user:${bob}` });
    const { publications } = await notifier.history(`user:${ann}`);
    expect(publications.map(({ data }) => (data as { run: string }).run)).toEqual([run, run]);
    expect((await notifier.history(`user:${bob}`)).publications).toEqual([]);
  });

  test("has a page that loads nothing from other hosts, and makes no markup from text", () => {
    expect(page.match(/<(link|script|img|iframe)\b[^>]*(src|href)="(?!data:)[^"]*"/g)).toBeNull();
    expect(page.match(/ (style|on\w+)="/g)).toBeNull();
    expect(page.match(/innerHTML|outerHTML|insertAdjacentHTML|document\.write/g)).toBeNull();
  });

  test.each(Object.entries(palettes))("has words that can be read in %s colours", (_, colours) => {
    /** Each text colour with the backgrounds that it appears on. */
    const pairs = {
      ink: ["ground", "card", "warn-ground", "track"],
      soft: ["ground", "card", "track"],
      "on-accent": ["accent"],
      accent: ["accent-ground"],
      good: ["good-ground"],
      bad: ["bad-ground", "card"],
      warn: ["warn-ground", "card", "ground"],
    };
    const low = Object.entries(pairs).flatMap(([ink, grounds]) =>
      grounds
        .map((ground) => ({ ink, ground, contrast: contrast(colours[ink] ?? "", colours[ground] ?? "") }))
        .filter((pair) => !(pair.contrast >= 4.5)),
    );
    expect(low).toEqual([]);
    const style = contentsOf(page, "style").join();
    const used = Array.from(style.matchAll(/[ {;]color: ([^;}]+)/g), ([, colour = ""]) => colour);
    const known = [...Object.keys(pairs).map((ink) => `var(--${ink})`), "inherit"];
    expect(used.filter((colour) => !known.includes(colour))).toEqual([]);
    // Any of these would make a text fainter than computed here.
    expect(style).not.toMatch(/opacity|rgba|color-mix|#[\da-f]{8}\b/);
  });

  test.each([
    ["", "Enter the path of a folder."],
    [" \t ", "Enter the path of a folder."],
    [42, "Enter the path of a folder."],
    [undefined, "Enter the path of a folder."],
    ["no/such", "There is no folder “no/such”."],
    ["~/no/such", "“~/no/such” is not understood: write out what ~ stands for."],
    ["tree/a.txt", "“tree/a.txt” is a file, not a folder."],
    ["tree/a.txt/b", "“tree/a.txt/b” leads through a file, not a folder."],
  ])("returns what is wrong with the folder %j", async (folder, problem) => {
    const { post, notifier } = await site();
    const response = await post(JSON.stringify({ folder }));
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ problem });
    expect(notifier.runs.list()).toEqual([]);
  });

  test("does not repeat a text that is too long for a path", async () => {
    const response = await (await site()).post(JSON.stringify({ folder: "x".repeat(5000) }));
    expect(await response.json()).toEqual({
      problem: `“${"x".repeat(100)}…” cannot be opened (ENAMETOOLONG).`,
    });
  });

  test.each(["", "{", "null", "[]", '"text"'])("takes the body %j for no folder", async (body) => {
    const response = await (await site()).post(body);
    expect([response.status, await response.json()]).toEqual([
      400,
      { problem: "Enter the path of a folder." },
    ]);
  });

  test("refuses a body without a path", async () => {
    expect((await (await site()).post(JSON.stringify({ folder: "x".repeat(20_000) }))).status).toBe(413);
  });

  test("starts a run, announces it, and returns its result", async () => {
    const { post, notifier } = await site();
    const response = await post(JSON.stringify({ folder: "tree" }));
    expect(response.status).toBe(202);
    const { run: id } = (await response.json()) as { run: string };
    expect(await notifier.runs.get(id)?.result()).toMatchObject({ digest: digestOf(tree), files: fileCount });
    const { publications } = await notifier.history(`user:${ann}`);
    expect(publications.map(({ data }) => data)).toEqual([
      { type: "run.started", run: id, name: tree },
      { type: "run.completed", run: id, result: expect.objectContaining({ digest: digestOf(tree) }) },
    ]);
    await notifier.close();
    expect(Object.values(notifier.stats()).every((count) => count === 0)).toBe(true);
    expect(notifier.inspect()).toEqual([]);
  });

  test("lets eight runs work at a time", async () => {
    const { post, notifier } = await site();
    const start = async () => (await post(JSON.stringify({ folder: slow }))).status;
    for (let run = 0; run < 8; run++) expect(await start()).toBe(202);
    const busy = await post(JSON.stringify({ folder: slow }));
    expect([busy.status, await busy.json()]).toEqual([
      429,
      { problem: "8 runs are working already. Wait for one to end, or cancel one." },
    ]);
    await notifier.runs.list()[0]?.cancel();
    expect(await start()).toBe(202);
    const { runs } = await notifier.close();
    expect([runs.cancelled.length, runs.abandoned.length]).toEqual([8, 0]);
    expect(await start()).toBe(503);
  });

  test.each([
    "https://example.com",
    "http://localhost:3001",
    "https://localhost:3000",
    "http://127.0.0.1:3000",
    "null",
    "",
  ])("refuses to start a run for a page of %j", async (origin) => {
    const { post, notifier } = await site();
    const types = ["application/json", "text/plain", "application/x-www-form-urlencoded"];
    for (const type of types) {
      const headers = { ...host, "Content-Type": type, Origin: origin };
      expect((await post(JSON.stringify({ folder: "tree" }), headers)).status).toBe(403);
    }
    expect(notifier.runs.list()).toEqual([]);
  });

  test("starts one for its own page", async () => {
    const { post } = await site();
    const own = { ...json, Origin: "http://localhost:3000" };
    expect((await post(JSON.stringify({ folder: "tree" }), own)).status).toBe(202);
  });

  test.each([
    ["127.0.0.1", 200],
    ["127.0.0.1:3000", 200],
    ["LOCALHOST:80", 200],
    ["example.com", 403],
    ["localhost.example.com", 403],
    ["127.0.0.1.example.com:3000", 403],
    ["localhost:3000:1", 403],
    ["", 403],
  ])("answers the host %j with %i", async (name, status) => {
    const { app } = await site();
    for (const path of ["/", "/user"]) {
      expect((await app.request(path, { headers: { ...host, Host: name } })).status).toBe(status);
    }
  });
});

describe(`the demo on ${runtime}`, () => {
  async function server(options?: DemoOptions): Promise<DemoServer> {
    const started = await demoServer(options);
    opened.push(started);
    return started;
  }

  function tab(url: string, user = ann): Watcher {
    const watcher = watch(url, user);
    opened.push({ destroy: () => void watcher.close() });
    return watcher;
  }

  function post(url: string, folder: string): Promise<Response> {
    const headers = { "Content-Type": "application/json", Origin: url, ...cookie(ann) };
    return fetch(`${url}/runs`, { method: "POST", headers, body: JSON.stringify({ folder }) });
  }

  async function start(url: string, folder: string): Promise<string> {
    const response = await post(url, folder);
    expect(response.status).toBe(202);
    return ((await response.json()) as { run: string }).run;
  }

  const announcements = `user:${ann}`;
  /** Returns the path of a database that does not exist yet, in a folder of its own. */
  const fresh = () => join(mkdtempSync(join(temporary, "database-")), "demo.db");
  const last = (publications: readonly PagePublication[]) => publications.at(-1)?.data;
  const offsets = (publications: readonly PagePublication[]) => publications.map(({ offset }) => offset);
  const from1 = (length: number) => Array.from({ length }, (_, index) => index + 1);

  test("does everything that the page can ask for, and ends by itself", async () => {
    const { url, kill, exit } = await server();
    const port = Number(new URL(url).port);

    // The page, and the requests that are refused.
    const response = await fetch(url);
    expect(response.headers.get("content-type")).toBe("text/html; charset=UTF-8");
    expect(await response.text()).toBe(page);
    const ask = async (request: string) => {
      const peer = tcp(port, request);
      opened.push(peer);
      const status = /^HTTP\/1.1 (\d+)/.exec(await peer.until(/\r\n\r\n/))?.[1];
      peer.destroy();
      return status;
    };
    expect(await ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")).toBe("403");
    const known = `Cookie: user=${ann}`;
    expect(await ask(upgrade("/notifications", ["Origin: http://example.com", known]))).toBe("403");
    expect(
      await ask(upgrade("/notifications", [known]).replace("Host: localhost", "Host: example.com")),
    ).toBe("403");
    expect(await ask(upgrade("/notifications", ["Origin: http://localhost"]))).toBe("401");
    expect(await ask(upgrade("/notifications", ["Origin: http://localhost", known]))).toBe("101");
    const foreign = { "Content-Type": "application/json", Origin: "http://example.com", ...cookie(ann) };
    const init = { method: "POST", headers: foreign, body: JSON.stringify({ folder: tree }) };
    expect((await fetch(`${url}/runs`, init)).status).toBe(403);
    expect(
      (
        await fetch(`${url}/runs`, {
          ...init,
          headers: { ...foreign, Origin: url },
          body: '{"folder":"/no"}',
        })
      ).status,
    ).toBe(400);

    // Runs that complete, over test files and over real ones.
    const hono = join(root, "node_modules/hono");
    const one = tab(url);
    one.follow(announcements);
    for (const folder of [tree, hono]) {
      const id = await start(url, folder);
      one.follow(`run:${id}`);
      await one.until(() => last(one.heard(`run:${id}`))?.type === "run.completed");
      const heard = one.heard(`run:${id}`);
      expect(offsets(heard)).toEqual(from1(heard.length));
      expect(last(heard)).toMatchObject({
        result: { digest: digestOf(folder), bytes: bytesOf(folder), unreadable: 0 },
      });
      expect(heard.map(({ data }) => data.type).filter((type) => type.startsWith("run."))).toEqual([
        "run.started",
        "run.completed",
      ]);
    }
    await one.until(() => one.heard(announcements).length === 4);

    // A run whose client reconnects, which two clients follow, and which one of them cancels.
    const id = await start(url, slow);
    const channel = `run:${id}`;
    await one.until(() => last(one.heard(announcements))?.run === id);
    one.follow(channel);
    await one.until(() => one.heard(channel).length >= 5);
    one.sockets.at(-1)?.close(4000);
    const before = one.heard(channel).length;
    await one.until(() => one.heard(channel).length >= before + 5);
    const [first, second] = one.begun(channel);
    expect(one.sockets.length).toBe(2);
    expect([first?.recovered, first?.offset, second?.recovered]).toEqual([true, 0, true]);
    expect(second?.offset).toBeGreaterThanOrEqual(5);
    const two = tab(url);
    two.follow(channel);
    await two.until(() => two.heard(channel).length > 0);
    const stranger = tab(url, bob);
    for (const name of [channel, announcements]) stranger.follow(name);
    await stranger.until(
      () => stranger.refused(channel).length + stranger.refused(announcements).length === 2,
    );
    expect([stranger.refused(channel), stranger.refused(announcements)]).toEqual([[103], [103]]);
    expect(await stranger.cancel(id)).toBe("unknown");
    expect(await two.cancel(id)).toBe("requested");
    for (const each of [one, two])
      await each.until(() => last(each.heard(channel))?.type === "run.cancelled");
    expect(last(one.heard(channel))).toEqual({ type: "run.cancelled", run: id, by: "client" });
    expect(offsets(one.heard(channel))).toEqual(from1(one.heard(channel).length));
    expect(two.heard(channel)).toEqual(one.heard(channel));
    expect(await two.cancel(id)).toBe("finished");

    kill("SIGINT");
    expect(await exit).toMatchObject({ code: 0, signal: null });
  });

  // The client waits longer and longer between its attempts to reconnect.
  test("ends its runs with an event when it is stopped, and its clients reconnect when it is back", {
    timeout: 60_000,
  }, async () => {
    const database = fresh();
    const { url, kill, exit } = await server({ database });
    const watcher = tab(url);
    const id = await start(url, slow);
    const channel = `run:${id}`;
    watcher.follow(channel);
    await watcher.until(() => last(watcher.heard(channel))?.file === "last");
    const began = performance.now();
    kill("SIGTERM");
    await watcher.until(() => watcher.statuses.some(({ status }) => status === "waiting"));
    expect(last(watcher.heard(channel))).toEqual({ type: "run.cancelled", run: id, by: "shutdown" });
    expect(watcher.heard(channel).at(-2)?.data).toMatchObject({ type: "progress", file: "last" });
    expect(offsets(watcher.heard(channel))).toEqual(from1(watcher.heard(channel).length));
    expect(watcher.statuses.find(({ status }) => status === "waiting")).toMatchObject({ code: 3001 });
    const { code, signal, output, at } = await exit;
    expect([code, signal]).toEqual([0, null]);
    expect(at - began).toBeLessThan(5_000);
    expect(output.replace(/in \d+ ms/, "in a moment")).toBe(
      `${
        keepsRuns
          ? `Runs are kept for 24 hours, also when this stops, in ${database}`
          : "Runs are kept in memory, and are gone when this stops: this Node has no SQLite, 22.13 has it"
      }\n` +
        `Fingerprints are taken at ${url} (Ctrl-C stops)\n` +
        "Stopped in a moment.\n" +
        `  Run ${id} of ${slow}: cancelled\n` +
        "  Connections: 1 closed with everything read, 0 cut\n",
    );
    const before = [...watcher.heard(channel)];
    await server({ port: Number(new URL(url).port), database });
    await watcher.until(() => watcher.statuses.at(-1)?.status === "connected");
    await watcher.until(() => watcher.begun(channel).length + watcher.refused(channel).length === 2);
    // Without a database the run is gone. With one, the client goes on where it was.
    expect(watcher.refused(channel)).toEqual(keepsRuns ? [] : [103]);
    expect(watcher.begun(channel).map(({ recovered }) => recovered)).toEqual(
      keepsRuns ? [true, true] : [true],
    );
    expect(watcher.heard(channel)).toEqual(before);
  });

  test.runIf(keepsRuns)(
    "has the runs of before when it starts again; one that a kill has cut is lost",
    {
      timeout: 60_000,
    },
    async () => {
      const database = fresh();
      const first = await server({ database });
      const port = Number(new URL(first.url).port);
      const one = tab(first.url);
      one.follow(announcements);
      const done = await start(first.url, tree);
      await one.until(() => last(one.heard(announcements))?.type === "run.completed");
      const cut = await start(first.url, slow);
      one.follow(`run:${cut}`);
      await one.until(() => last(one.heard(`run:${cut}`))?.file === "last");
      first.kill("SIGKILL");
      expect(await first.exit).toMatchObject({ code: null, signal: "SIGKILL" });

      const second = await server({ port, database });
      const two = tab(second.url);
      for (const channel of [announcements, `run:${done}`, `run:${cut}`]) two.follow(channel);
      await two.until(() => last(two.heard(announcements))?.type === "run.failed");
      await two.until(() => last(two.heard(`run:${cut}`))?.type === "run.failed");
      const error = { name: "Error", message: "The process that ran it is gone" };
      const lost = { type: "run.failed", run: cut, error, reason: "lost" };
      const completed = { type: "run.completed", run: done };
      const result = expect.objectContaining({ digest: digestOf(tree), files: fileCount });
      expect(two.heard(announcements).map(({ data }) => data)).toEqual([
        { type: "run.started", run: done, name: tree },
        { ...completed, result },
        { type: "run.started", run: cut, name: slow },
        lost,
      ]);
      await two.until(() => last(two.heard(`run:${done}`))?.type === "run.completed");
      expect(last(two.heard(`run:${done}`))).toEqual({ ...completed, result });
      expect(last(two.heard(`run:${cut}`))).toEqual(lost);
      // A client that stayed goes on where it was.
      await one.until(() => last(one.heard(`run:${cut}`))?.type === "run.failed");
      expect(offsets(one.heard(`run:${cut}`))).toEqual(from1(one.heard(`run:${cut}`).length));
      expect(one.heard(`run:${cut}`)).toEqual(two.heard(`run:${cut}`));

      const stopped = await start(second.url, slow);
      await two.until(() => last(two.heard(announcements))?.run === stopped);
      second.kill("SIGTERM");
      await two.until(() => last(two.heard(announcements))?.type === "run.cancelled");
      expect(await second.exit).toMatchObject({ code: 0, signal: null });

      const third = await server({ database });
      const three = tab(third.url);
      three.follow(announcements);
      await three.until(() => three.heard(announcements).length === 6);
      expect(three.heard(announcements)).toEqual(two.heard(announcements));
      expect(last(three.heard(announcements))).toEqual({
        type: "run.cancelled",
        run: stopped,
        by: "shutdown",
      });
    },
  );

  test.runIf(keepsRuns)(
    "says that another one works with its database, and goes on once that has ended",
    {
      timeout: 60_000,
    },
    async () => {
      const database = fresh();
      const first = await server({ database });
      const second = await server({ database });
      await second.until(
        /^Cannot write to the log yet: its store does not answer, or takes one process at a time/m,
      );
      const refused = await post(second.url, tree);
      expect([refused.status, await refused.json()]).toEqual([
        503,
        {
          problem:
            "Another server still works with the log, or was killed a moment ago. Try again when it is gone.",
        },
      ]);
      // What the first one has written can be read meanwhile.
      const one = tab(first.url);
      one.follow(announcements);
      await start(first.url, tree);
      await one.until(() => one.heard(announcements).length === 2);
      const two = tab(second.url);
      two.follow(announcements);
      await two.until(() => two.heard(announcements).length === 2);
      first.kill("SIGTERM");
      expect(await first.exit).toMatchObject({ code: 0 });
      await second.until(/^The log is free now, and this process works with it$/m);
      await start(second.url, tree);
      await two.until(() => two.heard(announcements).length === 4);
      expect(offsets(two.heard(announcements))).toEqual([1, 2, 3, 4]);
      second.kill("SIGTERM");
      expect(await second.exit).toMatchObject({ code: 0 });
    },
  );

  test.runIf(keepsRuns)("stops at once, although another one works with its database", async () => {
    const database = fresh();
    await server({ database });
    const { until, kill, exit } = await server({ database });
    await until(/^Cannot write to the log yet/m);
    kill("SIGINT");
    const { code, output } = await exit;
    expect(code).toBe(0);
    expect(Number(/^Stopped in (\d+) ms/m.exec(output)?.[1])).toBeLessThan(1_000);
  });

  test.runIf(keepsRuns)(
    "says why it cannot start: its database is damaged, or cannot be opened",
    async () => {
      const database = fresh();
      writeFileSync(database, "no database ".repeat(500));
      await expect(demoServer({ database })).rejects.toThrow(
        /^Ended with code 1 before .*\nCannot use the database of the log: /s,
      );
      await expect(demoServer({ database: dirname(database) })).rejects.toThrow(
        /^Ended with code 1 before .*\bCannot start: cannot open the database .*; choose another with TOCSIN_DEMO_DB\n/s,
      );
    },
  );

  test("reports when its port is taken", async () => {
    const { url } = await server();
    const port = new URL(url).port;
    await expect(demoServer({ port: Number(port) })).rejects.toThrow(
      `\nCannot start: port ${port} is taken; choose another with PORT=3001\n`,
    );
  });
});
