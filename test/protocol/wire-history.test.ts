import { describe, expect, test } from "vitest";
import {
  anybody,
  type Client,
  pub,
  range,
  start,
  type Wire,
  type WireOptions,
  wire,
} from "../support/wire.ts";

const denied = { code: 103, message: "permission denied" };
const badRequest = { code: 107, message: "bad request" };
const unrecoverable = { code: 112, message: "unrecoverable position" };

/** Returns a connected client, after publications 1 to `count` on "news". */
async function withNews(
  count: number,
  options: WireOptions = {},
): Promise<Wire & { peer: Client; news: string }> {
  const here = wire(options);
  await here.publish("news", ...range(1, count));
  const peer = here.client();
  await peer.connect();
  return { ...here, peer, news: await here.epoch("news") };
}

const entry = (offset: number) => ({ data: offset, offset, time: start });

describe("history", () => {
  test.each([
    ["without a limit", {}],
    ["with limit 0", { limit: 0 }],
    ["with limit 0, reversed", { limit: 0, reverse: true }],
    ["with limit 0 from a position", { limit: 0, since: { offset: 1, epoch: "" } }],
  ])("%s returns the position alone", async (_name, params) => {
    const { peer, news } = await withNews(3);
    expect(await peer.call("history", { channel: "news", ...params })).toEqual({
      id: 2,
      history: { publications: [], offset: 3, epoch: news },
    });
  });

  test("of a channel that was never used is empty, in an epoch of its own", async () => {
    const { peer, epoch } = await withNews(0);
    expect(await peer.call("history", { channel: "empty", limit: -1 })).toEqual({
      id: 2,
      history: { publications: [], offset: 0, epoch: await epoch("empty") },
    });
  });

  const cases: [name: string, params: object, offsets: number[]][] = [
    ["with a negative limit returns everything", { limit: -1 }, range(1, 6)],
    ["with a limit returns the oldest", { limit: 2 }, [1, 2]],
    ["with a limit above the number of publications returns all", { limit: 1_000_000 }, range(1, 6)],
    ["reversed returns the newest first", { limit: -1, reverse: true }, [6, 5, 4, 3, 2, 1]],
    ["reversed with a limit returns the newest", { limit: 2, reverse: true }, [6, 5]],
    ["since a position returns what follows", { limit: -1, since: { offset: 4, epoch: "" } }, [5, 6]],
    ["since a position, with a limit", { limit: 1, since: { offset: 4, epoch: "" } }, [5]],
    ["since the top returns nothing", { limit: -1, since: { offset: 6, epoch: "" } }, []],
    ["since { 0, no epoch } answers all", { limit: -1, since: { offset: 0, epoch: "" } }, range(1, 6)],
    ["since an empty position returns all", { limit: -1, since: {} }, range(1, 6)],
    [
      "since a position, reversed, returns what precedes it, newest first",
      { limit: -1, reverse: true, since: { offset: 4, epoch: "" } },
      [3, 2, 1],
    ],
    [
      "since a position, reversed, with a limit",
      { limit: 2, reverse: true, since: { offset: 4, epoch: "" } },
      [3, 2],
    ],
    [
      "since { 0, no epoch }, reversed, answers all, newest first",
      { limit: -1, reverse: true, since: { offset: 0, epoch: "" } },
      [6, 5, 4, 3, 2, 1],
    ],
  ];
  test.each(cases)("%s", async (_name, params, offsets) => {
    const { peer, news } = await withNews(6);
    expect(await peer.call("history", { channel: "news", ...params })).toEqual({
      id: 2,
      history: { publications: offsets.map(entry), offset: 6, epoch: news },
    });
  });

  test("since a position of the same epoch", async () => {
    const { peer, news } = await withNews(3);
    const since = { offset: 1, epoch: news };
    expect(await peer.call("history", { channel: "news", limit: -1, since })).toEqual({
      id: 2,
      history: { publications: [2, 3].map(entry), offset: 3, epoch: news },
    });
  });

  test("since { 0, no epoch } of a trimmed log returns everything that is left", async () => {
    const { peer, news } = await withNews(5, { memory: { size: 2, slack: 0 } });
    const since = { offset: 0, epoch: "" };
    expect(await peer.call("history", { channel: "news", limit: -1, since })).toEqual({
      id: 2,
      history: { publications: [4, 5].map(entry), offset: 5, epoch: news },
    });
  });

  test.each([
    ["of another epoch", { offset: 4, epoch: "other" }],
    ["at 0 of another epoch", { offset: 0, epoch: "other" }],
    ["whose successor was trimmed", { offset: 2, epoch: "" }],
    ["in the future", { offset: 6, epoch: "" }],
  ])("since a position %s is refused with 112", async (_name, since) => {
    const { peer } = await withNews(5, { memory: { size: 2, slack: 0 } });
    expect(await peer.call("history", { channel: "news", limit: -1, since })).toEqual({
      id: 2,
      error: unrecoverable,
    });
  });

  test("reversed, since a position of another epoch, is refused with 112", async () => {
    const { peer } = await withNews(5);
    const since = { offset: 4, epoch: "other" };
    expect(await peer.call("history", { channel: "news", limit: -1, reverse: true, since })).toEqual({
      id: 2,
      error: unrecoverable,
    });
  });

  test.each([
    ["a limit that is a text", { limit: "1" }],
    ["a limit that is not whole", { limit: 1.5 }],
    ["a limit past 2^53", { limit: 2 ** 60 }],
    ["since that is a number", { since: 4 }],
    ["since that is a list", { since: [] }],
    ["since with a negative offset", { since: { offset: -1 } }],
    ["since with an epoch that is a number", { since: { epoch: 4 } }],
    ["no channel", { channel: undefined }],
  ])("with %s is refused with 107", async (_name, params) => {
    const { peer } = await withNews(1);
    expect(await peer.call("history", { channel: "news", ...params })).toEqual({ id: 2, error: badRequest });
  });

  test("without permission is refused with 103", async () => {
    const { client } = await withNews(1);
    const peer = client({ peer: { user: "", authorize: (_, { type }) => type !== "history" } });
    await peer.connect();
    expect(await peer.call("history", { channel: "news", limit: -1 })).toEqual({ id: 2, error: denied });
  });

  test("returns no more than the limit of publications, and no more than a window", async () => {
    const limited = await withNews(10, { limits: { history: 4 } });
    expect(await limited.peer.call("history", { channel: "news", limit: -1 })).toMatchObject({
      history: { publications: range(1, 4).map(entry), offset: 10 },
    });
    expect(await limited.peer.call("history", { channel: "news", limit: 9, reverse: true })).toMatchObject({
      history: { publications: [10, 9, 8, 7].map(entry), offset: 10 },
    });
    const small = await withNews(10, { window: 200 });
    const { history } = (await small.peer.call("history", { channel: "news", limit: -1 })) as {
      history: { publications: object[] };
    };
    const { length } = history.publications;
    expect(history.publications).toEqual(range(1, length).map(entry));
    expect(length).toBe(Math.floor(200 / JSON.stringify(entry(1)).length));
  });

  test("counts a window in bytes, not in characters", async () => {
    const { peer, publish } = await withNews(0, { window: 10_000 });
    await publish("long", ...range(1, 20).map(() => "😀é…".repeat(100)));
    const reply = await peer.call("history", { channel: "long", limit: -1 });
    expect(new TextEncoder().encode(JSON.stringify(reply)).length).toBeLessThanOrEqual(10_000 + 1_200);
  });

  test("carries tags", async () => {
    const { peer, notifier, news } = await withNews(0);
    await notifier.publish("news", { a: 1 }, { tags: { kind: "x" } });
    expect(await peer.call("history", { channel: "news", limit: 1 })).toEqual({
      id: 2,
      history: {
        publications: [{ data: { a: 1 }, offset: 1, time: start, tags: { kind: "x" } }],
        offset: 1,
        epoch: news,
      },
    });
  });
});

describe("publish", () => {
  test("where it is allowed reaches every subscriber, the publisher too, and then it is answered", async () => {
    const { peer, client, notifier, clock } = await withNews(0);
    const other = client();
    await other.connect();
    for (const each of [peer, other]) await each.call("subscribe", { channel: "chat" });
    peer.send({ id: 3, publish: { channel: "chat", data: { text: "hi" } } });
    await clock.settle();
    expect(peer.received).toContainEqual({ id: 3, publish: {} });
    expect(peer.received).toContainEqual(pub("chat", 1, { text: "hi" }));
    expect(peer.received).toHaveLength(2);
    expect(other.received).toEqual([pub("chat", 1, { text: "hi" })]);
    expect((await notifier.history("chat")).publications).toMatchObject([{ data: { text: "hi" } }]);
  });

  test.each([[null], [0], [false], [""], [[]]])("of %j is a publication like any other", async (data) => {
    const { peer, client } = await withNews(0);
    const other = client();
    await other.connect();
    await other.call("subscribe", { channel: "chat" });
    expect(await peer.call("publish", { channel: "chat", data })).toEqual({ id: 2, publish: {} });
    expect(other.received).toEqual([pub("chat", 1, data)]);
  });

  test("is refused with 103 where it is not allowed, 107 without data, 106 when it is too large", async () => {
    const { client, notifier } = wire({ limits: { publication: 10 } });
    const peer = client({ peer: { user: "", authorize: (_, { channel }) => channel !== "closed" } });
    await peer.connect();
    expect(await peer.call("publish", { channel: "closed", data: 1 })).toEqual({ id: 2, error: denied });
    expect(await peer.call("publish", { channel: "open" })).toEqual({ id: 3, error: badRequest });
    expect(await peer.call("publish", { data: 1 })).toEqual({ id: 4, error: badRequest });
    expect(await peer.call("publish", { channel: "open", data: "123456789" })).toEqual({
      id: 5,
      error: { code: 106, message: "limit exceeded" },
    });
    expect(await peer.call("publish", { channel: "open", data: "éééé" })).toEqual({ id: 6, publish: {} });
    expect(await peer.call("publish", { channel: "open", data: "ééééé" })).toMatchObject({
      id: 7,
      error: { code: 106 },
    });
    expect(await peer.call("publish", { channel: "run:1", data: 1 })).toEqual({ id: 8, error: denied });
    expect((await notifier.history("closed")).offset).toBe(0);
    expect((await notifier.history("open")).offset).toBe(1);
  });

  test("while the log fails for 10 s is answered with 100, and is not published later", async () => {
    const { peer, clock, log, takeErrors, notifier } = await withNews(0);
    log.fail(new Error("disk"));
    peer.send({ id: 2, publish: { channel: "chat", data: 1 } });
    await clock.advance(10_000);
    expect(peer.received).toEqual([
      { id: 2, error: { code: 100, message: "internal server error", temporary: true } },
    ]);
    log.fail(undefined);
    await clock.advance(30_000);
    expect((await notifier.history("chat")).offset).toBe(0);
    expect(takeErrors().length).toBeGreaterThan(0);
  });
});

describe("presence", () => {
  async function room() {
    const here = wire();
    const enter = async (user: string, info?: unknown): Promise<Client> => {
      const peer = here.client({ peer: { ...anybody, user, info } });
      await peer.connect();
      return peer;
    };
    const [ann, again, bob] = [
      await enter("ann", { name: "Ann" }),
      await enter("ann"),
      await enter("bob", null),
    ];
    return { ...here, ann, again, bob };
  }

  test("returns who is on the channel, by client, and the number of clients and users", async () => {
    const { ann, again, bob, notifier } = await room();
    for (const each of [ann, again, bob]) await each.call("subscribe", { channel: "room" });
    expect(await ann.call("presence", { channel: "room" })).toEqual({
      id: 3,
      presence: {
        presence: {
          [ann.id]: { user: "ann", client: ann.id, conn_info: { name: "Ann" } },
          [again.id]: { user: "ann", client: again.id },
          [bob.id]: { user: "bob", client: bob.id, conn_info: null },
        },
      },
    });
    expect(await ann.call("presence_stats", { channel: "room" })).toEqual({
      id: 4,
      presence_stats: { num_clients: 3, num_users: 2 },
    });
    await again.call("unsubscribe", { channel: "room" });
    bob.drop();
    expect(await ann.call("presence", { channel: "room" })).toEqual({
      id: 5,
      presence: { presence: { [ann.id]: { user: "ann", client: ann.id, conn_info: { name: "Ann" } } } },
    });
    expect(await notifier.presence("room")).toEqual({
      clients: [{ session: ann.id, user: "ann", info: { name: "Ann" } }],
      users: 1,
    });
  });

  test("of an empty channel is empty", async () => {
    const { ann } = await room();
    expect(await ann.call("presence", { channel: "room" })).toEqual({ id: 2, presence: { presence: {} } });
    expect(await ann.call("presence_stats", { channel: "room" })).toEqual({
      id: 3,
      presence_stats: { num_clients: 0, num_users: 0 },
    });
  });

  test("without permission is refused with 103, and so is a subscribe with join_leave", async () => {
    const { client } = wire();
    const peer = client({ peer: { user: "", authorize: (_, { type }) => type === "subscribe" } });
    await peer.connect();
    expect(await peer.call("presence", { channel: "room" })).toEqual({ id: 2, error: denied });
    expect(await peer.call("presence_stats", { channel: "room" })).toEqual({ id: 3, error: denied });
    expect(await peer.call("subscribe", { channel: "room", join_leave: true })).toEqual({
      id: 4,
      error: denied,
    });
    expect(await peer.call("presence", {})).toEqual({ id: 5, error: badRequest });
    expect(await peer.call("subscribe", { channel: "room" })).toMatchObject({ id: 6, subscribe: {} });
  });

  test("joins and leaves are pushed to those who asked for them, their own join included", async () => {
    const { ann, again, bob, clock } = await room();
    await ann.call("subscribe", { channel: "room", join_leave: true });
    await again.call("subscribe", { channel: "room" });
    await bob.call("subscribe", { channel: "room", join_leave: true });
    await again.call("unsubscribe", { channel: "room" });
    bob.drop();
    await clock.settle();
    const push = (kind: string, info: object) => ({ push: { channel: "room", [kind]: { info } } });
    const infos = {
      ann: { user: "ann", client: ann.id, conn_info: { name: "Ann" } },
      again: { user: "ann", client: again.id },
      bob: { user: "bob", client: bob.id, conn_info: null },
    };
    expect(ann.received).toEqual([
      push("join", infos.ann),
      push("join", infos.again),
      push("join", infos.bob),
      push("leave", infos.again),
      push("leave", infos.bob),
    ]);
    expect(again.received).toEqual([]);
    expect(bob.received).toEqual([push("join", infos.bob), push("leave", infos.again)]);
  });
});
