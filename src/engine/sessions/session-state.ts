import { isName, isNatural, isObject, isText } from "../../base/check.ts";
import { type Clock, originOf } from "../../base/clock.ts";
import type { Peer } from "../../model/peer.ts";
import type { SessionState } from "../../model/socket.ts";
import type { SendWindow, WindowState } from "../delivery/send-window.ts";
import type { Subscription } from "../delivery/subscription.ts";
import {
  channelIn,
  isSubscriptionState,
  type StateBase,
  type SubscriptionState,
  subscriptionStateOf,
} from "../delivery/subscription-state.ts";
import { doubtOneMore } from "./doubtful-pongs.ts";
import { doubtfulPongs, flag } from "./session-flags.ts";
import type { SessionSubscriptions } from "./session-subscriptions.ts";
import type { TimerState } from "./session-timers.ts";

/**
 * What is stored of a session. Thousands of them may be kept in little room, so what is usual is left out: nothing in
 * flight, no subscription, no end. Times are in milliseconds since the Unix epoch.
 */
interface StoredSession extends SessionState {
  /** What has come of the session: bits of `stage` and `flag`. */
  readonly flags: number;
  /** When the permission ends, if a token has been refreshed since. */
  readonly until?: number;
  readonly connectBy?: number;
  readonly pingAt?: number;
  readonly leaveAt?: number;
  readonly window?: WindowState;
  /** When the outstanding ping was sent. */
  readonly pingedAt?: number;
  readonly behindData?: true;
  /** When a client that sends pings of its own last sent anything else. */
  readonly heardAt?: number;
  readonly acknowledgedAt?: number;
  readonly subscriptions?: readonly SubscriptionState[];
  /** The indices of the subscriptions that wait for room, in the order in which they will be served. */
  readonly blocked?: readonly number[];
}

/** The bits of the flags that are kept: those of the session, and from here on what else has come of it. */
const kept = flag.pingsItself | flag.stale | flag.pongTaken | doubtfulPongs;
const stage = { greeted: 256, connected: 512, acknowledges: 1_024 };

/** A session, as its state is read from it. */
export interface StatedSession {
  readonly id: string;
  readonly context: { readonly clock: Clock };
  readonly peer: Peer;
  readonly flags: number;
  readonly isGreeted: boolean;
  readonly isConnected: boolean;
  readonly acknowledges: boolean;
  readonly pingsItself: boolean;
  readonly window: SendWindow;
  readonly timers: { readonly state: TimerState };
  readonly queue: { readonly at: number };
  readonly subscriptions: SessionSubscriptions;
}

/** Returns the state of a session for which nothing is queued. */
export function stateOf(session: StatedSession): SessionState {
  const { id, peer, window, context, subscriptions } = session;
  const { user, info, channels, expires } = peer;
  const { connectBy, pingAt, pingedAt, behindData, until, leaveAt } = session.timers.state;
  const origin = originOf(context.clock);
  const all = [...subscriptions];
  const acknowledgedAt = lastAcknowledged(all);
  const stored: StoredSession = {
    format: 1,
    id,
    user,
    flags: flagsOf(session),
    ...(channels !== undefined && { channels: [...channels] }),
    ...(info !== undefined && { info: plain(info) }),
    ...finite("expires", expires),
    ...(until !== expires && finite("until", until)),
    ...finite("connectBy", connectBy),
    ...finite("pingAt", pingAt),
    ...finite("leaveAt", leaveAt),
    ...(window.state !== undefined && { window: window.state }),
    ...finite("pingedAt", pingedAt),
    ...(behindData === true && { behindData }),
    ...(session.pingsItself && finite("heardAt", session.queue.at + origin)),
    ...(acknowledgedAt > 0 && finite("acknowledgedAt", acknowledgedAt)),
    ...(all.length > 0 && { subscriptions: rowsOf(all, channels ?? [], { acknowledgedAt, origin }) }),
    ...(subscriptions.hasBlocked && { blocked: indicesOf(subscriptions.blocked, all) }),
  };
  return stored;
}

function flagsOf({ flags, isGreeted, isConnected, acknowledges }: StatedSession): number {
  return (
    (flags & kept) |
    (isGreeted ? stage.greeted : 0) |
    (isConnected ? stage.connected : 0) |
    (acknowledges ? stage.acknowledges : 0)
  );
}

/** Returns when the client last acknowledged a publication that it was sent, or 0. */
function lastAcknowledged(all: readonly Subscription[]): number {
  let last = 0;
  for (const { acknowledged, acknowledgedAt, proof } of all)
    if (acknowledged > proof.since) last = Math.max(last, acknowledgedAt);
  return last;
}

/** A name that is among the channels of the peer is not repeated. */
function rowsOf(
  all: readonly Subscription[],
  channels: readonly string[],
  base: StateBase,
): readonly SubscriptionState[] {
  const indices = new Map(channels.map((name, index) => [name, index]));
  return all.map((each) => {
    const { name } = each.channel;
    return subscriptionStateOf(each, indices.get(name) ?? name, base);
  });
}

function indicesOf(some: Iterable<Subscription>, all: readonly Subscription[]): readonly number[] {
  const indices = new Map(all.map((each, index) => [each, index]));
  return Array.from(some, (each) => indices.get(each) as number);
}

/** Returns an object with one member, unless the time is missing or, as JSON cannot hold it, infinite. */
function finite<Name extends string>(name: Name, time: number | undefined): { [name in Name]?: number } {
  if (time === undefined || !Number.isFinite(time)) return {};
  return { [name]: Math.min(Math.round(time), Number.MAX_SAFE_INTEGER) } as { [name in Name]?: number };
}

/** Returns a value as JSON has it: users may give anything that can be serialised. */
function plain(value: unknown): unknown {
  return typeof value === "string" ? value : JSON.parse(JSON.stringify(value));
}

/** What a session is created from that continues an earlier one. */
export interface RestoredSession {
  readonly id: string;
  /** All members of the peer except functions. */
  readonly peer: Pick<Peer, "user" | "channels" | "info" | "expires">;
  readonly flags: number;
  readonly isGreeted: boolean;
  readonly isConnected: boolean;
  readonly acknowledges: boolean;
  readonly window: WindowState | undefined;
  readonly timers: TimerState;
  /** The end of the peer's permission, in milliseconds since the Unix epoch. */
  readonly until: number | undefined;
  /** When the client last sent anything, on the clock's `now`. Undefined if that does not matter. */
  readonly heardAt: number | undefined;
  readonly subscriptions: readonly SubscriptionState[];
  readonly blocked: readonly number[];
  readonly base: StateBase & { readonly isStale: boolean };
}

/**
 * Reads a state. `isStale` means that the session may have gone on for a short time after the state was taken. Throws a
 * TypeError for a state that this version cannot read.
 */
export function restoredFrom(state: unknown, clock: Clock, isStale: boolean): RestoredSession {
  if (!isStored(state)) {
    const found = isObject(state) && state.format !== 1 ? "is of another version" : "is malformed";
    throw new TypeError(
      `Cannot restore a session: its state ${found}. Close its socket with 3011, and the client connects again`,
    );
  }
  const { id, user, channels, info, expires, window, pingedAt, behindData, heardAt } = state;
  const { acknowledgedAt = 0, subscriptions = [], blocked = [], connectBy, pingAt, leaveAt } = state;
  const flags = state.flags & kept;
  const origin = originOf(clock);
  return {
    id,
    peer: {
      user,
      ...(channels && { channels }),
      ...(info !== undefined && { info }),
      ...finite("expires", expires),
    },
    flags: isStale ? doubtOneMore(flags & ~flag.pongTaken) | flag.stale : flags,
    isGreeted: (state.flags & stage.greeted) !== 0,
    isConnected: (state.flags & stage.connected) !== 0,
    acknowledges: (state.flags & stage.acknowledges) !== 0,
    // Whether the outstanding ping still is cannot be known.
    window: isStale && window !== undefined ? withoutPing(window) : window,
    timers: { connectBy, pingAt, pingedAt, behindData, leaveAt },
    until: state.until ?? expires,
    heardAt: heardAt === undefined ? undefined : heardAt - origin,
    subscriptions,
    blocked,
    base: { acknowledgedAt, origin, isStale },
  };
}

function withoutPing([unproven, data, publications, excess]: WindowState): WindowState {
  return [unproven, data, publications, excess, 0];
}

const times = [
  "expires",
  "until",
  "connectBy",
  "pingAt",
  "leaveAt",
  "pingedAt",
  "heardAt",
  "acknowledgedAt",
] as const;

function isStored(state: unknown): state is StoredSession {
  if (!isObject(state) || state.format !== 1) return false;
  const {
    id,
    user,
    flags,
    channels = [],
    window = [0, 0, 0, 0, 0],
    subscriptions = [],
    blocked = [],
  } = state;
  if (!isText(id, 1) || !isText(user) || !isNatural(flags)) return false;
  if (times.some((name) => state[name] !== undefined && !Number.isSafeInteger(state[name]))) return false;
  if (!isListOf(channels, (each): each is string => isText(each) && isName(each))) return false;
  if (!isListOf(window, isNatural) || window.length !== 5) return false;
  if (!isListOf(subscriptions, (each): each is SubscriptionState => isSubscriptionState(each, channels)))
    return false;
  const names = subscriptions.map((each) => channelIn(each, channels));
  if (new Set(names).size < names.length) return false;
  return isListOf(blocked, (each): each is number => isNatural(each) && each < subscriptions.length);
}

function isListOf<T>(value: unknown, is: (each: unknown) => each is T): value is T[] {
  return Array.isArray(value) && value.every(is);
}
