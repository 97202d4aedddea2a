import { expect, test } from "vitest";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { type Pipe, pipe } from "../../../src/testing/pipe.ts";
import { assertQuiet, fakeClock } from "../../../src/testing.ts";
import { range } from "../../support/wire.ts";

const kib = 1_024;

test("a hundred thousand subscriptions hold only their own memory, and free it when they end", async () => {
  const clock = fakeClock();
  const notifier = createNotifier({ clock });
  const clients = range(1, 100).map(() => pipe(notifier));
  for (const [at, client] of clients.entries()) {
    client.send({ id: 1, connect: {} });
    for (const first of range(0, 9)) {
      const names = range(1, 100).map((n) => `c${(at * 20 + first * 100 + n) % 2_000}`);
      client.send(...names.map((channel, n) => ({ id: 2 + first * 100 + n, subscribe: { channel } })));
      // A full window has to be proven read before there are more replies.
      await clock.settle();
    }
  }
  expect(notifier.stats()).toMatchObject({ sessions: 100, subscriptions: 100_000, channels: 2_000 });
  expect(clients.map(({ closed }) => closed)).toEqual(clients.map(() => undefined));
  clients[0]?.send({ id: 5_000, subscribe: { channel: "one more" } });
  await clock.settle();
  expect(clients[0]?.received.at(-1)).toMatchObject({ error: { code: 106 } });
  for (const client of clients.slice(1)) client.drop();
  await clock.settle();
  expect(notifier.stats()).toMatchObject({ sessions: 1, subscriptions: 1_000, channels: 1_000 });
  await notifier.publish("c1", "still there");
  await clock.settle();
  expect(clients[0]?.received.at(-1)).toMatchObject({
    push: { channel: "c1", pub: { data: "still there" } },
  });
  void notifier.close();
  await clock.advance(5_000);
  assertQuiet(notifier);
});

/** The limits of this test. docs/limits.md computes the memory that they allow. */
const window = 16 * kib;
const totalBytes = 256 * kib;
const limits = {
  answer: 200,
  sessions: 60,
  userSessions: 20,
  channels: 40,
  subscriptions: 10,
  commands: 100,
  commandChars: 32 * kib,
  message: 16 * kib,
  publication: 4 * kib,
  rate: 50,
  burst: 100,
};

/** Makes peers that break every rule, at random from a seed. */
function swarm(seed: number) {
  const clock = fakeClock({ seed });
  const log = memoryLog({ clock, totalBytes, bytes: 64 * kib, slack: 0 });
  const rpc = { hang: () => new Promise(() => {}), long: () => "x".repeat(4_000) };
  const notifier = createNotifier({ clock, log, window, limits, rpc, onError() {} });
  const pick = (count: number): number => Math.floor(clock.random() * count);
  const deep = `{"id":9,"rpc":{"method":"long","data":${"[".repeat(500)}${"]".repeat(500)}}}`;
  const channel = (): string => `c${pick(200)}`;
  const repeated = (count: number, command: (n: number) => object): string =>
    range(1, count)
      .map((n) => JSON.stringify({ id: n, ...command(n) }))
      .join("\n");
  const frames: (() => string)[] = [
    () => repeated(20, () => ({ subscribe: { channel: channel() } })),
    () => repeated(20, () => ({ subscribe: { channel: channel(), recover: true, offset: 0, epoch: "" } })),
    () => repeated(20, () => ({ unsubscribe: { channel: channel() } })),
    () => repeated(3, () => ({ publish: { channel: channel(), data: "x".repeat(pick(2_500)) } })),
    () => repeated(30, () => ({ history: { channel: channel(), limit: -1 } })),
    () => repeated(30, () => ({ presence: { channel: channel() } })),
    () => repeated(30, () => ({ rpc: { method: "long" } })),
    () => repeated(60, () => ({ rpc: { method: "hang" } })),
    () => `{"id":3,"rpc":{"x":"${"x".repeat(8_000)}"}}`,
    () => repeated(90, () => ({ rpc: { method: "none" } })),
    () => repeated(90, () => ({ ping: {} })),
    () => deep,
    () => "x".repeat(pick(17_000)),
  ];
  const live = new Set<Pipe>();
  const enter = (): void => {
    const user = ["ann", "bob", "cat", ""][pick(4)] as string;
    const client = pipe(notifier, { peer: { user, authorize: () => true }, answersClose: pick(2) === 0 });
    if (pick(10) > 0) client.send({ id: 1, connect: {} });
    if (pick(3) === 0) client.stall();
    live.add(client);
  };
  const act = (): void => {
    for (const client of live) {
      if (client.closed !== undefined && pick(4) === 0) live.delete(client);
      else if (pick(40) === 0) client.drop();
      else client.session.receive((frames[pick(frames.length)] as () => string)());
    }
  };
  return { clock, notifier, enter, act };
}

/** Checks that no more is held than docs/limits.md allows. */
function checkBounds({ notifier }: ReturnType<typeof swarm>): void {
  const { sessions, subscriptions, channels } = notifier.stats();
  const { bytes } = notifier.totals();
  const most = Math.max(window, limits.publication);
  expect(sessions).toBeLessThanOrEqual(limits.sessions);
  expect(subscriptions).toBeLessThanOrEqual(limits.sessions * limits.subscriptions);
  expect(channels).toBeLessThanOrEqual(limits.channels);
  expect(bytes.commands).toBeLessThanOrEqual(sessions * limits.commandChars);
  expect(bytes.windows).toBeLessThanOrEqual(sessions * (3 * window + limits.publication));
  expect(bytes.cache).toBeLessThanOrEqual(channels * 5 * most);
  expect(bytes.log).toBeLessThanOrEqual(totalBytes);
}

/** Runs a swarm for a while. Returns the largest number of bytes held, and the totals. */
async function play(seed: number) {
  const here = swarm(seed);
  let most = { commands: 0, windows: 0, cache: 0, log: 0 };
  for (let round = 0; round < 50; round++) {
    for (let n = 0; n < 10; n++) here.enter();
    here.act();
    checkBounds(here);
    await here.clock.advance(round % 10 === 9 ? 2_000 : 50);
    checkBounds(here);
    const { bytes } = here.notifier.totals();
    const larger = (name: keyof typeof most): number => Math.max(bytes[name], most[name]);
    most = {
      commands: larger("commands"),
      windows: larger("windows"),
      cache: larger("cache"),
      log: larger("log"),
    };
  }
  const totals = here.notifier.totals();
  void here.notifier.close();
  await here.clock.advance(60_000);
  assertQuiet(here.notifier);
  expect(here.notifier.totals().bytes).toEqual({ commands: 0, windows: 0, cache: 0, log: 0, runs: 0 });
  expect(here.clock.armed).toBe(0);
  return { most, totals };
}

test("a hostile swarm stays within every limit at once, and its memory within their sum", async () => {
  const played = [await play(1), await play(2), await play(3)];
  // The swarm has reached all of the limits.
  const hit = new Set(played.flatMap(({ totals }) => Object.keys(totals.limits)));
  for (const name of ["sessions", "userSessions", "channels", "subscriptions"]) expect(hit).toContain(name);
  for (const name of ["commands", "rate", "depth", "message", "answer"]) expect(hit).toContain(name);
  for (const { most, totals } of played) {
    const { opened, closed, errors } = totals;
    expect(Object.keys(errors)).toEqual(expect.arrayContaining(["105", "106", "107", "111"]));
    expect(most.log).toBeGreaterThan(totalBytes / 2);
    expect(most.windows).toBeGreaterThan(limits.sessions * window * 0.1);
    const ended = Object.values(closed).reduce((sum, count) => sum + count, 0);
    expect(opened - ended).toBeLessThanOrEqual(limits.sessions);
  }
});

test("twenty thousand names that are used once take no more than the log may hold", async () => {
  const clock = fakeClock();
  const totalBytes = 1_000_000;
  const log = memoryLog({ clock, totalBytes });
  const notifier = createNotifier({ clock, log, limits: { burst: 100_000 } });
  const client = pipe(notifier);
  client.send({ id: 1, connect: {} });
  await clock.settle();
  client.stall();
  for (let n = 0; n < 20_000; n += 500) {
    const commands = range(n, n + 499).map((each) => `{"id":2,"history":{"channel":"${each}"}}`);
    client.session.receive(commands.join("\n"));
    await clock.settle();
    client.session.receive("{}");
  }
  expect(notifier.totals().bytes.log).toBeLessThanOrEqual(totalBytes);
  expect(notifier.stats().channels).toBe(0);
  void notifier.close({ grace: 0 });
  await clock.advance(0);
  assertQuiet(notifier);
});
