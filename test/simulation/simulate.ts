import { act } from "./acts.ts";
import { closeAndCheck } from "./closing.ts";
import { createWorld, type World, window } from "./world.ts";

/** Runs the schedule of a seed. Rejects with the first rule that it breaks, and how it came to that. */
export async function simulate(seed: number): Promise<void> {
  const world = createWorld(seed);
  const { random, clock, trace } = world;
  try {
    const count = 20 + random.below(60);
    for (let step = 0; step < count; step++) {
      await act(world);
      // Some things happen in one turn of the event loop.
      if (random.chance(0.3)) continue;
      await clock.settle();
      checkAlways(world);
    }
    await closeAndCheck(world);
  } catch (cause) {
    const message = `Seed ${seed} breaks a rule: ${cause instanceof Error ? cause.message : cause}`;
    throw new Error([message, ...trace].join("\n  "), { cause });
  }
}

/** What has to hold after every step. The order of what clients see they check themselves. */
function checkAlways({ clients, notifier }: World): void {
  for (const client of clients) {
    // One publication may be larger than the window, replies bypass it, and notices take no more than another one.
    if (client.unread > 4 * window + 8_192)
      throw new Error(`${client.user} has ${client.unread} bytes waiting`);
    if (client.waitsForPing) throw new Error(`${client.user} waits for the answer to a ping`);
  }
  if (notifier.stats().sessions > clients.length + 20) throw new Error("Sessions are kept");
}
