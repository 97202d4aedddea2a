import unsafe from "workerd:unsafe";
import { type Context, Hono } from "hono";
import { NotifierObject, type NotifierObjectOptions, route } from "tocsin/cloudflare";
import { createTickets, type Tickets } from "tocsin/tickets";

// A Worker whose objects are dropped from memory by a test: `/<name>/…` is for an object, `/evict/<name>` drops it.

interface Namespace {
  idFromName(name: string): unknown;
  get(id: unknown): Sleeper;
}

export class Sleeper extends NotifierObject {
  readonly #life = crypto.randomUUID();
  readonly #errors: string[] = [];
  #rings = 0;
  #tickets: Tickets | undefined;

  protected override options(): NotifierObjectOptions {
    const { name } = (this.ctx as { id: { name: string } }).id;
    const limits = {
      ...(name.startsWith("quick") && { connect: 300, pong: 300, slow: 500 }),
      ...(name === "many" && { subscriptions: 1_000 }),
    };
    return {
      authenticate: (c) => {
        const { user = "", channels } = c.req.query();
        return { user, ...(channels && { channels: channels.split(",") }), info: { of: user } };
      },
      authorize: () => true,
      peer: () => ({ refresh: () => Date.now() + 3_600_000 }),
      rpc: { echo: (_peer, { data }) => data },
      limits,
      onError: (error, { stage }) => void this.#errors.push(`${stage}: ${String(error)}`),
      onRefused: ({ code, reason }) => void this.#errors.push(`refused ${code}: ${reason}`),
    };
  }

  protected override app(): Hono {
    const { notifier } = this;
    this.#tickets ??= createTickets({ log: this.log });
    const tickets = this.#tickets;
    const taken = (c: Context) =>
      c.json({ life: this.#life, rings: this.#rings, stats: notifier.stats(), errors: this.#errors });
    return new Hono()
      .get("/:name/life", taken)
      .post("/:name/publish", async (c) => {
        const { channel, items, ...options } = await c.req.json();
        const receipts = await Promise.all(
          items.map((data: unknown) => notifier.publish(channel, data, options)),
        );
        return c.json(receipts.map(({ position }) => position));
      })
      .post("/:name/run", async (c) => {
        const { id, owner } = await c.req.json();
        notifier.run(
          async function* ({ signal }): AsyncGenerator<{ type: "log"; text: string }> {
            yield { type: "log", text: "begun" };
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          },
          { id, owner },
        );
        return c.json(id);
      })
      .post("/:name/wake", async (c) => {
        this.wakeAt(Date.now() + (await c.req.json()));
        return c.json(null);
      })
      .post("/:name/ticket", async (c) => c.json(await tickets.issue({ user: "ann" })))
      .post("/:name/redeem", async (c) => c.json(await tickets.redeem(c)))
      .post("/:name/close", async (c) => c.json(await notifier.close(await c.req.json())));
  }

  override async alarm(): Promise<void> {
    this.#rings++;
    await super.alarm();
  }
}

const app = new Hono<{ Bindings: { OBJECT: Namespace } }>();
const stubOf = (c: Context<{ Bindings: { OBJECT: Namespace } }, "/x/:name/*">): Sleeper => {
  const { OBJECT } = c.env;
  return OBJECT.get(OBJECT.idFromName(c.req.param("name")));
};
app.post("/evict/:name", async (c) => {
  const { OBJECT } = c.env;
  const object = OBJECT.get(OBJECT.idFromName(c.req.param("name")));
  const asleep = await unsafe.evict(object).then(
    () => "",
    (error: unknown) => String(error),
  );
  return c.json(asleep);
});
app.post("/call/:name/:method", async (c) => {
  const object = stubOf(c as never) as unknown as Record<string, (...args: unknown[]) => unknown>;
  return c.json((await object[c.req.param("method")]?.(...(await c.req.json()))) ?? null);
});
app.all("/:name/*", route("OBJECT", { by: (c) => c.req.param("name") ?? "" }));
export default app;
