import { describe, expect, test } from "vitest";
import type { Peer } from "../../../src/model/peer.ts";
import { output } from "../../../src/run.ts";
import { type Client, type Host, hibernating, logs, type MakeLogs } from "../../support/hibernating.ts";

const start = 1_767_225_600_000;
const all = { authorize: () => true };

/** What a test does, step by step. Everything settles after each step. */
type Step = (world: World) => unknown;

interface World {
  readonly host: Host;
  readonly ann: Client;
  readonly bob: Client;
}

const peers: Record<"ann" | "bob", Peer> = {
  ann: {
    ...all,
    user: "ann",
    info: { name: "Ann" },
    channels: ["user:ann", "granted"],
    expires: start + 60_000,
    refresh: () => start + 90_000,
  },
  bob: { ...all, user: "", connect: () => ({ user: "bob", channels: ["user:bob"], info: "Bob" }) },
};

/** Publishes, without waiting for the turn that the log may need. */
const publish =
  (channel: string, data: unknown): Step =>
  ({ host }) =>
    void host.notifier.publish(channel, data);

const ack = (channel: string, offset: number, epoch: string): object => ({
  send: { data: { ack: { [channel]: { offset, epoch } } } },
});

function epochOf({ lines }: Client, channel: string): string {
  for (const line of lines.toReversed()) {
    const { connect, subscribe, id } = JSON.parse(line);
    const subs = {
      ...connect?.subs,
      ...(id === 2 && { news: subscribe }),
      ...(id === 3 && { work: subscribe }),
    };
    if (subs[channel]?.epoch !== undefined) return subs[channel].epoch;
  }
  throw new Error(`Expected a reply with the epoch of ${channel}`);
}

const script: readonly Step[] = [
  ({ ann, bob }) => {
    ann.send({ id: 1, connect: {} });
    bob.send({ id: 1, connect: {} });
  },
  ({ ann }) =>
    ann.send(
      { id: 2, subscribe: { channel: "news", join_leave: true } },
      { id: 3, subscribe: { channel: "work" } },
    ),
  ({ bob }) => bob.send({ id: 2, subscribe: { channel: "news", join_leave: true } }),
  publish("news", 1),
  (world) => {
    publish("news", 2)(world);
    publish("work", 1)(world);
  },
  // More than half of the window: a barrier.
  publish("news", "x".repeat(600)),
  // The window is full, and what follows waits.
  publish("work", "y".repeat(500)),
  publish("news", "z".repeat(400)),
  publish("granted", "for ann"),
  ({ ann }) => ann.pong(),
  publish("news", "late"),
  ({ ann }) => ann.pong(),
  ({ ann }) => ann.pong(),
  ({ bob }) => bob.pong(),
  ({ bob }) => bob.send(ack("news", 3, epochOf(bob, "news"))),
  ({ bob }) => bob.pong(),
  ({ ann }) =>
    ann.send({ id: 4, presence: { channel: "news" } }, { id: 5, presence_stats: { channel: "work" } }),
  ({ ann }) => ann.send({ id: 6, publish: { channel: "news", data: "from ann" } }),
  // The heartbeat.
  ({ host }) => host.clock.advance(13_000),
  ({ ann }) => ann.pong(),
  ({ host }) => host.clock.advance(9_900),
  ({ bob }) => bob.pong(),
  ({ host }) =>
    void host.notifier.run(
      async function* () {
        yield output("half");
        return "done";
      },
      { id: "report", owner: "ann", channel: "user:ann" },
    ),
  ({ ann }) => ann.send({ id: 7, subscribe: { channel: "run:report", recover: true, offset: 0, epoch: "" } }),
  ({ ann }) => ann.pong(),
  ({ host }) => void host.notifier.unsubscribe("bob", "user:bob"),
  ({ ann }) => ann.send({ id: 8, unsubscribe: { channel: "work" } }),
  ({ bob }) => bob.session.ended(1000),
  ({ ann }) => ann.pong(),
  ({ ann }) => ann.send({ id: 9, refresh: { token: "again" } }),
  ...Array.from(
    { length: 16 },
    (): Step =>
      async ({ host, ann }) => {
        await host.clock.advance(5_000);
        ann.pong();
      },
  ),
];

const runAt = script.findIndex((step) => step.toString().includes("notifier.run("));

async function play(makeLogs: MakeLogs, evicts: (step: number) => boolean) {
  const host = hibernating(makeLogs, { window: 2_000 });
  const world: World = {
    host,
    ann: host.connect(peers.ann),
    bob: host.connect(peers.bob),
  };
  const skipped: number[] = [];
  for (const [index, step] of script.entries()) {
    await step(world);
    await host.settle();
    if (!evicts(index)) continue;
    if (host.notifier.rest()) host.evict();
    else skipped.push(index);
  }
  const { ann, bob } = world;
  expect(host.errors).toEqual([]);
  await host.end();
  return {
    got: { ann: normal(ann.lines), bob: normal(bob.lines), closed: [ann.closed, bob.closed] },
    skipped,
  };
}

/** Returns lines without what is random: each id and epoch is replaced by its number. */
function normal(lines: readonly string[]): string[] {
  const names = new Map<string, string>();
  const nameOf = (text: string): string => {
    const name = names.get(text) ?? `#${names.size}`;
    names.set(text, name);
    return name;
  };
  return lines.map((line) =>
    line
      .replaceAll(/("epoch":)"([^"]+)"/g, (_, head, epoch) => `${head}"${nameOf(epoch)}"`)
      .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, nameOf),
  );
}

describe.each(Object.entries(logs))("over %s", (name, makeLogs) => {
  // A log that does not outlive the process does not hold the ending of a run until somebody has read it.
  const unkept = name === "a log that outlives the process" ? [] : [runAt, runAt + 1];

  test("a client cannot tell that the memory of its server is lost after every step", async () => {
    const expected = await play(makeLogs, () => false);
    expect(expected.got.closed).toEqual([{ code: 3005, reason: "connection expired" }, undefined]);
    expect(await play(makeLogs, () => true)).toEqual({ ...expected, skipped: unkept });
  });

  test("a client cannot tell after which step the memory of its server is lost", async () => {
    const { got } = await play(makeLogs, () => false);
    for (let step = 0; step < script.length; step++) {
      const once = await play(makeLogs, (index) => index === step);
      expect(once, `step ${step}`).toEqual({ got, skipped: unkept.filter((each) => each === step) });
    }
  });
});
