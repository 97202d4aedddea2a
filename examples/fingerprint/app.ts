import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { UpgradeWebSocket } from "hono/ws";
import { createNotifier, type Notifier } from "tocsin";
import { notifications } from "tocsin/hono";
import { fingerprint } from "./fingerprint.ts";
import { findFolder } from "./folder.ts";

/** What the demo needs of its surroundings. */
export interface AppOptions {
  /** The one of `tocsin/node`, `tocsin/deno` or `tocsin/bun`. */
  upgradeWebSocket: UpgradeWebSocket;
  /** Closes the notifier when it aborts. */
  signal?: AbortSignal | undefined;
  /** The folder that the page proposes, and where relative paths begin. Default: this project's own. */
  folder?: string | undefined;
}

/** Announces the start and the ending of every run. */
const channel = "runs";
/** Runs that may work at the same time. */
const most = 8;

/** Makes the demo: a page on which a person has the fingerprints of folders taken, and watches. */
export async function createApp({
  upgradeWebSocket,
  signal,
  folder: base = fileURLToPath(new URL("../..", import.meta.url)),
}: AppOptions): Promise<{ app: Hono; notifier: Notifier }> {
  const page = await readPage();
  // Runs are listed, and can be read from their start, for as long as the server lives; the log bounds its bytes itself.
  const notifier = createNotifier({ signal, limits: { runTtl: Number.POSITIVE_INFINITY } });
  const app = new Hono();
  app.use(localNamesOnly);
  app.get("/", (c) => c.html(page.html, 200, page.headers));
  app.get("/runs", (c) =>
    c.json({
      folder: base,
      runs: notifier.runs.list().map(({ id, name, status }) => ({ id, name, status })),
    }),
  );
  app.post("/runs", ownOriginOnly, bodyLimit({ maxSize: 16_384 }), async (c) => {
    const body: unknown = await c.req.json().catch(() => undefined);
    const { folder, problem } = await findFolder(
      (body as { folder?: unknown } | null | undefined)?.folder,
      base,
    );
    if (folder === undefined) return c.json({ problem }, 400);
    if (notifier.closing.aborted) return c.json({ problem: "The server is stopping." }, 503);
    if (notifier.stats().runs >= most) {
      return c.json(
        { problem: `${most} runs are working already. Wait for one to end, or cancel one.` },
        429,
      );
    }
    const run = notifier.run(({ signal }) => fingerprint(folder, { signal }), { name: folder, channel });
    return c.json({ run: run.id }, 202);
  });
  const authorize = (_: unknown, action: { type: string; channel: string }) =>
    action.type === "subscribe" && action.channel === channel;
  app.get("/notifications", upgradeWebSocket(notifications(notifier, { authorize })));
  return { app, notifier };
}

/** Refuses requests that came here by another name: some other site's, made to lead to this machine. */
const localNamesOnly: MiddlewareHandler = async (c, next) => {
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/i.test(c.req.header("host") ?? "")) {
    return c.text("This server answers to 127.0.0.1 and localhost only.", 403);
  }
  return next();
};

/** Refuses requests that a page of another origin makes. Those of no page at all have no origin. */
const ownOriginOnly: MiddlewareHandler = async (c, next) => {
  const origin = c.req.header("origin");
  if (origin !== undefined && origin !== `http://${c.req.header("host")}`) {
    return c.json({ problem: "Only this server's own page may start a run." }, 403);
  }
  return next();
};

/** The page, and a policy under which nothing runs in it but what is written in it. */
async function readPage(): Promise<{ html: string; headers: Record<string, string> }> {
  const text = await readFile(new URL("./page.html", import.meta.url), "utf8");
  // A browser hashes what it has parsed, whatever line ends the file was checked out with.
  const html = text.replaceAll("\r\n", "\n");
  const policy = [
    "default-src 'none'",
    `script-src ${hashes(html, /<script>(.*?)<\/script>/gs)}`,
    `style-src ${hashes(html, /<style>(.*?)<\/style>/gs)}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  const headers = {
    "Content-Security-Policy": policy.join("; "),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
  };
  return { html, headers };
}

function hashes(html: string, element: RegExp): string {
  const contents = Array.from(html.matchAll(element), ([, content = ""]) => content);
  return contents
    .map((content) => `'sha256-${createHash("sha256").update(content).digest("base64")}'`)
    .join(" ");
}
