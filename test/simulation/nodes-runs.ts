import { CancelError, ExistsError, RunError } from "../../src/model/errors.ts";
import type { Task } from "../../src/model/run.ts";
import type { SimNode } from "./nodes-node.ts";
import { alive, type NodesWorld, type RunRecord, users } from "./nodes-world.ts";

/** How a task ends: it returns, it throws, it returns although it was cancelled, or it throws its own error then. */
const modes = ["returns", "throws", "insists", "breaks"] as const;

export function startRun(world: NodesWorld): void {
  const { random: source, clock, trace, runs } = world;
  const nodes = alive(world);
  if (nodes.length === 0) return;
  const node = source.pick(nodes);
  const name = `run ${++world.count}`;
  const id = source.chance(0.3) ? source.pick(["again", "nightly"]) : name;
  if (node.notifier.runs.get(id) !== undefined) return;
  const owner = source.pick(users);
  const mode = source.pick(modes);
  const ms = source.pick([0, 100, 800, 2_500]);
  trace.push(`${clock.now()} ${node.name} starts ${id} (${name}) of ${owner}, which ${mode} in ${ms}`);
  const called = (): void => {
    record.calls++;
  };
  const task = taskOf(world, { name, mode, ms, called });
  const channel = source.chance(0.5) ? "runs" : undefined;
  const run = node.notifier.run(task, { id, owner, name, ...(channel && { channel }) });
  const record: RunRecord = { id, name, node, run, calls: 0, outcome: undefined };
  runs.push(record);
  settle(world, record);
  const client = world.clients.find(({ user }) => user === owner);
  if (source.chance(0.6)) client?.fromStart(`run:${id}`, world.step);
}

function settle({ clock, trace }: NodesWorld, record: RunRecord): void {
  const { node, run, name } = record;
  const ended = (type: string, error?: unknown): void => {
    if (node.state === "dead") return;
    record.outcome = { type, error, at: clock.now() };
    trace.push(`${clock.now()} ${node.name} has ${name}: ${type} ${error ?? ""}`);
  };
  run.result().then(
    () => ended("run.completed"),
    (error: unknown) => {
      if (error instanceof RunError) ended("run.failed");
      else if (error instanceof CancelError) ended("run.cancelled");
      else ended(error instanceof ExistsError ? "refused" : "unknown", error);
    },
  );
}

interface TaskOptions {
  readonly name: string;
  readonly mode: (typeof modes)[number];
  readonly ms: number;
  called(): void;
}

function taskOf({ clock }: NodesWorld, { name, mode, ms, called }: TaskOptions): Task<string> {
  return async function* ({ signal }) {
    called();
    yield { type: "step", name };
    await new Promise<void>((resolve, reject) => {
      const timer = clock.timer(ms, resolve);
      const stop = (): void => {
        timer.cancel();
        if (mode === "insists") resolve();
        else reject(mode === "breaks" ? new Error("broken") : signal.reason);
      };
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop);
    });
    if (mode === "throws") throw new Error(name);
    yield { type: "step", name };
    return name;
  };
}

/** Cancels a run, by whoever may: its node, another one, or a client anywhere. */
export function cancelRun(world: NodesWorld): void {
  const { random: source, clock, trace, runs, clients, notes } = world;
  if (runs.length === 0) return;
  const { id, run, node: own } = source.pick(runs);
  const way = source.pick(["here", "client", "anywhere"] as const);
  trace.push(`${clock.now()} ${id} is cancelled: ${way}`);
  if (way === "here") {
    if (own.state === "alive") run.cancel("enough");
    return;
  }
  if (way === "client") {
    source.pick(clients).send("run.cancel", { run: id });
    return;
  }
  const nodes = alive(world);
  if (nodes.length > 0) cancelOn(source.pick(nodes), id, notes);
}

function cancelOn(node: SimNode, id: string, notes: unknown[]): void {
  node.notifier.runs.find(id).then(
    (found) => found?.cancel("enough"),
    (error: Error) => {
      if (node.state === "alive" && !["LogError", "ClosedError"].includes(error.name)) notes.push(error);
    },
  );
}
