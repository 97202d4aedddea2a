import { type Context, Hono } from "hono";
import { NotifierObject, type NotifierObjectOptions, type Published, route } from "tocsin/cloudflare";
import { createTickets } from "tocsin/tickets";
import { tokens } from "tocsin/tokens";

// A Worker as a user writes it, checked with the types of the platform.

interface Bindings {
  readonly NOTIFICATIONS: DurableObjectNamespace<Notifications>;
  readonly TENANTS: DurableObjectNamespace<Tenants>;
  readonly SECRET: string;
}

type App = { Bindings: Bindings; Variables: { user: string } };

const userOf = (c: Context<App>) => c.req.header("x-signed-by") === c.env.SECRET && c.get("user");

/** An object with everything that a user may override. */
export class Notifications extends NotifierObject<Bindings> {
  readonly #tickets = createTickets({ log: this.log });

  protected override options(): NotifierObjectOptions {
    return {
      authenticate: async (c: Context<App>) => {
        const user = userOf(c);
        return user ? { user, channels: [`user:${user}`] } : this.#tickets.redeem(c);
      },
      authorize: (peer, { type, channel }) => type === "subscribe" && channel === `user:${peer.user}`,
      limits: { sessions: 10 },
      log: { ttl: (channel) => (channel.startsWith("day:") ? 86_400_000 : 3_600_000) },
      rpc: { secret: () => this.env.SECRET.length },
    };
  }

  protected override app(): Hono<App> {
    return new Hono<App>().post("/tickets", async (c) => {
      this.wakeAt(Date.now() + 60_000);
      this.ctx.waitUntil(this.ctx.storage.put("asked", this.ctx.id.toString()));
      return c.json(await this.#tickets.issue({ user: c.get("user") }));
    });
  }

  override async alarm(): Promise<void> {
    await super.alarm();
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    if (this.ctx.getTags(socket).includes("own")) socket.send(message);
    else super.webSocketMessage(socket, message);
  }

  /** A method of the user's own, for the Worker. */
  async remind(text: string): Promise<Published> {
    return this.publish("user:ann", { text }, { confirm: true, ttl: 60_000, tags: { kind: "reminder" } });
  }
}

const byToken = tokens({ secret: "a secret of at least 32 characters" });

/** An object with the least that one writes, and whose clients send tokens. */
export class Tenants extends NotifierObject {
  protected override options(): NotifierObjectOptions {
    return { authenticate: byToken, peer: byToken };
  }
}

const app = new Hono<App>();
app.get("/notifications", route("NOTIFICATIONS", { by: (c) => userOf(c) || c.text("Unauthorized", 401) }));
app.get("/tenants/:tenant", route<App>("TENANTS", { by: async (c) => `tenant:${c.req.param("tenant")}` }));

/** What a stub returns is typed: no member is `never`, and none is lost. */
async function everyMethod(stub: DurableObjectStub<Notifications>): Promise<(string | number | boolean)[]> {
  const { channel, position } = await stub.publish("news", { any: ["value", null] }, { idempotencyKey: "k" });
  const { publications } = await stub.history(channel, { after: position, limit: 10 });
  const { clients, users } = await stub.presence(channel);
  const run = await stub.findRun("r");
  const cancelled: boolean = await stub.cancelRun("r", "enough");
  const reminded: number = (await stub.remind("tea")).position.offset;
  const texts: string[] = publications.map(({ data, tags }) => (data as { text: string }).text + tags?.kind);
  const sessions: string[] = clients.map(({ session, info }) => session + (info as string));
  return [...texts, ...sessions, users, run?.status ?? "unknown", run?.ended ?? 0, cancelled, reminded];
}

export default {
  fetch: app.fetch,
  async scheduled(_controller, env) {
    await everyMethod(env.NOTIFICATIONS.getByName("ann"));
  },
} satisfies ExportedHandler<Bindings>;
