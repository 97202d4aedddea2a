import type { Scope } from "../../base/scope.ts";
import type { WakeHint } from "../../model/log.ts";
import { faultOf } from "./faults.ts";
import { Link, type LinkParts } from "./link.ts";
import { hintOf } from "./slice.ts";

/** What subscriptions are created from. */
export interface SubscriptionsParts extends Pick<LinkParts, "connector"> {
  readonly scope: Scope;
  now(): number;
  /** Returns the name under which this process publishes to itself, to see whether what is published in a group arrives. */
  probe(group: number): string;
  publish(name: string, text: string): Promise<unknown>;
  /** Sees to it that what is watched is not forgotten. Called every 20 minutes. */
  touch(names: readonly string[]): void;
  /** Returns the group of a name. Names of one group are on one shard, and may be in one command. */
  groupOf(name: string): number;
}

type Wake = (hint?: WakeHint) => void;

/** Somebody who waits until a name is subscribed to. */
interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

/** What was last published in a group, and what of it has arrived. */
interface Probe {
  readonly group: number;
  sent: number;
  received: number;
  /** How many names of the group are watched. */
  watches: number;
}

/** The most names in one command. */
const batch = 500;
/** Milliseconds from one probe to the next. One that has not arrived by then ends the connection. */
const probing = 5_000;
/** After how many probes the names are touched, and after how many everybody wakes in a Cluster, where slots move. */
const every = { touch: 240, sweep: 6 };
/** Milliseconds before a lost connection is made again: at first, and at most. */
const backOff = { first: 50, most: 2_000 };

/**
 * Wakes those who watch channels. All subscriptions are on one connection of their own, which is opened for the first
 * watch. When it is lost another one is opened, and everybody wakes: wakes were missed meanwhile.
 *
 * What is subscribed to follows what is watched, one command after the other.
 */
export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  readonly #link: Link;
  readonly #watches = new Map<string, Set<Wake>>();
  /** The names that the present connection is subscribed to. */
  #subscribed = new Set<string>();
  /** Those that it has to be subscribed to yet, and those that nobody watches any more. */
  #missing = new Set<string>();
  #needless = new Set<string>();
  readonly #waiting = new Map<string, Waiting[]>();
  #isWorking = false;
  /** Whether somebody has to be woken once all is subscribed to again. */
  #hasMissed = false;
  #wait = backOff.first;
  #stopWaiting: (() => void) | undefined;
  #stopProbing: (() => void) | undefined;
  /** The probes by name: one for each group of which names are watched. */
  readonly #probes = new Map<string, Probe>();

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
    const { connector, scope, now } = parts;
    const message = (name: string, text: string): void => this.#received(name, text);
    const linkParts = {
      ...{ connector, scope, message },
      ended: () => this.#lost(),
      // Only another connection is sure to have everything.
      doubted: (error: unknown) => this.#link.end(error),
    };
    this.#link = new Link(linkParts, now);
  }

  /** Calls `wake` for each message of that name. Resolves once it is subscribed to. */
  async watch(name: string, wake: Wake): Promise<AsyncDisposable> {
    const watches = this.#watches.get(name) ?? new Set();
    this.#watches.set(name, watches);
    // The same function may be given twice.
    const own: Wake = (hint) => wake(hint);
    watches.add(own);
    if (watches.size === 1) this.#begin(name);
    const end = async (): Promise<void> => {
      if (!watches.delete(own) || watches.size > 0 || this.#watches.get(name) !== watches) return;
      this.#watches.delete(name);
      this.#finish(name);
      this.#work();
    };
    try {
      await this.#established(name);
    } catch (error) {
      await end();
      throw faultOf(error, `watch ${JSON.stringify(name)}`);
    }
    return { [Symbol.asyncDispose]: end };
  }

  #begin(name: string): void {
    const group = this.#parts.groupOf(name);
    const own = this.#parts.probe(group);
    const probe = this.#probes.get(own) ?? { group, sent: 0, received: 0, watches: 0 };
    probe.watches++;
    this.#probes.set(own, probe);
    this.#want(name);
    this.#want(own);
  }

  #finish(name: string): void {
    const own = this.#parts.probe(this.#parts.groupOf(name));
    const probe = this.#probes.get(own);
    this.#drop(name);
    if (probe === undefined || --probe.watches > 0) return;
    this.#probes.delete(own);
    this.#drop(own);
  }

  #want(name: string): void {
    this.#needless.delete(name);
    if (!this.#subscribed.has(name)) this.#missing.add(name);
  }

  #drop(name: string): void {
    this.#missing.delete(name);
    if (this.#subscribed.has(name)) this.#needless.add(name);
  }

  #isWanted(name: string): boolean {
    return this.#watches.has(name) || this.#probes.has(name);
  }

  async #established(name: string): Promise<void> {
    if (this.#subscribed.has(name)) return;
    await this.#parts.scope.wait<void>("a subscription of Redis", undefined, ({ resolve, reject }) => {
      const waiting = { resolve: () => resolve(), reject };
      const all = this.#waiting.get(name) ?? [];
      this.#waiting.set(name, all);
      all.push(waiting);
      this.#work();
      return () => {
        const place = all.indexOf(waiting);
        if (place >= 0) all.splice(place, 1);
        if (all.length === 0 && this.#waiting.get(name) === all) this.#waiting.delete(name);
      };
    });
  }

  /** Wakes everybody: something may have been missed. */
  wakeAll(): void {
    for (const watches of [...this.#watches.values()]) wake(watches);
  }

  /** Ends everything. The scope has to be ended, too. */
  close(): void {
    this.#watches.clear();
    this.#link.close();
  }

  #received(name: string, text: string): void {
    const probe = this.#probes.get(name);
    if (probe !== undefined) probe.received = Number(text);
    const watches = this.#watches.get(name);
    if (watches !== undefined) wake(watches, hintOf(text));
  }

  #lost(): void {
    this.#subscribed = new Set();
    this.#needless = new Set();
    this.#missing = new Set([...this.#watches.keys(), ...this.#probes.keys()]);
    this.#hasMissed = true;
    this.#stopProbing?.();
    this.#stopProbing = undefined;
    this.#work();
  }

  #work(): void {
    if (this.#isWorking || this.#stopWaiting !== undefined || this.#parts.scope.isOver) return;
    this.#isWorking = true;
    this.#parts.scope.own("task", "subscriptions of Redis", this.#workOn());
  }

  async #workOn(): Promise<void> {
    try {
      for (let step = this.#next(); step !== undefined; step = this.#next()) {
        // Others may join in the same turn.
        await undefined;
        await step();
      }
      this.#wait = backOff.first;
      this.#settled();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isWorking = false;
    }
    if (this.#next() !== undefined) this.#work();
  }

  /** Returns what has to be done next. */
  #next(): (() => Promise<void>) | undefined {
    if (this.#parts.scope.isOver) return undefined;
    if (this.#missing.size > 0) return () => this.#subscribe(this.#part(this.#missing));
    return this.#needless.size > 0 ? () => this.#unsubscribe(this.#part(this.#needless)) : undefined;
  }

  /** Returns as many names as can be in one command. */
  #part(names: ReadonlySet<string>): string[] {
    const { connector, groupOf } = this.#parts;
    const part: string[] = [];
    let group: number | undefined;
    for (const name of names) {
      if (part.length === batch) break;
      group ??= groupOf(name);
      if (!connector.isCluster || groupOf(name) === group) part.push(name);
    }
    return part;
  }

  async #subscribe(names: string[]): Promise<void> {
    const subscribed = await this.#link.use(async (connection) => {
      const of = this.#subscribed;
      await connection.subscribe(names);
      return of;
    });
    // The connection may have been lost meanwhile.
    if (subscribed !== this.#subscribed) return;
    for (const name of names) {
      subscribed.add(name);
      this.#missing.delete(name);
      if (!this.#isWanted(name)) this.#needless.add(name);
      for (const { resolve } of [...(this.#waiting.get(name) ?? [])]) resolve();
    }
  }

  async #unsubscribe(names: string[]): Promise<void> {
    for (const name of names) {
      this.#subscribed.delete(name);
      this.#needless.delete(name);
      // Somebody may watch it again meanwhile.
      if (this.#isWanted(name)) this.#missing.add(name);
    }
    if (this.#link.isOpen) await this.#link.use((connection) => connection.unsubscribe(names));
  }

  /** Called when everything that is watched is subscribed to. */
  #settled(): void {
    if (this.#hasMissed) {
      this.#hasMissed = false;
      this.wakeAll();
    }
    if (this.#watches.size > 0) this.#probeLater();
  }

  #failed(error: unknown): void {
    // A connection may end at any time. Nobody is told before another one has failed, too.
    const isFirst = this.#wait === backOff.first;
    const waiting = isFirst ? [] : [...this.#waiting.values()];
    for (const all of waiting) for (const { reject } of [...all]) reject(error);
    if (this.#watches.size === 0) return;
    // Whatever has happened, only another connection is sure to have all subscriptions.
    this.#link.end(error);
    // The other shards of a Cluster may still be there.
    if (this.#parts.connector.isCluster) this.wakeAll();
    this.#stopWaiting = this.#parts.scope.timer("a connection to Redis", this.#wait, () => {
      this.#stopWaiting = undefined;
      this.#work();
    });
    this.#wait = Math.min(this.#wait * 2, backOff.most);
  }

  /** Sees to it that what is published arrives. A connection may be half dead, or lead to a server that is no master. */
  #probeLater(): void {
    if (this.#stopProbing !== undefined) return;
    for (const probe of this.#probes.values()) probe.sent = probe.received = 0;
    let count = 0;
    const look = (): void => {
      this.#stopProbing = undefined;
      const probes = [...this.#probes];
      if (probes.length === 0) return;
      if (probes.some(([, { sent, received }]) => received < sent)) {
        this.#link.end(new Error("What is published does not arrive"));
        return;
      }
      for (const [name, probe] of probes)
        this.#parts.scope.own("task", "a probe of Redis", this.#probe(name, probe));
      if (++count % every.touch === 0) this.#parts.touch([...this.#watches.keys()]);
      if (this.#parts.connector.isCluster && count % every.sweep === 0) this.wakeAll();
      wait();
    };
    const wait = (): void => {
      this.#stopProbing = this.#parts.scope.timer("a probe of Redis", probing, look);
    };
    wait();
  }

  async #probe(name: string, probe: Probe): Promise<void> {
    // The name may be subscribed to later.
    if (!this.#subscribed.has(name)) return;
    const next = probe.sent + 1;
    const on = this.#subscribed;
    try {
      await this.#parts.publish(name, String(next));
      if (on === this.#subscribed) probe.sent = next;
    } catch {
      // Redis cannot be reached: this says nothing about the subscriptions.
    }
  }
}

/** What a watcher throws harms nobody. */
function wake(watches: ReadonlySet<Wake>, hint?: WakeHint): void {
  for (const each of [...watches]) {
    // It may have been disposed by another one.
    if (!watches.has(each)) continue;
    try {
      each(hint);
    } catch {}
  }
}
