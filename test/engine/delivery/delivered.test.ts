import { describe, expect, onTestFinished, test } from "vitest";
import { type AgentEvent, agentEvents } from "../../../src/agent.ts";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import type { Publication } from "../../../src/mod.ts";
import type { Socket } from "../../../src/model/socket.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { inbox } from "../../support/inbox.ts";
import { runtime } from "../../support/runtime.ts";
import { type Site, site } from "../../support/server.ts";
import { dataOf, dial, heard, publish, reader } from "../../support/stock-client.ts";
import { client, frame, type Manners, tcp, upgrade } from "../../support/tcp.ts";
import { gated, range } from "../../support/wire.ts";

const open = { authorize: () => true };
const confirm = { confirm: true };

/** The delivery that a receipt returns. Its time is the real clock's, and so not asserted. */
function by(user: string, level: "read" | "acknowledged") {
  return { level, by: user, time: expect.any(Number) };
}

/** Connects over plain TCP. The server subscribes this peer to its channels, and the peer sends no acknowledgement. */
async function raw(here: Site, user: string, channel: string, manners: Manners = {}) {
  const { port, search } = new URL(here.address(user, channel));
  const peer = tcp(Number(port), upgrade(`/${search}`));
  onTestFinished(() => peer.destroy());
  const { messages, connected } = client(peer, manners);
  await connected;
  return {
    peer,
    say: (command: object) => peer.send(frame(1, JSON.stringify(command))),
    /** The channel, offset and data of every publication received. */
    get publications(): unknown[] {
      return messages.flatMap((text) => {
        const { push } = JSON.parse(text);
        return push?.pub === undefined ? [] : [[push.channel, push.pub.offset, push.pub.data]];
      });
    },
  };
}

/** Passes every frame for a peer to `send`, which gets the real socket as well. */
function intercept(here: Site, send: (data: string, user: string, socket: Socket) => void): void {
  const accept = here.notifier.accept.bind(here.notifier);
  here.notifier.accept = (socket, peer) =>
    accept(
      {
        send: (data) => send(data as string, peer.user, socket),
        close: (code, reason) => socket.close(code, reason),
        terminate: () => socket.terminate?.(),
      },
      peer,
    );
}

/** Returns the system clock, which can be moved forward and counts its turns. */
function movable(): Clock & { jump(ms: number): void; readonly turns: number } {
  let ahead = 0;
  let turns = 0;
  const armed = new Set<{ due: number; fire(): void }>();
  const now = (): number => systemClock.now() + ahead;
  return {
    now,
    time: () => systemClock.time() + ahead,
    random: systemClock.random,
    turn(run) {
      systemClock.turn(() => {
        turns++;
        run();
      });
    },
    timer(ms, fire) {
      const cancel = (): void => {
        armed.delete(each);
        timer.cancel();
      };
      const each = {
        due: now() + ms,
        fire() {
          cancel();
          fire();
        },
      };
      const timer = systemClock.timer(ms, each.fire);
      armed.add(each);
      return { cancel };
    },
    jump(ms) {
      ahead += ms;
      for (const each of [...armed].sort((one, other) => one.due - other.due))
        if (armed.has(each) && each.due <= now()) each.fire();
    },
    get turns() {
      return turns;
    },
  };
}

describe(`a receipt on ${runtime}`, () => {
  test("is read by a stock client, which discharges it; acknowledged stays unknown", async () => {
    const clock = movable();
    const here = await site({ ...open, clock });
    const { data } = await reader(here);
    const before = Date.now();
    const receipt = await here.notifier.publish("news", "to be read", { confirm: true, ttl: 60_000 });
    const read = await receipt.delivered({ level: "read" });
    expect(read).toEqual(by("ann", "read"));
    expect(read.time >= before && read.time <= Date.now()).toBe(true);
    expect(await receipt.delivered()).toEqual(by("ann", "read"));
    expect(here.notifier.stats()).toMatchObject({ confirmed: 0, confirmedBytes: 0 });
    const unknown = receipt.delivered({ level: "acknowledged" });
    clock.jump(60_000);
    const { channel, position } = receipt;
    const expired = { name: "ExpiredError", channel, position, reason: "expired", level: "read" };
    await expect(unknown).rejects.toMatchObject(expired);
    expect(data.items).toEqual(["to be read"]);
  });

  test("is read by either of two tabs of one user, each of which receives it once, and by nobody else", async () => {
    const here = await site(open);
    const tabs = [await reader(here, "ann"), await reader(here, "ann")];
    const first = await here.notifier.publish("news", 1, confirm);
    expect(await first.delivered({ level: "read", by: "ann" })).toEqual(by("ann", "read"));
    expect(await first.delivered()).toEqual(by("ann", "read"));
    const bob = await reader(here, "bob");
    const second = await here.notifier.publish("news", 2, confirm);
    expect(await second.delivered({ level: "read", by: "bob" })).toEqual(by("bob", "read"));
    const stop = new AbortController();
    const never = first.delivered({ by: "bob", signal: stop.signal });
    const reason = new Error("Bob came later");
    stop.abort(reason);
    await expect(never).rejects.toBe(reason);
    for (const { data } of tabs) expect(await data.until(2)).toEqual([1, 2]);
    expect(bob.data.items).toEqual([2]);
  });

  test("is read by the tab that reads, though another of the same user is stuck", async () => {
    const here = await site(open);
    const stuck = await raw(here, "ann", "news", { pongs: false });
    const { data } = await reader(here, "ann");
    const receipt = await here.notifier.publish("news", 1, confirm);
    await stuck.peer.until(/"offset":1/);
    expect(await receipt.delivered()).toEqual(by("ann", "read"));
    expect(here.notifier.stats().confirmed).toBe(0);
    expect([stuck.publications, data.items]).toEqual([[["news", 1, 1]], [1]]);
  });

  test("is read, and not discharged, by a client that acknowledges, until that sends the acknowledgement", async () => {
    const here = await site();
    const ann = await raw(here, "ann", "mine");
    const plain = await here.notifier.publish("mine", "plain");
    await plain.delivered({ level: "read" });
    const ack = (position: object) => ann.say({ send: { data: { ack: { mine: position } } } });
    ack(plain.position);
    expect(await plain.delivered({ level: "acknowledged" })).toEqual(by("ann", "acknowledged"));
    const receipt = await here.notifier.publish("mine", "to be acknowledged", confirm);
    expect(await receipt.delivered({ level: "read" })).toEqual(by("ann", "read"));
    expect(here.notifier.stats().confirmed).toBe(1);
    const { offset, epoch } = receipt.position;
    // Neither an older position nor an invalid one acknowledges the publication.
    for (const untrue of [plain.position, { offset: offset + 1, epoch }, { offset, epoch: "other" }, 7])
      ack(untrue as object);
    ann.say({ id: 9, ping: {} });
    await ann.peer.until(/"id":9/);
    expect(here.notifier.stats().confirmed).toBe(1);
    ack({ offset, epoch });
    expect(await receipt.delivered()).toEqual(by("ann", "acknowledged"));
    expect(here.notifier.stats()).toMatchObject({ confirmed: 0, confirmedBytes: 0 });
  });

  test("is acknowledged by a stock client with send and with rpc, which refuses invalid acknowledgements", async () => {
    const here = await site(open);
    const { client: ann, data } = await reader(here);
    const first = await here.notifier.publish("news", 1, confirm);
    await data.until(1);
    await ann.send({ ack: { news: first.position } });
    expect(await first.delivered({ level: "acknowledged" })).toEqual(by("ann", "acknowledged"));
    const second = await here.notifier.publish("news", 2, confirm);
    expect(await second.delivered({ level: "read" })).toEqual(by("ann", "read"));
    const { offset, epoch } = second.position;
    const refused = [
      [{ news: { offset: 3, epoch } }, 107],
      [{ news: { offset, epoch: "other" } }, 112],
      [{ other: { offset, epoch } }, 103],
      // One wrong channel makes the whole command fail.
      [{ news: { offset, epoch }, other: { offset, epoch } }, 103],
    ] as const;
    for (const [ack, code] of refused) await expect(ann.rpc("ack", { ack })).rejects.toMatchObject({ code });
    expect(here.notifier.stats().confirmed).toBe(1);
    expect(await ann.rpc("ack", { ack: { news: { offset, epoch } } })).toEqual({ data: undefined });
    expect(here.notifier.stats().confirmed).toBe(0);
    expect(await second.delivered()).toEqual(by("ann", "acknowledged"));
  });
});

describe(`faults that a notifier has to survive, on ${runtime}`, () => {
  test("A6: a transport that fails on every third send throws nothing at the publisher, loses and disorders nothing", async () => {
    const undelivered: unknown[] = [];
    const here = await site({ ...open, onUndelivered: (publication) => undelivered.push(publication) });
    let sends = 0;
    let fails = true;
    intercept(here, (data, _, socket) => {
      if (++sends % 3 === 0 && fails) throw new Error("The network failed");
      socket.send(data);
    });
    const { data, subscribed } = await reader(here);
    const receipts = [];
    for (const n of range(1, 60)) {
      receipts.push(await here.notifier.publish("news", n, { confirm: n % 3 === 0 }));
      if (n % 3 === 0) await data.until(n);
    }
    const deliveries = await Promise.all(receipts.map((receipt) => receipt.delivered()));
    fails = false;
    expect(data.items).toEqual(range(1, 60));
    expect(deliveries.map(({ by }) => by)).toEqual(Array(60).fill("ann"));
    expect(receipts.map(({ position }) => position.offset)).toEqual(range(1, 60));
    const failures = Math.floor(sends / 3);
    const failure = { stage: "socket", message: "The network failed" };
    expect(here.takeErrors()).toEqual(Array(failures).fill(failure));
    expect(subscribed.items.slice(1).every(({ recovered }) => recovered)).toBe(true);
    expect([undelivered, here.notifier.stats().confirmed]).toEqual([[], 0]);
  });

  test("A7: a subscriber gone for 0.15 s gets every agent event on its return, in order, once", async () => {
    const here = await site();
    const ann = dial(here.address("ann", "user:ann"));
    const data = dataOf(ann);
    const subscribed = heard(ann, "subscribed");
    await subscribed.until(1);
    const connecting = heard(ann, "connecting");
    const release = here.hold();
    here.cut();
    await connecting.until(1);
    const agent = agentEvents({ notifier: here.notifier, channel: "user:ann", run: "42" });
    const call = { tool_name: "search", call_id: "1" };
    const steps = [
      () => agent.started(),
      () => agent.thinking({ thought: "Wohin? 🤔", step_number: 1, total_steps: 3 }),
      () => agent.toolStarted({ tool_name: "search", parameters: { q: "é" } }),
      () => agent.toolExecuting(call),
      () => agent.toolCompleted({ ...call, result: "x".repeat(13_000) }),
      () => agent.partialResult({ content: "found", is_complete: true }),
      () => agent.finalReport({ report: {}, total_duration_ms: 150 }),
      () => agent.completed({ result: null, duration_ms: 150 }),
    ];
    const left = performance.now();
    const receipts = [];
    for (const step of steps) receipts.push(await step());
    // The absence of 150 ms is the subject of this test.
    await new Promise((resolve) => setTimeout(resolve, 150 - (performance.now() - left)));
    release();
    const events = (await data.until(steps.length)) as AgentEvent[];
    expect(events.map(({ type, run }) => `${run} ${type}`)).toEqual(
      ["agent_started", "agent_thinking", "tool_started", "tool_executing", "tool_completed"]
        .concat(["partial_result", "final_report", "agent_completed"])
        .map((type) => `42 ${type}`),
    );
    const { publications } = await here.notifier.history("user:ann");
    expect(events).toEqual(publications.map(({ data }) => data));
    const endings = receipts.slice(-2).map((receipt) => receipt.delivered());
    expect(await Promise.all(endings)).toEqual([by("ann", "read"), by("ann", "read")]);
    expect(subscribed.items[1]).toMatchObject({ wasRecovering: true, recovered: true });
    expect([data.items.length, here.notifier.stats().confirmed]).toEqual([8, 0]);
  });

  test("A8: a backlog of 1 000 behind a stuck socket never delays another user's event by a turn", async () => {
    const clock = movable();
    const here = await site({ clock });
    let sentInTurn = 0;
    intercept(here, (data, user, socket) => {
      if (user === "bob" && data.includes('"pub"')) sentInTurn = clock.turns;
      socket.send(data);
    });
    const ann = await raw(here, "ann", "user:ann", { pongs: false });
    ann.peer.pause();
    const bob = dial(here.address("bob", "user:bob"));
    const data = dataOf(bob);
    await heard(bob, "subscribed").until(1);
    const turnsOf = async (text: string): Promise<number> => {
      const before = clock.turns;
      const receipt = await here.notifier.publish("user:bob", text, confirm);
      expect(await receipt.delivered()).toEqual(by("bob", "read"));
      return sentInTurn - before;
    };
    expect(await turnsOf("alone")).toBe(1);
    const backlog = range(1, 1_000).map((n) =>
      here.notifier.publish("user:ann", { n, text: "x".repeat(600) }, confirm),
    );
    expect(await turnsOf("in the same breath")).toBe(1);
    await Promise.all(backlog);
    // The turn of the last publication has to end first.
    await new Promise<void>((resolve) => clock.turn(resolve));
    expect(await turnsOf("behind the backlog")).toBe(1);
    expect(data.items).toEqual(["alone", "in the same breath", "behind the backlog"]);
    expect(here.notifier.stats().confirmed).toBe(1_000);
  });

  test("A9: of 1 500 failures against a bound of 1 000 every one dropped is counted, reported and a gap", async () => {
    const undelivered = inbox<[number, string]>();
    const onUndelivered = ({ offset }: Publication, reason: string) => undelivered.add([offset, reason]);
    const log = memoryLog({ size: 1_000, slack: 0 });
    const here = await site({ ...open, log, limits: { confirmed: 2_000 }, onUndelivered });
    const { client: ann, data, subscribed } = await reader(here);
    const connecting = heard(ann, "connecting");
    const release = here.hold();
    here.cut();
    await connecting.until(1);
    const receipts = [];
    for (const n of range(1, 1_500)) receipts.push(await here.notifier.publish("news", n, confirm));
    const trimmed = range(1, 500).map((offset) => [offset, "trimmed"]);
    expect(await undelivered.until(500)).toEqual(trimmed);
    await expect(receipts[499]?.delivered()).rejects.toMatchObject({ reason: "trimmed", level: "logged" });
    const kept = await here.notifier.history("news");
    expect(kept.publications.map(({ offset }) => offset)).toEqual(range(501, 1_500));
    expect(here.notifier.stats().confirmed).toBe(1_000);
    release();
    await subscribed.until(2);
    const notice = { epoch: kept.epoch, delayed: 0, gone: 500, kept: 1_000 };
    expect(subscribed.items[1]).toMatchObject({ wasRecovering: true, recovered: false, data: { notice } });
    const report = await here.notifier.close();
    const closed = range(501, 1_500).map((offset) => [offset, "closed"]);
    expect(report.undelivered.map(({ position, reason }) => [position.offset, reason])).toEqual(closed);
    expect(undelivered.items).toEqual([...trimmed, ...closed]);
    expect([report.givenUp, data.items]).toEqual([1_500, []]);
  });

  test("A10: 2 000 confirmed sends, acknowledged, leave no entry behind", async () => {
    const here = await site(open);
    const { client: ann, subscription, data } = await reader(here);
    const quiet = here.notifier.stats();
    const first = await here.notifier.publish("news", 0);
    await data.until(1);
    const { epoch } = first.position;
    await ann.rpc("ack", { ack: { news: { offset: 1, epoch } } });
    subscription.on("publication", ({ offset }) => {
      // Every hundredth acknowledgement covers all publications before it. One older position is sent again.
      if (offset === 2_001 || (offset as number) % 100 === 0)
        void ann.send({ ack: { news: { offset, epoch } } });
      if (offset === 700) void ann.send({ ack: { news: { offset: 600, epoch } } });
    });
    const sending = range(1, 2_000).map((n) => here.notifier.publish("news", n, confirm));
    const receipts = await Promise.all(sending);
    const deliveries = await Promise.all(receipts.map((receipt) => receipt.delivered()));
    expect(deliveries).toEqual(Array(2_000).fill(by("ann", "acknowledged")));
    expect(data.items).toEqual(range(0, 2_000));
    expect(here.notifier.stats()).toEqual(quiet);
  });

  test("A11: a returning subscriber gets one true notice of what was delayed and what is gone", async () => {
    const clock = movable();
    const log = gated(() => memoryLog());
    const here = await site({ ...open, log, clock });
    const { client: ann, data, subscribed } = await reader(here);
    const [connecting, messages] = [heard(ann, "connecting"), heard(ann, "message")];
    let returns = 0;
    const away = async (what: () => Promise<void>): Promise<unknown> => {
      const release = here.hold();
      here.cut();
      await connecting.until(++returns);
      await what();
      release();
      await subscribed.until(returns + 1);
      return (subscribed.items[returns] as { data?: unknown }).data;
    };
    const { epoch } = await here.notifier.history("news");
    const late = (delayed: number) => ({ epoch, delayed, gone: 0, kept: 0 });
    expect(await away(() => publish(here, "news", 1, 3))).toEqual({ notice: late(3) });
    // Within five seconds there is no second notice. The next one covers all that came late meanwhile.
    expect(await away(() => publish(here, "news", 4, 5))).toBe(undefined);
    expect(await away(() => publish(here, "news", 6, 6))).toBe(undefined);
    expect(await away(async () => {})).toBe(undefined);
    clock.jump(6_000);
    expect(await messages.until(1)).toEqual([{ data: { notice: { channel: "news", ...late(3) } } }]);
    clock.jump(6_000);
    const fresh = await away(async () => {
      log.wipe();
      await publish(here, "news", 7, 8);
    });
    const { epoch: other } = await here.notifier.history("news");
    expect(fresh).toEqual({ notice: { epoch: other, delayed: 0, gone: null, kept: 2 } });
    expect([data.items, messages.items.length]).toEqual([range(1, 6), 1]);
  });

  test("A14: close with 1 000 undelivered under a 50 ms grace settles in time, and names all 1 000", async () => {
    const undelivered: [string, number, string][] = [];
    const here = await site({
      grace: 50,
      onUndelivered: ({ channel, offset }, reason) => void undelivered.push([channel, offset, reason]),
    });
    let written = 0;
    intercept(here, (data, _, socket) => {
      written += data.split('{"push":{"channel":"user:ann","pub":').length - 1;
      socket.send(data);
    });
    const ann = await raw(here, "ann", "user:ann", { pongs: false });
    ann.peer.pause();
    // Ann's publications are larger than a window, and nobody is subscribed to Bob's channel.
    for (const n of range(1, 600))
      await here.notifier.publish("user:ann", { n, text: "x".repeat(1_000) }, confirm);
    for (const n of range(1, 400)) await here.notifier.publish("user:bob", n, confirm);
    expect(here.notifier.stats().confirmed).toBe(1_000);
    const began = performance.now();
    const report = await here.notifier.close();
    expect(performance.now() - began).toBeLessThan(50 + 1_000);
    const rows = (channel: string, count: number) =>
      range(1, count).map((offset) => [channel, offset, "closed"]);
    const all = [...rows("user:ann", 600), ...rows("user:bob", 400)];
    expect(report.undelivered.map((row) => [row.channel, row.position.offset, row.reason])).toEqual(all);
    expect(undelivered).toEqual(all);
    const levels = [...Array(written).fill("written"), ...Array(1_000 - written).fill("logged")];
    expect(report.undelivered.map(({ level }) => level)).toEqual(levels);
    expect(written > 0 && written < 600).toBe(true);
    expect([report.givenUp, report.sessions]).toEqual([1_000, { closed: 0, cut: 1 }]);
  });

  test("A17: two users with opposite faults share no delay, and no event crosses", async () => {
    const here = await site({ window: 4_096 });
    const confirmed = async (user: string, first: number, last: number) => {
      const sending = range(first, last).map((n) =>
        here.notifier.publish(`user:${user}`, `${user} ${n} ${"x".repeat(200)}`, confirm),
      );
      return Promise.all(sending);
    };
    const arrived = async (user: string, receipts: Awaited<ReturnType<typeof confirmed>>) =>
      expect(await Promise.all(receipts.map((receipt) => receipt.delivered()))).toEqual(
        receipts.map(() => by(user, "read")),
      );
    const ann = await raw(here, "ann", "user:ann");
    const bob = await raw(here, "bob", "user:bob");
    ann.peer.pause();
    const [early, soon] = await Promise.all([confirmed("ann", 1, 50), confirmed("bob", 1, 50)]);
    await arrived("bob", soon);
    expect(here.notifier.stats().confirmed).toBe(50);
    bob.peer.pause();
    const [later, last] = await Promise.all([confirmed("ann", 51, 100), confirmed("bob", 51, 100)]);
    ann.peer.socket.resume();
    await arrived("ann", [...early, ...later]);
    expect(here.notifier.stats().confirmed).toBe(50);
    bob.peer.socket.resume();
    await arrived("bob", last);
    expect(here.notifier.stats().confirmed).toBe(0);
    const all = (user: string) =>
      range(1, 100).map((n) => [`user:${user}`, n, `${user} ${n} ${"x".repeat(200)}`]);
    expect(ann.publications).toEqual(all("ann"));
    expect(bob.publications).toEqual(all("bob"));
  });
});
