import { fileURLToPath } from "node:url";
import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { UpgradeWebSocket } from "hono/ws";
import { createNotifier, type Notifier } from "tocsin";
import { notifications } from "tocsin/hono";
import { fingerprint } from "./fingerprint.ts";
import { findFolder } from "./folder.ts";
import { moduleHeaders, readClient, readPage } from "./page.ts";
import { introduce, type UserEnv, userOf, usersOnly } from "./user.ts";

/** Options of `createApp`. */
export interface AppOptions {
  /** `upgradeWebSocket` of `tocsin/node`, `tocsin/deno` or `tocsin/bun`. */
  upgradeWebSocket: UpgradeWebSocket;
  /** Closes the notifier when it aborts. */
  signal?: AbortSignal | undefined;
  /** The folder that the page proposes, and the base of relative paths. Default: the folder of this project. */
  folder?: string | undefined;
}

/** The maximum number of runs at the same time. */
const maxRuns = 8;

/** For the demo only: at full speed, the folder of this project is done before a user can reload the page. */
const filesPerSecond = 400;

/** Returns the channel that announces the start and the ending of every run of a user. */
const channelOf = (user: string): string => `user:${user}`;

/**
 * Creates the demo: a page on which a user starts fingerprints of folders, and watches their progress.
 *
 * Each browser is a separate user, who can see and cancel only the own runs.
 */
export async function createApp({
  upgradeWebSocket,
  signal,
  folder: base = fileURLToPath(new URL("../..", import.meta.url)),
}: AppOptions): Promise<{ app: Hono<UserEnv>; notifier: Notifier }> {
  const [page, modules] = await Promise.all([readPage(), readClient()]);
  // Runs are listed, and can be read from their start, until the server ends. The log limits its own memory.
  const notifier = createNotifier({ signal, limits: { runTtl: Number.POSITIVE_INFINITY } });
  const app = new Hono<UserEnv>();
  app.use(localNamesOnly);
  app.get("/", introduce, (c) => c.html(page.html, 200, page.headers));
  app.get("/client/:module{.+}", (c) => {
    const code = modules.get(c.req.param("module"));
    return code === undefined ? c.notFound() : c.body(code, 200, moduleHeaders);
  });
  app.use("/runs", usersOnly);
  app.get("/runs", (c) => {
    const user = c.get("user");
    const own = notifier.runs.list().filter(({ owner }) => owner === user);
    const runs = own.map(({ id, name, status }) => ({ id, name, status }));
    return c.json({ folder: base, channel: channelOf(user), runs });
  });
  app.post("/runs", ownOriginOnly, bodyLimit({ maxSize: 16_384 }), async (c) => {
    const body: unknown = await c.req.json().catch(() => undefined);
    const { folder, problem } = await findFolder(
      (body as { folder?: unknown } | null | undefined)?.folder,
      base,
    );
    if (folder === undefined) return c.json({ problem }, 400);
    if (notifier.closing.aborted) return c.json({ problem: "The server is stopping." }, 503);
    if (notifier.stats().runs >= maxRuns) {
      return c.json(
        { problem: `${maxRuns} runs are working already. Wait for one to end, or cancel one.` },
        429,
      );
    }
    const owner = c.get("user");
    const options = { name: folder, owner, channel: channelOf(owner) };
    const run = notifier.run(({ signal }) => fingerprint(folder, { signal, filesPerSecond }), options);
    return c.json({ run: run.id }, 202);
  });
  const connectUsers = notifications(notifier, {
    authenticate: (c) => {
      const user = userOf(c);
      return user === undefined ? null : { user };
    },
    authorize: ({ user }, { type, channel }) => type === "subscribe" && channel === channelOf(user),
  });
  app.get("/notifications", upgradeWebSocket(connectUsers));
  return { app, notifier };
}

/**
 * Refuses requests with another host name. This prevents DNS rebinding: a foreign name that resolves to this machine.
 */
const localNamesOnly: MiddlewareHandler = async (c, next) => {
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/i.test(c.req.header("host") ?? "")) {
    return c.text("This server answers to 127.0.0.1 and localhost only.", 403);
  }
  return next();
};

/** Refuses requests from pages of another origin. Requests that no page makes have no `Origin` header. */
const ownOriginOnly: MiddlewareHandler = async (c, next) => {
  const origin = c.req.header("origin");
  if (origin !== undefined && origin !== `http://${c.req.header("host")}`) {
    return c.json({ problem: "Only this server's own page may start a run." }, 403);
  }
  return next();
};
