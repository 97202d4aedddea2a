import { cutText } from "../../base/bytes.ts";
import { ignorable } from "../../base/scope.ts";
import { isOwnClass, isSelfMade } from "../../base/serialise.ts";
import type { EventSchema, EventSchemas, SchemaIssue } from "../../model/events.ts";

/** What is being done with an event, in the words of an error, which is seldom made: `publish`, `to "news"`. */
export interface Intent {
  readonly verb: string;
  where(): string;
}

/** An event as its schema made it, or why there is none. */
export type Validation = { readonly event: object } | Refused;

interface Refused {
  readonly why: string;
  /** The issues, or what was thrown. */
  readonly cause?: unknown;
  /** Whether it is the schema's fault, and not the event's. */
  readonly isFault: boolean;
  /** Whether all may be well once the schema is given the type, too. */
  readonly lacksType?: boolean;
  readonly type?: string;
}

/** Characters of a type, or of a field's place, that an error names. */
const longest = 100;

/** Has an event checked by the schema of its type, and answers what that made of it, `type` first. */
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
 * Validates, and throws a TypeError for what is refused; without schemas everything passes as it is.
 *
 * The error names the event's type and the place in it, never its content. The issues, or what the schema threw, are its
 * `cause`.
 */
export function validated(schemas: EventSchemas | undefined, given: unknown, intent: Intent): unknown {
  if (schemas === undefined) return given;
  const validation = validate(schemas, given);
  if ("event" in validation) return validation.event;
  throw errorOf(validation, intent);
}

export function errorOf({ why, cause, type }: Refused, { verb, where }: Intent): TypeError {
  const what = type === undefined ? where() : `${JSON.stringify(cutText(type, longest))} ${where()}`;
  return new TypeError(`Cannot ${verb} ${what}: ${why}`, cause === undefined ? undefined : { cause });
}

/** Throws a TypeError for what is no schema. */
export function checkSchemas(schemas: EventSchemas | undefined): void {
  for (const [type, schema] of Object.entries(schemas ?? {})) {
    const standard = (schema as Partial<EventSchema> | null | undefined)?.["~standard"];
    if (standard?.version === 1 && typeof standard.validate === "function") continue;
    throw new TypeError(`Cannot use the schema of ${JSON.stringify(type)}: it is not of Standard Schema v1`);
  }
}

/** A strict schema of fields alone refuses a type beside them; one that has the type in it refuses to be without. */
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
      // Nobody waits for it: what it rejects with ends no process.
      ignorable(Promise.resolve(result));
      return asynchronous;
    }
    const { issues, value: event } = result as { issues?: readonly SchemaIssue[]; value?: unknown };
    if (issues !== undefined) {
      const lacksType = issues.some(({ path }) => keys(path)[0] === "type");
      return { why: `its schema refuses ${placeOf(issues[0])}`, cause: issues, isFault: false, lacksType };
    }
    if (isPlain(event)) return { event };
    return { why: "its schema makes no plain object of it", isFault: true };
  } catch (cause) {
    return { why: "its schema threw", cause, isFault: true, lacksType: true };
  }
}

function placeOf(issue: SchemaIssue | undefined): string {
  const steps = keys(issue?.path).map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`));
  return cutText(`data${steps.join("")}`, longest);
}

function keys(path: SchemaIssue["path"]): PropertyKey[] {
  return (path ?? []).map((step) => (typeof step === "object" ? step.key : step));
}

/** Whether its own fields are all that JSON would write of it. */
function isPlain(value: unknown): value is object {
  return isOwnClass(value) && !isSelfMade(value as object);
}
