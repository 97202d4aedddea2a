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

/** The limits that are as they are, whatever the others are. */
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
  idempotency: 300_000,
  runBytes: 8_388_608,
  runTtl: 300_000,
  endedBytes: 67_108_864,
};

/** Limits from which others follow, or which are counted with: they cannot be infinite. */
const finite: readonly string[] = [
  "message",
  "commandChars",
  "commands",
  "rate",
  "burst",
  "subscriptions",
  "channel",
];

/** All limits there are. */
const names: ReadonlySet<string> = new Set([...Object.keys(defaults), ...finite, "commandTotalChars"]);

/** What a message and the commands that wait may be at least by default, in bytes and in characters. */
const mebibyte = 1_048_576;
/** The largest message that every runtime takes: Deno reads no frame above it. */
const largestMessage = 67_108_864;
/** What a connect command takes, with its token and data, and a subscribe command beside the channel's name, at most. */
const commandBytes = { connect: 4_096, subscribe: 200 };
/** A character takes so many bytes at most. One that takes four is two in a text's length. */
const characterBytes = 3;

/**
 * Fills in the defaults. What one limit lets a client have it must be able to come back with: with all its subscriptions
 * in one message, as the protocol's clients do.
 *
 * Throws a RangeError for a limit that there is not, for what is no whole number of at least 1, or Infinity where nothing
 * follows from it, and for a limit that cannot hold with another.
 */
export function resolveLimits(given: Readonly<Partial<Limits>> = {}): Limits {
  const said: Partial<Limits> = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  for (const [name, value] of Object.entries(said)) {
    if (!names.has(name)) throw new RangeError(`Cannot use limits.${name}: there is no such limit`);
    if (Number.isSafeInteger(value) && value >= 1) continue;
    if (value === Infinity && !finite.includes(name)) continue;
    throw new RangeError(`Cannot use limits.${name} "${String(value)}": it is no whole number of at least 1`);
  }
  const { subscriptions, channel, message: most } = { ...defaults, ...said };
  const least = comingBack(subscriptions, channel);
  const message = most ?? Math.max(mebibyte, least);
  const commandChars = said.commandChars ?? Math.max(mebibyte, message);
  const atOnce = 2 * Math.max(1_000, subscriptions);
  const derived = {
    message,
    commandChars,
    commandTotalChars: Math.max(64 * mebibyte, 2 * commandChars),
    commands: atOnce,
    burst: atOnce,
  };
  const limits = { ...defaults, ...derived, ...said };
  check(limits, least);
  return limits;
}

/** The bytes of a message with which a client comes back with so many subscriptions, at most. */
function comingBack(subscriptions: number, channel: number): number {
  return commandBytes.connect + subscriptions * (characterBytes * channel + commandBytes.subscribe);
}

function check(limits: Limits, least: number): void {
  const { message, commandChars, subscriptions, channel } = limits;
  if (message > largestMessage) {
    const [name, why] =
      message === least
        ? (["subscriptions", `coming back with them takes up to ${least} bytes`] as const)
        : (["message", "it is too large"] as const);
    throw cannot(limits, name, `${why}, and ${largestMessage} is the most that every runtime takes`);
  }
  const back = `a client comes back with ${subscriptions} subscriptions at once`;
  if (message < least) {
    const fitting = Math.floor(
      (message - commandBytes.connect) / (characterBytes * channel + commandBytes.subscribe),
    );
    const instead = fitting > 0 ? `, or limits.subscriptions "${fitting}"` : "";
    throw cannot(limits, "message", `${back}, in up to ${least} bytes; write at least that${instead}`);
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
