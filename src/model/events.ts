/**
 * Types of events, for whoever publishes and whoever reads them. It is all types, so that a client may import it.
 *
 * @module
 */

/** What a schema says of a value: what it makes of it, or why it refuses. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** Why a schema refuses a value, and where in it. */
export interface SchemaIssue {
  /** What is wrong, in the schema's words. */
  readonly message: string;
  /** Where in the value. Left out, the value itself. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * The schema of an event: any of Standard Schema v1 (standardschema.dev), as zod, valibot, ArkType and others make them.
 *
 * It describes the event's fields, with or without its `type`. It MUST answer at once: one that answers a promise is
 * refused, since the order of publications is that of the calls. What it makes of an event MUST be an object that JSON holds.
 */
export interface EventSchema<Input = unknown, Output = Input> {
  /** What Standard Schema v1 asks of a schema. */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Never there; it is what types are inferred from. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** Schemas by the `type` of the events that they describe. */
export type EventSchemas = Readonly<Record<string, EventSchema>>;

/** The events that may be published where these schemas are given; anything, where none are. */
export type EventInput<Schemas extends EventSchemas> = string extends keyof Schemas
  ? unknown
  : {
      [T in keyof Schemas & string]: EventOf<T, NonNullable<Schemas[T]["~standard"]["types"]>["input"]>;
    }[keyof Schemas & string];

/** The events that are read where these schemas are given: what the schemas made of them. */
export type EventOutput<Schemas extends EventSchemas> = string extends keyof Schemas
  ? unknown
  : {
      [T in keyof Schemas & string]: EventOf<T, NonNullable<Schemas[T]["~standard"]["types"]>["output"]>;
    }[keyof Schemas & string];

/**
 * The events that are read from a notifier's channels, told apart by `type`; `unknown` where it has no schemas.
 *
 * @example
 * ```ts
 * import type { EventsOf } from "tocsin";
 *
 * const notifier = createNotifier({ events: { "invoice.paid": z.object({ amount: z.number() }) } });
 * type Events = EventsOf<typeof notifier>; // { type: "invoice.paid", amount: number }
 * ```
 */
export type EventsOf<N> = EventOutput<SchemasOf<N>>;

/** The events that may be published on a notifier's channels; `unknown` where it has no schemas. */
export type EventInputsOf<N> = EventInput<SchemasOf<N>>;

/** The schemas of a notifier; any, where it has none. */
export type SchemasOf<N> = N extends { readonly events?: infer Schemas }
  ? Exclude<Schemas, undefined> extends infer Given extends EventSchemas
    ? Given
    : EventSchemas
  : EventSchemas;

/** An event of that type with these fields: a schema that says nothing of them leaves them open. */
export type EventOf<T extends string, Fields> = unknown extends Fields
  ? { readonly type: T; readonly [field: string]: unknown }
  : Fields extends unknown
    ? // One object type instead of an intersection: only such a one fits an index signature, and it reads better.
      { [Name in keyof ({ readonly type: T } & Fields)]: ({ readonly type: T } & Fields)[Name] }
    : never;
