import { describe, expect, test } from "vitest";
import type { Peer } from "../../../src/model/peer.ts";
import { type Client, type Host, hibernating } from "../../support/hibernating.ts";

const ann: Peer = { user: "ann", authorize: () => true };

async function connected(host: Host, peer = ann): Promise<Client> {
  const client = host.connect(peer);
  client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } });
  await host.settle();
  client.lines.length = 0;
  return client;
}

async function confirm(host: Host, data: unknown = 1): Promise<void> {
  void host.notifier.publish("news", data, { confirm: true });
  await host.settle();
}

async function acknowledge(host: Host, client: Client, offset: number): Promise<void> {
  const { epoch } = await host.notifier.history("news");
  client.send({ send: { data: { ack: { news: { offset, epoch } } } } });
}

/** Whether the sessions are restored before or after what waits for its delivery. */
const orders = ["before", "after"] as const;

/** Loses the memory of the notifier. `act` is done in the moment in which the sessions are restored. */
async function evict(
  host: Host,
  order: (typeof orders)[number],
  act: () => unknown = () => {},
): Promise<void> {
  const restore = host.lose();
  if (order === "after") await host.settle();
  expect(host.notifier.stats().confirmed).toBe(order === "after" ? 1 : 0);
  restore();
  act();
  await host.settle();
}

describe.each(orders)("a confirmed publication that was sent, with the session restored %s it", (order) => {
  test("is delivered by the pong that was outstanding", async () => {
    const host = hibernating();
    const client = await connected(host);
    await confirm(host);
    expect(client.lines.at(-1)).toBe("{}");
    await evict(host, order);
    expect(host.notifier.stats().confirmed).toBe(1);
    client.pong();
    await host.settle();
    expect(host.notifier.stats().confirmed).toBe(0);
    await host.end();
  });

  test("is delivered by a pong that wakes the process", async () => {
    const host = hibernating();
    const client = await connected(host);
    await confirm(host);
    await evict(host, order, () => client.pong());
    expect(host.notifier.stats().confirmed).toBe(0);
    await host.end();
  });

  test("is asked about with a ping that nobody has sent yet", async () => {
    const host = hibernating();
    const client = await connected(host);
    await confirm(host, "first");
    // The outstanding ping is before the second one.
    void host.notifier.publish("news", "second", { confirm: true });
    await host.settle();
    client.pong();
    const { length } = client.lines;
    // The pong has come, and the process is lost before the next ping is sent.
    expect(client.lines.slice(length)).toEqual([]);
    const state = client.told.at(-1)?.state;
    const restore = host.lose({ state: () => state as NonNullable<typeof state> });
    if (order === "after") await host.settle();
    restore();
    client.session.receive("{}");
    await host.settle();
    expect(host.notifier.stats().confirmed).toBe(1);
    expect(client.lines.slice(length)).toEqual(["{}"]);
    client.pong();
    await host.settle();
    expect(host.notifier.stats().confirmed).toBe(0);
    await host.end();
  });

  test("is delivered by the word of a client that acknowledges, and not by its pong", async () => {
    const host = hibernating();
    const client = await connected(host);
    client.send({ send: { data: { ack: {} } } });
    await confirm(host);
    await evict(host, order);
    client.pong();
    await host.clock.advance(25_000);
    client.pong();
    await host.settle();
    expect(host.notifier.stats().confirmed).toBe(1);
    await acknowledge(host, client, 1);
    await host.settle();
    expect(host.notifier.stats().confirmed).toBe(0);
    await host.end();
  });

  test("is delivered by the word of a client that wakes the process", async () => {
    const host = hibernating();
    const client = await connected(host);
    await confirm(host);
    const { epoch } = await host.notifier.history("news");
    const data = { ack: { news: { offset: 1, epoch } } };
    await evict(host, order, () => client.send({ id: 9, rpc: { method: "ack", data } }));
    expect(client.lines.at(-1)).toBe('{"id":9,"rpc":{}}');
    expect(host.notifier.stats().confirmed).toBe(0);
    await host.end();
  });

  test("is not delivered by the pong of a client that had asked to unsubscribe", async () => {
    const host = hibernating();
    const client = await connected(host);
    await confirm(host);
    // The unsubscribe waits behind a command that takes long.
    const state = client.told.at(-1)?.state as NonNullable<(typeof client.told)[number]>["state"];
    const [row] = state.subscriptions as [[string, string, number, number, ...number[]]];
    const [name, epoch, cursor, bits, since, read, mark = 0] = row;
    const quit = [name, epoch, cursor, bits + 4, since, read, mark, 0, 0, 1];
    const restore = host.lose({ state: () => ({ ...state, subscriptions: [quit] }) });
    if (order === "after") await host.settle();
    restore();
    await host.settle();
    client.pong();
    await host.settle();
    expect(host.notifier.stats().confirmed).toBe(1);
    await host.end();
  });

  test("is not delivered by somebody who subscribed after it", async () => {
    const host = hibernating();
    await confirm(host);
    const client = await connected(host);
    await evict(host, order);
    await host.clock.advance(25_000);
    client.pong();
    await host.settle();
    expect(host.notifier.stats().confirmed).toBe(1);
    await host.end();
  });

  test("is given up in time, with how far it had come", async () => {
    const undelivered: unknown[] = [];
    const host = hibernating(undefined, {
      onUndelivered: ({ data }, reason) => void undelivered.push([data, reason, host.clock.now()]),
      limits: { slow: 1_000_000 },
    });
    const client = await connected(host);
    void host.notifier.publish("news", "lost", { confirm: true, ttl: 30_000 });
    await host.settle();
    await host.clock.advance(10_000);
    await evict(host, order);
    await host.clock.advance(60_000);
    expect(undelivered).toEqual([["lost", "expired", 30_000]]);
    expect(client.closed).toBeUndefined();
    await host.end();
  });
});

test("a confirmed publication that was read in the moment before the process was lost counts as read", async () => {
  for (const order of orders) {
    const host = hibernating();
    const client = await connected(host);
    await confirm(host);
    client.pong();
    // The release of the publication is gathered, and not committed. The state says that it is read.
    const { state } = client.session;
    expect(host.notifier.stats().confirmed).toBe(0);
    const restore = host.lose({ state: () => state as NonNullable<typeof state> });
    if (order === "after") await host.settle();
    expect(host.notifier.stats().confirmed).toBe(order === "after" ? 1 : 0);
    restore();
    await host.settle();
    expect(host.notifier.stats().confirmed).toBe(0);
    await host.end();
  }
});

test("a confirmed publication that was acknowledged in the moment before the process was lost counts as that", async () => {
  for (const order of orders) {
    const host = hibernating();
    const client = await connected(host);
    await confirm(host);
    await host.settle();
    await acknowledge(host, client, 1);
    const { state } = client.session;
    const restore = host.lose({ state: () => state as NonNullable<typeof state> });
    if (order === "after") await host.settle();
    restore();
    await host.settle();
    expect(host.notifier.stats().confirmed).toBe(0);
    await host.end();
  }
});
