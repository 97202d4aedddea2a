import { createNotifier, type Log, memoryLog } from "tocsin";
import { assertQuiet, type FakeClock, fakeClock, pipe } from "tocsin/testing";
import { describe, expect, test } from "vitest";
import { pub, range, start, version, wire } from "../support/wire.ts";

const base = { recoverable: true, positioned: true };

/** Returns the publications as a reply contains them. */
const entries = (first: number, last: number) =>
  range(first, last).map((offset) => ({ data: offset, offset, time: start }));

describe("the server's subscriptions", () => {
  const peer = { user: "ann", channels: ["mine", "ours"] };

  test("recover in the connect reply, each from its own position", async () => {
    const { client: connect, publish, epoch } = wire();
    await publish("mine", 1, 2, 3);
    await publish("ours", 4);
    const [mine, ours] = [await epoch("mine"), await epoch("ours")];
    const client = connect({ peer });
    const subs = { mine: { recover: true, offset: 1, epoch: mine }, ours: { recover: true, epoch: "gone" } };
    expect(await client.connect({ subs })).toEqual({
      client: client.id,
      version,
      ping: 25,
      pong: true,
      subs: {
        mine: {
          ...base,
          epoch: mine,
          offset: 1,
          publications: entries(2, 3),
          recovered: true,
          was_recovering: true,
          data: { notice: { epoch: mine, delayed: 2, gone: 0, kept: 0 } },
        },
        ours: {
          ...base,
          epoch: ours,
          offset: 1,
          was_recovering: true,
          data: { notice: { epoch: ours, delayed: 0, gone: null, kept: 1 } },
        },
      },
    });
    await publish("mine", "live");
    expect(client.received).toEqual([pub("mine", 4, "live")]);
  });

  test("with a malformed position are an error of the connect, which holds nothing", async () => {
    const { clock, client: connect, notifier } = wire();
    const client = connect({ peer });
    client.send({ id: 1, connect: { subs: { ours: { recover: true, offset: -1 } } } });
    await clock.settle();
    expect(client.received).toEqual([{ id: 1, error: { code: 107, message: "bad request" } }]);
    expect(client.closed).not.toBeUndefined();
    expect(notifier.stats()).toMatchObject({ sessions: 0, subscriptions: 0, channels: 0 });
  });

  test("merge what is published while the connect reply is prepared", async () => {
    const { clock, client: connect, publish, notifier, log } = wire();
    await publish("mine", 1, 2);
    const client = connect({ peer });
    log.hold();
    client.send({ id: 1, connect: { subs: { mine: { recover: true } } } });
    await clock.settle();
    void notifier.publish("mine", 3);
    void notifier.publish("ours", "a");
    await clock.settle();
    log.open();
    await publish("mine", 4);
    await publish("ours", "b");
    const [reply, ...rest] = client.take() as [
      { connect: { subs: Record<string, { offset: number; publications?: { data: unknown }[] }> } },
    ];
    const { mine, ours } = reply.connect.subs;
    const pushed = (channel: string) =>
      (rest as { push: { channel: string; pub: { data: unknown } } }[])
        .filter(({ push }) => push.channel === channel)
        .map(({ push }) => push.pub.data);
    expect([...(mine?.publications ?? []).map(({ data }) => data), ...pushed("mine")]).toEqual([1, 2, 3, 4]);
    expect(pushed("ours")).toEqual(["a", "b"].slice(ours?.offset));
  });

  test("together take at most one window of the connect reply, and the rest follows", async () => {
    const window = 4_096;
    const { clock, client: connect, publish } = wire({ window });
    const channels = range(1, 8).map((n) => `c${n}`);
    for (const channel of channels) await publish(channel, ...range(1, 12).map(() => "x".repeat(250)));
    const client = connect({ peer: { user: "ann", channels } });
    client.stall();
    const subs = Object.fromEntries(channels.map((channel) => [channel, { recover: true }]));
    client.send({ id: 1, connect: { subs } });
    await clock.settle();
    const bare = channels.length * 150 + 200;
    expect(client.waiting).toBeLessThanOrEqual(window + bare);
    client.resume();
    await clock.settle();
    const [reply] = client.received as [{ connect: { subs: Record<string, { publications?: unknown[] }> } }];
    for (const channel of channels) {
      const replied = reply.connect.subs[channel]?.publications?.length ?? 0;
      expect([...range(1, replied), ...client.offsets(channel)]).toEqual(range(1, 12));
    }
  });
});

describe("many channels that the server subscribes a peer to", () => {
  /** Returns a log whose reads take 5 ms each. */
  function slow(): { log: Log; clock: FakeClock; peak: () => number } {
    const clock = fakeClock();
    const memory = memoryLog({ clock });
    let reading = 0;
    let peak = 0;
    const read: Log["read"] = async (channel, options) => {
      peak = Math.max(peak, ++reading);
      await new Promise<void>((resolve) => void clock.timer(5, resolve));
      reading--;
      return memory.read(channel, options);
    };
    const { append, watch } = memory;
    const dispose = async (): Promise<void> => memory[Symbol.asyncDispose]();
    const log = {
      append: append.bind(memory),
      watch: watch.bind(memory),
      read,
      [Symbol.asyncDispose]: dispose,
    };
    return { log, clock, peak: () => peak };
  }

  test("are read together, a limited number at a time", async () => {
    const { log, clock, peak } = slow();
    const notifier = createNotifier({ log, clock });
    const channels = range(1, 1_000).map((n) => `c${n}`);
    const client = pipe(notifier, { peer: { user: "ann", channels } });
    client.send({ id: 1, connect: {} });
    await clock.advance(300);
    const [reply] = client.received as [{ connect: { subs: object } }];
    expect(Object.keys(reply.connect.subs)).toEqual(channels);
    expect(peak()).toBe(64);
    void notifier.close();
    await clock.advance(5_000);
    assertQuiet(notifier);
  });

  test("share the room of one reply in their order, whichever is read first", async () => {
    const here = wire({ window: 4_096 });
    const names = ["a", "b", "c"];
    for (const name of names) await here.publish(name, ...range(1, 6).map(() => "x".repeat(500)));
    const epochs = await Promise.all(names.map((name) => here.epoch(name)));
    const subs = Object.fromEntries(
      names.map((name, at) => [name, { recover: true, offset: 0, epoch: epochs[at] }]),
    );
    const client = here.client({ peer: { user: "ann", channels: names } });
    const result = (await client.connect({ subs })) as { subs: Record<string, { publications?: unknown[] }> };
    expect(names.map((name) => result.subs[name]?.publications?.length ?? 0)).toEqual([6, 1, 0]);
    for (const [at, name] of names.entries())
      expect(client.offsets(name)).toEqual(range([7, 2, 1][at] as number, 6));
  });

  test("are all released where one of them fails", async () => {
    const { log, clock } = slow();
    const read: Log["read"] = (channel, options) =>
      channel === "c3" ? Promise.reject(new Error("torn")) : log.read(channel, options);
    const notifier = createNotifier({ log: { ...log, read }, clock, onError() {} });
    const client = pipe(notifier, { peer: { user: "ann", channels: range(1, 100).map((n) => `c${n}`) } });
    client.send({ id: 1, connect: {} });
    await clock.advance(1_000);
    expect(client.closed?.code).toBe(3004);
    expect(notifier.stats()).toMatchObject({
      sessions: 0,
      subscriptions: 0,
      channels: 0,
      waits: 0,
      tasks: 0,
    });
    void notifier.close();
    await clock.advance(5_000);
    assertQuiet(notifier);
  });
});
