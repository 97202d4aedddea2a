import { ignorable } from "../../base/scope.ts";
import { closed } from "../../model/errors.ts";
import type { Membership, Position, Retention } from "../../model/log.ts";
import type { Context } from "../core/context.ts";
import { urgent } from "../log/append-queue.ts";
import { tryAgain } from "../log/try-again.ts";
import { Inbox } from "./inbox.ts";
import { decoded, encoded, everybody, inboxOf, type NodeMessage } from "./node-message.ts";

/** What the answers to a question are. */
export interface Answers {
  /** The answers, by the id of the node. */
  readonly of: ReadonlyMap<string, unknown>;
  /** Whether every node that lives has answered. */
  readonly isComplete: boolean;
}

/** Handles one kind of message. What it returns is the answer, if the message is a question. */
type Handle = (body: unknown, from: string) => unknown;

/** Milliseconds to wait for what other nodes tell: one that takes longer is left out. */
export const patience = 1_000;

/** Milliseconds by which the clocks of two machines may differ. */
const skew = 60_000;
/** Maximum number of messages in which a node looks for those that came before it could hear of them. */
const mostLate = 256;

/** Maximum number of things in one message of `Nodes.add`. */
const batch = 1_000;

/** How much is kept of messages. Who is away for longer has missed some, and is told so. */
const retention: Partial<Retention> = { size: 10_000, bytes: 8_388_608, ttl: 600_000, slack: 0 };

/**
 * The notifiers that work with one log at the same time. They send each other messages through channels of that log, so
 * messages of one node arrive in order. With a log of one process nothing of this exists: nothing is sent or read.
 */
export class Nodes {
  readonly #context: Context;
  readonly #handles = new Map<string, Handle>();
  readonly #asked = new Map<string, (from: string, body: unknown) => void>();
  #membership: Membership | undefined;
  #inboxes: readonly Inbox[] = [];
  /** The names that this node has had: the log may have taken it for gone meanwhile. */
  readonly #own = new Set<string>();
  readonly #vital = new Set<string>();
  /** When this process was first used, in milliseconds since the Unix epoch: from then on it may have sessions. */
  usedAt = 0;
  /** What it has read last of the messages to all. */
  #read: Position | undefined;
  /** Whether it knows whether it has come too late for something vital. */
  #hasLookedBack = false;
  #questions = 0;
  /** Whether this node was one of several, and has left. */
  #hasLeft = false;
  /** What leaves at the end of this turn, by channel and kind. */
  readonly #gathered = new Map<string, { channel: string; kind: string; items: unknown[] }>();
  /** Messages that are on their way into the log. */
  readonly #underWay = new Set<Promise<void>>();
  /** Each is called when messages were lost before they could be read: those to all nodes, or those to this one. */
  readonly onMissed: ((to: "all" | "this") => void)[] = [];
  /** Each is called whenever this node has become one of several, each time under another id. */
  readonly onBegin: (() => void)[] = [];

  constructor(context: Context) {
    this.#context = context;
  }

  /** The id of this node. Undefined if it works alone. */
  get id(): string | undefined {
    return this.#membership?.id;
  }

  /** Whether this node has, or has had, an id. */
  isOwn(id: string): boolean {
    return this.#own.has(id);
  }

  /**
   * Sets what is done with messages of a kind. `isVital`: a node that has accepted sessions before it could hear of one has
   * missed it.
   */
  on(kind: string, handle: Handle, { isVital = false }: { isVital?: boolean } = {}): void {
    this.#handles.set(kind, handle);
    if (isVital) this.#vital.add(kind);
  }

  /** Called whenever this process has become a member of its log. Resolves once other nodes can reach it. */
  async begin(membership: Membership): Promise<void> {
    if (membership.nodes === undefined) return;
    const { id } = membership;
    this.#own.add(id);
    const context = this.#context;
    const take = ({ data }: { data: string }): void => this.#take(data);
    const missed = (to: "all" | "this"): void => {
      for (const each of this.onMissed) each(to);
    };
    const own = { context, channel: inboxOf(id), take, missed: () => missed("this") };
    // What came while it had no place must not be lost.
    const shared = { context, channel: everybody, after: this.#read, take, missed: () => missed("all") };
    this.#inboxes = [new Inbox(own), new Inbox(shared)];
    await Promise.all(this.#inboxes.map((inbox) => inbox.open()));
    if (!this.#hasLookedBack && (await this.#hasComeLate())) missed("all");
    this.#hasLookedBack = true;
    this.#membership = membership;
    this.#hasLeft = false;
    this.#sendGathered();
    for (const each of this.onBegin) each();
  }

  /** Whether others may have told something vital after this process was first used, and before it could hear of it. */
  async #hasComeLate(): Promise<boolean> {
    const { entries } = await this.#context.log.read(everybody, { last: mostLate });
    const since = this.usedAt - skew;
    const [oldest] = entries;
    if (entries.length === mostLate && (oldest?.time ?? 0) >= since) return true;
    return entries.some(({ time, data }) => time >= since && this.#vital.has(decoded(data)?.kind ?? ""));
  }

  /** Returns the ids of all nodes that are not taken for gone, this one included. None where this one works alone. */
  async alive(): Promise<readonly string[]> {
    return (await this.#membership?.nodes?.()) ?? [];
  }

  /**
   * Stops reading messages. Those that wait for answers get none. `isForGood`: otherwise it begins again, and says then
   * what it has to say meanwhile.
   */
  end({ isForGood }: { isForGood: boolean }): void {
    for (const inbox of this.#inboxes) inbox.end();
    this.#read = this.#inboxes.at(-1)?.position ?? this.#read;
    this.#inboxes = [];
    this.#membership = undefined;
    if (!isForGood) return;
    this.#hasLeft ||= this.#own.size > 0;
    this.#gathered.clear();
  }

  /**
   * Adds something to the message of a kind that leaves at the end of this turn, for one node or, without one, for all
   * others. Its handler gets a list. What is added before this node has its id leaves when it has.
   */
  add(node: string | undefined, kind: string, item: unknown): void {
    if (this.#hasLeft) return;
    const channel = node === undefined ? everybody : inboxOf(node);
    const isFirst = this.#gathered.size === 0 && this.#membership !== undefined;
    if (isFirst) this.#context.clock.turn(() => this.#sendGathered());
    const key = JSON.stringify([channel, kind]);
    const gathered = this.#gathered.get(key) ?? { channel, kind, items: [] };
    this.#gathered.set(key, gathered);
    gathered.items.push(item);
  }

  #sendGathered(): void {
    if (this.#membership === undefined) return;
    const all = [...this.#gathered.values()];
    this.#gathered.clear();
    for (const { channel, kind, items } of all) {
      for (let at = 0; at < items.length; at += batch) {
        const sending = this.#send(channel, { kind, body: items.slice(at, at + batch) });
        this.#attend(`messages ${kind}`, sending);
        this.#underWay.add(sending);
        const sent = (): void => void this.#underWay.delete(sending);
        sending.then(sent, sent);
      }
    }
  }

  /** Sends what `add` has gathered now, before the turn ends. Resolves once it is in the log, with everything that was sent before. */
  async flush(): Promise<void> {
    this.#sendGathered();
    await Promise.allSettled(this.#underWay);
  }

  /** Sends a message to one node. It settles once the message is in the log. */
  async tell(node: string, kind: string, body: unknown): Promise<void> {
    await this.#send(inboxOf(node), { kind, body });
  }

  /** Sends a message to all other nodes. Does nothing where this one works alone. Rejects once it has left the others. */
  async tellAll(kind: string, body: unknown): Promise<void> {
    if (this.#hasLeft) throw closed("tell other nodes");
    if (this.#membership !== undefined) await this.#send(everybody, { kind, body });
  }

  /** Asks all other nodes, and waits for those that live, for a second at most. */
  async ask(kind: string, body: unknown, signal?: AbortSignal): Promise<Answers> {
    const of = new Map<string, unknown>();
    const membership = this.#membership;
    if (membership?.nodes === undefined) return { of, isComplete: true };
    const asks = `${membership.id}:${++this.#questions}`;
    let missing: Set<string> | undefined;
    const { scope } = this.#context;
    const isComplete = await scope.wait<boolean>(`answers about ${kind}`, signal, ({ resolve, reject }) => {
      const cancel = scope.timer(`answers about ${kind}`, patience, () => resolve(false));
      this.#asked.set(asks, (from, answer) => {
        of.set(from, answer);
        missing?.delete(from);
        if (missing?.size === 0) resolve(true);
      });
      const asking = async (): Promise<void> => {
        const [nodes] = await Promise.all([
          membership.nodes?.(),
          this.#send(everybody, { kind, body, asks }),
        ]);
        missing = new Set(nodes?.filter((node) => node !== membership.id && !of.has(node)));
        if (missing.size === 0) resolve(true);
      };
      asking().catch(reject);
      return () => {
        cancel();
        this.#asked.delete(asks);
      };
    });
    return { of, isComplete };
  }

  /**
   * Asks one node, and waits for a second at most. The answer is undefined if it does not come in time. The node gets the
   * question later then, if it lives.
   */
  async askOne(node: string, kind: string, body: unknown): Promise<{ isMember: boolean; answer: unknown }> {
    const membership = this.#membership;
    const isMember = (await membership?.nodes?.())?.includes(node) === true;
    if (!isMember) return { isMember, answer: undefined };
    const asks = `${membership?.id}:${++this.#questions}`;
    const { scope } = this.#context;
    const owner = `answer about ${kind}`;
    const answer = await scope.wait<unknown>(owner, undefined, ({ resolve, reject }) => {
      const cancel = scope.timer(owner, patience, () => resolve(undefined));
      this.#asked.set(asks, (_, found) => resolve(found));
      this.#send(inboxOf(node), { kind, body, asks }).catch(reject);
      return () => {
        cancel();
        this.#asked.delete(asks);
      };
    });
    return { isMember, answer };
  }

  async #send(channel: string, message: Omit<NodeMessage, "from">): Promise<void> {
    const from = this.#membership?.id ?? "";
    const text = encoded({ from, ...message });
    if (this.#context.flushing) await this.#sendLate(channel, text);
    else await this.#context.append(channel, text, { retention }, urgent);
  }

  /** Sends a message while this node closes. Nothing is published any more, but it still has to tell what it learns. */
  async #sendLate(channel: string, text: string): Promise<void> {
    await tryAgain(this.#context, `send a message to ${channel.slice(1)}`, async () => {
      await this.#context.appends.ahead(channel, text, { time: this.#context.clock.time(), retention });
    });
  }

  #take(text: string): void {
    const message = decoded(text);
    const { counters } = this.#context;
    if (message === undefined) return counters.hit("messages");
    const { from, kind, body, asks, answers } = message;
    if (this.#own.has(from)) return;
    if (answers !== undefined) return this.#asked.get(answers)?.(from, body);
    const handle = this.#handles.get(kind);
    if (handle === undefined) return counters.hit("messages");
    const handling = this.#handle(handle, message, asks);
    const owner = `message ${kind} of ${from}`;
    if (asks !== undefined) this.#attend(owner, handling);
    else this.#context.scope.own("task", owner, handling);
  }

  /** Owns what sends a message. One that cannot leave any more before this node has closed is nobody's fault. */
  #attend(owner: string, sending: Promise<void>): void {
    if (this.#context.flushing) ignorable(sending);
    else this.#context.scope.own("task", owner, sending);
  }

  async #handle(handle: Handle, { from, kind, body }: NodeMessage, asks: string | undefined): Promise<void> {
    const answer = await handle(body, from);
    if (asks !== undefined) await this.#send(inboxOf(from), { kind, body: answer, answers: asks });
  }
}
