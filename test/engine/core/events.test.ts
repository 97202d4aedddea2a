import * as v from "valibot";
import { describe, expectTypeOf, test } from "vitest";
import * as z from "zod";
import { agentEvents } from "../../../src/agent.ts";
import type { Client, ClientRun, connect } from "../../../src/client.ts";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import type { Notifier } from "../../../src/engine/notifier/notifier.ts";
import { notifications } from "../../../src/hono.ts";
import type { EventInputsOf, EventSchema, EventSchemas, EventsOf } from "../../../src/model/events.ts";
import type { History } from "../../../src/model/publication.ts";
import type { Receipt } from "../../../src/model/receipt.ts";
import type { Run, Task } from "../../../src/model/run.ts";
import type { RunEventsOf } from "../../../src/model/vocabulary.ts";
import { output, type ProgressEvent, progress } from "../../../src/run.ts";
import { pipe } from "../../../src/testing/pipe.ts";

/** Schemas of several libraries, as passed to a notifier. */
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
  test("what is read has the output types of the schemas of zod and valibot, distinguished by type", () => {
    expectTypeOf<EventsOf<Typed>>().toEqualTypeOf<
      | { readonly type: "invoice.paid"; amount: number; note?: string | undefined }
      | { readonly type: "user.named"; name: string; born: number }
      | { readonly type: "page.seen"; path: number }
      | { readonly type: "job.done"; ok: true; size: number }
      | { readonly type: "job.done"; ok: false }
    >();
  });

  test("what is published has their input types", () => {
    expectTypeOf<EventInputsOf<Typed>>().toEqualTypeOf<
      | { readonly type: "invoice.paid"; amount: number; note?: string | undefined }
      | { readonly type: "user.named"; name: string; born?: number | undefined }
      | { readonly type: "page.seen"; path: string }
      | { readonly type: "job.done"; ok: true; size: number }
      | { readonly type: "job.done"; ok: false }
    >();
  });

  test("without schemas, or with schemas of unknown names, it is unknown", () => {
    expectTypeOf<EventsOf<Record<never, never>>>().toBeUnknown();
    expectTypeOf<EventsOf<{ readonly events?: undefined }>>().toBeUnknown();
    expectTypeOf<EventsOf<{ readonly events?: EventSchemas | undefined }>>().toBeUnknown();
    expectTypeOf<EventsOf<unknown>>().toBeUnknown();
    expectTypeOf<EventInputsOf<unknown>>().toBeUnknown();
  });

  test("a schema without types for its fields leaves them open", () => {
    expectTypeOf<EventsOf<{ readonly events: { a: EventSchema } }>>().toEqualTypeOf<{
      readonly type: "a";
      readonly [field: string]: unknown;
    }>();
  });
});

describe("the types of a notifier with schemas", () => {
  const make = () => createNotifier({ events, grace: 1 });
  type Typed = ReturnType<typeof make>;
  type Events = EventsOf<Typed>;

  test("are those of its events, for publishing and reading", () => {
    expectTypeOf<Events>().toEqualTypeOf<EventsOf<{ events: typeof events }>>();
    expectTypeOf<Parameters<Typed["publish"]>[1]>().toEqualTypeOf<EventInputsOf<Typed>>();
    const read = async (notifier: Typed) => {
      for await (const { data } of notifier.follow("news")) return data;
      return (await notifier.history("news")).publications[0]?.data;
    };
    expectTypeOf(read).returns.resolves.toEqualTypeOf<Events | undefined>();
  });

  test("refuse an event without a schema, and fields of the wrong type", () => {
    const publish = (notifier: Typed) => [
      notifier.publish("news", { type: "invoice.paid", amount: 1 }),
      notifier.publish("news", { type: "job.done", ok: true, size: 1 }),
      // @ts-expect-error no schema has this type
      notifier.publish("news", { type: "invoice.payed", amount: 1 }),
      // @ts-expect-error `amount` is a number
      notifier.publish("news", { type: "invoice.paid", amount: "1" }),
      // @ts-expect-error `type` is missing
      notifier.publish("news", { amount: 1 }),
      // @ts-expect-error `size` is missing
      notifier.publish("news", { type: "job.done", ok: true }),
    ];
    expectTypeOf(publish).returns.toEqualTypeOf<Promise<Receipt>[]>();
  });

  test("let a run emit these and its own events, and nothing else", () => {
    const work = (notifier: Typed) => [
      notifier.run(async function* ({ emit }) {
        await emit({ type: "user.named", name: "Ann" });
        yield progress(1, 2);
        yield output("line");
        yield { type: "invoice.paid", amount: 1 };
        return 1;
      }),
      notifier.run(async (context) => {
        await agentEvents(context).started();
        // @ts-expect-error no schema has this type
        await context.emit({ type: "mine" });
        return 1;
      }),
      notifier.run(
        // @ts-expect-error `amount` is a number
        async function* () {
          yield { type: "invoice.paid", amount: "1" };
        },
      ),
    ];
    expectTypeOf(work).returns.toExtend<Run<unknown>[]>();
  });

  test("cover what is in the channel of a run", () => {
    const result = async (notifier: Typed) => {
      for await (const { data } of notifier.follow("run:42")) {
        if (data.type === "run.completed") return data.result;
        if (data.type === "invoice.paid") return data.amount;
        if (data.type === "agent_thinking") return data.thought;
      }
      return true;
    };
    expectTypeOf(result).returns.resolves.toBeUnknown();
    type Progress = Extract<RunEventsOf<Typed>, { type: "progress" }>;
    expectTypeOf<Progress>().toEqualTypeOf<ProgressEvent>();
    type Own = { events: { progress: EventSchema<{ step: number }> } };
    expectTypeOf<Extract<RunEventsOf<Own>, { type: "progress" }>>().toEqualTypeOf<{
      readonly type: "progress";
      step: number;
    }>();
    expectTypeOf<RunEventsOf<Notifier>>().toBeUnknown();
  });

  test("cover what a client reads of a channel, and of a run", () => {
    const result = async (client: ReturnType<typeof connect<Typed>>) => {
      for await (const { data } of client.follow("news")) expectTypeOf(data).toEqualTypeOf<Events>();
      for await (const { data } of client.run("42")) {
        expectTypeOf(data).toEqualTypeOf<RunEventsOf<Typed>>();
        if (data.type === "progress") expectTypeOf(data.progress).toBeNumber();
        if (data.type === "invoice.paid") expectTypeOf(data.amount).toBeNumber();
        if (data.type === "tool_started") expectTypeOf(data.call_id).toEqualTypeOf<string | undefined>();
        if (data.type === "run.cancelled") expectTypeOf(data.reason).toEqualTypeOf<string | undefined>();
      }
      return client.run<{ url: string }>("42").result();
    };
    expectTypeOf(result).returns.resolves.toEqualTypeOf<{ url: string }>();
    type Plain = ReturnType<typeof connect>;
    expectTypeOf<Plain>().toEqualTypeOf<Client>();
    expectTypeOf<ReturnType<Plain["run"]>>().toEqualTypeOf<ClientRun>();
  });

  test("fit wherever a notifier is expected", () => {
    const use = (notifier: Typed, named: Notifier) => {
      pipe(notifier);
      notifications(notifier);
      const same: Notifier = notifier;
      return [same, named];
    };
    expectTypeOf(use).returns.toEqualTypeOf<Notifier[]>();
    expectTypeOf(createNotifier).returns.toExtend<Notifier>();
    interface Paid {
      amount: number;
    }
    const fits = (notifier: Notifier<{ paid: EventSchema<Paid> }>): Notifier => notifier;
    expectTypeOf(fits).returns.toEqualTypeOf<Notifier>();
  });

  test("are unchanged without schemas", () => {
    const plain = () => createNotifier();
    expectTypeOf(plain).returns.toEqualTypeOf<Notifier>();
    expectTypeOf<Parameters<Notifier["publish"]>[1]>().toBeUnknown();
    expectTypeOf<Parameters<Notifier["run"]>[0]>().toEqualTypeOf<Task<unknown>>();
    expectTypeOf<EventsOf<Notifier>>().toBeUnknown();
    expectTypeOf<Awaited<ReturnType<Notifier["history"]>>>().toEqualTypeOf<History>();
  });
});
