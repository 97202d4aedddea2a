import { check } from "./bounds.ts";
import type { Clock } from "./clock.ts";
import type { Failure } from "./errors.ts";
import type { EventSchemas } from "./events.ts";
import { resolveLimits } from "./limits.ts";
import type { Log } from "./log.ts";
import type { RpcHandler } from "./peer.ts";
import type { Publication } from "./publication.ts";
import type { UndeliveredReason } from "./receipt.ts";
import type { Refused } from "./refused.ts";

/**
 * Bounds on what a peer, a publisher or a run can ask for, in whole numbers of at least 1. All but those on messages,
 * commands, names and subscriptions may be Infinity. Sizes are bytes of UTF-8, spans milliseconds.
 *
 * Whatever they let a client have, it can come back with: some follow from others, and one that cannot hold with another is
 * a RangeError.
 */
export interface Limits {
  /** Bytes of one publication's payload and tags; a larger one rejects with a RangeError. Default 262 144 (256 KiB). */
  publication: number;
  /**
   * Bytes of one message of a peer's; a larger one closes it 1009. A client comes back with all its subscriptions in one,
   * so it must take 4 096 + `subscriptions` × (3 × `channel` + 200). Default that, and 1 048 576 (1 MiB) at least.
   */
  message: number;
  /** How deep arrays and objects in a command of a peer's may be nested; a deeper one gets error 107. Default 64. */
  depth: number;
  /** Characters of a channel's name; a longer one gets error 106. Default 255. */
  channel: number;
  /**
   * Commands of one session that wait: for the answer to connect, behind another, or for room in the window; more close it
   * 3013. Those that publish wait for the pace of publishing, and count into `commandChars` alone. Must be more than
   * `subscriptions`. Default twice those, and 2 000 at least.
   */
  commands: number;
  /** Characters of those; more close it 3013. Must be as many as `message`. Default that, and 1 048 576 at least. */
  commandChars: number;
  /**
   * Characters of those of all sessions together. A session that has more than is left of them is closed 3013, so that those
   * with the most go first. Must be twice `commandChars`. Default that, and 67 108 864 at least.
   */
  commandTotalChars: number;
  /**
   * Commands a second of one session, in the long run; one more is answered with error 111, and whoever goes on is closed
   * 3013. As many acknowledgements as `subscriptions` in one message count as one command, and pongs as none. Default 200.
   */
  rate: number;
  /**
   * Commands that one session may send at once, having been quiet before. Must be more than `subscriptions`. Default twice
   * those, and 2 000 at least.
   */
  burst: number;
  /** Subscriptions of one session; one more is answered with error 106. Default 1 000. */
  subscriptions: number;
  /** Channels that anybody is on; one more gets error 106, or closes 3505 whoever connects to it. Default 100 000. */
  channels: number;
  /** Sessions in all; one more is refused with 503 before the upgrade, or closed 3504. Default 100 000. */
  sessions: number;
  /** Sessions of one user, where it has a name; one more is refused like that, too. Default 10 000. */
  userSessions: number;
  /** Publications in one history reply; where there are more, the client asks again. Default 1 000. */
  history: number;
  /** Clients in one presence reply, and a window's worth; of a channel with more it gets error 106. Default 1 000. */
  presence: number;
  /** How long a session may take to send `connect`; then it is closed 3502. Default 10 000. */
  connect: number;
  /** How long a handler of yours may take over one command; then that is answered with error 100. Default 10 000. */
  answer: number;
  /** How long a ping with nothing else in flight may stay unanswered; then the session is closed 3012. Default 10 000. */
  pong: number;
  /** How long a ping behind data may stay unanswered; then the session is closed 3008. Default 60 000. */
  slow: number;
  /** How long a publication is waited for to be delivered, unless its `ttl` says otherwise. Default 300 000 (5 min). */
  delivery: number;
  /** Confirmed publications that wait in one channel; one more waits to be published. Default 1 000. */
  confirmed: number;
  /** Bytes of payload and tags of those. Default 1 048 576 (1 MiB). */
  confirmedBytes: number;
  /** Confirmed publications that wait in all channels together; and, beside them, endings of runs. Default 100 000. */
  confirmedTotal: number;
  /** Bytes of payload and tags of those. Default 67 108 864 (64 MiB). */
  confirmedTotalBytes: number;
  /**
   * Bytes of publications, in all channels, that wait for their turn or for a log that fails; one more rejects with a
   * `BusyError`. Default 67 108 864 (64 MiB).
   */
  waiting: number;
  /**
   * How long an `idempotencyKey` counts, from when its first publication is in the log. This process keeps the newest
   * 10 000, and the log keeps as many as it has room for. Default 300 000 (5 min).
   */
  idempotency: number;
  /** Bytes kept of one run's channel. Default 8 388 608 (8 MiB). */
  runBytes: number;
  /** How long a run and its channel are kept after its ending. Default 300 000 (5 min). */
  runTtl: number;
  /**
   * Bytes of what is remembered of ended runs beside their channels: status, name, owner, last progress, a short ending.
   * Past it those that ended first are forgotten before their time. Default 67 108 864 (64 MiB).
   */
  endedBytes: number;
}

/** Where an error of a user's code, or of the log, came up. */
export interface ErrorContext {
  /** What was being done. */
  stage:
    | "origins"
    | "authenticate"
    | "connect"
    | "authorize"
    | "publish"
    | "rpc"
    | "send"
    | "refresh"
    | "log"
    | "undelivered"
    | "redact"
    | "refused"
    | "socket"
    | "host"
    | "close"
    | "internal";
  /** For whom: a session, a channel, a run, a path. What is not safe to log in it is escaped. */
  owner: string;
}

/** The run whose failure is to be shown. */
export interface FailedRun {
  /** The run's id. */
  id: string;
  /** What it does, for people. */
  name: string | undefined;
  /** The only user who may follow it, if there is one. */
  owner: string | undefined;
}

/** How a notifier is made. */
export interface NotifierOptions<Schemas extends EventSchemas = EventSchemas> {
  /**
   * Where channels are kept. Closing the notifier closes it: one log is for one notifier. Default: a `memoryLog()` of the
   * notifier's own.
   */
  log?: Log | undefined;
  /** Closes the notifier when it aborts. */
  signal?: AbortSignal | undefined;
  /** Milliseconds that closing may take. Default 5 000. */
  grace?: number | undefined;
  /** Milliseconds between the pings of an idle session, up to 2 147 473 000. Default 25 000. */
  heartbeat?: number | undefined;
  /**
   * Bytes a session may have in flight, unproven by a pong; replies may take as much again. A publication that is larger
   * goes alone. Default 262 144 (256 KiB).
   */
  window?: number | undefined;
  /** How much peers and publishers may send, open and ask for. What is left out has its default. */
  limits?: Partial<Limits> | undefined;
  /** What time it is, and what timers are of. Default: the machine's clock. */
  clock?: Clock | undefined;
  /**
   * The schemas of the events that may be published, by their `type`; no others may, by anybody. Runs may also emit the
   * vocabularies of `tocsin/run` and `tocsin/agent`. What is written is what a schema makes of an event. Default: anything.
   */
  events?: Schemas | undefined;
  /** Methods that clients may call, by name. Default: none but `run.cancel` and `ack`, which are tocsin's own. */
  rpc?: Readonly<Record<string, RpcHandler>> | undefined;
  /**
   * Hears, once each, of confirmed publications that are given up, and why. What it throws or rejects with is reported;
   * nobody waits for it. Default: they are in the report of closing, if they wait that long.
   */
  onUndelivered?: ((publication: Publication, reason: UndeliveredReason) => unknown) | undefined;
  /**
   * Says what `run.failed` shows of what a task threw, to everybody who follows the run. What it throws itself is
   * reported, and nothing is shown then but that the run failed. Default: name and message, never a stack or a cause.
   */
  redact?: ((error: unknown, run: FailedRun) => Failure) | undefined;
  /**
   * Hears of errors that nobody's promise carries. What it throws or rejects with itself goes to the console; nobody waits
   * for it. Default: `console.error`, with what could forge a line of the log escaped.
   */
  onError?: ((error: unknown, context: ErrorContext) => unknown) | undefined;
  /**
   * Hears of everybody who is not let in: of refused handshakes, and of sockets that are closed for good before they are
   * connected. What it throws or rejects with is reported; nobody waits for it. Default: a line of `console.warn`, at most
   * one a second, with a count of those left out, until closing begins.
   */
  onRefused?: ((refused: Refused) => unknown) | undefined;
}

/** The options with every number filled in and checked. */
export interface Settings {
  readonly grace: number;
  readonly heartbeat: number;
  readonly window: number;
  readonly limits: Readonly<Limits>;
}

/** The longest heartbeat, in milliseconds: clients wait for 10 s more, by timers that take no more than 2 ** 31 - 1 ms. */
const longestHeartbeat = 2_147_473_000;

/** Fills in the defaults. Throws a RangeError for a number that cannot be a bound, or not together with the others. */
export function resolveSettings(options: NotifierOptions): Settings {
  const { grace = 5_000, heartbeat = 25_000, window = 262_144 } = options;
  return {
    grace: check("grace", grace),
    heartbeat: checkedWhole("heartbeat", heartbeat, longestHeartbeat),
    window: checkedWhole("window", window, Number.MAX_SAFE_INTEGER),
    limits: resolveLimits(options.limits),
  };
}

function checkedWhole(name: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  throw new RangeError(`Cannot use ${name} "${String(value)}": it is no whole number from 1 to ${most}`);
}
