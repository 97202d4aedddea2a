import { fileURLToPath } from "node:url";
import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { UpgradeWebSocket } from "hono/ws";
import { createNotifier, type Log, LogError, type Notifier, type NotifierOptions } from "tocsin";
import { notifications } from "tocsin/hono";
import type { SqliteDatabase } from "tocsin/sqlite";
import { fingerprint } from "./fingerprint.ts";
import { findFolder } from "./folder.ts";
import { keptFor, logIn } from "./log.ts";
import { moduleHeaders, readClient, readPage } from "./page.ts";
import { introduce, type UserEnv, userOf, usersOnly } from "./user.ts";

/** Options of `createApp`. */
export interface AppOptions {
  /** `upgradeWebSocket` of `tocsin/node`, `tocsin/deno` or `tocsin/bun`. */
  upgradeWebSocket: UpgradeWebSocket;
  /** Closes the notifier when it aborts. */
  signal?: AbortSignal | undefined;
  /** Where runs are kept. It belongs to the caller, who closes it after the notifier. Default: memory. */
  database?: SqliteDatabase | undefined;
  /** The log that several servers work with. Default: one of this server alone, in the database. */
  log?: Log | undefined;
  /** The folder that the page proposes, and the base of relative paths. Default: the folder of this project. */
  folder?: string | undefined;
}

/** The maximum number of runs at the same time. */
const maxRuns = 8;

/** For the demo only: at full speed, the folder of this project is done before a user can reload the page. */
const filesPerSecond = 400;

const waitingProblem =
  "Another server still works with the log, or was killed a moment ago. Try again when it is gone.";

/** Returns the channel that announces the start and the ending of every run of a user. */
const channelOf = (user: string): string => `user:${user}`;

/**
 * Creates the demo: a page on which a user starts fingerprints of folders, and watches their progress.
 *
 * Each browser is a separate user, who can see and cancel only the own runs. The notifier closes by itself when its log
 * will never work again. The reason of `notifier.closing` is then that `LogError`.
 */
export async function createApp({
  upgradeWebSocket,
  signal,
  database,
  log = logIn(database),
  folder: base = fileURLToPath(new URL("../..", import.meta.url)),
}: AppOptions): Promise<{ app: Hono<UserEnv>; notifier: Notifier }> {
  const [page, modules] = await Promise.all([readPage(), readClient()]);
  const { notifier, isWaiting } = open(log, signal);
  const app = new Hono<UserEnv>();
  app.use(localNamesOnly);
  app.get("/", introduce, (c) => c.html(page.html, 200, page.headers));
  app.get("/client/:module{.+}", (c) => {
    const code = modules.get(c.req.param("module"));
    return code === undefined ? c.notFound() : c.body(code, 200, moduleHeaders);
  });
  // The runs themselves are in the log of the user's channel, also those of earlier processes.
  app.get("/user", usersOnly, (c) => c.json({ folder: base, channel: channelOf(c.get("user")) }));
  app.post("/runs", usersOnly, ownOriginOnly, bodyLimit({ maxSize: 16_384 }), async (c) => {
    const body: unknown = await c.req.json().catch(() => undefined);
    const { folder, problem } = await findFolder(
      (body as { folder?: unknown } | null | undefined)?.folder,
      base,
    );
    if (folder === undefined) return c.json({ problem }, 400);
    if (notifier.closing.aborted) return c.json({ problem: "The server is stopping." }, 503);
    if (isWaiting()) return c.json({ problem: waitingProblem }, 503);
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
 * Creates the notifier. `isWaiting` returns whether another process still works with the log. Until that has ended,
 * nothing is published, and a run would not show.
 */
function open(log: Log, signal: AbortSignal | undefined): { notifier: Notifier; isWaiting(): boolean } {
  const broken = new AbortController();
  let wait: LogError | undefined;
  let isJoined = false;
  const onError: NotifierOptions["onError"] = (error, { stage, owner }) => {
    if (!(error instanceof LogError)) return console.error(`${stage} of ${owner}:`, error);
    console.error(error.message);
    // Nothing can be published any more: another process has the log, or its file is damaged.
    if (error.lasting) broken.abort(error);
    else if (!isJoined) wait = error;
  };
  const notifier = createNotifier({
    log,
    signal: signal === undefined ? broken.signal : AbortSignal.any([signal, broken.signal]),
    limits: { runTtl: keptFor },
    onError,
  });
  const joined = (): void => {
    if (wait !== undefined) console.log("The log is free now, and this process works with it");
    wait = undefined;
    isJoined = true;
  };
  // What is published first is in the log as soon as this process may write to it. If it never may, `onError` is told.
  // With its signal, closing does not wait for it.
  const options = { signal: notifier.closing };
  notifier.publish("server", { type: "server.started" }, options).then(joined, () => {});
  return { notifier, isWaiting: () => wait !== undefined };
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
