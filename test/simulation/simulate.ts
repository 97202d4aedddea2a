import { act } from "./acts.ts";
import { closeAndCheck } from "./closing.ts";
import { createWorld, type World } from "./world.ts";

/** Runs the schedule of a seed. Rejects with the first broken rule, and the trace that led to it. */
export async function simulate(seed: number): Promise<void> {
  const world = createWorld(seed);
  const { random, clock, trace } = world;
  try {
    const count = 20 + random.below(60);
    for (let step = 0; step < count; step++) {
      await act(world);
      // Sometimes several actions happen in one turn of the event loop.
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

/** Checks what must hold after every step. Clients check the order of what they receive themselves. */
function checkAlways(world: World): void {
  const { clients, readers, notifier, notes, shape } = world;
  if (notes.length > 0) throw notes[0];
  for (const client of clients) {
    // One publication may be larger than the window. Replies bypass the window. Notices take no more than another
    // window.
    if (client.unread > 4 * shape.window + 8_192)
      throw new Error(`${client.user} has ${client.unread} bytes waiting`);
    if (client.waitsForPing) throw new Error(`${client.user} waits for the answer to a ping`);
  }
  const { sessions } = notifier.stats();
  if (sessions > clients.length + readers.length + 20) throw new Error("Sessions are kept");
  checkTotals(world, sessions);
  // A log that failed is retried after a pause of its own.
  if (shape.isPrompt && shape.lost === 0) checkPublishers(world);
}

function checkTotals({ notifier, shape }: World, sessions: number): void {
  const { bytes } = notifier.totals();
  const most = {
    commands: sessions * 1_048_576,
    windows: sessions * (4 * shape.window + 8_192),
    cache: 67_108_864,
    log: 268_435_456,
    runs: shape.endedBytes,
  };
  for (const [what, limit] of Object.entries(most)) {
    const held = bytes[what as keyof typeof bytes];
    if (held > limit) throw new Error(`totals() says ${what}: ${held}, and the limit is ${limit}`);
  }
}

/** The maximum time for which subscribers that do not read may delay a publisher, in milliseconds. */
const patience = 100;

function checkPublishers({ sent, clock, beat }: World): void {
  const { oldest } = sent;
  if (oldest === undefined) return;
  const waited = clock.now() - Math.max(oldest.since, beat);
  if (waited > patience)
    throw new Error(`A publication to ${oldest.channel} has waited ${waited} ms for nobody`);
}
