import { act } from "./nodes-acts.ts";
import { checkLive, closeAll, comeRight } from "./nodes-end.ts";
import { judge } from "./nodes-judge.ts";
import { judgeReports } from "./nodes-judge-reports.ts";
import { judgeRuns } from "./nodes-judge-runs.ts";
import { createNodesWorld, type Fault, faults } from "./nodes-world.ts";

/** Plays the schedule of a seed. Rejects with the first broken rule, and the trace that led to it. */
export async function simulateNodes(seed: number, allowed: readonly Fault[] = faults): Promise<void> {
  const world = createNodesWorld(seed, allowed);
  try {
    for (let step = 0; step < world.shape.steps; step++) await act(world);
    await comeRight(world);
    checkLive(world);
    await judgeRuns(world);
    await closeAll(world);
    judge(world);
    judgeReports(world);
  } catch (cause) {
    const message = `Seed ${seed} breaks a rule: ${cause instanceof Error ? cause.message : cause}`;
    throw new Error([message, ...world.trace].join("\n  "), { cause });
  }
}
