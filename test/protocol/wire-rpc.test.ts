import { BusyError, type Peer } from "tocsin";
import { pipe } from "tocsin/testing";
import { describe, expect, test } from "vitest";
import { deferred } from "../support/core.ts";
import { pub, wire } from "../support/wire.ts";

const internal = { code: 100, message: "internal server error", temporary: true };
const badRequest = { code: 107, message: "bad request" };
const notAvailable = { code: 108, message: "not available" };

describe("rpc", () => {
  test("returns what the handler returns or resolves with, and calls it with the peer and the data", async () => {
    const calls: unknown[] = [];
    const { client: connect } = wire({
      rpc: {
        add(peer, { method, data, session }) {
          calls.push([peer.user, method, data, session]);
          const [a, b] = data as [number, number];
          return { sum: a + b };
        },
        later: async (_, { data }) => data,
        nothing: () => undefined,
        zero: () => null,
      },
    });
    const client = connect({ peer: { user: "ann" } });
    await client.connect();
    expect(await client.call("rpc", { method: "add", data: [1, 2] })).toEqual({
      id: 2,
      rpc: { data: { sum: 3 } },
    });
    expect(await client.call("rpc", { method: "later", data: "x" })).toEqual({ id: 3, rpc: { data: "x" } });
    expect(await client.call("rpc", { method: "nothing" })).toEqual({ id: 4, rpc: {} });
    expect(await client.call("rpc", { method: "zero" })).toEqual({ id: 5, rpc: { data: null } });
    expect(calls).toEqual([["ann", "add", [1, 2], client.id]]);
  });

  test("without any handlers is refused with 108, of an unknown method with 104, without a method with 107", async () => {
    const none = wire();
    const lonely = none.client();
    await lonely.connect();
    expect(await lonely.call("rpc", { method: "a" })).toEqual({ id: 2, error: notAvailable });
    const some = wire({ rpc: { a: () => 1 } });
    const client = some.client();
    await client.connect();
    for (const [at, method] of ["b", "toString", "__proto__", "constructor", ""].entries()) {
      expect(await client.call("rpc", { method, data: {} })).toEqual({
        id: at + 2,
        error: { code: 104, message: "method not found" },
      });
    }
    expect(await client.call("rpc", { data: 1 })).toEqual({ id: 7, error: badRequest });
    expect(await client.call("rpc", { method: 7 })).toEqual({ id: 8, error: badRequest });
  });

  test("whose handler throws, rejects, or returns what JSON cannot represent is answered with 100 and reported", async () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const { client: connect, takeErrors } = wire({
      rpc: {
        throws() {
          throw new Error("thrown");
        },
        rejects: () => Promise.reject(new Error("rejected")),
        rejectsWithNothing: () => Promise.reject(undefined),
        cycle: () => cycle,
        big: () => 1n,
        func: () => () => {},
        hostile: () => ({
          toJSON() {
            throw new Error("hostile");
          },
        }),
      },
    });
    const [client, other] = [connect(), connect()];
    await client.connect();
    await other.connect();
    const methods = ["throws", "rejects", "rejectsWithNothing", "cycle", "big", "func", "hostile"];
    for (const [at, method] of methods.entries()) {
      expect(await client.call("rpc", { method })).toEqual({ id: at + 2, error: internal });
    }
    expect(await client.call("ping", {})).toEqual({ id: 9, ping: {} });
    expect(await other.call("ping", {})).toEqual({ id: 2, ping: {} });
    const errors = takeErrors();
    expect(errors.map(({ stage }) => stage)).toEqual(methods.map(() => "rpc"));
    expect(errors.slice(0, 3).map(({ message }) => message)).toEqual(["thrown", "rejected", "undefined"]);
  });

  test("whose handler never settles is answered with 100 after 10 s, its signal aborted; other clients are not delayed", async () => {
    const signals: AbortSignal[] = [];
    const {
      clock,
      client: connect,
      takeErrors,
    } = wire({
      rpc: {
        hang(_, { signal }) {
          signals.push(signal);
          return new Promise(() => {});
        },
      },
    });
    const [client, other] = [connect(), connect()];
    await client.connect();
    await other.connect();
    client.send({ id: 2, rpc: { method: "hang" } }, { id: 3, sub_refresh: {} });
    await clock.advance(9_999);
    expect(client.received).toEqual([]);
    expect(await other.call("ping", {})).toEqual({ id: 2, ping: {} });
    await clock.advance(1);
    expect(client.received).toEqual([
      { id: 2, error: internal },
      { id: 3, error: notAvailable },
    ]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(takeErrors().map(({ stage }) => stage)).toEqual(["rpc"]);
  });

  test("a result that comes after its time is not sent", async () => {
    const answer = deferred<string>();
    const { clock, client: connect, takeErrors } = wire({ rpc: { late: () => answer.promise } });
    const client = connect();
    await client.connect();
    client.send({ id: 2, rpc: { method: "late" } });
    await clock.advance(10_000);
    answer.resolve("late");
    await clock.advance(1_000);
    expect(client.received).toEqual([{ id: 2, error: internal }]);
    expect(takeErrors()).toHaveLength(1);
  });

  test("a result above the limit of a publication is refused with 106", async () => {
    const { client: connect } = wire({ limits: { publication: 10 }, rpc: { long: () => "123456789" } });
    const client = connect();
    await client.connect();
    expect(await client.call("rpc", { method: "long" })).toEqual({
      id: 2,
      error: { code: 106, message: "limit exceeded" },
    });
  });

  test("a handler may close the notifier, without a deadlock", async () => {
    const here = wire({ rpc: { stop: () => here.notifier.close() } });
    const client = here.client();
    await client.connect();
    client.send({ id: 2, rpc: { method: "stop" } });
    await here.clock.advance(5_000);
    expect(client.closed).toEqual({ code: 3001, reason: "shutdown" });
    expect((await here.notifier.closed).sessions.closed + (await here.notifier.closed).sessions.cut).toBe(1);
  });

  test("a handler may disconnect its own session", async () => {
    const here = wire({
      rpc: { leave: (_, { session }) => here.notifier.disconnect({ session }, 3503) },
    });
    const client = here.client();
    await client.connect();
    expect(await client.call("rpc", { method: "leave" })).toBeUndefined();
    expect(client.closed).toEqual({ code: 3503, reason: "force disconnect" });
  });
});

describe("run.cancel", () => {
  const cancel = (run: string, reason?: string) => ({ method: "run.cancel", data: { run, reason } });
  const status = (id: number, text: string) => ({ id, rpc: { data: { status: text } } });

  /** Starts a run that ends when the test lets it. */
  async function working(owner?: string) {
    const here = wire();
    const run = here.notifier.run(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
      { owner },
    );
    run.result().catch(() => {});
    await here.clock.settle();
    const client = here.client({ peer: { user: "ann" } });
    await client.connect();
    return { ...here, run, client };
  }

  test("is answered requested, then finished, without any handler; the ending is in the log", async () => {
    const { client, run } = await working();
    await client.call("subscribe", { channel: `run:${run.id}` });
    expect(await client.call("rpc", cancel(run.id, "enough"))).toEqual(status(3, "requested"));
    expect(run.status).toBe("cancelled");
    const ending = { type: "run.cancelled", run: run.id, by: "client", reason: "enough" };
    expect(client.received).toEqual([pub(`run:${run.id}`, 2, ending)]);
    expect(await client.call("rpc", cancel(run.id))).toEqual(status(4, "finished"));
  });

  test("of a run that does not exist is answered unknown, and so is one of another user", async () => {
    const { client, run } = await working("bob");
    expect(await client.call("rpc", cancel("nobody"))).toEqual(status(2, "unknown"));
    expect(await client.call("rpc", cancel(run.id))).toEqual(status(3, "unknown"));
    expect(run.status).toBe("working");
  });

  test("by its owner is answered requested, by another session of the same user too", async () => {
    const { client, run } = await working("ann");
    expect(await client.call("rpc", cancel(run.id))).toEqual(status(2, "requested"));
    expect(run.status).toBe("cancelled");
  });

  test("without a run, or with a reason that is not a string, is refused with 107", async () => {
    const { client, run } = await working();
    for (const [at, data] of [
      undefined,
      null,
      {},
      { run: 7 },
      [run.id],
      { run: run.id, reason: 7 },
    ].entries()) {
      expect(await client.call("rpc", { method: "run.cancel", data })).toEqual({
        id: at + 2,
        error: badRequest,
      });
    }
    expect(run.status).toBe("working");
  });

  test("disconnecting and unsubscribing cancel no run", async () => {
    const { client, run, clock } = await working();
    await client.call("subscribe", { channel: `run:${run.id}` });
    await client.call("unsubscribe", { channel: `run:${run.id}` });
    client.drop();
    await clock.advance(60_000);
    expect(run.status).toBe("working");
  });
});

describe("send", () => {
  test("calls the handler with its data, in order, and has no reply", async () => {
    const received: unknown[] = [];
    const { clock, client: connect } = wire();
    const receive: Peer["receive"] = (peer, data) => received.push([peer.user, data]);
    const client = connect({ peer: { user: "ann", receive } });
    await client.connect();
    client.send({ send: { data: 1 } }, { send: { data: { a: [] } } }, { send: {} });
    await clock.settle();
    expect(received).toEqual([
      ["ann", 1],
      ["ann", { a: [] }],
      ["ann", undefined],
    ]);
    expect(client.received).toEqual([]);
  });

  test("without a handler is ignored", async () => {
    const { client: connect } = wire();
    const client = connect();
    await client.connect();
    client.send({ send: { data: 1 } });
    expect(await client.call("ping", {})).toEqual({ id: 2, ping: {} });
  });

  test("whose handler throws, rejects or never settles is reported, and the session stays open", async () => {
    const { clock, client: connect, takeErrors } = wire();
    const client = connect({
      peer: {
        user: "",
        receive(_, data) {
          if (data === "throw") throw new Error("thrown");
          return data === "hang" ? new Promise(() => {}) : Promise.reject(new Error("rejected"));
        },
      },
    });
    await client.connect();
    client.send({ send: { data: "throw" } }, { send: { data: "reject" } }, { send: { data: "hang" } });
    await clock.advance(10_000);
    expect(await client.call("ping", {})).toEqual({ id: 2, ping: {} });
    const errors = takeErrors();
    expect(errors.map(({ stage }) => stage)).toEqual(["send", "send", "send"]);
    expect(errors.slice(0, 2).map(({ message }) => message)).toEqual(["thrown", "rejected"]);
  });
});

describe("a command that is answered at once", () => {
  test("overtakes a slow handler: ping, acknowledgement and cancelling a run", async () => {
    const answer = deferred<string>();
    const { clock, client: connect, notifier } = wire({ rpc: { slow: () => answer.promise } });
    const run = notifier.run(async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw signal.reason;
    });
    run.result().catch(() => {});
    const client = connect();
    await client.connect();
    client.send(
      { id: 2, rpc: { method: "slow" } },
      { id: 3, presence_stats: { channel: "a" } },
      { id: 4, ping: {} },
      { id: 5, rpc: { method: "ack", data: { ack: {} } } },
      { id: 6, rpc: { method: "run.cancel", data: { run: run.id } } },
    );
    await clock.settle();
    expect(client.take()).toEqual([
      { id: 4, ping: {} },
      { id: 5, rpc: {} },
      { id: 6, rpc: { data: { status: "requested" } } },
    ]);
    expect(run.status).toBe("cancelled");
    answer.resolve("late");
    await clock.settle();
    expect(client.take()).toMatchObject([{ id: 2 }, { id: 3 }]);
  });

  test("does not overtake connect, nor commands that can be answered before connect", async () => {
    const { clock, client: connect } = wire();
    const client = connect({
      peer: { user: "", connect: async () => ({ user: "ann" }), authorize: () => true },
    });
    client.send(
      { id: 1, connect: {} },
      { id: 2, rpc: { method: "run.cancel", data: { run: "none" } } },
      { id: 3, ping: {} },
    );
    await clock.settle();
    client.send({ id: 4, sub_refresh: {} }, { id: 5, ping: {} });
    await clock.settle();
    expect((client.received as { id: number }[]).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
  });

  test("and is slow itself counts among the waiting commands, and ends with the session", async () => {
    const asked: AbortSignal[] = [];
    const {
      clock,
      client: connect,
      notifier,
    } = wire({
      limits: { commands: 5, subscriptions: 4 },
      rpc: { slow: (_, { signal }) => asked.push(signal) && new Promise(() => {}) },
    });
    const client = connect({
      peer: { user: "ann", authorize: (_, { signal }) => asked.push(signal) > 0 && new Promise(() => {}) },
    });
    await client.connect();
    client.send({ id: 2, rpc: { method: "slow" } });
    for (let id = 3; id < 8; id++) client.send({ id, rpc: { method: "run.cancel", data: { run: "none" } } });
    await clock.settle();
    expect([client.closed, asked.map(({ aborted }) => aborted)]).toEqual([undefined, Array(6).fill(false)]);
    client.send({ id: 8, rpc: { method: "run.cancel", data: { run: "none" } } });
    await clock.settle();
    expect(client.closed).toEqual({ code: 3013, reason: "too many requests" });
    expect(asked.map(({ aborted }) => aborted)).toEqual(Array(asked.length).fill(true));
    expect(notifier.stats()).toMatchObject({ sessions: 0, waits: 0, timers: 0 });
  });
});

test("is refused with 111 where it publishes and too much waits already, and may be tried again", async () => {
  const here = wire();
  const client = pipe(here.notifier);
  client.send({ id: 1, connect: {} });
  await here.clock.settle();
  client.take();
  const { context } = client.session as unknown as { context: object };
  const append = () => Promise.reject(new BusyError("Cannot publish: too much waits already"));
  Object.assign(context, { append });
  client.send({ id: 2, publish: { channel: "a", data: 1 } });
  await here.clock.settle();
  expect(client.received).toEqual([
    { id: 2, error: { code: 111, message: "too many requests", temporary: true } },
  ]);
  expect(here.notifier.totals().limits).toEqual({ waiting: 1 });
});
