import type { Clock } from "../../src/base/clock.ts";
import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import type { Position } from "../../src/model/log.ts";
import type { Session } from "../../src/model/socket.ts";
import type { Truth } from "./truth.ts";

/** How a reader reads. */
export interface ReaderOptions {
  readonly user: string;
  /** Channels that the server subscribes it to, and channels that it requests itself. */
  readonly granted: readonly string[];
  readonly asked: readonly string[];
  /** The number of turns after which it reads. 0 is at once. */
  readonly lag: number;
  /** Whether it subscribes with `join_leave`. */
  readonly joins: boolean;
  /** Whether it must never lose its position while it reads. */
  readonly isSafe: boolean;
}

interface Parts {
  readonly clock: Clock;
  readonly notifier: Notifier;
  readonly truth: Truth;
  readonly notes: unknown[];
  /** Called for everything that may be a reason for a publisher to keep waiting. */
  beat(): void;
}

/** A client without a network. It reads at once, or within a few turns, or pauses. It checks what it is guaranteed. */
export class Reader {
  readonly options: ReaderOptions;
  readonly positions = new Map<string, Position>();
  /** The channels that it is subscribed to now. */
  readonly live = new Set<string>();
  session: Session | undefined;
  stalled = false;
  /** Its positions when it was closed with everything read. */
  closed = new Map<string, Position>();
  /** Whether it may lose its position, because it did not read for a while. */
  #mayLose = false;
  readonly #parts: Parts;
  readonly #unread: string[] = [];
  readonly #asking = new Map<number, { subscribe?: string; publish?: { channel: string; text: string } }>();
  #ending: number | undefined;
  #isReading = false;
  #connection = 0;
  #ids = 0;
  /** Everything that it has received, and where its subscriptions began. */
  readonly #taken = new Set<string>();
  readonly #since = new Map<string, number>();
  readonly acknowledges = false;
  /** How far it has acknowledged, by recovering. */
  readonly #said = new Map<string, number>();

  constructor(options: ReaderOptions, parts: Parts) {
    this.options = options;
    this.#parts = parts;
    this.#mayLose = !options.isSafe;
  }

  get user(): string {
    return this.options.user;
  }

  has(channel: string, { epoch, offset }: Position): boolean {
    return this.#taken.has(`${offset} ${channel} ${epoch}`);
  }

  hasNow(channel: string, { epoch, offset }: Position): boolean {
    const position = this.positions.get(channel);
    if (!this.live.has(channel) || position?.epoch !== epoch) return false;
    return offset > (this.#since.get(channel) ?? 0) && offset <= position.offset;
  }

  acknowledged(channel: string, { epoch, offset }: Position): boolean {
    return (this.#said.get(`${channel} ${epoch}`) ?? 0) >= offset;
  }

  connect(): void {
    const { notifier, beat } = this.#parts;
    const { user, granted, asked } = this.options;
    const connection = ++this.#connection;
    const isCurrent = (): boolean => connection === this.#connection && this.#ending === undefined;
    this.#unread.length = 0;
    this.#asking.clear();
    this.live.clear();
    this.#ending = undefined;
    beat();
    this.session = notifier.accept(
      {
        send: (data) => {
          if (!isCurrent()) return;
          if ((data as string).endsWith("{}")) beat();
          this.#unread.push(data as string);
          this.#readSoon();
        },
        close: (code) => {
          if (!isCurrent()) return;
          this.#ending = code;
          this.#readSoon();
        },
        terminate: () => {
          if (connection === this.#connection) this.#end(1006);
        },
      },
      { user, channels: [...granted], authorize: () => true },
    );
    const subs = Object.fromEntries(
      granted.flatMap((name) => (this.positions.has(name) ? [[name, this.#from(name)]] : [])),
    );
    const connecting = { id: ++this.#ids, connect: { subs } };
    this.#asking.set(this.#ids, {});
    this.#send([connecting, ...asked.map((name) => this.#subscription(name))]);
  }

  #from(channel: string): object {
    const position = this.positions.get(channel);
    if (position === undefined) return {};
    this.#said.set(`${channel} ${position.epoch}`, position.offset);
    return { recover: true, ...position };
  }

  #subscription(channel: string): object {
    const id = ++this.#ids;
    this.#asking.set(id, { subscribe: channel });
    return { id, subscribe: { channel, join_leave: this.options.joins, ...this.#from(channel) } };
  }

  /** Subscribes to a channel from its start. */
  subscribeFromStart(channel: string): void {
    if (this.session === undefined || this.live.has(channel)) return;
    this.positions.set(channel, { epoch: "", offset: 0 });
    this.#send([this.#subscription(channel)]);
  }

  /** Unsubscribes from a channel, and subscribes again to what is published from then on. */
  leaveAndCome(channel: string): void {
    if (!this.live.delete(channel)) return;
    this.#asking.set(++this.#ids, {});
    this.#send([{ id: this.#ids, unsubscribe: { channel } }]);
    this.positions.delete(channel);
    this.#send([this.#subscription(channel)]);
  }

  /** Publishes many events in one frame. */
  publish(channel: string, bodies: readonly object[]): void {
    this.#send(
      bodies.map((data) => {
        this.#asking.set(++this.#ids, { publish: { channel, text: JSON.stringify(data) } });
        return { id: this.#ids, publish: { channel, data } };
      }),
    );
  }

  #send(commands: readonly object[]): void {
    this.session?.receive(commands.map((each) => JSON.stringify(each)).join("\n"));
  }

  /** The number of its publications that have not been answered. */
  get publishing(): number {
    let count = 0;
    for (const { publish } of this.#asking.values()) if (publish !== undefined) count++;
    return count;
  }

  stall(): void {
    this.stalled = true;
    this.mayLose();
  }

  /** Allows it to lose its position from now on, until all is quiet. */
  mayLose(): void {
    this.#mayLose = true;
  }

  resume(): void {
    this.stalled = false;
    this.#read();
    if (this.session === undefined) this.connect();
  }

  /** Called when all is quiet and it has everything. From now on it must not lose its position. */
  settled(): void {
    if (!this.stalled && this.session !== undefined) this.#mayLose = !this.options.isSafe;
  }

  drop(): void {
    const { session } = this;
    this.#connection++;
    this.session = undefined;
    this.live.clear();
    session?.ended(1006);
  }

  #end(code: number): void {
    const { session } = this;
    this.live.clear();
    this.#unread.length = 0;
    this.#ending = undefined;
    this.session = undefined;
    this.#connection++;
    this.#asking.clear();
    session?.ended(code);
  }

  #readSoon(): void {
    if (this.#isReading || this.stalled) return;
    this.#isReading = true;
    const wait = (turns: number): void => {
      if (turns > 0) return this.#parts.clock.turn(() => wait(turns - 1));
      this.#isReading = false;
      this.#read();
    };
    if (this.options.lag === 0) queueMicrotask(() => wait(0));
    else wait(this.options.lag);
  }

  #read(): void {
    try {
      while (!this.stalled && this.#unread.length > 0) {
        for (const line of (this.#unread.shift() as string).split("\n")) this.#take(line);
      }
      if (!this.stalled && this.#ending !== undefined) this.#closed(this.#ending);
    } catch (error) {
      this.#parts.notes.push(error);
    }
  }

  #closed(code: number): void {
    if (code !== 3001 && !this.#mayLose) throw this.#fault(`was closed ${code}`);
    if (code === 3001)
      for (const channel of this.live) this.closed.set(channel, this.positions.get(channel) as Position);
    this.#end(code);
  }

  #fault(what: string): Error {
    const { user, lag, isSafe } = this.options;
    return new Error(`${user}, who ${isSafe ? `reads within ${lag} turns` : "may lose its place"}, ${what}`);
  }

  #take(line: string): void {
    if (line === "{}") {
      this.#parts.beat();
      this.session?.receive("{}");
      return;
    }
    const { id, push, ...reply } = JSON.parse(line);
    if (id !== undefined) this.#answered(id, reply);
    else if (push.pub !== undefined) this.#publication(push.channel, push.pub);
    else if (push.unsubscribe !== undefined) this.#lost(push.channel, push.unsubscribe.code);
    else if (push.message?.data?.notice === undefined && !this.options.joins)
      throw this.#fault(`was sent ${line}`);
  }

  // biome-ignore lint/suspicious/noExplicitAny: a reply is what the other end says it is
  #answered(id: number, reply: any): void {
    const asked = this.#asking.get(id);
    if (asked === undefined) throw this.#fault(`was answered what it did not ask: ${JSON.stringify(reply)}`);
    this.#asking.delete(id);
    for (const [channel, result] of Object.entries(reply.connect?.subs ?? {})) this.#begin(channel, result);
    if (reply.subscribe !== undefined && asked.subscribe !== undefined)
      this.#begin(asked.subscribe, reply.subscribe);
    if (asked.publish === undefined || reply.error !== undefined) return;
    const { channel, text } = asked.publish;
    if (!this.#parts.truth.holds(channel, text)) throw this.#fault(`published ${text}, which is nowhere`);
  }

  // biome-ignore lint/suspicious/noExplicitAny: a result is what the other end says it is
  #begin(channel: string, { epoch, offset, recovered, was_recovering, publications = [] }: any): void {
    const before = this.positions.get(channel);
    // The start may be trimmed before the reader subscribes.
    if (was_recovering === true && recovered !== true && !this.#mayLose && before?.epoch !== "")
      throw this.#fault(`could not go on with ${channel} after ${before?.offset}`);
    if (recovered === true && offset !== before?.offset)
      throw this.#fault(`goes on with ${channel} at ${offset}`);
    this.positions.set(channel, { epoch, offset });
    this.#since.set(channel, offset);
    this.live.add(channel);
    for (const publication of publications) this.#publication(channel, publication);
  }

  #lost(channel: string, code: number): void {
    this.live.delete(channel);
    if (code === 2500 && !this.#mayLose) throw this.#fault(`lost ${channel}`);
    if (code === 2500) this.#send([this.#subscription(channel)]);
  }

  #publication(channel: string, { offset, data }: { offset: number; data: unknown }): void {
    // It may have unsubscribed in the meantime.
    if (!this.live.has(channel)) return;
    const position = this.positions.get(channel) as Position;
    if (offset !== position.offset + 1)
      throw this.#fault(`got ${offset} of ${channel} after ${position.offset}`);
    const meant = this.#parts.truth.texts.get(`${channel} ${position.epoch}`)?.[offset - 1];
    if (JSON.stringify(data) !== meant)
      throw this.#fault(`got ${JSON.stringify(data)} for ${offset} of ${channel}, not ${meant}`);
    position.offset = offset;
    this.#taken.add(`${offset} ${channel} ${position.epoch}`);
  }
}
