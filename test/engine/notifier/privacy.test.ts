import { sign } from "hono/jwt";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { NotifierOptions } from "../../../src/engine/core/settings.ts";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { CancelError } from "../../../src/model/errors.ts";
import type { Peer } from "../../../src/model/peer.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import { tokens } from "../../../src/tokens.ts";
import { closes, replies, unsubscribes } from "../../../src/wire/protocol.ts";
import { payloads, rejection } from "../../support/core.ts";
import { range, wire } from "../../support/wire.ts";

/** The text that no client and no log may contain. */
const secret = "s3cret-of-the-house";

/** The key that signs the tokens. */
const key = "0123456789abcdef0123456789abcdef";

class InternalError extends Error {
  override readonly name = "InternalError";
  override readonly stack = `InternalError: ${secret}\n    at /srv/app/${secret}.ts:1:1`;
  constructor() {
    super(`/srv/app/${secret}.ts: connection to db.internal refused`);
  }
}

describe("what a client receives", () => {
  test("about an error or a close is one of the fixed texts", () => {
    for (const { reason } of [...Object.values(closes), ...Object.values(unsubscribes)]) {
      expect(reason).toMatch(/^[a-z ]{1,60}$/);
    }
    for (const { message } of Object.values(replies)) expect(message).toMatch(/^[a-z ]{1,60}$/);
  });

  test("when any handler throws, rejects or returns what cannot be sent, holds nothing of that error", async () => {
    const fail = (): never => {
      throw new InternalError();
    };
    const here = wire({
      rpc: {
        throws: fail,
        rejects: async () => fail(),
        unsendable: () => ({ [secret]: 1n }),
        cyclic() {
          const value: Record<string, unknown> = {};
          value[secret] = value;
          return value;
        },
        long: () => secret.repeat(20_000),
      },
    });
    const client = here.client({ peer: { user: "ann", authorize: fail, refresh: fail, receive: fail } });
    await client.connect();
    for (const method of ["throws", "rejects", "unsendable", "cyclic", "long"]) {
      expect(await client.call("rpc", { method })).toHaveProperty("error");
    }
    for (const [method, params] of [
      ["subscribe", { channel: "a" }],
      ["publish", { channel: "a", data: 1 }],
      ["history", { channel: "a" }],
      ["presence", { channel: "a" }],
      ["refresh", { token: "t" }],
    ] as const)
      expect(await client.call(method, params)).toHaveProperty("error");
    client.send({ send: { data: 1 } });
    await here.clock.settle();
    here.log.fail(new InternalError());
    const other = here.client({ peer: { user: "ann", authorize: () => true } });
    await other.connect();
    expect(await other.call("subscribe", { channel: "a" })).toMatchObject({ error: { code: 100 } });
    here.log.fail(undefined);
    const guest = here.client({ peer: { user: "", connect: fail } });
    guest.send({ id: 1, connect: {} });
    await here.clock.settle();
    expect(guest.closed).toEqual({ code: 3004, reason: "internal server error" });
    const all = JSON.stringify([client, other, guest].map(({ messages, closed }) => [messages, closed]));
    expect(all).not.toMatch(/s3cret|srv|db\.internal|InternalError|at /);
    expect(here.takeErrors().length).toBeGreaterThan(10);
  });
});

describe("what a failed run shows", () => {
  async function failure(redact?: NotifierOptions["redact"]) {
    const here = wire({ redact });
    const run = here.notifier.run(
      // biome-ignore lint/correctness/useYield: the task fails before its first event
      async function* () {
        throw new InternalError();
      },
      { name: "report", owner: "ann" },
    );
    const reason = await rejection(run.result());
    const [, ending] = (await payloads(here.notifier, `run:${run.id}`)) as [unknown, { error: unknown }];
    return { ...here, run, reason, error: ending.error };
  }

  test("is name and message, and no stack, by default", async () => {
    const { error } = await failure();
    expect(error).toEqual({ name: "InternalError", message: new InternalError().message });
  });

  test("is what the redactor returns, and the caller still gets the whole error", async () => {
    const seen: unknown[] = [];
    const { error, reason, run } = await failure((thrown, about) => {
      seen.push(thrown, about);
      return { name: "Failed", message: `The ${about.name} failed`, stack: secret } as never;
    });
    expect(error).toEqual({ name: "Failed", message: "The report failed" });
    expect(seen).toEqual([new InternalError(), { id: run.id, name: "report", owner: "ann" }]);
    expect((reason as Error).cause).toBeInstanceOf(InternalError);
  });

  test.each<[string, () => never]>([
    [
      "throws",
      () => {
        throw new InternalError();
      },
    ],
    ["returns nothing", () => undefined as never],
    [
      "returns what cannot be read",
      () =>
        ({
          get name() {
            throw new InternalError();
          },
        }) as never,
    ],
  ])("is nothing where the redactor %s, which is reported", async (_name, redact) => {
    const { error, takeErrors } = await failure(redact);
    expect(error).toEqual({ name: "Error", message: "failed" });
    expect(takeErrors()).toMatchObject([{ stage: "redact" }]);
  });

  test("is not redacted for runs that complete, or are cancelled", async () => {
    const asked: unknown[] = [];
    const here = wire({ redact: (error) => asked.push(error) as never });
    const done = here.notifier.run(async () => 1);
    const stopped = here.notifier.run(
      ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    );
    await here.clock.settle();
    await stopped.cancel("enough");
    expect(await done.result()).toBe(1);
    expect(await rejection(stopped.result())).toBeInstanceOf(CancelError);
    expect(asked).toEqual([]);
  });
});

describe("the default onError", () => {
  const logged: string[] = [];
  beforeEach(() => {
    logged.length = 0;
    vi.spyOn(console, "error").mockImplementation((...parts: unknown[]) => {
      logged.push(
        parts.map((part) => (part instanceof Error ? `${part.stack} ${part.cause}` : String(part))).join(" "),
      );
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test("prints where and what went wrong, and no payload, token or ticket, whatever is sent", async () => {
    const clock = fakeClock();
    const log = memoryLog({ clock });
    const notifier = createNotifier({
      clock,
      log: {
        ...log,
        append: log.append.bind(log),
        watch: log.watch.bind(log),
        read: log.read.bind(log),
        [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
      },
      limits: { publication: 1_000 },
      rpc: {
        echo: (_, { data }) => ({ data, n: BigInt((data as { n: number }).n) }),
        hang: () => new Promise(() => {}),
      },
    });
    const peer: Peer = {
      ...tokens({ secret: key })(),
      authorize: () => {
        throw new Error("The database is away");
      },
    };
    const frames = [
      secret,
      `{"id":1,"connect":{"token":"${secret}"}}`,
      `{"id":1,"connect":{"token":"a.${btoa(secret)}.c"}}`,
      `{"id":1,"${secret}`,
      `{"id":1,"rpc":{"method":"${secret}"}}`,
      new TextEncoder().encode(secret),
    ];
    const clients = frames.map((frame) => {
      const client = pipe(notifier, { peer });
      client.session.receive(frame);
      return client;
    });
    const token = await sign({ sub: "ann" }, key);
    const ann = pipe(notifier, { peer });
    ann.send({ id: 1, connect: { token } });
    while (ann.received.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.settle();
    }
    ann.send(
      { id: 2, subscribe: { channel: "a", data: secret } },
      { id: 3, publish: { channel: "a", data: secret } },
      { id: 4, rpc: { method: "echo", data: { secret, n: 424_242 } } },
      { id: 5, rpc: { method: "hang", data: secret } },
      { send: { data: secret } },
      { id: 6, refresh: { token: secret } },
    );
    await clock.advance(20_000);
    await notifier.publish("a", secret, { confirm: true, ttl: 1 });
    await clock.advance(20_000);
    void notifier.close();
    await clock.advance(20_000);
    expect(clients.map(({ closed }) => closed?.code)).toEqual(frames.map(() => expect.any(Number)));
    const text = logged.join("\n");
    expect(text).not.toContain(secret);
    expect(text).not.toContain(btoa(secret));
    expect(text).not.toContain("424242");
    expect(text).not.toContain(token);
    expect(logged.filter((line) => line.includes("The database is away"))).toHaveLength(2);
    expect(logged.every((line) => /^tocsin: (authorize|rpc) of session [0-9a-f-]{36}: /.test(line))).toBe(
      true,
    );
  });
});

test("handlers that never settle, throw and reject end no session, neither their own nor any other", async () => {
  const here = wire({
    rpc: {
      hang: () => new Promise(() => {}),
      throws() {
        throw new Error("no");
      },
      rejects: () => Promise.reject(new Error("no")),
    },
  });
  const clients = range(1, 30).map(() => here.client({ peer: { user: "", authorize: () => true } }));
  for (const client of clients) await client.connect();
  for (const [at, client] of clients.entries()) {
    client.send({ id: 9, rpc: { method: ["hang", "throws", "rejects"][at % 3] } });
  }
  await here.clock.advance(10_000);
  for (const client of clients) {
    expect(client.take()).toMatchObject([{ id: 9, error: { code: 100 } }]);
    expect(await client.call("ping", {})).toHaveProperty("ping");
  }
  expect(here.takeErrors()).toHaveLength(30);
});
