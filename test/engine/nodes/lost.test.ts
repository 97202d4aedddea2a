import { createNotifier, LogError, RunError } from "tocsin";
import { output } from "tocsin/run";
import type { NodeLog } from "tocsin/testing";
import { describe, expect } from "vitest";
import type { Log, Member } from "../../../src/model/log.ts";
import { aborted, deferred, outcomeOf, payloads, rejection } from "../../support/core.ts";
import { anybody } from "../../support/wire.ts";
import {
  type Cluster,
  type ClusterNode,
  client,
  lease,
  type Pair,
  settled,
  subscribe,
  takeErrors,
  test,
  typesIn,
  waits,
} from "./cluster.ts";

/** Cuts a node off for longer than its lease, and lets it come back. */
async function away({ clock }: Cluster, node: ClusterNode): Promise<void> {
  node.log.cut();
  await clock.advance(2 * lease);
  node.log.heal();
  await clock.advance(6_000);
  expect(takeErrors(node)).toContainEqual(expect.stringContaining("Lost the place in the log"));
}

const lost = { name: "RunError", reason: "lost" };

describe("a node that was cut off for longer than its lease", () => {
  test("works again under another id, with its sessions, and nothing is started again", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const end = client(other.notifier);
    await subscribe(clock, end, "news");
    const before = [...shared.nodes];
    const waiting = outcomeOf(Promise.resolve());
    other.log.cut();
    const publishing = outcomeOf(other.notifier.publish("news", "meanwhile"));
    await clock.advance(2 * lease);
    expect([shared.nodes, publishing.state]).toEqual([[before[0]], "pending"]);
    other.log.heal();
    await clock.advance(6_000);
    expect(shared.nodes).toEqual([before[0], expect.not.stringMatching(before[1] as string)]);
    expect(takeErrors(other)).toContainEqual(
      "Lost the place in the log: Cannot write to the log: the store has heard nothing from this node for 15000 ms, and takes it for gone. It may join again. Runs and confirmed publications of this process go to others, and it joins it again",
    );
    expect([publishing.state, waiting.state]).toEqual(["fulfilled", "fulfilled"]);
    await settled(clock, one.notifier.publish("news", "again"));
    await settled(clock, other.notifier.publish("news", "and again"));
    expect(await settled(clock, payloads(one.notifier, "news"))).toEqual(["meanwhile", "again", "and again"]);
    expect(end.closed).toBeUndefined();
    const { clients } = await settled(clock, one.notifier.presence("news"));
    expect(clients).toHaveLength(1);
    const run = other.notifier.run(async () => 7);
    expect(await settled(clock, run.result())).toBe(7);
    expect(one.errors).toEqual([]);
  });

  test("tells what clients acknowledge while it joins again", async ({ open }) => {
    const cluster = await open(2, { log: { latency: 10 } });
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    await clock.advance(200);
    const ann = client(other.notifier, { user: "ann", authorize: () => true });
    const acknowledges = { send: { data: { ack: {} } } };
    ann.send({ id: 1, connect: {} }, acknowledges, { id: 2, subscribe: { channel: "news" } });
    await clock.advance(200);
    const publishing = one.notifier.publish("news", "a", { confirm: true, ttl: 120_000 });
    await clock.advance(200);
    const { position } = await publishing;
    other.log.cut();
    await clock.advance(2 * lease);
    other.log.heal();
    while (other.errors.length === 0 || other.notifier.totals().log.place === "joined")
      await clock.advance(1);
    ann.send({ send: { data: { ack: { news: position } } } });
    await clock.advance(6_000);
    expect(one.notifier.stats().confirmed).toBe(0);
    expect(takeErrors(other)).toContainEqual(expect.stringContaining("Lost the place in the log"));
  });

  test("can be lost again and again", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ids = new Set(cluster.shared.nodes);
    for (let count = 0; count < 3; count++) {
      const run = other.notifier.run(waits);
      const result = outcomeOf(run.result());
      await cluster.clock.settle();
      await away(cluster, other);
      expect(result.reason).toMatchObject(lost);
      expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.failed"]);
      for (const id of cluster.shared.nodes) ids.add(id);
    }
    expect([ids.size, one.errors, cluster.shared.inspect().records.length]).toEqual([5, [], 3]);
  });

  test("alone, it inherits what it has left itself", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const run = other.notifier.run(waits);
    const result = outcomeOf(run.result());
    const confirmed = other.notifier.publish("news", "a", { confirm: true, ttl: 100_000 });
    await settled(clock, confirmed);
    const closing = one.notifier.close();
    other.log.cut();
    await clock.settle();
    await closing;
    const third = shared.open();
    await third.join({ inherits() {}, lost() {} });
    await clock.advance(2 * lease);
    await third[Symbol.asyncDispose]();
    other.log.heal();
    await clock.advance(6_000);
    other.errors.splice(0);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.failed"]);
    expect([result.reason, other.notifier.stats().confirmed]).toEqual([expect.objectContaining(lost), 2]);
    await clock.advance(100_000);
    expect(other.undelivered).toEqual(["a expired"]);
  });
});

describe("a node that joins", () => {
  /** A notifier whose log does something while it joins for the first time. */
  function joining({ clock, shared }: Cluster, first: (log: NodeLog, member: Member) => Promise<void>) {
    const log = shared.open();
    const errors: unknown[] = [];
    let joins = 0;
    let fails = 0;
    const spied: Log = {
      append: (...call) => log.append(...call),
      read: async (...call) => {
        if (fails-- > 0) throw new Error("the store is busy");
        return log.read(...call);
      },
      watch: (...call) => log.watch(...call),
      keeps: (channel) => log.keeps(channel),
      async join(member, options) {
        const membership = await log.join(member, options);
        if (joins++ === 0) await first(log, member);
        return membership;
      },
      [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
    };
    const notifier = createNotifier({ clock, log: spied, onError: (error) => void errors.push(error) });
    return {
      ...{ notifier, errors },
      joins: () => joins,
      fail(count: number) {
        fails = count;
      },
    };
  }

  test("joins again if it is taken for gone before it knows that it has joined", async ({ open }) => {
    const cluster = await open(1);
    const { clock, shared } = cluster;
    const healed = deferred();
    const made = joining(cluster, async (log) => {
      log.cut();
      await healed.promise;
      log.heal();
      // It is told before the call returns.
      for (let count = 0; count < 10; count++) await Promise.resolve();
    });
    const publishing = outcomeOf(made.notifier.publish("news", 1));
    const run = outcomeOf(made.notifier.run(async () => 7).result());
    await clock.advance(2 * lease);
    made.errors.splice(0);
    healed.resolve();
    await clock.advance(10_000);
    expect([publishing.state, made.joins(), shared.nodes.length]).toEqual(["fulfilled", 2, 2]);
    // What had not begun is not lost.
    expect(run.value).toBe(7);
    expect(made.errors).toMatchObject([{ message: expect.stringContaining("Lost the place in the log") }]);
    const closing = made.notifier.close();
    await clock.advance(1_000);
    await closing;
  });

  test("joins once, although it cannot read its messages at first", async ({ open }) => {
    const cluster = await open(1);
    const { clock, shared } = cluster;
    const made = joining(cluster, async () => made.fail(3));
    const publishing = outcomeOf(made.notifier.publish("news", 1));
    await clock.advance(10_000);
    expect([publishing.state, made.joins(), shared.nodes.length]).toEqual(["fulfilled", 1, 2]);
    expect(made.errors).toMatchObject([{ message: "the store is busy" }]);
    const closing = made.notifier.close();
    await clock.advance(1_000);
    await closing;
    expect(shared.inspect().watches).toBe(2);
  });
});

describe("a run that works on a node that is lost", () => {
  test("fails once, as lost: its task is stopped, and nothing more of it is written", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes } = cluster;
    const [, other] = nodes as Pair;
    const reasons: unknown[] = [];
    const run = other.notifier.run(
      async ({ signal, emit }) => {
        await emit(output("before"));
        signal.onabort = () => {
          reasons.push(signal.reason);
          void emit(output("too late")).catch((error: Error) => reasons.push(error.name));
        };
        await aborted(signal);
      },
      { id: "r", owner: "ann", channel: "user:ann" },
    );
    const result = outcomeOf(run.result());
    await clock.settle();
    other.log.cut();
    const events = other.notifier.run(async function* () {
      yield output("never");
    });
    const second = outcomeOf(events.result());
    await clock.advance(2 * lease);
    other.log.heal();
    await clock.advance(6_000);
    other.errors.splice(0);
    expect([run.status, result.reason]).toEqual(["failed", expect.objectContaining(lost)]);
    expect(result.reason).toBeInstanceOf(RunError);
    expect(reasons).toEqual([result.reason, "ClosedError"]);
    expect(await rejection(run.result())).toBe(result.reason);
    expect(typesIn(cluster, "run:r")).toEqual(["run.started", "output", "run.failed"]);
    expect(typesIn(cluster, "user:ann")).toEqual(["run.started", "run.failed"]);
    // What had not begun before either.
    expect([second.reason, typesIn(cluster, `run:${events.id}`)]).toEqual([
      expect.objectContaining(lost),
      [],
    ]);
  });

  test("has no queued events in a later run with the same id", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    const first = other.notifier.run(
      async ({ signal, emit }) => {
        await wait.promise;
        for (const text of ["a", "b"]) void emit(output(text));
        await aborted(signal);
      },
      { id: "r", owner: "ann" },
    );
    const wait = deferred();
    const result = outcomeOf(first.result());
    await clock.settle();
    other.log.cut();
    wait.resolve();
    await clock.advance(2 * lease + 300_000);
    const again = one.notifier.run(waits, { id: "r", owner: "ann" });
    const second = outcomeOf(again.result());
    await clock.settle();
    other.log.heal();
    await clock.advance(6_000);
    other.errors.splice(0);
    expect([result.reason, second.state, again.status]).toEqual([
      expect.objectContaining(lost),
      "pending",
      "working",
    ]);
    expect(typesIn(cluster, "run:r")).toEqual(["run.started"]);
  });

  test("that ended meanwhile has the ending that the log says, and no other", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    const finish = deferred();
    const run = other.notifier.run(
      async () => {
        await finish.promise;
        return "done";
      },
      { channel: "news" },
    );
    const result = outcomeOf(run.result());
    await clock.settle();
    other.log.cut();
    finish.resolve();
    await clock.advance(2 * lease);
    other.log.heal();
    await clock.advance(6_000);
    other.errors.splice(0);
    expect([run.status, result.reason]).toEqual(["failed", expect.objectContaining(lost)]);
    expect(await settled(clock, rejection(run.result()))).toMatchObject(lost);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.failed"]);
    expect(typesIn(cluster, "news")).toEqual(["run.started", "run.failed"]);
    expect([one.undelivered, other.undelivered.length]).toEqual([[], 1]);
  });

  test("whose ending was made, though the answer was lost, is completed, and is announced", async ({
    open,
  }) => {
    const cluster = await open(2, { log: { latency: 20 } });
    const { clock, nodes } = cluster;
    await clock.advance(1_000);
    const [, other] = nodes as Pair;
    const finish = deferred();
    const run = other.notifier.run(() => finish.promise.then(() => "done"), { channel: "news" });
    const result = outcomeOf(run.result());
    await clock.advance(1_000);
    finish.resolve();
    await clock.settle();
    await clock.advance(30);
    other.log.cut({ hang: true });
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.completed"]);
    await clock.advance(2 * lease);
    expect(result.state).toBe("pending");
    other.log.heal();
    await clock.advance(6_000);
    other.errors.splice(0);
    expect([result.value, run.status]).toEqual(["done", "completed"]);
    expect(typesIn(cluster, "news")).toEqual(["run.started", "run.completed"]);
    expect(await settled(clock, advanced(cluster, run.result()))).toBe("done");
  });

  test("is in the close report as failed", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes } = cluster;
    const [, other] = nodes as Pair;
    const run = other.notifier.run(waits);
    void outcomeOf(run.result());
    await clock.settle();
    other.log.cut();
    await clock.advance(2 * lease);
    const closing = outcomeOf(other.notifier.close());
    other.log.heal();
    await clock.advance(10_000);
    other.errors.splice(0);
    expect(closing.value?.runs).toEqual({ completed: [], failed: [run.id], cancelled: [], abandoned: [] });
  });

  test("started while the node has no place waits for one", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [, other] = nodes as Pair;
    other.log.cut();
    await clock.advance(2 * lease);
    other.log.heal();
    // The node hears that it is lost, and cannot join yet.
    shared.pause();
    await clock.settle();
    const run = other.notifier.run(async () => 7);
    const result = outcomeOf(run.result());
    await clock.settle();
    expect(result.state).toBe("pending");
    shared.resume();
    await clock.advance(6_000);
    other.errors.splice(0);
    expect(result.value).toBe(7);
    expect(shared.inspect().channels[`run:${run.id}`]?.state).toContain(shared.nodes[1] as string);
  });
});

test("a run that somebody else has ended says what the log says, not what its task returned", async ({
  open,
}) => {
  const cluster = await open(1);
  const { clock, nodes, shared } = cluster;
  const [one] = nodes as Pair;
  const finish = deferred();
  const run = one.notifier.run(() => finish.promise.then(() => "mine"), { channel: "news" });
  const result = outcomeOf(run.result());
  await clock.settle();
  const state = shared.inspect().channels[`run:${run.id}`]?.state?.replace("working", "completed");
  const data = JSON.stringify({ type: "run.completed", run: run.id, result: "theirs" });
  await shared.open().append(`run:${run.id}`, data, { time: 0, place: "last", state });
  finish.resolve();
  await clock.settle();
  expect([run.status, result.value]).toEqual(["completed", "theirs"]);
  expect(await settled(clock, run.result())).toBe("theirs");
  expect(typesIn(cluster, "news")).toEqual(["run.started"]);
  // What it held is released, and its own ending is reported.
  expect([shared.inspect().records, one.undelivered.length]).toEqual([[], 1]);
});

describe("what a lost node has confirmed", () => {
  test("is reported once, by its heir", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    await settled(clock, other.notifier.publish("news", "a", { confirm: true, ttl: 100_000 }));
    await away(cluster, other);
    expect(nodes.map(({ notifier }) => notifier.stats().confirmed)).toEqual([1, 0]);
    await clock.advance(200_000);
    expect([one.undelivered, other.undelivered]).toEqual([["a expired"], []]);
  });
});

describe("what others have revoked while a node had no place", () => {
  test("is revoked there once it is back", async ({ open }) => {
    const cluster = await open(3);
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    const ends = ["ann", "bob"].map((user) => client(other.notifier, { ...anybody, user }));
    for (const end of ends) await subscribe(clock, end, "news");
    other.log.cut();
    await clock.advance(2 * lease);
    await settled(clock, one.notifier.disconnect({ user: "ann" }));
    other.log.heal();
    await clock.advance(6_000);
    other.errors.splice(0);
    expect(ends.map(({ closed }) => closed?.code)).toEqual([3503, undefined]);
  });

  test("is not known to a node that was away for too long: it lets everybody connect again", async ({
    open,
  }) => {
    const cluster = await open(3);
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    const end = client(other.notifier);
    await subscribe(clock, end, "news");
    other.log.cut();
    await clock.advance(2 * lease);
    await settled(clock, one.notifier.disconnect({ user: "ann" }));
    await clock.advance(600_000);
    other.log.heal();
    await clock.advance(6_000);
    other.errors.splice(0);
    expect(end.closed?.code).toBe(3000);
  });

  test("by the node itself is not revoked again", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes } = cluster;
    const [, other] = nodes as Pair;
    const revoking = other.notifier.disconnect({ user: "ann" });
    // It is in the log, and the node has not read it yet.
    await Promise.resolve();
    other.log.cut({ hang: true });
    const end = client(other.notifier, { ...anybody, user: "ann" });
    end.send({ id: 1, connect: {} });
    await clock.advance(2 * lease);
    other.log.heal();
    await clock.advance(6_000);
    await revoking;
    other.errors.splice(0);
    expect(end.closed).toBeUndefined();
  });
});

describe("a log that takes a process for gone for ever", () => {
  /** A log that can tell its member so. */
  function losable(log: NodeLog): { log: Log; lose(): void } {
    let member: Member | undefined;
    let error: LogError | undefined;
    return {
      log: {
        append: (...call) => (error === undefined ? log.append(...call) : Promise.reject(error)),
        read: (...call) => log.read(...call),
        watch: (...call) => log.watch(...call),
        keeps: (channel) => log.keeps(channel),
        join(given, options) {
          member = given;
          return log.join(given, options);
        },
        [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
      },
      lose() {
        error = new LogError("Cannot write to the log: another process has it", { lasting: true });
        member?.lost(error);
      },
    };
  }

  test("ends its runs and its sessions, refuses publications, and is closed quickly", async ({ open }) => {
    const { clock, shared } = await open(1);
    const { log, lose } = losable(shared.open());
    const errors: unknown[] = [];
    const notifier = createNotifier({ clock, log, onError: (error) => void errors.push(error) });
    const end = client(notifier);
    await subscribe(clock, end, "news");
    const run = notifier.run(waits);
    const result = outcomeOf(run.result());
    await clock.settle();
    lose();
    await clock.settle();
    expect(errors).toMatchObject([
      { lasting: true, message: expect.stringContaining("closes its sessions") },
    ]);
    expect([end.closed?.code, run.status, result.reason]).toEqual([
      3004,
      "failed",
      expect.objectContaining(lost),
    ]);
    const publishing = outcomeOf(notifier.publish("news", 1));
    await clock.settle();
    expect(publishing.reason).toMatchObject({ name: "LogError", lasting: true });
    const closing = outcomeOf(notifier.close());
    await clock.settle();
    expect(closing.state).toBe("fulfilled");
  });
});

/** Awaits a promise while time passes. */
async function advanced<T>({ clock }: Cluster, promise: Promise<T>): Promise<T> {
  await clock.advance(1_000);
  return promise;
}
