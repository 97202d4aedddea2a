import { Hono } from "hono";
import { NotifierObject, type NotifierObjectOptions, route } from "tocsin/cloudflare";
import { transports } from "tocsin/hono";

/** An object whose clients need no WebSocket. */
export class Streaming extends NotifierObject {
  protected override options(): NotifierObjectOptions {
    return { heartbeat: 1_000, limits: { pong: 1_000 } };
  }

  protected override app(): Hono {
    const authenticate = () => ({ user: "ann", channels: ["news"] });
    return new Hono()
      .route("/streams", transports(this.notifier, { authenticate, authorize: () => true }))
      .get("/counts", (c) => c.json({ ...this.notifier.stats(), ...this.notifier.totals() }))
      .post("/publish", async (c) => c.json(await this.publish("news", await c.req.json())))
      .post("/disconnect", async (c) => {
        await this.notifier.disconnect({ user: "ann" }, 3011);
        return c.json({});
      })
      .post("/close", async (c) => c.json(await this.notifier.close()));
  }
}

const app = new Hono();
app.all("*", route("STREAMING", { by: () => "one" }));
export default app;
