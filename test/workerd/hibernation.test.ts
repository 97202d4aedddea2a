import { fileURLToPath } from "node:url";
import { connect as dial } from "tocsin/client";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { inbox } from "../support/inbox.ts";
import { range } from "../support/wire.ts";
import { onWorkerd, type Workerd, workerd } from "../support/workerd.ts";
import { rawPeer } from "./raw-peer.ts";

const entry = fileURLToPath(new URL("sleeper.ts", import.meta.url));
const date = process.env.TOCSIN_WORKERD_DATE;
let server: Workerd;

interface Life {
  life: string;
  rings: number;
  stats: Record<string, number>;
  errors: string[];
}

async function post<T>(path: string, body: unknown = null): Promise<T> {
  const response = await fetch(`${server.url}${path}`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** An object of its own for each test. `evict` waits until nothing keeps it awake, and drops it from memory. */
function object(name: string) {
  const url = `${server.url}/${name}`;
  const publish = (channel: string, items: unknown[], options: object = {}): Promise<unknown> =>
    post(`/${name}/publish`, { channel, items, ...options });
  return {
    url,
    publish,
    evict: () => post(`/evict/${name}`),
    life: async (): Promise<Life> => (await (await fetch(`${url}/life`)).json()) as Life,
    post: <T>(path: string, body?: unknown): Promise<T> => post(`/${name}/${path}`, body),
    call: <T>(method: string, ...args: unknown[]): Promise<T> => post(`/call/${name}/${method}`, args),
  };
}

/** Returns the pairs of user and session in a reply to `presence`. */
function usersIn(reply: object): string[] {
  const { presence } = (reply as { presence: { presence: Record<string, { user: string }> } }).presence
    ? (reply as { presence: { presence: Record<string, { user: string }> } }).presence
    : { presence: {} };
  return Object.entries(presence)
    .map(([client, { user }]) => `${user} ${client}`)
    .sort();
}

type Step = (world: Awaited<ReturnType<typeof open>>) => Promise<unknown>;

/** An object and two clients, each of which has connected. */
async function open(name: string) {
  const here = object(name);
  const [ann, bob] = [await rawPeer(`${here.url}/ws?user=ann`), await rawPeer(`${here.url}/ws?user=bob`)];
  const ids = await Promise.all(
    [ann, bob].map(async (each) => (await each.call({ connect: {} })).connect?.client),
  );
  return { here, ann, bob, ids };
}

/** What two clients do, one step after the other. Each step ends when its effect has been seen. */
const script: [name: string, step: Step][] = [
  [
    "ann listens for joins",
    async ({ ann }) =>
      (await ann.call({ subscribe: { channel: "news", join_leave: true } })).subscribe !== undefined,
  ],
  [
    "bob joins",
    async ({ ann, bob }) => {
      await bob.call({ subscribe: { channel: "news" } });
      const { push } = await ann.first(({ push }) => push?.join?.info.user === "bob");
      return push?.join?.info.user;
    },
  ],
  [
    "publications reach both",
    async ({ here, ann, bob }) => {
      await here.publish("news", range(1, 10));
      return Promise.all([ann.until("news", 10), bob.until("news", 10)]);
    },
  ],
  [
    "ann asks who is there",
    async ({ ann }) => usersIn(await ann.call({ presence: { channel: "news" } })).length,
  ],
  [
    "ann acknowledges",
    async ({ ann }) => {
      const { history } = await ann.call({ history: { channel: "news", limit: 0 } });
      const { epoch } = history as { epoch: string };
      return ann.call({ rpc: { method: "ack", data: { news: { offset: 10, epoch } } } });
    },
  ],
  [
    "bob publishes",
    async ({ ann, bob }) => {
      const reply = await bob.call({ publish: { channel: "news", data: 11 } });
      await bob.until("news", 11);
      return [reply.publish, await ann.until("news", 11)];
    },
  ],
  ["bob calls a method", async ({ bob }) => (await bob.call({ rpc: { method: "echo", data: [1] } })).rpc],
  [
    "ann subscribes to another channel",
    async ({ here, ann }) => {
      await ann.call({ subscribe: { channel: "other" } });
      await here.publish("other", ["a"]);
      return ann.until("other", 1);
    },
  ],
  [
    "a confirmed publication is delivered",
    async ({ here, ann, bob }) => {
      await here.publish("news", [12], { confirm: true });
      return Promise.all([ann.until("news", 12), bob.until("news", 12)]);
    },
  ],
  [
    "bob unsubscribes, and ann is told",
    async ({ ann, bob }) => {
      await bob.call({ unsubscribe: { channel: "news" } });
      const { push } = await ann.first(({ push }) => push?.leave !== undefined);
      return push?.leave?.info.user;
    },
  ],
  [
    "ann gets a new token",
    async ({ ann }) => Object.keys((await ann.call({ refresh: { token: "t" } })).refresh ?? {}),
  ],
  ["nobody has left", async ({ ann, bob }) => [ann.closed.items, bob.closed.items]],
];

async function play(name: string, evictsAfter: (step: number) => boolean) {
  const world = await open(name);
  const seen: unknown[] = [];
  for (const [index, [what, step]] of script.entries()) {
    seen.push([what, await step(world)]);
    if (evictsAfter(index)) await world.here.evict();
  }
  const { errors, stats } = await world.here.life();
  const { confirmed, sessions, subscriptions } = stats;
  return { seen, errors, confirmed, sessions, subscriptions };
}

onWorkerd("in workerd", () => {
  beforeAll(async () => {
    server = await workerd({ entry, objects: { OBJECT: "Sleeper" }, canEvict: true, date });
  });

  afterAll(() => server[Symbol.asyncDispose]());

  describe("an object that is dropped from memory while its clients stay connected", () => {
    test("goes on as if nothing had happened, after every step of a session", async () => {
      const expected = await play("never", () => false);
      expect(expected.errors).toEqual([]);
      expect(expected.seen[2]).toEqual(["publications reach both", [range(1, 10), range(1, 10)]]);
      const lives = await Promise.all([
        play("always", () => true),
        ...script.map((_, index) => play(`after ${index}`, (step) => step === index)),
      ]);
      for (const life of lives) expect(life).toEqual(expected);
    });

    test("keeps the id of a session, and who is present", async () => {
      const { here, ann, bob, ids } = await open("ids");
      for (const each of [ann, bob]) await each.call({ subscribe: { channel: "news" } });
      const before = await here.life();
      await here.evict();
      const present = await ann.call({ presence: { channel: "news" } });
      expect(usersIn(present)).toEqual([`ann ${ids[0]}`, `bob ${ids[1]}`]);
      const { sessions: clients } = await here.call<{ sessions?: unknown }>("presence", "news");
      expect(clients).toBe(undefined);
      expect((await here.life()).life).not.toBe(before.life);
    });

    test("has 1 000 subscriptions of a session, which are too many for its socket", async () => {
      const here = object("many");
      const ann = await rawPeer(`${here.url}/ws?user=ann`);
      await ann.call({ connect: {} });
      const names = range(1, 1_000).map((n) => `channel-with-a-longer-name-${n}`);
      const replies = await Promise.all(names.map((channel) => ann.call({ subscribe: { channel } })));
      expect(replies.filter(({ subscribe }) => subscribe === undefined)).toEqual([]);
      await here.evict();
      for (const channel of [names[0], names[499], names[999]]) await here.publish(channel as string, ["x"]);
      await ann.until(names[999] as string, 1);
      expect((await here.life()).stats.subscriptions).toBe(1_000);
      await here.evict();
      ann.socket.close(1000);
      expect(await ann.closed.until(1)).toEqual([[1000, ""]]);
      expect((await here.life()).stats).toMatchObject({ sessions: 0, subscriptions: 0 });
    });

    test("has its keys, its tickets and its runs in storage", async () => {
      const here = object("storage");
      const ticket = await here.post<string>("ticket");
      const [first] = (await here.publish("news", ["once"], { idempotencyKey: "k" })) as object[];
      await here.evict();
      expect(await here.publish("news", ["once"], { idempotencyKey: "k" })).toEqual([first]);
      expect(await here.post(`redeem?ticket=${ticket}`)).toMatchObject({ user: "ann" });
      await here.evict();
      expect(await here.post(`redeem?ticket=${ticket}`)).toBe(null);
      const { publications } = await here.call<{ publications: unknown[] }>("history", "news");
      expect(publications).toHaveLength(1);
    });

    test("delivers to our client, which sends its own pings and is sent none", async () => {
      const here = object("own");
      const client = dial(`${here.url.replace("http:", "ws:")}/ws?user=ann`, {
        WebSocket: WebSocket as never,
      });
      onTestFinished(() => client.close());
      const got = inbox<unknown>();
      (async () => {
        for await (const { data } of client.follow("news")) got.add(data);
      })().catch(() => {});
      await here.publish("news", [0]);
      await expect.poll(async () => (await here.life()).stats.subscriptions).toBe(1);
      for (const n of range(1, 5)) {
        await here.evict();
        await here.publish("news", [n]);
      }
      expect((await got.until(5)).filter((n) => n !== 0)).toEqual(range(1, 5));
      expect((await here.life()).errors).toEqual([]);
    });
  });

  describe("an object", () => {
    test("sends 100 publications of one request as one frame", async () => {
      const here = object("frames");
      const ann = await rawPeer(`${here.url}/ws?user=ann`);
      await ann.call({ connect: {} });
      await ann.call({ subscribe: { channel: "news" } });
      let frames = 0;
      ann.socket.on("message", (frame) => {
        if (String(frame).includes('"pub"')) frames++;
      });
      await here.publish("news", range(1, 100));
      await ann.messages.until(100);
      expect([frames, ann.data("news")]).toEqual([1, range(1, 100)]);
    });

    test("closes a client that says nothing with 3502, and can be dropped after that", async () => {
      const here = object("quick-silent");
      const silent = await rawPeer(`${here.url}/ws?user=ann`);
      const { life, stats } = await here.life();
      expect(stats.sessions).toBe(1);
      await expect.poll(async () => (await here.life()).errors).toEqual(["refused 3502: stale"]);
      expect((await here.life()).stats.sessions).toBe(0);
      await here.evict();
      // workerd ends the connection of a client that has never sent anything only together with its object.
      expect(await silent.closed.until(1)).toEqual([[3502, "stale"]]);
      expect((await here.life()).life).not.toBe(life);
    });

    test("closes a client that sends too large a message with 1009", async () => {
      const here = object("large");
      const ann = await rawPeer(`${here.url}/ws?user=ann`);
      await ann.call({ connect: {} });
      ann.socket.send("x".repeat(2_000_000));
      expect(await ann.closed.until(1)).toEqual([[1009, "message too big"]]);
      await here.evict();
    });

    test("closes a client that does not read with 3008, and can be dropped after that", async () => {
      const here = object("quick-slow");
      const ann = await rawPeer(`${here.url}/ws?user=ann`);
      await ann.call({ connect: {} });
      await ann.call({ subscribe: { channel: "news" } });
      ann.answers = false;
      const big = "x".repeat(100_000);
      await here.publish("news", [big, big, big, big]);
      expect(await ann.closed.until(1)).toEqual([[3008, "slow"]]);
      await here.evict();
      expect((await here.life()).stats.sessions).toBe(0);
    });

    test("answers every close of a client, and none of them throws", async () => {
      const here = object("closes");
      const codes = [1000, 1001, 3456, 4999, undefined];
      for (const code of codes) {
        const ann = await rawPeer(`${here.url}/ws?user=ann`);
        await ann.call({ connect: {} });
        ann.socket.close(code);
        const [[answered] = []] = await ann.closed.until(1);
        expect(answered).toBe(code === 1001 || code === undefined ? 1000 : code);
      }
      const { stats, errors } = await here.life();
      expect([stats.sessions, errors]).toEqual([0, []]);
    });

    test("closes, tells its clients 3001, reports, and begins anew when it is next used", async () => {
      const { here, ann } = await open("close");
      await ann.call({ subscribe: { channel: "news" } });
      await here.publish("news", [1]);
      const report = await here.post<{ undelivered: unknown[]; cut: unknown[] }>("close", { grace: 2_000 });
      expect([report.undelivered, report.cut]).toEqual([[], []]);
      expect(await ann.closed.until(1)).toEqual([[3001, "shutdown"]]);
      const [position] = (await here.publish("news", [2])) as { offset: number }[];
      expect(position?.offset).toBe(2);
    });

    test("stays awake while a run works, and can be dropped once it is cancelled", async () => {
      const here = object("run");
      const id = await here.post<string>("run", { id: "r", owner: "ann" });
      const { life } = await here.life();
      let dropped = false;
      const dropping = here.evict().then(() => {
        dropped = true;
      });
      expect(await here.call("findRun", id)).toMatchObject({ id: "r", owner: "ann", status: "working" });
      expect([dropped, await here.call("cancelRun", id, "enough")]).toEqual([false, true]);
      await dropping;
      expect((await here.life()).life).not.toBe(life);
      expect(await here.call("findRun", id)).toMatchObject({ status: "cancelled" });
      expect(await here.call("cancelRun", id)).toBe(false);
    });

    test("is woken at the time that it asks for, though it was dropped", async () => {
      const here = object("wake");
      const { life } = await here.life();
      await here.post("wake", 2_500);
      await here.evict();
      await expect.poll(async () => (await here.life()).rings, { timeout: 10_000, interval: 500 }).toBe(1);
      expect((await here.life()).life).not.toBe(life);
    });

    test("sleeps by itself when it is quiet, while our client pings, and stays connected", async () => {
      const here = object("quiet");
      const ann = await rawPeer(`${here.url}/ws?user=ann`);
      const { connect } = await ann.call({ connect: { name: "tocsin" } });
      expect(Object.keys(connect ?? {}).sort()).toEqual(["client", "version"]);
      await ann.call({ subscribe: { channel: "news" } });
      // A client whose clock is ten times as fast: a ping every 2.5 s, and a second to answer it.
      const statuses: string[] = [];
      const client = dial(`${here.url.replace("http:", "ws:")}/ws?user=bob`, {
        WebSocket: WebSocket as never,
        clock: {
          random: Math.random,
          timer(ms, fire) {
            const timer = setTimeout(fire, ms / 10);
            return { cancel: () => clearTimeout(timer) };
          },
        },
        onStatus: (status) => void statuses.push(status),
      });
      onTestFinished(() => client.close());
      const got = inbox<unknown>();
      (async () => {
        for await (const { data } of client.follow("news")) got.add(data);
      })().catch(() => {});
      await expect.poll(async () => (await here.life()).stats.subscriptions).toBe(2);
      await here.publish("news", [1]);
      await Promise.all([ann.until("news", 1), got.until(1)]);
      const { life } = await here.life();
      // The platform drops an object from memory when nothing has happened for 10 s, and nothing keeps it awake.
      await new Promise((resolve) => setTimeout(resolve, 13_000));
      const next = await here.life();
      expect(next.life).not.toBe(life);
      await here.publish("news", [2]);
      await Promise.all([ann.until("news", 2), got.until(2)]);
      expect([ann.data("news"), got.items, statuses]).toEqual([
        [1, 2],
        [1, 2],
        ["connecting", "connected"],
      ]);
      expect((await here.life()).errors).toEqual([]);
    }, 60_000);
  });
});
