import { describe, expect } from "vitest";
import type { Peer } from "../../../src/model/peer.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { type Pipe, pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  acknowledging,
  ackOf,
  arrival,
  began,
  heldBy,
  person,
  pingsOf,
  silent,
} from "../../support/acknowledging.ts";
import {
  type Core,
  deferred,
  finish,
  type RawSocket,
  rawSocket,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";

const confirm = true;

/** Returns how many confirmed publications wait. */
function waiting({ notifier }: Core): number {
  return notifier.stats().confirmed;
}

async function epochOf({ notifier }: Core, channel = "news"): Promise<string> {
  return (await notifier.history(channel)).epoch;
}

/** Publishes confirmed publications, each in a turn of its own. */
async function publishConfirmed({ notifier, clock }: Core, count: number, channel = "news"): Promise<void> {
  for (let i = 0; i < count; i++) {
    await notifier.publish(channel, i, { confirm });
    await clock.settle();
  }
}

/** Sends the rpc `ack` of a client and returns the reply. */
async function answerTo({ clock }: Core, client: Pipe, data: unknown): Promise<unknown> {
  client.take();
  client.send({ id: 99, rpc: { method: "ack", data } });
  await clock.settle();
  return client.take()[0];
}

/** Returns a socket of a user that subscribes after a position, and answers no ping. */
async function back(core: Core, user: string, offset: number, channel = "news"): Promise<RawSocket> {
  const raw = rawSocket(core.notifier, person(user));
  const subscribe = { channel, recover: true, offset, epoch: await epochOf(core, channel) };
  raw.session.receive(`{"id":1,"connect":{}}\n${JSON.stringify({ id: 2, subscribe })}`);
  await core.clock.settle();
  return raw;
}

describe("an acknowledgement, sent", () => {
  test("counts for everything up to its offset", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await publishConfirmed(core, 5);
    ann.ack(3);
    expect(waiting(core)).toBe(2);
    ann.ack(5);
    expect(waiting(core)).toBe(0);
  });

  test("counts for several channels at once", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, ["news", "sport", "__proto__"]);
    for (const channel of ["news", "sport", "__proto__"]) await publishConfirmed(core, 2, channel);
    const said = await Promise.all(
      ["news", "sport", "__proto__"].map(
        async (channel) =>
          `${JSON.stringify(channel)}:{"offset":2,"epoch":"${await epochOf(core, channel)}"}`,
      ),
    );
    ann.send(`{"send":{"data":{"ack":{${said.join(",")}}}}}`);
    expect(waiting(core)).toBe(0);
  });

  test("replaces one that was lost, and changes nothing when it is repeated", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    const receipts = await Promise.all(
      upTo(3).map((data) => core.notifier.publish("news", data, { confirm })),
    );
    await core.clock.settle();
    for (let i = 0; i < 3; i++) ann.ack(2);
    await core.clock.settle();
    expect([waiting(core), ann.received.length]).toEqual([1, 3]);
    expect((await receipts[0]?.delivered())?.level).toBe("acknowledged");
    expect((await receipts[1]?.delivered())?.level).toBe("acknowledged");
  });

  test("with a lower offset than one before changes nothing", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    const receipts = await Promise.all(upTo(3).map((data) => core.notifier.publish("news", data)));
    await core.clock.settle();
    ann.ack(3);
    ann.ack(1);
    ann.ack(0);
    for (const receipt of receipts) {
      const { level, by } = await receipt.delivered({ level: "acknowledged" });
      expect([level, by]).toEqual(["acknowledged", "ann"]);
    }
    expect(await answerTo(core, ann, { ack: { news: { offset: 1, epoch: await epochOf(core) } } })).toEqual({
      id: 99,
      rpc: {},
    });
  });

  test("by a session without a user counts for that session alone", async ({ start }) => {
    const core = start();
    const [one, other] = [await subscriber(core, "news"), await subscriber(core, "news")];
    one.stall();
    other.stall();
    const receipt = await core.notifier.publish("news", 1);
    await core.clock.settle();
    const [byOne, byOther] = [one, other].map(({ session: { id } }) =>
      arrival(receipt, { by: id, level: "acknowledged" }),
    );
    one.send(ackOf("news", 1, await epochOf(core)));
    await core.clock.settle();
    expect([byOne?.value?.by, byOther?.state]).toEqual([one.session.id, "pending"]);
  });

  test("with an invalid part counts for the rest, and has no reply", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, ["news", "sport"]);
    await publishConfirmed(core, 2);
    await publishConfirmed(core, 1, "sport");
    await publishConfirmed(core, 1, "other");
    const [news, sport, other] = [
      await epochOf(core),
      await epochOf(core, "sport"),
      await epochOf(core, "other"),
    ];
    ann.take();
    ann.send({
      send: {
        data: {
          ack: {
            other: { offset: 1, epoch: other },
            nowhere: null,
            news: { offset: 1, epoch: news },
            sport: { offset: 2, epoch: sport },
          },
        },
      },
    });
    await core.clock.settle();
    expect([waiting(core), ann.received, ann.closed]).toEqual([3, [], undefined]);
    ann.send({
      send: { data: { ack: { news: { offset: -1, epoch: news }, sport: { offset: 1, epoch: sport } } } },
    });
    await core.clock.settle();
    expect([waiting(core), ann.received, ann.closed]).toEqual([2, [], undefined]);
  });

  test("before it was sent to the client counts for nothing", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await core.notifier.publish("news", 1, { confirm });
    ann.ack(1);
    expect(waiting(core)).toBe(1);
    await core.clock.settle();
    expect(waiting(core)).toBe(1);
    ann.ack(1);
    expect(waiting(core)).toBe(0);
  });

  test("beyond what a full window has let through counts for nothing, though the log has it", async ({
    start,
  }) => {
    const core = start({ window: 1_024 });
    const raw = await silent(core);
    const epoch = await epochOf(core);
    for (let i = 0; i < 4; i++) {
      await core.notifier.publish("news", "x".repeat(600), { confirm });
      await core.clock.settle();
    }
    const say = (offset: number) => raw.session.receive(JSON.stringify(ackOf("news", offset, epoch)));
    const sent = raw.lines.filter((line) => line.includes('"pub"')).length;
    expect(sent).toBe(1);
    say(4);
    say(sent + 1);
    expect(waiting(core)).toBe(4);
    say(sent);
    expect(waiting(core)).toBe(4 - sent);
    raw.session.ended();
  });

  test("after it has unsubscribed counts for nothing", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await publishConfirmed(core, 1);
    ann.send({ id: 9, unsubscribe: { channel: "news" } });
    await core.clock.settle();
    ann.ack(1);
    expect(waiting(core)).toBe(1);
    expect(await answerTo(core, ann, { ack: { news: { offset: 1, epoch: await epochOf(core) } } })).toEqual({
      id: 99,
      error: { code: 103, message: "permission denied" },
    });
  });
});

describe("an acknowledgement by rpc", () => {
  const denied = { code: 103, message: "permission denied" };
  const bad = { code: 107, message: "bad request" };
  const unrecoverable = { code: 112, message: "unrecoverable position" };

  test("is answered, and counts like one that is sent", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, ["news", "sport"]);
    await publishConfirmed(core, 2);
    await publishConfirmed(core, 1, "sport");
    const [news, sport] = [await epochOf(core), await epochOf(core, "sport")];
    const ack = { news: { offset: 2, epoch: news }, sport: { offset: 1, epoch: sport } };
    expect(await answerTo(core, ann, { ack })).toEqual({ id: 99, rpc: {} });
    expect(waiting(core)).toBe(0);
  });

  const epoch = "(that of the channel)";
  const wrong: [string, unknown, object][] = [
    ["nothing", undefined, bad],
    ["null", null, bad],
    ["a text", "news", bad],
    ["no ack", {}, bad],
    ["an ack of null", { ack: null }, bad],
    ["a list of acks", { ack: [] }, bad],
    ["a channel with null", { ack: { news: null } }, bad],
    ["a channel with a number", { ack: { news: 1 } }, bad],
    ["a channel with a list", { ack: { news: [] } }, bad],
    ["an offset past what was sent", { ack: { news: { offset: 3, epoch } } }, bad],
    ["an offset below 0", { ack: { news: { offset: -1, epoch } } }, bad],
    ["an offset of 2^53", { ack: { news: { offset: 2 ** 53, epoch } } }, bad],
    ["an offset of 1e300", { ack: { news: { offset: 1e300, epoch } } }, bad],
    ["a fractional offset", { ack: { news: { offset: 1.5, epoch } } }, bad],
    ["an offset as text", { ack: { news: { offset: "1", epoch } } }, bad],
    ["an epoch that is not a string", { ack: { news: { offset: 1, epoch: 7 } } }, bad],
    ["another epoch", { ack: { news: { offset: 1, epoch: "other" } } }, unrecoverable],
    ["no epoch", { ack: { news: { offset: 1 } } }, unrecoverable],
    ["a channel it is not subscribed to", { ack: { other: { offset: 1, epoch } } }, denied],
    ["a channel that does not exist", { ack: { nowhere: { offset: 1, epoch } } }, denied],
    ["an empty name", { ack: { "": { offset: 1, epoch } } }, denied],
  ];

  test.for(wrong)("of %s is refused", async ([, data, error], { start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await publishConfirmed(core, 2);
    await publishConfirmed(core, 1, "other");
    const own = await epochOf(core);
    const said: unknown = data === undefined ? data : JSON.parse(JSON.stringify(data).replaceAll(epoch, own));
    expect(await answerTo(core, ann, said)).toEqual({ id: 99, error });
    expect([waiting(core), ann.closed]).toEqual([3, undefined]);
  });

  test.for(wrong.filter(([, , error]) => error !== bad))(
    "of %s counts for nothing else in it either",
    async ([, data, error], { start }) => {
      const core = start();
      const ann = await acknowledging(core, ["news", "sport"]);
      await publishConfirmed(core, 2);
      await publishConfirmed(core, 1, "sport");
      await publishConfirmed(core, 1, "other");
      const [news, sport] = [await epochOf(core), await epochOf(core, "sport")];
      const { ack } = JSON.parse(JSON.stringify(data).replaceAll(epoch, news)) as { ack: object };
      const first = { sport: { offset: 1, epoch: sport }, ...ack };
      const last = { ...ack, sport: { offset: 1, epoch: sport } };
      for (const each of [first, last])
        expect(await answerTo(core, ann, { ack: each })).toEqual({ id: 99, error });
      expect(waiting(core)).toBe(4);
    },
  );

  test("may come before the publication was sent: then it is refused, and accepted later", async ({
    start,
  }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await core.notifier.publish("news", 1, { confirm });
    ann.send({
      id: 7,
      rpc: { method: "ack", data: { ack: { news: { offset: 1, epoch: await epochOf(core) } } } },
    });
    await core.clock.settle();
    expect(ann.received).toContainEqual({ id: 7, error: bad });
    ann.ack(1);
    expect(waiting(core)).toBe(0);
  });
});

describe("any other data that a client sends", () => {
  function receiving(): { peer: Peer; received: unknown[] } {
    const received: unknown[] = [];
    return { received, peer: { ...person("ann"), receive: (_peer, data) => void received.push(data) } };
  }

  test("is passed to the peer's receive; an acknowledgement is not", async ({ start }) => {
    const core = start();
    const { peer, received } = receiving();
    const ann = await acknowledging(core, "news", "ann", { peer });
    ann.ack(0);
    const others = [
      { hello: 1 },
      null,
      "ack",
      ["ack"],
      { ack: true },
      { ack: null },
      { ack: [1] },
      { Ack: {} },
    ];
    for (const data of others) ann.send({ send: { data } });
    ann.send({ send: { data: { ack: { nowhere: 1 }, hello: 2 } } });
    await core.clock.settle();
    expect(received).toEqual(others);
  });

  test("is not mixed up with an acknowledgement in one frame with connect and subscribe", async ({
    start,
  }) => {
    const core = start();
    const { peer, received } = receiving();
    const ann = pipe(core.notifier, { peer });
    ann.send(
      { id: 1, connect: {} },
      { id: 2, subscribe: { channel: "news" } },
      { send: { data: { ack: {} } } },
    );
    await core.clock.settle();
    await core.notifier.publish("news", 1, { confirm });
    await core.clock.settle();
    // The client has acknowledged once, so reading alone discharges nothing.
    expect([received, waiting(core)]).toEqual([[], 1]);
  });

  test("before connect closes the connection, and so does an acknowledgement", async ({ start }) => {
    const core = start();
    const ann = pipe(core.notifier, { peer: person("ann") });
    ann.send({ send: { data: { ack: {} } } }, { id: 1, connect: {} });
    await core.clock.settle();
    expect(ann.closed).toEqual({ code: 3501, reason: "bad request" });
  });
});

describe("an acknowledgement is handled at once", () => {
  test("while a slow authoriser holds up the commands before it", async ({ start }) => {
    const core = start();
    const go = deferred<boolean>();
    const peer: Peer = {
      user: "ann",
      authorize: (_peer, { channel }) => (channel === "slow" ? go.promise : true),
    };
    const ann = await acknowledging(core, "news", "ann", { peer });
    await publishConfirmed(core, 3);
    const epoch = await epochOf(core);
    ann.take();
    ann.send(
      { id: 5, subscribe: { channel: "slow" } },
      { id: 6, rpc: { method: "ack", data: { ack: { news: { offset: 1, epoch } } } } },
    );
    await core.clock.settle();
    // The rpc is answered as well, before the slow command.
    expect([waiting(core), ann.take()]).toEqual([2, [{ id: 6, rpc: {} }]]);
    ann.ack(2);
    expect(waiting(core)).toBe(1);
    go.resolve(false);
    await core.clock.settle();
    expect(ann.take()).toMatchObject([{ id: 5, error: { code: 103 } }]);
  });

  test("while the window is full", async ({ start }) => {
    const core = start({ window: 512 });
    const raw = await silent(core);
    const receipt = await core.notifier.publish("news", "x".repeat(600), { confirm });
    await core.clock.settle();
    const delivered = arrival(receipt);
    raw.session.receive(JSON.stringify(ackOf("news", 1, receipt.position.epoch)));
    await core.clock.settle();
    expect(delivered.value).toEqual({ level: "acknowledged", by: "ann", time: began });
    raw.session.ended();
  });

  test("while the notifier closes", async ({ start }) => {
    const core = start({ grace: 4_000 });
    const ann = await acknowledging(core, ["news", "sport"]);
    const [news, sport] = [
      await core.notifier.publish("news", 1, { confirm }),
      await core.notifier.publish("sport", 1, { confirm }),
    ];
    await core.clock.settle();
    const delivered = [news, sport].map((receipt) => arrival(receipt));
    const closed = core.notifier.close();
    await core.clock.advance(1_000);
    const { epoch } = sport.position;
    ann.ack(1);
    ann.send({ id: 9, rpc: { method: "ack", data: { ack: { sport: { offset: 1, epoch } } } } });
    await core.clock.settle();
    expect(delivered.map(({ value }) => value)).toEqual([
      { level: "acknowledged", by: "ann", time: began + 1_000 },
      { level: "acknowledged", by: "ann", time: began + 1_000 },
    ]);
    await core.clock.advance(3_000);
    expect(await closed).toMatchObject({ undelivered: [], givenUp: 0, sessions: { closed: 1, cut: 0 } });
  });
});

describe("coming back after an offset", () => {
  test("acknowledges what the same user was sent up to that offset", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    const receipts = await Promise.all(
      upTo(3).map((data) => core.notifier.publish("news", data, { confirm })),
    );
    await core.clock.settle();
    ann.drop();
    await core.clock.advance(60_000);
    expect(waiting(core)).toBe(3);
    const raw = await back(core, "ann", 2);
    expect(waiting(core)).toBe(1);
    expect(await receipts[1]?.delivered()).toEqual({
      level: "acknowledged",
      by: "ann",
      time: began + 60_000,
    });
    raw.session.ended();
  });

  test("acknowledges for a connection of the same user whose end is not known yet", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await publishConfirmed(core, 3);
    ann.stall();
    const raw = await back(core, "ann", 2);
    expect(waiting(core)).toBe(1);
    raw.session.ended();
  });

  test("acknowledges nothing for a user with more than 100 sessions, who may be many people", async ({
    start,
  }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await publishConfirmed(core, 3);
    ann.stall();
    const others = upTo(98).map(() => pipe(core.notifier, { peer: person("ann") }));
    const raws = [await back(core, "ann", 1), await back(core, "ann", 3)];
    expect(waiting(core)).toBe(2);
    for (const { session } of raws) session.ended();
    for (const other of others) other.drop();
    raws[0] = await back(core, "ann", 2);
    expect(waiting(core)).toBe(1);
    raws[0].session.ended();
  });

  test("acknowledges nothing that was published before the user's first subscription", async ({ start }) => {
    const core = start();
    await publishConfirmed(core, 2);
    const ann = await acknowledging(core, "news");
    await publishConfirmed(core, 2);
    ann.drop();
    const raw = await back(core, "ann", 4);
    expect(waiting(core)).toBe(2);
    raw.session.ended();
  });

  test("acknowledges nothing for another user, or for one that was never connected", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await publishConfirmed(core, 2);
    ann.drop();
    const raws = [await back(core, "bob", 2), await back(core, "", 2)];
    expect(waiting(core)).toBe(2);
    for (const raw of raws) raw.session.ended();
  });

  test("acknowledges nothing where it is not recovered", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await publishConfirmed(core, 2);
    ann.drop();
    const raw = rawSocket(core.notifier, person("ann"));
    const subscribe = { channel: "news", recover: true, offset: 2, epoch: "other" };
    raw.session.receive(`{"id":1,"connect":{}}\n${JSON.stringify({ id: 2, subscribe })}`);
    await core.clock.settle();
    expect(waiting(core)).toBe(2);
    raw.session.ended();
  });

  test("does not mark a client as one that acknowledges", async ({ start }) => {
    const core = start();
    const ann = await acknowledging(core, "news");
    await publishConfirmed(core, 2);
    ann.drop();
    const raw = await back(core, "ann", 1);
    expect([waiting(core), pingsOf(raw)]).toEqual([1, 1]);
    raw.pong();
    await core.clock.settle();
    expect(waiting(core)).toBe(0);
    raw.session.ended();
  });
});

describe("an empty acknowledgement", () => {
  test("marks the client as one that acknowledges, so that reading no longer discharges", async ({
    start,
  }) => {
    const core = start();
    const [sends, calls] = [
      await subscriber(core, "a", { peer: person("ann") }),
      await subscriber(core, "b", { peer: person("bob") }),
    ];
    for (const channel of ["a", "b"]) await publishConfirmed(core, 1, channel);
    expect(waiting(core)).toBe(0);
    sends.send({ send: { data: { ack: {} } } });
    expect(await answerTo(core, calls, { ack: {} })).toEqual({ id: 99, rpc: {} });
    for (const channel of ["a", "b"]) await publishConfirmed(core, 1, channel);
    await core.clock.advance(60_000);
    expect(waiting(core)).toBe(2);
    expect(await finish(core)).toMatchObject({ givenUp: 2 });
  });

  test("applies to that connection alone", async ({ start }) => {
    const core = start();
    await acknowledging(core, "news", "ann");
    await subscriber(core, "news", { peer: person("ann") });
    await publishConfirmed(core, 1);
    expect(waiting(core)).toBe(0);
  });
});

test("A10: 2 000 confirmed publications, acknowledged now and then, leave nothing behind", async ({
  start,
}) => {
  const core = start();
  const ann = await acknowledging(core, "news");
  const { armed } = core.clock;
  const before = core.notifier.stats();
  let peak = 0;
  for (let offset = 1; offset <= 2_000; offset++) {
    await core.notifier.publish("news", offset, { confirm });
    if (offset % 100 !== 0) continue;
    await core.clock.settle();
    peak = Math.max(peak, waiting(core));
    ann.ack(offset);
  }
  await core.clock.settle();
  expect([peak, ann.received.length]).toEqual([100, 2_000]);
  expect([core.notifier.stats(), heldBy(core), core.clock.armed]).toEqual([before, [], armed]);
  ann.drop();
  await core.clock.settle();
  const { sessions, subscriptions, channels, confirmed } = core.notifier.stats();
  expect([sessions, subscriptions, channels, confirmed, core.clock.armed]).toEqual([0, 0, 0, 0, 0]);
  expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 0 });
});

describe("an unsubscribe that comes before its subscription is answered", () => {
  const subscribe = { id: 2, subscribe: { channel: "news" } };
  const unsubscribe = { id: 3, unsubscribe: { channel: "news" } };

  /** Connects a client whose `authorize` waits for `allow()`. The client answers every ping. */
  function behind(core: Core): { client: Pipe; allow(): void } {
    const go = deferred<boolean>();
    const client = pipe(core.notifier, { peer: { user: "ann", authorize: () => go.promise } });
    return { client, allow: () => go.resolve(true) };
  }

  test.for([
    ["in one message with it", [{ id: 1, connect: {} }, subscribe, unsubscribe], []],
    ["in a later message", [{ id: 1, connect: {} }, subscribe], [unsubscribe]],
    [
      "behind a recovery",
      [
        { id: 1, connect: {} },
        { id: 2, subscribe: { ...subscribe.subscribe, recover: true } },
      ],
      [unsubscribe],
    ],
  ] as const)("%s keeps publications from counting as read", async ([, first, later], { start }) => {
    const core = start({ rpc: { slow: () => hold.promise } });
    const hold = deferred();
    const { client, allow } = behind(core);
    client.send(...first);
    await core.clock.settle();
    // The slow rpc between the two delays the unsubscribe until the publication was sent and its pong has arrived.
    const receipt = await core.notifier.publish("news", 1, { confirm });
    const delivered = arrival(receipt);
    if (later.length > 0) client.send({ id: 9, rpc: { method: "slow" } }, ...later);
    allow();
    await core.clock.settle();
    const second = arrival(await core.notifier.publish("news", 2, { confirm }));
    await core.clock.settle();
    expect([delivered.state, second.state, waiting(core)]).toEqual(["pending", "pending", 2]);
    hold.resolve();
    await core.clock.settle();
    expect(core.notifier.stats()).toMatchObject({ subscriptions: 0, confirmed: 2 });
  });

  test("does not affect a later subscription", async ({ start }) => {
    const core = start();
    const { client, allow } = behind(core);
    client.send({ id: 1, connect: {} }, subscribe, unsubscribe, { id: 4, subscribe: { channel: "news" } });
    await core.clock.settle();
    allow();
    await core.clock.settle();
    const delivered = arrival(await core.notifier.publish("news", 1, { confirm }));
    await core.clock.settle();
    expect(delivered.value).toEqual({ level: "read", by: "ann", time: began });
  });

  test("of a channel that the server subscribes it to counts, too", async ({ start }) => {
    const core = start({ rpc: { slow: () => hold.promise } });
    const hold = deferred();
    const client = pipe(core.notifier, {
      peer: { user: "ann", channels: ["news"], connect: async () => ({ user: "ann", channels: ["news"] }) },
    });
    client.send({ id: 1, connect: {} }, { id: 2, rpc: { method: "slow" } }, unsubscribe);
    await core.clock.settle();
    const delivered = arrival(await core.notifier.publish("news", 1, { confirm }));
    await core.clock.settle();
    expect([client.received.length > 0, delivered.state]).toEqual([true, "pending"]);
    hold.resolve();
    await core.clock.settle();
  });
});

test("an acknowledgement in one epoch counts for nothing in the next, even where its subscriber has not learned of that", async ({
  start,
}) => {
  const clock = fakeClock();
  const log = memoryLog({ clock });
  const core = start({ clock, log });
  const { notifier } = core;
  const ann = await subscriber(core, "news");
  await notifier.publish("news", 1);
  const { position } = await notifier.publish("news", 2);
  await clock.settle();
  // The log starts a new epoch, and another process publishes, before the turn in which the channel is read.
  await log.append("news", "0", { time: 0, place: "last", retention: { size: 0, slack: 0 } });
  await log.append("news", "0", { time: 0, place: "first" });
  const receipt = await notifier.publish("news", "new", { confirm: true });
  expect([receipt.position.offset, receipt.position.epoch === position.epoch]).toEqual([2, false]);
  ann.send({ send: { data: { ack: { news: position } } } });
  expect(notifier.stats().confirmed).toBe(1);
});
