import type { AgentEvent, AgentEventType } from "../model/agent-event.ts";
import type { RunEvent, RunLifecycleEvent } from "../model/run-event.ts";
import {
  type AgUiEvent,
  begin,
  call,
  claim,
  custom,
  end,
  endMessage,
  endNested,
  failure,
  fieldsOf,
  finish,
  made,
  type State,
  startStep,
  stateOf,
  text,
  write,
} from "./ui-run.ts";

export type { AgUiEvent, AgUiEventType } from "./ui-run.ts";

/** How agent events are converted into AG-UI events. */
export interface AgUiOptions {
  /** The run to convert. Events of other runs are ignored. Default: the run of the first event that names one. */
  run?: string | undefined;
  /** AG-UI's `threadId`: the conversation that the run belongs to. Default: the run. */
  thread?: string | undefined;
}

type Convert<E> = (state: State, event: E) => AgUiEvent[];

/**
 * Creates a function that converts one run's events into AG-UI events. Call it with each event, in order.
 *
 * AG-UI requires start and end events in pairs. They are in pairs even if the agent left some out: the first event
 * starts the run, and the run's ending ends everything that is open. After an ending, all events but a new start are
 * ignored, because AG-UI allows none.
 *
 * @example
 * ```ts
 * import { agUiEvents } from "tocsin/agent";
 *
 * const convert = agUiEvents({ run: "42", thread: "ann" });
 * for (const event of events) for (const ui of convert(event)) response.write(`data: ${JSON.stringify(ui)}\n\n`);
 * ```
 */
export function agUiEvents({ run, thread }: AgUiOptions = {}): (event: RunEvent) => AgUiEvent[] {
  const state = stateOf(run, thread);
  return (event) => converted(state, event);
}

/**
 * Converts the events of one run into AG-UI events, as `agUiEvents` does.
 *
 * When `events` ends before the run does, the last event is a `RUN_ERROR` with the code `incomplete`. Throws what
 * `events` throws.
 *
 * @example
 * ```ts
 * import { toAgUi } from "tocsin/agent";
 *
 * for await (const event of toAgUi(events, { thread: "ann" })) response.write(`data: ${JSON.stringify(event)}\n\n`);
 * ```
 */
export async function* toAgUi(
  events: AsyncIterable<RunEvent>,
  { run, thread }: AgUiOptions = {},
): AsyncGenerator<AgUiEvent, void, void> {
  const state = stateOf(run, thread);
  for await (const event of events) yield* converted(state, event);
  if (state.status !== "open") return;
  const message = "The events ended before the run did";
  yield* end(state, "failed", { type: "RUN_ERROR", message, code: "incomplete" });
}

function converted(state: State, event: RunEvent): AgUiEvent[] {
  const { type, run, timestamp } = event;
  if (typeof run === "string") {
    state.run ??= run;
    if (run !== state.run) return [];
  }
  const isStart = type === "agent_started" || type === "run.started";
  if (state.status === "over" && !isStart) return [];
  const begun = state.status === "open" ? [] : begin(state);
  const convert = Object.hasOwn(converters, type) ? converters[type as keyof typeof converters] : custom;
  const made = [...begun, ...(convert as Convert<RunEvent>)(state, event)];
  if (typeof timestamp !== "number") return made;
  return made.map((each) => ({ ...each, timestamp: Math.trunc(timestamp) }));
}

const converters: { readonly [T in AgentEventType]?: Convert<AgentEvent<T>> } & {
  readonly [T in RunLifecycleEvent["type"]]: Convert<Extract<RunLifecycleEvent, { type: T }>>;
} = {
  "run.started": () => [],
  "run.completed": (state, { result }) => finish(state, "completed", { result }),
  "run.failed": (state, { error }) =>
    end(state, "failed", { type: "RUN_ERROR", message: text(error.message), code: text(error.name) }),
  "run.cancelled": (state) => finish(state, "cancelled", {}),

  agent_started(state, event) {
    if (state.agent !== undefined) return startStep(state, event.agent_name, event);
    state.agent = event.agent_name;
    return [];
  },
  agent_completed: (state, event) =>
    endNested(state, event) ??
    finish(state, "completed", { result: event.result, metadata: { duration_ms: event.duration_ms } }),
  agent_cancelled: (state, event) => endNested(state, event, true) ?? finish(state, "cancelled", {}),
  agent_stopped: (state, event) => endNested(state, event, true) ?? finish(state, "cancelled", {}),
  agent_failed: (state, event) =>
    endNested(state, event, true) ??
    end(state, "failed", { type: "RUN_ERROR", ...failure(event.error_message, event.error_type) }),
  agent_error: (state, event) =>
    event.is_recoverable
      ? custom(state, event)
      : end(state, "failed", {
          type: "RUN_ERROR",
          ...failure(event.user_friendly_message, event.error_type),
          metadata: fieldsOf(event),
        }),

  agent_thinking(state, { thought, ...event }) {
    const messageId = made(state, "thought");
    const { agent_name: _, ...metadata } = fieldsOf(event);
    return [
      { type: "REASONING_START", messageId, ...(Object.keys(metadata).length === 0 ? {} : { metadata }) },
      { type: "REASONING_MESSAGE_START", messageId, role: "reasoning" },
      { type: "REASONING_MESSAGE_CONTENT", messageId, delta: text(thought) },
      { type: "REASONING_MESSAGE_END", messageId },
      { type: "REASONING_END", messageId },
    ];
  },
  partial_result: (state, { agent_name, content, is_complete }) =>
    write(state, `answer ${agent_name}`, { name: agent_name, content, isLast: is_complete }),
  stream_chunk: (state, { agent_name, stream_id, content, is_final }) =>
    write(state, `stream ${stream_id}`, { name: agent_name, content, isLast: is_final }),
  stream_complete: (state, { stream_id }) => endMessage(state, `stream ${stream_id}`),
  final_report: (state, event) =>
    typeof event.report === "string"
      ? write(state, "report", { name: event.agent_name, content: event.report, isLast: true })
      : custom(state, event),

  tool_started(state, event) {
    const { tool_name, call_id, parameters } = event;
    // AG-UI does not allow a second start of a call.
    if (call_id !== undefined && state.calls.has(call_id)) return custom(state, event);
    const toolCallId = call_id ?? made(state, "tool");
    if (call_id !== undefined) state.calls.set(call_id, call_id);
    else state.unclaimed.set(tool_name, [...(state.unclaimed.get(tool_name) ?? []), toolCallId]);
    return call(toolCallId, tool_name, [{ type: "TOOL_CALL_ARGS", toolCallId, delta: text(parameters) }]);
  },
  tool_executing(state, event) {
    const { toolCallId, shown } = claim(state, event.tool_name, event.call_id);
    const [announced] = custom(state, event) as [AgUiEvent];
    return [...shown, { ...announced, value: { ...(announced.value as object), tool_call_id: toolCallId } }];
  },
  tool_completed(state, { tool_name, call_id, result }) {
    const { toolCallId, shown } = claim(state, tool_name, call_id);
    state.calls.delete(call_id);
    const messageId = `${toolCallId}:result`;
    return [
      ...shown,
      { type: "TOOL_CALL_RESULT", messageId, toolCallId, content: text(result), role: "tool" },
    ];
  },

  subagent_started(state, event) {
    const { subagent_id: subagentRunId, subagent_name: name } = event;
    if (state.subagents.has(subagentRunId)) return custom(state, event);
    state.subagents.set(subagentRunId, true);
    return [{ type: "SUBAGENT_STARTED", subagentRunId, name }];
  },
  subagent_completed(state, event) {
    const { subagent_id: subagentRunId, subagent_name: name } = event;
    const isOpen = state.subagents.get(subagentRunId);
    if (isOpen === false) return custom(state, event);
    state.subagents.set(subagentRunId, false);
    const ended: AgUiEvent = { type: "SUBAGENT_FINISHED", subagentRunId };
    return isOpen ? [ended] : [{ type: "SUBAGENT_STARTED", subagentRunId, name }, ended];
  },
  operation_started: (state, event) => startStep(state, event.operation_name, event),
  operation_completed(state, event) {
    const { operation_name: stepName } = event;
    if (!state.steps.delete(stepName)) return custom(state, event);
    return [{ type: "STEP_FINISHED", stepName, metadata: fieldsOf(event) }];
  },
};
