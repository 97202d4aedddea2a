import type { Reader } from "./reader.ts";
import { spiedSignal } from "./signal.ts";
import { channels, type World } from "./world.ts";

/** The ways in which a publisher publishes without pause. */
const kinds = ["awaits", "does not await", "lets turns pass", "yields", "emits", "sends"] as const;

/** What is published, and how often. */
interface Press {
  readonly count: number;
  readonly size: number;
  readonly channel: string;
}

/** Publishes without pause. */
export function press(world: World): string | undefined {
  const { own, shape, clients, readers } = world;
  const kind = own.pick(kinds);
  const count = shape.isPrompt ? 5 + own.below(own.pick([30, 150])) : 2 + own.below(12);
  const size = own.chance(shape.isPrompt ? 0.1 : 0) ? own.below(2_500) : own.below(200);
  const channel = own.pick(channels);
  const plan: Press = { count, size, channel };
  if (shape.isPrompt) awaitTurn(world);
  if (kind === "awaits") void loop(world, plan, 0);
  else if (kind === "lets turns pass") void loop(world, plan, 1 + own.below(20));
  else if (kind === "does not await") atOnce(world, plan);
  else if (kind === "sends") {
    const sender = own.pick<{ publish: Reader["publish"] }>(
      shape.isPrompt
        ? readers.filter(({ session }) => session !== undefined)
        : clients.filter(({ isConnected }) => isConnected),
    );
    if (sender === undefined) return undefined;
    // No more than fits into one message.
    const length = Math.min(count, Math.floor(11_000 / (size + 100)));
    sender.publish(
      channel,
      Array.from({ length }, () => bodyOf(world, plan)),
    );
  } else run(world, plan, kind === "emits");
  return `${kind}, ${count} × ${size} bytes to ${channel}`;
}

function bodyOf({ sent }: World, { size }: Press): { text: string; serial: number } {
  return { text: "z".repeat(size), serial: sent.serial };
}

/** Publishes one after the other. If `pause` is not 0, pauses for a few turns after every `pause` publications. */
async function loop(world: World, { count, size, channel }: Press, pause: number): Promise<void> {
  const { sent, notifier, clock, own, signals, pending } = world;
  const signal = own.chance(0.2) ? spiedSignal() : undefined;
  if (signal !== undefined) {
    signals.push(signal);
    pending.push(() => signal.abort("enough"));
  }
  const turnsPassed = 1 + own.below(4);
  for (let i = 0; i < count; i++) {
    const body = { text: "z".repeat(size) };
    const receipt = await sent.publish(notifier, channel, body, { signal: signal?.signal });
    if (receipt === undefined) return;
    if (pause === 0 || i % pause > 0) continue;
    for (let turns = 0; turns < turnsPassed; turns++)
      await new Promise<void>((resolve) => clock.turn(resolve));
  }
}

function atOnce({ sent, notifier, own }: World, { count, size, channel }: Press): void {
  for (let i = 0; i < count; i++) {
    const to = own.chance(0.1) ? own.pick(channels) : channel;
    void sent.publish(notifier, to, { text: "z".repeat(size) }, {});
  }
}

/** A run that only publishes. */
function run(world: World, plan: Press, emits: boolean): void {
  const { notifier, runs, own, readers, sent } = world;
  const started = notifier.run(
    emits
      ? async ({ id, emit }) => {
          const events = Array.from({ length: plan.count }, () => ({ type: "step", ...bodyOf(world, plan) }));
          const emitted = events.map((event) =>
            sent.own(`run:${id}`, JSON.stringify(event), {}, async () => void (await emit(event))),
          );
          if (own.chance(0.5)) await Promise.all(emitted);
        }
      : async function* ({ signal }) {
          for (let i = 0; i < plan.count && !signal.aborted; i++)
            yield { type: "step", ...bodyOf(world, plan) };
        },
  );
  runs.push(started);
  for (const reader of readers) if (own.chance(0.5)) reader.subscribeFromStart(`run:${started.id}`);
}

/**
 * Requests a turn while others publish. It must come before more than half of what the log keeps was appended to any
 * channel.
 */
function awaitTurn(world: World): void {
  const { clock, log, notifier, notes } = world;
  if (notifier.stats().channels === 0) return;
  const before = new Map([...log.truth.texts].map(([key, texts]) => [key, texts.length]));
  clock.turn(() => {
    // A log that has lost everything cannot tell any more what it kept.
    if (notifier.stats().channels === 0 || world.isWiped) return;
    for (const [key, texts] of log.truth.texts) {
      const [channel = ""] = key.split(" ");
      const fresh = texts.slice(before.get(key) ?? 0);
      const { size = 1_000, bytes = 1_048_576, slack = 0 } = log.keeps?.(channel) ?? {};
      // Without slack a log counts payloads only. A turn takes half, and there may be two turns.
      const [cost, most] = slack > 0 ? [192, (slack + Math.min(bytes, size * 192)) / 2] : [0, bytes + 500];
      const taken = fresh.reduce((sum, { length }) => sum + length + cost, 0);
      if (fresh.length > 2 && taken > most)
        notes.push(new Error(`${taken} bytes were appended to ${key} before a turn came`));
    }
  });
}
