import { Hono } from "hono";
import type {
  CloseReport,
  DeliveredOptions,
  History,
  HistoryOptions,
  Level,
  Notifier,
  Pending,
  Position,
  Presence,
  PublishOptions,
  Receipt,
  RunEvent,
  RunOptions,
  RunStatus,
  Stats,
  TaskContext,
} from "tocsin";
import type { Happenings, Journal } from "./journal.ts";

/** What a scripted run does, one step after the other. */
export type Step =
  | { emit: RunEvent }
  /** Waits until a gate is open, or throws the reason of the run's signal. */
  | { pass: string }
  | { fail: string }
  | { result: unknown };

/** What a test can do with the notifier of a server, and see of it: each member is a route. */
export interface Control {
  /** Publishes everything in `list` in one turn. */
  publish(of: { channel: string; list: unknown[]; options?: PublishOptions }): Promise<Position[]>;
  /** Waits for the delivery of a publication that `publish` has made. */
  delivered(of: { channel: string; offset: number; options?: DeliveredOptions }): Promise<Delivered>;
  history(of: { channel: string; options?: HistoryOptions }): Promise<History>;
  presence(of: { channel: string }): Promise<Presence>;
  disconnect(of: { who: Parameters<Notifier["disconnect"]>[0]; code?: number }): Promise<null>;
  unsubscribe(of: { user: string; channel: string }): Promise<null>;
  run(of: { steps: Step[]; options?: RunOptions }): Promise<{ id: string }>;
  /** The status of a run, in the process and in the log. */
  status(of: { id: string }): Promise<{ live: RunStatus | null; logged: RunStatus | null }>;
  /** Waits for the ending of a run. */
  result(of: { id: string }): Promise<{ result: unknown } | { error: { name: string; message: string } }>;
  cancel(of: { id: string; reason?: string }): Promise<null>;
  /** Waits until there are `count` happenings of a kind, and removes them. 0: removes all that there are now. */
  take<Kind extends keyof Happenings>(of: { kind: Kind; count: number }): Promise<Happenings[Kind][]>;
  open(of: { gate: string }): Promise<null>;
  stats(of: object): Promise<Stats>;
  /** Closes the notifier. Returns what is then left of it, and what no test has taken. */
  close(of: object): Promise<{ report: CloseReport; stats: Stats; left: Pending[]; untaken: unknown[] }>;
}

/** How far a publication has come, or why it has not. */
export type Delivered = { level: Level; by: string } | { error: string };

/**
 * Returns an app with a route for each member of {@linkcode Control}: `POST /<profile>/<name>/control/<member>`. The
 * body is the argument, as JSON, and the response is the result.
 */
export function controlApp(notifier: () => Notifier, journal: Journal): Hono {
  const acts = control(notifier, journal);
  const app = new Hono();
  app.post("/:profile/:name/control/:act", async (c) => {
    const name = c.req.param("act");
    if (!Object.hasOwn(acts, name)) return c.text(`no such act: ${name}`, 404);
    const act = acts[name as keyof Control] as (of: unknown) => Promise<unknown>;
    return c.json((await act(await c.req.json())) ?? null);
  });
  app.onError(({ name, message }, c) => c.text(`${name}: ${message}`, 500));
  return app;
}

function control(notifier: () => Notifier, journal: Journal): Control {
  const receipts = new Map<string, Receipt>();
  return {
    ...running(notifier, journal),
    async publish({ channel, list, options }) {
      const made = await Promise.all(list.map((data) => notifier().publish(channel, data, options)));
      for (const receipt of made) receipts.set(`${channel} ${receipt.position.offset}`, receipt);
      return made.map(({ position }) => position);
    },
    async delivered({ channel, offset, options }) {
      const receipt = receipts.get(`${channel} ${offset}`);
      if (receipt === undefined)
        throw new Error(`Cannot wait for ${channel} ${offset}: it was not published`);
      return receipt.delivered(options).then(
        ({ level, by }) => ({ level, by }),
        ({ name }) => ({ error: name }),
      );
    },
    history: ({ channel, options }) => notifier().history(channel, options),
    presence: ({ channel }) => notifier().presence(channel),
    disconnect: ({ who, code }) => notifier().disconnect(who, code).then(nothing),
    unsubscribe: ({ user, channel }) => notifier().unsubscribe(user, channel).then(nothing),
    take: ({ kind, count }) => journal.take(kind, count) as never,
    async open({ gate }) {
      journal.open(gate);
      return null;
    },
    stats: async () => notifier().stats(),
    async close() {
      const own = notifier();
      const report = await own.close();
      // What is undelivered because of the closing is in the report.
      const untaken = journal.rest().filter((each) => (each as { reason?: string }).reason !== "closed");
      return { report, stats: own.stats(), left: own.inspect(), untaken };
    },
  };
}

function running(
  notifier: () => Notifier,
  journal: Journal,
): Pick<Control, "run" | "status" | "result" | "cancel"> {
  return {
    async run({ steps, options }) {
      const { id } = notifier().run((context) => play(steps, context, journal), options);
      return { id };
    },
    async status({ id }) {
      const found = await notifier().runs.find(id);
      return { live: notifier().runs.get(id)?.status ?? null, logged: found?.status ?? null };
    },
    async result({ id }) {
      const run = notifier().runs.get(id) ?? (await notifier().runs.find(id));
      if (run === undefined) throw new Error(`Cannot wait for run ${id}: there is none`);
      return run.result().then(
        (result) => ({ result }),
        ({ name, message }) => ({ error: { name, message } }),
      );
    },
    cancel: async ({ id, reason }) => notifier().runs.get(id)?.cancel(reason).then(nothing) ?? null,
  };
}

/** Does the steps of a run. */
async function* play(
  steps: readonly Step[],
  { signal }: TaskContext,
  journal: Journal,
): AsyncGenerator<RunEvent, unknown, void> {
  for (const step of steps) {
    if ("emit" in step) yield step.emit;
    else if ("pass" in step) await journal.pass(step.pass, signal);
    else if ("fail" in step) throw new Error(step.fail);
    else return step.result;
  }
  return undefined;
}

function nothing(): null {
  return null;
}
