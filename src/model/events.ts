/**
 * Types of events, for publishers and subscribers. The module has only types, so that a client can import it.
 *
 * @module
 */

/** The result of validating a value: the output value, or the issues. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** An issue that a schema found in a value. */
export interface SchemaIssue {
  /** The schema's message. */
  readonly message: string;
  /** The path of the issue in the value. If it is omitted, the issue is about the value itself. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * The schema of an event: any schema of Standard Schema v1 (standardschema.dev), such as those of zod, valibot and
 * ArkType.
 *
 * It describes the event's fields, with or without its `type`. It MUST validate synchronously: a schema that returns a
 * promise is refused, because publications keep the order of the calls. Its output MUST be an object that JSON can
 * represent.
 */
export interface EventSchema<Input = unknown, Output = Input> {
  /** The members that Standard Schema v1 requires. */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Types are inferred from this member. It is never set at run time. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** Event schemas, by the `type` of the event. */
export type EventSchemas = Readonly<Record<string, EventSchema>>;

/** The events that may be published with these schemas. Without schemas, `unknown`. */
export type EventInput<Schemas extends EventSchemas> = string extends keyof Schemas
  ? unknown
  : {
      [T in keyof Schemas & string]: EventOf<T, NonNullable<Schemas[T]["~standard"]["types"]>["input"]>;
    }[keyof Schemas & string];

/** The events that are read with these schemas: the outputs of the schemas. Without schemas, `unknown`. */
export type EventOutput<Schemas extends EventSchemas> = string extends keyof Schemas
  ? unknown
  : {
      [T in keyof Schemas & string]: EventOf<T, NonNullable<Schemas[T]["~standard"]["types"]>["output"]>;
    }[keyof Schemas & string];

/**
 * The events that are read from a notifier's channels, discriminated by `type`. `unknown` if the notifier has no
 * schemas.
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

/** The events that may be published on a notifier's channels. `unknown` if the notifier has no schemas. */
export type EventInputsOf<N> = EventInput<SchemasOf<N>>;

/** The schemas of a notifier. `EventSchemas` if the notifier has none. */
export type SchemasOf<N> = N extends { readonly events?: infer Schemas }
  ? Exclude<Schemas, undefined> extends infer Given extends EventSchemas
    ? Given
    : EventSchemas
  : EventSchemas;

/** An event of type `T` with these fields. If `Fields` is unknown, the event may have any fields. */
export type EventOf<T extends string, Fields> = unknown extends Fields
  ? { readonly type: T; readonly [field: string]: unknown }
  : Fields extends unknown
    ? // A single object type, not an intersection: only that is assignable to an index signature. It also reads better.
      { [Name in keyof ({ readonly type: T } & Fields)]: ({ readonly type: T } & Fields)[Name] }
    : never;
