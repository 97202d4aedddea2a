import { describe, expect } from "vitest";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { ClosedError } from "../../../src/model/errors.ts";
import type { Log } from "../../../src/model/log.ts";
import type { Peer } from "../../../src/model/peer.ts";
import type { SessionState } from "../../../src/model/socket.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { fakeClock } from "../../../src/testing.ts";
import { test } from "../../support/core.ts";
import { type Client, type Host, hibernating, type MakeLogs } from "../../support/hibernating.ts";

const ann: Peer = { user: "ann", authorize: () => true };

async function connected(host: Host, channels: readonly string[] = [], peer = ann): Promise<Client> {
  const client = host.connect(peer);
  client.send(
    { id: 1, connect: {} },
    ...channels.map((channel, at) => ({ id: at + 2, subscribe: { channel } })),
  );
  await host.settle();
  client.lines.length = 0;
  return client;
}

async function publish(host: Host, channel: string, ...data: unknown[]): Promise<void> {
  for (const each of data) void host.notifier.publish(channel, each);
  await host.settle();
}

/** Returns the payloads that a client was sent since it was last asked. */
function taken(client: Client): unknown[] {
  return client.lines.splice(0).flatMap((line) => JSON.parse(line).push?.pub?.data ?? []);
}

/** Returns a log in memory, with members that the test changes, for all notifiers. */
function oneLog(changes: (log: Log) => Partial<Log>): MakeLogs {
  return (clock) => {
    const log = memoryLog({ clock });
    return { open: () => ({ ...bound(log), ...changes(log) }), lost() {} };
  };
}

function bound(log: Log): Log {
  return {
    append: (...args) => log.append(...args),
    read: (...args) => log.read(...args),
    watch: (...args) => log.watch(...args),
    keeps: (channel) => log.keeps?.(channel) ?? {},
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

describe("a restored session", () => {
  test("keeps its id and its presence, and nobody hears of a join", async () => {
    const host = hibernating();
    const listeners = [
      host.connect(ann),
      host.connect({ ...ann, user: "bob", info: { name: "Bob" } }),
    ] as const;
    for (const client of listeners)
      client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "team", join_leave: true } });
    await host.settle();
    for (const client of listeners) client.lines.length = 0;
    const presence = await host.notifier.presence("team");
    const ids = listeners.map(({ session }) => session.id);
    host.evict();
    await host.settle();
    expect(listeners.map(({ session }) => session.id)).toEqual(ids);
    expect(await host.notifier.presence("team")).toEqual(presence);
    expect(listeners.map(({ lines }) => lines)).toEqual([[], []]);
    listeners[1].session.ended(1000);
    await host.settle();
    const leave = {
      channel: "team",
      leave: { info: { user: "bob", client: ids[1], conn_info: { name: "Bob" } } },
    };
    expect(listeners[0].lines.map((line) => JSON.parse(line))).toEqual([{ push: leave }]);
    await host.end();
  });

  test("is not counted as opened, and no limit refuses it", async () => {
    const limits = { sessions: 2, userSessions: 2, channels: 1, subscriptions: 2, channel: 255 };
    const host = hibernating(undefined, { limits });
    const clients = [
      await connected(host, ["news"]),
      await connected(host, [], { ...ann, channels: ["news"] }),
    ];
    Object.assign(limits, { channel: 3, subscriptions: 1 });
    const restore = host.lose();
    expect(host.notifier.admits("ann")).toBe(true);
    const others = [host.connect(ann), host.connect(ann)];
    restore();
    await host.settle();
    const { opened, limits: hits } = host.notifier.totals();
    expect([opened, hits]).toEqual([2, {}]);
    expect(host.notifier.stats()).toMatchObject({ sessions: 4, subscriptions: 2, channels: 1 });
    expect(host.notifier.admits("ann")).toBe(false);
    expect(clients.map(({ session }) => session.isOpen)).toEqual([true, true]);
    expect(others.map(({ session }) => session.isOpen)).toEqual([true, true]);
    await host.end();
  });

  test("is handed what was published while nobody had it, in order", async () => {
    const host = hibernating();
    const client = await connected(host, ["news", "more"]);
    await publish(host, "news", 1, 2);
    const restore = host.lose();
    await publish(host, "news", 3, 4);
    await publish(host, "more", "a");
    restore();
    await publish(host, "news", 5);
    const got = taken(client);
    expect(got.filter(Number)).toEqual([1, 2, 3, 4, 5]);
    expect(got.filter((each) => !Number(each))).toEqual(["a"]);
    await host.end();
  });

  test("is handed it also if somebody else has read the channel already, and nothing new comes", async () => {
    const host = hibernating();
    const client = await connected(host, ["news"]);
    const restore = host.lose();
    await publish(host, "news", 1, 2);
    await connected(host, ["news"]);
    restore();
    await host.settle();
    expect(taken(client)).toEqual([1, 2]);
    await host.end();
  });

  test("goes on at its own cursor on a channel where others are at another one, in any order", async () => {
    for (const isFirst of [true, false]) {
      const host = hibernating(undefined, { window: 1_000 });
      // One client reads and the other one does not, so that it stays behind.
      const clients = [await connected(host, ["news"]), await connected(host, ["news"])] as const;
      const [slow, fast] = isFirst ? clients : ([clients[1], clients[0]] as const);
      slow.pong();
      for (let n = 0; n < 6; n++) {
        await publish(host, "news", `${n}`.padEnd(400));
        fast.pong();
        await host.settle();
      }
      host.evict();
      await publish(host, "news", "last");
      for (let n = 0; n < 8; n++) {
        for (const client of clients) client.pong();
        await host.settle();
      }
      for (const client of clients) {
        expect(taken(client).map((data) => (data as string).trim())).toEqual([
          "0",
          "1",
          "2",
          "3",
          "4",
          "5",
          "last",
        ]);
      }
      await host.end();
    }
  });

  test("answers commands and takes pongs that arrive in the same moment", async () => {
    const host = hibernating(undefined, { window: 1_000 });
    const client = await connected(host, ["news"]);
    await publish(host, "news", "x".repeat(900), "y");
    client.lines.splice(0, 1);
    host.evict();
    client.pong();
    client.send({ id: 7, subscribe: { channel: "more" } }, { id: 8, unsubscribe: { channel: "news" } });
    await host.settle();
    const got = client.lines.map((line) => JSON.parse(line));
    expect(got.map(({ id, push }) => id ?? push?.pub.data ?? "ping")).toEqual(["ping", "y", 7, 8]);
    expect(host.notifier.stats()).toMatchObject({ sessions: 1, subscriptions: 1, channels: 1 });
    await host.end();
  });

  test("whose connect command was being answered is closed, so that its client connects again", async () => {
    const host = hibernating();
    const client = host.connect({ ...ann, connect: () => new Promise(() => {}) });
    client.send({ id: 1, connect: {} });
    await host.settle();
    host.evict({ state: ({ session }) => session.state as SessionState });
    expect(client.closed).toEqual({ code: 3011, reason: "force reconnect" });
    await host.settle();
    await host.end();
  });

  test("is closed, and leaves no channel open, if it cannot go on with one that the server subscribed it to", async () => {
    const host = hibernating();
    const client = await connected(host, ["news"], { ...ann, channels: ["own"] });
    const state = client.session.state as SessionState;
    const subscriptions = (state.subscriptions as unknown[][]).map(([name, epoch, ...rest], at) => [
      name,
      at === 0 ? "another" : epoch,
      ...rest,
    ]);
    const restore = host.lose({ state: () => ({ ...state, subscriptions }) });
    // Somebody else has the channels open already, in their present epochs.
    const other = await connected(host, ["own"]);
    restore();
    await host.settle();
    expect([client.closed?.code, other.closed]).toEqual([3010, undefined]);
    expect(host.notifier.stats()).toMatchObject({ sessions: 1, subscriptions: 1, channels: 1 });
    await host.end();
  });
});

describe("a subscription of a restored session that cannot go on without a gap", () => {
  for (const [why, change] of [
    ["whose epoch is another now", ([name, , ...rest]: unknown[]) => [name, "another", ...rest]],
    [
      "whose channel has not come as far",
      ([name, epoch, cursor, ...rest]: unknown[]) => [name, epoch, (cursor as number) + 5, ...rest],
    ],
  ] as const) {
    test(`${why} ends with 2500, or closes the session with 3010 if the server made it`, async () => {
      const host = hibernating();
      const own = await connected(host, ["news"]);
      const granted = await connected(host, [], { ...ann, channels: ["news"] });
      await publish(host, "news", 1);
      const restore = host.lose({
        state({ session: { state } }) {
          const subscriptions = ((state as SessionState).subscriptions as unknown[][]).map((each) =>
            change(each),
          );
          return { ...(state as SessionState), subscriptions };
        },
      });
      restore();
      await host.settle();
      const ended = { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } };
      expect(JSON.parse(own.lines.at(-1) as string)).toEqual({ push: ended });
      expect([own.closed, granted.closed?.code]).toEqual([undefined, 3010]);
      expect(host.notifier.stats()).toMatchObject({ sessions: 1, subscriptions: 0, channels: 0 });
      await host.end();
    });
  }

  test("whose entries were trimmed ends with 2500", async () => {
    const host = hibernating((clock) => {
      const log = memoryLog({ clock, size: 2, slack: 0 });
      return { open: () => log, lost() {} };
    });
    const client = await connected(host, ["news", "more"]);
    const restore = host.lose();
    await publish(host, "news", 1, 2, 3);
    await publish(host, "more", 1, 2);
    restore();
    await host.settle();
    expect(client.lines.map((line) => JSON.parse(line).push)).toEqual([
      { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } },
      ...[1, 2].map((offset) =>
        expect.objectContaining({ channel: "more", pub: expect.objectContaining({ offset }) }),
      ),
    ]);
    await host.end();
  });

  test("whose log cannot be watched ends with 2500, and the error is reported once", async () => {
    for (const isLater of [false, true]) {
      let fails = false;
      const broken = new Error("Cannot watch");
      const host = hibernating(
        oneLog((log) => ({
          watch(...args) {
            if (!fails) return log.watch(...args);
            if (!isLater) throw broken;
            return Promise.reject(broken);
          },
        })),
      );
      const client = await connected(host, ["news"]);
      fails = true;
      host.evict();
      await host.settle();
      const ended = { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } };
      expect(client.lines.map((line) => JSON.parse(line))).toEqual([{ push: ended }]);
      expect(host.errors.splice(0)).toEqual(["channel news: Error: Cannot watch"]);
      await host.end();
    }
  });

  test("goes on once a log that fails for a moment can be read", async () => {
    let fails = false;
    const host = hibernating(
      oneLog((log) => ({
        read(...args) {
          if (fails) throw new Error("Cannot read");
          return log.read(...args);
        },
      })),
    );
    const client = await connected(host, ["news"]);
    const restore = host.lose();
    await publish(host, "news", 1);
    fails = true;
    restore();
    await host.settle();
    expect([client.lines, host.notifier.rest()]).toEqual([[], false]);
    fails = false;
    await host.clock.advance(1_000);
    expect([taken(client), host.notifier.rest()]).toEqual([[1], true]);
    expect(host.errors.splice(0)).toEqual(["channel news: Error: Cannot read"]);
    await host.end();
  });
});

describe("a state that cannot be read", () => {
  const good = (host: Host): SessionState => host.connect(ann).session.state as SessionState;
  const row = ["news", "epoch", 5];
  const wrong: [string, (state: SessionState) => unknown][] = [
    ["nothing", () => undefined],
    ["null", () => null],
    ["a text", (state) => JSON.stringify(state)],
    ["a list", () => []],
    ["no id", (state) => ({ ...state, id: undefined })],
    ["an empty id", (state) => ({ ...state, id: "" })],
    ["a user that is no text", (state) => ({ ...state, user: 7 })],
    ["flags that are no number", (state) => ({ ...state, flags: "1" })],
    ["a time that is no whole number", (state) => ({ ...state, connectBy: 1.5 })],
    ["a time that is no number", (state) => ({ ...state, pingAt: null })],
    ["channels that are no list", (state) => ({ ...state, channels: "news" })],
    ["a channel that is no text", (state) => ({ ...state, channels: [7] })],
    ["a window that is too short", (state) => ({ ...state, window: [1, 1, 1, 0] })],
    ["a window below zero", (state) => ({ ...state, window: [1, 1, 1, 0, -1] })],
    ["a subscription that is no list", (state) => ({ ...state, subscriptions: [{}] })],
    ["a subscription without a cursor", (state) => ({ ...state, subscriptions: [["news", "epoch"]] })],
    ["a subscription without an epoch", (state) => ({ ...state, subscriptions: [["news", 5, 5]] })],
    ["a subscription to an unknown channel", (state) => ({ ...state, subscriptions: [[0, "epoch", 5]] })],
    [
      "a subscription that began before its channel",
      (state) => ({ ...state, subscriptions: [[...row, 1, 6]] }),
    ],
    [
      "a subscription that was read before it began",
      (state) => ({ ...state, subscriptions: [[...row, 0, 1, 2]] }),
    ],
    ["two subscriptions to one channel", (state) => ({ ...state, subscriptions: [row, row] })],
    ["a blocked subscription that is none", (state) => ({ ...state, subscriptions: [row], blocked: [1] })],
  ];

  test("is a TypeError that says what to do, and leaves nothing behind", async () => {
    const host = hibernating();
    const state = good(host);
    host.lose();
    await host.settle();
    for (const [what, change] of wrong) {
      const restore = (): unknown =>
        host.notifier.restore({ send() {}, close() {} }, JSON.parse(JSON.stringify(change(state) ?? null)));
      expect(restore, what).toThrow(
        new TypeError(
          "Cannot restore a session: its state is malformed. Close its socket with 3011, and the client connects again",
        ),
      );
      expect(host.notifier.stats(), what).toMatchObject({ sessions: 0, channels: 0, timers: 0 });
    }
    await host.end();
  });

  test("may be of another version", async () => {
    const host = hibernating();
    const state = good(host);
    host.lose();
    const restore = (): unknown =>
      host.notifier.restore({ send() {}, close() {} }, { ...state, format: 2 } as unknown as SessionState);
    expect(restore).toThrow(
      new TypeError(
        "Cannot restore a session: its state is of another version. Close its socket with 3011, and the client connects again",
      ),
    );
    await host.end();
  });
});

describe("a notifier that closes", () => {
  test("restores no session", async ({ start }) => {
    const { notifier, clock } = start();
    const { state } = notifier.accept({ send() {}, close() {} }, ann);
    void notifier.close();
    const restore = (): unknown => notifier.restore({ send() {}, close() {} }, state as SessionState);
    expect(restore).toThrow(new ClosedError("Cannot restore a session: the notifier is closed"));
    await clock.advance(10_000);
    expect(restore).toThrow(ClosedError);
  });

  test("restores none if its signal has aborted before its first use", async () => {
    const clock = fakeClock();
    const notifier = createNotifier({ clock, signal: AbortSignal.abort() });
    const restore = (): unknown =>
      notifier.restore({ send() {}, close() {} }, { format: 1, id: "a", user: "", flags: 0 });
    expect(restore).toThrow(ClosedError);
    expect(clock.armed).toBe(0);
  });
});
