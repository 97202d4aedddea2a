import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { objectLimits } from "../../src/hosts/cloudflare/limits.ts";
import type { Stats, Totals } from "../../src/mod.ts";
import { crowd, join, type Member } from "../support/crowd.ts";
import { range } from "../support/wire.ts";
import { onWorkerd, type Workerd, workerd } from "../support/workerd.ts";
import { inspect } from "../support/workerd-inspector.ts";
import type { Publishing } from "./hoard.ts";

const entry = fileURLToPath(new URL("hoard.ts", import.meta.url));
/** The memory of an isolate: 128 MB, in MiB. V8 ends the process above that. */
const heap = 122;

interface Look {
  stats: Stats;
  totals: Totals;
  errors: string[];
}

function objectOf(server: Workerd) {
  const url = `${server.url}/hoard`;
  const post = async <T>(path: string, body: object): Promise<T> => {
    const response = await fetch(`${url}/${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  return {
    url: (user: string) => `${url}/ws?user=${user}`,
    publish: (publishing: Publishing): Promise<number> => post("publish", publishing),
    run: (count: number, size: number): Promise<null> => post("runs", { count, size }),
    look: async (): Promise<Look> => (await (await fetch(`${url}/look`)).json()) as Look,
  };
}

type Hoard = ReturnType<typeof objectOf>;

const rooms = range(1, 95).map((n) => `room:${n}`);
/** Channels of single sessions, with the longest names there are. */
const own = range(1, objectLimits.channels - rooms.length).map((n) => `${n}`.padEnd(255, "漢"));
/** The sessions from here on have the own channels of the first ones: each of those has two subscribers. */
const paired = Math.floor(own.length / 5);

const subscribeAll = (names: readonly string[]): object[] =>
  names.map((channel) => ({ subscribe: { channel } }));

/** Subscribers that were sent something, and have left. */
async function fillDeparted({ url, publish }: Hoard): Promise<void> {
  const names = range(1, 100).map((n) => `left:${n}`);
  const guests = await crowd(
    100,
    (n) => url(`guest-${n}`),
    (each) => each.ask({ connect: {} }, ...subscribeAll(names)),
  );
  await publish({ channels: names });
  await Promise.all(guests.map((guest) => guest.until(100)));
  for (const { socket } of guests) socket.close(1000);
  await Promise.all(guests.map(({ closed }) => closed));
}

function fillSessions({ url }: Hoard): Promise<Member[]> {
  return crowd(
    objectLimits.sessions,
    (n) => url(`user-${n}-with-a-name-of-some-length`),
    async (each, n) => {
      const first = (n % paired) * 5;
      const replies = await each.ask(
        { connect: {} },
        ...subscribeAll([...rooms, ...own.slice(first, first + 5)]),
      );
      expect(replies.filter(({ error }) => error !== undefined)).toEqual([]);
    },
  );
}

const hang = { rpc: { method: "hang" } };
/** What takes most memory for each of its characters once it is parsed. */
const dense = (chars: number): object => ({
  rpc: { method: "hang", data: Array.from({ length: chars / 3 }, () => ({})) },
});

/** Commands that wait behind one that is not answered. */
function fillCommands(members: readonly Member[]): void {
  for (const member of members) {
    member.send(hang);
    member.send(dense(97_000));
  }
}

/** Channels of which one subscriber has everything, and one is far behind. */
async function fillCache({ publish }: Hoard, slow: readonly Member[]): Promise<void> {
  for (const member of slow) member.answers = false;
  await publish({ channels: own.slice(0, slow.length * 5), count: 7, size: 20_000, isLone: true });
}

/** Reaches all limits at once. Returns the clients. */
async function fill(hoard: Hoard): Promise<Member[]> {
  await fillDeparted(hoard);
  const members = await fillSessions(hoard);
  await hoard.publish({ channels: own });
  await hoard.publish({ channels: ["keys"], count: 10_000, isKeyed: true });
  const confirmed = { channels: range(1, 50).map((n) => `confirmed:${n}`), confirm: true };
  for (let n = 0; n < objectLimits.confirmedTotal; n += 100) {
    await hoard.run(100, 330);
    expect(await hoard.publish({ ...confirmed, count: 2, size: 400 })).toBe(0);
  }
  // These wait, as no more can be confirmed.
  await hoard.publish({ ...confirmed, count: 325, isLeft: true });
  fillCommands(members.slice(900, 920));
  await fillCache(hoard, members.slice(0, 4));
  return members;
}

/** Returns how a socket that cannot be opened fails. */
function failureOf(url: string): Promise<string> {
  return new Promise((resolve) => {
    new WebSocket(url.replace(/^http/, "ws")).once("error", ({ message }) => resolve(message));
  });
}

/** What is in the object once it is full: nearly as much as the limits allow. */
function expectFull({ stats, totals }: Look): void {
  const { sessions, channels, confirmedTotal } = objectLimits;
  expect(stats).toMatchObject({ sessions, channels, subscriptions: 100 * sessions });
  // Those of runs are as many again.
  expect(stats.confirmed).toBe(2 * confirmedTotal);
  const { commands, cache, runs } = totals.bytes;
  const bytes = { confirmed: stats.confirmedBytes / 2, commands, cache, runs };
  for (const [name, of] of Object.entries(bytes)) {
    expect(of, name).toBeGreaterThan(1_900_000);
    expect(of, name).toBeLessThan(2_097_152);
  }
  // Each of these counts 131 bytes.
  expect(stats.publishing).toBe(Math.floor(objectLimits.waiting / 131));
}

/** Tries to have one more of everything. */
async function expectRefusals(hoard: Hoard, members: readonly Member[]): Promise<void> {
  const [one, other, third] = members.slice(500) as [Member, Member, Member];
  expect(await failureOf(hoard.url("late"))).toBe("Unexpected server response: 503");
  const more = { subscribe: { channel: "more" } };
  expect(await one.ask(more)).toMatchObject([{ error: { code: 106 } }]);
  // Now it has room for a subscription, and the object has none for a channel.
  const [, refused, back] = await one.ask(
    { unsubscribe: { channel: rooms[0] } },
    more,
    ...subscribeAll(rooms.slice(0, 1)),
  );
  expect(refused).toMatchObject({ error: { code: 106 } });
  expect(back).toMatchObject({ subscribe: {} });
  expect(await hoard.publish({ channels: ["confirmed:1"] })).toBe(1);
  other.send(hang);
  other.send(dense(200_000));
  expect(await other.closed).toBe(3013);
  const { limits } = (await hoard.look()).totals;
  expect(limits).toMatchObject({ sessions: 1, subscriptions: 1, channels: 1, commandTotalChars: 1 });
  expect(limits.waiting).toBeGreaterThan(0);
  expect(limits.endedBytes).toBeGreaterThan(0);
  expect(third.published).toBe(5);
}

onWorkerd("an object whose limits are all reached", () => {
  test("takes less than 128 MB, refuses what is more, and goes on", { timeout: 120_000 }, async () => {
    await using server = await workerd({ entry, objects: { HOARD: "Hoard" }, canInspect: true, heap });
    using inspector = await inspect(server);
    const hoard = objectOf(server);
    const members = await fill(hoard);
    expectFull(await hoard.look());
    // Less would mean that something was not filled.
    const used = await inspector.used();
    expect(used).toBeGreaterThan(90_000_000);
    expect(used).toBeLessThan(110_000_000);
    await expectRefusals(hoard, members);
    const [reader] = members.slice(600) as [Member];
    const read = reader.until(reader.published + 1);
    expect(await hoard.publish({ channels: rooms.slice(0, 1) })).toBe(0);
    await read;
    // Another one has been closed.
    const late = await join(hoard.url("late"));
    expect(await late.ask({ connect: {} }, ...subscribeAll(rooms))).toHaveLength(1 + rooms.length);
    for (const { socket } of [...members, late]) socket.terminate();
    await expect.poll(async () => (await hoard.look()).stats.sessions, { timeout: 30_000 }).toBe(0);
  });

  test("sends a client that proves nothing read no more than 64 KiB", async () => {
    await using server = await workerd({ entry, objects: { HOARD: "Hoard" } });
    const { url, publish } = objectOf(server);
    const member = await join(url("ann"));
    member.answers = false;
    await member.ask({ connect: {} }, ...subscribeAll(["news"]));
    await publish({ channels: ["news"], count: 10, size: 20_000, isLone: true });
    await member.ask({ ping: {} });
    expect(member.published).toBe(3);
    member.socket.terminate();
  });
});
