import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonCodec } from "../../src/wire/json-codec.ts";
import { closes, methods, replies, unsubscribes } from "../../src/wire/protocol.ts";
import { unit } from "../support/texts.ts";

const { decode } = jsonCodec;

const { results } = jsonCodec;

describe("decode", () => {
  test.each(methods)("reads a %s command with its id and parameters", (method) => {
    expect(decode(JSON.stringify({ id: 7, [method]: { channel: "a", x: [1] } }))).toEqual([
      { id: 7, method, params: { channel: "a", x: [1] } },
    ]);
  });

  test("reads a send, which has no id, and a pong", () => {
    expect(decode('{"send":{"data":1}}\n{}\n { } ')).toEqual([
      { id: 0, method: "send", params: { data: 1 } },
      { id: 0, method: "pong", params: {} },
      { id: 0, method: "pong", params: {} },
    ]);
  });

  test("reads every command of a frame, in order, with any blank lines", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            id: fc.integer({ min: 1 }),
            method: fc.constantFrom(...methods),
            data: fc.jsonValue(),
          }),
          { minLength: 1 },
        ),
        fc.array(fc.constantFrom("", " ", "\t", "\r"), { minLength: 1 }),
        (commands, blanks) => {
          const lines = commands.map(({ id, method, data }) => JSON.stringify({ id, [method]: { data } }));
          const frame = lines.flatMap((line, at) => [blanks[at % blanks.length], line]).join("\n");
          const read = commands.map(({ id, method, data }) => ({
            id,
            method,
            params: { data: JSON.parse(JSON.stringify(data)) },
          }));
          expect(decode(frame)).toEqual(read);
        },
      ),
    );
  });

  test("returns a command with an unknown name as unknown, and one with several names as ambiguous", () => {
    expect(decode('{"id":1,"hello":{}}\n{"id":2}\n{"id":3,"ping":{},"rpc":{}}')).toEqual([
      { id: 1, method: "unknown", params: {} },
      { id: 2, method: "unknown", params: {} },
      { id: 3, method: "ambiguous", params: {} },
    ]);
  });

  test("does not take inherited members for a command", () => {
    expect(decode('{"id":1,"__proto__":{"ping":{}},"constructor":{}}')).toEqual([
      { id: 1, method: "unknown", params: {} },
    ]);
  });

  test("reads any frame or returns nothing, never throws, and changes no prototype", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json({ maxDepth: 2 }), fc.string({ unit })), (frame) => {
        const commands = decode(frame);
        expect(commands === undefined || commands.length > 0).toBe(true);
      }),
    );
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test("reads frames as deep as a message may be without a stack overflow", () => {
    const deep = `{"id":1,"ping":{"x":${"[".repeat(5_000)}${"]".repeat(5_000)}}}`;
    expect(decode(deep)).toMatchObject([{ id: 1, method: "ping" }]);
    expect(decode("[".repeat(65_536))).toBeUndefined();
  });
});

describe("what is written", () => {
  const written: [string, string, unknown][] = [
    ["a reply", jsonCodec.reply(3, "ping", "{}"), { id: 3, ping: {} }],
    [
      "an error",
      jsonCodec.error(4, replies.internal),
      { id: 4, error: { code: 100, message: "internal server error", temporary: true } },
    ],
    [
      "an error that is not temporary",
      jsonCodec.error(4, replies.badRequest),
      { id: 4, error: { code: 107, message: "bad request" } },
    ],
    [
      "a push",
      jsonCodec.unsubscribe('a"b', unsubscribes.server),
      { push: { channel: 'a"b', unsubscribe: { code: 2000, reason: "server unsubscribed" } } },
    ],
    [
      "a publication",
      jsonCodec.publication({ offset: 1, data: "null", time: 5 }),
      { data: null, offset: 1, time: 5 },
    ],
    [
      "a publication with tags",
      jsonCodec.publication({ offset: 1, data: "[1]", time: 5, tags: { a: "b" } }),
      { data: [1], offset: 1, time: 5, tags: { a: "b" } },
    ],
    [
      "a join",
      jsonCodec.presence("a", "join", { user: "u", client: "c" }),
      { push: { channel: "a", join: { info: { user: "u", client: "c" } } } },
    ],
    [
      "a client with something to show",
      jsonCodec.presence("a", "leave", { user: "u", client: "c", info: "[1]" }),
      { push: { channel: "a", leave: { info: { user: "u", client: "c", conn_info: [1] } } } },
    ],
    ["a message", jsonCodec.message("a", "[1]"), { push: { channel: "a", message: { data: [1] } } }],
    [
      "the end of a subscription",
      jsonCodec.unsubscribe("a", { code: 2000, reason: "r" }),
      { push: { channel: "a", unsubscribe: { code: 2000, reason: "r" } } },
    ],
    ["no result", results.empty, {}],
    [
      "a connect result",
      results.connect({ client: "c", version: "v", ttl: 9, ping: 25, subs: [["a", "{}"]] }),
      { client: "c", version: "v", ping: 25, pong: true, expires: true, ttl: 9, subs: { a: {} } },
    ],
    [
      "a connect result without subscriptions, whose token cannot be refreshed",
      results.connect({ client: "c", version: "v", ttl: undefined, ping: 25, subs: [] }),
      { client: "c", version: "v", ping: 25, pong: true },
    ],
    [
      "a refresh result",
      results.refresh({ client: "c", version: "v", ttl: 9 }),
      { client: "c", version: "v", expires: true, ttl: 9 },
    ],
    [
      "a first subscribe result",
      results.subscribe({
        epoch: "e",
        offset: 3,
        recovered: undefined,
        wasRecovering: false,
        data: undefined,
      }),
      { recoverable: true, positioned: true, epoch: "e", offset: 3 },
    ],
    [
      "a subscribe result that recovers",
      results.subscribe({
        epoch: "e",
        offset: 3,
        recovered: ["1", "2"],
        wasRecovering: true,
        data: '{"d":1}',
      }),
      {
        ...{ recoverable: true, positioned: true, epoch: "e", offset: 3, publications: [1, 2] },
        ...{ recovered: true, was_recovering: true, data: { d: 1 } },
      },
    ],
    [
      "a subscribe result that recovers nothing",
      results.subscribe({ epoch: "e", offset: 3, recovered: [], wasRecovering: true, data: undefined }),
      { recoverable: true, positioned: true, epoch: "e", offset: 3, recovered: true, was_recovering: true },
    ],
    [
      "a presence result",
      results.presence([{ user: "u", client: "c" }]),
      { presence: { c: { user: "u", client: "c" } } },
    ],
    ["a presence_stats result", results.presenceStats(2, 1), { num_clients: 2, num_users: 1 }],
    ["a history result", results.history(["1"], 3, "e"), { publications: [1], offset: 3, epoch: "e" }],
    ["an rpc result", results.rpc("[1]"), { data: [1] }],
    ["a ping", jsonCodec.ping, {}],
  ];
  test.each(written)("%s holds exactly the protocol's fields", (_name, text, value) => {
    expect(JSON.parse(text)).toEqual(value);
  });

  test("has no raw newline, whatever the channel, the user or the tags contain", () => {
    fc.assert(
      fc.property(fc.string({ unit }), fc.jsonValue(), (text, value) => {
        const data = JSON.stringify(value);
        const body = jsonCodec.publication({ offset: 1, data, time: 0, tags: { [text]: text } });
        const head = jsonCodec.pubHead(text);
        const push = jsonCodec.pub(head, { offset: 1, data, time: 0, tags: { [text]: text } });
        expect(jsonCodec.publicationIn(head, push)).toBe(body);
        expect(jsonCodec.contentOf(text)(push)).toBe(true);
        expect(push).not.toContain("\n");
        expect(JSON.parse(push)).toEqual({
          push: {
            channel: text,
            pub: { data: JSON.parse(data), offset: 1, time: 0, tags: { [text]: text } },
          },
        });
        expect(jsonCodec.presence(text, "join", { user: text, client: text, info: data })).not.toContain(
          "\n",
        );
      }),
    );
  });
});

describe("codes", () => {
  const textsOf = (table: Readonly<Record<string, { code: number; reason?: string; message?: string }>>) =>
    Object.values(table).map(({ code, reason, message }) => `${code} ${reason ?? message}`);

  test("for closing are the protocol's, and clients read from them whether to come back", () => {
    expect(textsOf(closes).sort()).toEqual([
      "1009 message too big",
      "3000 connection closed",
      "3001 shutdown",
      "3004 internal server error",
      "3005 connection expired",
      "3008 slow",
      "3010 insufficient state",
      "3011 force reconnect",
      "3012 no pong",
      "3013 too many requests",
      "3500 invalid token",
      "3501 bad request",
      "3502 stale",
      "3503 force disconnect",
      "3504 connection limit",
      "3505 channel limit",
      "3507 permission denied",
      "3508 not available",
    ]);
  });

  test("for errors are the protocol's, and temporary ones may be tried again", () => {
    expect(textsOf(replies)).toEqual([
      "100 internal server error",
      "101 unauthorized",
      "103 permission denied",
      "104 method not found",
      "105 already subscribed",
      "106 limit exceeded",
      "107 bad request",
      "108 not available",
      "109 token expired",
      "111 too many requests",
      "112 unrecoverable position",
    ]);
    const { internal, tooManyRequests } = replies;
    const temporary = Object.values(replies).filter((reply) => "temporary" in reply);
    expect(temporary).toEqual([internal, tooManyRequests]);
  });

  test("for unsubscribing make the client stay away, or come back", () => {
    expect(textsOf(unsubscribes)).toEqual(["2000 server unsubscribed", "2500 insufficient state"]);
  });
});
