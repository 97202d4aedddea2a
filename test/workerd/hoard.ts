import { type Context, Hono } from "hono";
import { NotifierObject, type NotifierObjectOptions, route } from "tocsin/cloudflare";

// A Worker whose objects a test fills: `/<name>/…` is for the object of that name.

/** What to publish: `count` publications to each of the channels. */
export interface Publishing {
  readonly channels: readonly string[];
  readonly count?: number;
  /** Characters of each. Most need one byte as UTF-8, and all of them take two in memory. Default 1. */
  readonly size?: number;
  readonly confirm?: boolean;
  /** Whether each has an idempotency key. */
  readonly isKeyed?: boolean;
  /** Whether each waits for the one before. Default: all of them are published at once. */
  readonly isLone?: boolean;
  /** Whether the response does not wait for them. */
  readonly isLeft?: boolean;
}

export class Hoard extends NotifierObject {
  readonly #errors = new Set<string>();

  protected override options(): NotifierObjectOptions {
    return {
      authenticate: (c) => ({ user: c.req.query("user") ?? "" }),
      authorize: () => true,
      rpc: { hang: () => new Promise(() => {}) },
      limits: { answer: 120_000, slow: 120_000 },
      onError: (error) => void this.#errors.add(String(error)),
      onRefused: () => {},
    };
  }

  protected override app(): Hono {
    const { notifier } = this;
    return new Hono()
      .get("/:name/look", (c) => {
        globalThis.gc?.();
        const errors = [...this.#errors];
        return c.json({ stats: notifier.stats(), totals: notifier.totals(), errors });
      })
      .post("/:name/publish", async (c) => c.json(await this.#publish(await c.req.json())))
      .post("/:name/runs", async (c) => c.json(await this.#run(await c.req.json())))
      .post("/:name/break", (c) => {
        // From now on no publication can be stored, so all of them wait.
        const { storage } = this.ctx as { storage: { transactionSync: () => never } };
        storage.transactionSync = () => {
          throw new Error("The storage is broken");
        };
        return c.json(null);
      });
  }

  /** Publishes, and returns how many of the publications were refused. */
  async #publish({ channels, count = 1, size = 1, ...how }: Publishing): Promise<number> {
    const { isKeyed = false, isLone = false, isLeft = false, confirm } = how;
    const all: Promise<boolean>[] = [];
    for (let n = 0; n < count; n++)
      for (const channel of channels) {
        const key = isKeyed ? { idempotencyKey: `${crypto.randomUUID()}` } : {};
        const publishing = this.notifier.publish(channel, textOf(size), { confirm, ...key });
        const refused = publishing.then(
          () => false,
          () => true,
        );
        if (isLone) await refused;
        all.push(refused);
      }
    return isLeft ? 0 : (await Promise.all(all)).filter(Boolean).length;
  }

  /** Runs tasks to their ends. */
  async #run({ count, size }: { count: number; size: number }): Promise<null> {
    const runs = Array.from({ length: count }, () => this.notifier.run(async () => textOf(size)));
    await Promise.all(runs.map((run) => run.result()));
    return null;
  }
}

function textOf(size: number): string {
  return `${"x".repeat(size - 1)}漢`;
}

const app = new Hono();
app.all("/:name/*", route("HOARD", { by: (c: Context) => c.req.param("name") ?? "" }));
export default app;
