import { isObject } from "../../base/check.ts";
import { ClosedError } from "../../model/errors.ts";
import type { RunEvent, RunStatus } from "../../model/run-event.ts";
import { isVocabulary } from "../../model/vocabulary.ts";
import type { Context } from "../core/context.ts";
import { validated } from "../core/event-check.ts";

/**
 * The maximum length of a progress event that is kept in memory for late subscribers, in characters. Of a longer one only
 * the numbers are kept.
 */
const maxKeptLength = 1_000;

/** Returns the text of an event of a run. Throws if the event must not be written. */
export function acceptedEvent(
  context: Context,
  { label, status }: { readonly label: string; readonly status: RunStatus },
  event: RunEvent,
): string {
  const where = `into ${label}`;
  if (status !== "working") throw new ClosedError(`Cannot emit ${where}: it is ${status}`);
  if (!isObject(event) || typeof event.type !== "string")
    throw new TypeError(`Cannot emit ${where}: an event is an object with a type`);
  if (event.type.startsWith("run."))
    throw new TypeError(`Cannot emit "${event.type}" ${where}: types that begin with run. are reserved`);
  return context.serialise(`an event of ${label}`, valid(context, event, label));
}

/** Returns the event as its schema returns it. The vocabularies of tocsin need no schema. */
function valid({ events }: Context, event: RunEvent, label: string): unknown {
  if (events === undefined || (isVocabulary(event.type) && !Object.hasOwn(events, event.type))) return event;
  return validated(events, event, { verb: "emit", where: () => `into ${label}` });
}

/** Returns the part of a progress event that is kept, as JSON text. A short event is kept completely. */
export function shortProgress(data: string): string {
  if (data.length <= maxKeptLength) return data;
  const { type, progress, done, total } = JSON.parse(data) as RunEvent;
  const number = (value: unknown): unknown => (typeof value === "number" ? value : undefined);
  return JSON.stringify({ type, progress: number(progress), done: number(done), total: number(total) });
}
