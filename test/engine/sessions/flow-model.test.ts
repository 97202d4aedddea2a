import fc from "fast-check";
import { expect } from "vitest";
import type { Notifier } from "../../../src/engine/notifier/notifier.ts";
import type { Log } from "../../../src/model/log.ts";
import { type Pipe, pipe } from "../../../src/testing/pipe.ts";
import { type FakeClock, fakeClock } from "../../../src/testing.ts";
import { finish, logWith, type Message, type Start, type SubscribeResult, test } from "../../support/core.ts";

const channels = ["a", "b", "c"];
const clientCount = 4;

/** The position of a client in a channel. */
interface Position {
  epoch: string;
  offset: number;
}

/**
 * A client that keeps to the protocol: it recovers from its last position, and checks whatever it receives.
 *
 * Each publication carries its own number, so that a missing or repeated one shows even where its offset is right.
 */
class Client {
  readonly places = new Map<string, Position>();
  /** How many gaps the server has reported. */
  gaps = 0;
  readonly #notifier: Notifier;
  /** Channels that the server subscribes this client to. */
  readonly #given: readonly string[];
  readonly #isFlaky: boolean;
  #pipe: Pipe | undefined;
  #asked = new Map<number, string>();
  #id = 0;

  constructor(notifier: Notifier, given: readonly string[], isFlaky: boolean) {
    this.#notifier = notifier;
    this.#given = given;
    this.#isFlaky = isFlaky;
  }

  connect(): void {
    if (this.#pipe !== undefined) return;
    this.#pipe = pipe(this.#notifier, { peer: { user: "", channels: this.#given, authorize: () => true } });
    this.#asked.clear();
    const subs = Object.fromEntries(this.#given.map((channel) => [channel, this.#recovery(channel)]));
    this.#pipe.send({ id: ++this.#id, connect: { subs } });
    for (const channel of channels) if (!this.#given.includes(channel)) this.#subscribe(channel);
  }

  #recovery(channel: string): object {
    const place = this.places.get(channel);
    return place === undefined ? {} : { recover: true, ...place };
  }

  #subscribe(channel: string): void {
    this.#asked.set(++this.#id, channel);
    this.#pipe?.send({ id: this.#id, subscribe: { channel, ...this.#recovery(channel) } });
  }

  drop(): void {
    if (this.#pipe === undefined) return;
    // What had arrived counts as read before the connection is lost.
    this.read();
    this.#pipe?.drop();
    this.#pipe = undefined;
  }

  stall(): void {
    this.#pipe?.stall();
  }

  resume(): void {
    this.#pipe?.resume();
  }

  /** Reads and checks what has arrived. */
  read(): void {
    for (const message of (this.#pipe?.take() ?? []) as Message[]) {
      if (message.error !== undefined) {
        // A log that fails now may work the next time.
        expect([message.error.code, this.#isFlaky]).toEqual([100, true]);
        const channel = this.#asked.get(message.id ?? 0);
        if (channel !== undefined) this.#subscribe(channel);
      }
      for (const [channel, result] of Object.entries(message.connect?.subs ?? {}))
        this.#begin(channel, result);
      const channel = this.#asked.get(message.id ?? 0);
      if (channel !== undefined && message.subscribe !== undefined) this.#begin(channel, message.subscribe);
      const { push } = message;
      if (push?.pub !== undefined) this.#take(push.channel, push.pub);
      if (push?.unsubscribe !== undefined) {
        expect(push.unsubscribe.code).toBe(2500);
        this.#subscribe(push.channel);
      }
    }
    const { closed } = this.#pipe ?? {};
    if (closed === undefined) return;
    expect([3008, 3010, 3012, ...(this.#isFlaky ? [3004] : [])]).toContain(closed.code);
    if (closed.code === 3010) expect(this.#given.length).toBeGreaterThan(0);
    this.#pipe?.drop();
    this.#pipe = undefined;
  }

  #begin(channel: string, { epoch, offset, recovered, publications = [] }: SubscribeResult): void {
    const place = this.places.get(channel);
    if (recovered === true) {
      expect({ epoch, offset }).toEqual(place);
      for (const publication of publications) this.#take(channel, publication);
      return;
    }
    expect(publications).toEqual([]);
    if (place !== undefined) this.gaps++;
    this.places.set(channel, { epoch, offset });
  }

  #take(channel: string, { offset, data }: { offset: number; data: unknown }): void {
    const place = this.places.get(channel) as Position;
    expect({ channel, offset }).toEqual({ channel, offset: place.offset + 1 });
    expect((data as [string, number]).slice(0, 2)).toEqual([channel, offset]);
    place.offset = offset;
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("publish"), fc.nat(2), fc.integer({ min: 0, max: 600 })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("burst"), fc.nat(2), fc.integer({ min: 2, max: 12 })) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("turn"), fc.constant(0), fc.constant(0)) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constant("time"), fc.constant(0), fc.integer({ min: 1, max: 30_000 })),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.constantFrom("stall", "resume", "drop", "connect"),
      fc.nat(clientCount - 1),
      fc.constant(0),
    ),
  },
);

interface Options {
  window: number;
  size: number;
  bytes: number;
  seed: number;
  /** The log's behaviour: immediate, with a delay of up to 40 ms, or with that delay and occasional failures. */
  log: "quick" | "slow" | "flaky";
}

const setup = fc.record<Options>({
  window: fc.constantFrom(1, 200, 1_000, 5_000),
  size: fc.integer({ min: 1, max: 20 }),
  bytes: fc.constantFrom(700, 3_000, 1_000_000),
  seed: fc.nat(),
  log: fc.constantFrom("quick", "slow", "flaky"),
});

type Step = [string, number, number];

/** Makes a log that is slow or fails at random. */
function temperamental(memory: Log, clock: FakeClock, behaviour: () => Options["log"]): Partial<Log> {
  const wait = async (): Promise<void> => {
    if (behaviour() === "quick") return;
    await new Promise<void>((resolve) => void clock.timer(40 * clock.random(), resolve));
    if (behaviour() === "flaky" && clock.random() < 0.2) throw new Error("gone for a moment");
  };
  return {
    read: (...args) => wait().then(() => memory.read(...args)),
    watch: (...args) => wait().then(() => memory.watch(...args)),
    append: (...args) => wait().then(() => memory.append(...args)),
  };
}

async function play(
  start: Start,
  { log: behaviour, window, size, bytes, seed }: Options,
  steps: Step[],
): Promise<number> {
  const clock = fakeClock({ seed });
  let isCalm = false;
  const replace = (memory: Log): Partial<Log> =>
    temperamental(memory, clock, () => (isCalm ? "quick" : behaviour));
  const log = logWith(clock, replace, { size, bytes, ttl: Infinity });
  const core = start({ clock, log, window });
  const { notifier } = core;
  const clients = Array.from(
    { length: clientCount },
    (_, n) => new Client(notifier, n === 0 ? ["a", "b"] : [], behaviour === "flaky"),
  );
  const published = new Map(channels.map((channel) => [channel, 0]));
  const readAll = (): void => {
    for (const client of clients) client.read();
  };
  const publish = (nth: number, length: number): void => {
    const channel = channels[nth] as string;
    const offset = (published.get(channel) as number) + 1;
    published.set(channel, offset);
    void notifier.publish(channel, [channel, offset, "x".repeat(length)]);
  };
  const turn = () => (behaviour === "quick" ? clock.settle() : clock.advance(20));
  for (const client of clients) client.connect();
  await turn();
  for (const [what, which, amount] of steps) {
    const client = clients[which] as Client;
    if (what === "publish") publish(which, amount);
    else if (what === "burst") for (let i = 0; i < amount; i++) publish(which, 30);
    else if (what === "turn") await turn();
    else if (what === "time") await clock.advance(amount);
    else if (what === "stall") client.stall();
    else if (what === "resume") client.resume();
    else if (what === "drop") client.drop();
    else client.connect();
    readAll();
  }
  // At the end the log works, every client reads or comes back, and each has the channel's position.
  isCalm = true;
  for (let round = 0; round < 3; round++) {
    for (const client of clients) {
      client.resume();
      client.connect();
    }
    await (behaviour === "quick" ? clock.settle() : clock.advance(10_000));
    readAll();
  }
  for (const client of clients) {
    for (const [channel, offset] of published) {
      expect({ channel, offset: client.places.get(channel)?.offset }).toEqual({ channel, offset });
    }
  }
  const gaps = clients.reduce((sum, client) => sum + client.gaps, 0);
  await finish(core);
  if (behaviour === "flaky") core.errors.length = 0;
  return gaps;
}

test("in any case a subscriber sees offsets rise by one, or a reported gap", async ({ start }) => {
  let gaps = 0;
  const property = fc.asyncProperty(
    setup,
    fc.array(step, { minLength: 10, maxLength: 60, size: "max" }),
    async (options, steps) => {
      gaps += await play(start, options, steps as Step[]);
    },
  );
  await fc.assert(property, { numRuns: 80 });
  expect(gaps).toBeGreaterThan(0);
});

test("in any case a log that keeps everything leaves no gap", async ({ start }) => {
  const unbounded = setup.map((options) => ({ ...options, window: 300, size: Infinity, bytes: Infinity }));
  const property = fc.asyncProperty(
    unbounded,
    fc.array(step, { minLength: 10, maxLength: 60, size: "max" }),
    async (options, steps) => {
      expect(await play(start, options, steps as Step[])).toBe(0);
    },
  );
  await fc.assert(property, { numRuns: 50 });
});
