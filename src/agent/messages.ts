import type { AgentDetails, AgentEvent, AgentEventFields, AgentEventType } from "../model/agent-event.ts";
import { eventOf, nameOf, shown } from "./check.ts";
import { type AgentPresenter, agentPresenter } from "./presenter.ts";

/** A name that may be missing. A neutral word then replaces it. */
export type AgentName = string | null | undefined;

/** The fields of an event as the caller gives them: the name of a tool or subagent is optional. */
export type AgentFields<T extends AgentEventType> = AgentEventFields[T] extends { readonly tool_name: string }
  ? Omit<AgentEventFields[T], "tool_name"> & { readonly tool_name?: AgentName }
  : AgentEventFields[T] extends { readonly subagent_id: string }
    ? Omit<AgentEventFields[T], "subagent_name"> & { readonly subagent_name?: AgentName }
    : AgentEventFields[T];

/** An error as the caller gives it. Missing fields are filled in. */
export interface AgentErrorFields extends Partial<AgentEventFields["agent_error"]> {
  /** What went wrong, for logs. */
  readonly error_message: string;
  /** The kind of error, in words such as `rate_limit`. Default: the error's name, or `"error"`. */
  readonly error_type?: string;
  /** Default: `{}`. */
  readonly error_details?: unknown;
  /** Whether the agent continues. Default: false. */
  readonly is_recoverable?: boolean;
}

/** Creates agent events and checks them. Throws a TypeError or RangeError that names the event and the field. */
export interface AgentMessages {
  /** Reports that the agent has started. */
  started(): AgentEvent<"agent_started">;
  /** Reports a thought and the agent's progress. A percentage is clamped to 0 to 100; NaN is refused. */
  thinking(fields: AgentFields<"agent_thinking">): AgentEvent<"agent_thinking">;
  /** Sends the next piece of the answer. */
  partialResult(fields: AgentFields<"partial_result">): AgentEvent<"partial_result">;
  /** Reports that a tool is about to be called, with its parameters and, if known, the id of the call. */
  toolStarted(fields: AgentFields<"tool_started">): AgentEvent<"tool_started">;
  /** Reports that a tool is working on the call with this id. */
  toolExecuting(fields: AgentFields<"tool_executing">): AgentEvent<"tool_executing">;
  /** Reports the result of a tool call. */
  toolCompleted(fields: AgentFields<"tool_completed">): AgentEvent<"tool_completed">;
  /** Sends the report that summarises the work. Confirmed on a channel. */
  finalReport(fields: AgentFields<"final_report">): AgentEvent<"final_report">;
  /** Reports that the agent succeeded. Confirmed on a channel. */
  completed(fields: AgentFields<"agent_completed">): AgentEvent<"agent_completed">;
  /** Reports that the agent continues with a fallback. */
  fallback(fields: AgentFields<"agent_fallback">): AgentEvent<"agent_fallback">;
  /**
   * Reports an error. The fields of `overrides` take precedence, then the error's name and message, then the
   * presenter's texts. Nothing else of a thrown error is sent. Confirmed on a channel.
   */
  error(
    error: Error | string | AgentErrorFields,
    overrides?: Partial<AgentErrorFields>,
  ): AgentEvent<"agent_error">;
  /** Writes a log line, for developers of the agent. */
  log(fields: AgentFields<"agent_log">): AgentEvent<"agent_log">;
  /** Reports that the agent was stopped. Confirmed on a channel. */
  stopped(): AgentEvent<"agent_stopped">;
  /** Sends the next chunk of a stream. */
  streamChunk(fields: AgentFields<"stream_chunk">): AgentEvent<"stream_chunk">;
  /** Reports that a stream has ended, and its number of chunks. */
  streamComplete(fields: AgentFields<"stream_complete">): AgentEvent<"stream_complete">;
  /** Reports that a subagent has started. Each start needs a new id. */
  subagentStarted(fields: AgentFields<"subagent_started">): AgentEvent<"subagent_started">;
  /** Reports that a subagent has ended. */
  subagentCompleted(fields: AgentFields<"subagent_completed">): AgentEvent<"subagent_completed">;
  /** Reports that the agent was registered. */
  registered(details?: AgentDetails): AgentEvent<"agent_registered">;
  /** Reports that the agent was unregistered. */
  unregistered(details?: AgentDetails): AgentEvent<"agent_unregistered">;
  /** Reports that the agent failed. Of a thrown error only name and message are sent. Confirmed on a channel. */
  failed(
    error: Error | string | AgentFields<"agent_failed">,
    details?: AgentDetails,
  ): AgentEvent<"agent_failed">;
  /** Reports that the agent was cancelled. Confirmed on a channel. */
  cancelled(fields?: AgentFields<"agent_cancelled">): AgentEvent<"agent_cancelled">;
  /** Reports the agent's status. */
  statusChanged(fields: AgentFields<"agent_status_changed">): AgentEvent<"agent_status_changed">;
  /** Reports metrics of the agent. */
  metricsUpdated(fields: AgentFields<"agent_metrics_updated">): AgentEvent<"agent_metrics_updated">;
  /** Reports that the agents' manager shuts down. */
  managerShutdown(fields?: AgentFields<"agent_manager_shutdown">): AgentEvent<"agent_manager_shutdown">;
  /** Reports the state of an operation, periodically. */
  periodicUpdate(fields: AgentFields<"periodic_update">): AgentEvent<"periodic_update">;
  /** Reports that an operation has started. */
  operationStarted(fields: AgentFields<"operation_started">): AgentEvent<"operation_started">;
  /** Reports that an operation has ended. */
  operationCompleted(fields: AgentFields<"operation_completed">): AgentEvent<"operation_completed">;
  /** Reports anything else. */
  update(details?: AgentDetails): AgentEvent<"agent_update">;
}

/** The agent's name, and how its events are created. */
export interface AgentOptions {
  /** Default: `"agent"`. */
  agentName?: AgentName;
  /** Fills in the missing fields of errors. Default: `agentPresenter`. */
  presenter?: AgentPresenter | undefined;
  /** Returns the timestamp of an event. Default: `Date.now`, milliseconds since the Unix epoch. */
  now?: (() => number) | undefined;
}

/** The methods whose only argument is the event's fields, with the type of their event. */
const plain = {
  started: "agent_started",
  thinking: "agent_thinking",
  partialResult: "partial_result",
  toolStarted: "tool_started",
  toolExecuting: "tool_executing",
  toolCompleted: "tool_completed",
  finalReport: "final_report",
  completed: "agent_completed",
  fallback: "agent_fallback",
  log: "agent_log",
  stopped: "agent_stopped",
  streamChunk: "stream_chunk",
  streamComplete: "stream_complete",
  subagentStarted: "subagent_started",
  subagentCompleted: "subagent_completed",
  registered: "agent_registered",
  unregistered: "agent_unregistered",
  cancelled: "agent_cancelled",
  statusChanged: "agent_status_changed",
  metricsUpdated: "agent_metrics_updated",
  managerShutdown: "agent_manager_shutdown",
  periodicUpdate: "periodic_update",
  operationStarted: "operation_started",
  operationCompleted: "operation_completed",
  update: "agent_update",
} as const satisfies Record<Exclude<keyof AgentMessages, "error" | "failed">, AgentEventType>;

/** The methods that may be called without fields. */
const empty: readonly string[] = [
  "started",
  "stopped",
  "registered",
  "unregistered",
  "cancelled",
  "managerShutdown",
  "update",
];

/**
 * Creates agent events without sending them, for a task that yields them itself.
 *
 * Throws a TypeError when `run` is not a string, or is empty.
 *
 * @example
 * ```ts
 * import { agentMessages } from "tocsin/agent";
 *
 * notifier.run(async function* ({ id }) {
 *   const agent = agentMessages({ run: id, agentName: "Researcher" });
 *   yield agent.started();
 *   yield agent.completed({ result: "Done", duration_ms: 1_200 });
 * });
 * ```
 */
export function agentMessages({
  run,
  agentName,
  presenter = agentPresenter,
  now = Date.now,
}: AgentOptions & { run: string }): AgentMessages {
  if (typeof run !== "string" || run === "") {
    throw new TypeError(`Cannot announce for run ${shown(run)}: it has to be a text that is not empty`);
  }
  const name = nameOf(agentName, "agent", "Cannot announce for an agent: its name");
  const make = <T extends AgentEventType>(type: T, given: unknown): AgentEvent<T> =>
    eventOf(type, { run, agentName: name, timestamp: now() }, given);
  const makers = Object.entries(plain).map(([method, type]) => {
    const missing = empty.includes(method) ? {} : undefined;
    return [method, (given: unknown = missing) => make(type, given)];
  });
  return {
    ...(Object.fromEntries(makers) as Omit<AgentMessages, "error" | "failed">),
    error: (error, overrides = {}) =>
      make("agent_error", withDefaults({ ...errorFields(error), ...defined(overrides) }, presenter)),
    failed: (error, details = {}) => make("agent_failed", { ...errorFields(error), ...defined(details) }),
  };
}

/** Returns the fields of a thrown error. An object that is not an error already has the fields. */
function errorFields(error: unknown): object {
  if (error instanceof Error)
    return { error_message: withoutStack(String(error.message)), error_type: String(error.name) };
  return typeof error === "object" && error !== null ? error : { error_message: error };
}

/** Removes stack frames: the message of an error that wraps another may contain the other's stack. */
function withoutStack(message: string): string {
  const isFrame = (line: string): boolean => /^\s*at .*[:\d)>]$/.test(line);
  return message
    .split("\n")
    .filter((line) => !isFrame(line))
    .join("\n");
}

/** Fills in the fields that the caller left out. */
function withDefaults(
  { error_type: type = "error", ...given }: Record<string, unknown>,
  presenter: AgentPresenter,
): object {
  // The check of the field reports the error.
  if (typeof type !== "string") return { ...given, error_type: type };
  return {
    error_type: type,
    error_details: {},
    severity: presenter.severityOf(type),
    is_recoverable: false,
    recovery_suggestions: presenter.suggestionsFor(type),
    user_friendly_message: presenter.sentenceFor(type),
    ...defined(given),
  };
}

function defined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
