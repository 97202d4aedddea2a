import { describe, expect } from "vitest";
import {
  type Core,
  offsetsIn,
  publishAll,
  type RawSocket,
  rawSocket,
  type Start,
  subscriber,
  test,
  upTo,
} from "../../support/core.ts";

/** Returns a client with a slow connection: each pong arrives after `ms` milliseconds. */
function far(core: Core, ms: number, channels: readonly string[]): RawSocket {
  const raw = rawSocket(core.notifier, undefined, {
    onSend(frame) {
      if (frame.endsWith("{}") && frame.length > 2) core.clock.timer(ms, () => raw.pong());
      else if (frame === "{}") core.clock.timer(ms, () => raw.pong());
    },
  });
  const commands = channels.map((channel, n) => JSON.stringify({ id: n + 2, subscribe: { channel } }));
  raw.session.receive(['{"id":1,"connect":{}}', ...commands].join("\n"));
  return raw;
}

async function farFrom(start: Start, window?: number): Promise<{ core: Core; raw: RawSocket }> {
  const core = start(window === undefined ? {} : { window });
  const raw = far(core, 60, ["large", "small"]);
  await core.clock.advance(1_000);
  return { core, raw };
}

const offsets = ({ lines }: RawSocket, channel: string): number[] =>
  offsetsIn(
    lines.map((line) => JSON.parse(line)),
    channel,
  );

describe("a large publication", () => {
  test.for([
    ["of 256 KiB", 262_144, undefined],
    ["larger than a window of 32 KiB", 40_000, 32_768],
  ] as const)("%s does not starve behind 50 small ones a second", async ([, size, window], { start }) => {
    const { core, raw } = await farFrom(start, window);
    let small = 0;
    const publishSmall = async (rounds: number): Promise<void> => {
      for (let n = 0; n < rounds; n++) {
        await core.notifier.publish("small", "x".repeat(500));
        small++;
        await core.clock.advance(20);
      }
    };
    await publishSmall(10);
    await core.notifier.publish("large", "x".repeat(size - 2));
    await publishSmall(20);
    // The large publication waits for what was in flight before it: one or two round trips.
    expect(offsets(raw, "large")).toEqual([1]);
    await core.clock.advance(1_000);
    expect(offsets(raw, "small")).toEqual(upTo(small));
    expect(raw.closed).toBeUndefined();
  });

  test("is sent even to a client that always has replies in flight", async ({ start }) => {
    const core = start({ window: 32_768, rpc: { page: () => "x".repeat(3_000) } });
    const raw = far(core, 60, ["large"]);
    await core.clock.advance(1_000);
    for (let id = 10; id < 60; id++) {
      if (id === 20) await core.notifier.publish("large", "x".repeat(40_000));
      raw.session.receive(JSON.stringify({ id, rpc: { method: "page" } }));
      await core.clock.advance(10);
    }
    expect(offsets(raw, "large")).toEqual([1]);
  });
});

describe("channels that wait for room in the window", () => {
  test("are served in turn, the longest wait first, and none is skipped", async ({ start }) => {
    const core = start({ window: 2_048 });
    const client = await subscriber(core, ["a", "b", "c"]);
    client.stall();
    await publishAll(core, 4, 500, "a");
    for (const channel of ["b", "a", "c"]) await publishAll(core, 3, 1_500, channel);
    client.resume();
    await core.clock.settle();
    const came = client.received.map((message) => (message as { push: { channel: string } }).push.channel);
    // "a" was blocked first, then "b", then "c". From then on each channel sends what fits and queues again at the end.
    expect(came.join("")).toBe("aaabcabcabcaa");
  });

  test("continue when the channel before them is unsubscribed", async ({ start }) => {
    const core = start({ window: 2_048 });
    const client = await subscriber(core, ["a", "b"]);
    client.stall();
    await publishAll(core, 3, 700, "a");
    await core.notifier.publish("a", "x".repeat(2_000));
    await core.notifier.publish("b", 1);
    await core.clock.settle();
    client.send({ id: 9, unsubscribe: { channel: "a" } });
    client.resume();
    await core.clock.settle();
    expect(offsetsIn(client.received, "b")).toEqual([1]);
  });
});

test("a history reply gets its turn while a backlog fills each window", async ({ start }) => {
  const core = start({ window: 1_024 });
  const client = await subscriber(core, "news");
  client.stall();
  // Each publication fills the window alone.
  await publishAll(core, 30, 1_500);
  client.send({ id: 9, history: { channel: "news", limit: 1 } });
  client.resume();
  await core.clock.settle();
  const answered = client.received.findIndex((message) => (message as { id?: number }).id === 9);
  expect([answered > 0, answered < 4]).toEqual([true, true]);
  expect(offsetsIn(client.received, "news")).toEqual(upTo(30));
});
