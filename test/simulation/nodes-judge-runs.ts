import { CancelError, RunError } from "../../src/model/errors.ts";
import type { RunState } from "../../src/model/run.ts";
import type { SimNode } from "./nodes-node.ts";
import type { EpochTruth } from "./nodes-truth.ts";
import { alive, type NodesWorld, type RunRecord, type Span } from "./nodes-world.ts";

interface RunText {
  readonly type: string;
  readonly name?: string;
  readonly reason?: string;
}

/** A run as the store has it. */
interface StoredRun {
  readonly record: RunRecord;
  readonly ending: RunText | undefined;
}

/** Each run has one ending, which is that of whoever ran it, and every node says so. */
export async function judgeRuns(world: NodesWorld): Promise<void> {
  const { truth } = world;
  truth.look();
  const stored: StoredRun[] = [];
  for (const epoch of truth.epochs) {
    if (!epoch.channel.startsWith("run:")) continue;
    const run = judgeEpoch(world, epoch);
    if (run !== undefined && truth.now[epoch.channel]?.epoch === epoch.epoch) stored.push(run);
  }
  for (const record of world.runs) {
    const { name, calls, outcome, node } = record;
    judgeRenewed(world, record);
    if (calls > 1) throw new Error(`The task of ${name} was called ${calls} times`);
    if (outcome?.type === "refused" && calls > 0) throw new Error(`${name} was refused, and called`);
    if (outcome?.type === "unknown" && node.state === "alive")
      throw new Error(`${name} has no ending: ${outcome.error}`);
    if (node.state === "alive" && outcome === undefined) throw new Error(`${name} works for ever`);
  }
  judgeAnnounced(world);
  await judgeFound(world, stored);
}

/** The ending of each run is announced once at most, by whoever comes while the channel of the run is kept. */
function judgeAnnounced({ truth, runs, shape }: NodesWorld): void {
  if (shape.runTtl < 10_000) return;
  for (const { channel, texts } of truth.epochs) {
    if (channel !== "runs") continue;
    const ended = [...texts.values()].map((text) => JSON.parse(text) as RunText & { run: string });
    for (const id of new Set(runs.map((run) => run.id))) {
      const endings = ended.filter(({ type, run }) => run === id && type !== "run.started");
      const most = runs.filter((run) => run.id === id).length;
      if (endings.length > most) throw new Error(`${id} is announced as ${endings.map(({ type }) => type)}`);
    }
  }
}

/** What the store has forgotten of a run is written again by its node. */
function judgeRenewed(
  { truth, losses, pauses, shape }: NodesWorld,
  { id, name, node, outcome }: RunRecord,
): void {
  if (losses.length === 0 || shape.runTtl < 10_000 || id !== name) return;
  if (node.state !== "alive" || node.cuts.length > 0 || !/^run\./.test(outcome?.type ?? "")) return;
  const at = outcome?.at ?? 0;
  const slice = truth.now[`run:${id}`];
  const types = slice?.entries.map(({ data }) => (JSON.parse(data) as RunText).type) ?? [];
  if (slice?.sealed !== true || !types.some((type) => type === outcome?.type))
    throw new Error(`${name} has no ending after the store lost it, and ${node.name} lives`);
  if (
    types.includes("step") &&
    !types.includes("run.started") &&
    losses.every((loss) => loss < at - 1_000) &&
    pauses.length === 0
  )
    throw new Error(`${name} has no start after the store lost it, and ${node.name} lives`);
}

function judgeEpoch(
  { runs, truth, losses, shape }: NodesWorld,
  { channel, epoch, texts }: EpochTruth,
): StoredRun | undefined {
  const events = [...texts].sort(([a], [b]) => a - b).map(([, text]) => JSON.parse(text) as RunText);
  const isNow = truth.now[channel]?.epoch === epoch;
  const endings = events.filter(({ type }) => type.startsWith("run.") && type !== "run.started");
  if (endings.length > 1) throw new Error(`${channel} has ${endings.map(({ type }) => type)}`);
  const [ending] = endings;
  if (ending !== undefined && events.at(-1) !== ending)
    throw new Error(`${channel} goes on after its ending`);
  if (events.length === 0) return undefined;
  const [first] = events;
  if (first?.type !== "run.started") {
    if (losses.length > 0) return undefined;
    throw new Error(`${channel} begins with ${first?.type}`);
  }
  const record = runs.find(({ name }) => name === first.name);
  if (record === undefined) throw new Error(`${channel} has the unknown run ${first.name}`);
  if (events.some(({ type, name }) => type === "step" && name !== first.name))
    throw new Error(`${channel} has events of several runs`);
  if (!isNow) return undefined;
  const { outcome, node } = record;
  if (ending === undefined) {
    // An ending of which its node hears later than that that the store has lost it is not written again. It was written a
    // little before its node heard of that, and it is a little later that it looks for it.
    const hears = (loss: number): number =>
      node.cuts.find(({ from, until }) => from <= loss && loss <= until)?.until ?? loss;
    if (outcome !== undefined && losses.some((loss) => hears(loss) - outcome.at >= shape.runTtl - 200))
      return undefined;
    throw new Error(`${channel} (${first.name}) has no ending`);
  }
  // Its ending is trimmed before its node comes back.
  if (node.cuts.some(({ from, until }) => until - from >= shape.runTtl)) return { record, ending };
  // The store has lost its ending while its node could not write it again.
  if (ending.reason === "lost" && losses.length > 0 && node.cuts.some(isLong)) return { record, ending };
  if (outcome !== undefined && node.state === "alive" && outcome.type !== ending.type)
    throw new Error(`${first.name} is ${outcome.type} on ${node.name}, and ${ending.type} in the log`);
  if (ending.reason === "lost" && node.state === "alive" && !node.cuts.some(isLong))
    throw new Error(`${first.name} is lost, and ${node.name} lives`);
  return { record, ending };
}

/** Returns whether a node may be taken for gone, when it was cut off for so long. */
function isLong({ from, until }: Span): boolean {
  return until - from > 1_000;
}

/** All nodes find each run that is kept, with the same status and result. */
async function judgeFound(world: NodesWorld, stored: readonly StoredRun[]): Promise<void> {
  const checks = stored.flatMap((run) => alive(world).map((node) => judgeOn(world, node, run)));
  let isDone = false;
  const judging = Promise.all(checks).finally(() => {
    isDone = true;
  });
  judging.catch(() => {});
  for (let n = 0; n < 20 && !isDone; n++) await world.clock.advance(500);
  if (!isDone) throw new Error("A result is never read");
  await judging;
}

async function judgeOn(
  { truth, losses }: NodesWorld,
  node: SimNode,
  { record, ending }: StoredRun,
): Promise<void> {
  const { id, name } = record;
  const now = truth.now[`run:${id}`];
  const found = await node.notifier.runs.find(id);
  // It may be trimmed by now.
  if (found === undefined && now?.entries.length === 0) return;
  if (found === undefined) throw new Error(`${node.name} does not find ${name}`);
  if (found.name !== name) return;
  // Its own node knows how it ended. The store has lost that, and others have ended it again.
  if (node === record.node && ending?.reason === "lost" && losses.length > 0) return;
  if (`run.${found.status}` !== ending?.type)
    throw new Error(`${node.name} finds that ${name} is ${found.status}, and it has ${ending?.type}`);
  const type = await outcomeOf(found);
  if (type !== ending.type && type !== "trimmed")
    throw new Error(`${node.name} reads ${type} as the result of ${name}, which has ${ending.type}`);
}

async function outcomeOf(found: RunState): Promise<string> {
  try {
    const value = await found.result();
    return value === found.name ? "run.completed" : `the result ${JSON.stringify(value)}`;
  } catch (error) {
    if (error instanceof RunError) return "run.failed";
    if (error instanceof CancelError) return "run.cancelled";
    return (error as Error).name === "GapError" ? "trimmed" : String(error);
  }
}
