import { describe, expect } from "vitest";
import { version } from "../../../src/base/version.ts";
import { hasFrames, sessionOf } from "../expected.ts";
import type { PeerTest } from "../site.ts";
import type { Given } from "../suite.ts";

const badRequest = { code: 3501, reason: "bad request" };

const unreadable: [string, string | Uint8Array<ArrayBuffer>][] = [
  ["text that is not JSON", "hello"],
  ["JSON that was cut off", '{"id":2,"ping":{}'],
  ["an array", "[]"],
  ["null", "null"],
  ["60 000 open brackets", "[".repeat(60_000)],
  ["an empty frame", ""],
  ["a frame of blank lines", "\n \n"],
  ["a command without an id", '{"ping":{}}'],
  ["an id of 0", '{"id":0,"ping":{}}'],
  ["an id that is a text", '{"id":"1","ping":{}}'],
  ["an id that is not whole", '{"id":1.5,"ping":{}}'],
  ["an id past 2^53", '{"id":9007199254740993,"ping":{}}'],
  ["what is not JSON behind a good command", '{"id":2,"ping":{}}\n\u0000'],
  ["a second connect", '{"id":2,"connect":{}}'],
];

/** What cannot be read over a WebSocket. Over a stream a pong may have been repeated by a browser, and every message is text. */
const unreadableFrames: typeof unreadable = [
  ["a pong that was not asked for", "{}"],
  ["a binary frame", new TextEncoder().encode('{"id":2,"ping":{}}')],
];

/** Commands that come before a connect. */
const early = [
  { id: 1, subscribe: { channel: "a" } },
  { id: 1, ping: {} },
  { send: { data: 1 } },
  {},
  { id: 1, hello: {} },
];

/** What a frame may hold, and how it is answered. */
export function envelopes(test: PeerTest, { transport }: Given): void {
  describe("commands", () => {
    test("that come in one frame before the connect reply are answered in order, in one frame", async ({
      site,
    }) => {
      const here = site();
      const peer = await here.open();
      peer.send(
        { id: 1, connect: { token: "t", name: "js", version: "1", headers: {}, data: { x: 1 } } },
        { id: 2, subscribe: { channel: "a" } },
        { id: 3, subscribe: { channel: "b" } },
        { id: 4, ping: {} },
      );
      const replies = await peer.take(4);
      const subscribed = { recoverable: true, positioned: true, offset: 0 };
      expect(replies).toEqual([
        {
          id: 1,
          connect: {
            ...{ client: expect.any(String), version: `tocsin ${version}`, ping: 25, pong: true },
            ...sessionOf(here.transport),
          },
        },
        { id: 2, subscribe: { ...subscribed, epoch: await here.epoch("a") } },
        { id: 3, subscribe: { ...subscribed, epoch: await here.epoch("b") } },
        { id: 4, ping: {} },
      ]);
      if (hasFrames(here.transport)) expect(peer.frames).toBe(1);
    });

    test("keep their order behind a slow one, except for those that are answered at once", async ({
      site,
    }) => {
      const here = site();
      const peer = await here.connect();
      const { id } = await here.control.run({ steps: [{ pass: "never opened" }] });
      peer.send(
        { id: 2, rpc: { method: "hold", data: "a" } },
        { id: 3, presence_stats: { channel: "room" } },
        { id: 4, ping: {} },
        { id: 5, rpc: { method: "ack", data: { ack: {} } } },
        { id: 6, rpc: { method: "run.cancel", data: { run: id } } },
      );
      expect(await peer.take(3)).toEqual([
        { id: 4, ping: {} },
        { id: 5, rpc: {} },
        { id: 6, rpc: { data: { status: "requested" } } },
      ]);
      expect(peer.received).toEqual([]);
      await here.control.open({ gate: "a" });
      expect(await peer.take(2)).toEqual([
        { id: 2, rpc: { data: "a" } },
        { id: 3, presence_stats: { num_clients: 0, num_users: 0 } },
      ]);
    });

    test("of one client do not wait for those of another", async ({ site }) => {
      const here = site();
      const [slow, fast] = [await here.connect(), await here.connect()];
      slow.send({ id: 2, rpc: { method: "hold", data: "a" } });
      expect(await fast.call("rpc", { method: "echo", data: 1 })).toEqual({ id: 2, rpc: { data: 1 } });
      await here.control.open({ gate: "a" });
      expect(await slow.take(1)).toEqual([{ id: 2, rpc: { data: "a" } }]);
    });

    test("may have blank lines between and around them", async ({ site }) => {
      const peer = await site().open();
      peer.send('\n{"id":1,"connect":{}}\n\n \r\n{"id":2,"ping":{}}\r\n\n');
      expect((await peer.take(2)).map(({ id }) => id)).toEqual([1, 2]);
    });

    test("may have unknown fields, in the envelope and in the request", async ({ site }) => {
      const here = site();
      const peer = await here.connect({}, { unknown: [1], __proto__: { token: 1 } });
      peer.send('{"id":2,"method":7,"ping":{"x":1},"__proto__":{"rpc":{}},"params":null}');
      peer.send('{"extra":1,"send":{"data":1,"x":2}}');
      expect(await peer.take(1)).toEqual([{ id: 2, ping: {} }]);
      expect(await here.take("sent", 1)).toEqual([{ user: "ann", data: 1 }]);
      await peer.nothing();
    });

    test("whose request is not an object count as empty ones", async ({ site }) => {
      const peer = await site().connect();
      peer.send('{"id":2,"subscribe":"news"}\n{"id":3,"ping":null}\n{"id":4,"rpc":[]}');
      const error = { code: 107, message: "bad request" };
      expect(await peer.take(3)).toEqual([
        { id: 2, error },
        { id: 3, ping: {} },
        { id: 4, error },
      ]);
    });

    test("without a known method are answered with 104, with two methods with 107", async ({ site }) => {
      const peer = await site().connect();
      peer.send({ id: 2, teleport: {} }, { id: 3, rpc: { method: "a" }, ping: {} }, { id: 4 });
      expect(await peer.take(3)).toEqual([
        { id: 2, error: { code: 104, message: "method not found" } },
        { id: 3, error: { code: 107, message: "bad request" } },
        { id: 4, error: { code: 104, message: "method not found" } },
      ]);
      await peer.nothing();
    });

    test("nested too deep are answered with 107, and the connection stays open", async ({ site }) => {
      const peer = await site("tight").connect();
      const data = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
      peer.send(`{"id":2,"rpc":{"method":"echo","data":${data(60)}}}`);
      expect(await peer.take(1)).toEqual([{ id: 2, error: { code: 107, message: "bad request" } }]);
      expect(await peer.call("rpc", { method: "echo", data: [[1]] })).toMatchObject({ rpc: { data: [[1]] } });
    });

    test("keep text of any kind", async ({ site }) => {
      const peer = await site().connect();
      const data = { "k\n\u2028": "line\nbreak\r\u0000\ud800 😀 é", long: "é".repeat(20_000), __proto__: 1 };
      expect(await peer.call("rpc", { method: "echo", data })).toEqual({ id: 2, rpc: { data } });
    });

    test("by the thousand in one frame are answered in one frame", async ({ site }) => {
      const here = site();
      const peer = await here.connect();
      const { frames } = peer;
      peer.send(...Array.from({ length: 1_000 }, (_, at) => ({ id: at + 2, ping: {} })));
      expect((await peer.take(1_000)).map(({ id }) => id)).toEqual(
        Array.from({ length: 1_000 }, (_, at) => at + 2),
      );
      if (hasFrames(here.transport)) expect(peer.frames).toBe(frames + 1);
    });
  });

  describe("a peer", () => {
    test("that sends what cannot be read is closed with 3501", async ({ site }) => {
      const here = site();
      for (const [name, frame] of [...unreadable, ...(transport === "websocket" ? unreadableFrames : [])]) {
        const peer = await here.connect();
        peer.send(frame);
        expect(await peer.closed, name).toEqual(badRequest);
        // What came before a fault in its frame may have been answered.
        const others = peer.received.filter(({ id }) => id !== 2);
        expect(others, name).toEqual([]);
      }
    });

    test("whose first command is not connect is closed with 3501, and nothing is answered", async ({
      site,
    }) => {
      const here = site();
      for (const command of early) {
        const peer = await here.open();
        peer.send(command);
        expect(await peer.closed, JSON.stringify(command)).toEqual(badRequest);
        expect(peer.received).toEqual([]);
      }
      expect(await here.take("refused", early.length)).toEqual(early.map(() => ({ code: 3501 })));
    });

    test("that connects twice in one frame is closed behind the reply to the first", async ({ site }) => {
      const peer = await site().open();
      peer.send({ id: 1, connect: {} }, { id: 2, connect: {} });
      expect(await peer.closed).toEqual(badRequest);
      expect(peer.received).toMatchObject([{ id: 1, connect: { pong: true } }]);
    });
  });
}
