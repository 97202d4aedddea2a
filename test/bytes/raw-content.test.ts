import { describe, expect, test } from "vitest";
import { closeOf, messagesOf, rawSite } from "../support/raw.ts";
import { runtime } from "../support/runtime.ts";
import { closeFrame, frame } from "../support/tcp.ts";

const badRequest = { code: 3501, reason: "bad request" };

describe(`text sent to ${runtime}`, () => {
  test.each([
    ["100 000 open brackets", "[".repeat(100_000)],
    ["100 000 open braces", '{"a":'.repeat(100_000)],
    ["an open string", `"${"x".repeat(100_000)}`],
    ["a number of 100 000 digits", "1".repeat(100_000)],
    ["a list", "[{}]"],
    ["null", "null"],
    ["a byte order mark", '\ufeff{"id":2,"ping":{}}'],
    ["NaN", '{"id":NaN,"ping":{}}'],
    ["a comment", '{"id":2,"ping":{}} // really'],
    ["two commands without a newline", '{"id":2,"ping":{}}{"id":3,"ping":{}}'],
    ["an id of 0", '{"id":0,"ping":{}}'],
    ["an id below 0", '{"id":-1,"ping":{}}'],
    ["an id with a fraction", '{"id":2.5,"ping":{}}'],
    ["an id that is infinite", '{"id":1e999,"ping":{}}'],
    ["an id of 2⁵³", '{"id":9007199254740992,"ping":{}}'],
    ["an id that is text", '{"id":"2","ping":{}}'],
    ["an id that only its prototype has", '{"__proto__":{"id":2},"ping":{}}'],
  ])("that is %s closes with 3501, and no other client is affected", async (_, text) => {
    const here = await rawSite();
    const peer = await here.connected();
    peer.send(frame(1, text));
    await peer.until(closeFrame(3501));
    expect(closeOf(peer)).toEqual(badRequest);
    await here.unharmed();
  });

  test.each([
    ["50 000 keys", `{"id":2,"ping":{${Array.from({ length: 50_000 }, (_, n) => `"k${n}":0`).join(",")}}}`],
    ["the same key twice: the last counts", '{"id":9,"id":2,"ping":{"a":1},"ping":{}}'],
    ["numbers out of range", '{"id":2,"ping":{"x":1e999,"y":-1e999,"z":1e-999}}'],
    ["`__proto__` keys", '{"id":2,"ping":{"__proto__":{"x":1}},"__proto__":{"x":1,"rpc":{}}}'],
    ["a constructor", '{"id":2,"ping":{"constructor":{"prototype":{"x":1}}}}'],
    ["lone surrogates", '{"id":2,"ping":{"\\ud800":"\\udfff"}}'],
    ["escaped letters", '{"\\u0069d":2,"pin\\u0067":{}}'],
    ["blank lines around it", '\n \n\r\n{"id":2,"ping":{}}\n\n'],
    ["parameters that are not an object", '{"id":2,"ping":7}'],
  ])("with %s is a command like any other", async (_, text) => {
    const here = await rawSite();
    const peer = await here.connected();
    peer.send(frame(1, text));
    await peer.until(/"id":2,"ping":{}/);
    expect(({} as { x?: number }).x).toBeUndefined();
    await here.unharmed();
  });

  test("with 100 000 brackets inside a command is refused with 107, and no other client is affected", async () => {
    const here = await rawSite();
    const peer = await here.connected();
    peer.send(frame(1, `{"id":2,"ping":{"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`));
    await peer.until(/"id":2,"error":{"code":107,"message":"bad request"}/);
    await here.unharmed();
  });

  test.each([
    ["a lone surrogate", "\\ud800"],
    ["a surrogate pair in the wrong order", "\\udfff\\ud800"],
    ["a NUL", "\\u0000"],
    ["line separators", "\\u2028\\u2029"],
    ["a newline", "\\n"],
  ])(
    "that names a channel %s is refused with 107, and the same text may be published as data",
    async (_, name) => {
      const here = await rawSite();
      const peer = await here.connected({ id: 2, subscribe: { channel: "a" } });
      peer.send(
        frame(
          1,
          `{"id":3,"subscribe":{"channel":"${name}"}}\n{"id":4,"publish":{"channel":"a","data":{"${name}":"${name}"}}}`,
        ),
      );
      await peer.until(/"pub":/);
      const text = JSON.parse(`"${name}"`) as string;
      const messages = messagesOf(peer) as { push?: { pub: { data: object } } }[];
      expect(messages).toContainEqual({ id: 3, error: { code: 107, message: "bad request" } });
      const push = messages.find((message) => message.push !== undefined)?.push;
      expect(Object.entries(push?.pub.data ?? {})).toEqual([[text, text]]);
    },
  );

  test.each([
    ["a space", " "],
    ["`__proto__`", "__proto__"],
    ["`constructor`", "constructor"],
  ])("that names a channel %s gets back the same name", async (_, name) => {
    const here = await rawSite();
    const peer = await here.connected();
    peer.send(
      frame(
        1,
        `{"id":2,"subscribe":{"channel":"${name}"}}\n{"id":3,"publish":{"channel":"${name}","data":{"${name}":"${name}"}}}`,
      ),
    );
    await peer.until(/"pub":/);
    const text = JSON.parse(`"${name}"`) as string;
    const push = (messagesOf(peer) as { push?: { channel: string; pub: { data: object } } }[]).find(
      (message) => message.push !== undefined,
    )?.push;
    expect([push?.channel, Object.entries(push?.pub.data ?? {})]).toEqual([text, [[text, text]]]);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test("with numbers beyond a double is published as the doubles that they are parsed as", async () => {
    const here = await rawSite();
    const peer = await here.connected({ id: 2, subscribe: { channel: "n" } });
    peer.send(frame(1, '{"id":3,"publish":{"channel":"n","data":[1e999]}}'));
    await peer.until(/"id":3,/);
    expect(messagesOf(peer)).toContainEqual({ id: 3, error: { code: 107, message: "bad request" } });
    peer.send(frame(1, '{"id":4,"publish":{"channel":"n","data":[9007199254740993,1e-999,-0]}}'));
    await peer.until(/"id":4,"publish":/);
    expect(peer.received).toContain('"data":[9007199254740992,0,0]');
  });
});
