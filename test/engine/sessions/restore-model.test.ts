import fc from "fast-check";
import { expect, test } from "vitest";
import type { Peer } from "../../../src/model/peer.ts";
import type { SessionState } from "../../../src/model/socket.ts";
import { crash, durableLog, durableStore } from "../../support/durable-log.ts";
import { type Client, type Host, hibernating, logs, type MakeLogs } from "../../support/hibernating.ts";

const channels = ["a", "b", "c"] as const;
const channelOf = (n: number): string => channels[n % channels.length] as string;

const peers: readonly Peer[] = [
  { user: "ann", authorize: () => true },
  { user: "bob", authorize: () => true, channels: ["a", "own"], info: { name: "Bob" } },
  { user: "", authorize: () => true },
];

type Action = "publish" | "confirm" | "burst" | "pong" | "time" | "subscribe" | "acknowledge" | "leave";
type Step = readonly [action: Action, client: number, channel: number, size: number];

const stepOf = (actions: readonly Action[]): fc.Arbitrary<Step> =>
  fc.tuple(
    fc.constantFrom(...actions),
    fc.nat(peers.length - 1),
    fc.nat(channels.length - 1),
    fc.integer({ min: 0, max: 700 }),
  );

const step = fc.oneof(
  { weight: 6, arbitrary: stepOf(["publish"]) },
  { weight: 6, arbitrary: stepOf(["pong"]) },
  { weight: 3, arbitrary: stepOf(["subscribe", "confirm", "burst", "acknowledge", "time"]) },
);

const setup = fc.record({
  window: fc.constantFrom(400, 1_500, 5_000),
  log: fc.constantFrom(...Object.keys(logs)),
});

/** Clients are never closed for silence here: a lost process gives them a second more, by design. */
const limits = { pong: Infinity, slow: Infinity };

function offsetsIn(lines: readonly string[], channel: string): number[] {
  return lines.flatMap((line) => {
    const { push } = JSON.parse(line);
    return push?.channel === channel && push.pub !== undefined ? push.pub.offset : [];
  });
}

function connectAll(host: Host): Client[] {
  return peers.map((peer) => {
    const client = host.connect(peer);
    client.send({ id: 1, connect: {} });
    return client;
  });
}

function act(
  host: Host,
  clients: readonly Client[],
  [action, who, where, size]: Step,
  id: number,
): Promise<void> | undefined {
  const client = clients[who] as Client;
  const channel = channelOf(where);
  const { notifier, clock } = host;
  if (action === "publish") void notifier.publish(channel, "x".repeat(size));
  else if (action === "confirm") void notifier.publish(channel, "x".repeat(size), { confirm: true });
  else if (action === "burst") for (let n = 0; n < 6; n++) void notifier.publish(channel, n);
  else if (action === "time") return clock.advance(size * 20);
  else if (!client.session.isOpen) return undefined;
  else if (action === "pong") client.pong();
  else if (action === "subscribe") client.send({ id, subscribe: { channel } });
  else if (action === "leave") client.session.ended(1000);
  else {
    const offset = offsetsIn(client.lines, channel).at(-1) ?? 0;
    const epoch = epochIn(client.lines, channel);
    client.send({ send: { data: { ack: { [channel]: { offset, epoch } } } } });
  }
  return undefined;
}

/** Returns the last epoch that a client was told; "" if it was told none. A command's id tells its channel. */
function epochIn(lines: readonly string[], channel: string): string {
  const epochs = lines.flatMap((line) => {
    const { connect, subscribe, id } = JSON.parse(line);
    if (subscribe !== undefined && channelOf(id) === channel) return subscribe.epoch;
    return connect?.subs?.[channel]?.epoch ?? [];
  });
  return epochs.at(-1) ?? "";
}

/**
 * Returns what the protocol promises: the replies in order, and the publications of each channel in order. In which order
 * two channels are served is left open, and so is when the client is asked for a pong.
 */
function promised(lines: readonly string[]): { replies: string[]; pushes: Record<string, string[]> } {
  const replies: string[] = [];
  const pushes: Record<string, string[]> = {};
  for (const line of lines) {
    const { id, push } = JSON.parse(line);
    if (id !== undefined) replies.push(line.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|"epoch":"[^"]*"/g, ""));
    else if (push !== undefined && push.message === undefined) {
      pushes[push.channel] ??= [];
      pushes[push.channel]?.push(line);
    }
  }
  return { replies, pushes };
}

/** Lets all clients read everything. */
async function drain(host: Host, clients: readonly Client[]): Promise<void> {
  for (let sent = -1; sent !== sum(clients); ) {
    sent = sum(clients);
    for (const client of clients) if (client.session.isOpen) client.pong();
    await host.settle();
  }
}

const sum = (clients: readonly Client[]): number => clients.reduce((all, { lines }) => all + lines.length, 0);

async function play(
  { window, log }: { window: number; log: string },
  steps: readonly Step[],
  evicts: (index: number) => boolean,
): Promise<unknown> {
  const host = hibernating(logs[log], { window, limits });
  const clients = connectAll(host);
  await host.settle();
  for (const [index, each] of steps.entries()) {
    const [, , where] = each;
    await act(host, clients, each, 3 * (index + 1) + where);
    await host.settle();
    if (!evicts(index) || !host.notifier.rest()) continue;
    host.evict();
    await host.settle();
  }
  await drain(host, clients);
  const got = clients.map(({ lines, closed }) => ({ ...promised(lines), closed }));
  expect(host.errors).toEqual([]);
  await host.end();
  return got;
}

test("clients cannot tell whether, and when, the memory of their server was lost", async () => {
  const evictions = fc.array(fc.boolean(), { minLength: 60, maxLength: 60, size: "max" });
  const property = fc.asyncProperty(
    setup,
    fc.array(step, { minLength: 10, maxLength: 60, size: "max" }),
    evictions,
    async (options, steps, lost) => {
      const expected = await play(options, steps, () => false);
      expect(await play(options, steps, (index) => lost[index] === true)).toEqual(expected);
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

/** A client that reads a line at a time, and answers each ping when it reads it. */
class Reader {
  readonly client: Client;
  /** By channel: the highest offset that was ever read, and the last one. */
  readonly tops = new Map<string, number>();
  readonly #last = new Map<string, number>();
  #read = 0;
  /** The number of lines that had been sent whenever the memory of the server was lost. */
  readonly #losses = new Set<number>();
  /** The channels of which older publications may come again. */
  readonly #repeats = new Set<string>();

  constructor(client: Client) {
    this.client = client;
  }

  lost(): void {
    this.#losses.add(this.client.lines.length);
  }

  next(count: number = Infinity): void {
    const { session, lines } = this.client;
    for (const line of lines.slice(this.#read, this.#read + count)) {
      if (this.#losses.has(this.#read++)) for (const channel of channels) this.#repeats.add(channel);
      if (line === "{}" && session.isOpen) session.receive("{}");
      const { push } = JSON.parse(line);
      if (push?.unsubscribe !== undefined) throw new Error(`A subscription was lost: ${line}`);
      if (push?.pub !== undefined) this.#take(push.channel, push.pub.offset);
    }
  }

  #take(channel: string, offset: number): void {
    const next = (this.#last.get(channel) ?? 0) + 1;
    const top = this.tops.get(channel) ?? 0;
    // A client that has acknowledged what it had before is not sent the rest of that again.
    const isRepeated = this.#repeats.has(channel) && offset <= top;
    if (offset !== next && offset !== top + 1 && !isRepeated)
      throw new Error(`Expected offset ${next} of ${channel}, and read ${offset}`);
    this.#repeats.delete(channel);
    this.#last.set(channel, offset);
    this.tops.set(channel, Math.max(top, offset));
  }
}

/**
 * Returns a state that the host may have kept: one that is at most a second old, and not older than the last one that was
 * urgent.
 */
function keptState({ told }: Client, now: number, choice: number): SessionState {
  const urgent = told.findLastIndex(({ isUrgent }) => isUrgent);
  const kept = told.filter(
    ({ at }, index) => index >= urgent && (at >= now - 1_000 || index === told.length - 1),
  );
  return (kept[choice % kept.length] as (typeof kept)[number]).state;
}

type StaleAction =
  | "publish"
  | "confirm"
  | "burst"
  | "read"
  | "acknowledge"
  | "time"
  | "leave"
  | "lose"
  | "evict";

const staleStep = fc.oneof(
  ...(
    [
      [6, "publish"],
      [3, "confirm"],
      [1, "burst"],
      [6, "read"],
      [2, "acknowledge"],
      [2, "time"],
      [1, "evict"],
      [3, "lose"],
    ] as const
  ).map(([weight, action]) => ({
    weight,
    arbitrary: fc.tuple(
      fc.constant<StaleAction>(action),
      fc.nat(2),
      fc.nat(channels.length - 1),
      fc.integer({ min: 0, max: 700 }),
    ),
  })),
);

test("after a restoration from older states clients may read publications again, but miss none, and none counts as read that was not", async () => {
  const property = fc.asyncProperty(
    fc.constantFrom(400, 1_500, 5_000),
    fc.array(staleStep, { minLength: 10, maxLength: 60, size: "max" }),
    async (window, steps) => {
      const store = durableStore();
      const makeLogs: MakeLogs = (clock) => ({
        open: () => durableLog(store, clock),
        lost: () => crash(store),
      });
      const host = hibernating(makeLogs, { window });
      const readers = [0, 1, 2].map(() => {
        const client = host.connect({ user: "ann", authorize: () => true });
        const subscribe = channels.map((channel, at) => ({ id: at + 2, subscribe: { channel } }));
        client.send({ id: 1, connect: {} }, ...subscribe);
        return new Reader(client);
      });
      await host.settle();
      const confirmed: { channel: string; offset: number }[] = [];
      const check = (): void => {
        const held = new Set(
          [...store.records.values()].map(({ channel, position }) => `${channel} ${position.offset}`),
        );
        for (const { channel, offset } of confirmed) {
          const isRead = readers.some(({ tops }) => (tops.get(channel) ?? 0) >= offset);
          if (!isRead && !held.has(`${channel} ${offset}`))
            throw new Error(`${offset} of ${channel} counts as read`);
        }
        for (const { client } of readers) expect(client.closed).toBeUndefined();
      };
      let losses = 0;
      const readAll = async (): Promise<void> => {
        losses = 0;
        for (const reader of readers) reader.next();
        await host.settle();
      };
      const perform = async ([action, who, where, size]: readonly [StaleAction, number, number, number]) => {
        const channel = channelOf(where);
        const reader = readers[who] as Reader;
        const { notifier, clock } = host;
        if (action === "publish") void notifier.publish(channel, "x".repeat(size));
        else if (action === "burst") for (let n = 0; n < 6; n++) void notifier.publish(channel, n);
        else if (action === "read") reader.next(size % 5);
        else if (action === "confirm") {
          const publishing = notifier.publish(channel, "x".repeat(size), { confirm: true });
          publishing.then(
            ({ position: { offset } }) => void confirmed.push({ channel, offset }),
            () => {},
          );
        } else if (action === "acknowledge") {
          const offset = reader.tops.get(channel) ?? 0;
          const { epoch } = await notifier.history(channel);
          reader.client.send({ send: { data: { ack: { [channel]: { offset, epoch } } } } });
        } else if (action === "time") {
          await readAll();
          await clock.advance(size * 12);
          await readAll();
        } else {
          const isStale = action === "lose";
          // Each lost process may leave a pong, and no more than seven are expected.
          if (isStale ? ++losses > 6 : !notifier.rest()) return;
          for (const each of readers) each.lost();
          if (isStale) host.evict({ isStale, state: (client) => keptState(client, clock.now(), size) });
          else host.evict();
          // Something may come before the first turn of the new process.
          if (size % 2 === 0) return;
        }
        await host.settle();
      };
      for (const each of steps) {
        await perform(each);
        check();
      }
      await host.settle();
      const read = (): number =>
        readers.reduce((all, { tops }) => [...tops.values()].reduce((a, b) => a + b, all), 0);
      // A pong that is in doubt is resolved by the deadline of its ping, which is after 60 s.
      for (let idle = 0; idle < 16; idle++) {
        const before = read();
        await readAll();
        if (read() > before) idle = 0;
        else await host.clock.advance(9_000);
        check();
      }
      await readAll();
      for (const channel of channels) {
        const { offset } = await host.notifier.history(channel);
        expect(readers.map(({ tops }) => tops.get(channel) ?? 0)).toEqual([offset, offset, offset]);
      }
      expect(host.errors).toEqual([]);
      await host.end();
    },
  );
  await fc.assert(property, { numRuns: 60 });
});
