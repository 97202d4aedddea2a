import type { Log, Membership } from "tocsin";
import { type FakeClock, fakeClock, type Pipe, pipe, sharedLog } from "tocsin/testing";
import { test as base, describe, expect } from "vitest";
import { type Core, createCore, deferred } from "../../support/core.ts";
import { anybody } from "../../support/wire.ts";
import { finish } from "./cluster.ts";

type NodeLog = ReturnType<ReturnType<typeof sharedLog>["open"]>;

/** Several notifiers over one log, on one clock. */
class Cluster {
  readonly clock: FakeClock = fakeClock();
  readonly shared = sharedLog({ clock: this.clock });
  /** How many messages are kept for one that is away. */
  keptMessages = 10_000;
  readonly nodes: (Core & { log: NodeLog })[] = [];

  /** Starts one more node. The first use of a notifier joins. */
  async start(change: (log: Log) => Partial<Log> = () => ({})): Promise<Core & { log: NodeLog }> {
    const log = this.shared.open();
    const changed = { ...methodsOf(log), ...change(log) };
    const node = { ...createCore({ clock: this.clock, log: changed }), log };
    this.nodes.push(node);
    void node.notifier.closing;
    await this.clock.settle();
    return node;
  }

  async close({ notifier }: Core): Promise<void> {
    const closing = notifier.close();
    await this.clock.advance(60_000);
    await closing;
  }

  /** Connects a client to a node. It listens to a room, or is only in it. */
  async client({ notifier }: Core, how: "listens" | "is there", user = "", channel = "room"): Promise<Pipe> {
    const end = pipe(notifier, { peer: { ...anybody, user } });
    end.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel, join_leave: how === "listens" } });
    await this.clock.settle();
    return end;
  }

  /** Sends messages of a node that is none of the notifiers: to the first node, or to all. */
  async send(to: "all" | "first", kind: string, ...items: unknown[]): Promise<void> {
    const retention = { size: this.keptMessages, slack: 0 };
    const log = this.shared.open();
    for (let at = 0; at < items.length; at += 1_000) {
      const data = JSON.stringify({ format: 1, from: "other", kind, body: items.slice(at, at + 1_000) });
      const channel = to === "all" ? "\0all" : `\0node:${this.shared.nodes[0]}`;
      await log.append(channel, data, { time: this.clock.time(), retention });
    }
    await log[Symbol.asyncDispose]();
    await this.clock.settle();
  }

  /** The number of messages that were ever sent: to all nodes, and to each one. */
  get sent(): { all: number; inboxes: number } {
    const { channels } = this.shared.inspect();
    const inboxes = Object.keys(channels).filter((name) => name.startsWith("\0node:"));
    const top = (name: string): number => channels[name]?.top ?? 0;
    return { all: top("\0all"), inboxes: inboxes.reduce((sum, name) => sum + top(name), 0) };
  }
}

const test = base.extend<{ cluster: Cluster }>({
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads the required fixtures from the pattern
  cluster: async ({}, use) => {
    const cluster = new Cluster();
    await use(cluster);
    await finish(cluster);
  },
});

function methodsOf(log: Log): Log {
  return {
    append: (channel, data, options) => log.append(channel, data, options),
    read: (channel, options) => log.read(channel, options),
    watch: (channel, wake) => log.watch(channel, wake),
    join: (member, options) => log.join?.(member, options) as Promise<Membership>,
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

/** Returns the joins and leaves that a client was sent, since the last call, except those of users without a name. */
function announced(end: Pipe): [kind: "join" | "leave", user: string][] {
  return end.take().flatMap((message) => {
    const push = (message as { push?: Record<string, { info: { user: string } }> }).push;
    return (["join", "leave"] as const).flatMap((kind): [typeof kind, string][] => {
      const user = push?.[kind]?.info.user ?? "";
      return user === "" ? [] : [[kind, user]];
    });
  });
}

const unsubscribe = { id: 9, unsubscribe: { channel: "room" } };
const subscribe = { id: 10, subscribe: { channel: "room" } };

describe("a client that joins and leaves", () => {
  test("is announced to the listeners on all nodes, once to each", async ({ cluster }) => {
    const nodes = [await cluster.start(), await cluster.start(), await cluster.start()] as const;
    const listeners: Pipe[] = [];
    for (const node of nodes) listeners.push(await cluster.client(node, "listens"));
    for (const [at, node] of nodes.entries()) {
      const end = await cluster.client(node, "is there", `ann ${at}`);
      for (const listener of listeners) expect(announced(listener)).toEqual([["join", `ann ${at}`]]);
      end.send(unsubscribe);
      await cluster.clock.settle();
      for (const listener of listeners) expect(announced(listener)).toEqual([["leave", `ann ${at}`]]);
      end.send(subscribe);
      await cluster.clock.settle();
      end.drop();
      await cluster.clock.settle();
      for (const listener of listeners)
        expect(announced(listener)).toEqual([
          ["join", `ann ${at}`],
          ["leave", `ann ${at}`],
        ]);
    }
  });

  test("is announced as it is where it is: with its id, user and info", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    listener.take();
    const info = { name: "Ann\n", tags: ['"'] };
    const end = pipe(other.notifier, { peer: { ...anybody, user: "ann", info } });
    end.send({ id: 1, connect: {} }, subscribe);
    await cluster.clock.settle();
    const client = { user: "ann", client: end.session.id, conn_info: info };
    expect(listener.take()).toEqual([{ push: { channel: "room", join: { info: client } } }]);
  });

  test("in one turn is announced to nobody, here or elsewhere", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    const end = await cluster.client(other, "is there", "ann");
    expect(announced(listener)).toEqual([["join", "ann"]]);
    const { sent } = cluster;
    for (let n = 0; n < 100; n++) end.send(unsubscribe, subscribe);
    await cluster.clock.settle();
    expect([announced(listener), cluster.sent]).toEqual([[], sent]);
  });

  test("is announced in order when its node is slower to leave than to be told", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    const end = await cluster.client(other, "is there", "ann");
    end.send(unsubscribe);
    await cluster.clock.settle();
    await cluster.client(other, "is there", "bob");
    expect(announced(listener)).toEqual([
      ["join", "ann"],
      ["leave", "ann"],
      ["join", "bob"],
    ]);
  });
});

describe("nothing is sent", () => {
  test("where nobody listens", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const { sent } = cluster;
    for (const node of [one, other]) {
      const end = await cluster.client(node, "is there", "ann");
      end.send(unsubscribe);
      await cluster.clock.settle();
    }
    expect(cluster.sent).toEqual(sent);
  });

  test("to nodes that listen to other channels", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    await cluster.client(one, "listens", "", "hall");
    const { sent } = cluster;
    await cluster.client(other, "is there", "ann");
    expect(cluster.sent).toEqual(sent);
  });

  test("twice about a second listener of a channel, and once in a turn to each node that listens", async ({
    cluster,
  }) => {
    const nodes = [await cluster.start(), await cluster.start(), await cluster.start()] as const;
    const { all, inboxes } = cluster.sent;
    await cluster.client(nodes[0], "listens");
    await cluster.client(nodes[0], "listens");
    expect(cluster.sent).toEqual({ all: all + 1, inboxes });
    const ends = ["ann", "bob"].map((user) => pipe(nodes[1].notifier, { peer: { ...anybody, user } }));
    for (const end of ends) end.send({ id: 1, connect: {} }, subscribe);
    await cluster.clock.settle();
    expect(cluster.sent).toEqual({ all: all + 1, inboxes: inboxes + 1 });
  });

  test("once the last listener has left", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const [first, second] = [await cluster.client(one, "listens"), await cluster.client(one, "listens")];
    await cluster.client(one, "is there");
    first.drop();
    await cluster.clock.settle();
    await cluster.client(other, "is there", "ann");
    expect(announced(second)).toEqual([["join", "ann"]]);
    second.send(unsubscribe);
    await cluster.clock.settle();
    const { sent } = cluster;
    await cluster.client(other, "is there", "bob");
    expect([announced(second), cluster.sent]).toEqual([[], sent]);
    second.send({ ...subscribe, id: 11, subscribe: { channel: "room", join_leave: true } });
    await cluster.clock.settle();
    await cluster.client(other, "is there", "cid");
    expect(announced(second)).toEqual([["join", "cid"]]);
  });

  test("about a listener that comes and goes in one turn", async ({ cluster }) => {
    const one = await cluster.start();
    await cluster.start();
    const { sent } = cluster;
    const end = pipe(one.notifier, { peer: anybody });
    end.send(
      { id: 1, connect: {} },
      { id: 2, subscribe: { channel: "room", join_leave: true } },
      unsubscribe,
    );
    await cluster.clock.settle();
    expect(cluster.sent).toEqual(sent);
  });
});

describe("a node", () => {
  test("that starts later knows who listens, and is heard", async ({ cluster }) => {
    const one = await cluster.start();
    const listener = await cluster.client(one, "listens");
    const later = await cluster.start();
    await cluster.client(later, "is there", "ann");
    expect(announced(listener)).toEqual([["join", "ann"]]);
    const second = await cluster.client(later, "listens");
    await cluster.client(one, "is there", "bob");
    expect(announced(second)).toEqual([["join", "bob"]]);
  });

  test("tells of listeners that came before it had joined", async ({ cluster }) => {
    const one = await cluster.start();
    const { promise: isLate, resolve: join } = deferred();
    const later = await cluster.start((log) => ({
      async join(member, options) {
        await isLate;
        return log.join?.(member, options) as Promise<Membership>;
      },
    }));
    const listener = await cluster.client(later, "listens");
    join();
    await cluster.clock.settle();
    await cluster.client(one, "is there", "ann");
    expect(announced(listener)).toEqual([["join", "ann"]]);
  });

  test("that starts later is told of thousands of channels", async ({ cluster }) => {
    const one = await cluster.start();
    const listeners: Pipe[] = [];
    for (let first = 0; first < 1_100; first += 100) {
      const end = pipe(one.notifier, { peer: anybody });
      listeners.push(end);
      const channels = Array.from({ length: 100 }, (_, n) => `room ${first + n}`);
      const commands = channels.map((channel, n) => ({
        id: n + 2,
        subscribe: { channel, join_leave: true },
      }));
      end.send({ id: 1, connect: {} }, ...commands);
      await cluster.clock.settle();
    }
    const before = cluster.sent.inboxes;
    const later = await cluster.start();
    expect(cluster.sent.inboxes).toBe(before + 2);
    for (const channel of ["room 0", "room 1099"]) await cluster.client(later, "is there", "ann", channel);
    expect(listeners.flatMap(announced)).toEqual([
      ["join", "ann"],
      ["join", "ann"],
    ]);
  });

  test("that closes announces that its clients leave, and is sent nothing any more", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    const own = await cluster.client(other, "listens", "bob");
    await cluster.client(other, "is there", "ann");
    listener.take();
    own.take();
    await cluster.close(other);
    expect(announced(listener)).toEqual([
      ["leave", "bob"],
      ["leave", "ann"],
    ]);
    expect(announced(own)).toEqual([]);
    const { sent } = cluster;
    await cluster.client(one, "is there", "cid");
    expect(cluster.sent).toEqual(sent);
  });

  test("that closes announces each client once that leaves meanwhile", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    const end = await cluster.client(other, "is there", "ann");
    announced(listener);
    const { inboxes } = cluster.sent;
    cluster.shared.pause();
    const closing = other.notifier.close();
    await cluster.clock.settle();
    end.drop();
    await cluster.clock.settle();
    cluster.shared.resume();
    await cluster.clock.advance(1_000);
    await closing;
    expect([announced(listener), cluster.sent.inboxes]).toEqual([[["leave", "ann"]], inboxes + 1]);
  });

  test("asks again who listens when it has missed messages", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    const second = await cluster.client(other, "listens");
    cluster.keptMessages = 1;
    one.log.cut();
    await cluster.send("first", "joined", {}, ...Array(1_000).fill({}));
    const { all } = cluster.sent;
    one.log.heal();
    await cluster.clock.advance(10_000);
    // It asks who listens and who waits for what, and tells what it listens to.
    expect(cluster.sent.all).toBe(all + 3);
    await cluster.client(one, "is there", "ann");
    await cluster.client(other, "is there", "bob");
    for (const end of [listener, second])
      expect(announced(end)).toEqual([
        ["join", "ann"],
        ["join", "bob"],
      ]);
    expect(listener.closed).toBeUndefined();
    one.errors.splice(0);
  });

  test("looks every ten seconds which nodes are gone, if it has joins to send", async ({ cluster }) => {
    let looks = 0;
    const one = await cluster.start((log) => ({
      async join(member, options) {
        const membership = (await log.join?.(member, options)) as Membership;
        const nodes = () => {
          looks++;
          return membership.nodes?.() ?? [];
        };
        return { ...membership, nodes };
      },
    }));
    await cluster.client(await cluster.start(), "listens");
    await cluster.client(one, "is there");
    const before = looks;
    await cluster.client(one, "is there");
    await cluster.clock.advance(9_999);
    await cluster.client(one, "is there");
    expect(looks).toBe(before);
    await cluster.clock.advance(1);
    await cluster.client(one, "is there");
    await cluster.client(one, "is there");
    expect(looks).toBe(before + 1);
  });

  test("that is killed announces nothing, and is forgotten", async ({ cluster }) => {
    const [one, other, third] = [await cluster.start(), await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    await cluster.client(other, "listens");
    await cluster.client(other, "is there", "ann");
    announced(listener);
    other.log.kill();
    await cluster.clock.advance(30_000);
    expect(announced(listener)).toEqual([]);
    // The first message after the death makes this node look.
    await cluster.client(third, "is there", "bob");
    const { inboxes } = cluster.sent;
    await cluster.client(third, "is there", "cid");
    expect(cluster.sent.inboxes).toBe(inboxes + 1);
    expect(announced(listener)).toEqual([
      ["join", "bob"],
      ["join", "cid"],
    ]);
    other.errors.splice(0);
  });

  test("hears of joins again after the store has lost everything", async ({ cluster }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    cluster.shared.wipe();
    await cluster.clock.advance(6_000);
    expect(listener.closed?.code).toBe(3000);
    const again = await cluster.client(one, "listens");
    await cluster.client(other, "is there", "ann");
    expect(announced(again)).toEqual([["join", "ann"]]);
    for (const { errors } of cluster.nodes) errors.splice(0);
  });
});

describe("a message of another node", () => {
  const ann = { channel: "room", kind: "join", client: "1", user: "ann" };

  test("with a join or a leave that has another shape is ignored and counted", async ({ cluster }) => {
    const one = await cluster.start();
    const listener = await cluster.client(one, "listens");
    const odd = [
      1,
      { ...ann, channel: 1 },
      { ...ann, client: undefined },
      { ...ann, user: null },
      { ...ann, kind: "moves" },
      { ...ann, info: "{" },
    ];
    await cluster.send("first", "joined", ...odd, { ...ann, info: '{\n"name":1}' });
    expect(announced(listener)).toEqual([["join", "ann"]]);
    expect(one.notifier.totals().limits).toEqual({ messages: odd.length });
  });

  test("with a listener that has another shape is ignored and counted", async ({ cluster }) => {
    const one = await cluster.start();
    await cluster.send("all", "listens", {}, { isOn: true }, { channel: 1, isOn: true }, { channel: "room" });
    expect(one.notifier.totals().limits).toEqual({ messages: 4 });
    const { sent } = cluster;
    await cluster.client(one, "is there", "ann");
    expect(cluster.sent).toEqual(sent);
  });

  test("about a channel that nobody listens to is answered: nobody listens", async ({ cluster }) => {
    const one = await cluster.start();
    await cluster.client(one, "is there");
    const { all } = cluster.sent;
    await cluster.send("first", "joined", ann, { ...ann, client: "2" });
    expect(cluster.sent.all).toBe(all + 1);
  });

  test("is one of many that wait for the next round, and is dropped and counted above 10 000", async ({
    cluster,
  }) => {
    const one = await cluster.start();
    for (let n = 0; n < 100; n++) await cluster.client(one, "listens");
    await cluster.clock.advance(100);
    await cluster.client(one, "is there", "ann");
    const before = one.notifier.totals().limits.announcements ?? 0;
    const crowd = Array.from({ length: 10_000 }, (_, n) => ({ ...ann, client: String(n) }));
    await cluster.send(
      "first",
      "joined",
      ...crowd,
      ...["join", "leave"].map((kind) => ({ ...ann, kind, client: "last" })),
    );
    // What came later for the same client still counts.
    await cluster.send("first", "joined", ...crowd.map((client) => ({ ...client, kind: "leave" })));
    expect(one.notifier.totals().limits.announcements).toBe(before + 200);
  });
});

describe("a flood", () => {
  test("of 2 000 joins in a turn is announced as far as there is room, and the rest is counted", async ({
    cluster,
  }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    const crowd = Array.from({ length: 2_000 }, (_, n) =>
      pipe(other.notifier, { peer: { ...anybody, user: `u${n}` } }),
    );
    for (const end of crowd) end.send({ id: 1, connect: {} });
    await cluster.clock.settle();
    const { inboxes } = cluster.sent;
    for (const end of crowd) end.send(subscribe);
    await cluster.clock.settle();
    expect(cluster.sent.inboxes - inboxes).toBeLessThanOrEqual(4);
    const told = announced(listener).length;
    const dropped = one.notifier.totals().limits.announcements ?? 0;
    expect([told > 500, told + dropped]).toEqual([true, 2_000]);
    expect(listener.closed).toBeUndefined();
  });

  test("of clients that have much to tell of themselves is bounded in bytes, and the rest is counted", async ({
    cluster,
  }) => {
    const [one, other] = [await cluster.start(), await cluster.start()];
    const listener = await cluster.client(one, "listens");
    const crowd = Array.from({ length: 60 }, (_, n) =>
      pipe(other.notifier, { peer: { ...anybody, user: `u${n}`, info: "x".repeat(50_000) } }),
    );
    for (const end of crowd) end.send({ id: 1, connect: {} });
    await cluster.clock.settle();
    for (const end of crowd) end.send(subscribe);
    await cluster.clock.settle();
    // 20 of 50 kB fit into what a node is sent in a turn.
    expect(other.notifier.totals().limits).toEqual({ announcements: 40 });
    const told = announced(listener).length;
    expect([told > 0, told + (one.notifier.totals().limits.announcements ?? 0)]).toEqual([true, 20]);
    await cluster.client(other, "is there", "ann");
    expect(announced(listener)).toEqual([["join", "ann"]]);
  });

  test("while the log fails is dropped and counted once too much waits", async ({ cluster }) => {
    const one = await cluster.start();
    const log = cluster.shared.open();
    const other = { ...createCore({ clock: cluster.clock, log, limits: { waiting: 1_000 } }), log };
    cluster.nodes.push(other);
    void other.notifier.closing;
    await cluster.clock.settle();
    const listener = await cluster.client(one, "listens");
    await cluster.client(other, "is there", "ann");
    log.cut();
    const publishing = other.notifier.publish("news", "x".repeat(1_000));
    await cluster.clock.settle();
    await cluster.client(other, "is there", "cid");
    expect(other.notifier.totals().limits).toEqual({ announcements: 1 });
    log.heal();
    await cluster.clock.advance(20_000);
    await publishing;
    await cluster.client(other, "is there", "bob");
    expect(announced(listener)).toEqual([
      ["join", "ann"],
      ["join", "bob"],
    ]);
    other.errors.splice(0);
  });
});
