import type { Limits } from "./settings.ts";

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
