import unsafe from "workerd:unsafe";
import { type Context, Hono } from "hono";
import { NotifierObject, type NotifierObjectOptions, route } from "tocsin/cloudflare";
import type { Dump } from "./crash-server.ts";

/**
 * A Worker whose objects are ended again and again, by SIGKILL, by the platform, or by an eviction. What it answers has to be
 * in the next life: `/objects/<name>/…` is for an object.
 */

/** What a burst consists of: a publication each. */
export type Burst = readonly { readonly length: number; readonly confirm: boolean }[];

/** A run of an object, as it is asked for. */
export interface RunPlan {
  readonly id: string;
  /** Milliseconds between its steps. */
  readonly pauses: readonly number[];
  readonly isEndless: boolean;
}

/** The content of an object, as it is at the end. */
export interface ObjectDump extends Dump {
  /** The keys of the channel `keyed`, in order. */
  readonly keys: string[];
  /** For each run, when it began and when it ended, in milliseconds since the Unix epoch. */
  readonly times: Record<
    string,
    { readonly started: number; readonly ended: number; readonly reason?: string }
  >;
  /** What was reported as undelivered, and when. Endings of runs are left out. */
  readonly reports: { readonly channel: string; readonly offset: number; readonly time: number }[];
  /** The confirmed publications of `news` that still wait, and when they were published. */
  readonly waiting: { readonly offset: number; readonly time: number }[];
  /** When each life of the object began, in milliseconds since the Unix epoch. */
  readonly lives: number[];
}

interface RunEvent {
  readonly type: string;
  readonly run: string;
  readonly reason?: string;
}

interface Sql {
  exec(query: string, ...bindings: (string | number)[]): { toArray(): Record<string, string | number>[] };
}

export class CrashObject extends NotifierObject {
  /** Resolves with the number of the next publication. */
  #numbers: Promise<{ next: number }> | undefined;

  protected override options(): NotifierObjectOptions {
    this.#rows("INSERT INTO lives VALUES (?)", Date.now());
    return {
      authenticate: (c) => ({ user: c.req.query("user") ?? "" }),
      authorize: (_, { type, channel }) => /^(subscribe|presence)$/.test(type) && channel === "news",
      // Nothing is trimmed, so that everything can be checked at the end.
      log: { size: Infinity, bytes: Infinity, ttl: Infinity },
      limits: { runTtl: Infinity },
      onUndelivered: ({ channel, offset }) => this.#note(channel, offset),
      onError: (error, { stage, owner }) => console.log(`error ${stage} of ${owner}: ${error}`),
      onRefused: ({ code, reason }) => console.log(`refused ${code}: ${reason}`),
    };
  }

  protected override app(): Hono {
    return new Hono()
      .basePath("/objects/:name")
      .post("/publish", async (c) => c.json(await this.#publish(await c.req.json())))
      .post("/lonely", async (c) => {
        const { position } = await this.notifier.publish("lonely", 0, {
          confirm: true,
          ttl: await c.req.json(),
        });
        return c.json(position);
      })
      .post("/run", async (c) => c.json(await this.#begin(await c.req.json())))
      .post("/result", async (c) => {
        const run = this.notifier.runs.get(await c.req.json());
        await run?.result();
        return c.json(run?.id ?? "unknown");
      })
      .get("/dump", async (c) => c.json(await this.#dump()));
  }

  override async alarm(): Promise<void> {
    // What is printed is not held back, so that a process can be killed while the alarm rings.
    console.log("rings");
    await super.alarm();
  }

  #note(channel: string, offset: number): void {
    if (channel.startsWith("run:")) return;
    this.#rows("INSERT INTO reports VALUES (?, ?, ?)", channel, offset, Date.now());
  }

  #rows(query: string, ...values: (string | number)[]): Record<string, string | number>[] {
    const { sql } = (this.ctx as unknown as { storage: { sql: Sql } }).storage;
    sql.exec("CREATE TABLE IF NOT EXISTS lives (time INTEGER)");
    sql.exec("CREATE TABLE IF NOT EXISTS reports (channel TEXT, offset INTEGER, time INTEGER)");
    return sql.exec(query, ...values).toArray();
  }

  async #publish(burst: Burst): Promise<object[]> {
    this.#numbers ??= this.notifier
      .history("news", { limit: 0 })
      .then(({ offset }) => ({ next: offset + 1 }));
    const numbers = await this.#numbers;
    const publications = burst.map(async ({ length, confirm }) => {
      const n = numbers.next++;
      const data = { n, text: "x".repeat(length) };
      const { position } = await this.notifier.publish("news", data, { confirm, ttl: 600_000 });
      return { n, ...position };
    });
    return Promise.all(publications);
  }

  /** Begins a run. Resolves once its first event is in the log. */
  async #begin({ id, pauses, isEndless }: RunPlan): Promise<string> {
    await new Promise<void>((resolve) => {
      const task = async function* ({ signal }: { signal: AbortSignal }) {
        yield { type: "step", step: 0 } as const;
        resolve();
        for (let step = 1; step <= pauses.length || isEndless; step++) {
          await new Promise((done) => setTimeout(done, pauses[step % pauses.length] ?? 50));
          signal.throwIfAborted();
          yield { type: "step", step } as const;
        }
        return pauses.length;
      };
      const run = this.notifier.run(task as never, { id, owner: "nobody", channel: "runs" });
      run.result().catch(() => {}); // it is told to who asks for the result
    });
    return id;
  }

  async #dump(): Promise<ObjectDump> {
    const { notifier } = this;
    const { epoch, publications } = await notifier.history("news");
    const runs: Dump["runs"] = {};
    const times: ObjectDump["times"] = {};
    for (const { data } of (await notifier.history("runs")).publications) {
      const { run, type } = data as RunEvent;
      if (type !== "run.started") continue;
      const events = (await notifier.history(`run:${run}`)).publications;
      const last = events.at(-1);
      runs[run] = events.map(({ data }) => (data as RunEvent).type);
      const { reason } = (last?.data ?? {}) as Partial<RunEvent>;
      times[run] = { started: events[0]?.time ?? 0, ended: last?.time ?? 0, ...(reason && { reason }) };
    }
    const waiting = notifier
      .inspect()
      .flatMap(({ owner }) => /^confirmed (\d+) of news$/.exec(owner)?.slice(1) ?? [])
      .map((text) => {
        const offset = Number(text);
        return { offset, time: publications.find((each) => each.offset === offset)?.time ?? 0 };
      });
    return {
      epoch,
      publications: publications.map(({ offset, data }) => ({ offset, n: (data as { n: number }).n })),
      runs,
      times,
      keys: (await notifier.history("keyed")).publications.map(({ data }) => data as string),
      reports: this.#rows("SELECT * FROM reports") as unknown as ObjectDump["reports"],
      waiting,
      lives: this.#rows("SELECT time FROM lives").map(({ time }) => Number(time)),
    };
  }
}

interface Env {
  Bindings: { OBJECTS: { idFromName(name: string): unknown; get(id: unknown): CrashObject } };
}

const stubOf = ({ env, req }: Context<Env>): CrashObject =>
  env.OBJECTS.get(env.OBJECTS.idFromName(req.param("name") ?? ""));

const app = new Hono<Env>()
  .post("/abort", async (c) => {
    await unsafe.abortAllDurableObjects();
    return c.text("");
  })
  .post("/evict/:name", async (c) => {
    await unsafe.evict(stubOf(c));
    return c.text("");
  })
  .post("/keyed/:name", async (c) => {
    const key = await c.req.json();
    const { position } = await stubOf(c).publish("keyed", key, { idempotencyKey: key });
    return c.json(position);
  })
  .get("/presence/:name", async (c) => c.json((await stubOf(c).presence("news")).clients))
  .all("/objects/:name/*", route("OBJECTS", { by: (c) => c.req.param("name") ?? "" }));
export default app;
