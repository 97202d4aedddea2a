import { describe, expect } from "vitest";
import { connect } from "../../src/client.ts";
import { outcomeOf } from "../support/core.ts";
import { read, test } from "../support/dial.ts";

const cycle: { self?: unknown } = {};
cycle.self = cycle;
const thrower = {
  toJSON() {
    throw new Error("no JSON of me");
  },
};

/** Values that JSON cannot represent, or would change silently. */
const unheld: [string, unknown][] = [
  ["a BigInt", 1n],
  ["a cycle", cycle],
  ["a function", () => {}],
  ["a symbol", Symbol("s")],
  ["NaN", Number.NaN],
  ["an infinity", Number.NEGATIVE_INFINITY],
  ["a map", new Map([[1, 2]])],
  ["an error", new Error("no")],
  ["bytes", new Uint8Array(2)],
  ["a buffer", new ArrayBuffer(2)],
  ["a promise", Promise.resolve(1)],
  ["undefined in a list", [undefined]],
  ["a BigInt further in", { a: [{ b: 1n }] }],
  ["a toJSON that throws", thrower],
];

describe("a value that JSON cannot represent", () => {
  test.for(unheld)("rejects its own call, and nothing else: %s", async ([, value], { open }) => {
    const { client, clock, network, statuses } = open({ rpc: { echo: (_, { data }) => data } });
    const early = outcomeOf(client.publish("news", value as never));
    const followed = read(client.follow("news"));
    await clock.settle();
    const calls = [
      client.publish("news", value as never),
      client.rpc("echo", value),
      client.run("42").cancel(value as never),
      client.history("news", { limit: [value] as never }),
    ].map(outcomeOf);
    const echoed = outcomeOf(client.rpc("echo", { left: undefined, when: new Date(0) }));
    const published = outcomeOf(client.publish("news", "NaN"));
    await clock.advance(60_000);
    for (const { state, reason } of [early, ...calls])
      expect([state, reason]).toEqual(["rejected", expect.any(TypeError)]);
    const { value: echo } = echoed;
    expect([echo, published.state, followed.got]).toEqual([
      { when: "1970-01-01T00:00:00.000Z" },
      "fulfilled",
      ["NaN"],
    ]);
    const names = network.last.sent
      .flatMap((each) => Object.keys(each as object))
      .filter((name) => name !== "id");
    expect([names, statuses]).toEqual([
      ["connect", "send", "subscribe", "rpc", "publish", "send"],
      ["connecting", "connected"],
    ]);
  });

  test.for(unheld)("is nothing to connect with: %s", ([, value], { open }) => {
    const { dial, network } = open();
    const { length } = network.lines;
    expect(() => dial({ data: value })).toThrow(TypeError);
    expect(network.lines.length).toBe(length);
  });

  test("is named in the error, with the call", async ({ open }) => {
    const { client } = open();
    await expect(client.publish("news", { a: { b: Number.NaN } })).rejects.toThrow(
      new TypeError('Cannot publish to "news": "b" is no JSON'),
    );
    await expect(client.publish("news", undefined)).rejects.toThrow(new TypeError("Cannot publish: no data"));
    const rejected = await outcomeOfLater(client.rpc("echo", thrower));
    expect(rejected).toEqual(
      new TypeError('Cannot call "echo": no JSON of me', { cause: new Error("no JSON of me") }),
    );
  });

  test("is serialised at the call, and later changes are not sent", async ({ open }) => {
    const { client, clock, network, notifier, dial } = open();
    const [data, hello] = [{ n: 1 }, { tab: 1 }];
    void client.publish("news", data);
    dial({ data: hello });
    Object.assign(data as object, { n: 1n });
    Object.assign(hello as object, { tab: 1n });
    await clock.settle();
    expect((await notifier.history("news")).publications.map((each) => each.data)).toEqual([{ n: 1 }]);
    expect(network.last.sent[0]).toEqual({ id: 1, connect: { name: "tocsin", data: { tab: 1 } } });
  });
});

async function outcomeOfLater(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

describe("an invalid name, position or text", () => {
  test("throws or rejects at once, and nothing is sent", async ({ open }) => {
    const { client, clock, network } = open();
    await clock.settle();
    const { length } = network.last.sent;
    for (const name of [1, 1n, undefined, null, {}, ""] as unknown as string[]) {
      expect(() => client.follow(name)).toThrow(TypeError);
      expect(() => client.run(name)).toThrow(TypeError);
      await expect(client.publish(name, 1)).rejects.toThrow(TypeError);
      await expect(client.history(name)).rejects.toThrow(TypeError);
      await expect(client.presence(name)).rejects.toThrow(TypeError);
      await expect(client.rpc(name)).rejects.toThrow(TypeError);
    }
    const positions = [
      null,
      5,
      "x",
      {},
      { offset: 1 },
      { epoch: "e" },
      { offset: 1n, epoch: "e" },
      { offset: -1, epoch: "e" },
      { offset: 1.5, epoch: "e" },
      { offset: Number.NaN, epoch: "e" },
      { offset: 1, epoch: 2 },
    ];
    const wrong = new TypeError("Cannot begin: after is not a position");
    for (const after of positions as never[]) {
      expect(() => client.follow("news", { after })).toThrow(wrong);
      expect(() => client.run("42", { after })).toThrow(wrong);
      await expect(client.history("news", { after })).rejects.toThrow(wrong);
    }
    await expect(client.history("news", { limit: Number.NaN })).rejects.toThrow(TypeError);
    for (const reason of [5, {}, new Error("no")] as never[])
      await expect(client.run("42").cancel(reason)).rejects.toThrow(TypeError);
    await clock.settle();
    expect([network.last.sent.length, client.status]).toEqual([length, "connected"]);
  });

  test("includes a token of another type", ({ open }) => {
    const { dial } = open();
    expect(() => dial({ token: 5 as never })).toThrow(new TypeError("Cannot use token: it is not a string"));
  });

  test("is not a position with more members: only the position is sent", async ({ open }) => {
    const { client, clock, network, notifier } = open();
    const { position } = await notifier.publish("news", 1);
    const [publication] = (await notifier.history("news")).publications;
    read(client.follow("news", { after: publication }));
    await clock.settle();
    const sent = network.last.sent as { subscribe?: unknown }[];
    expect(sent.find(({ subscribe }) => subscribe)?.subscribe).toEqual({
      channel: "news",
      recover: true,
      ...position,
    });
  });
});

describe("an address", () => {
  const { WebSocket } = fakeSocket();
  test.for([
    "notaurl",
    "::",
    "localhost:3000/x",
    "ftp://example.com/",
    "ws://example.com/#part",
    5,
    undefined,
  ])("that is invalid is refused with what to write: %j", (url) => {
    expect(() => connect(url as string, { WebSocket })).toThrow(
      new TypeError(`Cannot connect to "${url}": write wss://example.com/path`),
    );
  });

  test.for([
    ["http://example.com/a?b", "ws://example.com/a?b"],
    ["https://example.com", "wss://example.com/"],
    [new URL("wss://example.com/x"), "wss://example.com/x"],
  ] as const)("may begin with http: %s", async ([url, dialled]) => {
    const { WebSocket, urls } = fakeSocket();
    await connect(url, { WebSocket }).close();
    expect(urls).toEqual([dialled]);
  });
});

function fakeSocket() {
  const urls: string[] = [];
  class Silent {
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;
    constructor(url: string) {
      urls.push(url);
    }
    send(): void {}
    close(): void {}
  }
  return { WebSocket: Silent, urls };
}
