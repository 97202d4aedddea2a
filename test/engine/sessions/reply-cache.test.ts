import { expect, test } from "vitest";
import { ReplyCache } from "../../../src/engine/sessions/reply-cache.ts";
import { jsonCodec } from "../../../src/wire/json-codec.ts";
import type { Codec, Method } from "../../../src/wire/protocol.ts";

/** Makes a reply cache whose codec counts how often it encodes a reply. */
function make() {
  const counted = { calls: 0 };
  const codec: Codec = {
    ...jsonCodec,
    reply(id, method, result) {
      counted.calls++;
      return jsonCodec.reply(id, method, result);
    },
  };
  return { counted, replies: new ReplyCache(codec) };
}

const large = `"${"é".repeat(2_000)}"`;

test("a large reply is encoded and measured once for all sessions that get the same one", () => {
  const { counted, replies } = make();
  for (let time = 0; time < 3; time++) {
    const { text, bytes } = replies.write(2, "subscribe", large);
    expect(text).toBe(`{"id":2,"subscribe":${large}}`);
    expect(bytes).toBe(new TextEncoder().encode(text).length);
  }
  expect(counted.calls).toBe(1);
});

test("a reply with another id, method or result is another one", () => {
  const { replies } = make();
  const calls: [number, Method, string][] = [
    [2, "subscribe", large],
    [3, "subscribe", large],
    [3, "history", large],
    [3, "history", `${large} `],
  ];
  for (const call of calls) expect(replies.write(...call).text).toBe(jsonCodec.reply(...call));
});

test("a small reply is not cached, and neither is one after a turn without a use", () => {
  const { counted, replies } = make();
  replies.write(1, "rpc", "{}");
  replies.write(1, "rpc", "{}");
  expect(counted.calls).toBe(2);
  replies.write(2, "subscribe", large);
  replies.tidy();
  replies.write(2, "subscribe", large);
  expect(counted.calls).toBe(3);
  replies.tidy();
  replies.tidy();
  replies.write(2, "subscribe", large);
  expect(counted.calls).toBe(4);
});
