import { describe, expect } from "vitest";
import type { Pipe } from "../../../src/testing/pipe.ts";
import { type Core, finish, rawSocket, subscriber, test } from "../../support/core.ts";

type Announced = [kind: "join" | "leave", client: string];

/** Returns the join and leave messages that a client received. */
function announced({ received }: Pipe): Announced[] {
  return received.flatMap((message) => {
    const push = (message as { push?: Record<string, { info: { client: string } }> }).push;
    return (["join", "leave"] as const).flatMap((kind): Announced[] =>
      push?.[kind] === undefined ? [] : [[kind, push[kind].info.client]],
    );
  });
}

/** Returns clients that subscribe with `join_leave`. Their first heartbeat is over. */
async function listeners(core: Core, count: number): Promise<Pipe[]> {
  const clients: Pipe[] = [];
  for (let n = 0; n < count; n++) clients.push(await subscriber(core, []));
  for (const client of clients) client.send({ id: 9, subscribe: { channel: "room", join_leave: true } });
  await core.clock.advance(30_000);
  for (const client of clients) client.take();
  return clients;
}

const subscribe = { id: 10, subscribe: { channel: "room" } };
const unsubscribe = { id: 11, unsubscribe: { channel: "room" } };

describe("a client that joins and leaves", () => {
  test("is announced in order, once a turn, as one frame", async ({ start }) => {
    const core = start();
    const [listener] = (await listeners(core, 1)) as [Pipe];
    const [ann, bob] = [await subscriber(core, []), await subscriber(core, [])];
    const { frames } = listener;
    ann.send(subscribe);
    bob.send(subscribe);
    await core.clock.settle();
    ann.send(unsubscribe);
    await core.clock.settle();
    expect(announced(listener)).toEqual([
      ["join", ann.session.id],
      ["join", bob.session.id],
      ["leave", ann.session.id],
    ]);
    expect(listener.frames).toBe(frames + 2);
  });

  test("again and again in one turn is not announced at all", async ({ start }) => {
    const core = start();
    const [listener, other] = (await listeners(core, 2)) as [Pipe, Pipe];
    const { frames } = listener;
    for (let n = 0; n < 200; n++) other.send(unsubscribe, { ...subscribe, id: 12 + n });
    await core.clock.settle();
    expect([announced(listener), listener.frames, other.closed]).toEqual([[], frames, undefined]);
    expect(core.notifier.totals().limits).toEqual({});
  });

  test("is announced to a thousand clients at most once in a tenth of a second, and closes none of them", async ({
    start,
  }) => {
    const core = start();
    const clients = await listeners(core, 1_000);
    const one = await subscriber(core, []);
    const before = clients.map(({ frames }) => frames);
    // For half a second one client subscribes and unsubscribes as fast as the rate allows.
    for (let n = 0; n < 50; n++) {
      one.send(subscribe);
      await core.clock.advance(5);
      one.send(unsubscribe);
      await core.clock.advance(5);
    }
    await core.clock.advance(100);
    expect(clients.map(({ closed }) => closed)).toEqual(clients.map(() => undefined));
    const max = Math.max(...clients.map(({ frames }, at) => frames - (before[at] as number)));
    expect(max).toBeLessThanOrEqual(6);
    // Announcements may be left out, but the last one received has to match the state.
    for (const client of clients) expect(announced(client).at(-1)?.[0] ?? "leave").toBe("leave");
  });

  test("does not keep a listener from reading the channel's log", async ({ start }) => {
    const core = start({ window: 4_096 });
    const [listener] = (await listeners(core, 1)) as [Pipe];
    listener.stall();
    const crowd = await Promise.all(Array.from({ length: 40 }, () => subscriber(core, [])));
    for (const each of crowd) each.send(subscribe);
    await core.notifier.publish("room", "x".repeat(1_000));
    await core.clock.settle();
    // Announcements take at most half of the window. The other half is for publications.
    expect(listener.waiting).toBeLessThan(2_048 + 1_200);
    listener.resume();
    await core.clock.settle();
    const { announcements = 0 } = core.notifier.totals().limits;
    expect([announced(listener).length + announcements, listener.closed]).toEqual([40, undefined]);
    expect(listener.received.filter((message) => JSON.stringify(message).includes('"pub"'))).toHaveLength(1);
  });
});

describe("a crowd of a thousand", () => {
  test("of which half leaves at once closes no remaining client, and costs no more than a bound", async ({
    start,
  }) => {
    const core = start();
    const clients = await listeners(core, 1_000);
    const joined = core.notifier.totals().limits.announcements ?? 0;
    const [gone, left] = [clients.slice(0, 500), clients.slice(500)];
    for (const client of gone) client.drop();
    await core.clock.settle();
    expect(left.map(({ closed }) => closed)).toEqual(left.map(() => undefined));
    const bytes = left.reduce((sum, { received }) => sum + JSON.stringify(received).length, 0);
    expect(bytes).toBeLessThan(16_777_216);
    const sent = left.reduce((sum, client) => sum + announced(client).length, 0);
    const { announcements = 0 } = core.notifier.totals().limits;
    // Every remaining client received each leave message, or the message is counted as left out.
    expect([sent > 0, sent + announcements - joined]).toEqual([true, 250_000]);
  });

  test("that is closed with the notifier gets no leave messages, and takes no longer for them", async ({
    start,
  }) => {
    const core = start();
    const clients = await listeners(core, 200);
    const before = core.clock.now();
    const report = await finish(core);
    expect(report.sessions).toEqual({ closed: 200, cut: 0 });
    expect(core.clock.now()).toBe(before);
    expect(clients.flatMap(announced)).toEqual([]);
  });

  test("that has not read everything while the notifier closes is told of nobody who leaves for that", async ({
    start,
  }) => {
    const core = start();
    const slow = rawSocket(core.notifier);
    slow.session.receive('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"room","join_leave":true}}');
    await core.clock.settle();
    await subscriber(core, "room");
    await core.notifier.publish("room", 1);
    await core.clock.settle();
    expect(slow.lines.filter((line) => line.includes('"join"'))).toHaveLength(2);
    const report = await finish(core);
    expect(report.sessions).toEqual({ closed: 1, cut: 1 });
    expect(slow.lines.filter((line) => line.includes('"leave"'))).toEqual([]);
  });
});
