import type { Context } from "../core/context.ts";
import type { Nodes } from "../nodes/nodes.ts";
import type { PendingDelivery } from "./channel-ledger.ts";
import type { Question } from "./waiter.ts";

/** What questions need. */
export interface QuestionContext extends Pick<Context, "clock"> {
  readonly nodes: Nodes;
}

/** Asks all other nodes to tell of publications that are awaited here. Each question leaves once, at the end of its turn. */
export class Questions {
  readonly #context: QuestionContext;

  constructor(context: QuestionContext) {
    this.#context = context;
  }

  /** Asks unless the other nodes know: they see who has published a publication with `confirm`, and tell that node. */
  ask(entry: PendingDelivery, wanted: Question): void {
    const isKnown = entry.content !== undefined && wanted.level === undefined && wanted.by === undefined;
    if (!isKnown) this.#send(entry, wanted);
  }

  /**
   * Asks for everything that is awaited. Called for what this node has inherited, and when it has got an id: nobody knows
   * that it waits, or under which id.
   */
  askAgain(entry: PendingDelivery): void {
    entry.asked = undefined;
    if (entry.content !== undefined)
      this.#send(entry, { level: undefined, by: undefined, expires: entry.due });
    for (const waiter of entry.waiters) if (waiter.node === undefined) this.ask(entry, waiter);
  }

  /** Asks a node that has begun later. */
  repeat(entry: PendingDelivery, node: string): void {
    for (const question of entry.asked?.values() ?? []) this.#add(node, entry, question);
  }

  #send(entry: PendingDelivery, question: Question): void {
    const { level, by } = question;
    const key = JSON.stringify([level, by]);
    if (this.#context.nodes.id === undefined || entry.asked?.has(key)) return;
    entry.asked ??= new Map();
    entry.asked.set(key, question);
    this.#add(undefined, entry, question);
  }

  #add(node: string | undefined, entry: PendingDelivery, { level, by, expires }: Question): void {
    const { clock, nodes } = this.#context;
    const { deliveries, epoch, position } = entry;
    const { channel } = deliveries;
    // JSON has no Infinity.
    const left = Math.min(expires - clock.now(), Number.MAX_SAFE_INTEGER);
    nodes.add(node, "awaited", { channel, epoch, offset: position.offset, level, by, left });
  }
}
