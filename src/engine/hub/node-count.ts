import type { Clock } from "../../base/clock.ts";
import type { Scope } from "../../base/scope.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { LogHealth } from "../log/log-health.ts";
import type { Nodes } from "../nodes/nodes.ts";

/** What it needs to count the nodes. */
export interface NodeCountContext {
  readonly clock: Clock;
  readonly scope: Scope;
  readonly nodes: Nodes;
  readonly health: LogHealth;
  report(error: unknown, stage: ErrorContext["stage"], owner: string): void;
}

/** Milliseconds for which the number of nodes is not read again. */
const freshness = 10_000;

/** The number of nodes that work with the log. It is read only when somebody asks. */
export class NodeCount {
  readonly #context: NodeCountContext;
  #known = 0;
  #readAt = Number.NEGATIVE_INFINITY;
  #isReading = false;

  constructor(context: NodeCountContext) {
    this.#context = context;
  }

  /** The number that was read last. If that was some time ago, it is read again. */
  get latest(): number {
    const { clock, nodes } = this.#context;
    if (nodes.id === undefined) return 0;
    if (!this.#isReading && clock.now() - this.#readAt >= freshness) void this.#read();
    return this.#known;
  }

  /** Reads the number. A failure is reported, so nothing can be rejected. */
  async #read(): Promise<void> {
    const context = this.#context;
    const owner = "count the nodes";
    this.#isReading = true;
    this.#readAt = context.clock.now();
    try {
      const ids = await context.scope.waitFor(owner, undefined, context.nodes.alive());
      this.#known = ids.length;
    } catch (error) {
      if (context.scope.isOver) return;
      context.health.failed("reads", error);
      context.report(error, "log", owner);
    } finally {
      this.#isReading = false;
    }
  }
}
