import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import type { CloseReport, Notifier } from "../../src/engine/notifier/notifier.ts";
import type { ErrorContext } from "../../src/model/hooks.ts";
import type { UndeliveredReason } from "../../src/model/receipt.ts";
import type { NodeLog } from "../../src/testing/shared-node.ts";
import type { NodesWorld, Span } from "./nodes-world.ts";

/** How the life of a node goes on. Whoever is killed can do nothing any more. */
type State = "alive" | "closing" | "closed" | "dead";

/** A confirmed publication that a node has given up while it lived. */
export interface Report {
  readonly channel: string;
  readonly epoch: string;
  readonly offset: number;
  readonly data: string;
  readonly reason: UndeliveredReason;
  readonly at: number;
  readonly node: SimNode;
}

/** One notifier over the shared store. */
export interface SimNode {
  readonly name: string;
  readonly log: NodeLog;
  readonly notifier: Notifier;
  readonly errors: { readonly error: Error; readonly context: ErrorContext; readonly at: number }[];
  state: State;
  isCut: boolean;
  /** When it was cut off. */
  readonly cuts: Span[];
  /** Resolves once nothing is left of it. */
  ended: Promise<CloseReport> | undefined;
  /** When it was killed, or began to close. */
  endedAt: number;
  /** When it was known to have joined. */
  joinedAt: number;
}

export function openNode(world: NodesWorld): SimNode {
  const { clock, shared, shape } = world;
  const log = shared.open();
  const name = `n${world.nodes.length + 1}`;
  const notifier = createNotifier({
    log,
    clock,
    grace: shape.grace,
    limits: { runTtl: shape.runTtl, idempotency: 600_000 },
    onUndelivered({ channel, epoch, offset, data }, reason) {
      if (node.state === "dead") return;
      const text = JSON.stringify(data);
      world.trace.push(`${clock.now()} ${name} gives up ${offset} of ${channel} ${text}: ${reason}`);
      world.reports.push({ channel, epoch, offset, data: text, reason, at: clock.now(), node });
    },
    onError(error, context) {
      if (node.state === "dead") return;
      world.trace.push(`${clock.now()} ${name} reports ${context.stage} ${context.owner}: ${error}`);
      node.errors.push({ error: error as Error, context, at: clock.now() });
    },
    onRefused() {},
  });
  const node: SimNode = {
    ...{ name, log, notifier, errors: [], state: "alive", isCut: false, cuts: [] },
    ...{ ended: undefined, endedAt: Infinity, joinedAt: Infinity },
  };
  // The first use joins. What is published waits for that.
  notifier.publish("joined", name).then(
    () => {
      node.joinedAt = clock.now();
    },
    () => {},
  );
  world.nodes.push(node);
  return node;
}

/** Ends the process of a node at this instant, with the sockets of its clients. */
export function killNode(world: NodesWorld, node: SimNode): void {
  for (const client of world.clients) if (client.node === node) client.read();
  node.state = "dead";
  node.endedAt = world.clock.now();
  node.log.kill();
  for (const client of world.clients) if (client.node === node) client.drop();
  // What is left of it in this process has to be released.
  node.ended = node.notifier.close({ grace: 0 });
}

/** Closes a node, as one that is replaced by another. */
export function closeNode(world: NodesWorld, node: SimNode): void {
  const { clock, shape, notes } = world;
  node.state = "closing";
  node.endedAt = clock.now();
  node.ended = node.notifier.close().then((report) => {
    if (node.state === "closing") node.state = "closed";
    if (clock.now() > node.endedAt + shape.grace) notes.push(new Error(`${node.name} closed too late`));
    return report;
  });
}
