import { type CloseReport, memoryLog } from "tocsin";
import { describe, expect, test } from "vitest";
import { joined, messagesOf, type RawSite, rawSite } from "../support/raw.ts";
import { runtime } from "../support/runtime.ts";
import { client, frame, type Tcp, upgrade } from "../support/tcp.ts";
import { range } from "../support/wire.ts";

interface Message {
  id?: number;
  subscribe?: {
    epoch: string;
    offset: number;
    recovered?: boolean;
    publications?: { offset: number }[];
    data?: object;
  };
  push?: { channel: string; pub?: { offset: number } };
}

/** Returns the offsets that a peer received on a channel, recovered or live, in the order of their arrival. */
function offsetsOf(messages: readonly Message[]): number[] {
  return messages.flatMap(({ subscribe, push }) => [
    ...(subscribe?.publications ?? []).map(({ offset }) => offset),
    ...(push?.pub === undefined ? [] : [push.pub.offset]),
  ]);
}

const parsed = (lines: readonly string[]): Message[] => lines.map((line) => JSON.parse(line) as Message);

/** Connects a subscriber that keeps to the protocol. */
async function subscriber(here: RawSite, subscribe: object) {
  const peer = here.dial(upgrade("/"));
  const kept = client(peer, { leaves: true });
  await kept.connected;
  peer.send(frame(1, JSON.stringify({ id: 2, subscribe })));
  return { ...kept, peer, offsets: () => offsetsOf(parsed(kept.messages)) };
}

/** Resolves when a peer has received a publication with this data. */
function seen(peer: Tcp, data: string): Promise<string> {
  return peer.until(new RegExp(data));
}

describe(`on ${runtime}, one stuck subscriber among 1 000`, () => {
  test("delays nobody, is given up when the log trims its publications, and gets a notice of its loss", async () => {
    const here = await rawSite({ window: 4_096, log: memoryLog({ size: 6, slack: 0 }) });
    const stuck = await joined(here.dial(upgrade("/?user=stuck")));
    stuck.send(frame(1, '{"id":2,"subscribe":{"channel":"news"}}'));
    await stuck.until(/"id":2,"subscribe":/);
    const others: Awaited<ReturnType<typeof subscriber>>[] = [];
    for (let n = 0; n < 999; n += 111) {
      others.push(...(await Promise.all(range(1, 111).map(() => subscriber(here, { channel: "news" })))));
    }
    await Promise.all(others.map(({ peer }) => peer.until(/"id":2,"subscribe":/)));
    stuck.pause();
    for (const n of range(1, 14)) {
      await here.notifier.publish("news", `${n}:${"x".repeat(1_000)}`);
      // The next one is published only after all others have received this one.
      await Promise.all(others.map(({ peer }) => seen(peer, `"${n}:x`)));
    }
    expect(others.filter(({ offsets }) => `${offsets()}` !== `${range(1, 14)}`)).toEqual([]);

    stuck.socket.resume();
    await stuck.until(/\n{}/);
    const got = offsetsOf(messagesOf(stuck) as Message[]);
    expect(got).toEqual(range(1, got.length));
    expect(got.length).toBeLessThan(6);
    stuck.send(frame(1, "{}"));
    await stuck.until(/"unsubscribe":{"code":2500,"reason":"insufficient state"}/);
    const { epoch } = await here.notifier.history("news", { limit: 0 });
    const back = { channel: "news", recover: true, offset: got.length, epoch };
    stuck.send(frame(1, JSON.stringify({ id: 3, subscribe: back })));
    await stuck.until(/"id":3,"subscribe":/);
    expect((messagesOf(stuck) as Message[]).find(({ id }) => id === 3)?.subscribe).toEqual({
      recoverable: true,
      positioned: true,
      epoch,
      offset: 14,
      was_recovering: true,
      data: { notice: { epoch, delayed: 0, gone: 8 - got.length, kept: 6 } },
    });
  });
});

describe(`on ${runtime}, a publication`, () => {
  test("made while a subscriber catches up comes in order, once", async () => {
    const here = await rawSite({ window: 8_192 });
    const text = "x".repeat(500);
    for (const n of range(1, 200)) await here.notifier.publish("news", `${n}:${text}`);
    const reader = await subscriber(here, { channel: "news", recover: true, offset: 0, epoch: "" });
    for (const n of range(201, 300)) {
      await here.notifier.publish("news", `${n}:${text}`);
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await seen(reader.peer, '"300:x');
    expect(reader.offsets()).toEqual(range(1, 300));
  });

  test("made in the turn of closing is delivered before that, and refused after", async () => {
    const here = await rawSite();
    const readers = await Promise.all(range(1, 3).map(() => subscriber(here, { channel: "news" })));
    await Promise.all(readers.map(({ peer }) => peer.until(/"id":2,"subscribe":/)));
    const before = here.notifier.publish("news", "last");
    const closed = here.notifier.close();
    const after = here.notifier.publish("news", "too late");
    await expect(after).rejects.toThrow(/closed/);
    expect((await before).position.offset).toBe(1);
    const { sessions, cut } = await closed;
    for (const { code, offsets } of readers) expect([await code, offsets()]).toEqual([3001, [1]]);
    // The bystander that `rawSite` connects answers no close frame.
    expect([sessions.closed + sessions.cut, cut.length]).toEqual([4, sessions.cut]);
  });

  test("that is not delivered because the notifier closes is in its report", async () => {
    const here = await rawSite({ window: 2_048, grace: 300 });
    const stuck = await here.connected({ id: 2, subscribe: { channel: "news" } });
    await stuck.until(/"id":2,"subscribe":/);
    stuck.pause();
    for (const n of range(1, 10)) await here.notifier.publish("news", `${n}:${"x".repeat(1_000)}`);
    const report: CloseReport = await here.notifier.close();
    stuck.socket.resume();
    const missing = report.cut.flatMap(({ channels }) => Object.entries(channels));
    expect(missing).toEqual([["news", { read: 0, top: 10 }]]);
  });
});
