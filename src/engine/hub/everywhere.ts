import { attended } from "../../base/hook.ts";
import { ignorable } from "../../base/scope.ts";
import type { Context } from "../core/context.ts";
import type { Nodes } from "../nodes/nodes.ts";

/** What it needs. */
export interface EverywhereContext extends Pick<Context, "counters" | "report"> {
  readonly nodes: Nodes;
  /** Settles once this process is a member of its log. Undefined after that, and for a log without members. */
  readonly joining: Promise<void> | undefined;
}

/** The kind of the messages. */
const kind = "everywhere";

/** What is done on all nodes whenever one of them says so. A node that may have missed it does it as well. */
export class Everywhere {
  readonly #context: EverywhereContext;
  readonly #acts = new Map<string, Set<() => void>>();

  constructor(context: EverywhereContext) {
    this.#context = context;
    const { counters, nodes } = context;
    const actAll = (): void => {
      for (const topic of this.#acts.keys()) this.#act(topic);
    };
    nodes.on(kind, (topic) => {
      if (typeof topic === "string") this.#act(topic);
      else counters.hit("messages");
    });
    nodes.onBegin.push(actAll);
    nodes.onMissed.push((to) => {
      if (to === "all") actAll();
    });
  }

  /** Does `act` whenever a node says that it is due. */
  add(topic: string, act: () => void): void {
    const acts = this.#acts.get(topic) ?? new Set();
    this.#acts.set(topic, acts.add(act));
  }

  /** Says that a topic is due: at once here. Settles once the others will hear of it. It need not be awaited. */
  tell(topic: string): Promise<void> {
    this.#act(topic);
    return ignorable(this.#tellOthers(topic));
  }

  async #tellOthers(topic: string): Promise<void> {
    const { joining, nodes } = this.#context;
    if (joining !== undefined) await joining;
    await nodes.tellAll(kind, topic);
  }

  #act(topic: string): void {
    const owner = `what is done everywhere about ${topic}`;
    for (const act of this.#acts.get(topic) ?? [])
      attended(act, (error) => this.#context.report(error, "internal", owner));
  }
}
