import type { Position } from "../../src/model/log.ts";
import { type Pipe, pipe } from "../../src/testing/pipe.ts";
import type { SimNode } from "./nodes-node.ts";

/** A publication that a client was sent. */
export interface Got extends Position {
  readonly channel: string;
  readonly data: string;
  readonly at: number;
  readonly node: SimNode | undefined;
  /** Whether the session had acknowledged nothing by then, so that reading may be enough. */
  readonly isSilent: boolean;
}

/** An acknowledgement: everything up to a position. */
export interface Said extends Position {
  readonly channel: string;
  readonly at: number;
  readonly node: SimNode;
  /** Whether the server has taken it for sure. */
  readonly isSure: boolean;
  /** Whether it said so by coming back there. Only those that had sent it something can know that this is true. */
  readonly isReturn: boolean;
}

/** How it went on after a position. */
export interface Step {
  readonly channel: string;
  readonly from: Position;
  readonly epoch: string;
}

interface Pub {
  readonly offset: number;
  readonly data: unknown;
}

interface Message {
  readonly id?: number;
  readonly error?: { readonly code: number };
  readonly subscribe?: {
    readonly epoch: string;
    readonly offset?: number;
    readonly recovered?: boolean;
    readonly publications?: readonly Pub[];
  };
  readonly push?: { readonly channel: string; readonly pub?: Pub; readonly unsubscribe?: { code: number } };
}

const start: Position = { offset: 0, epoch: "" };

/**
 * A client that follows channels as stock clients do: it comes back with its positions, to any node. It throws when what it
 * is sent is out of order. What it received is compared with the log at the end.
 */
export class NodesClient {
  readonly user: string;
  readonly acknowledges: boolean;
  /** The channels that it wants, and the position in each, once it has one. */
  readonly wanted = new Map<string, Position | undefined>();
  readonly live = new Set<string>();
  readonly got: Got[] = [];
  readonly said: Said[] = [];
  readonly steps: Step[] = [];
  /** Where it was told that it has missed something. */
  readonly gaps: Step[] = [];
  node: SimNode | undefined;
  /** When its session began, in steps of the world. */
  since = 0;
  /** The step after which its subscription to each channel began. */
  readonly begunAt = new Map<string, { readonly step: number; readonly time: number }>();
  #step = 0;
  /** The code with which it was closed last. */
  closed: number | undefined;
  /** The channels that a server has taken from it. */
  readonly withdrawn = new Set<string>();
  #pipe: Pipe | undefined;
  #hasSaid = false;
  #ids = 1;
  readonly #asked = new Map<number, { channel: string; from: Position | undefined }>();
  readonly #now: () => number;

  constructor(user: string, acknowledges: boolean, now: () => number) {
    this.user = user;
    this.acknowledges = acknowledges;
    this.#now = now;
  }

  get isConnected(): boolean {
    return this.#pipe !== undefined;
  }

  connect(node: SimNode, step: number): void {
    this.closed = undefined;
    this.node = node;
    this.since = step;
    this.#hasSaid = false;
    this.#pipe = pipe(node.notifier, { peer: { user: this.user, authorize: () => true } });
    this.#pipe.send({ id: 1, connect: {} });
    for (const channel of this.wanted.keys()) this.#subscribe(channel, step);
  }

  /** Follows a channel: from its start, or from where it is. */
  follow(channel: string, from: Position | undefined, step: number): void {
    if (this.wanted.has(channel)) return;
    this.wanted.set(channel, from);
    this.withdrawn.delete(channel);
    if (this.isConnected) this.#subscribe(channel, step);
  }

  fromStart(channel: string, step: number): void {
    this.follow(channel, start, step);
  }

  #subscribe(channel: string, step: number): void {
    if (this.live.has(channel) || [...this.#asked.values()].some((each) => each.channel === channel)) return;
    const id = ++this.#ids;
    const from = this.wanted.get(channel);
    this.#asked.set(id, { channel, from });
    this.#step = step;
    // What it comes back with, it has received.
    if (from !== undefined && from.epoch !== "") this.#say(channel, from, { isSure: false, isReturn: true });
    this.#pipe?.send({
      id,
      subscribe: from === undefined ? { channel } : { channel, recover: true, ...from },
    });
  }

  #say(channel: string, { epoch, offset }: Position, how: Pick<Said, "isSure" | "isReturn">): void {
    if (this.node === undefined) return;
    this.said.push({ channel, epoch, offset, at: this.#now(), node: this.node, ...how });
  }

  /** Acknowledges what it has. */
  acknowledge(): void {
    if (!this.acknowledges) return;
    this.read();
    const ack: Record<string, Position> = {};
    for (const channel of this.live) {
      const position = this.wanted.get(channel);
      if (position === undefined || position.offset === 0) continue;
      ack[channel] = position;
      this.#say(channel, position, { isSure: true, isReturn: false });
    }
    if (Object.keys(ack).length === 0) return;
    this.#hasSaid = true;
    this.#pipe?.send({ send: { data: { ack } } });
  }

  stall(): void {
    this.#pipe?.stall();
  }

  resume(): void {
    this.#pipe?.resume();
  }

  send(method: string, data: object): void {
    this.#pipe?.send({ id: ++this.#ids, rpc: { method, data } });
  }

  /** Ends the connection, from the client's side or with the node. */
  drop(): void {
    if (this.#pipe === undefined) return;
    this.read();
    this.#pipe?.drop();
    this.#gone(1006);
  }

  #gone(code: number): void {
    this.closed = code;
    this.#pipe = undefined;
    this.node = undefined;
    this.live.clear();
    this.#asked.clear();
  }

  /** Does what it should do next: comes back to channels that it has lost. */
  tend(step: number): void {
    this.#step = step;
    this.read();
    if (!this.isConnected) return;
    for (const channel of this.wanted.keys()) this.#subscribe(channel, step);
  }

  /** Takes what has arrived. */
  read(): void {
    const from = this.#pipe;
    if (from === undefined) return;
    for (const message of from.take()) this.#read(message as Message);
    if (from.closed !== undefined || from.cut) this.#gone(from.closed?.code ?? 1006);
  }

  #read({ id, error, subscribe, push }: Message): void {
    const asked = this.#asked.get(id ?? 0);
    if (asked !== undefined) {
      this.#asked.delete(id ?? 0);
      // A run that is not known, or no longer.
      if (error?.code === 103) this.wanted.delete(asked.channel);
      if (subscribe !== undefined) this.#begin(asked, subscribe);
    }
    if (push?.pub !== undefined) this.#take(push.channel, push.pub);
    if (push?.unsubscribe !== undefined) {
      this.live.delete(push.channel);
      if (push.unsubscribe.code >= 2500) return;
      this.wanted.delete(push.channel);
      this.withdrawn.add(push.channel);
    }
  }

  #begin(
    { channel, from }: { channel: string; from: Position | undefined },
    { epoch, offset = 0, recovered = false, publications = [] }: NonNullable<Message["subscribe"]>,
  ): void {
    if (recovered) {
      if (from === undefined || offset !== from.offset)
        throw new Error(`${this.user} came back to ${channel} at ${offset}, not at ${from?.offset}`);
      this.steps.push({ channel, from, epoch });
      this.#say(channel, { epoch, offset }, { isSure: true, isReturn: true });
    } else if (from !== undefined) this.gaps.push({ channel, from, epoch });
    this.live.add(channel);
    this.begunAt.set(channel, { step: this.#step, time: this.#now() });
    this.wanted.set(channel, { epoch, offset });
    for (const pub of publications) this.#take(channel, pub);
  }

  #take(channel: string, { offset, data }: Pub): void {
    const position = this.wanted.get(channel);
    if (position === undefined || offset !== position.offset + 1)
      throw new Error(`${this.user} got ${offset} of ${channel} after ${position?.offset}`);
    const { epoch } = position;
    this.wanted.set(channel, { epoch, offset });
    const isSilent = !this.#hasSaid;
    this.got.push({
      channel,
      epoch,
      offset,
      data: JSON.stringify(data),
      at: this.#now(),
      node: this.node,
      isSilent,
    });
  }
}
