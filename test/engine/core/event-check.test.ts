import * as v from "valibot";
import { describe, expect } from "vitest";
import * as z from "zod";
import { agentEvents } from "../../../src/agent.ts";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import type { Notifier } from "../../../src/engine/notifier/notifier.ts";
import type { EventSchema, SchemaIssue } from "../../../src/model/events.ts";
import { output, progress, type RunEvent } from "../../../src/run.ts";
import { type Core, payloads, rejection, test, typesOf } from "../../support/core.ts";
import { wire } from "../../support/wire.ts";

/** Makes a Standard Schema that calls `validate`. */
function schemaOf(validate: (value: Record<string, unknown>) => unknown): EventSchema {
  return { "~standard": { version: 1, vendor: "tocsin", validate: validate as never } };
}

const boom = new Error("boom");
const issue: SchemaIssue = { message: "Nobody hears of this" };
const events = {
  "invoice.paid": z.object({
    amount: z.number(),
    lines: z.array(z.object({ price: z.number() })).optional(),
  }),
  "user.named": v.object({ name: v.pipe(v.string(), v.trim()), born: v.optional(v.number(), 1970) }),
  "strict.fields": z.strictObject({ amount: z.number() }),
  "strict.whole": z.strictObject({ type: z.literal("strict.whole"), amount: z.number() }),
  "valibot.fields": v.strictObject({ amount: v.number() }),
  "valibot.whole": v.strictObject({ type: v.literal("valibot.whole"), amount: v.number() }),
  either: z.discriminatedUnion("type", [z.object({ type: z.literal("either"), amount: z.number() })]),
  open: schemaOf((value) => ({ value })),
  renamed: z.object({ amount: z.number() }).transform(({ amount }) => ({ amount, type: "another" })),
  throws: schemaOf(() => {
    throw boom;
  }),
  async: schemaOf(() => Promise.reject(boom)),
  "async.zod": z.object({ amount: z.number().refine(async () => true) }),
  text: schemaOf(() => ({ value: "text" })),
  list: schemaOf(() => ({ value: [1] })),
  map: schemaOf(() => ({ value: new Map([[1, 2]]) })),
  date: schemaOf(() => ({ value: new Date(0) })),
  own: schemaOf(() => ({ value: { toJSON: () => ({ type: "another" }) } })),
  nothing: schemaOf(() => undefined),
  noIssue: schemaOf(() => ({ issues: [] })),
  noPath: schemaOf(() => ({ issues: [issue] })),
  steps: schemaOf(() => ({ issues: [{ ...issue, path: [{ key: "a" }, 0, Symbol("s"), { key: 1 }] }] })),
  long: schemaOf(() => ({ issues: [{ ...issue, path: ["a".repeat(1_000)] }] })),
  bigInt: schemaOf(() => ({ value: { amount: 12n } })),
} satisfies Record<string, EventSchema>;

/** Publishes an event to a notifier with schemas, and returns the event as the log holds it. */
async function logged({ notifier }: Core, event: unknown): Promise<unknown> {
  await notifier.publish("news", event);
  return (await payloads(notifier, "news")).at(-1);
}

/** Returns the error that refuses an event, and checks that nothing is in the log. */
async function refusal(notifier: Notifier, event: unknown): Promise<Error> {
  const error = await rejection(notifier.publish("news", event));
  expect(error).toBeInstanceOf(TypeError);
  expect(await payloads(notifier, "news")).toEqual([]);
  return error as Error;
}

describe("an event is written as its schema returns it:", () => {
  const kept: [name: string, event: object, written: object][] = [
    ["without what zod strips", { amount: 1, secret: 2 }, { type: "invoice.paid", amount: 1 }],
    [
      "with what valibot adds",
      { type: "user.named", name: " Ann " },
      { type: "user.named", name: "Ann", born: 1970 },
    ],
    ["strict fields of zod", { type: "strict.fields", amount: 1 }, { type: "strict.fields", amount: 1 }],
    ["a strict object of zod", { type: "strict.whole", amount: 1 }, { type: "strict.whole", amount: 1 }],
    [
      "strict fields of valibot",
      { type: "valibot.fields", amount: 1 },
      { type: "valibot.fields", amount: 1 },
    ],
    [
      "a strict object of valibot",
      { type: "valibot.whole", amount: 1 },
      { type: "valibot.whole", amount: 1 },
    ],
    ["a union discriminated by its type", { type: "either", amount: 1 }, { type: "either", amount: 1 }],
    [
      "with the type that it was published as",
      { type: "renamed", amount: 1 },
      { type: "renamed", amount: 1 },
    ],
  ];

  test.for(kept)("%s", async ([, event, written], { start }) => {
    expect(await logged(start({ events }), { type: "invoice.paid", ...event })).toStrictEqual(written);
  });

  test("its type comes first, and a field called __proto__ is a field", async ({ start }) => {
    const written = await logged(start({ events }), JSON.parse('{"__proto__":{"b":1},"a":1,"type":"open"}'));
    expect(JSON.stringify(written)).toBe('{"type":"open","__proto__":{"b":1},"a":1}');
  });

  test("the caller's object is not changed", async ({ start }) => {
    const event = Object.freeze({ type: "user.named", name: " Ann " });
    await logged(start({ events }), event);
    expect(event).toEqual({ type: "user.named", name: " Ann " });
  });

  test("a confirmed event, and one with a key, too", async ({ start }) => {
    const { notifier } = start({ events, onUndelivered: () => {} });
    const event = { type: "invoice.paid", amount: 1, secret: 2 };
    await notifier.publish("news", event, { confirm: true, idempotencyKey: "k" });
    expect(await payloads(notifier, "news")).toEqual([{ type: "invoice.paid", amount: 1 }]);
  });
});

describe("an event is refused, and nothing is written,", () => {
  const cases: [name: string, event: unknown, message: string][] = [
    [
      "whose type is not listed",
      { type: "invoice.payed", amount: 1 },
      'publish "invoice.payed" to "news": no schema is listed for that type',
    ],
    [
      "whose type is an inherited member of every object",
      { type: "constructor" },
      'publish "constructor" to "news": no schema is listed for that type',
    ],
    [
      "whose type belongs to runs, which alone may emit it unlisted",
      { ...progress(1, 2) },
      'publish "progress" to "news": no schema is listed for that type',
    ],
    [
      "whose type is too long for the message",
      { type: "x".repeat(1_000) },
      `publish "${"x".repeat(100)}" to "news": no schema is listed for that type`,
    ],
    ...[{ amount: 1 }, { type: 7 }, null, undefined, "invoice.paid", ["invoice.paid"], 7n].map(
      (event): [string, unknown, string] => [
        `without a type: ${JSON.stringify(event, (_, value) => (typeof value === "bigint" ? "a BigInt" : value))}`,
        event,
        'publish to "news": an event is an object with a type',
      ],
    ),
    [
      "that throws",
      {
        get type(): string {
          throw boom;
        },
      },
      'publish to "news": the event threw',
    ],
    [
      "with a field that does not fit",
      { type: "invoice.paid", amount: "12 secrets" },
      'publish "invoice.paid" to "news": its schema refuses data.amount',
    ],
    [
      "with a nested one",
      { type: "invoice.paid", amount: 1, lines: [{ price: 1 }, { price: "2" }] },
      'publish "invoice.paid" to "news": its schema refuses data.lines[1].price',
    ],
    [
      "that valibot refuses",
      { type: "user.named", name: 7 },
      'publish "user.named" to "news": its schema refuses data.name',
    ],
    ...["strict.fields", "strict.whole", "valibot.fields", "valibot.whole", "either"].map(
      (type): [string, unknown, string] => [
        `with a field that does not fit the schema of ${type}`,
        { type, amount: "1" },
        `publish "${type}" to "news": its schema refuses data.amount`,
      ],
    ),
    [
      "with a field too many",
      { type: "valibot.fields", amount: 1, secret: 2 },
      'publish "valibot.fields" to "news": its schema refuses data.secret',
    ],
    ["whose schema throws", { type: "throws" }, 'publish "throws" to "news": its schema threw'],
    [
      "whose schema is asynchronous",
      { type: "async" },
      'publish "async" to "news": its schema is asynchronous',
    ],
    [
      "whose schema of zod is asynchronous",
      { type: "async.zod", amount: 1 },
      'publish "async.zod" to "news": its schema is asynchronous',
    ],
    ...["text", "list", "map", "date", "own"].map((type): [string, unknown, string] => [
      `of which its schema makes a ${type}`,
      { type },
      `publish "${type}" to "news": its schema did not return a plain object`,
    ]),
    ["whose schema returns nothing", { type: "nothing" }, 'publish "nothing" to "news": its schema threw'],
    [
      "whose schema names no issue",
      { type: "noIssue" },
      'publish "noIssue" to "news": its schema refuses data',
    ],
    ["whose schema names no path", { type: "noPath" }, 'publish "noPath" to "news": its schema refuses data'],
    [
      "whose schema names a path with all kinds of keys",
      { type: "steps" },
      'publish "steps" to "news": its schema refuses data.a[0].Symbol(s)[1]',
    ],
    [
      "whose path is too long for the message",
      { type: "long" },
      `publish "long" to "news": its schema refuses data.${"a".repeat(95)}`,
    ],
  ];

  test.for(cases)("%s", async ([, event, message], { start }) => {
    expect((await refusal(start({ events }).notifier, event)).message).toBe(`Cannot ${message}`);
  });

  test("although its schema accepts it, when JSON would lose something of it", async ({ start }) => {
    const { notifier } = start({ events });
    const message = 'Cannot put the payload for "news" into JSON: data.amount is a BigInt';
    expect((await refusal(notifier, { type: "bigInt" })).message).toBe(message);
  });

  test("with the error that its schema threw, or the issues, as the cause", async ({ start }) => {
    const { notifier } = start({ events });
    expect((await refusal(notifier, { type: "throws" })).cause).toBe(boom);
    expect((await refusal(notifier, { type: "noPath" })).cause).toEqual([issue]);
    expect((await refusal(notifier, { type: "invoice.payed" })).cause).toBeUndefined();
  });

  test("after one call where its schema is asynchronous, and after two, with and without the type, where it refuses", async ({
    start,
  }) => {
    const asked: unknown[] = [];
    const asking = (answer: () => unknown) =>
      schemaOf((value) => {
        asked.push(value);
        return answer();
      });
    const { notifier } = start({
      events: { later: asking(async () => boom), never: asking(() => ({ issues: [issue] })) },
    });
    await refusal(notifier, { type: "later", a: 1 });
    await refusal(notifier, { type: "never", a: 1 });
    expect(asked).toEqual([{ a: 1 }, { a: 1 }, { type: "never", a: 1 }]);
  });

  test("with the message for the complete event where its schema requires the type", async ({ start }) => {
    const { notifier } = start({
      events: {
        picky: schemaOf(({ type }) => ({ issues: [{ message: (type as string).toUpperCase() }] })),
        vague: schemaOf(({ type }) => (type === undefined ? { issues: [issue] } : { value: { a: 1 } })),
      },
    });
    expect((await refusal(notifier, { type: "picky" })).cause).toEqual([{ message: "PICKY" }]);
    expect(await logged({ notifier } as Core, { type: "vague" })).toEqual({ type: "vague", a: 1 });
  });
});

test("a notifier without schemas publishes anything", async ({ start }) => {
  expect(await logged(start(), [1, "two"])).toEqual([1, "two"]);
  expect(start().notifier.events).toBeUndefined();
  expect(start({ events }).notifier.events).toBe(events);
});

test.for([
  ["nothing", undefined],
  ["null", null],
  ["a text", "z.string()"],
  ["an object", {}],
  ["a later version", { "~standard": { version: 2, vendor: "x", validate: () => ({ value: {} }) } }],
  ["one that cannot validate", { "~standard": { version: 1, vendor: "x" } }],
] as const)("a notifier refuses %s as a schema", ([, schema]) => {
  const error = new TypeError('Cannot use the schema of "a.b": it is not of Standard Schema v1');
  expect(() => createNotifier({ events: { "a.b": schema as never } })).toThrow(error);
});

test("a schema may be a function", async ({ start }) => {
  const schema = Object.assign(
    () => {},
    schemaOf((value) => ({ value })),
  );
  expect(await logged(start({ events: { called: schema } }), { type: "called", a: 1 })).toEqual({
    type: "called",
    a: 1,
  });
});

describe("a run", () => {
  test("emits events as their schemas return them", async ({ start }) => {
    const { notifier } = start({ events });
    const run = notifier.run(async function* ({ emit }) {
      await emit({ type: "invoice.paid", amount: 1, secret: 2 });
      yield { type: "user.named", name: " Ann " };
    });
    await run.result();
    expect((await payloads(notifier, `run:${run.id}`)).slice(1, -1)).toEqual([
      { type: "invoice.paid", amount: 1 },
      { type: "user.named", name: "Ann", born: 1970 },
    ]);
  });

  test("gets an error where it emits or yields an invalid event, and nothing of that is written", async ({
    start,
  }) => {
    const { notifier } = start({ events });
    const wrong: RunEvent[] = [{ type: "invoice.paid", amount: "1" }, { type: "mine" }, { type: "async" }];
    const messages: unknown[] = [];
    const run = notifier.run(async function* ({ emit }) {
      for (const event of wrong) {
        messages.push(((await rejection(emit(event))) as Error).message);
        try {
          yield event;
        } catch (error) {
          messages.push((error as Error).message);
        }
      }
    });
    await run.result();
    const where = `into run:${run.id}`;
    expect(messages).toEqual(
      [
        `Cannot emit "invoice.paid" ${where}: its schema refuses data.amount`,
        `Cannot emit "mine" ${where}: no schema is listed for that type`,
        `Cannot emit "async" ${where}: its schema is asynchronous`,
      ].flatMap((message) => [message, message]),
    );
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.completed"]);
  });

  test("emits the events of runs and agents, listed or not", async ({ start }) => {
    const { notifier } = start({ events });
    const run = notifier.run(async function* (context) {
      const agent = agentEvents(context);
      yield progress(1, 2);
      yield output("line");
      await agent.thinking({ thought: "Where to begin?" });
      await agent.stopped();
    });
    await run.result();
    expect(await typesOf(notifier, run.id)).toEqual([
      "run.started",
      "progress",
      "output",
      "agent_thinking",
      "agent_stopped",
      "run.completed",
    ]);
  });

  test("emits listed events of runs and agents as their schemas return them", async ({ start }) => {
    const { notifier } = start({ events: { progress: z.object({ done: z.number().max(1) }) } });
    const run = notifier.run(async function* () {
      yield progress(1, 2);
      yield progress(2, 2);
    });
    const message = `Cannot emit "progress" into run:${run.id}: its schema refuses data.done`;
    expect(await rejection(run.result())).toMatchObject({ name: "RunError", cause: { message } });
    expect((await payloads(notifier, `run:${run.id}`)).slice(1)).toEqual([
      { type: "progress", done: 1 },
      { type: "run.failed", run: run.id, error: { name: "TypeError", message } },
    ]);
  });

  test("is announced on a channel although no schema is listed for that", async ({ start }) => {
    const { notifier } = start({ events });
    await notifier.run(async () => 1, { channel: "news" }).result();
    expect((await payloads(notifier, "news")).map((event) => (event as RunEvent).type)).toEqual([
      "run.started",
      "run.completed",
    ]);
  });
});

describe("a client publishes", () => {
  const badRequest = { code: 107, message: "bad request" };

  test("events as their schemas return them", async () => {
    const { client: connect, notifier } = wire({ events });
    const client = connect();
    await client.connect();
    const data = { secret: 2, amount: 1, type: "invoice.paid" };
    expect(await client.call("publish", { channel: "news", data })).toEqual({ id: 2, publish: {} });
    expect(await payloads(notifier, "news")).toStrictEqual([{ type: "invoice.paid", amount: 1 }]);
  });

  test("no refused event: the reply is 107, without details", async () => {
    const { client: connect, notifier } = wire({ events });
    const client = connect();
    await client.connect();
    const wrong = [{ type: "invoice.paid", amount: "1" }, { type: "mine" }, { amount: 1 }, "text", null, [1]];
    for (const [at, data] of wrong.entries()) {
      expect(await client.call("publish", { channel: "news", data })).toEqual({
        id: at + 2,
        error: badRequest,
      });
    }
    expect(await payloads(notifier, "news")).toEqual([]);
  });

  test("no event whose schema is at fault: that is reported to its author", async () => {
    const { client: connect, notifier, takeErrors } = wire({ events });
    const client = connect();
    await client.connect();
    for (const [at, type] of ["throws", "async", "text"].entries()) {
      const data = { type };
      expect(await client.call("publish", { channel: "news", data })).toEqual({
        id: at + 2,
        error: { code: 100, message: "internal server error", temporary: true },
      });
    }
    expect(takeErrors()).toEqual([
      { stage: "publish", message: 'Cannot publish "throws" to "news": its schema threw' },
      { stage: "publish", message: 'Cannot publish "async" to "news": its schema is asynchronous' },
      {
        stage: "publish",
        message: 'Cannot publish "text" to "news": its schema did not return a plain object',
      },
    ]);
    expect(await payloads(notifier, "news")).toEqual([]);
  });

  test("nothing where it has no permission, whatever the data", async () => {
    const { client: connect } = wire({ events });
    const client = connect({ peer: { user: "ann" } });
    await client.connect();
    const denied = { code: 103, message: "permission denied" };
    for (const [at, type] of ["invoice.paid", "throws"].entries()) {
      const reply = await client.call("publish", { channel: "news", data: { type, amount: 1 } });
      expect(reply).toEqual({ id: at + 2, error: denied });
    }
  });
});
