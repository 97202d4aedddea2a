import type { Client } from "../client/client.ts";
import type { ConnectOptions } from "../client/options.ts";
import { GapError, ReplyError } from "../model/errors.ts";
import type { Position } from "../model/log.ts";
import type { Publication } from "../model/publication.ts";
import { endingOf } from "./bar.ts";
import { prefix, type TailCommand } from "./command.ts";
import type { View } from "./view.ts";

/** What is watched, and who is told. */
export interface WatchOptions extends Pick<TailCommand, "channels" | "cancel" | "reason" | "from"> {
  readonly view: View;
  /** Says that the user has seen enough. */
  readonly signal: AbortSignal;
}

const start: Position = { offset: 0, epoch: "" };

/**
 * Follows channels, and runs to their end, and answers whether all of it went well: every run completed or was cancelled
 * as it was asked to, and nothing was refused.
 */
export async function watch(client: Client, options: WatchOptions): Promise<boolean> {
  const { channels, cancel, signal, view } = options;
  const watched = async (channel: string): Promise<boolean> => {
    try {
      const isCancelled = cancel.includes(channel.slice(prefix.length)) && channel.startsWith(prefix);
      if (isCancelled && !(await asked(client, channel, options))) return false;
      const ending = await followed(client, channel, options);
      return ending === "completed" || (isCancelled && ending === "cancelled");
    } catch (error) {
      if (signal.aborted) return true;
      // Why the connection is closed for good has been said once, for all.
      if (client.status !== "closed") view.refused(channel, refusalOf(channel, error));
      return false;
    }
  };
  return (await Promise.all(channels.map(watched))).every(Boolean);
}

async function asked(client: Client, channel: string, { reason, view }: WatchOptions): Promise<boolean> {
  const answer = await client.run(channel.slice(prefix.length)).cancel(reason);
  const name = JSON.stringify(channel);
  if (answer === "unknown") view.refused(channel, `Cannot cancel ${name}: it is not there, or not yours`);
  else view.note(answer === "requested" ? `Asked ${name} to stop` : `${name} had ended already`);
  return answer !== "unknown";
}

/** Follows a channel to its run's ending, over any gaps. */
async function followed(
  client: Client,
  channel: string,
  { from = channel.startsWith(prefix) ? "start" : "now", view }: WatchOptions,
): Promise<ReturnType<typeof endingOf>> {
  let after = from === "now" ? undefined : from === "start" ? start : from;
  const isRun = channel.startsWith(prefix);
  if (isRun) after ??= await client.history(channel, { limit: 0 });
  for (;;) {
    // Nothing comes after an ending, and so nothing would say that the run is over.
    const last = isRun && after !== undefined ? await publicationAt(client, channel, after) : undefined;
    if (last !== undefined && endingOf(last) !== undefined) {
      await view.show(last);
      return endingOf(last);
    }
    try {
      return await read(client, channel, after, view);
    } catch (error) {
      if (!(error instanceof GapError) || isSame(error.earliest, after)) throw error;
      const gone = `What came after ${error.after.offset} in ${JSON.stringify(channel)} is gone`;
      view.note(`${gone}: going on after ${error.earliest.offset}`);
      after = error.earliest;
    }
  }
}

async function publicationAt(
  client: Client,
  channel: string,
  { offset, epoch }: Position,
): Promise<Publication | undefined> {
  if (offset === 0) return undefined;
  try {
    const { publications } = await client.history(channel, {
      after: { offset: offset - 1, epoch },
      limit: 1,
    });
    return publications[0];
  } catch (error) {
    // It is gone, which following from there tells, too.
    if (error instanceof ReplyError && error.code === 112) return undefined;
    throw error;
  }
}

async function read(
  client: Client,
  channel: string,
  after: Position | undefined,
  view: View,
): Promise<ReturnType<typeof endingOf>> {
  const over = new AbortController();
  const { signal } = over;
  let ending: ReturnType<typeof endingOf>;
  try {
    for await (const publication of client.follow(channel, { after, signal })) {
      await view.show(publication);
      ending = endingOf(publication);
      // It is acknowledged by asking for what comes after it, which is not waited for.
      if (ending !== undefined) over.abort();
    }
  } catch (error) {
    if (ending === undefined) throw error;
  }
  return ending;
}

function isSame(one: Position, other: Position | undefined): boolean {
  return one.offset === other?.offset && one.epoch === other.epoch;
}

function refusalOf(channel: string, error: unknown): string {
  if (!(error instanceof ReplyError)) return error instanceof Error ? error.message : String(error);
  if (error.code !== 103) return wordsOf(error);
  return `Cannot follow ${JSON.stringify(channel)}: it is not there, or not yours (${error.code})`;
}

function wordsOf({ code, message, status, cause }: ReplyError): string {
  if (status !== undefined) return message;
  const why = cause instanceof Error && cause.message !== "" ? `: ${cause.message}` : "";
  return message === "" ? `code ${code}` : `${message}${why} (${code})`;
}

/** What is done about a server that cannot be reached. */
export interface AttendOptions {
  /** Asks it by HTTP which status it answers, where the runtime's WebSocket does not tell; undefined where it answers none. */
  statusOf(url: string): Promise<number | undefined>;
  /** Ends the trying: the server has refused what will not change by itself. */
  giveUp(): void;
}

/**
 * Tells how the connection fares, for `connect`: once when it is lost, and when it is there again. Gives up where the very
 * first connection is refused with a status that says that the address, or whoever asks, is wrong.
 */
export function attend(
  url: string,
  view: Pick<View, "note" | "error">,
  { statusOf, giveUp }: AttendOptions,
): ConnectOptions["onStatus"] {
  let isLost = false;
  let wasConnected = false;
  const isGivenUp = (status: number | undefined): boolean => {
    if (status === undefined || wasConnected || !isWrong(status)) return false;
    view.error(`Cannot connect to ${url}: the server answered ${status}, ${hintOf(status)}`);
    giveUp();
    return true;
  };
  return async (status, why) => {
    if (status === "closed" && why !== undefined) {
      view.error(`Cannot go on: the server closed the connection: ${wordsOf(why)}`);
    } else if (status === "waiting" && why !== undefined && !isLost) {
      isLost = true;
      if (isGivenUp(why.status)) return;
      const what = wasConnected ? "Lost the connection" : `Cannot reach ${url}`;
      view.note(`${what}, trying again: ${wordsOf(why)}`);
      if (why.status === undefined && why.tries !== undefined) isGivenUp(await statusOf(url));
    } else if (status === "connected") {
      if (isLost) view.note(wasConnected ? "Connected again" : "Connected");
      isLost = false;
      wasConnected = true;
    }
  };
}

/** Whether a status says that trying again is of no use. To a request that is no upgrade a server of ours answers 426. */
function isWrong(status: number): boolean {
  return status >= 400 && status < 500 && ![408, 425, 426, 429].includes(status);
}

function hintOf(status: number): string {
  if (status === 401 || status === 403) return "so it does not let you in: look at the address and the token";
  return "so there are no notifications: look at its path";
}
