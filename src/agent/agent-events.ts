import type { AgentEvent, AgentEventType } from "../model/agent-event.ts";
import { shown } from "./check.ts";
import { type AgentMessages, type AgentOptions, agentMessages } from "./messages.ts";

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
