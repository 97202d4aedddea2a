import { describe, expect, onTestFinished, test } from "vitest";
import type { WebSocket as NodeWebSocket } from "ws";
import { type Inbox, inbox } from "../../support/inbox.ts";
import { smallMessages } from "../../support/limits.ts";
import { runtime } from "../../support/runtime.ts";
import { type Site, site } from "../../support/server.ts";
import { websocket } from "../../support/stock-client.ts";
import { tcp, upgrade } from "../../support/tcp.ts";

const WebSocket = websocket as typeof NodeWebSocket;

/** A plain WebSocket that sends whatever the test asks for. */
interface Raw {
  /** Messages of the server, one per item, without pings. */
  readonly messages: Inbox<unknown>;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly isOpen: boolean;
  send(data: object | string | Uint8Array): void;
  /** Sends a command and returns its reply. */
  call(command: { id: number } & Record<string, unknown>): Promise<unknown>;
}

async function dial(address: string): Promise<Raw> {
  const socket = new WebSocket(address);
  const messages = inbox<unknown>();
  onTestFinished(() => socket.close());
  socket.onmessage = ({ data }) => {
    for (const line of String(data).split("\n")) {
      if (line === "{}") socket.send(line);
      else messages.add(JSON.parse(line));
    }
  };
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason });
  });
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  // Some runtimes report a connection that is cut as an error as well.
  socket.onerror = () => {};
  const send = (data: object | string | Uint8Array): void =>
    socket.send(typeof data === "string" || data instanceof Uint8Array ? data : JSON.stringify(data));
  return {
    messages,
    closed,
    get isOpen() {
      return socket.readyState === 1;
    },
    send,
    async call(command) {
      const { length } = messages.items;
      send(command);
      return (await messages.until(length + 1))[length];
    },
  };
}

async function connect(here: Site): Promise<Raw> {
  const raw = await dial(here.address("ann"));
  expect(await raw.call({ id: 1, connect: {} })).toMatchObject({ id: 1, connect: { pong: true } });
  return raw;
}

const badRequest = { code: 107, message: "bad request" };

/** Connects another client. The returned function checks that this client was not affected. */
async function bystander(here: Site): Promise<() => Promise<void>> {
  const raw = await connect(here);
  return async () => {
    expect(raw.isOpen).toBe(true);
    expect(await raw.call({ id: 99, ping: {} })).toEqual({ id: 99, ping: {} });
  };
}

describe(`bad input on a socket of ${runtime}`, () => {
  test.each<[string, string | Uint8Array]>([
    ["text that is not JSON", "hello"],
    ["a command without an id", '{"ping":{}}'],
    ["60 000 open brackets", "[".repeat(60_000)],
    ["an empty message", ""],
    ["binary data", new TextEncoder().encode('{"id":2,"ping":{}}')],
    ["a pong without a ping", "{}"],
    ["a second connect", '{"id":2,"connect":{}}'],
  ])("%s closes with 3501, and other clients are not affected", async (_name, data) => {
    const here = await site();
    const unharmed = await bystander(here);
    const raw = await connect(here);
    raw.send(data);
    expect(await raw.closed).toEqual({ code: 3501, reason: "bad request" });
    await unharmed();
  });

  test("any command before connect closes with 3501", async () => {
    const here = await site();
    const raw = await dial(here.address());
    raw.send({ id: 1, subscribe: { channel: "a" } });
    expect(await raw.closed).toEqual({ code: 3501, reason: "bad request" });
    expect(raw.messages.items).toEqual([]);
  });

  test("an unknown command, a wrong type and a forbidden command are errors of that command alone", async () => {
    const here = await site();
    const raw = await connect(here);
    const cases: [command: object, error: object][] = [
      [{ teleport: {} }, { code: 104, message: "method not found" }],
      [{ ping: {}, rpc: {} }, badRequest],
      [{ subscribe: { channel: 7 } }, badRequest],
      [{ subscribe: { channel: "a", recover: true, offset: -1 } }, badRequest],
      [{ subscribe: { channel: "a", offset: 1e300 } }, badRequest],
      [{ history: { channel: "a", limit: "x" } }, badRequest],
      [{ rpc: { method: 7 } }, badRequest],
      [{ subscribe: { channel: "a" } }, { code: 103, message: "permission denied" }],
      [{ publish: { channel: "a", data: 1 } }, { code: 103, message: "permission denied" }],
      [{ presence: { channel: "__proto__" } }, { code: 103, message: "permission denied" }],
      [{ subscribe: { channel: "c".repeat(256) } }, { code: 106, message: "limit exceeded" }],
      [{ rpc: { method: "any" } }, { code: 108, message: "not available" }],
      [{ refresh: { token: "t" } }, { code: 108, message: "not available" }],
      [{ sub_refresh: { channel: "a", token: "t" } }, { code: 108, message: "not available" }],
    ];
    for (const [at, [command, error]] of cases.entries()) {
      expect(await raw.call({ id: at + 2, ...command })).toEqual({ id: at + 2, error });
    }
    raw.send(
      '{"id":50,"ping":{"__proto__":{"x":1},"constructor":{"prototype":{"x":1}}},"__proto__":{"x":1}}',
    );
    expect(await raw.call({ id: 51, ping: {} })).toEqual({ id: 50, ping: {} });
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  test("a handler that throws or rejects is an error of that command alone, and is reported", async () => {
    const here = await site({
      authorize(_, { channel }) {
        if (channel === "throw") throw new Error("authorize threw");
        return Promise.reject(new Error("authorize rejected"));
      },
      rpc: {
        throw() {
          throw new Error("rpc threw");
        },
        reject: () => Promise.reject(new Error("rpc rejected")),
      },
      identity: {
        receive() {
          throw new Error("receive threw");
        },
      },
    });
    const unharmed = await bystander(here);
    const raw = await connect(here);
    const internal = { code: 100, message: "internal server error", temporary: true };
    for (const channel of ["throw", "reject"]) {
      expect(await raw.call({ id: 2, subscribe: { channel } })).toEqual({ id: 2, error: internal });
    }
    for (const method of ["throw", "reject"]) {
      expect(await raw.call({ id: 2, rpc: { method } })).toEqual({ id: 2, error: internal });
    }
    raw.send({ send: { data: 1 } });
    expect(await raw.call({ id: 3, ping: {} })).toEqual({ id: 3, ping: {} });
    await unharmed();
    expect(here.takeErrors()).toEqual([
      { stage: "authorize", message: "authorize threw" },
      { stage: "authorize", message: "authorize rejected" },
      { stage: "rpc", message: "rpc threw" },
      { stage: "rpc", message: "rpc rejected" },
      { stage: "send", message: "receive threw" },
    ]);
  });

  test("a message of 64 KiB is fine; one byte more closes with 1009, by the runtime or the notifier", async () => {
    const here = await site({ limits: smallMessages });
    const unharmed = await bystander(here);
    const raw = await connect(here);
    const message = (bytes: number) => `{"id":2,"ping":{"x":"${"x".repeat(bytes - 24)}"}}`;
    raw.send(message(65_536));
    expect(await raw.messages.until(2)).toHaveLength(2);
    raw.send(message(65_537));
    // On Deno the notifier closes. On the others the runtime closes after the message's header, with its own reason.
    const reasons = { deno: "message too big", node: "", bun: "Received too big message" };
    expect(await raw.closed).toEqual({ code: 1009, reason: reasons[runtime] });
    await unharmed();
  });

  test("a message far over the limit closes with 1009 as well", async () => {
    const here = await site({ limits: smallMessages });
    const unharmed = await bystander(here);
    const raw = await connect(here);
    raw.send("x".repeat(1_000_000));
    expect((await raw.closed).code).toBe(1009);
    await unharmed();
  });

  test("a message over a limit that only the notifier has is closed by the notifier, with its reason", async () => {
    const here = await site({ limits: { message: 6_000, subscriptions: 1 }, maxMessage: 8_000 });
    const raw = await connect(here);
    raw.send({ id: 2, ping: { x: "é".repeat(3_000) } });
    expect(await raw.closed).toEqual({ code: 1009, reason: "message too big" });
  });

  test.each<[string, object]>([
    ["a user that is not a string", { user: 7 }],
    ["no user", { user: undefined }],
    ["a channel without a name", { channels: [""] }],
    ["an expiry that is not a number", { expires: Number.NaN }],
  ])("an identity with %s refuses the upgrade with 500, and is reported", async (_name, identity) => {
    const here = await site({ identity });
    const peer = tcp(Number(new URL(here.address()).port), upgrade("/?user=ann"));
    onTestFinished(() => peer.destroy());
    expect((await peer.until(/\r\n\r\n/)).split("\r\n")[0]).toMatch(/^HTTP\/1.1 500 /);
    expect(here.takeErrors().map(({ stage }) => stage)).toEqual(["authenticate"]);
  });

  test("a hundred sockets with only bad input leave nothing behind", async () => {
    const here = await site();
    for (let round = 0; round < 10; round++) {
      const raws = await Promise.all(Array.from({ length: 10 }, () => dial(here.address())));
      for (const raw of raws) raw.send("no");
      const codes = await Promise.all(raws.map(async ({ closed }) => (await closed).code));
      expect(codes).toEqual(codes.map(() => 3501));
    }
  });
});
