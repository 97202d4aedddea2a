import { setTimeout as sleep } from "node:timers/promises";
import type { Receipt } from "../../src/mod.ts";
import type { Order } from "../peers/program.ts";
import type { Entrant, Greeting } from "./entrants.ts";
import { type Found, Trial } from "./trial.ts";

/** One workload of the benchmark. */
export interface Workload {
  readonly name: string;
  /** A short description for the report. */
  readonly text: string;
  /** The name of the compared value in `Found`. Lower is better unless `higherIsBetter` is set. */
  readonly measure: string;
  readonly unit: string;
  readonly higherIsBetter?: boolean;
  /** Whether only the first round runs the workload, because it takes long and varies little. */
  readonly once?: boolean;
  /** The ids of the entrants. */
  readonly entrants: readonly string[];
  run(entrant: Entrant): Promise<Found>;
}

const nodeAndBun = ["tocsin-node", "ws", "frame", "socket-io", "tocsin-bun", "bun-publish", "bun"];
const allRuntimes = [...nodeAndBun, "tocsin-deno", "deno"];
const bare = ["tocsin-node", "ws", "hono", "tocsin-bun", "bun", "tocsin-deno", "deno"];

/**
 * Measures one order on a server that is warmed up. The clients share a channel, or have one each if its name has `%d`.
 */
function delivery(
  clients: number,
  subscribers: number,
  channel: string,
  order: Order,
  settings: object = {},
): Workload["run"] {
  return (entrant) =>
    within(new Trial(entrant, settings), async (trial) => {
      await trial.connect(clients, spoken(entrant.greeting(channel)));
      await trial.deliver(warmUp(order), subscribers);
      return trial.deliver(order, subscribers);
    });
}

/**
 * Returns a greeting that sends a message in any case, as the clients of tocsin and Socket.IO must. Linux delays the
 * TCP acknowledgements of a client that has sent data, and this costs the sender CPU time. All entrants must have that
 * cost.
 */
function spoken(greeting: Greeting): Greeting {
  return greeting.hello === "" ? { ...greeting, hello: "hello" } : greeting;
}

/** Returns the same order, long enough for the runtime to compile the code. Code that runs rarely is compiled later. */
function warmUp(order: Order): Order {
  if (order.do === "flood") return { ...order, count: 2_000 };
  return order.do === "fill" ? order : { ...order, for: order.do === "scatter" ? 20_000 : 5_000 };
}

async function within<T>(trial: Trial, act: (trial: Trial) => Promise<T>): Promise<T> {
  try {
    return await act(trial);
  } finally {
    await trial.end();
  }
}

const cpu = { measure: "cpu", unit: "µs of CPU per delivered event" } as const;
const keepsAll = { size: 1_000_000, bytes: 512 * 1024 * 1024 };

export const workloads: readonly Workload[] = [
  {
    name: "spread",
    text: "500 subscribers, 1 event of 200 bytes every 5 ms",
    ...cpu,
    entrants: allRuntimes,
    run: delivery(500, 500, "all", {
      do: "steady",
      channel: "all",
      count: 1,
      every: 5,
      for: 4_000,
      bytes: 200,
    }),
  },
  {
    name: "burst",
    text: "500 subscribers, 10 events of 200 bytes in one turn every 50 ms",
    ...cpu,
    entrants: allRuntimes,
    run: delivery(500, 500, "all", {
      do: "steady",
      channel: "all",
      count: 10,
      every: 50,
      for: 4_000,
      bytes: 200,
    }),
  },
  {
    name: "flood",
    text: "100 subscribers, 20 000 events of 200 bytes as fast as the loop turns, 100 a turn",
    ...cpu,
    entrants: allRuntimes,
    run: delivery(
      100,
      100,
      "all",
      { do: "flood", channel: "all", count: 20_000, turn: 100, bytes: 200 },
      keepsAll,
    ),
  },
  {
    name: "tokens",
    text: "400 channels with one subscriber each, 20 events of 80 bytes a second on each",
    ...cpu,
    entrants: allRuntimes,
    run: delivery(400, 1, "c%d", {
      do: "scatter",
      channel: "c",
      channels: 400,
      second: 8_000,
      for: 5_000,
      bytes: 80,
    }),
  },
  {
    name: "idle",
    once: true,
    text: "10 000 connections with a subscription each",
    measure: "memory",
    unit: "kB of resident memory per connection",
    entrants: [...bare, "crossws", "socket-io"],
    run: (entrant) => within(new Trial(entrant), (trial) => idle(trial, entrant)),
  },
  {
    name: "connect",
    text: "5 000 connections with a subscription each, 64 at once, after 30 000 others",
    measure: "rate",
    unit: "connections per second of CPU",
    higherIsBetter: true,
    entrants: [...bare, "crossws", "socket-io"],
    run: (entrant) => within(new Trial(entrant), (trial) => connecting(trial, entrant)),
  },
  {
    name: "storm",
    text: "2 000 sessions resume at once, each missing 100 events of 200 bytes, eight times after twenty others; by hand: one text of them, with their offsets and times, sent to each",
    ...cpu,
    entrants: ["tocsin-node", "ws", "tocsin-bun", "bun", "tocsin-deno", "deno"],
    run: (entrant) => within(new Trial(entrant), (trial) => storm(trial, entrant)),
  },
  {
    name: "slow",
    once: true,
    text: "spread, while 50 of the 500 do not read; compared with spread",
    measure: "p99",
    unit: "µs of latency, p99 of the others",
    entrants: ["tocsin-node", "tocsin-bun", "tocsin-deno"],
    run: (entrant) => within(new Trial(entrant), (trial) => slow(trial, entrant)),
  },
  ...[100, 1_000, 10_000, 100_000].map((channels) => curve(channels)),
];

/** Measures ten thousand connections. A hundred earlier ones make the runtime load what it loads only once. */
async function idle(trial: Trial, entrant: Entrant): Promise<Found> {
  const count = 10_000;
  await trial.connect(100, entrant.greeting("c%d"));
  await trial.clients.end();
  await sleep(1_000);
  const before = trial.server.memory;
  await trial.connect(count, entrant.greeting("c%d"));
  // The garbage of connecting can be collected in this time.
  await sleep(2_000);
  const memory = (trial.server.memory - before) / count / 1024;
  const began = trial.server.cpu;
  await sleep(3_000);
  return { memory, busy: (trial.server.cpu - began) / 3_000_000 };
}

async function connecting(trial: Trial, entrant: Entrant): Promise<Found> {
  const count = 5_000;
  for (let others = 0; others < 3; others++) {
    await trial.connect(10_000, entrant.greeting("all"));
    await trial.clients.end();
    await sleep(1_000);
  }
  const before = trial.server.cpu;
  const milliseconds = await trial.connect(count, entrant.greeting("all"));
  const rate = (count / (trial.server.cpu - before)) * 1_000_000;
  return { rate, bySecond: (count / milliseconds) * 1_000 };
}

async function storm(trial: Trial, entrant: Entrant): Promise<Found> {
  const sessions = 2_000;
  const missed = 100;
  const greeting = entrant.greeting("all");
  const alone = entrant.isOurs ? { hello: '{"id":1,"connect":{}}', marker: '"id":1' } : {};
  await trial.connect(sessions, { ...greeting, path: `${greeting.path}&late`, ...alone });
  const { first } = await trial.order<{ first: Receipt | null }>({
    do: "fill",
    channel: "missed",
    count: missed + (entrant.isOurs ? 1 : 0),
    bytes: 200,
  });
  const resumption = (id: number): string => {
    const params = { channel: "missed", recover: true, offset: 1, epoch: first?.position.epoch };
    return entrant.isOurs ? JSON.stringify({ id, subscribe: params }) : "resume";
  };
  const resume = async (id: number): Promise<number> => {
    await trial.reset();
    const before = trial.server.cpu;
    await trial.clients.tell(`say ${resumption(id)}`);
    await trial.received(sessions * missed);
    // The cost includes the processing of what the clients send in response.
    await sleep(200);
    return trial.server.cpu - before;
  };
  // On Bun one storm takes about one tick of the CPU clock, so that one alone cannot be measured. Bun has compiled the
  // code only after about twenty storms.
  const [cold, warm] = [20, 8];
  let spent = 0;
  for (let storm = 0; storm < cold + warm; storm++) {
    const cost = await resume(2 + storm);
    if (storm >= cold) spent += cost;
    if (entrant.isOurs) await trial.clients.tell('say {"id":100,"unsubscribe":{"channel":"missed"}}');
    await sleep(500);
  }
  return { cpu: spent / (warm * sessions * missed) };
}

async function slow(trial: Trial, entrant: Entrant): Promise<Found> {
  const [subscribers, stuck] = [500, 50];
  const order: Order = { do: "steady", channel: "all", count: 1, every: 5, for: 4_000, bytes: 200 };
  await trial.connect(subscribers, entrant.greeting("all"));
  const usual = await trial.deliver(warmUp(order), subscribers);
  await trial.clients.tell(`stuck ${stuck}`);
  const before = trial.server.memory;
  const found = await trial.deliver(order, subscribers - stuck);
  const memory = (trial.server.memory - before) / 1024;
  return { ...found, memory, usual: usual.p99 ?? 0 };
}

/** Publishes to a hundred channels, one event after the other, while `channels` channels have a subscriber. */
function curve(channels: number): Workload {
  const each = Math.max(1, channels / 1_000);
  const sessions = channels / each;
  const subscribe = Array.from(
    { length: each },
    (_, at) => `{"id":${at + 2},"subscribe":{"channel":"c${at === 0 ? "" : `-${at}-`}%d"}}`,
  );
  return {
    name: `curve-${channels}`,
    once: true,
    text: `${channels} channels with one subscriber each, 8 000 events of 80 bytes a second to 100 of them`,
    ...cpu,
    entrants: ["tocsin-node", "tocsin-bun", "tocsin-deno"],
    run: (entrant) =>
      within(new Trial(entrant), async (trial) => {
        const greeting = entrant.greeting("c%d");
        const hello = `{"id":1,"connect":{}}\n${subscribe.join("\n")}`;
        await trial.connect(sessions, { ...greeting, hello, marker: `"id":${each + 1}` }, 16);
        // The garbage of connecting can be collected in this time.
        await sleep(3_000);
        const order: Order = {
          do: "scatter",
          channel: "c",
          channels: 100,
          second: 8_000,
          for: 10_000,
          bytes: 80,
        };
        await trial.deliver(warmUp(order), 1);
        return trial.deliver(order, 1);
      }),
  };
}
