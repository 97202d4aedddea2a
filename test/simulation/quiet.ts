import { stepLog, stepNetwork } from "./steps.ts";
import type { World } from "./world.ts";

/**
 * Lets everything that is under way arrive. Then whoever is subscribed or follows has all that was published, and nothing
 * is held that nobody needs.
 */
export async function quiet(world: World): Promise<string> {
  const { clock, clients, pending, log } = world;
  const before = log.faults;
  log.faults = 0;
  for (const client of clients) client.stalled = false;
  // A log that failed is asked again after a while, and a publication waits for up to five seconds; where only a few may
  // wait to be confirmed, one after the other waits for those before it to expire.
  for (let round = 0; round < 5 || (round < 40 && world.publishing > 0); round++) {
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
  log.faults = before;
  return "";
}

function checkEverybodyIsThere({ clients, followers, log: { truth } }: World): void {
  for (const client of clients) {
    for (const channel of client.live) {
      const { epoch, offset } = client.positions.get(channel) as { epoch: string; offset: number };
      const top = truth.get(`${channel} ${epoch}`)?.length ?? 0;
      if (offset !== top)
        throw new Error(`${client.user} waits at ${offset} of ${top} in ${channel} for ever`);
    }
  }
  for (const { channel, last } of followers) {
    const top = [...truth].find(([key]) => key.startsWith(`${channel} `))?.[1].length ?? 0;
    if (last !== undefined && last !== top)
      throw new Error(`One who follows ${channel} waits at ${last} of ${top} for ever`);
  }
}

/** What waits is what nobody has said anything of; runs' endings wait beside it. */
function checkConfirmed({ confirmations, notifier, runs }: World): void {
  if (!confirmations.asks) return;
  // Asked first: it gives up what is past its time.
  const { confirmed } = notifier.stats();
  const waiting = confirmations.waiting.length;
  const ended = runs.filter(({ status }) => status !== "working").length;
  if (confirmed < waiting || confirmed > waiting + ended)
    throw new Error(
      `${confirmed} publications wait to be confirmed, not ${waiting} and up to ${ended} endings`,
    );
}

function checkNothingIsKept({ clients, followers, notifier, log, signals, publishing }: World): void {
  const live = clients.flatMap((client) => [...client.live]);
  const used = new Set([...live, ...Array.from(followers, ({ channel }) => channel)]).size;
  const { subscriptions, channels, publishing: appending, tasks, timers } = notifier.stats();
  // The notifier's own is listened to for as long as it is open.
  const given = signals.slice(1);
  const expected: [string, number, number][] = [
    ["subscriptions", subscriptions, live.length],
    ["channels", channels, used],
    ["watches of the log", log.watches, used],
    ["publications under way", publishing + appending, 0],
    ["tasks", tasks, 0],
    ["signals listened to", given.filter(({ listening }) => listening > 0).length, followers.size],
  ];
  for (const [what, count, right] of expected) {
    if (count !== right) throw new Error(`In quiet there are ${count} ${what}, not ${right}`);
  }
  // One for heartbeats, and one for what expires.
  if (timers > 2) throw new Error(`In quiet ${timers} timers are armed`);
}
