import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { crowd, type Member } from "../../test/support/crowd.ts";
import { workerd } from "../../test/support/workerd.ts";
import { inspect } from "../../test/support/workerd-inspector.ts";
import type { Publishing } from "../../test/workerd/hoard.ts";

/** What takes memory in the heap of an object. The limits of an object are derived from it. */
interface Item {
  readonly name: string;
  /** Puts things into an object. Returns how many. */
  fill(object: Filled): Promise<number>;
}

/** An object that is being filled. */
interface Filled {
  join(count: number, channels: (index: number) => readonly string[]): Promise<Member[]>;
  publish(publishing: Publishing): Promise<unknown>;
  post(path: string, body?: object): Promise<unknown>;
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
const channels = (count: number): string[] => range(1, count).map((n) => `channel ${n}`);
const longest = (n: number): string => `${n}`.padEnd(255, "漢");

const items: readonly Item[] = [
  {
    name: "session, without a subscription",
    fill: async ({ join }) => (await join(1_000, () => [])).length,
  },
  {
    name: "subscription, one of 100 of a session, to channels that all have (its share of the session included)",
    fill: async ({ join }) => 100 * (await join(500, () => channels(100))).length,
  },
  {
    name: "channel with the longest name and one subscription, published to once",
    async fill({ join, publish }) {
      const own = (n: number): string[] => range(1, 50).map((each) => longest(n * 50 + each));
      await join(100, own);
      await publish({ channels: range(0, 99).flatMap(own) });
      return 5_000;
    },
  },
  {
    name: "channel with the longest name, without a subscriber, that the log remembers (the last 1 000)",
    async fill({ publish }) {
      await publish({ channels: range(1, 1_000).map(longest) });
      return 1_000;
    },
  },
  {
    name: "character of a waiting command: `[{},{},…]`",
    async fill({ join }) {
      const [member] = await join(1, () => []);
      member?.send({ rpc: { method: "hang" } });
      member?.send({ rpc: { method: "hang", data: Array.from({ length: 300_000 }, () => ({})) } });
      return 900_000;
    },
  },
  {
    name: "confirmed publication that waits, in a channel of its own (with what the log remembers of it)",
    async fill({ publish }) {
      await publish({ channels: channels(1_000), confirm: true });
      return 1_000;
    },
  },
  {
    name: "byte of a confirmed publication, one character of which needs two bytes",
    async fill({ publish }) {
      await publish({ channels: channels(10), size: 100_000, confirm: true });
      return 1_000_000;
    },
  },
  {
    name: "confirmed publication of 3 bytes that waits to be stored",
    async fill({ post, publish }) {
      await post("break");
      await publish({ channels: channels(10), count: 1_000, confirm: true, isLeft: true });
      return 10_000;
    },
  },
  {
    name: "publication of 3 bytes that waits to be stored",
    async fill({ post, publish }) {
      await post("break");
      await publish({ channels: channels(10), count: 1_000, isLeft: true });
      return 10_000;
    },
  },
  {
    name: "byte of the cache, one character of which needs two bytes",
    async fill(object) {
      await behind(object, 10, { count: 10, size: 20_000 });
      return 10 * 2 * 65_536;
    },
  },
  {
    name: "run that has ended (with its ending, and what the log remembers of it)",
    async fill({ post }) {
      for (let n = 0; n < 10; n++) await post("runs", { count: 100, size: 1 });
      return 1_000;
    },
  },
  {
    name: "idempotency key of 36 characters",
    async fill({ publish }) {
      await publish({ channels: channels(1), count: 10_000, isKeyed: true });
      return 10_000;
    },
  },
  {
    name: "subscriber that has left a channel",
    async fill({ join, publish }) {
      const guests = await join(100, () => channels(100));
      await publish({ channels: channels(100) });
      await Promise.all(guests.map((guest) => guest.until(100)));
      for (const { socket } of guests) socket.close(1000);
      await Promise.all(guests.map(({ closed }) => closed));
      return 10_000;
    },
  },
];

/** Publishes to channels that each have one subscriber with everything, and one far behind. */
async function behind(
  { join, publish }: Filled,
  count: number,
  publishing: Omit<Publishing, "channels">,
): Promise<void> {
  const members = await join(2 * count, (n) => [`channel ${n % count}`]);
  for (const slow of members.slice(count)) slow.answers = false;
  await publish({ ...publishing, channels: range(0, count - 1).map((n) => `channel ${n}`), isLone: true });
}

/** Returns the bytes of heap that each item takes. Each is measured in a process of its own. */
export async function bytesOfEach(): Promise<[name: string, bytes: number][]> {
  const all: [string, number][] = [];
  for (const item of items) all.push([item.name, await bytesOf(item)]);
  return all;
}

async function bytesOf({ fill }: Item): Promise<number> {
  const entry = fileURLToPath(new URL("../../test/workerd/hoard.ts", import.meta.url));
  await using server = await workerd({ entry, objects: { HOARD: "Hoard" }, canInspect: true });
  using inspector = await inspect(server);
  const url = `${server.url}/one`;
  const post = async (path: string, body: object = {}): Promise<unknown> => {
    const response = await fetch(`${url}/${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const used = async (): Promise<number> => {
    // What is done once a second is over, and what that has left is collected.
    await sleep(1_500);
    for (let n = 0; n < 3; n++) await (await fetch(`${url}/look`)).text();
    return inspector.used();
  };
  const members: Member[] = [];
  const object: Filled = {
    post,
    publish: (publishing) => post("publish", publishing),
    async join(count, channelsOf) {
      const some = await crowd(
        count,
        (n) => `${url}/ws?user=user-${n}`,
        (member, n) =>
          member.ask({ connect: {} }, ...channelsOf(n).map((channel) => ({ subscribe: { channel } }))),
      );
      members.push(...some);
      return some;
    },
  };
  // Whatever is done for the first time is not counted.
  const [first] = await object.join(1, () => ["first"]);
  await object.publish({ channels: ["first"] });
  first?.socket.terminate();
  const before = await used();
  const count = await fill(object);
  const after = await used();
  for (const { socket } of members) socket.terminate();
  return (after - before) / count;
}
