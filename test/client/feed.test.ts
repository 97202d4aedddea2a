import { describe, expect } from "vitest";
import { GapError, ReplyError } from "../../src/client.ts";
import type { Log } from "../../src/model/log.ts";
import type { Publication } from "../../src/model/publication.ts";
import { type Outcome, outcomeOf, upTo } from "../support/core.ts";
import { type Ends, read, test } from "../support/dial.ts";

const start = { offset: 0, epoch: "" };

/** Reads the next publication only when `next` is called. */
function reader(events: AsyncGenerator<Publication, unknown>) {
  const got: unknown[] = [];
  return {
    got,
    events,
    next(): Outcome<unknown> {
      return outcomeOf(
        events.next().then(({ done, value }) => {
          if (!done) got.push((value as Publication).data);
          return done;
        }),
      );
    },
  };
}

async function publishAll(
  { notifier, clock }: Ends,
  first: number,
  last: number,
  channel = "news",
): Promise<void> {
  const published = upTo(last, first).map((n) => notifier.publish(channel, n));
  // On a log that keeps little, publishing takes several turns.
  const isOver = Promise.all(published);
  await clock.settle();
  await isOver;
}

/** Returns the commands of a kind that a client has sent, over all its connections. */
function commands({ network }: Ends, name: string): unknown[] {
  return network.lines
    .flatMap(({ sent }) => sent.map((each) => (each as Record<string, unknown>)[name]))
    .filter(Boolean);
}

/** Returns the acknowledgements that a client has sent. */
function acks(ends: Ends): unknown[] {
  return commands(ends, "send")
    .map((send) => (send as { data: { ack: Record<string, { offset: number }> } }).data.ack)
    .flatMap((ack) => Object.entries(ack).map(([channel, { offset }]) => [channel, offset]));
}

async function loseConnection({ clock, network }: Ends): Promise<void> {
  network.last.drop();
  await clock.advance(1_000);
}

describe("a reader", () => {
  test("acknowledges each publication with its next call, and not the one that it leaves with", async ({
    open,
  }) => {
    const ends = open();
    const { client, clock, notifier } = ends;
    const one = reader(client.follow("news"));
    one.next();
    await clock.settle();
    const receipts = [];
    for (const n of [1, 2, 3]) receipts.push(await notifier.publish("news", n, { confirm: true }));
    const [first, , third] = receipts.map((receipt) =>
      outcomeOf(receipt.delivered({ level: "acknowledged" })),
    );
    await clock.advance(1_000);
    expect([one.got, acks(ends), first?.state]).toEqual([[1], [], "pending"]);
    one.next();
    one.next();
    await clock.advance(50);
    expect([one.got, acks(ends)]).toEqual([[1, 2, 3], [["news", 2]]]);
    expect(first).toMatchObject({ state: "fulfilled", value: { level: "acknowledged", by: "ann" } });
    await one.events.return(undefined);
    await clock.advance(1_000);
    expect([acks(ends), third?.state]).toEqual([[["news", 2]], "pending"]);
    expect(commands(ends, "unsubscribe")).toEqual([{ channel: "news" }]);
  });

  test("sends its acknowledgements before its client is closed", async ({ open }) => {
    const ends = open();
    const { client, clock, notifier } = ends;
    const one = reader(client.follow("news"));
    one.next();
    await clock.settle();
    const receipt = await notifier.publish("news", 1);
    await clock.settle();
    one.next();
    await clock.settle();
    const closed = client.close();
    await clock.settle();
    await closed;
    expect(acks(ends)).toEqual([["news", 1]]);
    expect(await receipt.delivered({ level: "acknowledged" })).toMatchObject({ by: "ann" });
  });

  test("acknowledges no publication before its next call, also when its client reconnects", async ({
    open,
  }) => {
    const ends = open();
    const { client, clock, notifier } = ends;
    const one = reader(client.follow("news"));
    one.next();
    await clock.settle();
    const receipt = await notifier.publish("news", 1);
    const delivered = outcomeOf(receipt.delivered({ level: "acknowledged" }));
    await clock.settle();
    await loseConnection(ends);
    expect([one.got, delivered.state, commands(ends, "subscribe").length]).toEqual([[1], "pending", 1]);
    one.next();
    await clock.settle();
    const { epoch } = receipt.position;
    expect(commands(ends, "subscribe").at(-1)).toEqual({ channel: "news", recover: true, offset: 1, epoch });
    expect(delivered.state).toBe("fulfilled");
  });

  test("sends its acknowledgements before it leaves, and for a channel only what all its readers have acknowledged", async ({
    open,
  }) => {
    const ends = open();
    const { client, clock, network } = ends;
    const [fast, slow] = [reader(client.follow("news")), reader(client.follow("news"))];
    fast.next();
    slow.next();
    await clock.settle();
    await publishAll(ends, 1, 3);
    await clock.settle();
    for (const _ of upTo(2)) fast.next();
    slow.next();
    await clock.advance(50);
    expect([fast.got, slow.got, acks(ends)]).toEqual([[1, 2, 3], [1, 2], [["news", 1]]]);
    await slow.events.return(undefined);
    await fast.events.return(undefined);
    await clock.settle();
    const kinds = network.last.sent.slice(-2).map((each) => Object.keys(each as object).at(-1));
    expect([acks(ends).at(-1), kinds]).toEqual([
      ["news", 2],
      ["send", "unsubscribe"],
    ]);
  });

  test("that is furthest behind decides the position that a channel is requested from, once for all", async ({
    open,
  }) => {
    const ends = open();
    const { client, clock, network, notifier } = ends;
    await publishAll(ends, 1, 5);
    const { epoch } = await notifier.history("news");
    network.last.drop();
    await clock.settle();
    const readers = [3, 1, 2].map((offset) => read(client.follow("news", { after: { offset, epoch } })));
    await clock.advance(1_000);
    expect(commands(ends, "subscribe")).toEqual([{ channel: "news", recover: true, offset: 1, epoch }]);
    expect(readers.map(({ got }) => got)).toEqual([upTo(5, 4), upTo(5, 2), upTo(5, 3)]);
  });

  test("that leaves stops no other, and the last one unsubscribes from the channel", async ({ open }) => {
    const ends = open();
    const { client, clock, notifier } = ends;
    const [one, two] = [reader(client.follow("news")), read(client.follow("news"))];
    one.next();
    await clock.settle();
    await publishAll(ends, 1, 1);
    await clock.settle();
    await one.events.return(undefined);
    await publishAll(ends, 2, 2);
    await clock.settle();
    expect([one.got, two.got]).toEqual([[1], [1, 2]]);
    expect((await notifier.presence("news")).clients).toHaveLength(1);
  });

  test("whose signal aborts rejects with that signal's reason, and leaves", async ({ open }) => {
    const { client, clock, notifier } = open();
    const controller = new AbortController();
    const one = read(client.follow("news", { signal: controller.signal }));
    const early = read(client.follow("news", { signal: AbortSignal.abort("early") }));
    await clock.settle();
    controller.abort("enough");
    await clock.settle();
    expect([one.ended.reason, early.ended.reason]).toEqual(["enough", "early"]);
    expect((await notifier.presence("news")).clients).toEqual([]);
  });

  test("joins others from another position, and each gets every publication once", async ({ open }) => {
    const ends = open();
    const { client, clock, notifier } = ends;
    await publishAll(ends, 1, 5);
    const { epoch } = await notifier.history("news");
    const readers = [
      read(client.follow("news")),
      read(client.follow("news", { after: { offset: 3, epoch } })),
    ];
    await clock.settle();
    readers.push(read(client.follow("news", { after: start })));
    await publishAll(ends, 6, 7);
    await clock.settle();
    readers.push(read(client.follow("news")));
    await clock.settle();
    await publishAll(ends, 8, 9);
    await clock.settle();
    expect(readers.map(({ got }) => got)).toEqual([upTo(9, 6), upTo(9, 4), upTo(9), upTo(9, 8)]);
  });
});

describe("a channel that the server subscribes to", () => {
  test("is followed like any other, across connections", async ({ open }) => {
    const ends = open({ channels: ["mine"] });
    const { client, clock } = ends;
    await publishAll(ends, 1, 2, "mine");
    const all = read(client.follow("mine", { after: start }));
    const live = read(client.follow("mine"));
    await clock.advance(1_000);
    await publishAll(ends, 3, 3, "mine");
    await clock.settle();
    await loseConnection(ends);
    await publishAll(ends, 4, 4, "mine");
    await clock.advance(1_000);
    expect([all.got, live.got]).toEqual([upTo(4), upTo(4, 3)]);
  });
});

describe("a gap", () => {
  test("is reported with the earliest position that is left, from where the reader can continue", async ({
    open,
  }) => {
    const { memoryLog } = await import("../../src/stores/memory.ts");
    const ends = open({ log: memoryLog({ size: 3, slack: 0 }) });
    const { client, clock, network, notifier } = ends;
    const one = read(client.follow("news"));
    await clock.settle();
    await publishAll(ends, 1, 1);
    await clock.settle();
    const { epoch } = await notifier.history("news");
    network.last.drop();
    await publishAll(ends, 2, 9);
    await clock.advance(1_000);
    const error = one.ended.reason as GapError;
    expect(error).toEqual(new GapError("news", { offset: 1, epoch }, { offset: 6, epoch }));
    expect([error.after, error.earliest]).toEqual([
      { offset: 1, epoch },
      { offset: 6, epoch },
    ]);
    const again = read(client.follow("news", { after: start }));
    await clock.settle();
    const { earliest } = again.ended.reason as GapError;
    expect(earliest).toEqual({ offset: 6, epoch });
    const rest = read(client.follow("news", { after: earliest }));
    await clock.settle();
    expect([one.got, rest.got]).toEqual([[1], [7, 8, 9]]);
  });

  test("of one reader is not reported to another", async ({ open }) => {
    const ends = open();
    const { client, clock } = ends;
    await publishAll(ends, 1, 3);
    const all = read(client.follow("news", { after: start }));
    await clock.settle();
    const foreign = read(client.follow("news", { after: { offset: 2, epoch: "foreign" } }));
    await clock.settle();
    await publishAll(ends, 4, 4);
    await clock.settle();
    const { epoch } = await ends.notifier.history("news");
    const [after, earliest] = [
      { offset: 2, epoch: "foreign" },
      { offset: 0, epoch },
    ];
    expect(foreign.ended.reason).toMatchObject({ name: "GapError", after, earliest });
    expect(all.got).toEqual([1, 2, 3, 4]);
  });

  test("is reported to a reader with another epoch, also beside one that begins at the start", async ({
    open,
  }) => {
    const ends = open();
    const { client, clock } = ends;
    const old = read(client.follow("news"));
    await clock.settle();
    await publishAll(ends, 1, 2);
    await clock.settle();
    await ends.restart();
    await publishAll(ends, 11, 12);
    const fresh = read(client.follow("news", { after: start }));
    await clock.advance(10_000);
    expect([old.got, old.ended.reason, fresh.got]).toEqual([[1, 2], expect.any(GapError), [11, 12]]);
  });

  test("in pushed publications is never passed on: they are requested again", async ({ open }) => {
    const ends = open();
    const { client, clock, network } = ends;
    const one = read(client.follow("news"));
    await clock.settle();
    await publishAll(ends, 1, 1);
    await clock.settle();
    network.say({ push: { channel: "news", pub: { data: "from the future", offset: 9 } } });
    await publishAll(ends, 2, 3);
    await clock.settle();
    expect([one.got, one.ended.state]).toEqual([[1, 2, 3], "pending"]);
  });

  test("is reported after a server has lost everything", async ({ open }) => {
    const ends = open();
    const { client, clock } = ends;
    const one = read(client.follow("news"));
    await clock.settle();
    await publishAll(ends, 1, 2);
    await clock.settle();
    await ends.restart();
    await clock.advance(10_000);
    expect([one.got, one.ended.state]).toEqual([[1, 2], "rejected"]);
    const epoch = (await ends.notifier.history("news")).epoch;
    expect((one.ended.reason as GapError).earliest).toEqual({ offset: 0, epoch });
  });
});

describe("a reader that does not read", () => {
  test("holds what fits, and gets the rest from the server once it reads again", async ({ open }) => {
    const ends = open({ client: { buffer: 1_000 } });
    const { client, clock, notifier, network } = ends;
    const slow = reader(client.follow("news"));
    slow.next();
    await clock.settle();
    const text = "x".repeat(80);
    for (const n of upTo(500)) {
      await notifier.publish("news", [n, text]);
      await clock.settle();
    }
    const sent = network.last.received.filter((each) => JSON.stringify(each).includes(text)).length;
    expect(sent).toBeLessThan(20);
    expect((await notifier.presence("news")).clients).toEqual([]);
    while (slow.got.length < 500) {
      slow.next();
      await clock.settle();
    }
    expect(slow.got.map((each) => (each as [number])[0])).toEqual(upTo(500));
  });

  test("sends its acknowledgements before it unsubscribes because too much comes", async ({ open }) => {
    const ends = open({ client: { buffer: 100 } });
    const { client, clock } = ends;
    const slow = reader(client.follow("news"));
    slow.next();
    await clock.settle();
    await publishAll(ends, 1, 1);
    await clock.settle();
    slow.next();
    await publishAll(ends, 2, 20);
    await clock.advance(1_000);
    expect([slow.got, commands(ends, "unsubscribe").length]).toEqual([[1, 2], 1]);
    expect(acks(ends)).toEqual([["news", 1]]);
  });

  test("delays no other: not on its channel, not on another, not a call", async ({ open }) => {
    const rpc = { echo: (_: unknown, { data }: { data: unknown }) => data };
    const ends = open({ client: { buffer: 1_000 }, rpc, window: 4_096 });
    const { client, clock, notifier } = ends;
    const slow = reader(client.follow("news"));
    const [same, other] = [read(client.follow("news")), read(client.follow("other"))];
    slow.next();
    await clock.settle();
    for (const n of upTo(200)) {
      await notifier.publish("news", n);
      await notifier.publish("other", n);
    }
    const answer = client.rpc("echo", "hello");
    await clock.settle();
    expect(await answer).toBe("hello");
    expect([same.got, other.got]).toEqual([upTo(200), upTo(200)]);
    while (slow.got.length < 200) {
      slow.next();
      await clock.settle();
    }
    expect(slow.got).toEqual(upTo(200));
  });
});

describe("a subscription", () => {
  test("that the server ends with 2500 is made again, and with a lower code it is over", async ({ open }) => {
    const ends = open();
    const { client, clock, network, notifier } = ends;
    const one = read(client.follow("news"));
    await clock.settle();
    network.say({ push: { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } } });
    // The server still has the subscription, so the client has to unsubscribe before it subscribes again.
    await clock.advance(1_000);
    expect([one.ended.state, commands(ends, "subscribe").length]).toEqual(["pending", 2]);
    expect(commands(ends, "unsubscribe")).toEqual([{ channel: "news" }]);
    notifier.unsubscribe("ann", "news");
    await clock.settle();
    expect(one.ended.reason).toEqual(new ReplyError(2000, 'Cannot follow "news": server unsubscribed'));
    const again = read(client.follow("news"));
    await clock.settle();
    await publishAll(ends, 1, 1);
    await clock.settle();
    expect(again.got).toEqual([1]);
  });

  test("that fails temporarily is tried again, later each time", async ({ open }) => {
    const { memoryLog } = await import("../../src/stores/memory.ts");
    const log = memoryLog() as Required<Log>;
    let isBroken = true;
    const watch = log.watch.bind(log);
    log.watch = (...args) => {
      if (isBroken) throw new Error("the store is away");
      return watch(...args);
    };
    const ends = open({ log });
    const { client, clock, errors } = ends;
    const one = read(client.follow("news"));
    await clock.advance(10_000);
    const tries = commands(ends, "subscribe").length;
    expect(tries).toBeGreaterThanOrEqual(3);
    expect(tries).toBeLessThan(10);
    isBroken = false;
    await clock.advance(20_000);
    await publishAll(ends, 1, 1);
    await clock.settle();
    expect(one.got).toEqual([1]);
    expect(errors.splice(0).length).toBe(1);
  });

  test("that fails temporarily is made for later readers, even where the first one has left", async ({
    open,
  }) => {
    const { memoryLog } = await import("../../src/stores/memory.ts");
    const log = memoryLog() as Required<Log>;
    const watch = log.watch.bind(log);
    let isBroken = true;
    log.watch = (...args) => {
      if (isBroken) throw new Error("the store is away");
      return watch(...args);
    };
    const ends = open({ log });
    const { client, clock, errors } = ends;
    const controller = new AbortController();
    const one = read(client.follow("news", { signal: controller.signal }));
    await clock.settle();
    isBroken = false;
    controller.abort("enough");
    await clock.settle();
    const two = read(client.follow("news"));
    await clock.advance(1_000);
    await publishAll(ends, 1, 1);
    await clock.settle();
    expect([one.ended.reason, two.got, commands(ends, "subscribe").length]).toEqual(["enough", [1], 2]);
    expect(errors.splice(0).length).toBe(1);
  });

  test("of a thousand channels is made again without a message that is too long", async ({ open }) => {
    const ends = open();
    const { client, clock, notifier } = ends;
    const readers = upTo(999).map((n) => read(client.follow(`channel-${"x".repeat(100)}-${n}`)));
    await clock.settle();
    await loseConnection(ends);
    for (const n of upTo(999)) await notifier.publish(`channel-${"x".repeat(100)}-${n}`, n);
    await clock.settle();
    expect(client.status).toBe("connected");
    expect(readers.map(({ got }) => got[0])).toEqual(upTo(999));
  });
});
