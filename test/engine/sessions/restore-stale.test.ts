import { describe, expect, test } from "vitest";
import type { Peer } from "../../../src/model/peer.ts";
import type { SessionState } from "../../../src/model/socket.ts";
import { type Client, type Host, hibernating } from "../../support/hibernating.ts";

const ann: Peer = { user: "ann", authorize: () => true };
const slow = 60_000;

/** A client with a subscription to "news", which nothing but data makes ping. */
async function connected(window = 1_000): Promise<{ host: Host; client: Client }> {
  const host = hibernating(undefined, { window, heartbeat: 100_000_000 });
  const client = host.connect(ann);
  client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } });
  await host.settle();
  return { host, client };
}

const large = "x".repeat(600);

async function publish(host: Host, data: unknown, confirm = false): Promise<void> {
  void host.notifier.publish("news", data, { confirm });
  await host.settle();
}

function offsets({ lines }: Client): number[] {
  return lines.flatMap((line) => JSON.parse(line).push?.pub?.offset ?? []);
}

const pings = ({ lines }: Client): number => lines.filter((line) => line === "{}").length;

/** Loses the memory of the notifier, and restores the state that the host was told so many calls ago. */
async function evictTo(host: Host, back: number): Promise<void> {
  host.evict({ state: ({ told }) => told[told.length - 1 - back]?.state as never, isStale: true });
  await host.settle();
}

/** Whether nobody is known to have received the confirmed publication yet. */
const waits = (host: Host): boolean => host.notifier.stats().confirmed > 0;

describe("a session that is restored from a state that was not its last one", () => {
  test("gets some publications again, and none is missing", async () => {
    const { host, client } = await connected(100_000);
    for (let n = 0; n < 4; n++) await publish(host, n);
    await evictTo(host, 2);
    await publish(host, "last");
    expect(offsets(client)).toEqual([1, 2, 3, 4, 3, 4, 5]);
    await host.end();
  });

  test("1: the first pong is that of a ping that the state does not know, and no other one was sent", async () => {
    const { host, client } = await connected();
    await publish(host, 1, true);
    expect(pings(client)).toBe(1);
    // The state was taken before the publication was sent.
    const restore = host.lose({ state: ({ told }) => told.at(-2)?.state as never, isStale: true });
    restore();
    client.pong();
    expect(client.closed).toBeUndefined();
    await host.settle();
    // It was sent again, with a ping of its own.
    expect([offsets(client), pings(client), waits(host)]).toEqual([[1, 1], 2, true]);
    client.pong();
    await host.settle();
    expect(waits(host)).toBe(false);
    await host.end();
  });

  test("2: the first pong is that of a ping that the state does not know, and another one was sent", async () => {
    const { host, client } = await connected();
    await publish(host, 1, true);
    await evictTo(host, 1);
    expect([offsets(client), pings(client)]).toEqual([[1, 1], 2]);
    client.pong();
    await host.settle();
    // That pong proves nothing of what was sent after it.
    expect(waits(host)).toBe(true);
    client.pong();
    await host.settle();
    expect([waits(host), client.closed]).toEqual([false, undefined]);
    await host.end();
  });

  test("3: the outstanding ping of the state was answered, and the first pong is that of the next one", async () => {
    const { host, client } = await connected();
    await publish(host, large);
    client.pong();
    await host.settle();
    // The state was taken before that pong.
    host.evict({ state: ({ told }) => told.at(-2)?.state as never, isStale: true });
    await publish(host, 2, true);
    expect(pings(client)).toBe(2);
    client.pong();
    await host.settle();
    // It may have been the pong of the first ping.
    expect(waits(host)).toBe(true);
    // No other pong comes. So the client is asked again, and not closed.
    await host.clock.advance(slow);
    expect([pings(client), waits(host), client.closed]).toEqual([3, true, undefined]);
    client.pong();
    await host.settle();
    expect([waits(host), client.closed]).toEqual([false, undefined]);
    await host.end();
  });

  test("4: the outstanding ping of the state is still outstanding, and its pong comes first", async () => {
    const { host, client } = await connected();
    await publish(host, large, true);
    expect(pings(client)).toBe(1);
    await evictTo(host, 0);
    // What the first ping covered becomes covered by the next one.
    expect([offsets(client), pings(client)]).toEqual([[1], 2]);
    client.pong();
    await host.settle();
    expect(waits(host)).toBe(true);
    client.pong();
    await host.settle();
    expect([waits(host), client.closed, pings(client)]).toEqual([false, undefined, 2]);
    await host.end();
  });

  test("needs one ping for what was sent before and after the one that is forgotten", async () => {
    const { host, client } = await connected();
    await publish(host, large);
    await publish(host, 2, true);
    expect(pings(client)).toBe(1);
    await evictTo(host, 0);
    client.pong();
    client.pong();
    await host.settle();
    expect([pings(client), waits(host), client.closed]).toEqual([2, false, undefined]);
    await host.end();
  });

  test("is closed all the same if its client is silent", async () => {
    const { host, client } = await connected();
    await publish(host, large, true);
    await evictTo(host, 0);
    await host.clock.advance(slow);
    expect(client.closed?.code).toBe(3008);
    await host.settle();
    await host.end();
  });

  test("is closed if its client falls silent after the pong that may have been that of another ping", async () => {
    const { host, client } = await connected();
    await publish(host, large, true);
    await evictTo(host, 0);
    client.pong();
    await host.clock.advance(slow);
    expect([pings(client), client.closed]).toEqual([3, undefined]);
    await host.clock.advance(slow);
    expect([client.closed?.code, waits(host)]).toEqual([3008, true]);
    await host.settle();
    await host.end();
  });

  test("is told to its host at once as one that has a pong more to expect", async () => {
    const { host, client } = await connected();
    await publish(host, 1);
    const before = client.told.length;
    await evictTo(host, 0);
    expect(client.told.slice(before).map(({ isUrgent, state }) => [isUrgent, state])).toEqual([
      [true, client.session.state],
    ]);
    await host.end();
  });

  test("is asked for a pong also if its host is not told of states", async () => {
    const { host, client } = await connected();
    await publish(host, large);
    const { state } = client.session;
    host.lose();
    const frames: (string | Uint8Array)[] = [];
    const socket = { send: (frame: string | Uint8Array) => void frames.push(frame), close() {} };
    const session = host.notifier.restore(socket, state as SessionState, { isStale: true });
    await host.settle();
    expect(frames).toEqual(["{}"]);
    session.ended();
    await host.end();
  });

  test("survives as many pongs as several lost processes can leave", async () => {
    const { host, client } = await connected();
    await publish(host, large);
    for (let lost = 0; lost < 3; lost++) await evictTo(host, 0);
    expect(pings(client)).toBe(4);
    for (let pong = 0; pong < 4; pong++) client.pong();
    await host.settle();
    await publish(host, 2, true);
    client.pong();
    await host.settle();
    expect([waits(host), client.closed]).toEqual([false, undefined]);
    await host.end();
  });

  test("doubts no more than seven pongs, however many processes were lost", async () => {
    const { host, client } = await connected();
    await publish(host, large);
    for (let lost = 0; lost < 8; lost++)
      host.evict({ state: ({ session: { state } }) => state as SessionState, isStale: true });
    await host.settle();
    expect(pings(client)).toBe(2);
    client.pong();
    client.pong();
    expect(client.closed).toBeUndefined();
    await host.end();
  });

  test("does not forget its doubt when it is restored once more, from its last state", async () => {
    const { host, client } = await connected();
    await publish(host, large, true);
    await evictTo(host, 0);
    host.evict();
    client.pong();
    await host.settle();
    expect(waits(host)).toBe(true);
    host.evict();
    await host.clock.advance(slow);
    expect(client.closed).toBeUndefined();
    host.evict();
    client.pong();
    await host.settle();
    expect([waits(host), client.closed]).toEqual([false, undefined]);
    await host.end();
  });

  test("is in no doubt any more once the pongs are told apart: one too many closes it", async () => {
    const { host, client } = await connected();
    await publish(host, large);
    await evictTo(host, 0);
    client.pong();
    client.pong();
    await host.settle();
    expect(client.closed).toBeUndefined();
    client.session.receive("{}");
    expect(client.closed?.code).toBe(3501);
    await host.settle();
    await host.end();
  });
});

describe("an acknowledgement of what an earlier process has sent", () => {
  const acknowledgement = async (host: Host, offset: number): Promise<object> => {
    const { epoch } = await host.notifier.history("news");
    return { ack: { news: { offset, epoch } } };
  };

  test("counts, and it is not sent again", async () => {
    const { host, client } = await connected(100_000);
    client.send({ send: { data: { ack: {} } } });
    await host.settle();
    await publish(host, 1, true);
    await publish(host, 2, true);
    await publish(host, 3);
    expect(host.notifier.stats().confirmed).toBe(2);
    const data = await acknowledgement(host, 2);
    const restore = host.lose({ state: ({ told }) => told.at(-4)?.state as never, isStale: true });
    restore();
    client.send({ send: { data } });
    await host.settle();
    expect([waits(host), offsets(client)]).toEqual([false, [1, 2, 3, 3]]);
    await host.end();
  });

  test("is refused above what is in the log, and in a session that was restored from its last state", async () => {
    const { host, client } = await connected(100_000);
    await publish(host, 1);
    const codes = async (offset: number): Promise<number | undefined> => {
      client.send({ id: 9, rpc: { method: "ack", data: await acknowledgement(host, offset) } });
      await host.settle();
      return JSON.parse(client.lines.at(-1) as string).error?.code;
    };
    const data = await acknowledgement(host, 2);
    const restore = host.lose();
    await publish(host, 2);
    restore();
    // It has not been sent yet.
    client.send({ id: 9, rpc: { method: "ack", data } });
    await host.settle();
    const replies = client.lines.map((line) => JSON.parse(line)).filter(({ id }) => id === 9);
    expect(replies).toEqual([{ id: 9, error: { code: 107, message: "bad request" } }]);
    await evictTo(host, 0);
    expect([await codes(3), await codes(2)]).toEqual([107, undefined]);
    await host.end();
  });
});
