import { describe, expect } from "vitest";
import type { Peer } from "../../../src/model/peer.ts";
import type { SessionState } from "../../../src/model/socket.ts";
import { type MemoryLogOptions, memoryLog } from "../../../src/stores/memory.ts";
import { test } from "../../support/core.ts";
import { type Client, type Host, hibernating, logs, type MakeLogs } from "../../support/hibernating.ts";

const began = 1_767_225_600_000;
const ann: Peer = { user: "ann", authorize: () => true };

/** A connected client with a subscription to "news". */
async function connected(host: Host, peer: Peer = ann): Promise<Client> {
  const client = host.connect(peer);
  client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } });
  await host.settle();
  return client;
}

/** Does something, and returns for each call of the host whether it was urgent. */
async function toldBy(host: Host, client: Client, act: () => unknown): Promise<boolean[]> {
  const before = client.told.length;
  act();
  await host.settle();
  const told = client.told.slice(before);
  // The state is that of the session, and was told after everything had been handed to the socket.
  const last = told.at(-1);
  if (last !== undefined)
    expect([last.state, last.lines]).toEqual([client.session.state, client.lines.length]);
  return told.map(({ isUrgent }) => isUrgent);
}

const epochOf = async ({ notifier }: Host, channel: string): Promise<string> =>
  (await notifier.history(channel)).epoch;

async function acknowledges(host: Host, channel: string, offset: number): Promise<object> {
  return { send: { data: { ack: { [channel]: { offset, epoch: await epochOf(host, channel) } } } } };
}

describe("the state of a session", () => {
  test("says until when a client must connect, and little more", async () => {
    const host = hibernating();
    const { session } = host.connect(ann);
    const { id } = session;
    expect(session.state).toEqual({ format: 1, id, user: "ann", flags: 0, connectBy: began + 10_000 });
    await host.end();
  });

  test("says who the peer is, when something is due, and how far the client is in each channel", async () => {
    const host = hibernating();
    const channels = ["user:ann", "team"];
    const info = { name: "Ann", since: new Date(began) };
    const refresh = () => began + 90_000;
    const client = await connected(host, { ...ann, channels, info, expires: began + 60_000, refresh });
    void host.notifier.publish("user:ann", 1);
    await host.clock.advance(1_000);
    void host.notifier.publish("news", "one");
    client.send(await acknowledges(host, "user:ann", 1), { id: 3, refresh: { token: "again" } });
    await host.settle();
    const [connect, subscribe, ...rest] = client.lines.map((line) => line.length + 1);
    const [own, news, refreshed] = rest;
    const { pingAt, ...state } = client.session.state as SessionState;
    expect(state).toEqual({
      format: 1,
      id: client.session.id,
      user: "ann",
      flags: 256 + 512 + 1_024,
      channels,
      info: { name: "Ann", since: "2026-01-01T00:00:00.000Z" },
      expires: began + 60_000,
      until: began + 90_000,
      window: [
        sum(connect, subscribe, own, news, refreshed),
        ...upTo(connect, subscribe, own, refreshed, news),
        0,
        0,
      ],
      acknowledgedAt: began + 1_000,
      subscriptions: [
        [0, await epochOf(host, "user:ann"), 1, 17, 1, 1, 1, 1],
        [1, await epochOf(host, "team"), 0, 1],
        ["news", await epochOf(host, "news"), 1, 16, 1, 1, 1],
      ],
    });
    expect([(pingAt as number) >= began + 12_500, (pingAt as number) <= began + 25_000]).toEqual([
      true,
      true,
    ]);
    await host.end();
  });

  test("says what is in flight, and what the pong of the outstanding ping proves", async () => {
    const host = hibernating(undefined, { window: 2_000 });
    const client = await connected(host);
    const before = client.lines.length;
    void host.notifier.publish("news", "x".repeat(900));
    await host.settle();
    void host.notifier.publish("news", "y");
    await host.settle();
    const [first = "", ping = "", second = ""] = client.lines.slice(before);
    expect(ping).toBe("{}");
    const replies = client.lines.slice(0, before).reduce((all, line) => all + line.length + 1, 0);
    const atPing = replies + first.length + 1 + 3;
    const all = atPing + second.length + 1;
    expect(client.session.state).toMatchObject({
      window: [all, all, all, 0, atPing],
      pingedAt: began,
      behindData: true,
      // The outstanding ping covers the first publication, and the next one the second.
      subscriptions: [["news", await epochOf(host, "news"), 2, 32, 2, 2, 1]],
    });
    client.pong();
    await host.settle();
    const rest = second.length + 1;
    expect(client.session.state).toMatchObject({
      window: [rest, rest, rest, 0, 0],
      subscriptions: [["news", await epochOf(host, "news"), 2, 16, 2, 1, 1]],
    });
    await host.end();
  });

  test("cannot be read while something is queued, while the socket is being closed, and after that", async () => {
    const host = hibernating();
    const client = await connected(host);
    expect(client.session.state).toBeDefined();
    client.send({ id: 3, ping: {} });
    expect(client.session.state).toBeUndefined();
    await host.settle();
    expect(client.session.state).toBeDefined();
    void host.notifier.disconnect({ user: "ann" });
    expect([client.closed?.code, client.session.state]).toEqual([3503, undefined]);
    client.session.ended(3503);
    expect(client.session.state).toBeUndefined();
    await host.end();
  });

  test("is the same before and after the host is told of it", async () => {
    const host = hibernating();
    const client = await connected(host);
    void host.notifier.publish("news", 1);
    await host.settle();
    client.send(await acknowledges(host, "news", 1));
    const { state } = client.session;
    await host.settle();
    expect(client.told.at(-1)?.state).toEqual(state);
    await host.end();
  });

  test("fits into 16 kB with 55 subscriptions to channels of 255 characters, or 200 of 40", async () => {
    for (const [count, length] of [
      [55, 255],
      [200, 40],
    ] as const) {
      const host = hibernating(logs["a log in memory"]);
      const channels = Array.from({ length: count / 5 }, (_, at) => `granted:${at}`.padEnd(length, "."));
      const client = host.connect({ ...ann, channels });
      client.send({ id: 1, connect: {} });
      for (let at = channels.length; at < count; at++)
        client.send({ id: at + 2, subscribe: { channel: `${at}`.padEnd(length, ".") } });
      await host.settle();
      for (const name of channels) void host.notifier.publish(name, "news");
      await host.settle();
      const text = JSON.stringify(client.session.state);
      expect([host.notifier.stats().subscriptions, text.length < 16_384]).toEqual([count, true]);
      await host.end();
    }
  });
});

function sum(...numbers: (number | undefined)[]): number {
  return numbers.reduce<number>((all, each) => all + (each ?? 0), 0);
}

/** Returns where the last data ends, twice: of any kind, and of publications. */
function upTo(...numbers: (number | undefined)[]): [number, number] {
  return [sum(...numbers), sum(...numbers)];
}

describe("a host that keeps states", () => {
  test("is told at once of what a client relies on, and can take its time with how far the client has come", async () => {
    const host = hibernating();
    const { notifier } = host;
    const refresh = () => began + 90_000;
    const client = host.connect({
      user: "",
      connect: () => ({ ...ann, channels: ["own"], expires: began + 60_000, refresh }),
    });
    const told = (act: () => unknown) => toldBy(host, client, act);
    const send = (...commands: object[]) => told(() => client.send(...commands));

    expect(await send({ id: 1, connect: {} })).toEqual([true]);
    expect(await send({ id: 2, subscribe: { channel: "news" } })).toEqual([true]);
    expect(await send({ id: 3, rpc: { method: "none" } })).toEqual([false]);
    expect(await told(() => notifier.publish("news", 1))).toEqual([false]);
    expect(await told(() => notifier.publish("elsewhere", 1))).toEqual([]);
    expect(await told(() => host.clock.advance(25_000))).toEqual([false]);
    expect(await told(() => client.pong())).toEqual([false]);
    expect(await send(await acknowledges(host, "news", 1))).toEqual([false]);
    expect(await send({ id: 4, refresh: { token: "again" } })).toEqual([true]);
    expect(await told(() => notifier.unsubscribe("ann", "own"))).toEqual([true]);
    expect(await send({ id: 5, unsubscribe: { channel: "news" } })).toEqual([true]);
    // The peer may no longer subscribe to it, which its state says, too.
    expect(await told(() => notifier.unsubscribe("ann", "own"))).toEqual([]);
    expect(await told(() => notifier.disconnect({ user: "ann" }))).toEqual([]);
    await host.end();
  });

  test("is told once of everything that happens in one turn", async () => {
    const host = hibernating();
    const client = await connected(host);
    const told = await toldBy(host, client, () => {
      for (let n = 0; n < 3; n++) void host.notifier.publish("news", n);
      client.send({ id: 3, subscribe: { channel: "more" } }, { id: 4, subscribe: { channel: "most" } });
      client.send({ id: 5, unsubscribe: { channel: "more" } });
    });
    expect(told).toEqual([true]);
    await host.end();
  });

  test("is told that a peer is not granted a channel any more, although it had no subscription to it", async () => {
    const host = hibernating();
    const client = await connected(host, { ...ann, channels: ["own"] });
    client.send({ id: 3, unsubscribe: { channel: "own" } });
    await host.settle();
    expect(await toldBy(host, client, () => host.notifier.unsubscribe("ann", "own"))).toEqual([true]);
    expect(client.session.state).toMatchObject({ channels: [] });
    await host.end();
  });

  test("is told that a subscription could not continue", async () => {
    const host = hibernating(logKept({ size: 2, slack: 0 }), { window: 1_000 });
    const client = await connected(host);
    client.pong();
    for (let n = 0; n < 6; n++) {
      void host.notifier.publish("news", "x".repeat(600));
      await host.settle();
    }
    expect(await toldBy(host, client, () => client.pong())).toEqual([true]);
    const ended = '{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}';
    expect(client.lines.filter((line) => line.includes("unsubscribe"))).toEqual([ended]);
    expect(client.session.state).not.toHaveProperty("subscriptions");
    await host.end();
  });

  test("is not told of what it is sent while a message comes back at once, but after that", async ({
    start,
  }) => {
    const { notifier, clock } = start();
    const told: (string | undefined)[] = [];
    let asks = 1;
    const socket = {
      // This host delivers an answer before the call returns.
      send: () => void (asks-- > 0 && session.receive('{"id":2,"ping":{}}')),
      close() {},
      changed: () => void told.push(session.state?.id),
    };
    const session = notifier.accept(socket, ann);
    session.receive('{"id":1,"connect":{}}');
    await clock.settle();
    expect(told).toEqual([session.id]);
    session.ended();
  });

  test("that cannot keep a state loses the session, whose client comes back", async ({ start }) => {
    const { notifier, clock, errors } = start();
    const closed: number[] = [];
    const full = new Error("Cannot keep the state: it is too large");
    const changed = () => {
      throw full;
    };
    const session = notifier.accept({ send() {}, close: (code) => void closed.push(code), changed }, ann);
    session.receive('{"id":1,"connect":{}}');
    await clock.settle();
    expect(closed).toEqual([3004]);
    expect(errors.splice(0).map(({ error }) => error)).toEqual([full]);
    session.ended(3004);
  });

  test("does not change when a session sends: without it, a session sends the same frames", async ({
    start,
  }) => {
    const frames: Record<string, string[]> = { with: [], without: [] };
    for (const kind of ["with", "without"]) {
      const { notifier, clock } = start();
      const send = (data: string | Uint8Array) => void frames[kind]?.push(data as string);
      const socket = { send, close() {}, ...(kind === "with" && { changed() {} }) };
      const session = notifier.accept(socket, ann);
      session.receive('{"id":1,"connect":{}}');
      session.receive('{"id":2,"subscribe":{"channel":"news"}}');
      await clock.settle();
      for (let n = 0; n < 4; n++) await notifier.publish("news", n);
      session.receive('{"send":{"data":{"ack":{"news":{"offset":4}}}}}');
      await clock.settle();
      await clock.advance(25_000);
      session.ended();
    }
    const plain = (text: string) => text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|"epoch":"[^"]*"/g, "");
    expect(frames.with?.map(plain)).toEqual(frames.without?.map(plain));
    expect(frames.with).toHaveLength(3);
  });
});

/** Returns a log in memory that keeps little, and outlives its notifiers. */
function logKept(options: MemoryLogOptions): MakeLogs {
  return (clock) => {
    const log = memoryLog({ ...options, clock });
    return { open: () => log, lost() {} };
  };
}
