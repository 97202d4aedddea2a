/**
 * The vocabulary of agents: a checked function for every event that an agent's front end knows.
 *
 * An event is one flat object, its fields beside `type`, `run`, `agent_name` and `timestamp`. Fields are written here
 * as they stand on the wire, so that one name is one name everywhere. `toAgUi` and `agUiEvents` translate them:
 *
 * | event | AG-UI 1.0 |
 * |---|---|
 * | `agent_started` | `RUN_STARTED`; of another agent within the run `STEP_STARTED` |
 * | `agent_completed` | `RUN_FINISHED`, success; of another agent within the run `STEP_FINISHED` |
 * | `agent_cancelled`, `agent_stopped` | `RUN_FINISHED`, cancelled; of another agent `STEP_FINISHED`, `CUSTOM` |
 * | `agent_failed` | `RUN_ERROR`; of another agent within the run `STEP_FINISHED`, `CUSTOM` |
 * | `agent_error` | `CUSTOM` while recoverable, else `RUN_ERROR` |
 * | `agent_thinking` | `REASONING_START`, `REASONING_MESSAGE_START` `_CONTENT` `_END`, `REASONING_END` |
 * | `partial_result` | `TEXT_MESSAGE_START` with the first piece, `_CONTENT`, `_END` with the last |
 * | `stream_chunk` | the same, a message for each stream |
 * | `stream_complete` | `TEXT_MESSAGE_END`, unless the last chunk said so |
 * | `final_report` | `TEXT_MESSAGE_START` `_CONTENT` `_END` for a text, `CUSTOM` for anything else |
 * | `tool_started` | `TOOL_CALL_START` `_ARGS` `_END`; `CUSTOM` for a call that was shown before |
 * | `tool_executing` | `CUSTOM`, after `TOOL_CALL_START` `_END` for a call that nobody started |
 * | `tool_completed` | `TOOL_CALL_RESULT`, after `TOOL_CALL_START` `_END` for a call that nobody started |
 * | `subagent_started`, `subagent_completed` | `SUBAGENT_STARTED`, `SUBAGENT_FINISHED` |
 * | `operation_started`, `operation_completed` | `STEP_STARTED`, `STEP_FINISHED` |
 * | `agent_fallback`, `agent_log`, `agent_registered`, `agent_unregistered`, `agent_status_changed`, `agent_metrics_updated`, `agent_manager_shutdown`, `periodic_update`, `agent_update` | `CUSTOM` |
 * | `run.started`, `run.completed`, `run.failed`, `run.cancelled`, of a run's own channel | `RUN_STARTED`, `RUN_FINISHED`, `RUN_ERROR`, `RUN_FINISHED` cancelled |
 * | whatever else a run emits | `CUSTOM` |
 *
 * @module
 */

import { shown } from "./agent-check.ts";
import type { AgentEvent, AgentEventType } from "./agent-event.ts";
import { type AgentMessages, type AgentOptions, agentMessages } from "./agent-messages.ts";

export type {
  AgentDetails,
  AgentEnvelope,
  AgentEvent,
  AgentEventFields,
  AgentEventType,
  AgentSeverity,
} from "./agent-event.ts";
export {
  type AgentErrorFields,
  type AgentFields,
  type AgentMessages,
  type AgentName,
  type AgentOptions,
  agentMessages,
} from "./agent-messages.ts";
export { type AgentPresenter, agentPresenter } from "./agent-presenter.ts";
export { type AgUiEvent, type AgUiEventType, type AgUiOptions, agUiEvents, toAgUi } from "./agent-ui.ts";

/** Sends agent events: the methods of `AgentMessages`, each answering what the run or the notifier answers. */
export type AgentEvents<R = void> = {
  readonly [M in keyof AgentMessages]: (...given: Parameters<AgentMessages[M]>) => Promise<R>;
};

/** A run that agent events are written into. The context of every task is one. */
export interface AgentRun<R = void> {
  /** The run's id, which is the `run` of its events. */
  readonly id: string;
  /** MUST take the event before it returns, so that events keep the order of the calls. */
  emit(event: AgentEvent): Promise<R>;
}

/** A channel that agent events are published on. */
export interface AgentChannel<R = void> {
  /** What publishes the events: a notifier, or anything else with such a `publish`. */
  readonly notifier: {
    /** MUST take the event before it returns. Events that tell how a run ended come with `confirm: true`. */
    publish(channel: string, data: AgentEvent, options?: { confirm?: boolean | undefined }): Promise<R>;
  };
  /** The channel's name. */
  readonly channel: string;
  /** What tells this run's events from those of others on the channel. Default: a random one. */
  readonly run?: string | undefined;
}

/** What must not get lost: how it ended, however that was. */
const confirmed: ReadonlySet<AgentEventType> = new Set([
  "final_report",
  "agent_completed",
  "agent_failed",
  "agent_error",
  "agent_cancelled",
  "agent_stopped",
]);

/**
 * Sends agent events into a run, or onto a channel.
 *
 * Every method checks what it is given before anything is sent, and rejects with a TypeError or RangeError that names
 * event and field. Otherwise its promise is that of the run's `emit` or the notifier's `publish`. On a channel the
 * events that tell how it ended are confirmed: failure is as certain as success.
 *
 * Throws a TypeError for what is neither a run nor a channel.
 *
 * @example
 * ```ts
 * import { agentEvents } from "tocsin/agent";
 *
 * const events = agentEvents({ notifier, channel: "user:ann", run: "42" }, { agentName: "Researcher" });
 * await events.started();
 * await events.thinking({ thought: "Where to begin?", step_number: 1, total_steps: 3 });
 * await events.completed({ result: { url: "/42" }, duration_ms: 1_200 });
 * ```
 */
export function agentEvents<R = void>(
  target: AgentRun<R> | AgentChannel<R>,
  options: AgentOptions = {},
): AgentEvents<R> {
  const { run, send } = sinkOf(target);
  const messages = agentMessages({ ...options, run });
  const senders = Object.entries(messages).map(([method, make]) => [
    method,
    (...given: unknown[]): Promise<R> => {
      let event: AgentEvent;
      try {
        event = (make as (...given: unknown[]) => AgentEvent)(...given);
      } catch (error) {
        return Promise.reject(error);
      }
      return send(event);
    },
  ]);
  return Object.fromEntries(senders) as AgentEvents<R>;
}

function sinkOf<R>(target: AgentRun<R> | AgentChannel<R>): {
  run: string;
  send(event: AgentEvent): Promise<R>;
} {
  if (typeof (target as AgentRun<R> | undefined)?.emit === "function") {
    const run = target as AgentRun<R>;
    return { run: run.id, send: (event) => run.emit(event) };
  }
  const { notifier, channel, run = crypto.randomUUID() } = (target ?? {}) as AgentChannel<R>;
  if (typeof notifier?.publish !== "function" || typeof channel !== "string") {
    throw new TypeError(`Cannot announce into ${shown(target)}: it is neither a run nor a channel`);
  }
  const send = (event: AgentEvent): Promise<R> =>
    confirmed.has(event.type)
      ? notifier.publish(channel, event, { confirm: true })
      : notifier.publish(channel, event);
  return { run, send };
}
