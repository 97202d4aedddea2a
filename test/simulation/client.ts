import { byteLength } from "../../src/base/bytes.ts";
import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import type { Peer } from "../../src/model/peer.ts";
import type { Session } from "../../src/model/socket.ts";

/** What a command is for. `subscribe` is removed when the client unsubscribes. */
interface Meaning {
  subscribe?: string | undefined;
  recover?: boolean;
  /** Whether it has reached a server that can answer it without waiting. */
  isDue?: boolean;
  /** Which run of the reused id existed when it reached the server. */
  life?: number;
  publish?: { channel: string; text: string };
}

/** A client that follows the protocol, behind a network that the scheduler moves. It throws when a rule is broken. */
export class Client {
  readonly user: string;
  /** The last position in each channel that it was ever subscribed to. */
  readonly positions = new Map<string, { epoch: string; offset: number }>();
  /** The channels that it is subscribed to now. */
  readonly live = new Set<string>();
  /** Whether it has acknowledged anything in this session. */
  acknowledges = false;
  /** The offsets at which its subscriptions began. */
  readonly #since = new Map<string, number>();
  /** Everything that it has received, and how far it has acknowledged, by channel and epoch. */
  readonly #taken = new Map<string, Set<number>>();
  readonly #said = new Map<string, number>();
  /** Its last session, and the channels that it was subscribed to when that session ended. */
  lastSession: string | undefined;
  lastLive: string[] = [];
  session: Session | undefined;
  closed: number | undefined;
  stalled = false;
  /** Called whenever the server sends it a ping, or receives its pong. */
  beat: () => void = () => {};
  /** Returns how many runs have had the reused id. */
  lives: () => number = () => 0;
  /** Returns the run that a reader from the start must see at least, if so many had the id when it began. */
  livedSince: (life: number) => number = (life) => life;
  /** The first run of the reused id whose events the client may receive, by channel. */
  readonly #lives = new Map<string, number>();
  /** Whether it subscribes with `join_leave`. */
  readonly joins: boolean;
  /** Bytes that it had not read when it was last closed. */
  unreadAtClose = 0;
  /** Frames in transit, in each direction. */
  readonly #down: string[] = [];
  readonly #up: string[] = [];
  readonly #commands = new Map<number, Meaning>();
  /** Whether the connect reply has left the server. */
  #isGreeted = false;
  readonly #truth: ReadonlyMap<string, readonly string[]>;
  readonly #channels: readonly string[];
  #ids = 0;
  #ending: number | undefined;
  #connection = 0;

  constructor(
    user: string,
    channels: readonly string[],
    truth: ReadonlyMap<string, readonly string[]>,
    joins: boolean,
  ) {
    this.user = user;
    this.joins = joins;
    this.#channels = channels;
    this.#truth = truth;
  }

  get isConnected(): boolean {
    return this.session !== undefined;
  }

  /** Bytes that were sent to it and that it has not read. */
  get unread(): number {
    return this.#down.reduce((sum, frame) => sum + byteLength(frame) + 1, 0);
  }

  connect(notifier: Notifier, rules: Omit<Peer, "user" | "channels">): void {
    const connection = ++this.#connection;
    const isCurrent = (): boolean => connection === this.#connection;
    this.#reset();
    this.closed = undefined;
    this.session = notifier.accept(
      {
        send: (data) => {
          if (!isCurrent() || this.#ending !== undefined) return;
          this.#down.push(data as string);
          if ((data as string).endsWith("{}")) this.beat();
          this.#isGreeted ||= (data as string).includes(',"connect":{');
        },
        close: (code) => {
          if (!isCurrent() || this.#ending !== undefined) return;
          this.#ending = code;
          this.unreadAtClose = this.unread;
        },
        terminate: () => {
          if (isCurrent()) this.drop();
        },
      },
      { ...rules, user: this.user, channels: this.#channels },
    );
    this.lastSession = this.session.id;
    const subs: Record<string, object> = {};
    for (const channel of this.#channels) {
      const position = this.positions.get(channel);
      if (position === undefined) continue;
      subs[channel] = { recover: true, ...position };
      this.#say(channel, position.epoch, position.offset);
    }
    this.#command({ connect: { subs } }, {});
  }

  #reset(): void {
    this.lastLive = [...this.live];
    this.#down.length = 0;
    this.#up.length = 0;
    this.#commands.clear();
    this.#isGreeted = false;
    this.live.clear();
    this.acknowledges = false;
    this.#ending = undefined;
    this.session = undefined;
  }

  /** Returns whether it is subscribed to a channel, or has requested it. */
  knows(channel: string): boolean {
    return (
      this.live.has(channel) || [...this.#commands.values()].some(({ subscribe }) => subscribe === channel)
    );
  }

  /** The channels that it has requested, without a reply yet. */
  get asking(): string[] {
    return [...this.#commands.values()].flatMap(({ subscribe }) => subscribe ?? []);
  }

  /** Reads everything that is in transit to it. */
  drain(): void {
    this.stalled = false;
    while (this.#down.length > 0 || this.#ending !== undefined) this.step(false);
  }

  subscribe(channel: string): void {
    const position = this.positions.get(channel);
    if (position !== undefined) this.#say(channel, position.epoch, position.offset);
    const joins = this.joins && { join_leave: true };
    const request =
      position === undefined ? { channel, ...joins } : { channel, ...joins, recover: true, ...position };
    this.#command({ subscribe: request }, { subscribe: channel, recover: position !== undefined });
  }

  subscribeFromStart(channel: string): void {
    this.positions.set(channel, { epoch: "", offset: 0 });
    this.subscribe(channel);
  }

  unsubscribe(channel: string): void {
    this.live.delete(channel);
    // Like stock clients, it ignores the reply to that subscribe from now on.
    for (const meaning of this.#commands.values())
      if (meaning.subscribe === channel) meaning.subscribe = undefined;
    this.#command({ unsubscribe: { channel } }, {});
  }

  /** Returns whether it has ever received a publication. */
  has(channel: string, { epoch, offset }: { epoch: string; offset: number }): boolean {
    return this.#taken.get(`${channel} ${epoch}`)?.has(offset) === true;
  }

  /** Returns whether it has received a publication through its current subscription. */
  hasNow(channel: string, { epoch, offset }: { epoch: string; offset: number }): boolean {
    const position = this.positions.get(channel);
    if (!this.live.has(channel) || position?.epoch !== epoch) return false;
    return offset > (this.#since.get(channel) ?? 0) && offset <= position.offset;
  }

  /** Returns whether it has acknowledged a publication. */
  acknowledged(channel: string, { epoch, offset }: { epoch: string; offset: number }): boolean {
    return (this.#said.get(`${channel} ${epoch}`) ?? 0) >= offset;
  }

  /** Acknowledges what it has, correctly or in one of the ways that must be ignored. */
  acknowledge(how: "right" | "less" | "more" | "elsewhere", byRpc: boolean): void {
    this.acknowledges = true;
    const ack: Record<string, { offset: number; epoch: string }> = {};
    for (const channel of this.live) {
      const { epoch, offset } = this.positions.get(channel) as { epoch: string; offset: number };
      const said = { right: offset, less: Math.max(0, offset - 2), more: offset + 1_000, elsewhere: offset }[
        how
      ];
      ack[channel] = { offset: said, epoch: how === "elsewhere" ? "another" : epoch };
      if (how === "right" || how === "less") this.#say(channel, epoch, said);
    }
    if (byRpc) this.#command({ rpc: { method: "ack", data: { ack } } }, {});
    else this.#up.push(JSON.stringify({ send: { data: { ack } } }));
  }

  #say(channel: string, epoch: string, offset: number): void {
    const key = `${channel} ${epoch}`;
    this.#said.set(key, Math.max(offset, this.#said.get(key) ?? 0));
  }

  send(method: string, params: object): void {
    this.#command({ [method]: params }, {});
  }

  /** Publishes many events in one frame. */
  publish(channel: string, bodies: readonly object[]): void {
    const commands = bodies.map((data) => {
      const id = ++this.#ids;
      this.#commands.set(id, { publish: { channel, text: JSON.stringify(data) } });
      return JSON.stringify({ id, publish: { channel, data } });
    });
    this.#up.push(commands.join("\n"));
  }

  #command(body: object, meaning: Meaning): void {
    const id = ++this.#ids;
    this.#commands.set(id, meaning);
    this.#up.push(JSON.stringify({ id, ...body }));
  }

  /** Breaks the connection. What is in transit is lost. */
  drop(): void {
    const { session } = this;
    this.closed = 1006;
    this.#reset();
    this.#connection++;
    session?.ended(1006);
  }

  /** Whether the network has something to move for it. */
  get hasTraffic(): boolean {
    if (this.session === undefined) return false;
    if (this.#up.length > 0) return true;
    return !this.stalled && (this.#down.length > 0 || this.#ending !== undefined);
  }

  /** Moves one frame, or the close, over the network. */
  step(up: boolean): void {
    if (up && this.#up.length > 0) return this.#deliver(this.#up.shift() as string);
    if (this.stalled) return;
    const frame = this.#down.shift();
    if (frame !== undefined) {
      for (const line of frame.split("\n")) this.#read(line);
    } else if (this.#ending !== undefined) {
      const { session } = this;
      const code = this.#ending;
      this.#reset();
      this.#connection++;
      this.closed = code;
      session?.ended(code);
    }
  }

  #deliver(text: string): void {
    if (text === "{}") this.beat();
    const [first = ""] = text.split("\n", 1);
    const { id, ping, subscribe } = JSON.parse(first) as { id?: number; ping?: object; subscribe?: object };
    if (subscribe !== undefined) this.#setLife(id as number);
    const meaning = ping === undefined ? undefined : this.#commands.get(id as number);
    const { window } = this.session as unknown as { window: { hasRoomToReply: boolean } };
    if (meaning !== undefined) meaning.isDue = this.#isGreeted && window.hasRoomToReply;
    this.session?.receive(text);
  }

  #setLife(id: number): void {
    const meaning = this.#commands.get(id);
    if (meaning !== undefined) meaning.life = this.lives();
  }

  /** Whether one of its pings has arrived without an answer, although pings are answered ahead of slow commands. */
  get waitsForPing(): boolean {
    if (this.#ending !== undefined) return false;
    for (const [id, { isDue }] of this.#commands)
      if (isDue === true && !this.#down.some((frame) => frame.includes(`{"id":${id},`))) return true;
    return false;
  }

  #read(line: string): void {
    if (line === "{}") {
      this.#up.push("{}");
      return;
    }
    const message = JSON.parse(line);
    if (message.id !== undefined) this.#readReply(message);
    else this.#readPush(message.push);
  }

  // biome-ignore lint/suspicious/noExplicitAny: a reply is what the other end says it is
  #readReply(message: any): void {
    const meaning = this.#commands.get(message.id);
    if (meaning === undefined) throw new Error(`A reply to no command: ${JSON.stringify(message)}`);
    this.#commands.delete(message.id);
    for (const [channel, result] of Object.entries(message.connect?.subs ?? {})) {
      this.#begin(channel, result, this.positions.has(channel));
    }
    const { subscribe, recover, publish, life = 0 } = meaning;
    if (message.subscribe !== undefined && subscribe !== undefined) {
      // A client that begins at the start of a run's channel gets nothing of earlier runs.
      if (this.positions.get(subscribe)?.epoch === "") this.#lives.set(subscribe, life);
      this.#begin(subscribe, message.subscribe, recover);
    }
    if (message.publish !== undefined && publish !== undefined && !this.#isThere(publish))
      throw new Error(`${this.user} published ${publish.text}, which is nowhere`);
  }

  #isThere({ channel, text }: { channel: string; text: string }): boolean {
    return [...this.#truth].some(([key, texts]) => key.startsWith(`${channel} `) && texts.includes(text));
  }

  // biome-ignore lint/suspicious/noExplicitAny: a result is what the other end says it is
  #begin(channel: string, result: any, recovering = false): void {
    const { epoch, offset, recovered = false, publications = [] } = result;
    if ((result.was_recovering ?? false) !== recovering)
      throw new Error(`${channel}: was_recovering is wrong`);
    const before = this.positions.get(channel);
    if (recovered) {
      if (before === undefined || offset !== before.offset)
        throw new Error(`${channel}: recovered from ${offset}, not ${before?.offset}`);
      if (before.epoch !== "" && before.epoch !== epoch)
        throw new Error(`${channel}: recovered across epochs`);
    } else if (publications.length > 0) throw new Error(`${channel}: publications without recovery`);
    this.#since.set(channel, offset);
    this.positions.set(channel, { epoch, offset });
    this.live.add(channel);
    for (const publication of publications) this.#take(channel, publication);
  }

  // biome-ignore lint/suspicious/noExplicitAny: a push is what the other end says it is
  #readPush(push: any): void {
    if (push.pub !== undefined) {
      // Publications that were in transit when the client unsubscribed are ignored.
      if (this.live.has(push.channel)) this.#take(push.channel, push.pub);
    } else if (push.unsubscribe !== undefined) this.live.delete(push.channel);
    else if (this.joins && (push.join ?? push.leave) !== undefined) return;
    else if (push.message?.data?.notice === undefined)
      throw new Error(`A push nobody asked for: ${JSON.stringify(push)}`);
  }

  #take(channel: string, { offset, data }: { offset: number; data: unknown }): void {
    const position = this.positions.get(channel) as { epoch: string; offset: number };
    if (offset !== position.offset + 1)
      throw new Error(`${channel}: ${offset} came after ${position.offset}`);
    const meant = this.#truth.get(`${channel} ${position.epoch}`)?.[offset - 1];
    if (JSON.stringify(data) !== meant) throw new Error(`${channel}: ${offset} is not what was published`);
    const { life } = data as { life?: number };
    const least = this.livedSince(this.#lives.get(channel) ?? 0);
    if (life !== undefined && life < least)
      throw new Error(`${channel}: ${offset} is of run ${life}, and there was ${least}`);
    position.offset = offset;
    const key = `${channel} ${position.epoch}`;
    const taken = this.#taken.get(key) ?? new Set();
    this.#taken.set(key, taken.add(offset));
  }
}
