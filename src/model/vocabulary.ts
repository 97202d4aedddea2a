import type { AgentEvent, AgentEventType } from "./agent-event.ts";
import type { EventInput, EventOutput, EventSchemas, SchemasOf } from "./events.ts";
import type { OutputEvent, ProgressEvent, RunEvent, RunLifecycleEvent } from "./run-event.ts";

/** The events that tocsin defines. A run may emit them even if they have no schema. */
export type VocabularyEvent = ProgressEvent | OutputEvent | AgentEvent;

/** The events that a run may emit with these schemas. Without schemas, any event. */
export type TaskEvent<Schemas extends EventSchemas> = string extends keyof Schemas
  ? RunEvent
  : EventInput<Schemas> | Exclude<VocabularyEvent, { readonly type: keyof Schemas }>;

/** The events that are read from a run's channel with these schemas. Without schemas, `unknown`. */
export type RunOutput<Schemas extends EventSchemas> = string extends keyof Schemas
  ? unknown
  : EventOutput<Schemas> | Exclude<VocabularyEvent, { readonly type: keyof Schemas }> | RunLifecycleEvent;

/** The events that are read from the channels of a notifier's runs. `unknown` if the notifier has no schemas. */
export type RunEventsOf<N> = RunOutput<SchemasOf<N>>;

/** All types of these events. It is a record, so that the compiler reports a missing type. */
const types: Readonly<Record<(ProgressEvent | OutputEvent)["type"] | AgentEventType, true>> = {
  progress: true,
  output: true,
  agent_started: true,
  agent_thinking: true,
  partial_result: true,
  tool_started: true,
  tool_executing: true,
  tool_completed: true,
  final_report: true,
  agent_completed: true,
  agent_fallback: true,
  agent_error: true,
  agent_log: true,
  agent_stopped: true,
  stream_chunk: true,
  stream_complete: true,
  subagent_started: true,
  subagent_completed: true,
  agent_registered: true,
  agent_unregistered: true,
  agent_failed: true,
  agent_cancelled: true,
  agent_status_changed: true,
  agent_metrics_updated: true,
  agent_manager_shutdown: true,
  periodic_update: true,
  operation_started: true,
  operation_completed: true,
  agent_update: true,
};

/** Returns whether tocsin defines events of this type. */
export function isVocabulary(type: string): boolean {
  return Object.hasOwn(types, type);
}
