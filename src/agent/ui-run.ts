import type { AgentEvent } from "../model/agent-event.ts";
import type { RunEvent } from "../model/run-event.ts";

/** The types of AG-UI events that a conversion returns. */
export type AgUiEventType =
  | "RUN_STARTED"
  | "RUN_FINISHED"
  | "RUN_ERROR"
  | "STEP_STARTED"
  | "STEP_FINISHED"
  | "TEXT_MESSAGE_START"
  | "TEXT_MESSAGE_CONTENT"
  | "TEXT_MESSAGE_END"
  | "TOOL_CALL_START"
  | "TOOL_CALL_ARGS"
  | "TOOL_CALL_END"
  | "TOOL_CALL_RESULT"
  | "REASONING_START"
  | "REASONING_MESSAGE_START"
  | "REASONING_MESSAGE_CONTENT"
  | "REASONING_MESSAGE_END"
  | "REASONING_END"
  | "SUBAGENT_STARTED"
  | "SUBAGENT_FINISHED"
  | "SUBAGENT_ERROR"
  | "CUSTOM";

/** An event of AG-UI 1.0. Its fields are those that `EventSchemas` of `@ag-ui/core` describe for its type. */
export interface AgUiEvent {
  /** The type of the event. The other fields depend on it. */
  readonly type: AgUiEventType;
  /** The fields of its type. */
  readonly [field: string]: unknown;
}

/** The state of one run's conversion: what is open, and which ids were created. */
export interface State {
  run: string | undefined;
  readonly thread: string | undefined;
  status: "new" | "open" | "over";
  /** The agent whose ending is the ending of the run: the first that started. */
  agent: string | undefined;
  /** The ids of the open messages, by the key of their source. */
  readonly messages: Map<string, string>;
  readonly steps: Set<string>;
  /** Every subagent of the run, and whether it still works. An id may start only once. */
  readonly subagents: Map<string, boolean>;
  /** The ids under which tool calls were shown, by the agent's own ids of the calls. */
  readonly calls: Map<string, string>;
  /** The ids of tool calls that were shown before the agent gave their id, by tool. */
  readonly unclaimed: Map<string, string[]>;
  /** How many ids were created. A counter, so that the same events always get the same ids. */
  made: number;
}

export function stateOf(run: string | undefined, thread: string | undefined): State {
  return {
    run,
    thread,
    status: "new",
    agent: undefined,
    messages: new Map(),
    steps: new Set(),
    subagents: new Map(),
    calls: new Map(),
    unclaimed: new Map(),
    made: 0,
  };
}

/** Starts the run, or starts it again after an ending. */
export function begin(state: State): AgUiEvent[] {
  state.status = "open";
  state.subagents.clear();
  return [{ type: "RUN_STARTED", ...idsOf(state), protocolVersion: "1.0" }];
}

/** Ends the run without a failure. */
export function finish(
  state: State,
  how: "completed" | "cancelled",
  { result, ...rest }: { result?: unknown; metadata?: object },
): AgUiEvent[] {
  const outcome = { type: how === "completed" ? "success" : "cancelled" };
  const what = result === undefined || result === null ? {} : { result };
  return end(state, how, { type: "RUN_FINISHED", ...idsOf(state), outcome, ...what, ...rest });
}

/** Ends everything that is open in the run, then the run. */
export function end(state: State, how: "completed" | "cancelled" | "failed", last: AgUiEvent): AgUiEvent[] {
  const messages = [...state.messages.keys()].flatMap((key) => endMessage(state, key));
  const steps = [...state.steps].map((stepName) => ({ type: "STEP_FINISHED" as const, stepName }));
  const working = [...state.subagents].filter(([, works]) => works);
  const message = how === "failed" ? "The run failed" : "The run was cancelled";
  const subagents = working.map(
    ([subagentRunId]): AgUiEvent =>
      how === "completed"
        ? { type: "SUBAGENT_FINISHED", subagentRunId }
        : { type: "SUBAGENT_ERROR", subagentRunId, message, code: how },
  );
  state.status = "over";
  state.agent = undefined;
  for (const open of [state.steps, state.subagents, state.calls, state.unclaimed]) open.clear();
  return [...messages, ...subagents, ...steps, last];
}

/** Ends an agent that works within another agent's run. Returns undefined for the agent whose run it is. */
export function endNested(state: State, event: AgentEvent, isBad: boolean = false): AgUiEvent[] | undefined {
  const { agent_name: stepName } = event;
  if (stepName === state.agent || !state.steps.delete(stepName)) return undefined;
  const ended: AgUiEvent = { type: "STEP_FINISHED", stepName, metadata: fieldsOf(event) };
  return isBad ? [...custom(state, event), ended] : [ended];
}

export function startStep(state: State, stepName: string, event: AgentEvent): AgUiEvent[] {
  if (state.steps.has(stepName)) return custom(state, event);
  state.steps.add(stepName);
  return [{ type: "STEP_STARTED", stepName, metadata: fieldsOf(event) }];
}

/** Appends to the open message of a key, or starts one. */
export function write(
  state: State,
  key: string,
  { name, content, isLast }: { name: string; content: string; isLast: boolean },
): AgUiEvent[] {
  const known = state.messages.get(key);
  const messageId = known ?? made(state, "message");
  state.messages.set(key, messageId);
  const start: AgUiEvent = { type: "TEXT_MESSAGE_START", messageId, role: "assistant", name };
  const piece: AgUiEvent = { type: "TEXT_MESSAGE_CONTENT", messageId, delta: text(content) };
  return [
    ...(known === undefined ? [start] : []),
    // Versions of AG-UI before 1.0 refuse an empty piece.
    ...(piece.delta === "" ? [] : [piece]),
    ...(isLast ? endMessage(state, key) : []),
  ];
}

export function endMessage(state: State, key: string): AgUiEvent[] {
  const messageId = state.messages.get(key);
  state.messages.delete(key);
  return messageId === undefined ? [] : [{ type: "TEXT_MESSAGE_END", messageId }];
}

/** Shows a tool call. */
export function call(toolCallId: string, toolCallName: string, args: AgUiEvent[] = []): AgUiEvent[] {
  return [
    { type: "TOOL_CALL_START", toolCallId, toolCallName },
    ...args,
    { type: "TOOL_CALL_END", toolCallId },
  ];
}

/**
 * Returns the id under which a call was shown. For an unknown call id, that is the oldest call of the tool without one.
 * If there is none, the call is shown now.
 */
export function claim(
  state: State,
  tool: string,
  callId: string,
): { toolCallId: string; shown: AgUiEvent[] } {
  const known = state.calls.get(callId) ?? state.unclaimed.get(tool)?.shift();
  const toolCallId = known ?? callId;
  state.calls.set(callId, toolCallId);
  return { toolCallId, shown: known === undefined ? call(toolCallId, tool) : [] };
}

/** Converts an event that AG-UI has no type for. */
export function custom(_state: State, event: RunEvent): AgUiEvent[] {
  return [{ type: "CUSTOM", name: event.type, value: fieldsOf(event) }];
}

/** Returns the fields of an event, without those that AG-UI has fields of its own for. */
export function fieldsOf({ type: _, run, timestamp, ...fields }: RunEvent): Record<string, unknown> {
  return fields;
}

export function failure(message: unknown, code: unknown): { message: string; code?: string } {
  return { message: text(message), ...(typeof code === "string" ? { code } : {}) };
}

/** Creates an id. The same sequence of events always gets the same ids. */
export function made(state: State, what: string): string {
  state.made++;
  return `${idsOf(state).runId}:${what}:${state.made}`;
}

/** Returns a string as it is, and any other value as JSON. */
export function text(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function idsOf({ run = "run", thread = run }: State): { threadId: string; runId: string } {
  return { threadId: thread, runId: run };
}
