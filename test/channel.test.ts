import { describe, expect, vi } from "vitest";
import { type Pipe, pipe } from "../src/pipe.ts";
import { jsonCodec } from "../src/protocol.ts";
import {
  type Core,
  type Message,
  offsetsIn,
  outcomeOf,
  publishAll,
  rawSocket,
  subscriber,
  test,
  upTo,
} from "./fixtures/core.ts";

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
    ["somebody in this process", ({ notifier }) => outcomeOf(notifier.follow("news").next())],
  ];
  test.for(joining)("of a turn in which %s joins reach those who were there", async ([, join], { start }) => {
    const core = start();
    const client = await subscriber(core, "news");
    void core.notifier.publish("news", 1);
    await join(core);
    await core.clock.settle();
    expect(offsetsIn(client.received, "news")).toEqual([1]);
  });

  test("are serialised once, at the publisher, whoever gets them and how often", async ({ start }) => {
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

  test("are framed once for all who are at the same place", async ({ start }) => {
    const core = start();
    const raws = Array.from({ length: 200 }, () => rawSocket(core.notifier));
    for (const { session } of raws) {
      session.receive('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news"}}');
    }
    await core.clock.settle();
    const encode = vi.spyOn(jsonCodec, "publication");
    try {
      for (let i = 0; i < 30; i++) void core.notifier.publish("news", i);
      await core.clock.settle();
      expect(encode).toHaveBeenCalledTimes(30);
    } finally {
      encode.mockRestore();
    }
    const frames = raws.map(({ sent }) => sent.slice(1));
    expect(frames.every(({ length }) => length === 1)).toBe(true);
    expect(new Set(frames.flat()).size).toBe(1);
  });

  test("are encoded once more for all who were stalled at the same place", async ({ start }) => {
    const core = start({ window: 4_096 });
    const clients: Pipe[] = [];
    for (let i = 0; i < 50; i++) clients.push(await subscriber(core, "news"));
    await subscriber(core, "news");
    for (const client of clients) client.stall();
    await publishAll(core, 300, 200);
    const encode = vi.spyOn(jsonCodec, "publication");
    try {
      for (const client of clients) client.resume();
      await core.clock.settle();
      for (const { received } of clients) expect(offsetsIn(received, "news")).toEqual(upTo(300));
      expect(encode.mock.calls.length).toBeLessThanOrEqual(2 * 300);
    } finally {
      encode.mockRestore();
    }
  });
});
