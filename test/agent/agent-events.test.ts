import { describe, expect } from "vitest";
import { shown } from "../../src/agent/check.ts";
import {
  type AgentEvent,
  type AgentEvents,
  type AgentMessages,
  agentEvents,
  agentMessages,
} from "../../src/agent.ts";
import type { RunEvent } from "../../src/run.ts";
import type { Pipe } from "../../src/testing/pipe.ts";
import { type Message, outcomeOf, payloads, rejection, subscriber, test, typesOf } from "../support/core.ts";

type Method = keyof AgentMessages;

/** One call of every method with all its fields, and the fields of its event beside those of every event. */
const calls: Record<Method, { given: readonly unknown[]; type: string; fields: object }> = {
  started: { given: [], type: "agent_started", fields: {} },
  thinking: same("agent_thinking", {
    thought: "Where to begin?",
    step_number: 1,
    total_steps: 3,
    progress_percentage: 33.5,
    estimated_remaining_ms: 4_000,
    current_operation: "search",
  }),
  partialResult: same("partial_result", { content: "Once upon", is_complete: false }),
  toolStarted: same("tool_started", {
    tool_name: "search",
    call_id: "call-1",
    parameters: { query: "tocsin", deep: [1, null] },
  }),
  toolExecuting: same("tool_executing", {
    tool_name: "search",
    call_id: "call-1",
    tool_purpose: "to find",
    estimated_duration_ms: 900,
    parameters_summary: "query: tocsin",
  }),
  toolCompleted: same("tool_completed", { tool_name: "search", call_id: "call-1", result: ["a bell"] }),
  finalReport: same("final_report", { report: { summary: "It rings" }, total_duration_ms: 1_200.5 }),
  completed: same("agent_completed", { result: null, duration_ms: 0 }),
  fallback: same("agent_fallback", { fallback_type: "smaller_model", message: "A smaller model answers" }),
  error: same("agent_error", {
    error_message: "429",
    error_type: "rate_limit",
    error_details: { status: 429 },
    severity: "low",
    is_recoverable: true,
    recovery_suggestions: ["Wait"],
    estimated_retry_delay_ms: 60_000,
    user_friendly_message: "Please wait",
  }),
  log: same("agent_log", { level: "info", message: "begun", metadata: { step: 1 } }),
  stopped: { given: [], type: "agent_stopped", fields: {} },
  streamChunk: same("stream_chunk", { stream_id: "s", index: 0, content: "On", is_final: false }),
  streamComplete: same("stream_complete", { stream_id: "s", total_chunks: 1 }),
  subagentStarted: same("subagent_started", { subagent_name: "Reader", subagent_id: "r-1" }),
  subagentCompleted: same("subagent_completed", { subagent_name: "Reader", subagent_id: "r-1" }),
  registered: same("agent_registered", { version: "2" }),
  unregistered: same("agent_unregistered", { version: "2" }),
  failed: same("agent_failed", { error_message: "no", error_type: "timeout", attempt: 2 }),
  cancelled: same("agent_cancelled", { reason: "the user left", by: "ann" }),
  statusChanged: same("agent_status_changed", { status: "idle", previous_status: "busy", since: 1 }),
  metricsUpdated: same("agent_metrics_updated", { metrics: { tokens: 12 }, window_ms: 1_000 }),
  managerShutdown: same("agent_manager_shutdown", { reason: "deploy", agents: 3 }),
  periodicUpdate: same("periodic_update", { operation_name: "index", done: 4 }),
  operationStarted: same("operation_started", { operation_name: "index", operation_type: "batch" }),
  operationCompleted: same("operation_completed", { operation_name: "index", duration_ms: 12 }),
  update: same("agent_update", { note: "halfway" }),
};
const all = Object.entries(calls) as [Method, (typeof calls)[Method]][];

function same(type: string, fields: object): (typeof calls)[Method] {
  return { given: [fields], type, fields };
}

/** Calls a method as an untyped program would. */
function invoke<R>(
  target: AgentMessages | AgentEvents<R>,
  method: Method,
  given: readonly unknown[],
): unknown {
  return (target[method] as (...given: readonly unknown[]) => unknown)(...given);
}

function made(method: Method, ...given: unknown[]): Record<string, unknown> {
  const messages = agentMessages({ run: "42", agentName: "Researcher", now: () => 5 });
  return invoke(messages, method, given) as Record<string, unknown>;
}

function failureOf(method: Method, ...given: unknown[]): Error {
  try {
    made(method, ...given);
  } catch (error) {
    return error as Error;
  }
  throw new Error(`Expected ${method} to throw`);
}

/** Returns the publications that a client received. */
function published(client: Pipe): { channel: string; data: unknown }[] {
  return (client.received as Message[]).flatMap(({ push }) =>
    push?.pub === undefined ? [] : [{ channel: push.channel, data: push.pub.data }],
  );
}

describe("every event", () => {
  test("A1: reaches exactly the subscribers of its channel, once, with exactly its fields", async ({
    start,
  }) => {
    const core = start();
    const [first, second, other] = [
      await subscriber(core, "user:ann"),
      await subscriber(core, ["user:ann", "news"]),
      await subscriber(core, "user:bob"),
    ];
    const target = { notifier: core.notifier, channel: "user:ann", run: "42" };
    const events = agentEvents(target, { agentName: "Researcher", now: () => 1_767_225_600_000 });
    for (const [method, { given }] of all) {
      void invoke(events, method, given);
      await core.clock.settle();
    }
    const expected = all.map(([, { type, fields }]) => ({
      channel: "user:ann",
      data: { type, run: "42", agent_name: "Researcher", timestamp: 1_767_225_600_000, ...fields },
    }));
    expect(expected.length).toBe(27);
    expect(published(first)).toStrictEqual(expected);
    expect(published(second)).toStrictEqual(expected);
    expect(published(other)).toEqual([]);
  });

  test("A1: arrives unchanged, beyond ASCII, with names of 1 000 characters and results of 13 KB", async ({
    start,
  }) => {
    const core = start();
    const client = await subscriber(core, "user:ann");
    const name = "ü名🔔\u2028'\"\\".repeat(200).slice(0, 1_000);
    const result = { text: "Ærøskøbing 鐘 🔔 \0\u001f\ud83d".padEnd(13_312, "è"), list: ["‏עברית"] };
    const events = agentEvents(
      { notifier: core.notifier, channel: "user:ann", run: "run ü" },
      { agentName: name, now: () => 1 },
    );
    void events.toolCompleted({ tool_name: name, call_id: "🔔", result });
    await core.clock.settle();
    expect(published(client)).toStrictEqual([
      {
        channel: "user:ann",
        data: {
          type: "tool_completed",
          run: "run ü",
          agent_name: name,
          timestamp: 1,
          tool_name: name,
          call_id: "🔔",
          result,
        },
      },
    ]);
  });

  test.for(all)(
    "%s is emitted into a run's own channel",
    async ([method, { given, type, fields }], { start }) => {
      const { notifier } = start();
      const run = notifier.run(async (context) => {
        const agent = agentEvents(context, { agentName: "Researcher", now: () => 7 });
        expect(await invoke(agent, method, given)).toBe(undefined);
      });
      await run.result();
      expect((await payloads(notifier, `run:${run.id}`))[1]).toStrictEqual({
        type,
        run: run.id,
        agent_name: "Researcher",
        timestamp: 7,
        ...fields,
      });
    },
  );

  test.for(all)("%s leaves out what is undefined", ([method, { given, fields }]) => {
    const optional = [
      "step_number",
      "total_steps",
      "progress_percentage",
      "estimated_remaining_ms",
      "current_operation",
      "tool_purpose",
      "estimated_duration_ms",
      "parameters_summary",
      "estimated_retry_delay_ms",
      "previous_status",
      "reason",
    ];
    if (given.length === 0) return;
    const some = Object.keys(fields).filter((field) => optional.includes(field));
    const undefinedOnes = Object.fromEntries(some.map((field) => [field, undefined]));
    const rest = Object.entries(fields).filter(([field]) => !some.includes(field));
    expect(made(method, { ...fields, ...undefinedOnes })).toStrictEqual({
      type: calls[method].type,
      run: "42",
      agent_name: "Researcher",
      timestamp: 5,
      ...Object.fromEntries(rest),
    });
  });
});

test("a generator yields events made by agentMessages", async ({ start }) => {
  const { notifier } = start();
  const run = notifier.run(async function* ({ id }) {
    const agent = agentMessages({ run: id, agentName: "Researcher" });
    yield agent.started();
    yield agent.partialResult({ content: "ding", is_complete: true });
    yield agent.completed({ result: "dong", duration_ms: 3 });
  });
  await run.result();
  expect(await typesOf(notifier, run.id)).toEqual([
    "run.started",
    "agent_started",
    "partial_result",
    "agent_completed",
    "run.completed",
  ]);
});

describe("the events of two runs", () => {
  test("A2: keep separate records on one channel, whichever ends first", async ({ start }) => {
    const core = start();
    const client = await subscriber(core, "thread:7");
    const of = (run: string) =>
      agentEvents({ notifier: core.notifier, channel: "thread:7", run }, { agentName: run, now: () => 0 });
    const [a, b] = [of("a"), of("b")];
    const steps: (() => Promise<unknown>)[] = [
      () => a.started(),
      () => b.started(),
      () => b.toolStarted({ tool_name: "search", parameters: {} }),
      () => a.completed({ result: 1, duration_ms: 1 }),
      () => b.toolCompleted({ tool_name: "search", call_id: "c", result: 2 }),
      () => b.thinking({ thought: "still here" }),
      () => b.completed({ result: 2, duration_ms: 2 }),
    ];
    for (const step of steps) {
      void step();
      await core.clock.settle();
    }
    const events = published(client).map(({ data }) => data as { run: string; type: string });
    const typesIn = (run: string) => events.filter((event) => event.run === run).map(({ type }) => type);
    expect(events.length).toBe(steps.length);
    expect(typesIn("a")).toEqual(["agent_started", "agent_completed"]);
    expect(typesIn("b")).toEqual([
      "agent_started",
      "tool_started",
      "tool_completed",
      "agent_thinking",
      "agent_completed",
    ]);
  });

  test("A2: are distinguished where nobody named the runs", () => {
    const runs: string[] = [];
    const notifier = {
      publish: async (_channel: string, { run }: { run: string }) => void runs.push(run),
    };
    for (let i = 0; i < 3; i++) {
      const events = agentEvents({ notifier, channel: "thread:7" });
      void events.started();
      void events.stopped();
    }
    expect(new Set(runs).size).toBe(3);
    expect(runs.map((run) => runs.indexOf(run))).toEqual([0, 0, 2, 2, 4, 4]);
    expect(runs[0]).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("A4: a missing name", () => {
  const nothing = [undefined, null, "", " ", "\t\n"];

  test.for(nothing)("of the agent, %j, is the word agent", (name) => {
    expect(agentMessages({ run: "42", agentName: name }).started().agent_name).toBe("agent");
  });

  test.for(nothing)("of a tool or subagent, %j, is the word tool or agent", (name) => {
    expect(made("toolStarted", { tool_name: name, parameters: {} }).tool_name).toBe("tool");
    expect(made("toolExecuting", { tool_name: name, call_id: "c" }).tool_name).toBe("tool");
    expect(made("toolCompleted", { tool_name: name, call_id: "c", result: 1 }).tool_name).toBe("tool");
    expect(made("subagentStarted", { subagent_name: name, subagent_id: "s" }).subagent_name).toBe("agent");
    expect(made("subagentCompleted", { subagent_name: name, subagent_id: "s" }).subagent_name).toBe("agent");
  });

  test("may also be left out altogether", () => {
    const agent = agentMessages({ run: "42" });
    expect(agent.toolStarted({ parameters: null })).toMatchObject({ agent_name: "agent", tool_name: "tool" });
    expect(agent.subagentStarted({ subagent_id: "s" })).toMatchObject({ subagent_name: "agent" });
  });

  test("may not be a value of another type", () => {
    expect(() => agentMessages({ run: "42", agentName: 42 as unknown as string })).toThrow(
      new TypeError("Cannot announce for an agent: its name is 42, and has to be a text"),
    );
    expect(failureOf("toolStarted", { tool_name: 7, parameters: {} })).toEqual(
      new TypeError('Cannot announce "tool_started": tool_name is 7, and has to be a text'),
    );
  });
});

/** For each kind of field: values that are refused, and the reason in the error. */
const refused: Record<string, [unknown, ErrorConstructor, string][]> = {
  text: [
    [undefined, TypeError, "undefined, and has to be a text"],
    [null, TypeError, "null, and has to be a text"],
    [1, TypeError, "1, and has to be a text"],
    [{}, TypeError, "an object, and has to be a text"],
  ],
  id: [
    [undefined, TypeError, "undefined, and has to be a text that is not empty"],
    ["", TypeError, '"", and has to be a text that is not empty'],
    [[], TypeError, "a list, and has to be a text that is not empty"],
  ],
  flag: [
    [undefined, TypeError, "undefined, and has to be true or false"],
    ["yes", TypeError, '"yes", and has to be true or false'],
    [1, TypeError, "1, and has to be true or false"],
  ],
  count: [
    ["1", TypeError, '"1", and has to be a number'],
    [null, TypeError, "null, and has to be a number"],
    [NaN, RangeError, "NaN, and has to be a whole number from 0 up"],
    [-1, RangeError, "-1, and has to be a whole number from 0 up"],
    [1.5, RangeError, "1.5, and has to be a whole number from 0 up"],
    [2 ** 53, RangeError, "9007199254740992, and has to be a whole number from 0 up"],
  ],
  duration: [
    ["1", TypeError, '"1", and has to be a number'],
    [1n, TypeError, "1, and has to be a number"],
    [NaN, RangeError, "NaN, and has to be milliseconds from 0 up"],
    [-0.1, RangeError, "-0.1, and has to be milliseconds from 0 up"],
    [Infinity, RangeError, "Infinity, and has to be milliseconds from 0 up"],
  ],
  percentage: [
    ["50", TypeError, '"50", and has to be a number'],
    [NaN, RangeError, "NaN, and has to be a number"],
  ],
  texts: [
    ["Wait", TypeError, '"Wait", and has to be a list of texts'],
    [[1], TypeError, "a list, and has to be a list of texts"],
  ],
  severity: [
    ["fatal", TypeError, '"fatal", and has to be critical, high, medium or low'],
    [1, TypeError, "1, and has to be critical, high, medium or low"],
  ],
  any: [[undefined, TypeError, "undefined, and has to be given"]],
};

/** The kind of each field. A `?` allows undefined. */
const kinds: Partial<Record<Method, Record<string, string>>> = {
  thinking: {
    thought: "text",
    step_number: "count?",
    total_steps: "count?",
    progress_percentage: "percentage?",
    estimated_remaining_ms: "duration?",
    current_operation: "text?",
  },
  partialResult: { content: "text", is_complete: "flag" },
  toolStarted: { call_id: "id?", parameters: "any" },
  toolExecuting: {
    call_id: "id",
    tool_purpose: "text?",
    estimated_duration_ms: "duration?",
    parameters_summary: "text?",
  },
  toolCompleted: { call_id: "id", result: "any" },
  finalReport: { report: "any", total_duration_ms: "duration" },
  completed: { result: "any", duration_ms: "duration" },
  fallback: { fallback_type: "text", message: "text" },
  error: {
    error_message: "text",
    error_type: "text?",
    severity: "severity?",
    is_recoverable: "flag?",
    recovery_suggestions: "texts?",
    estimated_retry_delay_ms: "duration?",
    user_friendly_message: "text?",
  },
  log: { level: "text", message: "text", metadata: "any" },
  streamChunk: { stream_id: "id", index: "count", content: "text", is_final: "flag" },
  streamComplete: { stream_id: "id", total_chunks: "count" },
  subagentStarted: { subagent_id: "id" },
  subagentCompleted: { subagent_id: "id" },
  failed: { error_message: "text", error_type: "text?" },
  cancelled: { reason: "text?" },
  statusChanged: { status: "text", previous_status: "text?" },
  metricsUpdated: { metrics: "any" },
  managerShutdown: { reason: "text?" },
  periodicUpdate: { operation_name: "id" },
  operationStarted: { operation_name: "id" },
  operationCompleted: { operation_name: "id" },
};
const bad = Object.entries(kinds).flatMap(([method, fields]) =>
  Object.entries(fields).flatMap(([field, kind]) =>
    (refused[kind.replace("?", "")] ?? [])
      .filter(([value]) => !(kind.endsWith("?") && value === undefined))
      .map(([value, error, description]) => [method as Method, field, description, value, error] as const),
  ),
);

describe("a call", () => {
  test.for(bad)("of %s is refused when %s is %s", ([method, field, description, value, error]) => {
    const { type, fields } = calls[method];
    const failure = failureOf(method, { ...fields, [field]: value });
    expect(failure).toEqual(new error(`Cannot announce "${type}": ${field} is ${description}`));
    expect(failure).toBeInstanceOf(error);
  });

  test("is refused for every field that must be there and is missing", () => {
    const required = Object.entries(kinds).flatMap(([method, fields]) =>
      Object.entries(fields).flatMap(([field, kind]) => (kind.endsWith("?") ? [] : [[method, field]])),
    ) as [Method, string][];
    expect(required.length).toBe(31);
    for (const [method, field] of required) {
      const { [field]: _, ...rest } = calls[method].fields as Record<string, unknown>;
      expect(failureOf(method, rest).message).toContain(`${field} is undefined, and has to be`);
    }
  });

  test("is refused for a field that the event does not have", () => {
    expect(failureOf("thinking", { thought: "?", step: 1 })).toEqual(
      new TypeError('Cannot announce "agent_thinking": it has no field "step"'),
    );
    expect(failureOf("started", { name: "x" })).toEqual(
      new TypeError('Cannot announce "agent_started": it has no field "name"'),
    );
  });

  test.for(["type", "run", "agent_name", "timestamp"])("is refused for a detail called %s", (field) => {
    expect(failureOf("update", { [field]: "x" })).toEqual(
      new TypeError(`Cannot announce "agent_update": ${field} is set by the library, and cannot be given`),
    );
  });

  test.for([null, 1, "x", [[]], undefined])("is refused for fields that are %j", (given) => {
    expect(failureOf("thinking", given)).toEqual(
      new TypeError(
        `Cannot announce "agent_thinking": its fields are ${shown(given)}, and have to be an object`,
      ),
    );
  });

  test("is refused when the clock returns no number", () => {
    const agent = agentMessages({ run: "42", now: () => NaN });
    expect(() => agent.started()).toThrow(
      new RangeError('Cannot announce "agent_started": its timestamp is NaN, and has to be a number'),
    );
  });

  test.for([
    [-5, 0],
    [-Infinity, 0],
    [0, 0],
    [99.9, 99.9],
    [100, 100],
    [250, 100],
    [Infinity, 100],
  ])("moves a percentage of %d to %d", ([given, sent]) => {
    expect(made("thinking", { thought: "", progress_percentage: given }).progress_percentage).toBe(sent);
  });

  test("keeps a detail called __proto__ as a detail", () => {
    const event = made("update", JSON.parse('{ "__proto__": { "polluted": true } }'));
    expect(Object.keys(event)).toEqual(["type", "run", "agent_name", "timestamp", "__proto__"]);
    expect(event.polluted).toBe(undefined);
  });

  test("that is refused rejects, and sends nothing", async () => {
    const sent: unknown[] = [];
    const emit = async (event: unknown) => void sent.push(event);
    const events = agentEvents({ id: "42", emit });
    const outcome = rejection(events.thinking({ thought: 1 as unknown as string }));
    expect(await outcome).toEqual(
      new TypeError('Cannot announce "agent_thinking": thought is 1, and has to be a text'),
    );
    expect(sent).toEqual([]);
  });

  test("is handled before it returns, and returns the promise of its target", async () => {
    const sent: string[] = [];
    const answers: Promise<number>[] = [];
    const emit = (event: { type: string }): Promise<number> => {
      const answer = Promise.resolve(sent.push(event.type));
      answers.push(answer);
      return answer;
    };
    const events = agentEvents({ id: "42", emit });
    const started = events.started();
    expect(sent).toEqual(["agent_started"]);
    expect(started).toBe(answers[0]);
    const failing = agentEvents({ id: "42", emit: () => Promise.reject(new Error("full")) });
    expect(await rejection(failing.started())).toEqual(new Error("full"));
  });
});

test("A12: on a channel the events that end a run are confirmed, failures as well as successes", () => {
  const options = new Map<string, unknown>();
  const notifier = {
    publish: async (_channel: string, { type }: { type: string }, ...rest: unknown[]) =>
      void options.set(type, rest),
  };
  const events = agentEvents({ notifier, channel: "user:ann", run: "42" });
  for (const [method, { given }] of all) void invoke(events, method, given);
  expect(options.size).toBe(27);
  const confirmed = [...options].filter(([, rest]) => (rest as unknown[]).length > 0);
  expect(Object.fromEntries(confirmed)).toEqual({
    agent_completed: [{ confirm: true }],
    agent_failed: [{ confirm: true }],
    agent_error: [{ confirm: true }],
    agent_cancelled: [{ confirm: true }],
    final_report: [{ confirm: true }],
    agent_stopped: [{ confirm: true }],
  });
});

test("the types know every field of every event", () => {
  const agent = agentMessages({ run: "42" });
  const event: AgentEvent = agent.thinking({ thought: "Hm", step_number: 2 });
  if (event.type === "agent_thinking") expect(event.thought.length + (event.step_number ?? 0)).toBe(4);
  const emitted: RunEvent = event;
  expect(emitted.type).toBe("agent_thinking");
  // @ts-expect-error: a field is missing
  expect(() => agent.toolCompleted({ tool_name: "search", call_id: "c" })).toThrow(TypeError);
  // @ts-expect-error: there is no such field
  expect(() => agent.thinking({ thought: "Hm", step: 1 })).toThrow(TypeError);
  // @ts-expect-error: a field has the wrong type
  expect(() => agent.operationStarted({ operation_name: 1 })).toThrow(TypeError);
});

describe("A12: a failure", () => {
  test("has the name and message of what was thrown, and nothing of its stack or cause", () => {
    const error = new RangeError("too far", { cause: new Error("secret") });
    expect(made("failed", error, { attempt: 2 })).toStrictEqual({
      type: "agent_failed",
      run: "42",
      agent_name: "Researcher",
      timestamp: 5,
      error_message: "too far",
      error_type: "RangeError",
      attempt: 2,
    });
    expect(made("error", error).error_details).toEqual({});
  });

  test("has nothing of a stack that is part of the message", () => {
    const inner = new TypeError("no such thing");
    const outer = new Error(`Tool failed: ${inner.stack}`);
    expect(made("failed", outer).error_message).toBe("Tool failed: TypeError: no such thing");
    expect(made("error", outer).error_message).toBe("Tool failed: TypeError: no such thing");
  });

  test("has the text where a text was thrown", () => {
    expect(made("failed", "out of tokens")).toMatchObject({ error_message: "out of tokens" });
    expect(made("error", "out of tokens")).toMatchObject({
      error_message: "out of tokens",
      error_type: "error",
      severity: "medium",
      is_recoverable: false,
    });
  });
});

test("a target that is neither a run nor a channel is refused", () => {
  const cases: unknown[] = [
    undefined,
    null,
    {},
    { notifier: {}, channel: "x" },
    { notifier: { publish() {} } },
  ];
  for (const target of cases) {
    expect(() => agentEvents(target as { notifier: never; channel: "" })).toThrow(
      new TypeError(`Cannot announce into ${shown(target)}: give a run, or { notifier, channel }`),
    );
  }
});

test("a run without a name is refused", () => {
  for (const run of ["", undefined, 7]) {
    expect(() => agentMessages({ run: run as string })).toThrow(
      new TypeError(`Cannot announce for run ${shown(run)}: it has to be a text that is not empty`),
    );
  }
});

test("the time of an event is now, in milliseconds since the Unix epoch, by default", () => {
  const before = Date.now();
  const { timestamp } = agentMessages({ run: "42" }).started();
  expect(timestamp).toBeGreaterThanOrEqual(before);
  expect(timestamp).toBeLessThanOrEqual(Date.now());
});

test("an event of a run that has ended is refused without ending the process", async ({ start }) => {
  const { notifier, clock } = start();
  let events: AgentEvents | undefined;
  await notifier
    .run(async (context) => {
      events = agentEvents(context);
    })
    .result();
  const late = outcomeOf(events?.started() ?? Promise.resolve());
  // Nobody handles the rejection of this call.
  void events?.stopped();
  await clock.settle();
  expect(late).toMatchObject({ state: "rejected", reason: { name: "ClosedError" } });
});
