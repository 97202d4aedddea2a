import { type Context, Hono } from "hono";
import type { NotifierOptions } from "tocsin";
import { NotifierObject, type NotifierObjectOptions, route } from "tocsin/cloudflare";
import type { ObjectState } from "../../src/hosts/cloudflare/platform.ts";
import { counted, counts } from "./counted.ts";
import { type Load, play } from "./load.ts";

export { ByHand } from "./by-hand.ts";

// The Worker whose objects are measured: `/<class>/<name>/…` is for an object.

/** An object of tocsin, as anybody would write it. */
export class Ours extends NotifierObject {
  protected override options(): NotifierObjectOptions {
    const limits: NotifierOptions["limits"] = { sessions: 10_000, userSessions: 10_000 };
    return {
      authenticate: (c) => ({ user: c.req.query("user") ?? "" }),
      authorize: () => true,
      rpc: { echo: (_, { data }) => data },
      limits,
    };
  }

  protected override app(): Hono {
    return new Hono().post("/:class/:name/load", async (c) => {
      const load = (await c.req.json()) as Load;
      const { channels = 1, confirm, isKeyed = false } = load;
      await play(load, (data, n) => {
        const key = isKeyed ? { idempotencyKey: crypto.randomUUID() } : {};
        return this.notifier.publish(channels === 1 ? "news" : `news ${n % channels}`, data, {
          confirm,
          ...key,
        });
      });
      return c.json(this.notifier.stats().sessions);
    });
  }
}

/** The same, and it counts what it costs. Its clients are sent pings more often, so that they need not be waited for as long. */
export class Counted extends Ours {
  constructor(state: ObjectState, env: unknown) {
    super(state, env);
    // The platform wants its own state in the constructor.
    Object.defineProperty(this, "ctx", { value: counted(state) });
    counts.lives++;
  }

  protected override options(): NotifierObjectOptions {
    return { ...super.options(), heartbeat: 180_000 };
  }

  protected override app(): Hono {
    return super.app().post("/:class/:name/counts", (c) => c.json(counts));
  }

  override async fetch(request: Request): Promise<Response> {
    if (!request.url.endsWith("/counts")) counts.requests++;
    return super.fetch(request);
  }

  override webSocketMessage(...message: Parameters<NotifierObject["webSocketMessage"]>): void {
    counts.messages++;
    super.webSocketMessage(...message);
  }

  override async alarm(): Promise<void> {
    counts.alarms++;
    await super.alarm();
  }
}

const app = new Hono();
for (const name of ["OURS", "HAND", "COUNTED"])
  app.all(`/${name}/:name/*`, route(name, { by: (c: Context) => c.req.param("name") ?? "" }));
export default app;
