import type { NodesClient } from "./nodes-client.ts";
import type { NodesWorld, Resolved } from "./nodes-world.ts";

/** Each confirmed publication is delivered or reported. */
export function judgeReports(world: NodesWorld): void {
  for (const each of world.resolved) if (each.expires !== undefined) judgeOne(world, each);
}

function judgeOne(world: NodesWorld, { channel, position, data, node }: Resolved): void {
  const { reports, clients, truth } = world;
  // Its key had been used before, perhaps by one that needs no confirmation.
  if (truth.at(channel, position) !== data) return;
  const told = reports.filter(
    (report) =>
      report.channel === channel && report.epoch === position.epoch && report.offset === position.offset,
  );
  const isReached = clients.some((client) => hasReached(client, channel, position));
  if (told.length === 0 && !isReached)
    throw new Error(`${data} of ${node.name} was neither delivered nor reported`);
}

function hasReached(client: NodesClient, channel: string, { epoch, offset }: Resolved["position"]): boolean {
  return (
    client.got.some(
      (got) => got.channel === channel && got.epoch === epoch && got.offset === offset && got.isSilent,
    ) || client.said.some((said) => said.channel === channel && said.epoch === epoch && said.offset >= offset)
  );
}
