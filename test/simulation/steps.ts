import type { World } from "./world.ts";

/**
 * Lets one answer of the log, one wake or one handler finish. It may be any of them, because no order is guaranteed.
 */
export function stepLog({ pending, random }: World): string | undefined {
  if (pending.length === 0) return undefined;
  const at = random.below(pending.length);
  const [next] = pending.splice(at, 1);
  next?.();
  return `${at} of ${pending.length + 1}`;
}

export function stepNetwork({ clients, random }: World): string | undefined {
  const busy = clients.filter(({ hasTraffic }) => hasTraffic);
  if (busy.length === 0) return undefined;
  const client = random.pick(busy);
  const up = random.chance(0.5);
  client.step(up);
  return `${client.user} ${up ? "up" : "down"}`;
}
