/**
 * The vocabulary of agents: a function for every event that an agent's front end uses. It checks the event's fields.
 *
 * An event is one flat object: its own fields, and `type`, `run`, `agent_name` and `timestamp`. In code, the fields
 * have the same names as on the wire. `toAgUi` and `agUiEvents` convert the events:
 *
 * | event | AG-UI 1.0 |
 * |---|---|
 * | `agent_started` | `RUN_STARTED`; for another agent within the run `STEP_STARTED` |
 * | `agent_completed` | `RUN_FINISHED`, success; for another agent within the run `STEP_FINISHED` |
 * | `agent_cancelled`, `agent_stopped` | `RUN_FINISHED`, cancelled; for another agent `CUSTOM`, `STEP_FINISHED` |
 * | `agent_failed` | `RUN_ERROR`; for another agent within the run `CUSTOM`, `STEP_FINISHED` |
 * | `agent_error` | `CUSTOM` if recoverable, else `RUN_ERROR` |
 * | `agent_thinking` | `REASONING_START`, `REASONING_MESSAGE_START` `_CONTENT` `_END`, `REASONING_END` |
 * | `partial_result` | `TEXT_MESSAGE_START` with the first piece, `_CONTENT`, `_END` with the last |
 * | `stream_chunk` | the same, one message per stream |
 * | `stream_complete` | `TEXT_MESSAGE_END`, unless the last chunk had `is_final` |
 * | `final_report` | `TEXT_MESSAGE_START` `_CONTENT` `_END` for a string, `CUSTOM` for anything else |
 * | `tool_started` | `TOOL_CALL_START` `_ARGS` `_END`; `CUSTOM` for a call that was shown before |
 * | `tool_executing` | `CUSTOM`, after `TOOL_CALL_START` `_END` for a call without a start event |
 * | `tool_completed` | `TOOL_CALL_RESULT`, after `TOOL_CALL_START` `_END` for a call without a start event |
 * | `subagent_started`, `subagent_completed` | `SUBAGENT_STARTED`, `SUBAGENT_FINISHED` |
 * | `operation_started`, `operation_completed` | `STEP_STARTED`, `STEP_FINISHED` |
 * | `agent_fallback`, `agent_log`, `agent_registered`, `agent_unregistered`, `agent_status_changed`, `agent_metrics_updated`, `agent_manager_shutdown`, `periodic_update`, `agent_update` | `CUSTOM` |
 * | `run.started`, `run.completed`, `run.failed`, `run.cancelled`, of a run's own channel | `RUN_STARTED`, `RUN_FINISHED`, `RUN_ERROR`, `RUN_FINISHED` cancelled |
 * | any other event of a run | `CUSTOM` |
 *
 * @module
 */

export { type AgentChannel, type AgentEvents, type AgentRun, agentEvents } from "./agent/agent-events.ts";
export {
  type AgentErrorFields,
  type AgentFields,
  type AgentMessages,
  type AgentName,
  type AgentOptions,
  agentMessages,
} from "./agent/messages.ts";
export { type AgentPresenter, agentPresenter } from "./agent/presenter.ts";
export { type AgUiEvent, type AgUiEventType, type AgUiOptions, agUiEvents, toAgUi } from "./agent/ui.ts";
export type {
  AgentDetails,
  AgentEnvelope,
  AgentEvent,
  AgentEventFields,
  AgentEventType,
  AgentSeverity,
} from "./model/agent-event.ts";
