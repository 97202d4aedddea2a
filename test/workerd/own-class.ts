import unsafe from "workerd:unsafe";
import { type Context, Hono } from "hono";
import { NotifierObject, type NotifierObjectOptions, route } from "tocsin/cloudflare";
import { createTickets } from "tocsin/tickets";

// A Worker whose class does what a class of a user may do: `/<name>/…` is for an object, `/call/<name>/<method>` is a call.

interface Namespace {
  idFromName(name: string): unknown;
  get(id: unknown): object;
}

/** What the platform hands to the class, as far as it is used here. */
interface Platform {
  readonly id: { readonly name: string };
  acceptWebSocket(socket: WebSocket, tags: string[]): void;
  getTags(socket: WebSocket): string[];
  readonly storage: { getAlarm(): Promise<number | null> };
}

declare const WebSocketPair: new () => { 0: WebSocket; 1: WebSocket };

/** How often `options` was called, by the name of the object. */
const begun = new Map<string, number>();

export class Own extends NotifierObject {
  readonly errors: string[] = [];
  // This begins the life, while the members below are still missing.
  readonly tickets = createTickets({ log: this.log });

  get platform(): Platform {
    return this.ctx as Platform;
  }

  protected override options(): NotifierObjectOptions {
    const { name } = this.platform.id;
    begun.set(name, (begun.get(name) ?? 0) + 1);
    if (name === "early") return { limits: { sessions: this.notifier.stats().sessions + 1 } };
    if (name === "misspelt") return { authentificate: () => null } as object;
    if (name === "promised") return Promise.resolve({}) as object;
    return {
      authenticate: (c) =>
        c.req.query("ticket") ? this.tickets.redeem(c) : { user: c.req.query("user") ?? "" },
      authorize: () => true,
      onError: (error, { stage, owner }) => void this.errors.push(`${stage} of ${owner}: ${String(error)}`),
      onRefused() {},
    };
  }

  protected override app(): Hono {
    return new Hono()
      .onError((error, c) => c.text(String(error), 500))
      .use(async (c, next) => {
        c.header("X-Before", "1");
        await next();
        c.header("X-After", "2");
      })
      .get("/:name/own", () => {
        const { 0: client, 1: server } = new WebSocketPair();
        this.platform.acceptWebSocket(server, ["own"]);
        return new Response(null, { status: 101, webSocket: client } as ResponseInit);
      })
      .get("/:name/ticket", async (c) => c.json(await this.tickets.issue({ user: "ann" })))
      .get("/:name/errors", (c) => c.json(this.errors))
      .get("/:name/sessions", (c) => c.json(this.notifier.stats().sessions))
      .get("/:name/alarm", async (c) => c.json(await this.platform.storage.getAlarm()))
      .get("/:name/wake/:time", (c) => {
        this.wakeAt(Number(c.req.param("time")));
        return c.json(null);
      })
      .get("/:name/later", (c) => {
        c.executionCtx.waitUntil(this.publish("later", "from waitUntil"));
        return c.json(null);
      })
      .get("/:name/run/:id", (c) => {
        const id = c.req.param("id");
        const task = ({ signal }: { signal: AbortSignal }) =>
          new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        const run = this.notifier.run(task, { id, owner: "ann" });
        return c.json(run.id);
      })
      .get("/:name/close", async (c) => c.json(await this.notifier.close({ grace: 1_000 })));
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    if (this.platform.getTags(socket).includes("own")) socket.send(`own: ${message}`);
    else super.webSocketMessage(socket, message);
  }
}

const app = new Hono<{ Bindings: { OBJECT: Namespace } }>();
const stubOf = (c: Context<{ Bindings: { OBJECT: Namespace } }>): object => {
  const { OBJECT } = c.env;
  return OBJECT.get(OBJECT.idFromName(c.req.param("name") ?? ""));
};
app.onError((error, c) => c.text(String(error), 500));
app.get("/begun/:name", (c) => c.json(begun.get(c.req.param("name")) ?? 0));
app.get("/evict/:name", async (c) => c.json((await unsafe.evict(stubOf(c))) ?? null));
app.post("/call/:name/:method", async (c) => {
  const object = stubOf(c) as Record<string, (...args: unknown[]) => Promise<unknown>>;
  return c.json((await object[c.req.param("method")]?.(...(await c.req.json()))) ?? null);
});
app.get("/:name/*", route("OBJECT", { by: (c) => c.req.param("name") ?? "" }));
export default app;
