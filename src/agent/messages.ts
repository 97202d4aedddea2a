import type { AgentDetails, AgentEvent, AgentEventFields, AgentEventType } from "../model/agent-event.ts";
import { eventOf, nameOf, shown } from "./check.ts";
import { type AgentPresenter, agentPresenter } from "./presenter.ts";

/** A name that may be missing: then a neutral word stands for it. */
export type AgentName = string | null | undefined;

/** The fields of an event as they are given: a tool or subagent need have no name. */
export type AgentFields<T extends AgentEventType> = AgentEventFields[T] extends { readonly tool_name: string }
  ? Omit<AgentEventFields[T], "tool_name"> & { readonly tool_name?: AgentName }
  : AgentEventFields[T] extends { readonly subagent_id: string }
    ? Omit<AgentEventFields[T], "subagent_name"> & { readonly subagent_name?: AgentName }
    : AgentEventFields[T];

/** An error as it is given: what is missing is filled in. */
export interface AgentErrorFields extends Partial<AgentEventFields["agent_error"]> {
  /** What went wrong, for logs. */
  readonly error_message: string;
  /** Words that say what went wrong, like `rate_limit`. Default: the error's name, or `"error"`. */
  readonly error_type?: string;
  /** Default: `{}`. */
  readonly error_details?: unknown;
  /** Whether the agent goes on. Default: false. */
  readonly is_recoverable?: boolean;
}

/** Makes agent events, each checked: a TypeError or RangeError names the event and the field. */
export interface AgentMessages {
  /** Says that the agent begins. */
  started(): AgentEvent<"agent_started">;
  /** Shows a thought, and how far the agent has come. A percentage is moved into 0 to 100; NaN is refused. */
  thinking(fields: AgentFields<"agent_thinking">): AgentEvent<"agent_thinking">;
  /** Hands out the next piece of the answer. */
  partialResult(fields: AgentFields<"partial_result">): AgentEvent<"partial_result">;
  /** Says that a tool is about to be used, and with what; where it has one, under the id of its call. */
  toolStarted(fields: AgentFields<"tool_started">): AgentEvent<"tool_started">;
  /** Says that a tool works, under the id of its call. */
  toolExecuting(fields: AgentFields<"tool_executing">): AgentEvent<"tool_executing">;
  /** Gives the result of a call. */
  toolCompleted(fields: AgentFields<"tool_completed">): AgentEvent<"tool_completed">;
  /** Gives the report that sums up the work. Confirmed on a channel. */
  finalReport(fields: AgentFields<"final_report">): AgentEvent<"final_report">;
  /** Ends in success. Confirmed on a channel. */
  completed(fields: AgentFields<"agent_completed">): AgentEvent<"agent_completed">;
  /** Says that the agent goes on in another way than it meant to. */
  fallback(fields: AgentFields<"agent_fallback">): AgentEvent<"agent_fallback">;
  /**
   * Reports an error. What `own` says comes first, then the error's name and message, then the presenter. Nothing else
   * of what was thrown is told. Confirmed on a channel.
   */
  error(error: Error | string | AgentErrorFields, own?: Partial<AgentErrorFields>): AgentEvent<"agent_error">;
  /** Writes a line for those who look into the agent. */
  log(fields: AgentFields<"agent_log">): AgentEvent<"agent_log">;
  /** Says that the agent was stopped. Confirmed on a channel. */
  stopped(): AgentEvent<"agent_stopped">;
  /** Hands out the next chunk of a stream. */
  streamChunk(fields: AgentFields<"stream_chunk">): AgentEvent<"stream_chunk">;
  /** Says that a stream has ended, and of how many chunks it was. */
  streamComplete(fields: AgentFields<"stream_complete">): AgentEvent<"stream_complete">;
  /** Says that an agent of this agent begins. Every time it does it has an id of its own. */
  subagentStarted(fields: AgentFields<"subagent_started">): AgentEvent<"subagent_started">;
  /** Says that an agent of this agent has ended. */
  subagentCompleted(fields: AgentFields<"subagent_completed">): AgentEvent<"subagent_completed">;
  /** Says that the agent is known from now on. */
  registered(details?: AgentDetails): AgentEvent<"agent_registered">;
  /** Says that the agent is no longer known. */
  unregistered(details?: AgentDetails): AgentEvent<"agent_unregistered">;
  /** Ends in failure. Of what was thrown only name and message are told. Confirmed on a channel. */
  failed(
    error: Error | string | AgentFields<"agent_failed">,
    details?: AgentDetails,
  ): AgentEvent<"agent_failed">;
  /** Ends because somebody wanted it to. Confirmed on a channel. */
  cancelled(fields?: AgentFields<"agent_cancelled">): AgentEvent<"agent_cancelled">;
  /** Says what the agent is doing now. */
  statusChanged(fields: AgentFields<"agent_status_changed">): AgentEvent<"agent_status_changed">;
  /** Gives numbers about the agent. */
  metricsUpdated(fields: AgentFields<"agent_metrics_updated">): AgentEvent<"agent_metrics_updated">;
  /** Says that what runs the agents shuts down. */
  managerShutdown(fields?: AgentFields<"agent_manager_shutdown">): AgentEvent<"agent_manager_shutdown">;
  /** Says now and then how an operation goes. */
  periodicUpdate(fields: AgentFields<"periodic_update">): AgentEvent<"periodic_update">;
  /** Says that an operation begins. */
  operationStarted(fields: AgentFields<"operation_started">): AgentEvent<"operation_started">;
  /** Says that an operation has ended. */
  operationCompleted(fields: AgentFields<"operation_completed">): AgentEvent<"operation_completed">;
  /** Tells anything else. */
  update(details?: AgentDetails): AgentEvent<"agent_update">;
}

/** Who speaks, and how. */
export interface AgentOptions {
  /** Default: `"agent"`. */
  agentName?: AgentName;
  /** Fills in what an error's caller left out. Default: `agentPresenter`. */
  presenter?: AgentPresenter | undefined;
  /** Default: `Date.now`, milliseconds since the Unix epoch. */
  now?: (() => number) | undefined;
}

/** The methods that take fields and no more, with the type of the event that each makes. */
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

/** Methods whose event may be made of no fields at all. */
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
 * Makes agent events without sending them, for a task that yields its own.
 *
 * Throws a TypeError when `run` is no text, or empty.
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
    error: (error, own = {}) =>
      make("agent_error", completed({ ...told(error), ...defined(own) }, presenter)),
    failed: (error, details = {}) => make("agent_failed", { ...told(error), ...defined(details) }),
  };
}

/** What was thrown, as fields. What is no error already is fields. */
function told(error: unknown): object {
  if (error instanceof Error)
    return { error_message: withoutStack(String(error.message)), error_type: String(error.name) };
  return typeof error === "object" && error !== null ? error : { error_message: error };
}

/** An error that tells of another one may have its stack for a message. */
function withoutStack(message: string): string {
  const isFrame = (line: string): boolean => /^\s*at .*[:\d)>]$/.test(line);
  return message
    .split("\n")
    .filter((line) => !isFrame(line))
    .join("\n");
}

/** Fills in what the caller left out. */
function completed(
  { error_type: type = "error", ...given }: Record<string, unknown>,
  presenter: AgentPresenter,
): object {
  // Its check says what is wrong with it.
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
