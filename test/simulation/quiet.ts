import { stepLog, stepNetwork } from "./steps.ts";
import type { World } from "./world.ts";

/**
 * Lets everything in transit arrive. Then every subscriber and follower must have everything that was published, and
 * nothing unneeded may be held.
 */
export async function quiet(world: World): Promise<string> {
  const { clock, clients, readers, pending, log } = world;
  const before = { faults: log.faults, lost: log.lost, torn: log.torn };
  Object.assign(log, { faults: 0, lost: 0, torn: 0 });
  for (const client of clients) client.stalled = false;
  for (const reader of readers) if (reader.stalled) reader.resume();
  // A log that failed is retried after a pause, and a publication waits for up to five seconds. If only a few may wait
  // to be confirmed, each one waits until those before it expire.
  for (let round = 0; round < 5 || (round < 40 && isPublishing(world)); round++) {
    for (;;) {
      await clock.settle();
      if (pending.length > 0) stepLog(world);
      else if (clients.some(({ hasTraffic }) => hasTraffic)) stepNetwork(world);
      else break;
    }
    await clock.advance(1_300);
  }
  if (world.notes.length > 0) throw world.notes[0];
  checkEverybodyIsThere(world);
  checkNothingIsKept(world);
  world.confirmations.checkQuiet();
  checkConfirmed(world);
  Object.assign(log, before);
  for (const reader of readers) reader.settled();
  return "";
}

export function isPublishing({ sent, readers }: World): boolean {
  return sent.pending > 0 || readers.some(({ publishing }) => publishing > 0);
}

function checkEverybodyIsThere({ clients, readers, followers, log }: World): void {
  for (const { live, positions, user } of [
    ...clients,
    ...readers.map(({ live, positions, options }) => ({ live, positions, user: options.user })),
  ]) {
    for (const channel of live) {
      const { epoch, offset } = positions.get(channel) as { epoch: string; offset: number };
      const end = log.endOf(channel);
      if (offset !== end.top || epoch !== end.epoch)
        throw new Error(`${user} waits at ${offset} of ${end.top} in ${channel} for ever`);
    }
  }
  for (const { channel, last } of followers) {
    const { top } = log.endOf(channel);
    if (last !== undefined && last !== top)
      throw new Error(`One who follows ${channel} waits at ${last} of ${top} for ever`);
  }
}

/** The waiting publications must be those without an outcome. Endings of runs may wait besides. */
function checkConfirmed({ confirmations, notifier, runs }: World): void {
  if (!confirmations.asks) return;
  // Called first, because it gives up what has expired.
  const { confirmed } = notifier.stats();
  const waiting = confirmations.waiting.length;
  const ended = runs.filter(({ status }) => status !== "working").length;
  if (confirmed < waiting || confirmed > waiting + ended)
    throw new Error(
      `${confirmed} publications wait to be confirmed, not ${waiting} and up to ${ended} endings`,
    );
}

function checkNothingIsKept({ clients, readers, followers, notifier, log, signals, sent }: World): void {
  const live = [...clients, ...readers].flatMap((client) => [...client.live]);
  const used = new Set([...live, ...Array.from(followers, ({ channel }) => channel)]).size;
  const { subscriptions, channels, publishing: appending, tasks, timers } = notifier.stats();
  // The notifier's own signal is listened to while the notifier is open.
  const given = signals.slice(1);
  const expected: [string, number, number][] = [
    ["subscriptions", subscriptions, live.length],
    ["channels", channels, used],
    ["watches of the log", log.watches, used],
    ["publications under way", sent.pending + appending, 0],
    ["tasks", tasks, 0],
    ["signals listened to", given.filter(({ listening }) => listening > 0).length, followers.size],
  ];
  for (const [what, count, right] of expected) {
    if (count !== right) throw new Error(`In quiet there are ${count} ${what}, not ${right}`);
  }
  // One for heartbeats, and one for expiry.
  if (timers > 2) throw new Error(`In quiet ${timers} timers are armed`);
}
