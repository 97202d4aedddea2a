import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonCodec } from "../../src/wire/json-codec.ts";
import { protobufCodec } from "../../src/wire/protobuf-codec.ts";
import { bytesOf } from "../../src/wire/protobuf-text.ts";
import {
  type Codec,
  type ConnectResult,
  closes,
  methods,
  type Published,
  replies,
  unsubscribes,
} from "../../src/wire/protocol.ts";
import { messagesOf, protobufOf, stockCodec } from "../support/stock-protobuf.ts";
import { unit } from "../support/texts.ts";

const protobuf = protobufCodec as Codec;
/** UTF-8 has no lone surrogates. */
const text = fc.string({ unit }).filter((each) => !/\p{Surrogate}/u.test(each));
const json = fc.jsonValue().map((value) => JSON.stringify(value));
const offset = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
/** The stock decoder loses members with this name. */
const key = text.filter((name) => name !== "__proto__");
const published: fc.Arbitrary<Published> = fc.record(
  { offset, data: json, time: fc.nat({ max: 2 ** 50 }), tags: fc.dictionary(key, text) },
  { requiredKeys: ["offset", "data", "time"] },
);
const info = fc.record(
  { user: text, client: text.filter((id) => id !== ""), info: json },
  { requiredKeys: ["user", "client"] },
);
const subscription = fc.record({
  epoch: text,
  offset: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  recovered: fc.option(fc.array(published), { nil: undefined }),
  wasRecovering: fc.boolean(),
  data: fc.option(json, { nil: undefined }),
});

/** Decodes a message of JSON as its clients do, without empty tags. */
function jsonMessage(message: string): unknown {
  return JSON.parse(message, (name, value) =>
    name === "tags" && Object.keys(value).length === 0 ? undefined : value,
  );
}

/** Expects that a message means the same in both encodings. `write` has to encode one message. */
function same(write: (codec: Codec) => string): void {
  const [message, ...rest] = messagesOf(bytesOf(write(protobuf)));
  expect(rest).toEqual([]);
  expect(message).toEqual(jsonMessage(write(jsonCodec)));
}

describe("what is written", () => {
  test("of replies and errors is what JSON has", () => {
    for (const method of methods)
      if (!["presence_stats", "history", "subscribe", "presence"].includes(method))
        same((codec) => codec.reply(7, method, codec.results.empty));
    for (const error of Object.values(replies)) same((codec) => codec.error(2 ** 31, error));
    same((codec) => codec.unsubscribe("a", unsubscribes.server));
    same((codec) => codec.unsubscribe("a", closes.expired));
  });

  test("of publications, in pushes, results and both", () => {
    fc.assert(
      fc.property(text, published, (channel, each) => {
        same((codec) => codec.pub(codec.pubHead(channel), each));
        for (const codec of [protobuf, jsonCodec]) {
          const head = codec.pubHead(channel);
          expect(codec.publicationIn(head, codec.pub(head, each))).toBe(codec.publication(each));
        }
      }),
    );
    fc.assert(
      fc.property(fc.array(published), fc.nat(), text, (all, top, epoch) =>
        same((codec) =>
          codec.reply(1, "history", codec.results.history(all.map(codec.publication), top, epoch)),
        ),
      ),
    );
  });

  test("of joins, leaves, messages and presence", () => {
    fc.assert(
      fc.property(text, info, json, fc.array(info), (channel, who, data, all) => {
        for (const kind of ["join", "leave"] as const) same((codec) => codec.presence(channel, kind, who));
        same((codec) => codec.message(channel, data));
        const clients = all.map((each, at) => ({ ...each, client: `c${at}` }));
        same((codec) => codec.reply(3, "presence", codec.results.presence(clients)));
        same((codec) => codec.reply(3, "rpc", codec.results.rpc(data)));
        same((codec) => codec.reply(3, "presence_stats", codec.results.presenceStats(all.length, 0)));
      }),
    );
  });

  test("of subscriptions and connections", () => {
    fc.assert(
      fc.property(
        fc.dictionary(key, subscription),
        fc.option(fc.integer({ min: 1 }), { nil: undefined }),
        fc.option(fc.integer({ min: 1, max: 1_000 }), { nil: undefined }),
        (subs, ttl, ping) => {
          const write = (codec: Codec) => {
            const results = Object.entries(subs).map(([channel, sub]) => {
              const recovered = sub.recovered?.map(codec.publication);
              return [channel, codec.results.subscribe({ ...sub, recovered })] as const;
            });
            const result: ConnectResult = {
              client: "c",
              version: "v",
              ttl,
              ping,
              subs: results,
            };
            return { result, results };
          };
          same((codec) => codec.reply(1, "connect", codec.results.connect(write(codec).result)));
          same((codec) => codec.reply(1, "refresh", codec.results.refresh(write(codec).result)));
          for (const at of Object.keys(subs).keys())
            same((codec) => codec.reply(2, "subscribe", write(codec).results[at]?.[1] ?? ""));
        },
      ),
    );
  });

  test("is counted in bytes, and joined without anything between", () => {
    const push = protobuf.pub(protobuf.pubHead("ü"), { offset: 2 ** 40, data: '"€😀"', time: 1 });
    const frame = bytesOf([push, protobuf.ping, push].join(protobuf.separator));
    expect(frame).toHaveLength(2 * protobuf.byteLength(push) + 1);
    const pub = { push: { channel: "ü", pub: { data: "€😀", offset: 2 ** 40, time: 1 } } };
    expect(messagesOf(frame)).toEqual([pub, {}, pub]);
  });

  test("for a channel and a tag named __proto__ has these names", () => {
    const tags = { ["__proto__"]: "x" };
    const push = protobuf.pub(protobuf.pubHead("__proto__"), { offset: 1, data: "1", time: 0, tags });
    const entry = "\x3a\x0e\x0a\x09__proto__\x12\x01x";
    expect(push).toBe(`\x24\x22\x22\x12\x09__proto__\x22\x15\x22\x011\x30\x01${entry}`);
  });

  test("of a time with a fraction is whole", () => {
    const push = protobuf.pub(protobuf.pubHead("a"), { offset: 1, data: "1", time: 1_767_225_600_000.5 });
    expect(messagesOf(bytesOf(push))).toEqual([
      { push: { channel: "a", pub: { data: 1, offset: 1, time: 1_767_225_600_000 } } },
    ]);
  });

  test("about a channel's content is recognised, whatever the lengths", () => {
    const names = ["a", "ab", "c".repeat(127), "c".repeat(128), "c".repeat(255), "ü".repeat(100)];
    for (const codec of [protobuf, jsonCodec])
      for (const name of names)
        for (const other of [...names, name.slice(1)]) {
          const isContent = codec.contentOf(other);
          const data = JSON.stringify("x".repeat(200));
          const contents = [
            codec.pub(codec.pubHead(name), { offset: 1, data, time: 1 }),
            codec.presence(name, "join", { user: "", client: "c" }),
            codec.presence(name, "leave", { user: "u".repeat(200), client: "c" }),
            codec.message(name, data),
          ];
          expect(contents.map(isContent)).toEqual(contents.map(() => name === other));
          const others = [
            codec.unsubscribe(name, unsubscribes.server),
            codec.ping,
            codec.error(1, replies.internal),
            codec.reply(1, "rpc", codec.results.rpc(data)),
          ];
          expect(others.map(isContent)).toEqual(others.map(() => false));
        }
  });
});

describe("commands that the stock client's encoder writes", () => {
  const read = (frame: string) => protobuf.decode(protobufOf(frame));

  test("are read as in JSON", () => {
    const lines = [
      '{"id":1,"connect":{"token":"t","data":{"x":["€"]},"name":"js","version":"1","subs":{"__proto__":{"recover":true,"offset":4294967297,"epoch":"e"},"b":{"recover":true}}}}',
      '{"id":2,"subscribe":{"channel":"ü","token":"t","recover":true,"epoch":"e","offset":9007199254740991,"data":null,"positioned":true,"recoverable":true,"join_leave":true,"flag":2,"type":1}}',
      '{"id":3,"unsubscribe":{"channel":"a"}}\n{"id":4,"publish":{"channel":"a","data":"😀"}}',
      '{"id":5,"presence":{"channel":"a"}}\n{"id":6,"presence_stats":{"channel":"a"}}',
      '{"id":7,"history":{"channel":"a","limit":10,"since":{"offset":5,"epoch":"e"},"reverse":true}}',
      '{"id":8,"history":{"channel":"a","limit":-1}}\n{"id":9,"subscribe":{"channel":"a","flag":-7}}',
      '{"id":10,"ping":{}}\n{"send":{"data":{"ack":{}}}}\n{}\n{"id":4294967295,"rpc":{"method":"m","data":7}}',
      '{"id":11,"refresh":{"token":"t"}}\n{"id":12,"sub_refresh":{"channel":"a","token":"t"}}\n{"id":13}',
    ];
    for (const line of lines) {
      const signed = line.replace('"flag":-7', '"flag":-1');
      expect(read(line)).toEqual(jsonCodec.decode(signed));
    }
    expect(read(lines.join("\n"))).toEqual(jsonCodec.decode(lines.join("\n").replace("-7", "-1")));
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test("are read as in JSON, with any data, text and numbers", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        text,
        json,
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        (id, channel, data, place) => {
          const since = { offset: place, epoch: channel };
          const name = JSON.stringify(channel);
          for (const line of [
            `{"id":${id},"publish":{"channel":${name},"data":${data}}}`,
            `{"id":${id},"rpc":{"method":${name},"data":${data}}}`,
            `{"id":${id},"history":{"channel":${name},"limit":${id % 2 ** 31},"since":${JSON.stringify(since)}}}`,
            `{"id":${id},"connect":{"data":${data},"subs":{${name}:{"recover":true,"offset":${place}}}}}`,
            `{"send":{"data":${data}}}`,
          ])
            expect(read(line)).toEqual(jsonCodec.decode(line));
        },
      ),
    );
  });

  test("without data have none, and with none that is JSON are refused alone", () => {
    const frame = stockCodec.encodeCommands([
      { id: 1, publish: { channel: "a" } },
      { id: 2, publish: { channel: "a", data: new Uint8Array() } },
      { id: 3, publish: { channel: "a", data: new Uint8Array([0x7b]) } },
      { id: 4, rpc: { method: "m", data: new Uint8Array([0x22, 0xff, 0x22]) } },
      { id: 5, ping: {} },
    ]);
    expect(protobuf.decode(frame)).toEqual([
      { id: 1, method: "publish", params: { channel: "a" } },
      { id: 2, method: "publish", params: { channel: "a", data: undefined } },
      { id: 3, method: "ambiguous", params: {} },
      { id: 4, method: "ambiguous", params: {} },
      { id: 5, method: "ping", params: {} },
    ]);
  });

  test("are bounded in size and depth as those of JSON", () => {
    const nested = (levels: number) =>
      `{"id":1,"publish":{"channel":"a","data":${"[".repeat(levels)}${"]".repeat(levels)}}}`;
    for (const levels of [1, 5, 6, 7, 8, 20]) {
      const frame = protobufOf(nested(levels));
      expect(protobuf.decode(frame, 8)).toEqual(jsonCodec.decode(nested(levels), 8));
      expect(protobuf.decode(frame, 8, frame.length)).toEqual(protobuf.decode(frame, 8));
      expect(protobuf.decode(frame, 8, frame.length - 1)).toBe("tooLarge");
    }
  });

  test("arrive as an array buffer, or as a view of one", () => {
    const frame = protobufOf('{"id":1,"ping":{}}');
    const wide = new Uint8Array([9, ...frame, 9]);
    const ping = [{ id: 1, method: "ping", params: {} }];
    expect(protobuf.decode(Uint8Array.from(frame).buffer)).toEqual(ping);
    expect(protobuf.decode(wide.subarray(1, -1))).toEqual(ping);
    for (const foreign of ["\x04\x08\x01\x5a\x00", undefined, null, 7, {}, [4, 8, 1, 90, 0]])
      expect(protobuf.decode(foreign)).toBeUndefined();
  });
});

describe("commands written by hand", () => {
  const read = (...bytes: number[]) => protobuf.decode(new Uint8Array(bytes));
  const ping = { id: 1, method: "ping", params: {} };

  test("may have fields of every type that are not known", () => {
    const fields = [0x18, 0x80, 0x01, 0x21 - 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x1d, 1, 2, 3, 4, 0x1a, 1, 9];
    const message = [0x08, 1, ...fields, 0x5a, 0];
    expect(read(message.length, ...message)).toEqual([ping]);
  });

  test("may have their last field count, and fields in any order", () => {
    expect(read(6, 0x5a, 0, 0x08, 9, 0x08, 1)).toEqual([ping]);
  });

  test.each([
    ["nothing", []],
    ["a length without a message", [5]],
    ["a length that has no end", [0x80]],
    ["a length of eleven bytes", [...Array(10).fill(0x80), 1]],
    ["a length near 2^64", [...Array(9).fill(0xff), 1]],
    ["a field without a number", [2, 0x00, 1]],
    ["a field without a value", [1, 0x08]],
    ["a group", [2, 0x23, 0x24]],
    ["a text that is a number", [4, 0x08, 1, 0x58, 1]],
    ["a text that is no UTF-8", [7, 0x08, 1, 0x2a, 3, 0x0a, 1, 0xff]],
    ["an id above 2^53", [12, 0x08, ...Array(7).fill(0xff), 0x1f, 0x5a, 0, 0]],
    ["an id that is bytes", [5, 0x0a, 1, 1, 0x5a, 0]],
    ["no id", [2, 0x5a, 0]],
    ["a good command, and then half of one", [4, 0x08, 1, 0x5a, 0, 4, 0x08]],
    ["a send whose data is no JSON", [5, 0x62, 3, 0x0a, 1, 0x7b]],
  ])("with %s are malformed", (_what, bytes) => {
    expect(read(...bytes)).toBeUndefined();
  });

  test("are ambiguous with two methods, or with an id for a send", () => {
    expect(read(6, 0x08, 1, 0x5a, 0, 0x6a, 0)).toEqual([{ id: 1, method: "ambiguous", params: {} }]);
    expect(read(4, 0x08, 1, 0x62, 0)).toEqual([{ id: 1, method: "ambiguous", params: {} }]);
    expect(read(2, 0x08, 1)).toEqual([{ id: 1, method: "unknown", params: {} }]);
  });
});
