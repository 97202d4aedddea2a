import { cutText } from "../../base/bytes.ts";
import { ignorable } from "../../base/scope.ts";
import { isOwnClass, isSelfMade } from "../../base/serialise.ts";
import type { EventSchema, EventSchemas, SchemaIssue } from "../../model/events.ts";

/**
 * What is being done with an event, as an error message names it: `publish`, `to "news"`. `where` is a function because
 * error messages are rare.
 */
export interface Intent {
  readonly verb: string;
  where(): string;
}

/** An event as its schema returned it, or why it is refused. */
export type Validation = { readonly event: object } | Refused;

interface Refused {
  readonly why: string;
  /** The issues of the schema, or what it threw. */
  readonly cause?: unknown;
  /** Whether the schema is at fault, and not the event. */
  readonly isFault: boolean;
  /** Whether the event may be valid once the schema is also given its `type`. */
  readonly lacksType?: boolean;
  readonly type?: string;
}

/** Maximum number of characters of a type or of a field's path in an error message. */
const maxShown = 100;

/**
 * Checks an event with the schema of its type. Returns the event as the schema returned it, with `type` first, or why
 * it is refused.
 */
export function validate(schemas: EventSchemas, given: unknown): Validation {
  let event: { type?: unknown };
  try {
    event = typeof given === "object" && given !== null ? { ...given } : {};
  } catch (cause) {
    return { why: "the event threw", cause, isFault: false };
  }
  const { type, ...fields } = event;
  if (typeof type !== "string") return { why: "an event is an object with a type", isFault: false };
  const schema = Object.hasOwn(schemas, type) ? schemas[type] : undefined;
  if (schema === undefined) return { why: "no schema is listed for that type", isFault: false, type };
  const made = either(schema, fields, { type, ...fields });
  if ("why" in made) return { ...made, type };
  const { type: _, ...rest } = made.event as { type?: unknown };
  return { event: { type, ...rest } };
}

/**
 * Validates an event and throws a TypeError if it is refused. Without schemas, returns the event unchanged.
 *
 * The error names the type of the event and the path of the field, never its content. Its `cause` is the issues of the
 * schema, or what the schema threw.
 */
export function validated(schemas: EventSchemas | undefined, given: unknown, intent: Intent): unknown {
  if (schemas === undefined) return given;
  const validation = validate(schemas, given);
  if ("event" in validation) return validation.event;
  throw errorOf(validation, intent);
}

export function errorOf({ why, cause, type }: Refused, { verb, where }: Intent): TypeError {
  const what = type === undefined ? where() : `${JSON.stringify(cutText(type, maxShown))} ${where()}`;
  return new TypeError(`Cannot ${verb} ${what}: ${why}`, cause === undefined ? undefined : { cause });
}

/** Throws a TypeError for a schema that does not implement Standard Schema v1. */
export function checkSchemas(schemas: EventSchemas | undefined): void {
  for (const [type, schema] of Object.entries(schemas ?? {})) {
    const standard = (schema as Partial<EventSchema> | null | undefined)?.["~standard"];
    if (standard?.version === 1 && typeof standard.validate === "function") continue;
    throw new TypeError(`Cannot use the schema of ${JSON.stringify(type)}: it is not of Standard Schema v1`);
  }
}

/**
 * Gives the schema the fields without `type` first, and then with it. A strict schema of the fields alone refuses an
 * extra `type`. A schema that includes `type` refuses an event without it.
 */
function either(schema: EventSchema, fields: object, whole: object): Validation {
  const first = attempt(schema, fields);
  if ("event" in first || first === asynchronous) return first;
  const second = attempt(schema, whole);
  return "event" in second || first.lacksType ? second : first;
}

const asynchronous: Refused = { why: "its schema is asynchronous", isFault: true };

function attempt(schema: EventSchema, value: object): Validation {
  try {
    const result = schema["~standard"].validate(value);
    if (typeof (result as PromiseLike<unknown>).then === "function") {
      // Nobody awaits this promise. Its rejection must not end the process.
      ignorable(Promise.resolve(result));
      return asynchronous;
    }
    const { issues, value: event } = result as { issues?: readonly SchemaIssue[]; value?: unknown };
    if (issues !== undefined) {
      const lacksType = issues.some(({ path }) => keys(path)[0] === "type");
      return { why: `its schema refuses ${placeOf(issues[0])}`, cause: issues, isFault: false, lacksType };
    }
    if (isPlain(event)) return { event };
    return { why: "its schema did not return a plain object", isFault: true };
  } catch (cause) {
    return { why: "its schema threw", cause, isFault: true, lacksType: true };
  }
}

function placeOf(issue: SchemaIssue | undefined): string {
  const steps = keys(issue?.path).map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`));
  return cutText(`data${steps.join("")}`, maxShown);
}

function keys(path: SchemaIssue["path"]): PropertyKey[] {
  return (path ?? []).map((step) => (typeof step === "object" ? step.key : step));
}

/** Whether JSON would write exactly the value's own fields. */
function isPlain(value: unknown): value is object {
  return isOwnClass(value) && !isSelfMade(value as object);
}
