import type { Peer } from "../../model/peer.ts";
import type { Level } from "../../model/receipt.ts";
import type { ClientInfo, Codec } from "../../wire/protocol.ts";
import type { Proof, SendWindow } from "./send-window.ts";

/** A session, as channels and the ledger use it. */
export interface Receiver {
  readonly id: string;
  /** The identity that acknowledgements count for: the user, or the id of the session if there is no user. */
  readonly identity: string;
  readonly peer: Peer;
  /** Encodes what it is sent. */
  readonly codec: Codec;
  /** The peer as other clients see it. */
  readonly info: ClientInfo;
  readonly window: SendWindow;
  /** Milliseconds for which its ping has been outstanding, or 0. */
  readonly silence: number;
  /**
   * Whether the client has ever acknowledged anything. Then only its acknowledgements discharge a publication, and not
   * its pongs.
   */
  readonly acknowledges: boolean;
  readonly subscriptions: { get(channel: string): Subscription | undefined };
  /** Tracks a subscription that is being handed something that the ledger has an entry for. */
  track(subscription: Subscription): void;
  /** Whether other subscriptions wait for room that this one would take. */
  isHeld(subscription: Subscription): boolean;
  /** Makes the subscription wait until the window has room again. */
  block(subscription: Subscription): void;
  /** Queues publications. */
  hand(subscription: Subscription, piece: Piece): void;
  /** Ends a subscription that cannot continue without a gap, and notifies the client. */
  lose(subscription: Subscription): void;
  /** Queues a push. */
  put(text: string): void;
  /** Queues joins or leaves of others, unless they would take half of the window. Returns whether they were queued. */
  announce(text: string, bytes: number): boolean;
}

/** A channel, as sessions use it. */
export interface Followed {
  readonly name: string;
  readonly epoch: string;
  readonly top: number;
  /** The subscriptions, in the order in which they were added. */
  readonly subscriptions: Iterable<Subscription>;
  /** Its pending deliveries, if there are any. */
  deliveries: ChannelDeliveries | undefined;
  /** Adds a subscription, which is sent everything after its cursor. */
  add(subscription: Subscription): void;
  /** Removes a subscription that its session has ended. */
  remove(subscription: Subscription): void;
  /** Continues a subscription that waited for room. */
  resume(subscription: Subscription): void;
  /** Whether a subscription has been handed everything that is in the log. */
  isCaughtUp(subscription: Subscription): boolean;
}

/** The pending deliveries of a channel. It is informed how far subscribers have come. */
export interface ChannelDeliveries {
  /** The highest offset that was ever entered. */
  readonly newest: number;
  /** Whether a proof that the client has read what it was handed would settle anything. */
  wantsReading(subscription: Subscription): boolean;
  /** Whether a client that acknowledges was sent a confirmed publication that it has not acknowledged yet. */
  awaitsAcknowledgement(subscription: Subscription): boolean;
  /**
   * Called when a subscriber has reached a level in an epoch. `after` is the offset up to which that was known before.
   */
  reached(epoch: string, state: DeliveryState, level: Exclude<Level, "logged">, after: number): void;
  /** Gives up the entries that the log no longer holds, except those that are being sent to a subscriber. */
  giveUpTrimmed(): void;
}

/** How far a subscriber has come in a channel. Offsets up to `since` were never sent to it by this subscription. */
export interface DeliveryState {
  /** The user, or the id of a session without a user. */
  readonly by: string;
  since: number;
  written: number;
  read: number;
  acknowledged: number;
  /**
   * The offset up to which confirmed publications are discharged: acknowledged, or read by a client that never
   * acknowledges.
   */
  discharged: number;
  /** When the subscriber last acknowledged, in milliseconds since the Unix epoch. */
  time: number;
  /** Whether the client began at `since` without having said that it has what was before. Undefined if that is not known. */
  readonly isFresh?: boolean | undefined;
}

/** Consecutive publications, encoded, that can be handed to a session. */
export interface Piece {
  readonly text: string;
  readonly bytes: number;
  /** Offset of its last publication. */
  readonly last: number;
}

/** The subscription of one session to one channel. */
export interface Subscription {
  readonly session: Receiver;
  readonly channel: Followed;
  /** The epoch of the channel when the subscription began. */
  readonly epoch: string;
  /** Whether the server created it, and not the client. */
  readonly byServer: boolean;
  /** Whether it is sent joins and leaves of others. */
  readonly joins: boolean;
  /** See {@linkcode DeliveryState.isFresh}. */
  readonly isFresh: boolean | undefined;
  /** Offset of the last publication handed to the socket. */
  cursor: number;
  /** Why it is not sent news now: its session has no room, or what it misses is being read from the log. */
  waits: "room" | "log" | undefined;
  /** Which of the publications handed on are proven read by a pong; see `SendWindow`. */
  readonly proof: Proof;
  /** The offset up to which the client has acknowledged, and when it last did. */
  acknowledged: number;
  acknowledgedAt: number;
  /**
   * The offset that the client had read when it asked to unsubscribe. Nothing is known of what it does with later
   * publications.
   */
  quit: number | undefined;
  /** Since when, and from which cursor, it has been held up; undefined while it is not. */
  behind: { cursor: number; since: number } | undefined;
}
