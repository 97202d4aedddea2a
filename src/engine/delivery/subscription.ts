import type { Peer } from "../../model/peer.ts";
import type { Level } from "../../model/receipt.ts";
import type { ClientInfo } from "../../wire/protocol.ts";
import type { Proof, SendWindow } from "./send-window.ts";

/** A session as channels and the ledger see it. */
export interface Receiver {
  readonly id: string;
  /** Whose acknowledgements count as one: the user's, or the session's own where there is no user. */
  readonly identity: string;
  readonly peer: Peer;
  /** How others see the peer. */
  readonly info: ClientInfo;
  readonly window: SendWindow;
  /** For how many milliseconds its outstanding ping has been, or 0. */
  readonly silence: number;
  /** Whether the client has ever acknowledged anything: then what it has read is its own to say. */
  readonly acknowledges: boolean;
  readonly subscriptions: { get(channel: string): Subscription | undefined };
  /** Something that the ledger wants to hear of is being handed to a subscription. */
  track(subscription: Subscription): void;
  /** Whether others wait for room that a subscription would take. */
  isHeld(subscription: Subscription): boolean;
  /** The subscription has to wait until the window has room again. */
  block(subscription: Subscription): void;
  /** Puts publications into the queue. */
  hand(subscription: Subscription, piece: Piece): void;
  /** The subscription cannot go on without a hole, and is told so. */
  lose(subscription: Subscription): void;
  /** Puts a push into the queue. */
  put(text: string): void;
  /** Puts what others do, unless that would take half of the window. Answers whether it did. */
  announce(text: string, bytes: number): boolean;
}

/** A channel as sessions see it. */
export interface Followed {
  readonly name: string;
  readonly epoch: string;
  readonly top: number;
  /** Those who are subscribed, in the order in which they came. */
  readonly subscriptions: Iterable<Subscription>;
  /** What of it is waited for, if anything. */
  deliveries: ChannelDeliveries | undefined;
  /** Adds a subscription, which gets all after its cursor. */
  add(subscription: Subscription): void;
  /** Its session has ended it. */
  remove(subscription: Subscription): void;
  /** Somebody who had no room has some again. */
  resume(subscription: Subscription): void;
  /** Whether a subscription has been handed everything there is. */
  isCaughtUp(subscription: Subscription): boolean;
}

/** What of a channel is waited for, and hears how far its subscribers have come. */
export interface ChannelDeliveries {
  /** The highest offset that was ever entered. */
  readonly newest: number;
  /** Whether reading what a subscription was handed would tell somebody something. */
  wantsReading(subscription: Subscription): boolean;
  /** Whether a client that acknowledges has not yet said so of a confirmed publication that it was sent. */
  awaitsAcknowledgement(subscription: Subscription): boolean;
  /** Somebody has come so far in an epoch, from `after` on. */
  reached(epoch: string, state: DeliveryState, level: Exclude<Level, "logged">, after: number): void;
  /** What the log no longer holds, and nobody is just being sent, nobody will receive. */
  giveUpTrimmed(): void;
}

/** How far somebody has come in a channel. Offsets up to `since` were never sent to them from here. */
export interface DeliveryState {
  /** The user, or the id of a session without one. */
  readonly by: string;
  since: number;
  written: number;
  read: number;
  acknowledged: number;
  /** What discharges a confirmed publication: acknowledged, or read by a client that never acknowledges. */
  discharged: number;
  /** When they were last heard to acknowledge, in milliseconds since the Unix epoch. */
  time: number;
}

/** Consecutive publications, encoded, that can be handed to a session. */
export interface Piece {
  readonly text: string;
  readonly bytes: number;
  /** Offset of its last publication. */
  readonly last: number;
}

/** One session's place in one channel. */
export interface Subscription {
  readonly session: Receiver;
  readonly channel: Followed;
  /** The channel's when it began. */
  readonly epoch: string;
  /** Whether the server subscribed it, and not the client. */
  readonly byServer: boolean;
  /** Whether it wants to hear of others coming and going. */
  readonly joins: boolean;
  /** Offset of the last publication handed to the socket. */
  cursor: number;
  /** Why it is not offered news now: its session has no room, or what it misses is being read from the log. */
  waits: "room" | "log" | undefined;
  /** What of the handed publications a pong has proven read; see `Window`. */
  readonly proof: Proof;
  /** The offset up to which the client said that it has everything, and when it last did. */
  acknowledged: number;
  acknowledgedAt: number;
  /** The offset that it had read when its client asked to end it, from which on nobody knows what becomes of the rest. */
  quit: number | undefined;
  /** Since when, and from which offset, it has been held up, while it is. */
  behind: { cursor: number; since: number } | undefined;
}
