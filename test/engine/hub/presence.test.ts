import { describe, expect } from "vitest";
import { type Pipe, pipe } from "../../../src/testing/pipe.ts";
import {
  type Core,
  deferred,
  finish,
  type Message,
  never,
  offsetsIn,
  subscriber,
  test,
} from "../../support/core.ts";

const all = () => true;

function person(core: Core, user: string, info?: unknown) {
  return subscriber(core, "room", { peer: { user, info, authorize: all } });
}

describe("presence", () => {
  test("returns who is on a channel now, and the number of users", async ({ start }) => {
    const core = start();
    expect(await core.notifier.presence("room")).toEqual({ clients: [], users: 0 });
    const [ann, again, bob] = [
      await person(core, "ann", { age: 3 }),
      await person(core, "ann"),
      await person(core, "bob"),
    ];
    await subscriber(core, "elsewhere");
    expect(await core.notifier.presence("room")).toEqual({
      clients: [
        { session: ann.session.id, user: "ann", info: { age: 3 } },
        { session: again.session.id, user: "ann", info: undefined },
        { session: bob.session.id, user: "bob", info: undefined },
      ],
      users: 2,
    });
    again.drop();
    bob.send({ id: 9, unsubscribe: { channel: "room" } });
    await core.clock.settle();
    expect((await core.notifier.presence("room")).clients.map(({ session }) => session)).toEqual([
      ann.session.id,
    ]);
  });
});

describe("the number of clients on a channel", () => {
  test("stays right while clients join and leave, by client and by user", async ({ start }) => {
    const core = start();
    const ann = await person(core, "ann");
    const stats = async (): Promise<unknown> => {
      ann.take();
      ann.send({ id: 9, presence_stats: { channel: "room" } });
      await core.clock.settle();
      const { num_clients, num_users } = (ann.take()[0] as { presence_stats: Record<string, number> })
        .presence_stats;
      return [num_clients, num_users];
    };
    expect(await stats()).toEqual([1, 1]);
    const [again, bob] = [await person(core, "ann"), await person(core, "bob")];
    expect(await stats()).toEqual([3, 2]);
    bob.drop();
    await person(core, "constructor");
    expect(await stats()).toEqual([3, 2]);
    again.drop();
    expect([await stats(), (await core.notifier.presence("room")).users]).toEqual([[2, 2], 2]);
    ann.send({ id: 9, unsubscribe: { channel: "room" } });
    await core.clock.settle();
    expect(await stats()).toEqual([1, 1]);
  });

  test("is returned without visiting each client", async ({ start }) => {
    const core = start();
    const clients = await Promise.all(Array.from({ length: 50 }, (_, n) => person(core, `user ${n}`)));
    const asking = clients[0] as Pipe;
    let looks = 0;
    for (const { session } of clients) {
      const { peer } = session as unknown as { peer: { user: string } };
      const { user } = peer;
      Object.defineProperty(peer, "user", {
        get() {
          looks++;
          return user;
        },
      });
    }
    const ask = async (): Promise<void> => {
      asking.send({ id: 9, presence_stats: { channel: "room" } });
      await core.clock.settle();
    };
    await ask();
    const first = looks;
    await ask();
    expect([first >= 50, looks - first < 10]).toEqual([true, true]);
  });
});

describe("disconnect", () => {
  test("closes all sessions of a user at once, for good by default", async ({ start }) => {
    const core = start();
    const clients = [await person(core, "ann"), await person(core, "bob"), await person(core, "ann")];
    core.notifier.disconnect({ user: "ann" });
    await core.clock.settle();
    const reason = { code: 3503, reason: "force disconnect" };
    expect(clients.map(({ closed }) => closed)).toEqual([reason, undefined, reason]);
    expect((await core.notifier.presence("room")).users).toBe(1);
  });

  test("closes one session, with the given code", async ({ start }) => {
    const core = start();
    const clients = [await person(core, "ann"), await person(core, "ann"), await person(core, "ann")];
    core.notifier.disconnect({ session: clients[0]?.session.id as string }, 3011);
    core.notifier.disconnect({ session: clients[1]?.session.id as string }, 4123);
    await core.clock.settle();
    expect(clients.map(({ closed }) => closed?.code)).toEqual([3011, 4123, undefined]);
  });

  test("keeps back what the peer had not been sent yet", async ({ start }) => {
    const core = start();
    const ann = await person(core, "ann");
    await core.notifier.publish("room", "private");
    core.notifier.disconnect({ user: "ann" });
    await core.clock.settle();
    expect(ann.received).toEqual([]);
  });

  test.for([0, 1000, 2999, 5000, 3500.5, Number.NaN])("refuses code %s", async (code, { start }) => {
    const core = start();
    const ann = await person(core, "ann");
    await expect(core.notifier.disconnect({ user: "ann" }, code)).rejects.toThrow(RangeError);
    expect(ann.closed).toBeUndefined();
  });

  test("of an unknown user does nothing, before the first use and after close too", async ({ start }) => {
    const core = start();
    core.notifier.disconnect({ user: "ann" });
    await finish(core);
    core.notifier.disconnect({ user: "ann" });
  });
});

describe("unsubscribe", () => {
  test("ends a user's subscriptions to a channel with a code not to come back, and sends no more", async ({
    start,
  }) => {
    const core = start();
    const [ann, bob] = [await person(core, "ann"), await person(core, "bob")];
    await core.notifier.publish("room", "unsent");
    core.notifier.unsubscribe("ann", "room");
    await core.notifier.publish("room", "after");
    await core.clock.settle();
    expect(ann.received).toMatchObject([
      { push: { channel: "room", unsubscribe: { code: 2000, reason: "server unsubscribed" } } },
    ]);
    expect(offsetsIn(bob.received, "room")).toEqual([1, 2]);
    expect((await core.notifier.presence("room")).clients.map(({ user }) => user)).toEqual(["bob"]);
    ann.send({ id: 9, subscribe: { channel: "room" } });
    await core.clock.settle();
    expect((ann.received.at(-1) as Message).subscribe).toMatchObject({ offset: 2 });
  });

  test("of a user that is not there does nothing", async ({ start }) => {
    const core = start();
    const ann = await person(core, "ann");
    core.notifier.unsubscribe("bob", "room");
    core.notifier.unsubscribe("ann", "elsewhere");
    await core.clock.settle();
    expect(ann.received).toEqual([]);
  });
});

describe("accept", () => {
  test.for([
    ["without a user", {}],
    ["whose channel has no name", { user: "ann", channels: [""] }],
    ["whose info is a function", { user: "ann", info: () => 1 }],
  ])("refuses a peer %s", ([, peer], { start }) => {
    const { notifier } = start();
    expect(() => pipe(notifier, { peer: peer as never })).toThrow(TypeError);
    expect(notifier.stats().sessions).toBe(0);
  });
});

describe("what a notifier holds", () => {
  test("is counted", async ({ start }) => {
    const core = start({ rpc: { stuck: () => never() } });
    const zero = {
      sessions: 0,
      subscriptions: 0,
      channels: 0,
      runs: 0,
      publishing: 0,
      confirmed: 0,
      confirmedBytes: 0,
      tasks: 0,
      waits: 0,
      timers: 0,
    };
    expect(core.notifier.stats()).toEqual(zero);
    const go = deferred();
    const run = core.notifier.run(() => go.promise);
    const client = await subscriber(core, ["a", "b"]);
    await subscriber(core, "b");
    client.send({ id: 9, rpc: { method: "stuck" } });
    void run.result();
    await core.clock.settle();
    expect(core.notifier.stats()).toMatchObject({
      sessions: 2,
      subscriptions: 3,
      channels: 2,
      runs: 1,
      publishing: 0,
      tasks: 1,
    });
    go.resolve();
    await finish(core);
    expect(core.notifier.stats()).toEqual(zero);
  });

  test("is listed with its kind, its owner and its age, in readable words", async ({ start }) => {
    const core = start({ rpc: { stuck: () => never() } });
    const run = core.notifier.run(() => never(), { name: "render" });
    const client = await subscriber(core, "news");
    const { id } = client.session;
    await core.clock.advance(1_000);
    client.send({ id: 9, rpc: { method: "stuck" } });
    const waiting = run.result().catch(() => {});
    const following = core.notifier
      .follow("news")
      .next()
      .catch(() => {});
    await core.clock.advance(500);
    const owned = core.notifier.inspect();
    expect(owned).toContainEqual({ kind: "run", owner: `run:${run.id} "render"`, age: 1_500 });
    expect(owned).toContainEqual({ kind: "socket", owner: `session ${id}`, age: 1_500 });
    expect(owned).toContainEqual({ kind: "timer", owner: "heartbeats", age: expect.any(Number) });
    expect(owned).toContainEqual({ kind: "task", owner: `session ${id} rpc`, age: 500 });
    expect(owned).toContainEqual({ kind: "wait", owner: `result of run:${run.id} "render"`, age: 500 });
    expect(owned).toContainEqual({ kind: "wait", owner: "follow news", age: 500 });
    await finish(core);
    await Promise.all([waiting, following]);
    expect(core.notifier.inspect()).toEqual([]);
  });
});
