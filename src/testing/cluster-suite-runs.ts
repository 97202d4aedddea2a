import { ExistsError, RunError } from "../model/errors.ts";
import type { Run } from "../model/run.ts";
import type { Cluster, ClusterTests, TestNode } from "./cluster-suite-tools.ts";
import { failure, same } from "./log-suite-tools.ts";

/** Runs that one node works on, and others follow, find, or bring to an end. */
export const runTests: ClusterTests = {
  async "a run of one node is followed on another, found there, and its result is read there"(cluster) {
    const { startAll, until, of } = cluster;
    const [one, two] = await startAll(2);
    const { run, finish } = work(one, "report");
    const channel = `run:${run.id}`;
    const client = two.connect("ann", { [channel]: undefined });
    await until(() => same(typesOf(client.of(channel)), ["run.started", "step"]));
    const found = await of(two.notifier.runs.find(run.id));
    same([found?.status, found?.name], ["working", "report"]);
    const result = found?.result();
    finish();
    same(await of(result ?? Promise.resolve()), { of: "report" });
    await until(() => same(typesOf(client.of(channel)), ["run.started", "step", "run.completed"]));
    same((await of(two.notifier.runs.find(run.id)))?.status, "completed");
    same(client.failures, []);
  },

  async "the runs of a node that dies are lost, each once, and whoever follows them is told"(cluster) {
    const { startAll, until } = cluster;
    const [one, two, three] = await startAll(3);
    const runs = ["a", "b", "c"].map((name) => work(three, name).run);
    const client = two.connect("ann", Object.fromEntries(runs.map(({ id }) => [`run:${id}`, undefined])));
    for (const { id } of runs)
      await until(() => same(typesOf(client.of(`run:${id}`)), ["run.started", "step"]));
    await three.kill();
    for (const { id } of runs) {
      await until(() => same(typesOf(client.of(`run:${id}`)), ["run.started", "step", "run.failed"]));
      for (const node of [one, two]) await isLost(cluster, node, id);
    }
    same(client.failures, []);
  },

  async "a run that has ended when its node dies stays as it is"(cluster) {
    const { startAll, of, pass, lease } = cluster;
    const [one, two] = await startAll(2);
    const { run, finish } = work(two, "done");
    finish();
    await of(run.result());
    await two.kill();
    await pass(3 * lease);
    same(await endingsOf(cluster, one, run.id), ["run.completed"]);
  },

  async "if several nodes die, the last one brings all their runs to an end"(cluster) {
    const [one, two, three] = await cluster.startAll(3);
    const runs = [work(one, "a").run, work(two, "b").run];
    for (const { id } of runs) await isFound(cluster, three, id);
    await one.kill();
    await cluster.pass(cluster.lease / 2);
    await two.kill();
    for (const { id } of runs) await isLost(cluster, three, id);
  },

  async "if all nodes die, the next one that starts brings their runs to an end"(cluster) {
    const [one, two] = await cluster.startAll(2);
    const runs = [work(one, "a").run, work(two, "b").run];
    for (const { id } of runs) await isFound(cluster, one, id);
    await one.kill();
    await two.kill();
    const three = await cluster.start();
    for (const { id } of runs) await isLost(cluster, three, id);
  },

  async "a run whose node is dead can be cancelled: that settles once the run is lost"(cluster) {
    const [one, two] = await cluster.startAll(2);
    const { run } = work(two, "report");
    await isFound(cluster, one, run.id);
    const found = await cluster.of(one.notifier.runs.find(run.id));
    await two.kill();
    await cluster.of(found?.cancel("enough") ?? Promise.resolve());
    await isLost(cluster, one, run.id);
  },

  async "an id that several nodes give to a run at once is that of one run"(cluster) {
    const nodes = await cluster.startAll(3);
    let calls = 0;
    const runs = nodes.map(({ notifier }) =>
      notifier.run(
        async () => {
          calls++;
          return "done";
        },
        { id: "nightly", owner: "ann" },
      ),
    );
    const errors = await cluster.of(Promise.all(runs.map((run) => failure(run.result()))));
    same(
      errors.map((error) => error === undefined || error instanceof ExistsError),
      [true, true, true],
    );
    same([errors.filter((error) => error === undefined).length, calls], [1, 1]);
    same(await endingsOf(cluster, nodes[0], "nightly"), ["run.completed"]);
  },

  async "the runs of a node that closes are cancelled, and others find them so"(cluster) {
    const [one, two] = await cluster.startAll(2);
    const { run } = work(one, "report");
    const outcome = failure(run.result());
    await isFound(cluster, two, run.id);
    const { runs } = await cluster.of(one.close());
    same(runs.cancelled, [run.id]);
    await outcome;
    same(await endingsOf(cluster, two, run.id), ["run.cancelled"]);
    same((await cluster.of(two.notifier.runs.find(run.id)))?.status, "cancelled");
  },

  async "a run goes on while other nodes leave and die"(cluster) {
    const { startAll, of, pass, lease } = cluster;
    const [one, two, three] = await startAll(3);
    const { run, finish } = work(two, "report");
    const lost = work(three, "other").run;
    for (const { id } of [run, lost]) await isFound(cluster, one, id);
    await of(one.close());
    await three.kill();
    await isLost(cluster, two, lost.id);
    await pass(3 * lease);
    finish();
    same(await of(failure(run.result())), undefined);
    same(await endingsOf(cluster, two, run.id), ["run.completed"]);
  },
};

/** Starts a run that works until `finish` is called, or it is cancelled. */
export function work({ notifier }: TestNode, name: string): { run: Run<unknown>; finish(): void } {
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const run = notifier.run(
    async function* ({ signal }) {
      yield { type: "step" };
      signal.onabort = finish;
      await finished;
      signal.throwIfAborted();
      return { of: name };
    },
    { name },
  );
  // Nobody waits for the result of a run whose node is killed.
  run.result().catch(() => {});
  return { run, finish };
}

function typesOf(received: readonly { readonly data: unknown }[]): string[] {
  return received.map(({ data }) => (data as { type: string }).type);
}

/** Waits until a node finds a run in the log. */
export async function isFound({ until, of }: Cluster, { notifier }: TestNode, id: string): Promise<void> {
  await until(async () => same((await of(notifier.runs.find(id)))?.status, "working"));
}

/** Waits until a node finds that a run is lost, and checks that it has one ending. */
export async function isLost(cluster: Cluster, node: TestNode, id: string): Promise<void> {
  const { runs } = node.notifier;
  await cluster.until(async () => same((await cluster.of(runs.find(id)))?.status, "failed"));
  const error = await cluster.of(failure((await cluster.of(runs.find(id)))?.result() ?? Promise.resolve()));
  same(error instanceof RunError ? error.reason : String(error), "lost");
  await cluster.pass(cluster.lease);
  same(await endingsOf(cluster, node, id), ["run.failed"]);
}

/** Returns the types of all endings in a run's channel. */
export async function endingsOf({ of }: Cluster, { notifier }: TestNode, id: string): Promise<string[]> {
  const { publications } = await of(notifier.history(`run:${id}`));
  return typesOf(publications).filter((type) => type.startsWith("run.") && type !== "run.started");
}
