import { LogError, RunError } from "../model/errors.ts";
import type { Position } from "../model/log.ts";
import type { Client } from "./cluster-client.ts";
import { confirm, reported } from "./cluster-suite-confirms.ts";
import { endingsOf, isFound, isLost, work } from "./cluster-suite-runs.ts";
import { type Cluster, type ClusterFault, type ClusterTests, demanded } from "./cluster-suite-tools.ts";
import { failure, same } from "./log-suite-tools.ts";

/** A node that cannot reach the store for a while, and is taken for gone, or not. */
const cutTests: ClusterTests = {
  async "a node that was cut off for longer than its lease works again, and its runs have failed once"(
    cluster,
  ) {
    const { startAll, pass, of, until, lease } = cluster;
    const [one, two] = await startAll(2);
    const { run } = work(two, "before");
    const client = two.connect("ann", { news: undefined });
    await isFound(cluster, one, run.id);
    await of(one.notifier.publish("news", "before"));
    await until(() => same(dataOf(client), ["before"]));
    await two.cut();
    await pass(3 * lease);
    const meanwhile = two.notifier.publish("news", "meanwhile");
    await two.heal();
    await of(meanwhile);
    const error = await of(failure(run.result()));
    same(error instanceof RunError ? error.reason : String(error), "lost");
    same(run.status, "failed");
    await isLost(cluster, one, run.id);
    const next = work(two, "after");
    await isFound(cluster, one, next.run.id);
    await of(one.notifier.publish("news", "after"));
    await until(() => same(dataOf(client), ["before", "meanwhile", "after"]));
    await until(async () => {
      const { clients, complete } = await of(one.notifier.presence("news"));
      same([clients.length, complete], [1, true]);
    });
    next.finish();
    same(await of(next.run.result()), { of: "after" });
    same([client.pipe.closed, client.failures], [undefined, []]);
  },

  async "a node that was cut off for less than its lease goes on with its runs"(cluster) {
    const { startAll, pass, of, lease } = cluster;
    const [one, two] = await startAll(2);
    const { run, finish } = work(two, "report");
    await isFound(cluster, one, run.id);
    await two.cut();
    await pass(lease / 3);
    await two.heal();
    await pass(2 * lease);
    finish();
    same(await of(failure(run.result())), undefined);
    same(await endingsOf(cluster, one, run.id), ["run.completed"]);
  },

  async "what a node has confirmed that was cut off for longer than its lease is reported once"(cluster) {
    const [one, two, three] = await cluster.startAll(3);
    await confirm(cluster, three, ["a"], 8 * cluster.lease);
    await three.cut();
    await cluster.pass(3 * cluster.lease);
    await three.heal();
    await cluster.pass(8 * cluster.lease);
    await cluster.until(() => same(reported(one, two, three), ["a expired"]));
    same(reported(three), []);
  },
};

/** A store that stands still. */
const pauseTests: ClusterTests = {
  async "while the store stands still for longer than the lease nobody is lost"(cluster) {
    const { startAll, pass, of, lease, world } = cluster;
    const nodes = await startAll(3);
    const runs = nodes.map((node, at) => work(node, `${at}`));
    for (const { run } of runs) await isFound(cluster, nodes[0], run.id);
    await demanded(world.pause, "pause()").call(world);
    await pass(3 * lease);
    await demanded(world.resume, "resume()").call(world);
    await pass(2 * lease);
    for (const { finish } of runs) finish();
    for (const { run } of runs) same(await of(failure(run.result())), undefined);
    for (const { run } of runs) same(await endingsOf(cluster, nodes[0], run.id), ["run.completed"]);
  },
};

/** A store that loses everything. */
const wipeTests: ClusterTests = {
  async "after the store was wiped all nodes are there, and the runs of one that dies fail once"(cluster) {
    const { startAll, of, until, world } = cluster;
    const [one, two, three] = await startAll(3);
    const [lost, kept] = [work(three, "lost"), work(two, "kept")];
    for (const { run } of [lost, kept]) await isFound(cluster, one, run.id);
    await demanded(world.wipe, "wipe()").call(world);
    for (const { run } of [lost, kept]) await isFound(cluster, one, run.id);
    const client = two.connect("ann", { news: undefined });
    await of(one.notifier.publish("news", 1));
    await until(() => same(dataOf(client), [1]));
    await three.kill();
    await isLost(cluster, one, lost.run.id);
    kept.finish();
    same(await of(failure(kept.run.result())), undefined);
    same(await endingsOf(cluster, one, kept.run.id), ["run.completed"]);
  },
};

/** A store that is set back to an earlier moment. */
const rollbackTests: ClusterTests = {
  async "after the store was set back a client is told of one gap, or of none if it has missed nothing"(
    cluster,
  ) {
    const { startAll, of, until } = cluster;
    const [one, two] = await startAll(2);
    for (const channel of ["kept", "lost"]) await of(one.notifier.publish(channel, "before"));
    const restore = await keep(cluster);
    await of(one.notifier.publish("lost", "gone"));
    const before = two.connect("ann", { kept: undefined, lost: undefined });
    await until(() =>
      same([dataOf(before, "kept"), dataOf(before, "lost")], [["before"], ["before", "gone"]]),
    );
    await restore();
    for (const channel of ["kept", "lost"]) await of(one.notifier.publish(channel, "after"));
    // Each subscription ends, so that the client comes back and says where it was.
    await until(() => same(before.failures.length, 2));
    const last = (channel: string): Position | undefined => before.of(channel).at(-1);
    const back = two.connect("ann", { kept: last("kept"), lost: last("lost") });
    await until(() => same(dataOf(back, "kept"), ["after"]));
    const gaps = () => back.failures.map((each) => (each as { channel: string }).channel);
    await until(() => same(gaps(), ["lost"]));
    await of(one.notifier.publish("lost", "later"));
    await until(() => same(dataOf(back, "lost").at(-1), "later"));
    same(gaps(), ["lost"]);
  },

  async "after the store was set back runs have one ending, and those that work are held"(cluster) {
    const { startAll, of, until, world } = cluster;
    same(typeof demanded(world.snapshot, "snapshot()"), "function");
    const [one, two] = await startAll(2);
    const ended = work(two, "ended");
    await isFound(cluster, one, ended.run.id);
    const restore = await keep(cluster);
    ended.finish();
    same(await of(ended.run.result()), { of: "ended" });
    const working = work(two, "working");
    await isFound(cluster, one, working.run.id);
    await restore();
    await isFound(cluster, one, working.run.id);
    await until(async () => same(await endingsOf(cluster, one, ended.run.id), ["run.completed"]));
    await two.kill();
    await isLost(cluster, one, working.run.id);
    same(await endingsOf(cluster, one, ended.run.id), ["run.completed"]);
  },
};

/** What nodes must do when more happens than the end of a process, by what it is. */
export const faultTests: Readonly<Record<ClusterFault, ClusterTests>> = {
  cut: cutTests,
  pause: pauseTests,
  rollback: rollbackTests,
  wipe: wipeTests,
};

/** Whether a node may report an error while the store fails. */
export function isOfFault(error: unknown): boolean {
  return error instanceof LogError;
}

async function keep({ world }: Cluster): Promise<() => void | Promise<void>> {
  return demanded(world.snapshot, "snapshot()").call(world);
}

function dataOf(client: Client, channel = "news"): unknown[] {
  return client.of(channel).map(({ data }) => data);
}
