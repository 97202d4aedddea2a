import { trim } from "../../base/trim.ts";
import type { Position, Slice } from "../../model/log.ts";
import type { Delivery } from "../../model/receipt.ts";
import type { Context } from "../core/context.ts";
import type { Nodes } from "../nodes/nodes.ts";
import type { ChannelLedger } from "./channel-ledger.ts";
import { keyOf } from "./known-states.ts";
import {
  awaitedIn,
  type DeliveredReport,
  type DepartedReport,
  deliveredIn,
  departedIn,
  type Waited,
} from "./node-reports.ts";
import type { DeliveryState, Followed } from "./subscription.ts";
import type { Waiter } from "./waiter.ts";

/** What waits of other nodes need. */
export interface ForeignContext extends Pick<Context, "clock" | "counters" | "settings"> {
  readonly nodes: Nodes;
  /** Returns the channel of that name, while it is in use. */
  followed(channel: string): Followed | undefined;
}

/** What waits of other nodes need from the ledger. */
export interface ForeignLedger {
  of(channel: string): ChannelLedger | undefined;
  /**
   * Makes somebody wait for a publication. Refuses that if the log no longer holds it. `isNews` means that no subscriber
   * here can have been sent it.
   */
  wait(channel: string, position: Position, waiter: Waiter, isNews: boolean): void;
  /** Gives up everything that has expired. */
  expire(): void;
  /** Takes what another node has told of a publication that is awaited here. */
  learn(report: DeliveredReport): void;
  /** Takes the state of a subscriber that has left another node. */
  departedElsewhere(report: DepartedReport): void;
}

/** Maximum number of publications of which it is remembered that their node was told. */
const maxTold = 10_000;

/** Who else waits, and for how long. */
type Wait = Pick<Waiter, "level" | "by" | "node" | "isKnownToAll" | "expires"> & { readonly node: string };

/**
 * The publications that other nodes wait for, and that subscribers here may receive. Once one has, its node is told.
 *
 * A node waits for what it has published with `confirm`: the entry in the log carries its id. Other waits it tells all
 * nodes. With a log of one process nothing of this exists.
 */
export class ForeignWaits {
  readonly #context: ForeignContext;
  readonly #ledger: ForeignLedger;
  /** What their nodes were told, by publication: they need not be told again where an entry is read again. */
  readonly #told = new Map<string, DeliveredReport>();
  #size = 0;

  constructor(context: ForeignContext, ledger: ForeignLedger) {
    this.#context = context;
    this.#ledger = ledger;
    this.#on("delivered", deliveredIn, (report) => ledger.learn(report));
    this.#on("departed", departedIn, (report) => this.#departed(report));
    this.#on("awaited", awaitedIn, ({ level, by, left, ...position }, node) => {
      const expires = context.clock.now() + left;
      this.#enter(position.channel, position, { level, by, expires, node, isKnownToAll: true });
    });
  }

  /** Handles a list of reports. Those of an unknown form are counted. */
  #on<T>(kind: string, read: (item: unknown) => T | undefined, take: (item: T, from: string) => void): void {
    const { nodes, counters } = this.#context;
    nodes.on(kind, (body, from) => {
      for (const item of Array.isArray(body) ? body : [body]) {
        const known = read(item);
        if (known === undefined) counters.hit("messages");
        else take(known, from);
      }
    });
  }

  /** Called with entries of a channel that were read, or that a wake has brought. */
  found(channel: string, { epoch, entries }: Pick<Slice, "epoch" | "entries">): void {
    let live: Followed | undefined;
    for (const { origin, offset } of entries) {
      if (origin === undefined || this.#context.nodes.isOwn(origin)) continue;
      live ??= this.#context.followed(channel);
      if (live === undefined) return;
      const isNews = live.epoch === epoch && offset > live.top;
      this.#enter(channel, { epoch, offset }, byOrigin(origin, this.#patience), isNews);
    }
  }

  /** Until when another node is assumed to wait for what it has published. */
  get #patience(): number {
    const { clock, settings } = this.#context;
    return clock.now() + Math.max(settings.limits.delivery, settings.limits.runTtl);
  }

  #enter(channel: string, { epoch, offset }: Position, wait: Wait, isNews = false): void {
    const position = { epoch, offset };
    const isDefault = wait.level === undefined && wait.by === undefined;
    const told = isDefault ? this.#told.get(keyOf(channel, position)) : undefined;
    if (told !== undefined) {
      if (wait.isKnownToAll) this.#context.nodes.add(wait.node, "delivered", told);
      return;
    }
    if (this.#isKnown(channel, position, wait) || this.#isFull()) return;
    this.#size++;
    const end = (): void => {
      this.#size--;
    };
    const settle = {
      resolve: (delivery: Delivery): void => {
        end();
        this.#tell(channel, position, wait, delivery);
      },
      reject: end,
    };
    this.#ledger.wait(channel, position, { ...wait, settle }, isNews);
  }

  #isKnown(channel: string, position: Position, wait: Wait): boolean {
    for (const { node, level, by } of this.#ledger.of(channel)?.get(position)?.waiters ?? [])
      if (node === wait.node && level === wait.level && by === wait.by) return true;
    return false;
  }

  /** Whether no other wait can be entered. Each one that is left out is counted. */
  #isFull(): boolean {
    const { settings, counters } = this.#context;
    const { confirmedTotal } = settings.limits;
    if (this.#size < confirmedTotal) return false;
    this.#ledger.expire();
    if (this.#size < confirmedTotal) return false;
    counters.hit("confirmedTotal");
    return true;
  }

  #tell(channel: string, { epoch, offset }: Position, { node, level }: Wait, delivery: Delivery): void {
    const report = { channel, epoch, offset, ...delivery, discharges: level === undefined };
    this.#context.nodes.add(node, "delivered", report);
    if (report.discharges) this.#remember(report);
  }

  #remember(report: DeliveredReport): void {
    this.#told.set(keyOf(report.channel, report), report);
    trim(this.#told, maxTold);
  }

  /**
   * Tells all nodes how far a subscriber had come that has left, if anybody waits for what it was sent: it may come back
   * to any of them, and then it has what it says that it has. With `to`, only this node is told.
   */
  left(channel: string, epoch: string, state: DeliveryState, to?: string): void {
    const { nodes } = this.#context;
    const { id } = nodes;
    if (id === undefined) return;
    const pending = this.#ledger.of(channel)?.between(epoch, state, "written", state.discharged) ?? [];
    if (pending.length === 0) return;
    const waits: [string, number, number][] = [];
    for (const { content, waiters, position } of pending) {
      if (content !== undefined) extend(waits, id, position.offset);
      for (const { node, isKnownToAll } of waiters)
        if (node !== undefined && !isKnownToAll) extend(waits, node, position.offset);
    }
    // Without waits everybody knows already who waits, but not what the subscriber was sent.
    nodes.add(to, "departed", { ...state, channel, epoch, waits });
  }

  #departed(report: DepartedReport): void {
    const { channel, epoch, waits } = report;
    const expires = this.#patience;
    for (const [node, first, last] of waits) {
      if (node === this.#context.nodes.id) continue;
      for (let offset = Math.max(1, first); offset <= Math.min(last, report.written); offset++)
        this.#enter(channel, { epoch, offset }, byOrigin(node, expires));
    }
    this.#ledger.departedElsewhere(report);
  }

  clear(): void {
    this.#told.clear();
    this.#size = 0;
  }
}

/** Returns the wait of a node for what it has published with `confirm`. */
function byOrigin(node: string, expires: number): Wait {
  return { level: undefined, by: undefined, expires, node, isKnownToAll: false };
}

/** Adds an offset to the publications that a node waits for. Most follow one another. */
function extend(waits: [...Waited][], node: string, offset: number): void {
  const last = waits.findLast(([id]) => id === node);
  if (last !== undefined && last[2] === offset - 1) last[2] = offset;
  else waits.push([node, offset, offset]);
}
