import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { NotifierObject, type NotifierObjectOptions, route } from "tocsin/cloudflare";
import { introduce, type UserEnv, userOf, usersOnly } from "../fingerprint/user.ts";
import script from "./built/page.txt";
import page from "./page.html";
import { stretch } from "./stretch.ts";

/** The maximum number of runs of a user at the same time. */
const maxRuns = 4;

/** The object of one user. It has the user's runs, and the connections of the user's tabs. */
export class Demo extends NotifierObject {
  protected override options(): NotifierObjectOptions {
    return {
      authenticate: (c) => {
        const user = userOf(c);
        return user === undefined ? null : { user, channels: ["runs"] };
      },
    };
  }

  protected override app(): Hono<UserEnv> {
    const app = new Hono<UserEnv>();
    app.post("/runs", usersOnly, bodyLimit({ maxSize: 16_384 }), async (c) => {
      const asked = readAsked(await c.req.json().catch(() => undefined));
      if (typeof asked === "string") return c.json({ problem: asked }, 400);
      if (this.notifier.stats().runs >= maxRuns) {
        const problem = `${maxRuns} runs are working already. Wait for one to end, or cancel one.`;
        return c.json({ problem }, 429);
      }
      const { text, rounds } = asked;
      const options = { name: text, owner: c.get("user"), channel: "runs" };
      const run = this.notifier.run(({ signal }) => stretch(text, { rounds, signal }), options);
      return c.json({ run: run.id }, 202);
    });
    return app;
  }
}

/** Returns what a user asks for, or what is wrong with it. */
function readAsked(body: unknown): { text: string; rounds: number } | string {
  const { text, rounds } = (body ?? {}) as { text?: unknown; rounds?: unknown };
  if (typeof text !== "string" || text === "" || text.length > 200)
    return "Enter a text of 1 to 200 characters.";
  if (!Number.isInteger(rounds) || (rounds as number) < 1 || (rounds as number) > 100_000)
    return "Enter a number of rounds from 1 to 100 000.";
  return { text, rounds: rounds as number };
}

const app = new Hono();
const headers = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
};
app.get("/", introduce, (c) => c.html(page, 200, headers));
app.get("/page.js", (c) =>
  c.body(script, 200, { ...headers, "Content-Type": "text/javascript; charset=utf-8" }),
);
// Everything else is for the object of the user: starting a run, and the upgrade to notifications.
const toOwnObject = route("DEMO", {
  by: (c) => userOf(c) ?? c.json({ problem: "Load the page first." }, 401),
});
app.post("/runs", toOwnObject);
app.get("/notifications", toOwnObject);

export default app;
