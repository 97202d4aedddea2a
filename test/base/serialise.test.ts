import { describe, expect } from "vitest";
import { serialise } from "../../src/base/serialise.ts";
import { output } from "../../src/run.ts";
import { payloads, rejection, test } from "../support/core.ts";

const maxBytes = 1_000;

class Empty {}

class Point {
  readonly x = 1;
  readonly #secret = 2;
  get sum(): number {
    return this.x + this.#secret;
  }
}

class Celsius {
  readonly degrees: number;
  constructor(degrees: number) {
    this.degrees = degrees;
  }
  toJSON(): string {
    return `${this.degrees} °C`;
  }
}

/** Returns the JSON of a value. */
function text(value: unknown): string {
  return serialise("it", value, maxBytes);
}

/** Returns the reason in the error that refuses a value. */
function refusal(value: unknown, allowsUndefined = false): string {
  try {
    serialise("it", value, maxBytes, { allowsUndefined });
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    const { message } = error as Error;
    expect(message.startsWith("Cannot put it into JSON: ")).toBe(true);
    return message.slice("Cannot put it into JSON: ".length);
  }
  throw new Error("Expected a TypeError");
}

/** Values that JSON would change, lose or refuse, at any depth. */
const lost: [name: string, value: unknown, why: string][] = [
  ["NaN", Number.NaN, "NaN"],
  ["Infinity", Number.POSITIVE_INFINITY, "Infinity"],
  ["-Infinity", Number.NEGATIVE_INFINITY, "-Infinity"],
  ["a BigInt", 12n, "a BigInt"],
  ["a function", () => {}, "a function"],
  ["a class", Empty, "a function"],
  ["a symbol", Symbol("x"), "a symbol"],
  ["a Map", new Map([[1, 2]]), "Map"],
  ["an empty Map", new Map(), "Map"],
  ["a Set", new Set([1]), "Set"],
  ["a WeakMap", new WeakMap(), "WeakMap"],
  ["a WeakRef", new WeakRef({}), "WeakRef"],
  ["a RegExp", /x/, "RegExp"],
  ["an Error", new Error("x"), "Error"],
  ["a RangeError", new RangeError("x"), "RangeError"],
  ["a Promise", Promise.resolve(1), "Promise"],
  ["an ArrayBuffer", new ArrayBuffer(2), "ArrayBuffer"],
  ["a Uint8Array", new Uint8Array([1, 2]), "Uint8Array"],
  ["an empty Float64Array", new Float64Array(), "Float64Array"],
  ["a DataView", new DataView(new ArrayBuffer(1)), "DataView"],
  ["a boxed BigInt", Object(1n), "BigInt"],
  ["a boxed symbol", Object(Symbol("x")), "Symbol"],
];

describe("a value that JSON would not keep is refused, with its path:", () => {
  test.for(lost)("%s", ([, value, why]) => {
    expect(refusal(value)).toBe(`data is ${why}`);
    expect(refusal({ a: 1, it: value })).toBe(`data.it is ${why}`);
    expect(refusal({ a: { b: [0, { it: value }] } })).toBe(`data.a.b[1].it is ${why}`);
    expect(refusal([value])).toBe(`data[0] is ${why}`);
    expect(refusal([[], [1, [value]]])).toBe(`data[1][1][0] is ${why}`);
    expect(refusal({ a: { it: value } }, true)).toBe(`data.a.it is ${why}`);
  });

  test("the first of several such values", () => {
    expect(refusal({ a: { b: 1n, c: NaN }, d: 2n })).toBe("data.a.b is a BigInt");
  });

  test("undefined, except for a member further down", () => {
    expect(refusal(undefined)).toBe("data is undefined");
    expect(refusal(undefined, true)).toBe("data is undefined");
    expect(refusal({ a: 1, b: undefined })).toBe("data.b is undefined");
    expect(refusal([undefined])).toBe("data[0] is undefined");
    expect(refusal({ a: { b: [1, undefined] } }, true)).toBe("data.a.b[1] is undefined");
    expect(text({ a: { b: undefined, c: 1 }, d: [{ e: undefined }] })).toBe('{"a":{"c":1},"d":[{}]}');
    expect(serialise("it", { a: undefined, b: 1 }, maxBytes, { allowsUndefined: true })).toBe('{"b":1}');
  });

  test("a hole in an array", () => {
    // biome-ignore lint/suspicious/noSparseArray: a sparse array is what is tested
    expect(refusal([1, , 3])).toBe("data[1] is undefined");
    expect(refusal({ list: new Array(2) })).toBe("data.list[0] is undefined");
  });

  test("a cycle", () => {
    const self: Record<string, unknown> = { a: 1 };
    self.self = self;
    expect(refusal(self)).toBe("data.self is a cycle");
    expect(refusal([self])).toBe("data[0].self is a cycle");
    const list: unknown[] = [1];
    list.push({ list });
    expect(refusal(list)).toBe("data[1].list is a cycle");
    const [one, other]: Record<string, unknown>[] = [{}, {}];
    Object.assign(one as object, { other });
    Object.assign(other as object, { one });
    expect(refusal({ one })).toBe("data.one.other.one is a cycle");
  });

  test("an error or a map with fields, whose own content JSON ignores", () => {
    expect(refusal(Object.assign(new Error("no such file"), { code: "ENOENT" }))).toBe("data is Error");
    expect(refusal({ it: Object.assign(new Map([[1, 2]]), { size2: 1 }) })).toBe("data.it is Map");
  });

  test("an invalid number in a Number object", () => {
    expect(refusal({ it: Object(Number.NaN) })).toBe("data.it is NaN");
  });

  test("a value nested too deep for the engine", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 200_000; i++) deep = [deep];
    let thrown: unknown;
    try {
      text(deep);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TypeError);
    expect((thrown as Error).cause).toBeInstanceOf(RangeError);
  });
});

describe("a value that JSON keeps is written:", () => {
  const shared = { x: 1 };
  const kept: [name: string, value: unknown, text: string][] = [
    ["null", null, "null"],
    ["texts", ["", "ünï🔔", "\u2028\n\0"], '["","ünï🔔","\u2028\\n\\u0000"]'],
    ["half a surrogate", "\ud83d", '"\\ud83d"'],
    ["numbers", [0, -1.5, 1e300, Number.MAX_SAFE_INTEGER], "[0,-1.5,1e+300,9007199254740991]"],
    ["-0, as 0", -0, "0"],
    ["true and false", [true, false], "[true,false]"],
    ["an empty object and an empty array", [{}, []], "[{},[]]"],
    ["an object without a prototype", Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    ["a member called __proto__", JSON.parse('{"__proto__":{"a":1}}'), '{"__proto__":{"a":1}}'],
    ["the same object twice", { a: shared, b: [shared, shared] }, '{"a":{"x":1},"b":[{"x":1},{"x":1}]}'],
    ["an instance of a class, by its fields", new Point(), '{"x":1}'],
    ["an instance of a class without fields", { it: new Empty() }, '{"it":{}}'],
    ["a Date, by its toJSON", [new Date(0)], '["1970-01-01T00:00:00.000Z"]'],
    ["a URL, by its toJSON", new URL("https://example.com/"), '"https://example.com/"'],
    ["what has a toJSON of its own", { it: new Celsius(21) }, '{"it":"21 °C"}'],
    ["a Map with a toJSON", Object.assign(new Map(), { toJSON: () => [1] }), "[1]"],
    ["boxed values", [Object(1), Object("ab"), Object(true)], '[1,"ab",true]'],
    ["an array of an own class", class extends Array {}.from([1, 2]), "[1,2]"],
    ["without members that are not enumerable", Object.defineProperty({}, "a", { value: 1n }), "{}"],
  ];

  test.for(kept)("%s", ([, value, expected]) => {
    expect(text(value)).toBe(expected);
  });
});

describe("what throws during serialisation is refused with its own message:", () => {
  const cause = new Error("boom");
  const throwing = (thrown: unknown): object => ({
    get it(): never {
      throw thrown;
    },
  });
  const cases: [name: string, value: unknown, why: string, cause: unknown][] = [
    ["a getter", throwing(cause), "boom", cause],
    ["a nested getter", { a: [throwing(cause)] }, "boom", cause],
    ["a getter that throws a string", throwing("just so"), "it threw", "just so"],
    [
      "a toJSON",
      {
        toJSON() {
          throw cause;
        },
      },
      "boom",
      cause,
    ],
  ];

  test.for(cases)("%s", ([, value, why, cause]) => {
    expect(refusal(value)).toBe(why);
    expect(() => text(value)).toThrow(expect.objectContaining({ cause }));
  });

  test("a toJSON that returns what JSON cannot represent", () => {
    expect(refusal({ toJSON: () => undefined })).toBe("it is object");
    expect(() => text({ toJSON: () => 1n })).toThrow(TypeError);
    expect(refusal({ it: { toJSON: () => 1n } })).not.toBe("");
  });
});

test("a value has as many bytes as its text in UTF-8, with a limit", () => {
  expect(serialise("it", "äöü", 8)).toBe('"äöü"');
  expect(() => serialise("it", "äöü", 7)).toThrow(new RangeError("Cannot publish it: it is over 7 bytes"));
  expect(serialise("it", "🔔", 6)).toBe('"🔔"');
  expect(() => serialise("it", "🔔", 5)).toThrow(RangeError);
});

describe("what cannot be written as JSON", () => {
  test.for(lost)("is not published: %s", async ([, value, why], { start }) => {
    const { notifier } = start();
    for (const options of [{}, { confirm: true }, { idempotencyKey: "k" }]) {
      const reason = await rejection(notifier.publish("news", { it: value }, options));
      expect(reason).toEqual(new TypeError(`Cannot put the payload for "news" into JSON: data.it is ${why}`));
    }
    expect(await payloads(notifier, "news")).toEqual([]);
    expect(notifier.stats()).toMatchObject({ confirmed: 0, publishing: 0 });
  });

  test("is not emitted, and emit throws in the task", async ({ start }) => {
    const { notifier } = start();
    const reasons: unknown[] = [];
    const run = notifier.run(async ({ emit }) => {
      reasons.push(await rejection(emit(output(new Map()))));
      reasons.push(await rejection(emit({ type: "mine", it: undefined })));
    });
    await run.result();
    expect(reasons).toEqual([
      new TypeError(`Cannot put an event of run:${run.id} into JSON: data.output is Map`),
      new TypeError(`Cannot put an event of run:${run.id} into JSON: data.it is undefined`),
    ]);
    expect(
      ((await payloads(notifier, `run:${run.id}`)) as { type: string }[]).map(({ type }) => type),
    ).toEqual(["run.started", "run.completed"]);
  });

  test("is no result: the run fails, with the reason", async ({ start }) => {
    const { notifier } = start();
    const run = notifier.run(async () => ({ list: [1, Number.NaN] }));
    const message = `Cannot put the result of run:${run.id} into JSON: data.list[1] is NaN`;
    expect((await rejection(run.result())) as Error).toMatchObject({ name: "RunError", cause: { message } });
    expect((await payloads(notifier, `run:${run.id}`)).at(-1)).toEqual({
      type: "run.failed",
      run: run.id,
      error: { name: "TypeError", message },
    });
  });
});

test("the result of a run may have members that are undefined", async ({ start }) => {
  const { notifier } = start();
  const run = notifier.run(async () => ({ a: undefined, b: { c: undefined, d: 1 } }));
  expect(await run.result()).toEqual({ a: undefined, b: { c: undefined, d: 1 } });
  expect((await payloads(notifier, `run:${run.id}`)).at(-1)).toStrictEqual({
    type: "run.completed",
    run: run.id,
    result: { b: { d: 1 } },
  });
});
