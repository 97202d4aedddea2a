import { describe, expect, test } from "vitest";
import { cached } from "../../src/access/cached.ts";
import type { Action, Authorize, Peer } from "../../src/model/peer.ts";
import type { RunOptions } from "../../src/model/run.ts";
import { fakeClock } from "../../src/testing.ts";
import { aborted } from "../support/core.ts";
import { type Client, type Wire, wire } from "../support/wire.ts";

const denied = { code: 103, message: "permission denied" };
const internal = { code: 100, message: "internal server error", temporary: true };
const signal = new AbortController().signal;

async function connected(here: Wire, peer: Peer): Promise<Client> {
  const client = here.client({ peer });
  await client.connect();
  return client;
}

describe("an authorizer", () => {
  const commands: [type: Action["type"], method: string, params: object, data?: unknown][] = [
    ["subscribe", "subscribe", { channel: "a", data: { why: 1 } }, { why: 1 }],
    ["publish", "publish", { channel: "a", data: 7 }, 7],
    ["history", "history", { channel: "a", limit: 1 }],
    ["presence", "presence", { channel: "a" }],
    ["presence", "presence_stats", { channel: "a" }],
  ];

  test.each(commands)("is asked about %s by the command %s", async (type, method, params, data) => {
    const asked: unknown[] = [];
    const authorize: Authorize = (peer, { signal: _, ...action }) => asked.push([peer.user, action]) > 0;
    const client = await connected(wire(), { user: "ann", authorize });
    expect(await client.call(method, params)).toHaveProperty(method);
    expect(asked).toEqual([["ann", { type, channel: "a", data }]]);
  });

  const refusals: [name: string, authorize: Authorize | undefined, isFailure: boolean][] = [
    ["is not there", undefined, false],
    ["answers no", () => false, false],
    ["returns something else", () => "yes" as never, false],
    ["returns nothing", () => undefined as never, false],
    ["resolves with something else", async () => 1 as never, false],
    [
      "throws",
      () => {
        throw new Error("no");
      },
      true,
    ],
    ["rejects", () => Promise.reject(new Error("no")), true],
    ["never settles", () => new Promise<never>(() => {}), true],
  ];

  test.each(refusals)(
    "that %s allows nothing, for good where it has returned, and the session stays open",
    async (_, authorize, isFailure) => {
      const here = wire();
      const run = here.notifier.run(({ signal }) => aborted(signal), { cancel: "authorized" });
      run.result().catch(() => {});
      await here.clock.settle();
      const client = await connected(here, { user: "ann", authorize });
      const ask = async (id: number, command: object): Promise<unknown> => {
        client.send({ id, ...command });
        await here.clock.advance(10_000);
        return client.take()[0];
      };
      for (const [, method, params] of commands) {
        expect(await ask(7, { [method]: params })).toEqual({ id: 7, error: isFailure ? internal : denied });
      }
      const cancel = { rpc: { method: "run.cancel", data: { run: run.id } } };
      const answer = isFailure ? { error: internal } : { rpc: { data: { status: "unknown" } } };
      expect(await ask(8, cancel)).toEqual({ id: 8, ...answer });
      expect(run.status).toBe("working");
      // The one wait is for the result of the run.
      expect(here.notifier.stats()).toMatchObject({ sessions: 1, subscriptions: 0, channels: 0, waits: 1 });
      const stages = here.takeErrors().map(({ stage }) => stage);
      expect(stages).toEqual(isFailure ? commands.concat([commands[0] as never]).map(() => "authorize") : []);
    },
  );

  test("gets the same peer, whatever a client sends later", async () => {
    const users: string[] = [];
    const here = wire();
    const client = await connected(here, {
      user: "ann",
      authorize: ({ user }) => users.push(user) > 0,
    });
    client.send(
      '{"id":7,"subscribe":{"channel":"a","user":"bob","peer":{"user":"bob"},"__proto__":{"user":"bob"}}}',
    );
    await here.clock.settle();
    expect(users).toEqual(["ann"]);
  });
});

describe("cancelling a run as a client", () => {
  async function ask(
    options: Pick<RunOptions, "owner" | "cancel">,
    peer: Peer,
  ): Promise<{ status: unknown; asked: unknown[]; isWorking: boolean }> {
    const here = wire();
    const run = here.notifier.run(({ signal }) => aborted(signal), options);
    run.result().catch(() => {});
    await here.clock.settle();
    const asked: unknown[] = [];
    const authorize: Authorize = (who, { signal: _, ...action }) => {
      asked.push(action.channel === `run:${run.id}` ? { ...action, channel: "its own" } : action);
      return peer.authorize?.(who, { ...action, signal: _ }) ?? false;
    };
    const client = await connected(here, { ...peer, authorize });
    const reply = await client.call("rpc", { method: "run.cancel", data: { run: run.id, reason: "enough" } });
    const { status } = (reply as { rpc: { data: { status: unknown } } }).rpc.data;
    return { status, asked, isWorking: run.status === "working" };
  }
  const yes = { authorize: () => true };
  const action = { type: "cancel", channel: "its own", data: "enough" };

  test.each<[string, RunOptions, Peer, object]>([
    [
      "of a run without an owner is allowed for anybody with its id",
      {},
      { user: "bob" },
      { status: "requested", asked: [] },
    ],
    [
      "of a run with an owner is allowed for that user",
      { owner: "ann" },
      { user: "ann" },
      { status: "requested", asked: [] },
    ],
    [
      "of a run with an owner is refused for others, whatever the authorizer returns",
      { owner: "ann" },
      { user: "bob", ...yes },
      { status: "unknown", asked: [action] },
    ],
    [
      "of an authorized run is decided by the authorizer",
      { cancel: "authorized" },
      { user: "bob", ...yes },
      { status: "requested", asked: [action] },
    ],
    [
      "of an authorized run is decided by the authorizer for its owner, too",
      { owner: "ann", cancel: "authorized" },
      { user: "ann", authorize: () => false },
      { status: "unknown", asked: [action] },
    ],
    [
      "of an authorized run is allowed for others where the authorizer returns true",
      { owner: "ann", cancel: "authorized" },
      { user: "bob", ...yes },
      { status: "requested", asked: [action] },
    ],
  ])("%s", async (_name, options, peer, outcome) => {
    const { isWorking, ...found } = await ask(options, peer);
    expect(found).toEqual(outcome);
    expect(isWorking).toBe((outcome as { status: string }).status === "unknown");
  });

  test("with an impossible run id is answered unknown, and nobody is asked", async () => {
    const asked: unknown[] = [];
    const authorize: Authorize = (_, action) => asked.push(action) > 0;
    const client = await connected(wire(), { user: "bob", authorize });
    for (const run of ["a\n", "\ud800", "r".repeat(252)]) {
      const reply = await client.call("rpc", { method: "run.cancel", data: { run } });
      expect(reply).toMatchObject({ rpc: { data: { status: "unknown" } } });
    }
    expect(asked).toEqual([]);
  });

  test("gives the same reply for an unknown and a forbidden run, with every command", async () => {
    const here = wire();
    const owned = { owner: "ann", id: "forbidden" };
    const asking = { owner: "ann", id: "forbidden2", cancel: "authorized" } as const;
    for (const options of [owned, asking]) {
      here.notifier
        .run(({ signal }) => aborted(signal), options)
        .result()
        .catch(() => {});
    }
    await here.clock.settle();
    const traces = ["forbidden", "forbidden2", "missing"].map(async (id) => {
      const channel = `run:${id}`;
      const asked: string[] = [];
      const authorize: Authorize = (_, { type }) => {
        asked.push(type);
        return false;
      };
      const client = await connected(here, { user: "bob", authorize });
      const replies: unknown[] = [];
      for (const [method, params] of [
        ["subscribe", { channel }],
        ["subscribe", { channel, recover: true, offset: 0, epoch: "" }],
        ["history", { channel, limit: 1 }],
        ["presence", { channel }],
        ["presence_stats", { channel }],
        ["publish", { channel, data: 1 }],
        ["unsubscribe", { channel }],
        ["rpc", { method: "run.cancel", data: { run: id } }],
        ["rpc", { method: "run.cancel", data: { run: id, reason: 7 } }],
        ["rpc", { method: "ack", data: { ack: { [channel]: { offset: 1, epoch: "" } } } }],
      ] as const)
        replies.push(await client.call(method, params));
      return { replies, asked };
    });
    const [forbidden, other, missing] = await Promise.all(traces);
    expect(missing?.replies.slice(0, 6).map((reply) => (reply as { error: object }).error)).toEqual(
      Array.from({ length: 6 }, () => denied),
    );
    expect(missing?.asked).toEqual(["cancel"]);
    expect(forbidden).toEqual(missing);
    expect(other).toEqual(missing);
  });
});

describe("cached results", () => {
  /** Makes a cached authorizer that records its calls, and allows the channels in `allowed`. */
  function guarded(options: Parameters<typeof cached>[1] = {}) {
    const clock = fakeClock();
    const asked: string[] = [];
    const allowed = new Set(["a"]);
    const authorize = cached(
      (_, { type, channel }) => {
        asked.push(`${type} ${channel}`);
        if (channel === "throws") throw new Error("no");
        return allowed.has(channel);
      },
      { clock, ...options },
    );
    const ask = (peer: Peer, channel: string, type: Action["type"] = "subscribe") =>
      authorize(peer, { type, channel, signal });
    return { clock, asked, allowed, authorize, ask };
  }
  const ann: Peer = { user: "ann" };

  test("are used for 30 s, true and false, for one connection, action and channel", async () => {
    const { clock, asked, ask, allowed } = guarded();
    expect([await ask(ann, "a"), await ask(ann, "b")]).toEqual([true, false]);
    allowed.add("b");
    await clock.advance(29_999);
    expect([await ask(ann, "a"), await ask(ann, "b")]).toEqual([true, false]);
    expect(asked).toEqual(["subscribe a", "subscribe b"]);
    await ask(ann, "a", "publish");
    await ask({ ...ann }, "a");
    expect(asked.slice(2)).toEqual(["publish a", "subscribe a"]);
    await clock.advance(1);
    expect(await ask(ann, "b")).toBe(true);
  });

  test("do not include throws, and are no more than 100 for a connection", async () => {
    const { asked, ask } = guarded();
    for (let n = 0; n < 2; n++) await expect(ask(ann, "throws")).rejects.toThrow("no");
    for (let n = 0; n <= 100; n++) await ask(ann, `c${n}`);
    asked.length = 0;
    await ask(ann, "c1");
    await ask(ann, "c100");
    expect(asked).toEqual([]);
    await ask(ann, "c0");
    expect(asked).toEqual(["subscribe c0"]);
  });

  test("are cleared on request, with those that are being computed", async () => {
    const clock = fakeClock();
    let answer: (allowed: boolean) => void = () => {};
    const authorize = cached(() => new Promise<boolean>((resolve) => (answer = resolve)), { clock });
    const first = authorize(ann, { type: "subscribe", channel: "a", signal });
    authorize.forget();
    answer(true);
    expect(await first).toBe(true);
    const second = authorize(ann, { type: "subscribe", channel: "a", signal });
    answer(false);
    expect(await second).toBe(false);
  });

  test("save a call for the same command of a session", async () => {
    const { asked, authorize } = guarded();
    const client = await connected(wire(), { user: "ann", authorize });
    for (let n = 0; n < 3; n++) await client.call("history", { channel: "a", limit: 1 });
    expect(asked).toEqual(["history a"]);
  });

  test("are kept only by an authorizer that was wrapped", async () => {
    let asked = 0;
    const client = await connected(wire(), { user: "ann", authorize: () => ++asked > 0 });
    for (let n = 0; n < 3; n++) await client.call("history", { channel: "a", limit: 1 });
    expect(asked).toBe(3);
  });

  test.each([{ ttl: Number.NaN }, { size: -1 }])("%j is a RangeError", (options) => {
    expect(() => cached(() => true, options)).toThrow(RangeError);
  });

  test("are cleared by a call that need not be awaited, and can be", async () => {
    let asked = 0;
    const { forget, ...rest } = cached(() => ++asked > 0);
    expect(rest).toEqual({});
    await expect(forget()).resolves.toBeUndefined();
  });

  test.each([null, {}, 1])("need a notifier to be cleared everywhere, not %j", (notifier) => {
    const message =
      "Cannot forget in all processes: give what createNotifier returns, cached(authorize, { notifier })";
    expect(() => cached(() => true, { notifier: notifier as never })).toThrow(new TypeError(message));
  });

  test("need a function", () => {
    const message = "Cannot remember answers: give the function that authorizes first, not object";
    expect(() => cached({ ttl: 1 } as never)).toThrow(new TypeError(message));
  });
});
