import { EventSchemas, PROTOCOL_VERSION } from "@ag-ui/core/schemas";
import { describe, expect } from "vitest";
import {
  type AgentMessages,
  type AgUiEvent,
  type AgUiOptions,
  agentEvents,
  agentMessages,
  agUiEvents,
  toAgUi,
} from "../../src/agent.ts";
import type { RunEvent } from "../../src/run.ts";
import { rejection, test } from "../support/core.ts";

const agent = agentMessages({ run: "42", agentName: "Ada", now: () => 5.7 });
const helper = agentMessages({ run: "42", agentName: "Bo", now: () => 5 });

/** Converts events, and checks each result against AG-UI's own schema and its rules of order. */
function ui(events: readonly RunEvent[], options?: AgUiOptions): AgUiEvent[] {
  const convert = agUiEvents(options);
  return checked(events.flatMap((event) => convert(event)));
}

/** Like `ui`, without the timestamps, which all events of an agent have. */
function untimed(events: readonly RunEvent[], options?: AgUiOptions): object[] {
  return ui(events, options).map(({ timestamp: _, ...rest }) => rest);
}

/** Returns what follows the start of the run. */
function following(...events: readonly RunEvent[]): object[] {
  return untimed([agent.started(), ...events]).slice(1);
}

function typesOf(events: readonly object[]): unknown[] {
  return events.map((event) => (event as AgUiEvent).type);
}

function checked(events: AgUiEvent[]): AgUiEvent[] {
  for (const event of events) {
    const option = schemas.find(({ shape }) => shape.type.value === event.type);
    expect(EventSchemas.parse(event)).toEqual(event);
    // The schemas accept fields that they do not list.
    expect(Object.keys(event).filter((field) => !(field in (option?.shape ?? {})))).toEqual([]);
    expect(JSON.parse(JSON.stringify(event))).toEqual(event);
  }
  expect(faultsOf(events)).toEqual([]);
  return events;
}

const schemas = EventSchemas.options as unknown as { shape: { type: { value: string } } }[];

/** Which types open, continue and close a sequence, and by which field. */
const pairs: [open: string, inside: string | undefined, close: string[], key: string][] = [
  ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", ["TEXT_MESSAGE_END"], "messageId"],
  ["TOOL_CALL_START", "TOOL_CALL_ARGS", ["TOOL_CALL_END"], "toolCallId"],
  ["REASONING_START", undefined, ["REASONING_END"], "messageId"],
  ["REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT", ["REASONING_MESSAGE_END"], "messageId"],
  ["STEP_STARTED", undefined, ["STEP_FINISHED"], "stepName"],
  ["SUBAGENT_STARTED", undefined, ["SUBAGENT_FINISHED", "SUBAGENT_ERROR"], "subagentRunId"],
];

/** Returns where a stream breaks AG-UI's rules of order (docs.ag-ui.com/spec/1.0/basic/patterns, /events/lifecycle). */
function faultsOf(events: readonly AgUiEvent[]): string[] {
  const faults: string[] = [];
  const open = new Set<string>();
  const subagents = new Set<unknown>();
  let isRunning = false;
  for (const event of events) {
    const { type } = event;
    const isEnd = type === "RUN_FINISHED" || type === "RUN_ERROR";
    if (isRunning === (type === "RUN_STARTED"))
      faults.push(`${type} while ${isRunning ? "" : "not "}running`);
    if (type === "RUN_STARTED") subagents.clear();
    if (isEnd) faults.push(...[...open].map((it) => `${it} open at ${type}`));
    isRunning = !isEnd;
    if (type === "SUBAGENT_STARTED") {
      if (subagents.has(event.subagentRunId)) faults.push("a subagent twice");
      subagents.add(event.subagentRunId);
    }
    for (const [opens, inside, closes, key] of pairs) {
      const it = `${opens} ${event[key]}`;
      if (type === opens && open.has(it)) faults.push(`${it} twice`);
      if (type === opens) open.add(it);
      if ((type === inside || closes.includes(type)) && !open.has(it)) faults.push(`${type} without ${it}`);
      if (closes.includes(type)) open.delete(it);
    }
  }
  return faults;
}

test("the check of these tests finds a stream that breaks the rules", () => {
  const of = (type: string, fields: object = {}) => ({ type, ...fields }) as AgUiEvent;
  const started = of("RUN_STARTED");
  expect(faultsOf([of("CUSTOM")])).toEqual(["CUSTOM while not running"]);
  expect(faultsOf([started, started])).toEqual(["RUN_STARTED while running"]);
  expect(faultsOf([started, of("TEXT_MESSAGE_END", { messageId: "m" })])).toEqual([
    "TEXT_MESSAGE_END without TEXT_MESSAGE_START m",
  ]);
  expect(faultsOf([started, of("STEP_STARTED", { stepName: "s" }), of("RUN_FINISHED")])).toEqual([
    "STEP_STARTED s open at RUN_FINISHED",
  ]);
});

describe("a run", () => {
  test("begins with agent_started and finishes with agent_completed", () => {
    expect(ui([agent.started(), agent.completed({ result: { n: 1 }, duration_ms: 12 })])).toStrictEqual([
      { type: "RUN_STARTED", threadId: "42", runId: "42", protocolVersion: PROTOCOL_VERSION, timestamp: 5 },
      {
        type: "RUN_FINISHED",
        threadId: "42",
        runId: "42",
        outcome: { type: "success" },
        result: { n: 1 },
        metadata: { duration_ms: 12 },
        timestamp: 5,
      },
    ]);
  });

  test("belongs to the thread in its options", () => {
    const [started, finished] = ui([agent.started(), agent.stopped()], { thread: "ann" });
    expect([started?.threadId, started?.runId]).toEqual(["ann", "42"]);
    expect([finished?.threadId, finished?.runId]).toEqual(["ann", "42"]);
  });

  test("begins with any first event", () => {
    expect(typesOf(ui([agent.log({ level: "info", message: "", metadata: {} }), agent.started()]))).toEqual([
      "RUN_STARTED",
      "CUSTOM",
    ]);
    expect(typesOf(ui([agent.failed("no")]))).toEqual(["RUN_STARTED", "RUN_ERROR"]);
  });

  test.for([agent.cancelled({ reason: "the user left" }), agent.stopped()])(
    "is cancelled by $type",
    (event) => {
      expect(following(event)).toEqual([
        { type: "RUN_FINISHED", threadId: "42", runId: "42", outcome: { type: "cancelled" } },
      ]);
    },
  );

  test("ends in an error with agent_failed", () => {
    expect(following(agent.failed(new RangeError("too far")))).toEqual([
      { type: "RUN_ERROR", message: "too far", code: "RangeError" },
    ]);
    expect(following(agent.failed("no"))).toEqual([{ type: "RUN_ERROR", message: "no" }]);
  });

  test("ends in an error with agent_error unless the agent goes on", () => {
    const error = { error_message: "429", error_type: "rate_limit" };
    const final = agent.error(error);
    const { type: _, run: __, timestamp: ___, ...metadata } = final;
    expect(following(final)).toEqual([
      {
        type: "RUN_ERROR",
        message: "Too many requests were made in a short time.",
        code: "rate_limit",
        metadata,
      },
    ]);
    expect(following(agent.error(error, { is_recoverable: true }))).toEqual([
      { type: "CUSTOM", name: "agent_error", value: { ...metadata, is_recoverable: true } },
    ]);
  });

  test("has no events after its ending, until it starts again", () => {
    const events = [
      agent.started(),
      agent.failed("no"),
      agent.log({ level: "info", message: "late", metadata: {} }),
      agent.completed({ result: 1, duration_ms: 1 }),
      agent.started(),
      agent.subagentStarted({ subagent_id: "r" }),
      agent.completed({ result: 1, duration_ms: 1 }),
    ];
    expect(typesOf(ui(events))).toEqual([
      "RUN_STARTED",
      "RUN_ERROR",
      "RUN_STARTED",
      "SUBAGENT_STARTED",
      "SUBAGENT_FINISHED",
      "RUN_FINISHED",
    ]);
  });

  test("A2: ignores another run on its channel", () => {
    const other = agentMessages({ run: "43" });
    const ended = other.completed({ result: 1, duration_ms: 1 });
    expect(typesOf(ui([agent.started(), other.started(), ended, agent.stopped()]))).toEqual([
      "RUN_STARTED",
      "RUN_FINISHED",
    ]);
    expect(ui([agent.started(), other.started()], { run: "43" }).map(({ runId }) => runId)).toEqual(["43"]);
  });
});

const open: readonly RunEvent[] = [
  agent.started(),
  helper.started(),
  agent.partialResult({ content: "a", is_complete: false }),
  agent.streamChunk({ stream_id: "s", index: 0, content: "b", is_final: false }),
  agent.operationStarted({ operation_name: "index" }),
  agent.subagentStarted({ subagent_name: "Reader", subagent_id: "r" }),
  agent.toolStarted({ tool_name: "search", parameters: {} }),
];

describe("what is still open at the end of a run", () => {
  const endings: [RunEvent, string, string][] = [
    [agent.completed({ result: 1, duration_ms: 1 }), "SUBAGENT_FINISHED", "RUN_FINISHED"],
    [agent.stopped(), "SUBAGENT_ERROR", "RUN_FINISHED"],
    [agent.cancelled(), "SUBAGENT_ERROR", "RUN_FINISHED"],
    [agent.failed("no"), "SUBAGENT_ERROR", "RUN_ERROR"],
    [agent.error("no"), "SUBAGENT_ERROR", "RUN_ERROR"],
    [{ type: "run.completed", run: "42" }, "SUBAGENT_FINISHED", "RUN_FINISHED"],
    [
      { type: "run.failed", run: "42", error: { name: "Error", message: "no" } },
      "SUBAGENT_ERROR",
      "RUN_ERROR",
    ],
    [{ type: "run.cancelled", run: "42", by: "client" }, "SUBAGENT_ERROR", "RUN_FINISHED"],
  ];
  test.for(endings)("ends with it: %j", ([ending, subagent, last]) => {
    expect(typesOf(ui([...open, ending])).slice(-6)).toEqual([
      "TEXT_MESSAGE_END",
      "TEXT_MESSAGE_END",
      subagent,
      "STEP_FINISHED",
      "STEP_FINISHED",
      last,
    ]);
  });
});

describe("another agent within the run", () => {
  test("is a step of it", () => {
    const events = [helper.started(), helper.completed({ result: 1, duration_ms: 2 }), agent.stopped()];
    expect(following(...events)).toEqual([
      { type: "STEP_STARTED", stepName: "Bo", metadata: { agent_name: "Bo" } },
      { type: "STEP_FINISHED", stepName: "Bo", metadata: { agent_name: "Bo", result: 1, duration_ms: 2 } },
      { type: "RUN_FINISHED", threadId: "42", runId: "42", outcome: { type: "cancelled" } },
    ]);
  });

  test("fails without ending it", () => {
    expect(following(helper.started(), helper.failed("no"))).toEqual([
      { type: "STEP_STARTED", stepName: "Bo", metadata: { agent_name: "Bo" } },
      { type: "CUSTOM", name: "agent_failed", value: { agent_name: "Bo", error_message: "no" } },
      { type: "STEP_FINISHED", stepName: "Bo", metadata: { agent_name: "Bo", error_message: "no" } },
    ]);
  });

  test("ends it if it never started", () => {
    expect(typesOf(following(helper.completed({ result: 1, duration_ms: 2 })))).toEqual(["RUN_FINISHED"]);
  });
});

describe("a message", () => {
  const start = (messageId: string) => ({
    type: "TEXT_MESSAGE_START",
    messageId,
    role: "assistant",
    name: "Ada",
  });
  const piece = (messageId: string, delta: string) => ({ type: "TEXT_MESSAGE_CONTENT", messageId, delta });
  const end = (messageId: string) => ({ type: "TEXT_MESSAGE_END", messageId });

  test("is made of partial results, from the first to the complete one", () => {
    const events = ["a", "", "b", "c"].map((content) =>
      agent.partialResult({ content, is_complete: content === "b" }),
    );
    expect(following(...events)).toEqual([
      start("42:message:1"),
      piece("42:message:1", "a"),
      piece("42:message:1", "b"),
      end("42:message:1"),
      start("42:message:2"),
      piece("42:message:2", "c"),
    ]);
  });

  test("is made of the chunks of a stream, each stream for itself", () => {
    const chunk = (stream_id: string, content: string, is_final = false) =>
      agent.streamChunk({ stream_id, index: 0, content, is_final });
    const complete = (stream_id: string) => agent.streamComplete({ stream_id, total_chunks: 1 });
    expect(
      following(
        chunk("x", "a"),
        chunk("y", "b"),
        chunk("x", "c", true),
        complete("x"),
        complete("y"),
        complete("z"),
      ),
    ).toEqual([
      start("42:message:1"),
      piece("42:message:1", "a"),
      start("42:message:2"),
      piece("42:message:2", "b"),
      piece("42:message:1", "c"),
      end("42:message:1"),
      end("42:message:2"),
    ]);
  });

  test("is a final report that is a text; any other report is a custom event", () => {
    expect(following(agent.finalReport({ report: "It rings", total_duration_ms: 1 }))).toEqual([
      start("42:message:1"),
      piece("42:message:1", "It rings"),
      end("42:message:1"),
    ]);
    const value = { agent_name: "Ada", report: ["It rings"], total_duration_ms: 1 };
    expect(following(agent.finalReport({ report: ["It rings"], total_duration_ms: 1 }))).toEqual([
      { type: "CUSTOM", name: "final_report", value },
    ]);
  });

  test("is a thought, as reasoning", () => {
    const messageId = "42:thought:1";
    const pieces = (delta: string) => [
      { type: "REASONING_MESSAGE_START", messageId, role: "reasoning" },
      { type: "REASONING_MESSAGE_CONTENT", messageId, delta },
      { type: "REASONING_MESSAGE_END", messageId },
      { type: "REASONING_END", messageId },
    ];
    expect(following(agent.thinking({ thought: "Hm" }))).toEqual([
      { type: "REASONING_START", messageId },
      ...pieces("Hm"),
    ]);
    expect(following(agent.thinking({ thought: "Hm", step_number: 2 }))).toEqual([
      { type: "REASONING_START", messageId, metadata: { step_number: 2 } },
      ...pieces("Hm"),
    ]);
  });
});

describe("a tool call", () => {
  const shownAs = (toolCallId: string, ...deltas: string[]) => [
    { type: "TOOL_CALL_START", toolCallId, toolCallName: "search" },
    ...deltas.map((delta) => ({ type: "TOOL_CALL_ARGS", toolCallId, delta })),
    { type: "TOOL_CALL_END", toolCallId },
  ];
  const resultOf = (toolCallId: string, content: string) => ({
    type: "TOOL_CALL_RESULT",
    messageId: `${toolCallId}:result`,
    toolCallId,
    content,
    role: "tool",
  });
  const started = (parameters: unknown) => agent.toolStarted({ tool_name: "search", parameters });
  const executing = (call_id: string) => agent.toolExecuting({ tool_name: "search", call_id });
  const completed = (call_id: string, result: unknown) =>
    agent.toolCompleted({ tool_name: "search", call_id, result });
  const working = (call_id: string, tool_call_id: string) => ({
    type: "CUSTOM",
    name: "tool_executing",
    value: { agent_name: "Ada", tool_name: "search", call_id, tool_call_id },
  });

  test("is shown with its arguments at the start, and answered under the same id", () => {
    expect(following(started({ query: "ü" }), executing("c"), completed("c", { hits: 3 }))).toEqual([
      ...shownAs("42:tool:1", '{"query":"ü"}'),
      working("c", "42:tool:1"),
      resultOf("42:tool:1", '{"hits":3}'),
    ]);
  });

  test("with an id is shown with that id from its start, beside one of the same tool without one", () => {
    const named = (call_id: string) => agent.toolStarted({ tool_name: "search", call_id, parameters: "{}" });
    expect(
      following(named("a"), started("{}"), executing("b"), completed("a", "1"), completed("b", "2")),
    ).toEqual([
      ...shownAs("a", "{}"),
      ...shownAs("42:tool:1", "{}"),
      working("b", "42:tool:1"),
      resultOf("a", "1"),
      resultOf("42:tool:1", "2"),
    ]);
  });

  test("that worked before its start event is not started twice", () => {
    const late = agent.toolStarted({ tool_name: "search", call_id: "a", parameters: "{}" });
    expect(following(executing("a"), late, completed("a", "1"))).toEqual([
      ...shownAs("a"),
      working("a", "a"),
      {
        type: "CUSTOM",
        name: "tool_started",
        value: { agent_name: "Ada", tool_name: "search", call_id: "a", parameters: "{}" },
      },
      resultOf("a", "1"),
    ]);
  });

  test("keeps arguments and results that are texts as they are", () => {
    expect(following(started('{"a":1}'), completed("c", "bell"))).toEqual([
      ...shownAs("42:tool:1", '{"a":1}'),
      resultOf("42:tool:1", "bell"),
    ]);
  });

  test("of two at once is assigned in the order of the starts", () => {
    expect(
      following(
        started(1),
        started(2),
        executing("x"),
        executing("y"),
        completed("y", 2),
        completed("x", 1),
      ).slice(6),
    ).toEqual([
      working("x", "42:tool:1"),
      working("y", "42:tool:2"),
      resultOf("42:tool:2", "2"),
      resultOf("42:tool:1", "1"),
    ]);
  });

  test("without a start is shown under its own id, once", () => {
    expect(following(executing("c"), completed("c", null))).toEqual([
      ...shownAs("c"),
      working("c", "c"),
      resultOf("c", "null"),
    ]);
    expect(following(completed("c", 1))).toEqual([...shownAs("c"), resultOf("c", "1")]);
  });
});

describe("a subagent", () => {
  const started = agent.subagentStarted({ subagent_name: "Reader", subagent_id: "r" });
  const ended = agent.subagentCompleted({ subagent_name: "Reader", subagent_id: "r" });

  test("starts and finishes", () => {
    expect(following(started, ended)).toEqual([
      { type: "SUBAGENT_STARTED", subagentRunId: "r", name: "Reader" },
      { type: "SUBAGENT_FINISHED", subagentRunId: "r" },
    ]);
  });

  test("without a start does both at its end", () => {
    expect(typesOf(following(ended))).toEqual(["SUBAGENT_STARTED", "SUBAGENT_FINISHED"]);
  });

  test("appears once for each id", () => {
    expect(typesOf(following(started, started, ended, ended, started))).toEqual([
      "SUBAGENT_STARTED",
      "CUSTOM",
      "SUBAGENT_FINISHED",
      "CUSTOM",
      "CUSTOM",
    ]);
  });
});

test("an operation is a step, and one in the wrong order a custom event", () => {
  const details = { operation_name: "index", of: 3 };
  const metadata = { agent_name: "Ada", ...details };
  const [started, ended] = [agent.operationStarted(details), agent.operationCompleted(details)];
  expect(following(started, started, ended, ended)).toEqual([
    { type: "STEP_STARTED", stepName: "index", metadata },
    { type: "CUSTOM", name: "operation_started", value: metadata },
    { type: "STEP_FINISHED", stepName: "index", metadata },
    { type: "CUSTOM", name: "operation_completed", value: metadata },
  ]);
});

test.for<[keyof AgentMessages, object]>([
  ["fallback", { fallback_type: "cache", message: "From yesterday" }],
  ["log", { level: "info", message: "begun", metadata: null }],
  ["registered", {}],
  ["unregistered", {}],
  ["statusChanged", { status: "idle" }],
  ["metricsUpdated", { metrics: { tokens: 1 } }],
  ["managerShutdown", {}],
  ["periodicUpdate", { operation_name: "index" }],
  ["update", { note: null }],
])("%s is a custom event with its fields", ([method, fields]) => {
  const event = (agent[method] as (fields: object) => RunEvent)(fields);
  expect(following(event)).toEqual([
    { type: "CUSTOM", name: event.type, value: { agent_name: "Ada", ...fields } },
  ]);
});

test("events that are not an agent's are custom events, unchanged", () => {
  expect(following({ type: "progress", progress: 0.5, done: 1, total: 2 }, { type: "toString" })).toEqual([
    { type: "CUSTOM", name: "progress", value: { progress: 0.5, done: 1, total: 2 } },
    { type: "CUSTOM", name: "toString", value: {} },
  ]);
  expect(untimed([{ type: "progress" }])).toEqual([
    { type: "RUN_STARTED", threadId: "run", runId: "run", protocolVersion: "1.0" },
    { type: "CUSTOM", name: "progress", value: {} },
  ]);
});

describe("toAgUi", () => {
  async function* from<T>(...events: readonly T[]): AsyncGenerator<T, void, void> {
    yield* events;
  }
  async function all(events: AsyncIterable<AgUiEvent>): Promise<AgUiEvent[]> {
    const got: AgUiEvent[] = [];
    for await (const event of events) got.push(event);
    return checked(got);
  }

  test("converts the whole of a run from its channel, which ends once", async ({ start }) => {
    const { notifier } = start();
    const run = notifier.run(async (context) => {
      const events = agentEvents(context, { agentName: "Ada" });
      await events.started();
      await events.toolStarted({ tool_name: "search", parameters: { query: "bell" } });
      await events.toolCompleted({ tool_name: "search", call_id: "c", result: "ding" });
      await events.completed({ result: "dong", duration_ms: 1 });
      return "dong";
    });
    await run.result();
    const { publications } = await notifier.history(`run:${run.id}`);
    const converted = await all(toAgUi(from(...publications.map(({ data }) => data as RunEvent))));
    expect(typesOf(converted)).toEqual([
      "RUN_STARTED",
      "TOOL_CALL_START",
      "TOOL_CALL_ARGS",
      "TOOL_CALL_END",
      "TOOL_CALL_RESULT",
      "RUN_FINISHED",
    ]);
    expect(converted.map(({ runId }) => runId).filter((id) => id !== undefined)).toEqual([run.id, run.id]);
  });

  test("A12: ends in an error when the run failed, though its agent had no event for that", async ({
    start,
  }) => {
    const { notifier } = start();
    const run = notifier.run(async (context) => {
      await agentEvents(context).started();
      throw new RangeError("too far");
    });
    await rejection(run.result());
    const { publications } = await notifier.history(`run:${run.id}`);
    const converted = await all(toAgUi(from(...publications.map(({ data }) => data as RunEvent))));
    expect(converted.at(-1)).toEqual({ type: "RUN_ERROR", message: "too far", code: "RangeError" });
  });

  test("ends in an error when the events end before the run", async () => {
    const converted = await all(toAgUi(from(...open)));
    expect(converted.at(-1)).toEqual({
      type: "RUN_ERROR",
      message: "The events ended before the run did",
      code: "incomplete",
    });
    expect(await all(toAgUi(from()))).toEqual([]);
    expect(typesOf(await all(toAgUi(from(agent.stopped()), { thread: "t" })))).toEqual([
      "RUN_STARTED",
      "RUN_FINISHED",
    ]);
  });

  test("throws what its events throw, and closes them when its reader stops", async () => {
    let closed = 0;
    async function* failing(): AsyncGenerator<RunEvent, void, void> {
      try {
        yield agent.started();
        throw new Error("lost");
      } finally {
        closed++;
      }
    }
    expect(await rejection(all(toAgUi(failing())))).toEqual(new Error("lost"));
    for await (const { type } of toAgUi(failing())) {
      expect(type).toBe("RUN_STARTED");
      break;
    }
    expect(closed).toBe(2);
  });
});

test("the same events always become the same AG-UI events", () => {
  const events = [...open, agent.stopped()];
  expect(ui(events)).toEqual(ui(events));
});
