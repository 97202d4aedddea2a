import * as v from "valibot";
import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { EventInputsOf, EventSchema, EventSchemas, EventsOf } from "../src/events.ts";

/** Schemas of several makers, as a notifier is given them. */
const events = {
  "invoice.paid": z.object({ amount: z.number(), note: z.string().optional() }),
  "user.named": v.object({ name: v.pipe(v.string(), v.trim()), born: v.optional(v.number(), 1970) }),
  "page.seen": z.object({ type: z.literal("page.seen"), path: z.string().transform((path) => path.length) }),
  "job.done": z.union([
    z.object({ ok: z.literal(true), size: z.number() }),
    z.object({ ok: z.literal(false) }),
  ]),
};
type Typed = { readonly events?: typeof events };

describe("types of events", () => {
  test("what is read is what the schemas of zod and valibot make of it, told apart by type", () => {
    expectTypeOf<EventsOf<Typed>>().toEqualTypeOf<
      | { readonly type: "invoice.paid"; amount: number; note?: string | undefined }
      | { readonly type: "user.named"; name: string; born: number }
      | { readonly type: "page.seen"; path: number }
      | { readonly type: "job.done"; ok: true; size: number }
      | { readonly type: "job.done"; ok: false }
    >();
  });

  test("what is published is what they take", () => {
    expectTypeOf<EventInputsOf<Typed>>().toEqualTypeOf<
      | { readonly type: "invoice.paid"; amount: number; note?: string | undefined }
      | { readonly type: "user.named"; name: string; born?: number | undefined }
      | { readonly type: "page.seen"; path: string }
      | { readonly type: "job.done"; ok: true; size: number }
      | { readonly type: "job.done"; ok: false }
    >();
  });

  test("without schemas, or with schemas of no known names, it is unknown", () => {
    expectTypeOf<EventsOf<Record<never, never>>>().toBeUnknown();
    expectTypeOf<EventsOf<{ readonly events?: undefined }>>().toBeUnknown();
    expectTypeOf<EventsOf<{ readonly events?: EventSchemas | undefined }>>().toBeUnknown();
    expectTypeOf<EventsOf<unknown>>().toBeUnknown();
    expectTypeOf<EventInputsOf<unknown>>().toBeUnknown();
  });

  test("a schema that says nothing of its fields leaves them open", () => {
    expectTypeOf<EventsOf<{ readonly events: { a: EventSchema } }>>().toEqualTypeOf<{
      readonly type: "a";
      readonly [field: string]: unknown;
    }>();
  });
});
