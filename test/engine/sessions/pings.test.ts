import { describe, expect } from "vitest";
import type { Peer } from "../../../src/model/peer.ts";
import { fakeClock } from "../../../src/testing.ts";
import { createCore, finish, rawSocket, test } from "../../support/core.ts";
import { type Client, type Host, hibernating } from "../../support/hibernating.ts";

const ann: Peer = { user: "ann", authorize: () => true };
const began = 1_767_225_600_000;

async function connected(
  host: Host,
  options: { answersPings?: boolean },
  params: object = { name: "tocsin" },
): Promise<Client> {
  const client = host.connect(ann, options);
  client.send({ id: 1, connect: params }, { id: 2, subscribe: { channel: "news" } });
  await host.settle();
  return client;
}

const pings = ({ lines }: Client): number => lines.filter((line) => line === "{}").length;
const resultOf = ({ lines }: Client): Record<string, unknown> => JSON.parse(lines[0] as string).connect;

describe("a client that pings itself, where the host answers", () => {
  test("is told so by a reply to connect without ping and pong, and is sent no heartbeat", async () => {
    const host = hibernating();
    const client = await connected(host, { answersPings: true });
    expect(Object.keys(resultOf(client))).toEqual(["client", "version"]);
    expect([host.notifier.rest(), host.clock.armed]).toEqual([true, 0]);
    await host.clock.advance(600_000);
    expect([pings(client), client.closed]).toEqual([0, undefined]);
    await host.end();
  });

  test("still answers the pings behind data, each of which gets its time", async () => {
    const host = hibernating(undefined, { window: 1_000 });
    const client = await connected(host, { answersPings: true });
    void host.notifier.publish("news", "x".repeat(600));
    await host.settle();
    expect(pings(client)).toBe(1);
    client.pong();
    await host.clock.advance(100_000);
    expect([pings(client), client.closed]).toEqual([1, undefined]);
    void host.notifier.publish("news", "x".repeat(600));
    await host.clock.advance(60_000);
    expect([pings(client), client.closed?.code]).toEqual([2, 3008]);
    await host.settle();
    await host.end();
  });

  test("is one only if it says that it is tocsin, and the host says that it answers", async () => {
    for (const [options, params] of [
      [{ answersPings: true }, {}],
      [{ answersPings: true }, { name: "js" }],
      [{ answersPings: true }, { name: ["tocsin"] }],
      [{ answersPings: false }, { name: "tocsin" }],
      [{}, { name: "tocsin" }],
    ] as const) {
      const host = hibernating();
      const client = await connected(host, options, params);
      expect(resultOf(client)).toMatchObject({ ping: 25, pong: true });
      await host.clock.advance(25_000);
      expect(pings(client)).toBe(1);
      client.session.heard?.(0);
      expect(client.closed).toBeUndefined();
      await host.end();
    }
  });

  test("is closed with 3012 once nothing was heard of it for more than 120 s", async () => {
    const host = hibernating();
    const client = await connected(host, { answersPings: true });
    const heard = (at: number): unknown => {
      client.session.heard?.(began + at);
      return client.closed?.code;
    };
    await host.clock.advance(120_000);
    // It connected then.
    expect(heard(0)).toBeUndefined();
    await host.clock.advance(1_000);
    // The host has answered it a second after that.
    expect(heard(1_000)).toBeUndefined();
    client.send({ send: { data: "a word" } });
    await host.clock.advance(120_000);
    expect(heard(1_000)).toBeUndefined();
    await host.clock.advance(1);
    expect(heard(1_000)).toBe(3012);
    expect(host.notifier.totals().limits).toEqual({ pong: 1 });
    await host.settle();
    expect(heard(1_000)).toBe(3012);
    await host.end();
  });

  test("is heard by its pongs, too", async () => {
    const host = hibernating(undefined, { window: 1_000 });
    const client = await connected(host, { answersPings: true });
    await host.clock.advance(50_000);
    void host.notifier.publish("news", "x".repeat(600));
    await host.settle();
    client.pong();
    await host.clock.advance(120_000);
    client.session.heard?.(0);
    expect(client.closed).toBeUndefined();
    await host.clock.advance(1);
    client.session.heard?.(0);
    expect(client.closed?.code).toBe(3012);
    await host.settle();
    await host.end();
  });

  test("stays one, and is not given more time, when its session is restored", async () => {
    const host = hibernating();
    const client = await connected(host, { answersPings: true });
    await host.clock.advance(20_000);
    client.send({ send: { data: "a word" } });
    await host.settle();
    const restore = host.lose();
    await host.clock.advance(120_000);
    restore();
    client.session.heard?.(0);
    expect(client.closed).toBeUndefined();
    await host.clock.advance(1);
    client.session.heard?.(0);
    expect([client.closed?.code, pings(client)]).toEqual([3012, 0]);
    await host.settle();
    await host.end();
  });

  test("is not closed for silence when its permission has ended, but for that", async () => {
    const host = hibernating();
    const client = host.connect({ ...ann, expires: began + 30_000 }, { answersPings: true });
    client.send({ id: 1, connect: { name: "tocsin" } });
    await host.settle();
    // The timer is late.
    const restore = host.lose();
    await host.clock.advance(200_000);
    restore();
    client.session.heard?.(0);
    expect([client.closed?.code, host.notifier.totals().limits]).toEqual([3005, {}]);
    await host.settle();
    await host.end();
  });
});

describe("pings on a clock whose long waits end late", () => {
  /** Returns a fake clock that ends each wait of more than a grain at the next multiple of it. */
  function coarseClock(grain: number, offset = 0): ReturnType<typeof fakeClock> {
    const clock = fakeClock();
    const { timer, now } = clock;
    const coarse = {
      grain,
      now: () => now() + offset,
      timer(ms: number, fire: () => void) {
        const due = now() + offset + ms;
        return timer(ms <= grain ? ms : Math.ceil(due / grain) * grain - offset - now(), fire);
      },
    };
    return Object.assign(clock, coarse);
  }

  async function pingTimes(grain: number, heartbeat: number, ms: number): Promise<number[][]> {
    const clock = coarseClock(grain);
    const { notifier } = createCore({ clock, heartbeat });
    const times: number[][] = [];
    for (let client = 0; client < 3; client++) {
      const own: number[] = [];
      times.push(own);
      const socket = rawSocket(notifier, ann, {
        onSend(frame) {
          if (!frame.endsWith("{}")) return;
          own.push(clock.now());
          queueMicrotask(() => socket.session.receive("{}"));
        },
      });
      socket.session.receive('{"id":1,"connect":{}}');
      await clock.advance(1_234);
    }
    await clock.advance(ms);
    await finish({ notifier, clock, errors: [] });
    return times;
  }

  test("come together, at the last moment that is not late, and at least after half of the heartbeat", async () => {
    const times = await pingTimes(30_000, 100_000, 400_000);
    expect(times).toEqual([
      [90_000, 180_000, 270_000, 360_000],
      [90_000, 180_000, 270_000, 360_000],
      [90_000, 180_000, 270_000, 360_000],
    ]);
  });

  test("come together also where a moment is no multiple of what the timers are rounded to", async () => {
    const [first, ...others] = await pingTimes(30_020, 100_000, 400_000);
    expect(others).toEqual([first, first]);
    // Not one is a whole grain late.
    expect(first).toEqual([90_060, 180_120, 270_180, 360_240]);
  });

  test("come as on any other clock if the heartbeat is shorter than two grains", async () => {
    const times = await pingTimes(60_000, 25_000, 30_000);
    expect(new Set(times.map(([first]) => first)).size).toBe(3);
  });
});
