import type { AgentEvent, AgentEventType } from "../model/agent-event.ts";
import { shown } from "./check.ts";
import { type AgentMessages, type AgentOptions, agentMessages } from "./messages.ts";

/** Sends agent events. It has the methods of `AgentMessages`. Each returns what the run or the notifier returns. */
export type AgentEvents<R = void> = {
  readonly [M in keyof AgentMessages]: (...args: Parameters<AgentMessages[M]>) => Promise<R>;
};

/** A run that agent events are emitted into. The context of every task is one. */
export interface AgentRun<R = void> {
  /** The run's id. It is the field `run` of its events. */
  readonly id: string;
  /** MUST take the event before it returns, so that events keep the order of the calls. */
  emit(event: AgentEvent): Promise<R>;
}

/** A channel that agent events are published on. */
export interface AgentChannel<R = void> {
  /** What publishes the events: a notifier, or anything else with such a `publish`. */
  readonly notifier: {
    /** MUST take the event before it returns. Errors, reports and endings are published with `confirm: true`. */
    publish(channel: string, data: AgentEvent, options?: { confirm?: boolean | undefined }): Promise<R>;
  };
  /** The channel's name. */
  readonly channel: string;
  /** The id that distinguishes this run's events from those of other runs on the channel. Default: a random id. */
  readonly run?: string | undefined;
}

/** The events that must not get lost: the ones that tell how a run ended, whether it succeeded or failed. */
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
 * Every method checks its arguments before it sends anything, and rejects with a TypeError or RangeError that names the
 * event and the field. Otherwise it returns the promise of the run's `emit` or the notifier's `publish`. On a channel,
 * the events that tell how the run ended are confirmed, whether it succeeded or failed.
 *
 * Throws a TypeError when `target` is neither a run nor a channel.
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
    (...args: unknown[]): Promise<R> => {
      let event: AgentEvent;
      try {
        event = (make as (...args: unknown[]) => AgentEvent)(...args);
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
    throw new TypeError(`Cannot announce into ${shown(target)}: give a run, or { notifier, channel }`);
  }
  const send = (event: AgentEvent): Promise<R> =>
    confirmed.has(event.type)
      ? notifier.publish(channel, event, { confirm: true })
      : notifier.publish(channel, event);
  return { run, send };
}
