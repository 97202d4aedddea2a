import { describe, expect } from "vitest";
import { anybody } from "../../support/wire.ts";
import { client, type Pair, settled, subscribe, test } from "./cluster.ts";

describe("presence over nodes", () => {
  test("has the clients of all nodes, for the server and for clients", async ({ open }) => {
    const { clock, nodes } = await open(3);
    const ends = nodes.map(({ notifier }, index) => client(notifier, { ...anybody, user: `user ${index}` }));
    for (const end of ends) await subscribe(clock, end, "news");
    for (const { notifier } of nodes) {
      const { clients, users, complete } = await settled(clock, notifier.presence("news"));
      expect(clients.map(({ user }) => user).sort()).toEqual(["user 0", "user 1", "user 2"]);
      expect([users, complete]).toEqual([3, true]);
    }
    const [end] = ends as [ReturnType<typeof client>];
    end.send({ id: 3, presence: { channel: "news" } }, { id: 4, presence_stats: { channel: "news" } });
    await clock.advance(2_000);
    const [reply, stats] = end.received.slice(-2) as {
      presence?: { presence: Record<string, { user: string }> };
    }[];
    expect(
      Object.values(reply?.presence?.presence ?? {})
        .map(({ user }) => user)
        .sort(),
    ).toEqual(["user 0", "user 1", "user 2"]);
    expect(stats).toEqual({ id: 4, presence_stats: { num_clients: 3, num_users: 3 } });
  });

  test("says that it is not complete when a node does not answer within a second", async ({ open }) => {
    const { clock, nodes } = await open(2);
    const [one, other] = nodes as Pair;
    await subscribe(clock, client(one.notifier, { ...anybody, user: "ann" }), "news");
    other.log.cut();
    const asking = one.notifier.presence("news");
    await clock.advance(1_000);
    expect(await asking).toMatchObject({ clients: [{ user: "ann" }], complete: false });
    other.log.heal();
    other.errors.splice(0);
  });

  test("asks once a second at most, whoever asks", async ({ open }) => {
    const { clock, nodes, shared } = await open(2);
    const [{ notifier }] = nodes as Pair;
    const top = () => shared.inspect().channels["\0all"]?.top ?? 0;
    const before = top();
    const messages = () => top() - before;
    await settled(clock, Promise.all([1, 2, 3].map(() => notifier.presence("news"))));
    expect(messages()).toBe(1);
    await clock.advance(1_000);
    await settled(clock, notifier.presence("news"));
    expect(messages()).toBe(2);
  });
});

describe("a run over nodes", () => {
  const waits = ({ signal }: { signal: AbortSignal }) =>
    new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

  test("is cancelled from another node, by its server", async ({ open }) => {
    const { clock, nodes } = await open(2);
    const [one, other] = nodes as Pair;
    const run = one.notifier.run(waits, { id: "r", owner: "ann" });
    await clock.settle();
    const found = await settled(clock, other.notifier.runs.find("r"));
    await settled(clock, (found as NonNullable<typeof found>).cancel("enough"));
    await expect(run.result()).rejects.toMatchObject({
      name: "CancelError",
      message: expect.stringContaining("enough"),
    });
    expect(run.status).toBe("cancelled");
  });

  test("is cancelled from another node, by a client of its owner, and by nobody else", async ({ open }) => {
    const { clock, nodes } = await open(2);
    const [one, other] = nodes as Pair;
    const run = one.notifier.run(waits, { id: "r", owner: "ann" });
    run.result().catch(() => {});
    await clock.settle();
    const statuses: unknown[] = [];
    for (const user of ["bob", "ann"]) {
      const end = client(other.notifier, { user });
      end.send({ id: 1, connect: {} }, { id: 2, rpc: { method: "run.cancel", data: { run: "r" } } });
      await clock.settle();
      const reply = end.received.at(-1) as { rpc?: { data: unknown } };
      statuses.push(reply.rpc?.data);
    }
    expect(statuses).toEqual([{ status: "unknown" }, { status: "requested" }]);
    await clock.settle();
    expect(run.status).toBe("cancelled");
  });

  test("is cancelled before its start is in the log", async ({ open }) => {
    const { clock, nodes } = await open(2);
    const [one] = nodes as Pair;
    const run = one.notifier.run(waits, { id: "r", owner: "ann" });
    const cancelling = run.cancel();
    await settled(clock, cancelling);
    expect(run.status).toBe("cancelled");
  });
});

describe("what is revoked", () => {
  test("is revoked on all nodes: a user is disconnected, and a subscription ends", async ({ open }) => {
    const { clock, nodes } = await open(3);
    const ends = nodes.map(({ notifier }) => client(notifier, { ...anybody, user: "ann" }));
    for (const end of ends) await subscribe(clock, end, "news");
    const [{ notifier }] = nodes as Pair;
    await settled(clock, notifier.unsubscribe("ann", "news"));
    for (const end of ends)
      expect(end.received.at(-1)).toMatchObject({ push: { channel: "news", unsubscribe: { code: 2000 } } });
    await settled(clock, notifier.disconnect({ user: "ann" }));
    expect(ends.map(({ closed }) => closed?.code)).toEqual([3503, 3503, 3503]);
  });

  test("reaches a node that was cut off, once it is back", async ({ open }) => {
    const { clock, nodes } = await open(2);
    const [one, other] = nodes as Pair;
    const end = client(other.notifier, { ...anybody, user: "ann" });
    await subscribe(clock, end, "news");
    other.log.cut();
    await settled(clock, one.notifier.disconnect({ user: "ann" }));
    expect(end.closed).toBeUndefined();
    other.log.heal();
    await clock.advance(6_000);
    expect(end.closed?.code).toBe(3503);
    other.errors.splice(0);
  });

  test("is not known to a node that has missed it: it lets everybody connect again", async ({ open }) => {
    const { clock, nodes, shared } = await open(2);
    const [, other] = nodes as Pair;
    const end = client(other.notifier, { ...anybody, user: "ann" });
    await subscribe(clock, end, "news");
    shared.wipe();
    await clock.advance(6_000);
    expect(end.closed?.code).toBe(3000);
    for (const { errors } of nodes) errors.splice(0);
  });
});
