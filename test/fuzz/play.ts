import fc, { type Arbitrary } from "fast-check";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import { assertQuiet, type FakeClock, fakeClock } from "../../src/testing.ts";
import { smallMessages } from "../support/limits.ts";
import { message } from "./commands.ts";
import { fateOf } from "./fate.ts";
import { isOurs, peersAt, rpc, startRuns } from "./handlers.ts";
import { Visitor } from "./visitor.ts";

/** One step of a schedule. */
export type Step =
  | { does: "say"; who: number; message: string | Uint8Array }
  | { does: "wait"; ms: number }
  | { does: "publish"; channel: string; confirm: boolean }
  | { does: "unsubscribe"; channel: string }
  | { does: "disconnect"; who: number }
  | { does: "leave"; who: number };

const who = fc.nat({ max: 2 });
const channel = fc.constantFrom("a", "b", "user:ann");
const step: Arbitrary<Step> = fc.oneof(
  { weight: 60, arbitrary: fc.record({ does: fc.constant("say" as const), who, message }) },
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant("publish" as const), channel, confirm: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 1_000, 9_000, 30_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("unsubscribe" as const), channel }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("disconnect" as const), who }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("leave" as const), who }) },
);

/** The steps that are played on one notifier, in order. */
export const schedule: Arbitrary<Step[]> = fc.array(step, { minLength: 1, maxLength: 40, size: "max" });

interface World {
  readonly notifier: Notifier;
  readonly clock: FakeClock;
  readonly visitors: readonly Visitor[];
  readonly errors: unknown[];
  /** The runs that a permitted peer has cancelled. */
  readonly cancelled: Set<string>;
  /** The channels of the server's own publications, one element for each. */
  readonly published: string[];
}

/** Plays a schedule. Rejects with the first broken rule. */
export async function play(steps: readonly Step[]): Promise<void> {
  const world = createWorld();
  for (const each of steps) {
    await perform(world, each);
    check(world);
  }
  await end(world);
}

function createWorld(): World {
  const clock = fakeClock();
  const errors: unknown[] = [];
  const notifier = createNotifier({
    clock,
    rpc,
    limits: smallMessages,
    onError: (error) => void errors.push(error),
  });
  const visitors = peersAt(() => clock.time()).map((peer) => new Visitor(peer, clock));
  startRuns(notifier);
  return { notifier, clock, visitors, errors, cancelled: new Set(), published: [] };
}

async function perform(world: World, step: Step): Promise<void> {
  const { notifier, clock, visitors, published } = world;
  switch (step.does) {
    case "say":
      return say(world, visitors[step.who] as Visitor, step.message);
    case "wait":
      return clock.advance(step.ms);
    case "publish":
      await notifier.publish(step.channel, "news", { confirm: step.confirm });
      published.push(step.channel);
      break;
    case "unsubscribe":
      notifier.unsubscribe("ann", step.channel);
      break;
    case "disconnect":
      notifier.disconnect({ user: (visitors[step.who] as Visitor).peer.user }, 3503);
      break;
    case "leave":
      visitors[step.who]?.leave();
  }
  await clock.settle();
}

async function say(
  { notifier, clock, cancelled }: World,
  visitor: Visitor,
  text: string | Uint8Array,
): Promise<void> {
  const { user, refresh } = visitor.peer;
  if (!visitor.isOpen) {
    visitor.arrive(notifier);
    // Some peers send another command before connect: those whose first message is bytes or has a length divisible by
    // 8.
    if (typeof text === "string" && text.length % 8 !== 0) {
      visitor.say('{"id":1,"connect":{}}');
      visitor.greeted = true;
      await clock.settle();
    }
  }
  const { epoch } = await notifier.history("a", { limit: 0 });
  const sent = typeof text === "string" ? text.replaceAll('"current"', JSON.stringify(epoch)) : text;
  const fate = fateOf(sent, { user, greeted: visitor.greeted, refreshes: refresh !== undefined });
  visitor.say(sent);
  visitor.greeted = true;
  await clock.settle();
  for (const run of visitor.refused ? [] : fate.cancels) cancelled.add(run);
  const expected = visitor.refused ? 3004 : fate.close;
  if (visitor.closed?.code !== expected)
    throw new Error(`Closed with ${visitor.closed?.code}, not ${expected}`);
}

/** Checks the rules that must hold whenever everything has settled. */
function check({ notifier, visitors, errors, cancelled }: World): void {
  const wrong = visitors.flatMap((visitor) => visitor.complaints());
  const { sessions, subscriptions } = notifier.stats();
  const open = visitors.filter(({ isOpen }) => isOpen).length;
  if (sessions !== open) wrong.push(`${sessions} sessions are kept of ${open}`);
  const expected = visitors.reduce((sum, visitor) => sum + visitor.subscriptions, 0);
  if (subscriptions !== expected) wrong.push(`${subscriptions} subscriptions are kept of ${expected}`);
  for (const run of notifier.runs.list()) {
    if ((run.status !== "working") !== cancelled.has(run.id)) wrong.push(`run ${run.id} is ${run.status}`);
  }
  for (const error of errors.splice(0)) if (!isOurs(error)) wrong.push(`reported: ${String(error)}`);
  if (Object.keys(Object.prototype).length > 0 || "polluted" in {}) wrong.push("every object is polluted");
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}

/**
 * Closes the notifier. Checks that nothing is left, and that the logs hold all accepted publications and no refused
 * one.
 */
async function end({ notifier, clock, visitors, published }: World): Promise<void> {
  const taken = new Map<string, number>([
    ["deny", 0],
    ["throw", 0],
    ["reject", 0],
  ]);
  for (const name of [...published, ...visitors.flatMap(({ published }) => published)])
    taken.set(name, (taken.get(name) ?? 0) + 1);
  for (const [name, count] of taken) {
    const { offset } = await notifier.history(name, { limit: 0 });
    const unknown = visitors.flatMap(({ uncertain }) => uncertain).filter((each) => each === name).length;
    if (offset < count || offset > count + unknown)
      throw new Error(`${JSON.stringify(name)} holds ${offset} publications of ${count}`);
  }
  const closed = notifier.close();
  await clock.advance(10_000);
  await closed;
  assertQuiet(notifier);
  if (clock.armed > 0) throw new Error(`${clock.armed} timers are armed after the end`);
  const wrong = visitors.flatMap((visitor) => visitor.complaints());
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}
