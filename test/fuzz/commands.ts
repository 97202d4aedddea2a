import fc, { type Arbitrary } from "fast-check";
import { methods } from "../../src/wire/protocol.ts";

/** Generators for the messages of a peer: valid, nearly valid and hostile. Each is text or bytes, as from a socket. */

/** Characters that code could misread, such as separators, control characters and lone surrogates. */
const character = fc.constantFrom(
  ...'ab:0\0\n\r"\\{}[]/',
  "\u2028",
  "é",
  "\u{1f600}",
  "\ud800",
  "\udc00",
  "\ufeff",
);

/** Channels that the tests use, names of inherited object members, and random text. */
const channel: Arbitrary<unknown> = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom("a", "b", "user:ann", "run:open", "run:owned", "run:none") },
  { weight: 3, arbitrary: fc.constantFrom("deny", "throw", "reject", "later") },
  {
    weight: 2,
    arbitrary: fc.constantFrom("__proto__", "constructor", "toString", "", "c".repeat(255), "c".repeat(256)),
  },
  { weight: 1, arbitrary: fc.string({ unit: character, maxLength: 20 }) },
);

const number: Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 6 }) },
  { weight: 1, arbitrary: fc.integer() },
  { weight: 1, arbitrary: fc.constantFrom(-1, 0.5, -0, 1e21, 2 ** 53, 2 ** 53 - 1, 2 ** 31, 2 ** 32, 1e308) },
);

/** Values that are valid nowhere. The last ones are JSON text that `JSON.stringify` never writes. */
const strange: Arbitrary<unknown> = fc.constantFrom<unknown>(
  null,
  true,
  "",
  "1",
  [],
  {},
  { toString: 1, valueOf: 1 },
  { toJSON: 1 },
  written('{"then":1,"__proto__":null}'),
  written("1e999"),
  written("-1e999"),
  written("0.1e-999"),
  written('"\\ud800"'),
  written('{"__proto__":{"polluted":1}}'),
  written('{"constructor":{"prototype":{"polluted":1}}}'),
  written('{"a":1,"a":2}'),
  written("[".repeat(5_000) + "]".repeat(5_000)),
);

const value: Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<unknown>(1, "text", null, { x: [1] }) },
  { weight: 2, arbitrary: strange },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3, stringUnit: character }) },
);

/** Returns a generator that uses `arbitrary`, and in one of 13 cases a strange value. */
function mostly(arbitrary: Arbitrary<unknown>): Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary }, { weight: 1, arbitrary: strange });
}

const epoch = mostly(fc.constantFrom("", "current", "other"));
const position = fc.record({ offset: mostly(number), epoch }, { requiredKeys: [] });
const recovery = { recover: mostly(fc.boolean()), offset: mostly(number), epoch };
const ack = fc.oneof(
  fc.record({ ack: fc.dictionary(fc.constantFrom("a", "b", "user:ann", "__proto__"), mostly(position)) }),
  value,
);

const subscribe = {
  channel: mostly(channel),
  ...recovery,
  data: value,
  positioned: mostly(fc.boolean()),
  recoverable: mostly(fc.boolean()),
  join_leave: mostly(fc.boolean()),
  flag: mostly(number),
  type: mostly(fc.constantFrom(0, 0, 0, 1)),
};
const cancel = fc.record(
  { run: mostly(fc.constantFrom("open", "owned", "none")), reason: mostly(fc.string()) },
  { requiredKeys: ["run"] },
);
const rpc = fc.oneof(
  fc.record({ method: fc.constant("run.cancel"), data: mostly(cancel) }),
  fc.record({ method: fc.constant("ack"), data: ack }),
  fc.record({
    method: mostly(
      fc.constantFrom("echo", "throw", "reject", "later", "unspeakable", "nothing", "toString", "__proto__"),
    ),
    data: value,
  }),
);

/** Generators for the parameters of each method. Mostly they are well-formed. */
const params: Readonly<Record<(typeof methods)[number], Arbitrary<unknown>>> = {
  connect: fc.record(
    {
      token: value,
      data: value,
      name: value,
      subs: mostly(
        fc.dictionary(
          fc.constantFrom("user:ann", "b", "__proto__"),
          mostly(fc.record(recovery, { requiredKeys: [] })),
        ),
      ),
    },
    { requiredKeys: [] },
  ),
  subscribe: fc.record(subscribe, { requiredKeys: ["channel"] }),
  unsubscribe: fc.record({ channel: mostly(channel) }),
  publish: fc.record({ channel: mostly(channel), data: value }, { requiredKeys: ["channel"] }),
  presence: fc.record({ channel: mostly(channel) }),
  presence_stats: fc.record({ channel: mostly(channel) }),
  history: fc.record(
    {
      channel: mostly(channel),
      limit: mostly(number),
      since: mostly(position),
      reverse: mostly(fc.boolean()),
    },
    { requiredKeys: ["channel"] },
  ),
  rpc,
  refresh: fc.record({ token: mostly(fc.constantFrom("good", "late", "bad", "throw", "")) }),
  sub_refresh: fc.record({ channel: mostly(channel), token: value }),
  ping: fc.constant({}),
};

/** A second connect ends the session, so this method is rarer than the others. */
const method = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom(...methods.filter((name) => name !== "connect")) },
  { weight: 1, arbitrary: fc.constant("connect" as const) },
);

const id: Arbitrary<unknown> = fc.oneof(
  { weight: 60, arbitrary: fc.integer({ min: 1, max: 9 }) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(2 ** 53 - 1, 2 ** 31) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(0, -1, 1.5, 2 ** 53, "1", null, {}, written("1e999"), written("1e0")),
  },
);

/**
 * Ids of commands whose reply may overtake others. They must be unique: otherwise a reply cannot be assigned to its
 * command.
 */
const ownId = fc.noBias(fc.integer({ min: 1_000, max: 2 ** 31 - 1 }));

const command = method
  .chain((name) => fc.tuple(name === "ping" || name === "rpc" ? ownId : id, fc.constant(name)))
  .chain(([id, name]) => mostly(params[name]).map((body): object => ({ id, [name]: body })));

const line: Arbitrary<string> = fc.oneof(
  { weight: 60, arbitrary: command.map(text) },
  { weight: 8, arbitrary: ack.map((data) => text({ send: { data } })) },
  { weight: 3, arbitrary: value.map((data) => text({ send: data })) },
  // Commands with several methods, and with unknown methods.
  { weight: 2, arbitrary: fc.tuple(command, command).map(([one, other]) => text({ ...one, ...other })) },
  {
    weight: 2,
    arbitrary: fc.tuple(id, value).map(([id, body]) => text({ id, teleport: body })),
  },
  { weight: 1, arbitrary: fc.tuple(id, value).map(([id, body]) => text({ id, send: body })) },
  { weight: 1, arbitrary: command.map((whole) => text(whole).replace(/"/g, "'")) },
  { weight: 1, arbitrary: fc.tuple(command, fc.nat()).map(([whole, at]) => broken(text(whole), at)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("{}", "[]", "null", "0", '"', "{", "\0", "\ufeff{}", '{"id":1}', "{} {}"),
  },
  { weight: 1, arbitrary: fc.string({ unit: character, maxLength: 30 }) },
);

const blank = fc.constantFrom("\n", "\n", "\n", "\n\n", "\r\n", " \n\t");

/** One message of a peer. */
export const message: Arbitrary<string | Uint8Array> = fc.oneof(
  { weight: 30, arbitrary: line },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.array(line, { minLength: 2, maxLength: 5 }), blank)
      .map(([lines, by]) => lines.join(by)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "",
      " ",
      "\n",
      "[".repeat(60_000),
      "x".repeat(65_537),
      `"${"é".repeat(40_000)}"`,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant(Array.from({ length: 2_001 }, (_, n) => `{"id":${n + 2},"rpc":{}}`).join("\n")),
  },
);

/** Text that is put into the JSON unchanged. */
interface Written {
  readonly raw: string;
}

function written(raw: string): Written {
  return { raw };
}

const mark = "\u{10ffff}";

function text(value: unknown): string {
  const raws: string[] = [];
  const json = JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== "object" || part === null || !("raw" in part) || typeof part.raw !== "string")
      return part;
    raws.push(part.raw);
    return mark;
  });
  return raws.reduce((whole, raw) => whole.replace(`"${mark}"`, () => raw), json);
}

/** Returns the text without one of its characters. */
function broken(whole: string, at: number): string {
  const place = at % whole.length;
  return whole.slice(0, place) + whole.slice(place + 1);
}
