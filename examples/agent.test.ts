import { createNotifier } from "tocsin";
import { agentEvents } from "tocsin/agent";
import { fakeClock } from "tocsin/testing";
import { expect, test } from "vitest";

test("an agent publishes an event for each of its steps", async () => {
  const clock = fakeClock();
  const notifier = createNotifier({ clock });
  const run = notifier.run(async (context) => {
    const events = agentEvents(context, { agentName: "researcher" });
    await events.thinking({ thought: "Which sources?", step_number: 1, total_steps: 3 });
    await events.toolExecuting({ tool_name: "search", call_id: "c1" });
    await events.toolCompleted({ tool_name: "search", call_id: "c1", result: { found: 12 } });
    return "12 sources";
  });
  await clock.settle();
  expect(await run.result()).toBe("12 sources");

  const { publications } = await notifier.history(`run:${run.id}`);
  expect(publications.map(({ data }) => (data as { type: string }).type)).toEqual([
    "run.started",
    "agent_thinking",
    "tool_executing",
    "tool_completed",
    "run.completed",
  ]);
  await notifier.close();
});
