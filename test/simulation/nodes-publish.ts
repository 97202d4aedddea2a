import { ClosedError } from "../../src/model/errors.ts";
import type { Delivery, Receipt } from "../../src/model/receipt.ts";
import type { SimNode } from "./nodes-node.ts";
import { alive, channels, type NodesWorld } from "./nodes-world.ts";

/** Publishes on some node, sometimes several to one channel at once. */
export function publish(world: NodesWorld): void {
  const { random: source } = world;
  const nodes = alive(world);
  if (nodes.length === 0) return;
  const node = source.pick(nodes);
  const channel = source.pick(channels);
  for (let left = source.chance(0.25) ? 2 + source.below(5) : 1; left > 0; left--)
    publishOne(world, node, channel);
}

/** Publishes with or without a key, and with or without a confirmation. */
function publishOne(world: NodesWorld, node: SimNode, channel: string): void {
  const { random: source, clock, trace, sent, expiries } = world;
  const key = source.chance(0.25) ? `key ${source.below(4)}` : undefined;
  const confirm = source.chance(0.35);
  const ttl = source.pick([700, 2_500, 4_000]);
  const asks = source.chance(0.4);
  const data = { n: ++world.count, ...(key !== undefined && { key }) };
  const text = JSON.stringify(data);
  trace.push(`${clock.now()} ${node.name} publishes ${text} to ${channel}${confirm ? ` for ${ttl}` : ""}`);
  const expires = confirm ? clock.now() + ttl : undefined;
  sent.set(text, node);
  if (expires !== undefined) expiries.set(text, expires);
  node.notifier.publish(channel, data, { idempotencyKey: key, confirm, ttl }).then(
    (receipt) => {
      const { position } = receipt;
      sent.delete(text);
      if (node.state === "dead") return;
      trace.push(`${clock.now()} ${node.name} has ${data.n} at ${position.offset} of ${channel}`);
      world.resolved.push({ channel, position, data: text, key, expires, node });
      if (asks) askFor(world, node, receipt).catch((error: unknown) => void world.notes.push(error));
    },
    (error: unknown) => {
      sent.delete(text);
      if (node.state !== "alive" || error instanceof ClosedError) return;
      world.notes.push(new Error(`${node.name} could not publish ${text}: ${error}`, { cause: error }));
    },
  );
}

/** Waits until a publication is delivered. Whoever is named must have it. */
async function askFor(world: NodesWorld, node: SimNode, receipt: Receipt): Promise<void> {
  const { notes, receipts } = world;
  receipts.set(receipt, node);
  const delivery = await receipt.delivered().catch((error: Error) => error);
  receipts.delete(receipt);
  if (node.state === "dead") return;
  if (!(delivery instanceof Error)) checkDelivery(world, node, receipt, delivery);
  else if (!["ExpiredError", "ClosedError"].includes(delivery.name)) notes.push(delivery);
}

function checkDelivery(
  { clients, notes }: NodesWorld,
  { name }: SimNode,
  { channel, position }: Receipt,
  { level, by }: Delivery,
): void {
  const client = clients.find(({ user }) => user === by);
  client?.read();
  const isThere = client?.got.some((got) => got.channel === channel && got.offset === position.offset);
  const isSaid = client?.said.some((said) => said.channel === channel && said.offset >= position.offset);
  if (isThere !== true || (level === "acknowledged" && isSaid !== true))
    notes.push(
      new Error(`${name} says that ${position.offset} of ${channel} is ${level} by ${by}, who is not`),
    );
}
