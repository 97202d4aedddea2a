/**
 * Bounds on what a peer, a publisher or a run can ask for. Each is a whole number of at least 1. `message`,
 * `commandChars`, `commands`, `rate`, `burst`, `subscriptions` and `channel` must be finite; the others may be
 * Infinity. Sizes are bytes of UTF-8, times are milliseconds.
 *
 * A client that reconnects must be able to restore everything that the limits let it have. So some limits depend on
 * others, and one that contradicts another throws a RangeError.
 */
export interface Limits {
  /** Bytes of one publication's payload and tags. A larger one rejects with a RangeError. Default 262 144 (256 KiB). */
  publication: number;
  /**
   * Bytes of one message from a peer. A larger one closes the session with 1009. A client that reconnects sends all its
   * subscriptions in one message, so this must be at least 4 096 + `subscriptions` × (3 × `channel` + 200). At most
   * 67 108 864 (64 MiB). Default: that minimum, but at least 1 048 576 (1 MiB).
   */
  message: number;
  /**
   * How deep arrays and objects in a command from a peer may be nested. A deeper command gets error 107. Default 64.
   */
  depth: number;
  /** Characters of a channel's name. A longer one gets error 106. Default 255. */
  channel: number;
  /**
   * Waiting commands of one session. A command waits for the reply to connect, behind another command, or for room in
   * the window. More commands close the session with 3013. Commands that publish wait for the pace of publishing and
   * count only in `commandChars`. Must be more than `subscriptions`. Default: twice `subscriptions`, but at least
   * 2 000.
   */
  commands: number;
  /**
   * Characters of the waiting commands of one session. More close the session with 3013. Must be at least `message`.
   * Default: `message`, but at least 1 048 576.
   */
  commandChars: number;
  /**
   * Characters of the waiting commands of all sessions together. A session is closed with 3013 if its own waiting
   * commands have more characters than are left of this limit, so the sessions with the most go first. Must be at least
   * twice `commandChars`. Default: twice `commandChars`, but at least 67 108 864.
   */
  commandTotalChars: number;
  /**
   * Commands per second of one session, on average. More commands get error 111. A session that continues is closed
   * with 3013. Up to `subscriptions` acknowledgements in one message count as one command. Pongs do not count. Default
   * 200.
   */
  rate: number;
  /**
   * Commands that one session may send at once after a quiet period. Must be more than `subscriptions`. Default: twice
   * `subscriptions`, but at least 2 000.
   */
  burst: number;
  /** Subscriptions of one session. One more gets error 106. Default 1 000. */
  subscriptions: number;
  /**
   * Channels in use by anybody. One more gets error 106, or closes with 3505 the session that connects to it. Default
   * 100 000.
   */
  channels: number;
  /** Sessions in total. One more is refused with 503 before the upgrade, or closed with 3504. Default 100 000. */
  sessions: number;
  /**
   * Sessions of one user, unless the name of the user is empty. One more is refused like one over `sessions`. Default
   * 10 000.
   */
  userSessions: number;
  /** Publications in one history reply. A client asks again for more. Default 1 000. */
  history: number;
  /**
   * Clients in one presence reply. The reply must also fit into one window. A channel with more gets error 106. Default
   * 1 000.
   */
  presence: number;
  /** How long a session may take to send `connect`. Then it is closed with 3502. Default 10 000. */
  connect: number;
  /** How long a handler of yours may take for one command. Then the command gets error 100. Default 10 000. */
  answer: number;
  /**
   * How long a ping with nothing else in flight may stay unanswered. Then the session is closed with 3012. Default
   * 10 000.
   */
  pong: number;
  /** How long a ping behind data may stay unanswered. Then the session is closed with 3008. Default 60 000. */
  slow: number;
  /** How long the notifier waits for the delivery of a publication without a `ttl`. Default 300 000 (5 min). */
  delivery: number;
  /**
   * Confirmed publications that wait for delivery in one channel. One more waits before it is published. Default 1 000.
   */
  confirmed: number;
  /** Bytes of payload and tags of the publications that `confirmed` counts. Default 1 048 576 (1 MiB). */
  confirmedBytes: number;
  /**
   * Confirmed publications that wait for delivery in all channels together. Endings of runs are counted separately,
   * with the same limit, and so are those of other processes that clients here may receive: one more is not watched here.
   * Default 100 000.
   */
  confirmedTotal: number;
  /** Bytes of payload and tags of the publications that `confirmedTotal` counts. Default 67 108 864 (64 MiB). */
  confirmedTotalBytes: number;
  /**
   * Bytes of publications, in all channels, that wait for their turn or for a log that fails. One more rejects with a
   * `BusyError`. Default 67 108 864 (64 MiB).
   */
  waiting: number;
  /**
   * Bytes of encoded publications that all channels together keep, so that sessions share them. Over this limit, only
   * what is being sent is kept, and the rest is read from the log again. Default 67 108 864 (64 MiB).
   */
  cache: number;
  /**
   * How long an `idempotencyKey` is remembered, from when its first publication is in the log. This process keeps the
   * newest 10 000 keys. The log keeps as many as it has room for. Default 300 000 (5 min).
   */
  idempotency: number;
  /** Bytes kept of one run's channel. Default 8 388 608 (8 MiB). */
  runBytes: number;
  /** How long a run and its channel are kept after its ending. Default 300 000 (5 min). */
  runTtl: number;
  /**
   * Bytes that are remembered of ended runs besides their channels: status, name, owner, last progress, a short ending.
   * Over this limit, the runs that ended first are forgotten early. Default 67 108 864 (64 MiB).
   */
  endedBytes: number;
}

/** Defaults that do not depend on another limit. */
const defaults: Readonly<
  Omit<Limits, "message" | "commandChars" | "commandTotalChars" | "commands" | "burst">
> = {
  publication: 262_144,
  depth: 64,
  channel: 255,
  rate: 200,
  subscriptions: 1_000,
  channels: 100_000,
  sessions: 100_000,
  userSessions: 10_000,
  history: 1_000,
  presence: 1_000,
  connect: 10_000,
  answer: 10_000,
  pong: 10_000,
  slow: 60_000,
  delivery: 300_000,
  confirmed: 1_000,
  confirmedBytes: 1_048_576,
  confirmedTotal: 100_000,
  confirmedTotalBytes: 67_108_864,
  waiting: 67_108_864,
  cache: 67_108_864,
  idempotency: 300_000,
  runBytes: 8_388_608,
  runTtl: 300_000,
  endedBytes: 67_108_864,
};

/** Limits that others are computed from or compared with. They must be finite. */
const finite: readonly string[] = [
  "message",
  "commandChars",
  "commands",
  "rate",
  "burst",
  "subscriptions",
  "channel",
];

const names: ReadonlySet<string> = new Set([...Object.keys(defaults), ...finite, "commandTotalChars"]);

/** The smallest default of `message`, in bytes, and of `commandChars`, in characters. */
const mebibyte = 1_048_576;
/** The largest message that every runtime accepts: Deno reads no larger frame. */
const largestMessage = 67_108_864;
/**
 * Maximum bytes of a connect command with its token and data, and of a subscribe command without the name of its
 * channel.
 */
const commandBytes = { connect: 4_096, subscribe: 200 };
/** Maximum bytes of UTF-8 for one unit of `length`. A character of four bytes counts as two units. */
const characterBytes = 3;

/**
 * Returns all limits, with defaults for those that are not given. A client that reconnects sends all its subscriptions
 * in one message, as the clients of the protocol do. The limits must let it restore everything that they let it have.
 *
 * Throws a RangeError for an unknown limit, for a value that is not a whole number of at least 1, for Infinity where
 * the limit must be finite, and for a limit that contradicts another.
 */
export function resolveLimits(given: Readonly<Partial<Limits>> = {}): Limits {
  const specified: Partial<Limits> = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  for (const [name, value] of Object.entries(specified)) {
    if (!names.has(name)) throw new RangeError(`Cannot use limits.${name}: there is no such limit`);
    if (Number.isSafeInteger(value) && value >= 1) continue;
    if (value === Infinity && !finite.includes(name)) continue;
    throw new RangeError(`Cannot use limits.${name} "${String(value)}": it is no whole number of at least 1`);
  }
  const { subscriptions, channel, message: requested } = { ...defaults, ...specified };
  const minMessage = reconnectBytes(subscriptions, channel);
  const message = requested ?? Math.max(mebibyte, minMessage);
  const commandChars = specified.commandChars ?? Math.max(mebibyte, message);
  const atOnce = 2 * Math.max(1_000, subscriptions);
  const derived = {
    message,
    commandChars,
    commandTotalChars: Math.max(64 * mebibyte, 2 * commandChars),
    commands: atOnce,
    burst: atOnce,
  };
  const limits = { ...defaults, ...derived, ...specified };
  check(limits, minMessage);
  return limits;
}

/** Returns the maximum bytes of the message with which a client reconnects with so many subscriptions. */
function reconnectBytes(subscriptions: number, channel: number): number {
  return commandBytes.connect + subscriptions * (characterBytes * channel + commandBytes.subscribe);
}

function check(limits: Limits, minMessage: number): void {
  const { message, commandChars, subscriptions, channel } = limits;
  if (message > largestMessage) {
    const [name, why] =
      message === minMessage
        ? (["subscriptions", `coming back with them takes up to ${minMessage} bytes`] as const)
        : (["message", "it is too large"] as const);
    throw cannot(limits, name, `${why}, and ${largestMessage} is the most that every runtime takes`);
  }
  const back = `a client comes back with ${subscriptions} subscriptions at once`;
  if (message < minMessage) {
    const fitting = Math.floor(
      (message - commandBytes.connect) / (characterBytes * channel + commandBytes.subscribe),
    );
    const instead = fitting > 0 ? `, or limits.subscriptions "${fitting}"` : "";
    throw cannot(limits, "message", `${back}, in up to ${minMessage} bytes; write at least that${instead}`);
  }
  if (commandChars < message)
    throw cannot(
      limits,
      "commandChars",
      `one message may have as many; write at least limits.message "${message}"`,
    );
  if (limits.commandTotalChars < 2 * commandChars)
    throw cannot(
      limits,
      "commandTotalChars",
      `one session may have half of them; write at least twice limits.commandChars "${commandChars}"`,
    );
  for (const name of ["commands", "burst"] as const) {
    if (limits[name] > subscriptions) continue;
    const instead = limits[name] > 1 ? `, or limits.subscriptions "${limits[name] - 1}"` : "";
    throw cannot(
      limits,
      name,
      `${back}, and connects before; write at least "${subscriptions + 1}"${instead}`,
    );
  }
}

function cannot(limits: Limits, name: keyof Limits, why: string): RangeError {
  return new RangeError(`Cannot use limits.${name} "${limits[name]}": ${why}`);
}
