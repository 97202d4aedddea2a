import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import type { Attachment } from "../../../src/hosts/cloudflare/object-socket.ts";
import type { NotifierObjectOptions } from "../../../src/hosts/cloudflare/options.ts";
import { FakeSocket } from "../../support/fake-object.ts";
import { driver } from "../../support/sqlite.ts";
import { type Client, world } from "./world.ts";

const ann: NotifierObjectOptions = { authenticate: () => ({ user: "ann", channels: ["news"] }) };
const minute = 60_000;

const dataOf = ({ messages }: Client): unknown[] =>
  messages.flatMap(({ push }) => {
    const { pub } = (push ?? {}) as { pub?: { data: unknown } };
    return pub === undefined ? [] : [pub.data];
  });
const attachmentOf = ({ raw }: Client) => raw.deserializeAttachment() as Attachment | null;

if (typeof driver === "string") test.skip(`lives of an object: ${driver}`);
else {
  describe("a life of an object", () => {
    test("restores its sessions before anything else happens to it, and they go on", async () => {
      const here = world();
      here.begin(ann);
      const client = await here.connect();
      const { connect } = client.messages[0] as { connect: { client: string } };
      await here.rest();
      expect(attachmentOf(client)).toMatchObject({ id: connect.client, isStale: false });
      const life = here.begin(ann);
      expect(life.notifier.stats()).toMatchObject({ sessions: 1, subscriptions: 1 });
      await here.publish("news", 1);
      await here.clock.settle();
      client.send({ id: 2, presence: { channel: "news" } });
      await here.clock.settle();
      const reply = client.messages.find(({ id }) => id === 2);
      expect([dataOf(client), reply?.error, here.errors]).toEqual([
        [1],
        { code: 103, message: "permission denied" },
        [],
      ]);
    });

    test("ignores what comes from a socket that it does not know, and answers its close", async () => {
      const here = world();
      here.begin(ann);
      const stranger = new FakeSocket();
      here.life.message(stranger, '{"id":1,"connect":{}}');
      here.life.ended(stranger, 1006, "lost");
      await here.rest();
      expect([stranger.sent, stranger.closed]).toEqual([[], { code: 1000, reason: "" }]);
      expect([here.life.notifier.stats().sessions, here.errors]).toEqual([0, []]);
    });

    test("lets the platform answer the ping of our own client, and only that", () => {
      const here = world();
      here.begin();
      const ping = '{"id":4294967295,"ping":{}}';
      expect(here.state.autoResponse).toMatchObject({ pair: [ping, ping] });
    });

    test("has no timer once it is quiet, and then no alarm if nothing waits", async () => {
      const here = world();
      here.begin(ann);
      const client = await here.connect({ name: "tocsin" });
      await here.publish("news", 1);
      expect(here.sleeps).toBe(false);
      await here.rest();
      expect([dataOf(client), here.state.alarm]).toEqual([[1], null]);
      await Promise.all(here.state.waiting);
    });

    test("deletes the alarm of the life before if nothing waits any more", async () => {
      const here = world();
      here.state.alarm = here.clock.time() + 5 * minute;
      here.begin();
      await here.rest();
      expect(here.state.alarms).toEqual(["delete"]);
    });

    test("leaves the pings of a stock client to the alarm, at a whole minute", async () => {
      const here = world();
      here.begin(ann);
      const client = await here.connect();
      await here.rest();
      const { alarm } = here.state;
      expect([Number(alarm) % minute, here.state.alarms]).toEqual([0, [`set ${alarm}`]]);
      expect(Number(alarm) - here.clock.time()).toBeGreaterThan(minute);
      expect(Number(alarm) - here.clock.time()).toBeLessThanOrEqual(5 * minute);
      await here.untilAlarm();
      const life = here.begin(ann);
      life.ring();
      await here.clock.advance(50);
      expect(client.messages.at(-1)).toEqual({});
      // The pong has to come within 10 s: until then there is a timer.
      expect(here.sleeps).toBe(false);
      client.send({});
      await here.rest();
      expect([client.raw.closed, Number(here.state.alarm) > Number(alarm)]).toEqual([undefined, true]);
    });

    test("closes a client that does not answer the ping", async () => {
      const here = world();
      here.begin(ann);
      const client = await here.connect();
      await here.rest();
      await here.untilAlarm();
      here.life.ring();
      await here.clock.advance(20_000);
      expect(client.raw.closed).toEqual({ code: 3012, reason: "no pong" });
      here.hangUp(client.raw);
      await here.rest();
      expect([here.state.alarm, here.life.notifier.stats().sessions]).toEqual([null, 0]);
    });

    test("stays awake for a stock client where the pings are less than two minutes apart", async () => {
      const here = world();
      here.begin({ ...ann, heartbeat: minute });
      await here.connect();
      await here.clock.advance(5_000);
      expect([here.sleeps, here.state.alarm]).toEqual([false, null]);
      const other = world();
      other.begin({ ...ann, heartbeat: 2 * minute });
      await other.connect();
      await other.rest();
    });

    test("has a quarter of a window of other hosts in flight, unless it is told otherwise", async () => {
      const sent = async (options: NotifierObjectOptions): Promise<number> => {
        const here = world();
        here.begin({ ...ann, ...options });
        const client = await here.connect();
        for (let n = 1; n <= 10; n++) await here.publish("news", "x".repeat(20_000));
        return dataOf(client).length;
      };
      expect([await sent({}), await sent({ window: undefined }), await sent({ window: 262_144 })]).toEqual([
        3, 3, 10,
      ]);
    });

    test("keeps the progress of a client once a second, and says until then that it may be old", async () => {
      const here = world();
      here.begin(ann);
      const client = await here.connect();
      await here.rest();
      const before = client.raw.written.length;
      for (const n of [1, 2, 3]) {
        await here.publish("news", n);
        await here.clock.settle();
      }
      expect([client.raw.written.length - before, attachmentOf(client)?.isStale]).toEqual([1, true]);
      await here.rest();
      expect([client.raw.written.length - before, attachmentOf(client)?.isStale]).toEqual([3, false]);
      here.begin(ann);
      await here.rest();
      expect(dataOf(client)).toEqual([1, 2, 3]);
    });

    test("sends again what may have been sent, after a life that ended without notice", async () => {
      const here = world();
      here.begin(ann);
      const client = await here.connect();
      await here.rest();
      for (const n of [1, 2]) {
        await here.publish("news", n);
        await here.clock.settle();
      }
      here.begin(ann);
      await here.clock.settle();
      expect(dataOf(client)).toEqual([1, 2, 2]);
      await here.rest();
      expect(here.errors).toEqual([]);
    });

    test("is kept awake by a run, whose alarm rings every 30 s and wakes the next life if there must be one", async () => {
      const here = world();
      const life = here.begin();
      let finish: (value: string) => void = () => {};
      const run = life.notifier.run(
        () =>
          new Promise<string>((resolve) => {
            finish = resolve;
          }),
        { id: "r", owner: "ann" },
      );
      await here.clock.settle();
      const began = here.clock.time();
      expect(here.state.alarm).toBe(began + 30_000);
      for (let rings = 1; rings <= 3; rings++) {
        await here.untilAlarm();
        life.ring();
        await here.clock.advance(1_000);
        expect(Number(here.state.alarm) - here.clock.time()).toBe(30_000);
      }
      finish("done");
      await here.clock.settle();
      expect(await run.result()).toBe("done");
      await here.rest();
      expect([here.state.alarm, here.errors]).toEqual([null, []]);
    });

    test("ends the runs of a life that ended without notice as lost", async () => {
      const here = world();
      const first = here.begin();
      first.notifier.run(() => new Promise<never>(() => {}), { id: "r", owner: "ann" });
      await here.clock.advance(10_000);
      await here.untilAlarm();
      const life = here.begin();
      life.ring();
      await here.clock.settle();
      expect(await life.notifier.runs.find("r")).toMatchObject({ status: "failed" });
      await here.rest();
    });

    test("ends the call of its alarm once the next one is set, so that there always is one while a run works", async () => {
      const here = world();
      const life = here.begin();
      const run = life.notifier.run(() => new Promise<never>(() => {}), { id: "r", owner: "ann" });
      run.result().catch(() => {});
      await here.clock.settle();
      await here.untilAlarm();
      let isSet = false;
      const ringing = life.ring().then(() => {
        isSet = true;
      });
      for (let looks = 0; looks < 20 && here.state.alarm === null; looks++) {
        expect(isSet).toBe(false);
        await here.clock.advance(100);
      }
      await ringing;
      expect([isSet, here.state.alarms.length]).toEqual([true, 2]);
    });

    test("ends the call of its alarm when it closes", async () => {
      const here = world();
      const life = here.begin();
      await here.rest();
      const ringing = life.ring();
      const closing = life.notifier.close();
      await here.clock.settle();
      await Promise.all([ringing, closing]);
      expect(here.state.alarm).toBe(null);
    });

    test("is woken again if it ends before it has ended the runs of the life before", async () => {
      const here = world();
      const first = here.begin();
      first.notifier.run(() => new Promise<never>(() => {}), { id: "r", owner: "ann" });
      await here.clock.advance(10_000);
      await here.untilAlarm();
      here.storage.fault = (sql) => (sql === "COMMIT" ? new Error("disk full") : undefined);
      const rang = here.clock.time();
      const ringing = here.begin().ring();
      await here.clock.advance(1_000);
      await ringing;
      await here.clock.advance(10_000);
      expect(here.state.alarm).toBe(rang + 30_000);
      here.storage.fault = () => undefined;
      await here.untilAlarm();
      const third = here.begin();
      third.ring();
      await here.clock.settle();
      expect(await third.notifier.runs.find("r")).toMatchObject({ status: "failed" });
      await here.rest();
      expect(here.state.alarm).toBe(null);
    });

    test("has an alarm for its next life while a confirmed publication waits for less than a minute", async () => {
      const here = world();
      const undelivered: unknown[] = [];
      const onUndelivered = ({ data }: { data: unknown }) => void undelivered.push(data);
      here.begin({ onUndelivered });
      await here.publish("news", "late", { confirm: true, ttl: 50_000 });
      await here.untilAlarm();
      const ringing = here.life.ring();
      await here.clock.advance(1_000);
      await ringing;
      expect(here.state.alarm).toBe(here.clock.time() + 30_000);
      await here.clock.advance(5_000);
      // This life ends without notice.
      await here.untilAlarm();
      here.begin({ onUndelivered }).ring();
      await here.clock.settle();
      expect(undelivered).toEqual(["late"]);
      await here.rest();
      expect(here.state.alarm).toBe(null);
    });

    test("sets the alarm in the turn in which a confirmed publication is stored", async () => {
      const here = world();
      const life = here.begin();
      await here.publish("news", 1, { confirm: true, ttl: 10 * minute });
      expect(here.state.alarm).toBe(here.clock.time() + 30_000);
      await here.publish("news", 2);
      await here.rest();
      // Its own end is later: the alarm that is set stays, and is set for the end when it has rung.
      await here.untilAlarm();
      life.ring();
      await here.rest();
      const left = Number(here.state.alarm) - here.clock.time();
      expect([left > 9 * minute, left <= 11 * minute]).toEqual([true, true]);
    });

    test("is woken by the times that were asked for, in whichever life", async () => {
      const here = world();
      const at = here.clock.time() + 90_500;
      here.begin().wakeAt(at);
      expect(here.state.alarm).toBe(at);
      await here.rest();
      const life = here.begin();
      await here.rest();
      expect(here.state.alarms).toEqual([`set ${at}`]);
      await here.untilAlarm();
      life.ring();
      await here.rest();
      expect(here.state.alarms).toEqual([`set ${at}`]);
      expect(() => life.wakeAt(NaN)).toThrow(RangeError);
    });

    test("tells its sessions once a minute when they were last heard, and closes those that are gone", async () => {
      const here = world();
      here.begin(ann);
      const [silent, heard] = [
        await here.connect({ name: "tocsin" }),
        await here.connect({ name: "tocsin" }),
      ];
      await here.rest();
      await here.clock.advance(2 * minute);
      expect(silent.raw.closed).toBe(undefined);
      here.state.answeredAt.set(heard.raw, new Date(here.clock.time()));
      await here.publish("other", 1);
      await here.clock.advance(1_000);
      expect([silent.raw.closed?.code, heard.raw.closed]).toEqual([3012, undefined]);
    });
  });

  describe("the app of an object", () => {
    test("is made once in a life, at the first request, and may use the notifier", async () => {
      const here = world();
      let made = 0;
      const life = here.begin({
        app(own) {
          made++;
          return new Hono<{ Bindings: { NAME: string } }>().get("/count", (c) => {
            c.executionCtx.waitUntil(Promise.resolve("late"));
            return c.json([own.notifier.stats().sessions, c.env.NAME]);
          }) as never;
        },
      });
      expect(made).toBe(0);
      const count = async () => (await life.fetch(new Request("http://example.com/count"))).json();
      expect([await count(), await count(), made]).toEqual([[0, "env"], [0, "env"], 1]);
      expect(await Promise.all(here.state.waiting)).toContain("late");
      await here.rest();
    });

    test("leaves to the upgrade what no route answers, and its middleware is for both", async () => {
      const here = world();
      const life = here.begin({
        app: () =>
          new Hono().use(async (c, next) => {
            c.header("X-Own", "yes");
            await next();
          }),
      });
      const ask = async (method: string, headers: Record<string, string> = {}) => {
        const response = await life.fetch(new Request("http://example.com/any", { method, headers }));
        return [response.status, response.headers.get("x-own")];
      };
      expect(await ask("GET", { upgrade: "websocket" })).toEqual([101, "yes"]);
      expect([(await ask("GET"))[0], (await ask("POST"))[0]]).toEqual([426, 404]);
      expect(here.errors).toEqual([
        "refused 426: no WebSocket was asked for; connect to ws: or wss:, and have every proxy pass on Upgrade and Connection",
      ]);
    });
  });

  describe("a life whose notifier has closed", () => {
    async function closed() {
      const here = world();
      const life = here.begin(ann);
      const client = await here.connect();
      await here.publish("news", 1, { confirm: true });
      const closing = life.notifier.close({ grace: 1_000 });
      await here.clock.advance(1_000);
      await closing;
      return { here, life, client };
    }

    test("is over: it leaves the alarm to the next one, and needs no timer", async () => {
      const { here, life, client } = await closed();
      expect([life.isOver, client.raw.closed?.code, attachmentOf(client)]).toEqual([true, 3001, null]);
      await here.rest();
      const { alarm, alarms } = here.state;
      const before = [...alarms];
      life.stir();
      expect(here.sleeps).toBe(true);
      await here.clock.advance(5_000);
      expect([here.state.alarms, here.state.alarm]).toEqual([before, alarm]);
    });

    test("leaves the alarm to the next one also in the middle of a look", async () => {
      const here = world();
      const answers: ((time: number) => void)[] = [];
      here.state.storage.getAlarm = () => new Promise((resolve) => answers.push(resolve));
      const life = here.begin();
      await here.clock.advance(1_000);
      const closing = life.notifier.close();
      await here.clock.settle();
      await closing;
      const at = here.clock.time() + 5 * minute;
      here.begin().wakeAt(at);
      for (const answer of answers) answer(at);
      await here.clock.settle();
      expect(here.state.alarms).toEqual([`set ${at}`]);
    });

    test("ignores what its sockets still send, and answers their closes", async () => {
      const { here, life, client } = await closed();
      const { length } = client.raw.sent;
      client.send({ id: 9, presence: { channel: "news" } });
      here.hangUp(client.raw);
      await here.rest();
      expect([client.raw.sent.length, client.raw.readyState]).toEqual([length, 3]);
      expect([life.notifier.stats().sessions, here.errors]).toEqual([0, []]);
    });

    test("is followed by one that has its log, and none of its sessions", async () => {
      const { here, client } = await closed();
      const life = here.begin(ann);
      expect(life.notifier.stats()).toMatchObject({ sessions: 0 });
      const { position } = await here.publish("news", 2);
      expect([position.offset, client.raw.closed?.code, here.errors]).toEqual([2, 3001, []]);
    });
  });

  describe("what fails in a life", () => {
    test.each<[string, object, string]>([
      ["an unknown option", { authentificate: () => null }, "Cannot use authentificate: options() takes"],
      ["a bound of the log", { log: { size: -1 } }, 'Cannot use size "-1"'],
      ["a limit", { limits: { sessions: 0 } }, 'Cannot use limits.sessions "0"'],
      ["an origin", { origins: ["example.com"] }, "example.com"],
      ["the permissions", { authorize: true }, "Cannot use authorize: give a function, not boolean"],
    ])("%s that cannot work is refused before anything is begun", (_, options, message) => {
      const here = world();
      expect(() => here.begin(options)).toThrow(message);
      expect([here.storage.statements, here.state.autoResponse, here.clock.armed]).toEqual([
        [],
        undefined,
        0,
      ]);
    });

    test("a state that cannot be kept: its client connects again, the others go on, and the look goes on", async () => {
      const here = world();
      here.begin(ann);
      const [lost, other] = [await here.connect(), await here.connect()];
      await here.rest();
      await here.publish("news", 1);
      await here.clock.settle();
      const keep = lost.raw.serializeAttachment;
      lost.raw.serializeAttachment = (value) => {
        if (value !== null) throw new Error("no room");
        keep.call(lost.raw, value);
      };
      await here.clock.advance(1_000);
      expect(here.errors).toEqual([expect.stringMatching(/^host of session .*: no room$/)]);
      expect([lost.raw.closed?.code, other.raw.closed]).toEqual([3011, undefined]);
      expect([dataOf(other), attachmentOf(other)?.isStale]).toEqual([[1], false]);
      expect(attachmentOf(lost)).toBe(null);
      await here.rest();
    });

    test("the alarm: it is reported, and set at the next look", async () => {
      const here = world();
      const { setAlarm } = here.state.storage;
      here.state.storage.setAlarm = async () => {
        throw new Error("no alarm");
      };
      here.begin(ann);
      await here.connect();
      await here.rest();
      expect(here.errors).toEqual(["host of object: no alarm"]);
      here.state.storage.setAlarm = setAlarm;
      here.life.stir();
      await here.rest();
      expect(here.state.alarm).not.toBe(null);
    });

    test("a hook that throws while the alarm fails: it goes to the console, and the look goes on", async () => {
      const here = world();
      here.state.storage.getAlarm = async () => {
        throw new Error("no alarm");
      };
      const lines: unknown[] = [];
      const { error } = console;
      console.error = (...line) => void lines.push(line.join(" "));
      here.begin({
        onError() {
          throw new Error("no hook");
        },
      });
      await here.rest();
      console.error = error;
      expect(lines).toEqual([expect.stringContaining("no hook")]);
    });

    test("the storage while the alarm rings: the platform is told to ring again, and waits have ended all the same", async () => {
      const here = world();
      const life = here.begin(ann);
      const client = await here.connect();
      await here.rest();
      await here.untilAlarm();
      here.storage.fault = (sql) =>
        sql.includes("tocsin_alarms") ? new Error("busy: SQLITE_BUSY") : undefined;
      expect(() => life.ring()).toThrow("it is locked");
      here.storage.fault = () => undefined;
      await here.clock.settle();
      expect(client.messages.at(-1)).toEqual({});
      life.ring();
      client.send({});
      await here.rest();
      expect(here.errors).toEqual([]);
    });

    test("a look: it is looked again a second later", async () => {
      const here = world();
      here.begin(ann);
      await here.connect({ name: "tocsin" });
      await here.rest();
      await here.clock.advance(2 * minute);
      const { getWebSocketAutoResponseTimestamp } = here.state;
      here.state.getWebSocketAutoResponseTimestamp = () => {
        throw new Error("no timestamp");
      };
      // The next event is followed by a look, which asks when the clients were last heard.
      here.life.stir();
      await expect(here.clock.advance(1_000)).rejects.toThrow("no timestamp");
      here.state.getWebSocketAutoResponseTimestamp = getWebSocketAutoResponseTimestamp;
      expect(here.sleeps).toBe(false);
      await here.rest();
    });
  });
}
