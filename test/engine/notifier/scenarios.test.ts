import { describe, expect } from "vitest";
import { type AgentEvents, agentEvents } from "../../../src/agent.ts";
import type { NotifierOptions } from "../../../src/engine/core/settings.ts";
import { ClosedError } from "../../../src/model/errors.ts";
import type { Position } from "../../../src/model/log.ts";
import type { Peer } from "../../../src/model/peer.ts";
import type { Receipt } from "../../../src/model/receipt.ts";
import type { Session } from "../../../src/model/socket.ts";
import { output } from "../../../src/run.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { type Pipe, pipe } from "../../../src/testing/pipe.ts";
import { type FakeClock, fakeClock } from "../../../src/testing.ts";
import { acknowledging, arrival, heldBy, person, returning, rows } from "../../support/acknowledging.ts";
import {
  type Core,
  deferred,
  finish,
  type Message,
  never,
  offsetsIn,
  outcomeOf,
  payloads,
  rawSocket,
  rejection,
  startWith,
  subscriber,
  test,
  typesOf,
  upTo,
} from "../../support/core.ts";

/** A6 to A20 are required behaviours and faults, by number. A1 to A5 are in the agent's tests and in `run-task`. */

const confirm = true;
const hour = 3_600_000;

/** A client that reconnects 100 ms after its connection ends, and resumes from its last position. */
interface Reconnecting {
  /** The payloads received, in order. */
  readonly got: readonly unknown[];
  readonly offsets: readonly number[];
  readonly connections: number;
  stop(): void;
}

/** Connects such a client over sockets whose `send` throws when `fails` returns true. */
function reconnecting(
  { notifier, clock }: Core,
  channel: string,
  user: string,
  fails: (frame: string) => boolean,
): Reconnecting {
  const got: unknown[] = [];
  const offsets: number[] = [];
  const place: Position = { offset: 0, epoch: "" };
  let connections = 0;
  let isStopped = false;
  let session: Session | undefined;
  let retry: { cancel(): void } | undefined;

  function keep({ offset, data }: { offset: number; data: unknown }): void {
    place.offset = offset;
    offsets.push(offset);
    got.push(data);
  }

  function take({ push, subscribe }: Message): void {
    if (push?.pub !== undefined) keep(push.pub);
    if (subscribe === undefined) return;
    place.epoch = subscribe.epoch;
    for (const each of subscribe.publications ?? []) keep(each);
  }

  function dial(): void {
    connections++;
    let isOpen = true;
    const own = notifier.accept(
      {
        send(frame) {
          if (fails(frame as string)) throw new Error("broken pipe");
          queueMicrotask(() => {
            for (const line of (frame as string).split("\n")) {
              if (!isOpen) return;
              if (line === "{}") own.receive(line);
              else take(JSON.parse(line) as Message);
            }
          });
        },
        close(code) {
          queueMicrotask(() => {
            if (!isOpen) return;
            isOpen = false;
            own.ended(code);
            if (!isStopped && code !== 3001) retry = clock.timer(100, dial);
          });
        },
      },
      person(user),
    );
    session = own;
    const subscribe = { channel, recover: true, ...place };
    own.receive(`{"id":1,"connect":{}}\n${JSON.stringify({ id: 2, subscribe })}`);
  }

  dial();
  return {
    got,
    offsets,
    get connections() {
      return connections;
    },
    stop() {
      isStopped = true;
      retry?.cancel();
      session?.ended();
    },
  };
}

/** Returns functions that publish the events of one agent run, from its start to its end. */
function speak(events: AgentEvents<unknown>, steps: number): (() => Promise<unknown>)[] {
  const middle = upTo(steps).map((step) => () => events.thinking({ thought: `${step}`, step_number: step }));
  return [() => events.started(), ...middle, () => events.completed({ result: "ding", duration_ms: 1 })];
}

/** Returns the types of the agent events that a client received, pushed or with a recovery. */
function agentTypes(client: Pipe): string[] {
  const typeOf = ({ data }: { data: unknown }): string => (data as { type: string }).type;
  return (client.received as Message[]).flatMap(({ push, subscribe }) => [
    ...(push?.pub === undefined ? [] : [typeOf(push.pub)]),
    ...(subscribe?.publications ?? []).map(typeOf),
  ]);
}

/** Returns the payloads that a client received. */
function dataOf(client: Pipe, channel: string): unknown[] {
  return (client.received as Message[]).flatMap(({ push, subscribe, connect }) => {
    if (push !== undefined) return push.pub === undefined || push.channel !== channel ? [] : [push.pub.data];
    const own = subscribe ?? connect?.subs?.[channel];
    return (own?.publications ?? []).map(({ data }) => data);
  });
}

/** Returns an `onUndelivered` hook and the list of its calls. */
function hook(): { reported: string[]; onUndelivered: NonNullable<NotifierOptions["onUndelivered"]> } {
  const reported: string[] = [];
  return {
    reported,
    onUndelivered: ({ channel, offset }, reason) => void reported.push(`${channel} ${offset} ${reason}`),
  };
}

test("A6: a transport that fails on every third send never throws into the publisher, and loses or reorders nothing confirmed", async ({
  start,
}) => {
  const { reported, onUndelivered } = hook();
  const core = start({ onUndelivered });
  let sends = 0;
  const ann = reconnecting(core, "user:ann", "ann", () => ++sends % 3 === 0);
  const receipts: Receipt[] = [];
  for (const data of upTo(30)) {
    receipts.push(await core.notifier.publish("user:ann", data, { confirm }));
    await core.clock.advance(40);
  }
  await core.clock.advance(1_000);
  expect([ann.got, ann.offsets]).toEqual([upTo(30), upTo(30)]);
  const deliveries = await Promise.all(receipts.map((receipt) => receipt.delivered()));
  expect(new Set(deliveries.map(({ by }) => by))).toEqual(new Set(["ann"]));
  expect(core.notifier.stats()).toMatchObject({ confirmed: 0, confirmedBytes: 0 });
  const failures = core.errors.splice(0);
  expect([failures.length, ann.connections]).toEqual([Math.floor(sends / 3), Math.floor(sends / 3) + 1]);
  expect(failures.length).toBeGreaterThan(5);
  for (const { error, context } of failures)
    expect([(error as Error).message, context.stage]).toEqual(["broken pipe", "socket"]);
  ann.stop();
  expect([await finish(core), reported]).toMatchObject([{ undelivered: [], givenUp: 0 }, []]);
});

test.for([
  ["0.15 s", 150],
  ["an hour", hour],
] as const)(
  "A7: a subscriber gone for %s gets a run from agent_started to agent_completed, in order, none missing, none doubled",
  async ([, ms], { start }) => {
    const clock = fakeClock();
    const core = start({ clock, log: memoryLog({ clock, ttl: 2 * hour }), limits: { delivery: 2 * hour } });
    const steps = speak(agentEvents({ notifier: core.notifier, channel: "user:ann", run: "42" }), 6);
    const expected = ["agent_started", ...upTo(6).map(() => "agent_thinking"), "agent_completed"];
    const first = await acknowledging(core, "user:ann");
    const { epoch } = await core.notifier.history("user:ann");
    await steps[0]?.();
    await clock.settle();
    first.drop();
    for (const step of steps.slice(1)) {
      await step();
      await clock.advance(ms / 10);
    }
    await clock.advance(ms - 7 * (ms / 10));
    const again = await returning(core, "user:ann", "ann", { offset: 1, epoch });
    expect([agentTypes(first), agentTypes(again)]).toEqual([expected.slice(0, 1), expected.slice(1)]);
    expect(offsetsIn(again.received, "user:ann")).toEqual(upTo(8, 2));
    const gone = await returning(core, "user:ann", "ann", { offset: 0, epoch: "" });
    expect([agentTypes(gone), offsetsIn(gone.received, "user:ann")]).toEqual([expected, upTo(8)]);
    expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 0 });
  },
);

describe("A8: one dead user's backlog of 1 000", () => {
  /** Returns a clock that counts the turns that it has run. */
  function countingClock(): FakeClock & { readonly turns: number } {
    const clock = fakeClock();
    let turns = 0;
    const turn = (run: () => void): void =>
      clock.turn(() => {
        turns++;
        run();
      });
    return Object.create(clock, {
      turn: { value: turn },
      turns: { get: () => turns },
      armed: { get: () => clock.armed },
    }) as FakeClock & { readonly turns: number };
  }

  test("delays another user's event by no turn", async ({ start }) => {
    const taken: number[] = [];
    for (const backlog of [0, 1_000]) {
      const clock = countingClock();
      const core = start({ clock, window: 1_024 });
      const dead = await subscriber(core, "user:dead", { peer: person("dead") });
      dead.stall();
      let arrived = 0;
      const alive = rawSocket(core.notifier, person("ann"), {
        onSend(frame) {
          if (frame.includes('"pub"')) arrived = clock.turns;
        },
      });
      alive.session.receive('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"user:ann"}}');
      await clock.settle();
      for (let i = 0; i < backlog; i++)
        await core.notifier.publish("user:dead", "x".repeat(100), { confirm });
      if (backlog > 0) await clock.settle();
      const before = clock.turns;
      // This publication is in the same turn as the last one for the dead client.
      void core.notifier.publish("user:dead", "last");
      await core.notifier.publish("user:ann", "first");
      await clock.settle();
      taken.push(arrived - before);
      expect(core.notifier.stats().confirmed).toBe(backlog);
      alive.session.ended();
      dead.drop();
    }
    expect(taken).toEqual([1, 1]);
  });
});

describe("A9: a bound is a bound: of 1 500 failures", () => {
  test("1 000 are kept by the log, and each of the others is counted, reported, and a gap to the client", async ({
    start,
  }) => {
    const { reported, onUndelivered } = hook();
    const clock = fakeClock();
    const log = memoryLog({ clock, slack: 0 });
    const core = start({ onUndelivered, clock, log, limits: { confirmed: 2_000 } });
    const ann = await acknowledging(core, "user:ann");
    ann.drop();
    const { epoch } = await core.notifier.history("user:ann");
    for (const data of upTo(1_500)) {
      await core.notifier.publish("user:ann", data, { confirm });
      await core.clock.settle();
    }
    expect(core.notifier.stats().confirmed).toBe(1_000);
    expect(reported).toEqual(upTo(500).map((offset) => `user:ann ${offset} trimmed`));
    expect(await payloads(core.notifier, "user:ann")).toEqual(upTo(1_500, 501));
    const again = await returning(core, "user:ann", "ann", { offset: 0, epoch });
    expect((again.received as Message[]).find(({ id }) => id === 2)?.subscribe).toEqual({
      recoverable: true,
      positioned: true,
      epoch,
      was_recovering: true,
      offset: 1_500,
      data: { notice: { epoch, delayed: 0, gone: 500, kept: 1_000 } },
    });
    const report = await finish(core);
    expect([report.givenUp, report.undelivered.length, reported.length]).toEqual([1_500, 1_000, 1_500]);
    expect(new Set(reported).size).toBe(1_500);
  });

  test("1 000 wait to be confirmed, and the others to be published", async ({ start }) => {
    const core = start();
    const outcomes = upTo(1_500).map((data) =>
      outcomeOf(core.notifier.publish("user:ann", data, { confirm })),
    );
    const published = (): number => outcomes.filter(({ state }) => state === "fulfilled").length;
    await core.clock.settle();
    expect([published(), core.notifier.stats()]).toMatchObject([
      1_000,
      { confirmed: 1_000, publishing: 500 },
    ]);
    const ann = await returning(core, "user:ann", "ann", { offset: 0, epoch: "" });
    await core.clock.settle();
    expect([published(), core.notifier.stats()]).toMatchObject([1_500, { confirmed: 0, publishing: 0 }]);
    expect(dataOf(ann, "user:ann")).toEqual(upTo(1_500));
  });
});

test("A10: 2 000 confirmed publications, each acknowledged by its own user, leave no entry behind", async ({
  start,
}) => {
  const core = start();
  const users = upTo(20).map((n) => `user:${n}`);
  const clients = await Promise.all(users.map((user) => acknowledging(core, user, user)));
  const { armed } = core.clock;
  const before = core.notifier.stats();
  for (const offset of upTo(100)) {
    for (const user of users) await core.notifier.publish(user, offset, { confirm });
    await core.clock.settle();
    expect(core.notifier.stats().confirmed).toBe(20);
    for (const [at, client] of clients.entries()) client.ack(offset, users[at]);
    expect(core.notifier.stats().confirmed).toBe(0);
  }
  await core.clock.settle();
  expect([core.notifier.stats(), heldBy(core), core.clock.armed]).toEqual([before, [], armed]);
  expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 0, sessions: { closed: 20, cut: 0 } });
});

test("A11: a returning subscriber gets one true notice of what was delayed, and of what is gone", async ({
  start,
}) => {
  const clock = fakeClock();
  const core = start({ clock, log: memoryLog({ clock, size: 4, slack: 0 }) });
  const noticeIn = ({ received }: Pipe): unknown =>
    ((received as Message[]).find(({ id }) => id === 2)?.subscribe?.data as { notice?: unknown } | undefined)
      ?.notice;
  /** Publishes to a log that keeps so little that one turn takes at most half of it. */
  const publishFew = async (all: readonly number[]): Promise<void> => {
    const published = Promise.all(all.map((data) => core.notifier.publish("user:ann", data)));
    await clock.settle();
    await published;
  };
  const ann = await subscriber(core, "user:ann", { peer: person("ann") });
  const { epoch } = await core.notifier.history("user:ann");
  ann.drop();
  await publishFew(upTo(3));
  const late = await returning(core, "user:ann", "ann", { offset: 0, epoch });
  expect([noticeIn(late), dataOf(late, "user:ann")]).toEqual([
    { epoch, delayed: 3, gone: 0, kept: 0 },
    upTo(3),
  ]);
  late.drop();
  const again = await returning(core, "user:ann", "ann", { offset: 3, epoch });
  expect(noticeIn(again)).toBeUndefined();
  again.drop();
  await clock.advance(5_000);
  await publishFew(upTo(10, 4));
  const last = await returning(core, "user:ann", "ann", { offset: 3, epoch });
  expect([noticeIn(last), dataOf(last, "user:ann")]).toEqual([{ epoch, delayed: 0, gone: 3, kept: 4 }, []]);
});

describe("A12: failure is as certain as success:", () => {
  const failures = {
    agent_failed: (events) => events.failed({ error_message: "no", error_type: "timeout" }),
    agent_error: (events) => events.error({ error_message: "no", error_type: "timeout", error_details: {} }),
    agent_cancelled: (events) => events.cancelled({ reason: "enough" }),
    agent_completed: (events) => events.completed({ result: 1, duration_ms: 1 }),
  } as Record<string, (events: AgentEvents<Receipt>) => Promise<Receipt>>;

  test.for(Object.entries(failures))(
    "%s is waited for, and reported undelivered",
    async ([type, send], { start }) => {
      const { reported, onUndelivered } = hook();
      const core = start({ onUndelivered });
      const events = agentEvents({ notifier: core.notifier, channel: "user:ann", run: "42" });
      const receipts = [await send(events), await send(events)];
      expect(core.notifier.stats().confirmed).toBe(2);
      const ann = await returning(core, "user:ann", "ann", { ...(receipts[0] as Receipt).position });
      expect([agentTypes(ann), (await receipts[1]?.delivered())?.by]).toEqual([[type], "ann"]);
      await core.clock.advance(300_000);
      expect(reported).toEqual(["user:ann 1 expired"]);
    },
  );

  test("a run that is cancelled, throws and is abandoned at the same time has one ending", async ({
    start,
  }) => {
    const core = start({ grace: 2_000 });
    const go = deferred();
    const run = core.notifier.run(async ({ emit }) => {
      await go.promise;
      await emit(output("too late")).catch(() => {});
      throw new Error("no");
    });
    const reason = rejection(run.result());
    await core.clock.settle();
    void run.cancel("enough");
    const closed = outcomeOf(core.notifier.close());
    const types = outcomeOf(
      (async () => {
        const seen: string[] = [];
        for await (const { data } of core.notifier.follow(`run:${run.id}`, {
          after: { offset: 0, epoch: "" },
        }))
          seen.push((data as { type: string }).type);
        return seen;
      })().catch((error: unknown) => error),
    );
    await core.clock.advance(999);
    expect(await typesOf(core.notifier, run.id)).toEqual(["run.started"]);
    await core.clock.advance(1);
    expect(closed.value?.runs).toEqual({ completed: [], failed: [], cancelled: [], abandoned: [run.id] });
    expect(rows(closed.value?.undelivered ?? [])).toEqual([`run:${run.id} 2 logged closed`]);
    go.resolve();
    await core.clock.settle();
    expect(await reason).toMatchObject({ name: "CancelError", by: "caller", reason: "enough" });
    expect([run.status, types.value]).toEqual(["cancelled", expect.any(ClosedError)]);
  });
});

test("A13: each publication that expires undelivered is reported once, and a callback that throws is contained", async ({
  start,
}) => {
  const reported: string[] = [];
  const core = start({
    onUndelivered({ channel, offset }, reason) {
      reported.push(`${channel} ${offset} ${reason}`);
      throw new Error("the callback's own");
    },
  });
  for (const data of upTo(10)) await core.notifier.publish("user:ann", data, { confirm, ttl: data * 100 });
  for (const second of upTo(10)) {
    await core.clock.advance(100);
    expect(reported.length).toBe(second);
  }
  await core.clock.advance(hour);
  expect(reported).toEqual(upTo(10).map((offset) => `user:ann ${offset} expired`));
  expect(core.errors.splice(0)).toEqual(
    upTo(10).map((offset) => ({
      error: new Error("the callback's own"),
      context: { stage: "undelivered", owner: `${offset} of user:ann` },
    })),
  );
  expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 10 });
});

test("A14: closing with 1 000 undelivered under a deadline of 50 ms settles in time, and names all 1 000", async ({
  start,
}) => {
  const { reported, onUndelivered } = hook();
  const core = start({ onUndelivered });
  const dead = await subscriber(core, "user:ann", { peer: person("ann") });
  dead.stall();
  const { epoch } = await core.notifier.history("user:ann");
  const time = core.clock.time();
  for (const data of upTo(1_000)) await core.notifier.publish("user:ann", data, { confirm });
  await core.clock.settle();
  const closed = outcomeOf(core.notifier.close({ grace: 50 }));
  await core.clock.advance(49);
  expect(closed.state).toBe("pending");
  await core.clock.advance(1);
  expect(closed.value).toEqual({
    runs: { completed: [], failed: [], cancelled: [], abandoned: [] },
    sessions: { closed: 0, cut: 1 },
    cut: [{ session: dead.session.id, user: "ann", channels: { "user:ann": { read: 0, top: 1_000 } } }],
    undelivered: upTo(1_000).map((offset) => ({
      channel: "user:ann",
      position: { offset, epoch },
      time,
      level: "written",
      reason: "closed",
    })),
    givenUp: 1_000,
    waiting: 0,
    milliseconds: 50,
  });
  expect(reported).toEqual(upTo(1_000).map((offset) => `user:ann ${offset} closed`));
});

test("A15: after close nothing is queued for anybody: publish rejects with a ClosedError, and the log is not called", async ({
  start,
}) => {
  let appends = 0;
  const core = startWith(start, (log) => ({
    append(...given) {
      appends++;
      return log.append(...given);
    },
  }));
  const ann = reconnecting(core, "user:ann", "ann", (frame) => frame.includes('"pub"'));
  await core.clock.settle();
  const closed = core.notifier.close();
  const during = rejection(core.notifier.publish("user:ann", 1, { confirm }));
  await core.clock.advance(5_000);
  await closed;
  const after = rejection(core.notifier.publish("user:ann", 2, { confirm, idempotencyKey: "2" }));
  for (const reason of [await during, await after]) {
    expect(reason).toBeInstanceOf(ClosedError);
    expect((reason as Error).message).toBe("Cannot publish: the notifier is closed");
  }
  await core.clock.advance(hour);
  expect([appends, ann.got, core.clock.armed]).toEqual([0, [], 0]);
});

describe("A16: without an identity or a channel", () => {
  test("nothing is published, least of all to everybody", async ({ start }) => {
    const core = start();
    const clients = [
      await subscriber(core, ["user:ann", "broadcast"], { peer: person("ann") }),
      await subscriber(core, ["user:bob", "broadcast"], { peer: person("bob") }),
      await subscriber(core, "undefined"),
    ];
    for (const channel of ["", undefined, null, 7, {}, ["user:ann"]]) {
      const publish = core.notifier.publish(channel as string, "for whom?", { confirm });
      expect(await rejection(publish)).toBeInstanceOf(TypeError);
    }
    const events = agentEvents({ notifier: core.notifier, channel: "", run: "42" });
    expect(await rejection(events.started())).toBeInstanceOf(TypeError);
    await core.clock.settle();
    expect(clients.map(({ received }) => received)).toEqual([[], [], []]);
    await core.notifier.publish("broadcast", "for all who asked");
    await core.clock.settle();
    expect(clients.map((client) => dataOf(client, "broadcast"))).toEqual([
      ["for all who asked"],
      ["for all who asked"],
      [],
    ]);
  });

  test("nobody is accepted", ({ start }) => {
    const core = start();
    const socket = { send() {}, close() {} };
    for (const peer of [undefined, null, {}, { user: undefined }, { user: 7 }])
      expect(() => core.notifier.accept(socket, peer as unknown as Peer)).toThrow(
        new TypeError("Cannot accept a peer: its user is not a text"),
      );
    expect(() => core.notifier.accept(socket, { user: "ann", channels: [""] })).toThrow(TypeError);
    expect(core.notifier.stats().sessions).toBe(0);
  });
});

test("A17: two users with opposite faults share no delay, and no event crosses", async ({ start }) => {
  const core = start();
  const down = { ann: false, bob: false };
  const seen = { ann: [] as string[], bob: [] as string[] };
  const connect = (user: "ann" | "bob") =>
    reconnecting(core, `user:${user}`, user, (frame) => {
      seen[user].push(frame);
      return down[user];
    });
  const [ann, bob] = [connect("ann"), connect("bob")];
  await core.clock.settle();
  const round = async (data: number): Promise<void> => {
    for (const user of ["ann", "bob"])
      await core.notifier.publish(`user:${user}`, `${user} ${data}`, { confirm });
    await core.clock.settle();
  };
  const named = (user: string, last: number): string[] => upTo(last).map((data) => `${user} ${data}`);
  down.ann = true;
  for (const data of upTo(5)) await round(data);
  expect([ann.got, bob.got]).toEqual([[], named("bob", 5)]);
  down.ann = false;
  down.bob = true;
  await core.clock.advance(100);
  for (const data of upTo(10, 6)) await round(data);
  expect([ann.got, bob.got]).toEqual([named("ann", 10), named("bob", 5)]);
  down.bob = false;
  await core.clock.advance(100);
  expect([ann.got, bob.got]).toEqual([named("ann", 10), named("bob", 10)]);
  expect(seen.ann.filter((frame) => frame.includes("user:bob"))).toEqual([]);
  expect(seen.bob.filter((frame) => frame.includes("user:ann"))).toEqual([]);
  expect(core.notifier.stats().confirmed).toBe(0);
  expect(core.errors.splice(0).map(({ context }) => context.stage)).toEqual(["socket", "socket"]);
  ann.stop();
  bob.stop();
});

test("A18: without subscribers it accepts, logs and reports, with equal service for every user", async ({
  start,
}) => {
  const { reported, onUndelivered } = hook();
  const core = start({ onUndelivered, limits: { confirmed: 10 } });
  const users = ["user:ann", "user:bob", "user:cat"];
  // Publications beyond the limit of one channel hold up no other channel.
  const flood = upTo(50).map((data) => outcomeOf(core.notifier.publish("user:flood", data, { confirm })));
  for (const data of upTo(10)) {
    const accepted = users.map((user) =>
      outcomeOf(core.notifier.publish(user, data, { confirm, ttl: 1_000 })),
    );
    await core.clock.settle();
    expect(accepted.map(({ value }) => value?.position.offset)).toEqual([data, data, data]);
  }
  expect(flood.filter(({ state }) => state === "fulfilled").length).toBe(10);
  for (const user of users) expect(await payloads(core.notifier, user)).toEqual(upTo(10));
  await core.clock.advance(1_000);
  // Publications that expire at the same time are reported in no particular order.
  expect(reported.toSorted()).toEqual(
    users.flatMap((user) => upTo(10).map((offset) => `${user} ${offset} expired`)).toSorted(),
  );
  expect(await finish(core)).toMatchObject({ givenUp: 40, sessions: { closed: 0, cut: 0 } });
});

describe("A19: what is published between the upgrade and the subscription arrives through the log,", () => {
  test.for(["the client", "the server"])("once, where %s subscribes", async (by, { start }) => {
    const core = start();
    const channels = by === "the server" ? ["user:ann"] : [];
    const ann = pipe(core.notifier, { peer: { ...person("ann"), channels } });
    const receipts = [await core.notifier.publish("user:ann", 1, { confirm })];
    await core.clock.settle();
    receipts.push(await core.notifier.publish("user:ann", 2, { confirm }));
    const fromStart = { recover: true, offset: 0, epoch: "" };
    if (by === "the server") ann.send({ id: 1, connect: { subs: { "user:ann": fromStart } } });
    else ann.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "user:ann", ...fromStart } });
    receipts.push(await core.notifier.publish("user:ann", 3, { confirm }));
    await core.clock.settle();
    receipts.push(await core.notifier.publish("user:ann", 4, { confirm }));
    await core.clock.settle();
    expect([dataOf(ann, "user:ann"), offsetsIn(ann.received, "user:ann")]).toEqual([upTo(4), upTo(4)]);
    const outcomes = receipts.map((receipt) => arrival(receipt));
    await core.clock.settle();
    expect(outcomes.map(({ value }) => value?.level)).toEqual(["read", "read", "read", "read"]);
  });
});

test("A20: a task that ignores its signal is listed by inspect, and reported abandoned within the deadline", async ({
  start,
}) => {
  const core = start({ grace: 5_000 });
  const run = core.notifier.run(() => never(), { id: "42", owner: "ann", name: "render" });
  const reason = rejection(run.result());
  await core.clock.advance(1_000);
  expect(core.notifier.inspect()).toContainEqual({ kind: "run", owner: 'run:42 "render"', age: 1_000 });
  const cancelled = outcomeOf(run.cancel());
  await core.clock.advance(2_000);
  const ignoring = 'run:42 "render", ignores its signal';
  expect([cancelled.state, core.notifier.inspect()]).toEqual([
    "pending",
    expect.arrayContaining([{ kind: "run", owner: ignoring, age: 3_000 }]),
  ]);
  const closed = outcomeOf(core.notifier.close());
  await core.clock.advance(2_499);
  expect(closed.state).toBe("pending");
  await core.clock.advance(1);
  expect(closed.value).toMatchObject({
    runs: { completed: [], failed: [], cancelled: [], abandoned: ["42"] },
    milliseconds: 2_500,
  });
  expect([cancelled.state, core.notifier.inspect()]).toEqual(["fulfilled", []]);
  expect(await reason).toMatchObject({ name: "CancelError", by: "caller" });
  expect(core.errors.splice(0)).toEqual([
    {
      error: new Error(`Closed without waiting any longer for ${ignoring}, 5.5 s`),
      context: { stage: "close", owner: "notifier" },
    },
  ]);
});
