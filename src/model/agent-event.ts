/** The severity of an error. The built-in presenter only uses `critical`, `high` and `medium`. */
export type AgentSeverity = "critical" | "high" | "medium" | "low";

/**
 * Additional fields of the caller. They must not be named `type`, `run`, `agent_name` or `timestamp`: every event has
 * those.
 */
export type AgentDetails = { readonly [detail: string]: unknown };

/** The fields of each agent event, besides `type`, `run`, `agent_name` and `timestamp`. Times are in milliseconds. */
export interface AgentEventFields {
  /** The agent has started. The event has no fields of its own. */
  agent_started: Record<never, never>;
  /** The agent is thinking: the thought, and optionally the progress. */
  agent_thinking: {
    readonly thought: string;
    readonly step_number?: number | undefined;
    readonly total_steps?: number | undefined;
    /** From 0 to 100. A value outside this range is clamped. */
    readonly progress_percentage?: number | undefined;
    readonly estimated_remaining_ms?: number | undefined;
    readonly current_operation?: string | undefined;
  };
  /** A piece of the answer. The pieces arrive in order. */
  partial_result: { readonly content: string; readonly is_complete: boolean };
  /** A tool is about to be called with these parameters. */
  tool_started: {
    readonly tool_name: string;
    /** The id of the call, the same as in `tool_executing` and `tool_completed`. */
    readonly call_id?: string | undefined;
    readonly parameters: unknown;
  };
  /** A tool is executing the call `call_id`. */
  tool_executing: {
    readonly tool_name: string;
    readonly call_id: string;
    readonly tool_purpose?: string | undefined;
    readonly estimated_duration_ms?: number | undefined;
    readonly parameters_summary?: string | undefined;
  };
  /** A tool has completed the call `call_id`. */
  tool_completed: { readonly tool_name: string; readonly call_id: string; readonly result: unknown };
  /** The final report on the agent's work. */
  final_report: { readonly report: unknown; readonly total_duration_ms: number };
  /** The agent has completed its work with this result. */
  agent_completed: { readonly result: unknown; readonly duration_ms: number };
  /** The agent continues in a degraded mode: which mode, and why. */
  agent_fallback: { readonly fallback_type: string; readonly message: string };
  /** An error occurred. The fields describe it for programs, for logs and for people. */
  agent_error: {
    readonly error_message: string;
    readonly error_type: string;
    readonly error_details: unknown;
    readonly severity: AgentSeverity;
    readonly is_recoverable: boolean;
    readonly recovery_suggestions: readonly string[];
    readonly estimated_retry_delay_ms?: number | undefined;
    readonly user_friendly_message: string;
  };
  /** A line of the agent's log. */
  agent_log: { readonly level: string; readonly message: string; readonly metadata: unknown };
  /** The agent was stopped. The event has no fields of its own. */
  agent_stopped: Record<never, never>;
  /** A chunk of a text stream. An agent may have several streams. */
  stream_chunk: {
    readonly stream_id: string;
    /** The index of the chunk, from 0. */
    readonly index: number;
    readonly content: string;
    readonly is_final: boolean;
  };
  /** A stream is complete. `total_chunks` is its number of chunks. */
  stream_complete: { readonly stream_id: string; readonly total_chunks: number };
  /** A subagent has started. */
  subagent_started: { readonly subagent_name: string; readonly subagent_id: string };
  /** A subagent has completed its work. */
  subagent_completed: { readonly subagent_name: string; readonly subagent_id: string };
  /** An agent was registered with its manager. */
  agent_registered: AgentDetails;
  /** An agent was unregistered from its manager. */
  agent_unregistered: AgentDetails;
  /** The agent has failed and has stopped. */
  agent_failed: {
    readonly error_message: string;
    readonly error_type?: string | undefined;
  } & AgentDetails;
  /** The agent was cancelled, optionally with a reason. */
  agent_cancelled: { readonly reason?: string | undefined } & AgentDetails;
  /** The agent's status has changed. */
  agent_status_changed: {
    readonly status: string;
    readonly previous_status?: string | undefined;
  } & AgentDetails;
  /** New metrics of the agent. */
  agent_metrics_updated: { readonly metrics: unknown } & AgentDetails;
  /** The agents' manager is shutting down, optionally with a reason. */
  agent_manager_shutdown: { readonly reason?: string | undefined } & AgentDetails;
  /** An operation is still in progress. */
  periodic_update: { readonly operation_name: string } & AgentDetails;
  /** An operation of the agent has started. */
  operation_started: { readonly operation_name: string } & AgentDetails;
  /** An operation of the agent is complete. */
  operation_completed: { readonly operation_name: string } & AgentDetails;
  /** Any other news about the agent. */
  agent_update: AgentDetails;
}

/** The `type` of an agent event, as it is sent. */
export type AgentEventType = keyof AgentEventFields;

/** The fields that every agent event has. */
export type AgentEnvelope<T extends AgentEventType = AgentEventType> = {
  readonly type: T;
  /** The id of the run that the event belongs to. */
  readonly run: string;
  /** The name of the agent. `"agent"` if no name is given. */
  readonly agent_name: string;
  /** When the event was created, in milliseconds since the Unix epoch. */
  readonly timestamp: number;
};

/** An agent event as it is sent: a union of all events, discriminated by `type`, or the event of type `T`. */
export type AgentEvent<T extends AgentEventType = AgentEventType> = {
  [K in T]: AgentEnvelope<K> & AgentEventFields[K];
}[T];
