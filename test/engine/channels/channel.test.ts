import { describe, expect } from "vitest";
import type { Log } from "../../../src/model/log.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { type Pipe, pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import { jsonCodec } from "../../../src/wire/json-codec.ts";
import {
  type Core,
  countCalls,
  type Message,
  offsetsIn,
  outcomeOf,
  publishAll,
  rawSocket,
  rejection,
  type Start,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";

describe("publications", () => {
  test("of one turn leave as one frame a session, with the replies", async ({ start }) => {
    const core = start();
    const clients = [await subscriber(core, ["a", "b", "c"]), await subscriber(core, ["b"])];
    const before = clients.map(({ frames }) => frames);
    for (let i = 0; i < 60; i++) void core.notifier.publish("abc"[i % 3] as string, i);
    clients[0]?.send({ id: 9, ping: {} });
    await core.clock.settle();
    expect(clients.map(({ frames }, i) => frames - (before[i] as number))).toEqual([1, 1]);
    expect(clients[0]?.received).toHaveLength(61);
    for (const channel of "abc") expect(offsetsIn(clients[0]?.received ?? [], channel)).toEqual(upTo(20));
    expect(offsetsIn(clients[1]?.received ?? [], "b")).toEqual(upTo(20));
  });

  const joining: [string, (core: Core) => unknown][] = [
    ["a client", (core) => subscriber(core, "news")],
    ["a follower in this process", ({ notifier }) => outcomeOf(notifier.follow("news").next())],
  ];
  test.for(joining)("of a turn in which %s joins reach those who were there", async ([, join], { start }) => {
    const core = start();
    const client = await subscriber(core, "news");
    void core.notifier.publish("news", 1);
    await join(core);
    await core.clock.settle();
    expect(offsetsIn(client.received, "news")).toEqual([1]);
  });

  test("are serialised once, in publish, for any number of subscribers", async ({ start }) => {
    const core = start();
    for (let i = 0; i < 50; i++) await subscriber(core, "news");
    let asked = 0;
    const payload = {
      toJSON: () => {
        asked++;
        return { n: asked };
      },
    };
    await core.notifier.publish("news", payload);
    await core.clock.settle();
    await core.notifier.history("news");
    const late = pipe(core.notifier);
    late.send(
      { id: 1, connect: {} },
      { id: 2, subscribe: { channel: "news", recover: true, offset: 0, epoch: "" } },
    );
    await core.clock.settle();
    expect((late.received.at(-1) as Message).subscribe?.publications).toMatchObject([{ data: { n: 1 } }]);
    expect(asked).toBe(1);
  });

  test("are framed once for all subscribers at the same position", async ({ start }) => {
    const core = start();
    const raws = Array.from({ length: 200 }, () => rawSocket(core.notifier));
    for (const { session } of raws) {
      session.receive('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}');
    }
    await core.clock.settle();
    const encode = countCalls(jsonCodec, "pub");
    try {
      for (let i = 0; i < 30; i++) void core.notifier.publish("news", i);
      await core.clock.settle();
      expect(encode.calls).toBe(30);
    } finally {
      encode.restore();
    }
    const frames = raws.map(({ sent }) => sent.slice(1));
    expect(frames.every(({ length }) => length === 1)).toBe(true);
    expect(new Set(frames.flat()).size).toBe(1);
  });

  test("are encoded once more for all subscribers that were stalled at the same position", async ({
    start,
  }) => {
    const core = start({ window: 4_096 });
    const clients: Pipe[] = [];
    for (let i = 0; i < 50; i++) clients.push(await subscriber(core, "news"));
    await subscriber(core, "news");
    for (const client of clients) client.stall();
    await publishAll(core, 300, 200);
    const encode = countCalls(jsonCodec, "pub");
    try {
      for (const client of clients) client.resume();
      await core.clock.settle();
      for (const { received } of clients) expect(offsetsIn(received, "news")).toEqual(upTo(300));
      expect(encode.calls).toBeLessThanOrEqual(2 * 300);
    } finally {
      encode.restore();
    }
  });
});

describe("when the log was wiped", () => {
  /** Starts a notifier on a log that `wipe` empties, like a store that is cleared or fails over. */
  function startWiped(start: Start): { core: Core; wipe(): void } {
    const clock = fakeClock();
    const wakes = new Set<() => void>();
    let memory = memoryLog({ clock });
    const log: Log = {
      append: async (...args) => {
        const position = await memory.append(...args);
        for (const wake of wakes) wake();
        return position;
      },
      read: (...args) => memory.read(...args),
      watch: async (_, wake) => {
        wakes.add(wake);
        return { [Symbol.asyncDispose]: async () => void wakes.delete(wake) };
      },
      [Symbol.asyncDispose]: () => memory[Symbol.asyncDispose](),
    };
    const wipe = (): void => {
      memory = memoryLog({ clock });
    };
    return { core: start({ clock, log }), wipe };
  }

  test("subscribers are unsubscribed, and come back into the new epoch with a reported gap", async ({
    start,
  }) => {
    const { core, wipe } = startWiped(start);
    const client = await subscriber(core, "news");
    const server = pipe(core.notifier, { peer: { user: "ann", channels: ["news"] } });
    server.send({ id: 1, connect: {} });
    await publishAll(core, 3);
    const { epoch: old } = await core.notifier.history("news");
    wipe();
    await publishAll(core, 1);
    const { epoch } = await core.notifier.history("news");
    expect(epoch).not.toBe(old);
    expect(offsetsIn(client.received, "news")).toEqual([1, 2, 3]);
    expect((client.received.at(-1) as Message).push?.unsubscribe?.code).toBe(2500);
    expect(server.closed?.code).toBe(3010);
    client.send({ id: 9, subscribe: { channel: "news", recover: true, offset: 3, epoch: old } });
    await core.clock.settle();
    const reply = (client.received.at(-1) as Message).subscribe;
    expect(reply).toMatchObject({ epoch, offset: 1, was_recovering: true });
    expect(reply?.recovered ?? false).toBe(false);
    await publishAll(core, 1);
    expect(offsetsIn(client.received, "news")).toEqual([1, 2, 3, 2]);
  });

  test("an old position never counts as one of the new epoch, even where the new log is longer", async ({
    start,
  }) => {
    const { core, wipe } = startWiped(start);
    const following = core.notifier.follow("news", { after: { offset: 0, epoch: "" } });
    await publishAll(core, 3);
    for (let i = 1; i <= 3; i++) expect((await following.next()).value).toMatchObject({ offset: i });
    wipe();
    await publishAll(core, 10);
    const { epoch } = await core.notifier.history("news");
    expect(await rejection(following.next())).toMatchObject({
      name: "GapError",
      earliest: { offset: 0, epoch },
    });
  });
});
