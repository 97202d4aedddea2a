import { cutText } from "../base/bytes.ts";
import type { AgentEvent, AgentEventFields, AgentEventType } from "../model/agent-event.ts";

/** Checks the value of a field. Returns the value to send, or throws. */
type Check = (value: unknown, what: string) => unknown;

interface Rule {
  readonly check: Check;
  readonly isOptional: boolean;
}

/** The named fields of an event, without its index signature. */
type Named<T> = keyof {
  [K in keyof T as string extends K ? never : K]-?: unknown;
};

interface Schema<T extends AgentEventType> {
  readonly fields: { readonly [K in Named<AgentEventFields[T]>]: Rule };
  /** Whether the caller may add fields of its own. */
  readonly isOpen?: boolean;
}

const text = required((value, what) => {
  if (typeof value === "string") return value;
  throw new TypeError(`${what} is ${shown(value)}, and has to be a text`);
});

const id = required((value, what) => {
  if (typeof value === "string" && value !== "") return value;
  throw new TypeError(`${what} is ${shown(value)}, and has to be a text that is not empty`);
});

const flag = required((value, what) => {
  if (typeof value === "boolean") return value;
  throw new TypeError(`${what} is ${shown(value)}, and has to be true or false`);
});

const count = required((value, what) => {
  if (Number.isSafeInteger(numberOf(value, what)) && (value as number) >= 0) return value;
  throw new RangeError(`${what} is ${shown(value)}, and has to be a whole number from 0 up`);
});

const duration = required((value, what) => {
  if (Number.isFinite(numberOf(value, what)) && (value as number) >= 0) return value;
  throw new RangeError(`${what} is ${shown(value)}, and has to be milliseconds from 0 up`);
});

const percentage = required((value, what) => {
  if (!Number.isNaN(numberOf(value, what))) return Math.min(Math.max(value as number, 0), 100);
  throw new RangeError(`${what} is NaN, and has to be a number`);
});

const texts = required((value, what) => {
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw new TypeError(`${what} is ${shown(value)}, and has to be a list of texts`);
});

const severity = required((value, what) => {
  if (severities.includes(value)) return value;
  throw new TypeError(`${what} is ${shown(value)}, and has to be critical, high, medium or low`);
});

/** Any JSON value. Whether it is one is checked when the event is serialised. */
const anything = required((value, what) => {
  if (value !== undefined) return value;
  throw new TypeError(`${what} is undefined, and has to be given`);
});

const severities: readonly unknown[] = ["critical", "high", "medium", "low"];
const subagent = { subagent_name: named("agent"), subagent_id: id };
const operation = { fields: { operation_name: id }, isOpen: true };

const schemas: { readonly [T in AgentEventType]: Schema<T> } = {
  agent_started: { fields: {} },
  agent_thinking: {
    fields: {
      thought: text,
      step_number: optional(count),
      total_steps: optional(count),
      progress_percentage: optional(percentage),
      estimated_remaining_ms: optional(duration),
      current_operation: optional(text),
    },
  },
  partial_result: { fields: { content: text, is_complete: flag } },
  tool_started: { fields: { tool_name: named("tool"), call_id: optional(id), parameters: anything } },
  tool_executing: {
    fields: {
      tool_name: named("tool"),
      call_id: id,
      tool_purpose: optional(text),
      estimated_duration_ms: optional(duration),
      parameters_summary: optional(text),
    },
  },
  tool_completed: { fields: { tool_name: named("tool"), call_id: id, result: anything } },
  final_report: { fields: { report: anything, total_duration_ms: duration } },
  agent_completed: { fields: { result: anything, duration_ms: duration } },
  agent_fallback: { fields: { fallback_type: text, message: text } },
  agent_error: {
    fields: {
      error_message: text,
      error_type: text,
      error_details: anything,
      severity,
      is_recoverable: flag,
      recovery_suggestions: texts,
      estimated_retry_delay_ms: optional(duration),
      user_friendly_message: text,
    },
  },
  agent_log: { fields: { level: text, message: text, metadata: anything } },
  agent_stopped: { fields: {} },
  stream_chunk: { fields: { stream_id: id, index: count, content: text, is_final: flag } },
  stream_complete: { fields: { stream_id: id, total_chunks: count } },
  subagent_started: { fields: subagent },
  subagent_completed: { fields: subagent },
  agent_registered: { fields: {}, isOpen: true },
  agent_unregistered: { fields: {}, isOpen: true },
  agent_failed: { fields: { error_message: text, error_type: optional(text) }, isOpen: true },
  agent_cancelled: { fields: { reason: optional(text) }, isOpen: true },
  agent_status_changed: { fields: { status: text, previous_status: optional(text) }, isOpen: true },
  agent_metrics_updated: { fields: { metrics: anything }, isOpen: true },
  agent_manager_shutdown: { fields: { reason: optional(text) }, isOpen: true },
  periodic_update: operation,
  operation_started: operation,
  operation_completed: operation,
  agent_update: { fields: {}, isOpen: true },
};

const envelope: readonly string[] = ["type", "run", "agent_name", "timestamp"];

/** Creates an event of a type from the caller's fields. Throws a TypeError or RangeError that names the wrong field. */
export function eventOf<T extends AgentEventType>(
  type: T,
  { run, agentName, timestamp }: { run: string; agentName: string; timestamp: number },
  given: unknown,
): AgentEvent<T> {
  const what = `Cannot announce "${type}"`;
  if (!Number.isFinite(timestamp)) {
    throw new RangeError(`${what}: its timestamp is ${shown(timestamp)}, and has to be a number`);
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new TypeError(`${what}: its fields are ${shown(given)}, and have to be an object`);
  }
  const { fields, isOpen = false }: { fields: Readonly<Record<string, Rule>>; isOpen?: boolean } =
    schemas[type];
  const event: Record<string, unknown> = { type, run, agent_name: agentName, timestamp };
  const rest: Record<string, unknown> = { ...given };
  for (const [field, { check, isOptional }] of Object.entries(fields)) {
    const value = rest[field];
    delete rest[field];
    if (value !== undefined || !isOptional) event[field] = check(value, `${what}: ${field}`);
  }
  for (const [field, value] of Object.entries(rest)) {
    if (!isOpen) throw new TypeError(`${what}: it has no field ${shown(field)}`);
    if (envelope.includes(field))
      throw new TypeError(`${what}: ${field} is set by the library, and cannot be given`);
    if (value === undefined) delete rest[field];
  }
  return { ...event, ...rest } as AgentEvent<T>;
}

/**
 * Returns a name for the wire: `neutral` when the name is missing or blank. Throws a TypeError when it is not a string.
 */
export function nameOf(value: unknown, neutral: string, what: string): string {
  if (value === undefined || value === null) return neutral;
  if (typeof value !== "string") throw new TypeError(`${what} is ${shown(value)}, and has to be a text`);
  return value.trim() === "" ? neutral : value;
}

/** Describes any value for an error message, in short. Never throws. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(cutText(value, 80));
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return typeof value === "function" ? "a function" : String(value);
}

function required(check: Check): Rule {
  return { check, isOptional: false };
}

function optional({ check }: Rule): Rule {
  return { check, isOptional: true };
}

function named(neutral: string): Rule {
  return required((value, what) => nameOf(value, neutral, what));
}

function numberOf(value: unknown, what: string): number {
  if (typeof value === "number") return value;
  throw new TypeError(`${what} is ${shown(value)}, and has to be a number`);
}
