import { isName, isNatural } from "../../base/check.ts";
import { restoreProof } from "./send-window.ts";
import type { Followed, Receiver, Subscription } from "./subscription.ts";

/**
 * A subscription as a short list, because a state may have hundreds: its channel, epoch and cursor, bits, and then
 * numbers that are mostly 0, of which the last ones are left out. Offsets are how far they are behind the cursor, or
 * after `since`.
 */
export type SubscriptionState = readonly [
  /** The name, or its index in the channels of the peer. */
  channel: string | number,
  epoch: string,
  cursor: number,
  ...numbers: number[],
];

/** The bits of the first number. From `barrier` on they are the number of the barrier. */
const bit = { byServer: 1, joins: 2, quit: 4, behind: 8, barrier: 16 };

/** What the numbers are, in this order. */
interface Numbers {
  bits: number;
  since: number;
  read: number;
  mark: number;
  acknowledged: number;
  /** Milliseconds from the acknowledgement to the last one of the session. */
  acknowledgedAgo: number;
  quit: number;
  behind: number;
  /** In milliseconds since the Unix epoch. */
  behindSince: number;
}

/** What the states of all subscriptions of a session refer to. */
export interface StateBase {
  /** When the client last acknowledged anything, in milliseconds since the Unix epoch; 0 if it never did. */
  readonly acknowledgedAt: number;
  /** The wall-clock time at 0 of the clock's `now`. */
  readonly origin: number;
}

/** Returns the state of a subscription. `channel` is its name, or the index of its name. */
export function subscriptionStateOf(
  subscription: Subscription,
  channel: string | number,
  { acknowledgedAt, origin }: StateBase,
): SubscriptionState {
  const { session, epoch, cursor, proof, acknowledged, quit, behind, byServer, joins } = subscription;
  const { read, mark, barrier } = session.window.proofOf(proof, cursor);
  const bits =
    (byServer ? bit.byServer : 0) |
    (joins ? bit.joins : 0) |
    (quit === undefined ? 0 : bit.quit) |
    (behind === undefined ? 0 : bit.behind) |
    (barrier * bit.barrier);
  const hasAcknowledged = acknowledged > proof.since;
  const numbers = [
    bits,
    cursor - proof.since,
    cursor - read,
    cursor - mark,
    acknowledged - proof.since,
    hasAcknowledged ? Math.round(acknowledgedAt - subscription.acknowledgedAt) : 0,
    quit === undefined ? 0 : cursor - quit,
    behind === undefined ? 0 : cursor - behind.cursor,
    behind === undefined ? 0 : Math.round(behind.since + origin),
  ];
  return [channel, epoch, cursor, ...numbers.slice(0, numbers.findLastIndex((each) => each !== 0) + 1)];
}

/** Returns the name of the channel. Undefined if a list is no state. */
export function channelIn(
  [channel]: readonly [unknown?, ...unknown[]],
  channels: readonly string[],
): string | undefined {
  if (typeof channel === "number") return channels[channel];
  return typeof channel === "string" ? channel : undefined;
}

/** Returns whether a value has the form of a state. */
export function isSubscriptionState(value: unknown, channels: readonly string[]): value is SubscriptionState {
  if (!Array.isArray(value)) return false;
  const [, epoch, ...numbers] = value;
  if (!isName(channelIn(value as [], channels) ?? "")) return false;
  if (typeof epoch !== "string" || numbers.length < 1 || !numbers.every(isNatural)) return false;
  const state = value as unknown as SubscriptionState;
  const { since, read, mark, quit, behind } = numbersOf(state);
  return Math.max(since, quit, behind) <= state[2] && mark <= read && read <= since;
}

function numbersOf([, , , ...numbers]: SubscriptionState): Numbers {
  const [bits = 0, since = 0, read = 0, mark = 0, acknowledged = 0, acknowledgedAgo = 0, quit = 0] = numbers;
  const [behind = 0, behindSince = 0] = numbers.slice(7);
  return { bits, since, read, mark, acknowledged, acknowledgedAgo, quit, behind, behindSince };
}

/**
 * Returns the subscription of a state, for a session whose window is restored. It is not added to anything. `isStale`
 * means that the outstanding ping is forgotten: the next one covers what it did.
 */
export function subscriptionFrom(
  state: SubscriptionState,
  session: Receiver,
  channel: Followed,
  { acknowledgedAt, origin, isStale }: StateBase & { readonly isStale: boolean },
): Subscription {
  const [, epoch, cursor] = state;
  const numbers = numbersOf(state);
  const { bits } = numbers;
  const since = cursor - numbers.since;
  const barrier = Math.floor(bits / bit.barrier);
  const proof = {
    read: cursor - numbers.read,
    mark: cursor - numbers.mark,
    barrier: isStale ? Math.min(1, barrier) : barrier,
  };
  return {
    session,
    channel,
    epoch,
    byServer: (bits & bit.byServer) !== 0,
    joins: (bits & bit.joins) !== 0,
    isFresh: undefined,
    cursor,
    waits: undefined,
    proof: restoreProof(proof, since),
    acknowledged: since + numbers.acknowledged,
    acknowledgedAt: numbers.acknowledged === 0 ? 0 : acknowledgedAt - numbers.acknowledgedAgo,
    quit: (bits & bit.quit) === 0 ? undefined : cursor - numbers.quit,
    behind:
      (bits & bit.behind) === 0
        ? undefined
        : { cursor: cursor - numbers.behind, since: numbers.behindSince - origin },
  };
}
