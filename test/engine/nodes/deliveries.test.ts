import { fakeClock } from "tocsin/testing";
import { describe, expect } from "vitest";
import type { AppendOptions } from "../../../src/model/log.ts";
import { createCore, deferred, finish, logWith, offsetsIn, rejection } from "../../support/core.ts";
import { client, type Pair, settled, type Three, test } from "./cluster.ts";
import { acknowledge, confirmed, follows, messages, news, obeys } from "./deliver.ts";

describe("the origin of an entry", () => {
  test("is the node that waits for its delivery: of a confirmed publication, and of the ending of a run", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one] = cluster.nodes as Pair;
    await confirmed(cluster, one, "a");
    await settled(cluster.clock, one.notifier.publish(news, "b"));
    await settled(cluster.clock, one.notifier.run(async () => 7, { id: "r", owner: "ann" }).result());
    const { channels, records } = cluster.shared.inspect();
    const [{ node }] = records as [(typeof records)[0]];
    const origins = (channel: string) => channels[channel]?.entries.map(({ origin }) => origin);
    expect([origins(news), origins("run:r")]).toEqual([
      [node, undefined],
      [undefined, node],
    ]);
  });

  test("is unknown where a notifier works alone: nothing more is stored", async () => {
    const clock = fakeClock();
    const given: AppendOptions[] = [];
    const log = logWith(clock, (inner) => ({
      append(channel, data, options) {
        given.push(options);
        return inner.append(channel, data, options);
      },
    }));
    const core = createCore({ clock, log });
    await settled(clock, core.notifier.publish(news, "a", { confirm: true, idempotencyKey: "k" }));
    expect(given.map((options) => "origin" in options)).toEqual([false]);
    await finish(core);
  });
});

describe("a confirmed publication", () => {
  test("that a client of another node acknowledges is not reported", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const receipt = await confirmed(cluster, one, "a");
    expect(one.notifier.stats().confirmed).toBe(1);
    await acknowledge(cluster, ann, receipt.position);
    expect(one.notifier.stats().confirmed).toBe(0);
    await cluster.clock.advance(120_000);
    expect([one.undelivered, other.undelivered]).toEqual([[], []]);
    expect(cluster.shared.inspect().records).toEqual([]);
  });

  test("that a client of another node has read is not reported if it never acknowledges", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    await follows(cluster, other, "ann");
    const receipt = await confirmed(cluster, one, "a");
    expect(await settled(cluster.clock, receipt.delivered())).toMatchObject({ level: "read", by: "ann" });
    expect(one.notifier.stats().confirmed).toBe(0);
  });
});

describe("a receipt", () => {
  test("of a publication that was reported resolves if another node has heard since that it was received", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const receipt = await confirmed(cluster, one, "a");
    await cluster.clock.advance(60_000);
    expect(one.undelivered).toEqual(["a expired"]);
    expect(await rejection(receipt.delivered())).toMatchObject({ name: "ExpiredError" });
    await acknowledge(cluster, ann, receipt.position);
    expect(await receipt.delivered()).toMatchObject({ level: "acknowledged", by: "ann" });
  });

  test("with the default level resolves with the acknowledgement on another node, and asks nobody", async ({
    open,
  }) => {
    const cluster = await open(3);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const receipt = await confirmed(cluster, one, "a");
    const delivering = receipt.delivered();
    await cluster.clock.advance(1_000);
    const time = cluster.clock.time();
    await acknowledge(cluster, ann, receipt.position);
    expect(await delivering).toEqual({ level: "acknowledged", by: "ann", time });
    expect(messages(cluster)).toEqual({ toOne: 1, toAll: 0 });
  });

  test("of a publication without `confirm` is told by the node that knows", async ({ open }) => {
    const cluster = await open(3);
    const [one, other] = cluster.nodes as Pair;
    const ann = await follows(cluster, other, "ann");
    const receipt = await settled(cluster.clock, one.notifier.publish(news, "a"));
    expect(messages(cluster)).toEqual({ toOne: 0, toAll: 0 });
    const delivering = [
      receipt.delivered({ level: "written" }),
      receipt.delivered({ level: "read", by: "ann" }),
      receipt.delivered({ level: "acknowledged" }),
    ];
    await acknowledge(cluster, ann, receipt.position);
    const deliveries = await settled(cluster.clock, Promise.all(delivering));
    expect(deliveries.map(({ level, by }) => [level, by])).toEqual([
      ["written", "ann"],
      ["read", "ann"],
      ["acknowledged", "ann"],
    ]);
    expect(messages(cluster).toAll).toBe(1);
  });
});

describe("a question", () => {
  test("is answered by a node whose client comes later", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const receipt = await settled(cluster.clock, one.notifier.publish(news, "a"));
    const delivering = receipt.delivered({ level: "read", by: "ann" });
    await cluster.clock.advance(5_000);
    await follows(cluster, other, "bob", { offset: 0, epoch: "" });
    await follows(cluster, other, "ann", { offset: 0, epoch: "" });
    expect(await delivering).toMatchObject({ level: "read", by: "ann" });
    expect(messages(cluster)).toEqual({ toOne: 1, toAll: 1 });
  });

  test("is answered by a node whose client has left", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await follows(cluster, other, "ann");
    const receipt = await settled(cluster.clock, one.notifier.publish(news, "a"));
    ann.drop();
    await cluster.clock.settle();
    const delivering = receipt.delivered({ level: "written" });
    expect(await settled(cluster.clock, delivering)).toMatchObject({ level: "written", by: "ann" });
  });

  test("is shared by all calls that wait for the same", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const receipt = await settled(cluster.clock, one.notifier.publish(news, "a"));
    const first = Promise.all([1, 2, 3].map(() => receipt.delivered({ level: "read" })));
    await cluster.clock.settle();
    const later = receipt.delivered({ level: "read" });
    await cluster.clock.settle();
    await follows(cluster, other, "ann", { offset: 0, epoch: "" });
    expect((await Promise.all([first, later])).flat().map(({ by }) => by)).toEqual(Array(4).fill("ann"));
    expect(messages(cluster)).toEqual({ toOne: 1, toAll: 1 });
  });

  test("ends for its caller with the caller's signal, or when its time is over", async ({ open }) => {
    const cluster = await open(2);
    const [one] = cluster.nodes as Pair;
    const receipt = await settled(cluster.clock, one.notifier.publish(news, "a", { ttl: 10_000 }));
    const caller = new AbortController();
    const aborted = rejection(receipt.delivered({ level: "read", signal: caller.signal }));
    const expired = rejection(receipt.delivered({ level: "written" }));
    caller.abort("enough");
    expect(await aborted).toBe("enough");
    await cluster.clock.advance(10_000);
    expect(await expired).toMatchObject({ name: "ExpiredError", reason: "expired", level: "logged" });
  });

  test("is not asked by a receipt that waits for the log only", async ({ open }) => {
    const cluster = await open(2);
    const [one] = cluster.nodes as Pair;
    const receipt = await settled(cluster.clock, one.notifier.publish(news, "a"));
    expect(await receipt.delivered({ level: "logged" })).toMatchObject({ level: "logged", by: "" });
    await cluster.clock.settle();
    expect(messages(cluster)).toEqual({ toOne: 0, toAll: 0 });
  });
});

describe("the ending of a run", () => {
  test("is confirmed by a client that follows the run on another node", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const run = one.notifier.run(async () => 7, { id: "r", owner: "ann" });
    expect(await settled(cluster.clock, run.result())).toBe(7);
    expect(one.notifier.stats().confirmed).toBe(1);
    const end = client(other.notifier, { user: "ann", authorize: () => true });
    const subscribe = { channel: "run:r", recover: true, offset: 0, epoch: "" };
    end.send({ id: 1, connect: {} }, { id: 2, subscribe });
    await cluster.clock.settle();
    expect(offsetsIn(end.received, "run:r")).toEqual([1, 2]);
    expect(one.notifier.stats().confirmed).toBe(0);
  });
});

describe("a spread over clients", () => {
  test("to a thousand subscribers of another node is told once", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ends = Array.from({ length: 1_000 }, (_, at) =>
      client(other.notifier, { user: `user ${at}`, authorize: () => true }),
    );
    for (const end of ends) end.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: news } });
    await cluster.clock.settle();
    const receipt = await confirmed(cluster, one, "a");
    for (const end of ends) expect(offsetsIn(end.received, news)).toEqual([1]);
    expect(await receipt.delivered()).toMatchObject({ level: "read" });
    expect(messages(cluster)).toEqual({ toOne: 1, toAll: 0 });
  });
});

describe("a client that comes back to another node", () => {
  test("acknowledges with its position what the node before had sent it", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const first = await confirmed(cluster, one, "a");
    const second = await confirmed(cluster, one, "b");
    ann.drop();
    await cluster.clock.settle();
    expect(one.notifier.stats().confirmed).toBe(2);
    const again = await obeys(cluster, other, "ann", first.position);
    expect(one.notifier.stats().confirmed).toBe(1);
    expect(await first.delivered()).toMatchObject({ level: "acknowledged", by: "ann" });
    await acknowledge(cluster, again, second.position);
    expect(await second.delivered()).toMatchObject({ level: "acknowledged", by: "ann" });
  });

  test("acknowledges it when the node before notices only later that it has left", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const { position } = await confirmed(cluster, one, "a");
    ann.stall();
    await follows(cluster, other, "ann", position);
    expect(one.notifier.stats().confirmed).toBe(1);
    ann.drop();
    await cluster.clock.settle();
    expect(one.notifier.stats().confirmed).toBe(0);
  });

  test("acknowledges it although it had left before its node heard that it was in the log", async ({
    open,
  }) => {
    const cluster = await open(2);
    const { clock } = cluster;
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const answered = deferred<void>();
    const { append } = one.log;
    one.log.append = async (...call) => {
      const position = await append.apply(one.log, call);
      await answered.promise;
      return position;
    };
    const publishing = one.notifier.publish(news, "a", { confirm: true, ttl: 60_000 });
    await clock.settle();
    expect(offsetsIn(ann.received, news)).toEqual([1]);
    ann.drop();
    await clock.settle();
    const { epoch } = cluster.shared.inspect().channels[news] as { epoch: string };
    await follows(cluster, other, "ann", { offset: 1, epoch });
    answered.resolve();
    await publishing;
    await clock.settle();
    expect(one.notifier.stats().confirmed).toBe(0);
  });

  test("has not what its earlier connection was sent if it begins there without a position", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const earlier = await obeys(cluster, one, "ann");
    earlier.stall();
    await confirmed(cluster, one, "a");
    const later = await obeys(cluster, other, "ann");
    earlier.drop();
    await cluster.clock.advance(2_000);
    expect(one.notifier.stats().confirmed).toBe(1);
    const { position } = await confirmed(cluster, one, "b");
    await acknowledge(cluster, later, position);
    expect(one.notifier.stats().confirmed).toBe(1);
    await cluster.clock.advance(60_000);
    expect(one.undelivered.splice(0)).toEqual(["a expired"]);
  });

  test("acknowledges what is asked for without `confirm`, before it comes back or after that", async ({
    open,
  }) => {
    const cluster = await open(2);
    const { clock } = cluster;
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const receipt = await settled(clock, one.notifier.publish(news, "a"));
    const early = receipt.delivered({ level: "acknowledged", by: "ann" });
    await clock.settle();
    ann.drop();
    await clock.settle();
    await obeys(cluster, other, "ann", receipt.position);
    expect(await settled(clock, early)).toMatchObject({ level: "acknowledged", by: "ann" });

    const bob = await obeys(cluster, one, "bob", receipt.position);
    const next = await settled(clock, one.notifier.publish(news, "b"));
    bob.drop();
    await clock.settle();
    await obeys(cluster, other, "bob", next.position);
    const late = next.delivered({ level: "acknowledged", by: "bob" });
    expect(await settled(clock, late)).toMatchObject({ level: "acknowledged", by: "bob" });
  });

  test("acknowledges nothing that the node before had not sent it, and nothing for another user", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const first = await confirmed(cluster, one, "a");
    ann.drop();
    await cluster.clock.settle();
    const second = await confirmed(cluster, one, "b");
    await obeys(cluster, other, "bob", second.position);
    await obeys(cluster, other, "ann", second.position);
    expect(one.notifier.stats().confirmed).toBe(2);
    await cluster.clock.advance(60_000);
    expect(one.undelivered).toEqual(["a expired", "b expired"]);
    expect(first.position.offset).toBe(1);
  });

  test("may go from node to node: the publication is of one, was sent by another, and is known to a third", async ({
    open,
  }) => {
    const cluster = await open(3);
    const [one, two, three] = cluster.nodes as Three;
    const ann = await obeys(cluster, two, "ann");
    const first = await confirmed(cluster, one, "a");
    const second = await confirmed(cluster, one, "b");
    ann.drop();
    await cluster.clock.settle();
    const again = await obeys(cluster, three, "ann", first.position);
    expect(one.notifier.stats().confirmed).toBe(1);
    again.drop();
    await cluster.clock.settle();
    await follows(cluster, two, "ann", second.position);
    expect(one.notifier.stats().confirmed).toBe(0);
    expect(await second.delivered()).toMatchObject({ level: "acknowledged", by: "ann" });
  });

  test("says nothing to other nodes where nobody waits", async ({ open }) => {
    const cluster = await open(2);
    const [one] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const receipt = await confirmed(cluster, one, "a");
    await acknowledge(cluster, ann, receipt.position);
    await settled(cluster.clock, one.notifier.publish(news, "b"));
    ann.drop();
    await cluster.clock.settle();
    expect(messages(cluster)).toEqual({ toOne: 0, toAll: 0 });
  });

  test("acknowledges what a node had sent it that has closed", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const { position } = await confirmed(cluster, one, "a");
    const closing = other.notifier.close();
    await cluster.clock.advance(10_000);
    await closing;
    expect(ann.closed?.code).toBe(3001);
    expect(one.notifier.stats().confirmed).toBe(1);
    await follows(cluster, one, "ann", position);
    expect(one.notifier.stats().confirmed).toBe(0);
  });
});

describe("a node that closes", () => {
  test("tells who has left, also of those whom it cuts at the end of its grace", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const { position } = await confirmed(cluster, one, "a");
    ann.stall();
    const closing = other.notifier.close();
    await cluster.clock.advance(10_000);
    expect((await closing).sessions).toEqual({ closed: 0, cut: 1 });
    expect(one.notifier.stats().confirmed).toBe(1);
    await follows(cluster, one, "ann", position);
    expect(one.notifier.stats().confirmed).toBe(0);
  });

  test("tells what its clients acknowledge until then", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const { position } = await confirmed(cluster, one, "a");
    const closing = other.notifier.close();
    await cluster.clock.advance(1_000);
    expect(ann.closed).toBeUndefined();
    await acknowledge(cluster, ann, position);
    expect(one.notifier.stats().confirmed).toBe(0);
    await cluster.clock.advance(10_000);
    await closing;
    expect(ann.closed?.code).toBe(3001);
  });
});
