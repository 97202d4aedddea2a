import { describe, expect } from "vitest";
import { outcomeOf } from "../../support/core.ts";
import { client, type Pair, settled, subscribe, test, typesIn, waits } from "./cluster.ts";
import { confirmed, follows, news } from "./deliver.ts";

describe("a node that closes", () => {
  test("reports nothing of what it has handed to another one", async ({ open }) => {
    const { clock, nodes } = await open(2, { log: { latency: 5 } });
    const [one, other] = nodes as Pair;
    await clock.advance(100);
    const published = Promise.all(
      [118, 1_000].map((ttl) => one.notifier.publish(news, `for ${ttl} ms`, { confirm: true, ttl })),
    );
    await clock.advance(100);
    await published;
    // The first one expires while it leaves.
    const closing = one.notifier.close();
    await clock.advance(3_000);
    expect((await closing).waiting).toBe(2);
    one.notifier.stats();
    expect([one.undelivered, other.undelivered]).toEqual([[], ["for 118 ms expired", "for 1000 ms expired"]]);
  });

  test("announces the endings of runs that ended right before", async ({ open }) => {
    const { clock, nodes, shared } = await open(2, { log: { latency: 10 } });
    const [one] = nodes as Pair;
    const run = one.notifier.run(waits, { channel: "runs" });
    run.result().catch(() => {});
    await clock.advance(500);
    void run.cancel();
    await clock.settle();
    const closing = one.notifier.close();
    await clock.advance(6_000);
    await closing;
    const announced = shared.inspect().channels.runs?.entries.map(({ data }) => JSON.parse(data).type);
    expect(announced).toEqual(["run.started", "run.cancelled"]);
  });

  test("writes no ending to the run of another node, whose id its own one was refused", async ({ open }) => {
    const cluster = await open(2, { notifier: { grace: 1_000 } });
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    shared.pause();
    const options = { id: "r", owner: "ann" };
    const runs = [other, one].map(({ notifier }) => notifier.run(waits, options));
    const [, refused] = runs.map((run) => outcomeOf(run.result()));
    await clock.settle();
    const closing = one.notifier.close();
    // Its run is given up at half of its grace.
    await clock.advance(600);
    shared.resume();
    await clock.advance(6_000);
    await closing;
    expect(typesIn(cluster, "run:r")).toEqual(["run.started"]);
    expect([runs[0]?.status, refused?.state]).toEqual(["working", "rejected"]);
  });

  test("has no error because a client hangs that was sent what others have confirmed", async ({ open }) => {
    const cluster = await open(2, { log: { latency: 3 } });
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    await clock.advance(100);
    const ann = client(one.notifier, { user: "ann", authorize: () => true });
    await subscribe(clock, ann, news);
    await clock.advance(100);
    for (let count = 0; count < 2; count++) {
      void other.notifier.publish(news, count, { confirm: true });
      await clock.advance(100);
      ann.stall();
    }
    const closing = one.notifier.close();
    await clock.advance(6_000);
    expect((await closing).sessions.cut).toBe(1);
    expect(one.errors).toEqual([]);
    other.undelivered.splice(0);
  });
});

describe("a key that another node has used", () => {
  test("confirms nothing that was not published", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    const options = { idempotencyKey: "order 7" };
    const first = await settled(clock, one.notifier.publish(news, "first", options));
    const second = await confirmed(cluster, other, "second", options);
    expect(second.position).toEqual(first.position);
    await clock.advance(70_000);
    expect(other.undelivered).toEqual([]);
    expect(other.notifier.stats().confirmed).toBe(0);
    const ann = await follows(cluster, other, "ann", { epoch: "", offset: 0 });
    expect(ann.received.at(-1)).toMatchObject({ subscribe: { publications: [{ data: "first" }] } });
  });
});
