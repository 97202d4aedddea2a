import { expect, test } from "vitest";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import type { Notifier, Receipt } from "../../../src/engine/notifier/notifier.ts";
import type { Delivery, UndeliveredReason } from "../../../src/model/receipt.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { assertQuiet, fakeClock, type Pipe, pipe } from "../../../src/testing.ts";
import { type Random, random } from "../../simulation/random.ts";
import { runtime } from "../../support/runtime.ts";
import { range } from "../../support/wire.ts";

/** Every run on one runtime has the same storm. Each runtime has another one. */
const seed = { node: 1, bun: 2, deno: 3 }[runtime];
const publications = 12_000;
const perTick = 40;
/** Milliseconds of one round. */
const tick = 20;
const ttl = 4_000;

/**
 * `busy`: channels with many subscribers. "unsaid": only clients that are stuck or whose last acknowledgement is lost
 * subscribe to it. "unheard": nobody subscribes to it.
 */
const busy = range(1, 24).map((n) => `busy:${n}`);
const quiet = ["unsaid", "unheard"];
const channels = [...busy, ...quiet];

interface Message {
  id?: number;
  connect?: { subs?: Record<string, SubscribeResult> };
  subscribe?: SubscribeResult;
  push?: { channel: string; pub?: Pub; unsubscribe?: { code: number } };
}

interface Pub {
  offset: number;
  data: { n: number };
}

interface SubscribeResult {
  epoch: string;
  offset: number;
  recovered?: boolean;
  publications?: Pub[];
}

/** A subscriber that connects and disconnects, and checks whatever the server sends. */
class Subscriber {
  readonly user: string;
  readonly channels: readonly string[];
  readonly isStuck: boolean;
  /** Whether it ever acknowledges. `isMute`: its last acknowledgement is lost. */
  readonly acknowledges: boolean;
  readonly isMute: boolean;
  /** The offsets that it received of each channel. `missed`: how many the server reported as gone. */
  readonly got: Map<string, Set<number>>;
  readonly missed: Map<string, number>;
  isAway = true;
  readonly #byServer: boolean;
  readonly #places = new Map<string, { epoch: string; offset: number }>();
  /** The last offset of each channel. Unlike `#places`, `forget` keeps it. */
  readonly #last = new Map<string, number>();
  readonly #asked = new Map<number, string>();
  /** Acknowledgements that the network has not delivered yet. */
  readonly #delayed: string[] = [];
  #pipe: Pipe | undefined;
  #ids = 0;

  constructor(index: number) {
    const person = index % 157;
    this.user = `user ${person}`;
    this.isStuck = index % 10 === 0;
    this.isMute = index % 10 < 3;
    this.acknowledges = person < 100;
    this.#byServer = index % 2 === 0;
    const ours = this.acknowledges ? busy.slice(0, 16) : busy.slice(12);
    const own = new Set([ours[person % ours.length], ours[(person * 5 + 3) % ours.length]] as string[]);
    this.channels = this.isMute && this.acknowledges ? [...own, "unsaid"] : [...own];
    this.got = new Map(this.channels.map((name) => [name, new Set()]));
    this.missed = new Map(this.channels.map((name) => [name, 0]));
  }

  arrive(notifier: Notifier): void {
    this.isAway = false;
    this.#asked.clear();
    const peer = { user: this.user, channels: this.#byServer ? this.channels : [], authorize: () => true };
    this.#pipe = pipe(notifier, { peer });
    const wanted = this.channels.map((channel) => [channel, this.#wish(channel)] as const);
    const subs = this.#byServer ? Object.fromEntries(wanted) : {};
    this.#pipe.send({ id: ++this.#ids, connect: { subs } });
    if (!this.#byServer) for (const channel of this.channels) this.#subscribe(channel);
  }

  #wish(channel: string): object {
    const place = this.#places.get(channel);
    return place === undefined ? {} : { recover: true, ...place };
  }

  #subscribe(channel: string): void {
    this.#asked.set(++this.#ids, channel);
    this.#pipe?.send({ id: this.#ids, subscribe: { channel, ...this.#wish(channel) } });
  }

  get session(): string | undefined {
    return this.#pipe?.session.id;
  }

  stall(): void {
    this.#pipe?.stall();
  }

  resume(): void {
    if (!this.isStuck) this.#pipe?.resume();
  }

  /** Makes the subscriber lose its positions, so that it comes back without them. */
  forget(): void {
    this.#places.clear();
  }

  /** Cuts the connection. What is in flight is lost; what has arrived is read first. */
  drop(): void {
    this.read();
    this.#pipe?.drop();
    this.isAway = true;
  }

  /** Reads what has arrived, and returns whether there was anything. */
  read(): boolean {
    const came = (this.#pipe?.take() ?? []) as Message[];
    for (const message of came) this.#take(message);
    if (this.#pipe?.cut || (this.#pipe?.closed !== undefined && this.#pipe.waiting === 0)) this.isAway = true;
    return came.length > 0;
  }

  #take({ id, connect, subscribe, push }: Message): void {
    if (connect !== undefined) {
      for (const [channel, place] of Object.entries(connect.subs ?? {})) this.#begin(channel, place);
    } else if (subscribe !== undefined) this.#begin(this.#asked.get(id as number) as string, subscribe);
    else if (push?.pub !== undefined) this.#have(push.channel, push.pub);
    else if (push?.unsubscribe !== undefined) {
      expect(push.unsubscribe.code).toBe(2500);
      this.#subscribe(push.channel);
    } else if (push === undefined) throw new Error(`${this.user} is refused: ${id}`);
  }

  #begin(channel: string, { epoch, offset, recovered = false, publications = [] }: SubscribeResult): void {
    const before = this.#places.get(channel);
    if (recovered) expect({ epoch, offset }).toEqual(before);
    const skipped = offset - (this.#last.get(channel) ?? 0);
    this.missed.set(channel, (this.missed.get(channel) as number) + skipped);
    this.#last.set(channel, offset);
    this.#places.set(channel, { epoch, offset });
    for (const each of publications) this.#have(channel, each);
  }

  #have(channel: string, { offset, data }: Pub): void {
    const place = this.#places.get(channel);
    if (place === undefined || offset !== place.offset + 1 || data.n !== offset)
      throw new Error(`${this.user} has ${place?.offset} of ${channel}, and gets ${offset}: ${data.n}`);
    place.offset = offset;
    this.#last.set(channel, offset);
    this.got.get(channel)?.add(offset);
  }

  /** Acknowledges over a network that loses, repeats and delays. */
  acknowledge(chance: Random): void {
    if (!this.acknowledges) return;
    if (chance.chance(0.2)) for (const ack of this.#delayed.splice(0)) this.#pipe?.send(ack);
    const fate = chance.next();
    if (fate < 0.2) this.#delayed.push(this.#acknowledgement());
    else if (fate > 0.5) this.#pipe?.send(this.#acknowledgement());
    if (fate > 0.8) this.#pipe?.send(this.#acknowledgement());
  }

  /** Acknowledges without loss. */
  confirm(): void {
    if (this.acknowledges) this.#pipe?.send(this.#acknowledgement());
  }

  #acknowledgement(): string {
    return JSON.stringify({ send: { data: { ack: Object.fromEntries(this.#places) } } });
  }
}

/** A confirmed publication in the log, and its outcome. Some outcomes are asked for at once, others at the end. */
interface Confirmed {
  readonly receipt: Receipt;
  readonly expires: number;
  readonly isAskedAtOnce: boolean;
  outcome?: Delivery | Error;
}

class Storm {
  readonly clock = fakeClock({ seed });
  readonly chance = random(seed);
  readonly errors: unknown[] = [];
  readonly undelivered: { id: string; reason: UndeliveredReason; at: number }[] = [];
  readonly notifier: Notifier;
  readonly subscribers: Subscriber[];
  /** Per channel, the number of publications made. `logged`: the number in the log. */
  readonly made = new Map(channels.map((name) => [name, 0]));
  readonly logged = new Map(channels.map((name) => [name, 0]));
  readonly confirmed = new Map<string, Confirmed>();
  /** Publications whose delivery became known since the last check. */
  readonly #fresh: Confirmed[] = [];
  toConfirm = 0;

  constructor() {
    const { clock } = this;
    this.notifier = createNotifier({
      clock,
      log: memoryLog({ clock, size: 150, slack: 0 }),
      window: 8_192,
      grace: 2_000,
      limits: { slow: 3_000, confirmed: 40, delivery: ttl },
      onUndelivered: ({ channel, offset }, reason) =>
        this.undelivered.push({ id: `${channel} ${offset}`, reason, at: clock.now() }),
      onError: (error) => this.errors.push(error),
    });
    this.subscribers = range(0, 199).map((index) => new Subscriber(index));
  }

  publish(others = quiet): void {
    const { chance, made, notifier } = this;
    const channel = chance.pick(chance.chance(0.1) ? others : busy);
    const n = (made.get(channel) as number) + 1;
    made.set(channel, n);
    const confirm = chance.chance(1 / 3);
    if (confirm) this.toConfirm++;
    const own = chance.chance(0.1) ? 1 + chance.below(500) : undefined;
    const key = chance.chance(0.05) ? `${n}` : undefined;
    const options = { confirm, ttl: own, idempotencyKey: key };
    const first = notifier.publish(channel, { n, text: "x".repeat(chance.below(200)) }, options);
    this.#own(this.#follow(first, channel, n, confirm ? (own ?? ttl) : undefined));
    if (key === undefined) return;
    const again = notifier.publish(channel, "not this", { confirm: chance.chance(0.5), idempotencyKey: key });
    this.#own(this.#follow(again, channel, n, undefined));
  }

  /** Records the outcome of a publication. Where it is confirmed, it waits for `wait` milliseconds. */
  async #follow(published: Promise<Receipt>, channel: string, n: number, wait: number | undefined) {
    const receipt = await published;
    if (receipt.position.offset !== n) throw new Error(`${n} of ${channel} is ${receipt.position.offset}`);
    // Two publications with the same key settle later than one that was published behind them.
    this.logged.set(channel, Math.max(n, this.logged.get(channel) as number));
    if (wait === undefined) return;
    const isAskedAtOnce = this.chance.chance(0.5);
    const confirmed = { receipt, expires: this.clock.now() + wait, isAskedAtOnce };
    this.confirmed.set(`${channel} ${n}`, confirmed);
    if (isAskedAtOnce) this.ask(confirmed);
  }

  #own(promise: Promise<unknown>): void {
    promise.catch((error) => this.errors.push(error));
  }

  /** Asks for the outcome of a confirmed publication. */
  ask(confirmed: Confirmed): void {
    confirmed.receipt.delivered().then(
      (delivery) => {
        confirmed.outcome = delivery;
        this.#fresh.push(confirmed);
      },
      (error) => {
        confirmed.outcome = error;
      },
    );
  }

  /** Checks that the user named by each new delivery has received the publication by now. */
  #checkFresh(): void {
    for (const { receipt, outcome } of this.#fresh.splice(0)) {
      const { by, level } = outcome as Delivery;
      const id = `${receipt.channel} ${receipt.position.offset}`;
      if (!this.has(id, ({ user }) => user === by))
        throw new Error(`${id} is said to be ${level} by ${by}, who never got it`);
    }
  }

  /** Runs one round: some publish, some connect and disconnect, and the others read and acknowledge. */
  async tick(): Promise<void> {
    const { chance, clock, notifier, subscribers } = this;
    for (let i = 0; i < perTick; i++) this.publish();
    for (let i = 0; i < 6; i++) {
      const subscriber = chance.pick(subscribers);
      if (subscriber.isAway) {
        if (chance.chance(0.1)) subscriber.forget();
        subscriber.arrive(notifier);
      } else if (chance.chance(0.4)) subscriber.drop();
      else if (chance.chance(0.6)) subscriber.stall();
      else subscriber.resume();
    }
    await clock.advance(tick);
    for (const subscriber of subscribers) {
      if (subscriber.read()) subscriber.acknowledge(chance);
      if (subscriber.isStuck) subscriber.stall();
    }
    this.#checkFresh();
  }

  /** Brings back every subscriber that is not stuck, and lets them read until nothing is left. */
  async calm(): Promise<void> {
    const { clock, notifier, healthy } = this;
    for (let isBusy = true; isBusy; ) {
      for (const subscriber of healthy) {
        subscriber.resume();
        if (subscriber.isAway) subscriber.arrive(notifier);
      }
      await clock.advance(100);
      const came = healthy.filter((subscriber) => subscriber.read() || subscriber.isAway);
      this.#checkFresh();
      isBusy = came.length > 0 || notifier.stats().publishing > 0;
    }
  }

  /**
   * Publishes the last publications to subscribers that are all connected. The acknowledgements of the mute ones are
   * lost. For all others the outcome is known.
   */
  async last(count: number): Promise<void> {
    const { clock, notifier, subscribers, healthy } = this;
    for (const subscriber of subscribers) if (subscriber.isAway) subscriber.arrive(notifier);
    await clock.settle();
    for (const subscriber of subscribers) {
      subscriber.read();
      if (subscriber.isStuck) subscriber.stall();
      else subscriber.confirm();
    }
    for (let i = 0; i < count; i++) this.publish(["unsaid"]);
    await this.calm();
    for (const subscriber of healthy) if (!subscriber.isMute) subscriber.confirm();
    for (const confirmed of this.confirmed.values()) if (confirmed.outcome === undefined) this.ask(confirmed);
    await clock.settle();
    this.#checkFresh();
  }

  get healthy(): Subscriber[] {
    return this.subscribers.filter(({ isStuck }) => !isStuck);
  }

  get open(): string[] {
    return [...this.confirmed].filter(([, { outcome }]) => outcome === undefined).map(([id]) => id);
  }

  get discharged(): Confirmed[] {
    const reported = new Set(this.undelivered.map(({ id }) => id));
    return [...this.confirmed]
      .filter(([id, { outcome }]) => !(outcome instanceof Error) && !reported.has(id))
      .map(([, confirmed]) => confirmed);
  }

  /** Returns whether any subscriber that `isMeant` selects received a publication. */
  has(id: string, isMeant: (subscriber: Subscriber) => boolean): boolean {
    const [channel, offset] = id.split(" ") as [string, string];
    return this.subscribers.some((each) => isMeant(each) && each.got.get(channel)?.has(Number(offset)));
  }
}

function checkEverybodyHasAll({ subscribers, logged }: Storm): void {
  for (const { user, isStuck, channels, got, missed } of subscribers) {
    for (const channel of isStuck ? [] : channels) {
      const [has, lacks, top] = [got.get(channel)?.size, missed.get(channel), logged.get(channel)];
      expect(`${user} has ${has} of ${channel}`).toBe(
        `${user} has ${(top ?? 0) - (lacks ?? 0)} of ${channel}`,
      );
    }
  }
}

/**
 * A discharged publication was received by the user that its delivery names. One that still waits was acknowledged by
 * nobody. One that was given up is reported once. A publication that was given up may still be acknowledged: then its
 * receipt returns that.
 */
function checkOutcomes(storm: Storm): void {
  const reports = new Map(storm.undelivered.map((report) => [report.id, report]));
  expect(reports.size).toBe(storm.undelivered.length);
  const hasSaidSo = ({ isStuck, isMute }: Subscriber): boolean => !isStuck && !isMute;
  for (const [id, { outcome, isAskedAtOnce }] of storm.confirmed) {
    const report = reports.get(id);
    if (outcome === undefined && (report !== undefined || storm.has(id, hasSaidSo)))
      throw new Error(`${id} waits, though it is given up, or somebody has said to have it`);
    if (outcome instanceof Error && report === undefined)
      throw new Error(`${id} is given up without a report`);
    if (outcome === undefined || outcome instanceof Error) continue;
    if (isAskedAtOnce && report !== undefined) throw new Error(`${id} is delivered, and reported as not`);
  }
  const wrong = storm.undelivered.filter(
    ({ id, reason, at }) => reason === "expired" && at !== storm.confirmed.get(id)?.expires,
  );
  expect(wrong).toEqual([]);
}

test(`after a storm every publication is accounted for (seed ${seed})`, async () => {
  const storm = new Storm();
  const { clock, notifier, subscribers, undelivered } = storm;
  for (const subscriber of subscribers) subscriber.arrive(notifier);
  for (let done = 400; done < publications; done += perTick) await storm.tick();
  await storm.calm();
  await storm.last(400);
  expect(storm.logged).toEqual(storm.made);
  expect(storm.confirmed.size).toBe(storm.toConfirm);
  checkEverybodyHasAll(storm);
  checkOutcomes(storm);
  const { open } = storm;
  expect(notifier.stats()).toMatchObject({ confirmed: open.length, publishing: 0 });

  const before = undelivered.length;
  const closing = notifier.close();
  await clock.advance(2_000);
  const report = await closing;
  const rows = report.undelivered.map(({ channel, position }) => `${channel} ${position.offset}`);
  expect(rows).toEqual(undelivered.slice(before).map(({ id }) => id));
  expect(rows.sort()).toEqual(open.sort());
  expect(report.givenUp).toBe(undelivered.length);
  const healthy = storm.healthy.map(({ session }) => session);
  expect(report.cut.filter(({ session }) => healthy.includes(session))).toEqual([]);
  for (const subscriber of subscribers) subscriber.read();
  checkEverybodyHasAll(storm);
  checkOutcomes(storm);
  expect(storm.open).toEqual([]);
  const { discharged } = storm;
  expect(discharged.length + undelivered.length).toBe(storm.toConfirm);
  assertQuiet(notifier);
  expect([clock.armed, storm.errors]).toEqual([0, []]);
});
