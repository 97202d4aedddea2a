/** How grave an error is. The presenter itself only ever says `critical`, `high` or `medium`. */
export type AgentSeverity = "critical" | "high" | "medium" | "low";

/** Fields of the caller's own, put beside the named ones. None may be called as what every event has anyway. */
export type AgentDetails = { readonly [detail: string]: unknown };

/** The fields of every agent event beside `type`, `run`, `agent_name` and `timestamp`. Times are in milliseconds. */
export interface AgentEventFields {
  /** The agent begins. It has no fields of its own. */
  agent_started: Record<never, never>;
  /** The agent thinks: a thought, and how far it has come. */
  agent_thinking: {
    readonly thought: string;
    readonly step_number?: number | undefined;
    readonly total_steps?: number | undefined;
    /** From 0 to 100; what lies outside is moved there. */
    readonly progress_percentage?: number | undefined;
    readonly estimated_remaining_ms?: number | undefined;
    readonly current_operation?: string | undefined;
  };
  /** A piece of the answer; pieces follow one another. */
  partial_result: { readonly content: string; readonly is_complete: boolean };
  /** A tool is about to be used, with these parameters. */
  tool_started: {
    readonly tool_name: string;
    /** The id of the call, as `tool_executing` and `tool_completed` have it. */
    readonly call_id?: string | undefined;
    readonly parameters: unknown;
  };
  /** A tool works on the call `call_id`. */
  tool_executing: {
    readonly tool_name: string;
    readonly call_id: string;
    readonly tool_purpose?: string | undefined;
    readonly estimated_duration_ms?: number | undefined;
    readonly parameters_summary?: string | undefined;
  };
  /** A tool has answered the call `call_id`. */
  tool_completed: { readonly tool_name: string; readonly call_id: string; readonly result: unknown };
  /** The report that sums up the work. */
  final_report: { readonly report: unknown; readonly total_duration_ms: number };
  /** The agent has done its work, with this result. */
  agent_completed: { readonly result: unknown; readonly duration_ms: number };
  /** The agent goes on in another, lesser way: which, and why. */
  agent_fallback: { readonly fallback_type: string; readonly message: string };
  /** Something went wrong: for programs, for logs, and in words for people. */
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
  /** The agent was stopped. It has no fields of its own. */
  agent_stopped: Record<never, never>;
  /** A chunk of one of several streams of text. */
  stream_chunk: {
    readonly stream_id: string;
    /** From 0. */
    readonly index: number;
    readonly content: string;
    readonly is_final: boolean;
  };
  /** A stream is over, after so many chunks. */
  stream_complete: { readonly stream_id: string; readonly total_chunks: number };
  /** A subagent begins. */
  subagent_started: { readonly subagent_name: string; readonly subagent_id: string };
  /** A subagent has done its work. */
  subagent_completed: { readonly subagent_name: string; readonly subagent_id: string };
  /** An agent is now known to its manager. */
  agent_registered: AgentDetails;
  /** An agent is no longer known to its manager. */
  agent_unregistered: AgentDetails;
  /** The agent has failed, and does not go on. */
  agent_failed: {
    readonly error_message: string;
    readonly error_type?: string | undefined;
  } & AgentDetails;
  /** The agent was cancelled, and why. */
  agent_cancelled: { readonly reason?: string | undefined } & AgentDetails;
  /** The agent's status is another one now. */
  agent_status_changed: {
    readonly status: string;
    readonly previous_status?: string | undefined;
  } & AgentDetails;
  /** New numbers about the agent. */
  agent_metrics_updated: { readonly metrics: unknown } & AgentDetails;
  /** The agents' manager stops, and why. */
  agent_manager_shutdown: { readonly reason?: string | undefined } & AgentDetails;
  /** An operation is still under way. */
  periodic_update: { readonly operation_name: string } & AgentDetails;
  /** An operation within the agent's work begins. */
  operation_started: { readonly operation_name: string } & AgentDetails;
  /** An operation within the agent's work is done. */
  operation_completed: { readonly operation_name: string } & AgentDetails;
  /** Anything else that is new about the agent. */
  agent_update: AgentDetails;
}

/** The type of an agent event, as it stands on the wire. */
export type AgentEventType = keyof AgentEventFields;

/** What every agent event has. */
export type AgentEnvelope<T extends AgentEventType = AgentEventType> = {
  readonly type: T;
  /** The run it belongs to. */
  readonly run: string;
  /** Who speaks; `"agent"` where nobody is named. */
  readonly agent_name: string;
  /** When it was made, in milliseconds since the Unix epoch. */
  readonly timestamp: number;
};

/** An agent event as it stands on the wire: all of them, told apart by `type`, or the one of type `T`. */
export type AgentEvent<T extends AgentEventType = AgentEventType> = {
  [K in T]: AgentEnvelope<K> & AgentEventFields[K];
}[T];
