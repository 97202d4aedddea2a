import { describe, expect } from "vitest";
import { GapError } from "../../src/client.ts";
import { memoryLog } from "../../src/stores/memory.ts";
import { outcomeOf, upTo } from "../support/core.ts";
import { type Ends, read, test } from "../support/dial.ts";

const start = { offset: 0, epoch: "" };
const mine = { channels: ["mine"] };

async function publishAll({ notifier }: Ends, first: number, last: number, channel = "mine"): Promise<void> {
  for (const n of upTo(last, first)) await notifier.publish(channel, n);
}

/** Returns the commands of a kind that a client has sent on its last connection. */
function sent({ network }: Ends, name: string): unknown[] {
  return network.last.sent.flatMap((each) => (each as Record<string, unknown>)[name] ?? []);
}

function acks(ends: Ends): Record<string, { offset: number }>[] {
  return sent(ends, "send").map(
    (send) => (send as { data: { ack: Record<string, { offset: number }> } }).data.ack,
  );
}

describe("a channel that the server subscribes to", () => {
  test("is followed from the position that the server sends, without another subscribe", async ({ open }) => {
    const ends = open(mine);
    const { client, clock } = ends;
    await publishAll(ends, 1, 2);
    const early = read(client.follow("mine"));
    await clock.settle();
    const late = read(client.follow("mine"));
    await publishAll(ends, 3, 5);
    await clock.settle();
    expect([early.got, late.got.at(-1)]).toEqual([[3, 4, 5], 5]);
    expect(client.status).toBe("connected");
  });

  test("yields what is published at the moment when it is followed", async ({ open }) => {
    const ends = open(mine);
    const { client, clock } = ends;
    await clock.settle();
    const first = read(client.follow("mine"));
    await publishAll(ends, 1, 3);
    await clock.settle();
    expect([first.got, sent(ends, "subscribe"), sent(ends, "unsubscribe")]).toEqual([[1, 2, 3], [], []]);
  });

  test("is followed, left and followed again, and loses nothing that comes while it is followed", async ({
    open,
  }) => {
    const ends = open(mine);
    const { client, clock, notifier } = ends;
    await clock.settle();
    for (const round of upTo(3)) {
      const events = client.follow("mine");
      const got: unknown[] = [];
      const next = () => outcomeOf(events.next().then(({ value }) => got.push(value?.data)));
      next();
      await publishAll(ends, round * 10 + 1, round * 10 + 3);
      await clock.settle();
      for (const _ of upTo(2)) {
        next();
        await clock.settle();
      }
      expect(got).toEqual([1, 2, 3].map((n) => round * 10 + n));
      await events.return(undefined);
      await publishAll(ends, round * 10 + 4, round * 10 + 5);
      await clock.settle();
      // The server made this subscription, and the client does not end it.
      expect((await notifier.presence("mine")).clients.length).toBe(1);
    }
    const { epoch } = await notifier.history("mine");
    const rest = read(client.follow("mine", { after: { offset: 13, epoch } }));
    await clock.settle();
    expect(rest.got).toEqual([34, 35]);
  });

  test("is not acknowledged while its reader did not read it", async ({ open }) => {
    const ends = open(mine);
    const { client, clock, notifier } = ends;
    await clock.settle();
    const unread = await notifier.publish("mine", 1, { confirm: true });
    const delivered = outcomeOf(unread.delivered({ level: "acknowledged" }));
    await clock.settle();
    const later = client.follow("mine");
    const first = outcomeOf(later.next());
    await clock.settle();
    const receipt = await notifier.publish("mine", 2);
    const acknowledged = outcomeOf(receipt.delivered({ level: "acknowledged" }));
    await clock.settle();
    const second = outcomeOf(later.next());
    await clock.advance(1_000);
    expect(first.value).toMatchObject({ value: { data: 2 } });
    expect([second.state, acknowledged.state, delivered.state]).toEqual(["pending", "fulfilled", "pending"]);
    // Reading the publication acknowledges it.
    const all = read(client.follow("mine", { after: start }));
    await clock.advance(1_000);
    expect([all.got, delivered.state]).toEqual([[1, 2], "fulfilled"]);
  });

  test("continues from its position when the client reconnects and sends that position", async ({ open }) => {
    const ends = open(mine);
    const { client, clock, network, notifier } = ends;
    const all = read(client.follow("mine", { after: start }));
    const live = read(client.follow("mine"));
    await clock.settle();
    for (const round of upTo(4)) {
      await publishAll(ends, round * 10 + 1, round * 10 + 2);
      await clock.settle();
      network.last.drop();
      await publishAll(ends, round * 10 + 3, round * 10 + 4);
      await clock.advance(3_000);
    }
    const wanted = upTo(4).flatMap((round) => upTo(4).map((n) => round * 10 + n));
    expect([all.got, live.got]).toEqual([wanted, wanted]);
    const { epoch } = await notifier.history("mine");
    expect(sent(ends, "connect")).toEqual([
      { name: "tocsin", subs: { mine: { recover: true, offset: 14, epoch } } },
    ]);
    expect([sent(ends, "subscribe"), sent(ends, "unsubscribe")]).toEqual([[], []]);
  });

  test("reports a gap where there is one", async ({ open }) => {
    const ends = open({ ...mine, log: memoryLog({ size: 3, slack: 0 } as never) });
    const { client, clock, network, notifier } = ends;
    const one = read(client.follow("mine"));
    await clock.settle();
    await publishAll(ends, 1, 1);
    await clock.settle();
    network.last.drop();
    // On a log that keeps little, publishing takes several turns.
    const published = publishAll(ends, 2, 9);
    await clock.advance(1_000);
    await published;
    const { epoch } = await notifier.history("mine");
    expect([one.got, one.ended.reason]).toEqual([
      [1],
      new GapError("mine", { offset: 1, epoch }, { offset: 6, epoch }),
    ]);
    const rest = read(client.follow("mine", { after: (one.ended.reason as GapError).earliest }));
    await clock.settle();
    expect(rest.got).toEqual([7, 8, 9]);
  });

  test("acknowledges no publication before the reader's next call, also when the client reconnects", async ({
    open,
  }) => {
    const ends = open(mine);
    const { client, clock, network, notifier } = ends;
    const events = client.follow("mine");
    const got: unknown[] = [];
    const next = () => outcomeOf(events.next().then(({ value }) => got.push(value?.data)));
    next();
    await clock.settle();
    const receipt = await notifier.publish("mine", 1, { confirm: true });
    const delivered = outcomeOf(receipt.delivered({ level: "acknowledged" }));
    await clock.settle();
    network.last.drop();
    await clock.advance(1_000);
    expect([got, delivered.state, client.status]).toEqual([[1], "pending", "connected"]);
    next();
    await clock.advance(1_000);
    expect(delivered.state).toBe("fulfilled");
    await publishAll(ends, 2, 2);
    await clock.settle();
    expect(got).toEqual([1, 2]);
  });

  test("is acknowledged by a reader that begins after its last publication, as after any other position", async ({
    open,
  }) => {
    const ends = open(mine);
    const { client, clock, network, notifier, dial } = ends;
    await clock.settle();
    const receipt = await notifier.publish("mine", 1, { confirm: true });
    const delivered = outcomeOf(receipt.delivered({ level: "acknowledged" }));
    await clock.settle();
    network.last.drop();
    await client.close();
    const again = dial();
    read(again.follow("mine", { after: receipt.position }));
    await clock.advance(1_000);
    expect(delivered.state).toBe("fulfilled");
  });

  test("is subscribed by the client itself once the server no longer does so", async ({ open }) => {
    const channels = ["mine"];
    const ends = open({ channels });
    const { client, clock, network } = ends;
    const one = read(client.follow("mine"));
    await clock.settle();
    await publishAll(ends, 1, 1);
    await clock.settle();
    channels.pop();
    network.last.drop();
    await publishAll(ends, 2, 2);
    await clock.advance(1_000);
    await publishAll(ends, 3, 3);
    await clock.settle();
    expect([one.got, sent(ends, "subscribe").length]).toEqual([[1, 2, 3], 1]);
    channels.push("mine");
    network.last.drop();
    await publishAll(ends, 4, 4);
    await clock.advance(3_000);
    await publishAll(ends, 5, 5);
    await clock.settle();
    expect(one.got).toEqual([1, 2, 3, 4, 5]);
  });

  test("that is first followed while disconnected begins with later publications", async ({ open }) => {
    const ends = open(mine);
    const { client, clock, network } = ends;
    await clock.settle();
    await publishAll(ends, 1, 2);
    await clock.settle();
    network.mode = "down";
    network.last.drop();
    await clock.settle();
    const one = read(client.follow("mine"));
    await publishAll(ends, 3, 4);
    network.mode = "up";
    await clock.advance(5_000);
    await publishAll(ends, 5, 6);
    await clock.advance(100);
    expect([one.got, acks(ends).at(-1)]).toMatchObject([[5, 6], { mine: { offset: 6 } }]);
  });

  test("ends for its readers when the server unsubscribes from it, and may be followed again", async ({
    open,
  }) => {
    const ends = open(mine);
    const { client, clock, notifier } = ends;
    const one = read(client.follow("mine"));
    await clock.settle();
    notifier.unsubscribe("ann", "mine");
    await clock.settle();
    expect(one.ended.reason).toMatchObject({
      code: 2000,
      message: 'Cannot follow "mine": server unsubscribed',
    });
    const again = read(client.follow("mine"));
    await clock.settle();
    await publishAll(ends, 1, 1);
    await clock.settle();
    expect(again.got).toEqual([1]);
  });
});

describe("many channels", () => {
  const names = upTo(1_000).map((n) => `${"é".repeat(250)}-${n}`);

  test.for(["followed", "granted"])(
    "that are %s are acknowledged in messages that every server takes",
    async (how, { open }) => {
      // The channels that do not fit into one connect command are unsubscribed and subscribed again. Their number stays
      // within the server's limit of waiting commands.
      const all = how === "granted" ? names.slice(0, 150) : names;
      const channels = how === "granted" ? all : [];
      const ends = open({ channels });
      const { client, clock, notifier, network } = ends;
      const readers = all.map((name) => read(client.follow(name)));
      await clock.settle();
      for (const name of all) await notifier.publish(name, 1);
      await clock.advance(100);
      expect(readers.filter(({ got }) => got.length === 1).length).toBe(all.length);
      const acknowledged = acks(ends).flatMap((ack) => Object.keys(ack));
      expect(new Set(acknowledged)).toEqual(new Set(all));
      network.last.drop();
      for (const name of all) await notifier.publish(name, 2);
      await clock.advance(5_000);
      expect(readers.filter(({ got }) => got.length === 2).length).toBe(all.length);
      const longest = network.lines.flatMap(({ sent }) =>
        sent.map((each) => Buffer.byteLength(JSON.stringify(each))),
      );
      expect([client.status, network.lines.length, Math.max(...longest) < 65_536]).toEqual([
        "connected",
        2,
        true,
      ]);
    },
  );

  test("of any name are followed and acknowledged, also names with a meaning in JavaScript", async ({
    open,
  }) => {
    const odd = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", 'a"b\\c'];
    const ends = open({ channels: ["__proto__", "toString"] });
    const { client, clock, notifier, network } = ends;
    const readers = odd.map((name) => read(client.follow(name)));
    await clock.settle();
    const outcomes = [];
    for (const name of odd) {
      const receipt = await notifier.publish(name, { __proto__: null, name });
      outcomes.push(outcomeOf(receipt.delivered({ level: "acknowledged" })));
    }
    await clock.advance(1_000);
    expect(readers.map(({ got }) => got)).toEqual(odd.map((name) => [{ name }]));
    expect(outcomes.map(({ state }) => state)).toEqual(odd.map(() => "fulfilled"));
    network.last.drop();
    for (const name of odd) await notifier.publish(name, 2);
    await clock.advance(1_000);
    expect(readers.map(({ got }) => got.at(-1))).toEqual(odd.map(() => 2));
    const run = notifier.run(async () => 42, { id: "__proto__", owner: "ann" });
    const result = outcomeOf(client.run(run.id).result());
    await clock.settle();
    expect(result.value).toBe(42);
  });
});
