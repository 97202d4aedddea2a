import type { Client } from "../client/client.ts";
import type { ClientStatus } from "../client/options.ts";
import { GapError, ReplyError } from "../model/errors.ts";
import type { Position } from "../model/log.ts";
import type { Publication } from "../model/publication.ts";
import { prefix } from "../model/run.ts";
import { endingOf } from "./bar.ts";
import type { TailCommand } from "./tail-command.ts";
import type { View } from "./view.ts";

/** What to follow, and the view that shows it. */
export interface WatchOptions extends Pick<TailCommand, "channels" | "cancel" | "reason" | "from"> {
  readonly view: View;
  /** Aborts when the user stops the command. */
  readonly signal: AbortSignal;
}

const start: Position = { offset: 0, epoch: "" };

/**
 * Follows channels, and runs until they end. Returns whether everything succeeded: every run completed or was cancelled
 * as requested, and nothing was refused.
 */
export async function watch(client: Client, options: WatchOptions): Promise<boolean> {
  const { channels, cancel, signal, view } = options;
  const watched = async (channel: string): Promise<boolean> => {
    try {
      const isCancelled = cancel.includes(channel.slice(prefix.length)) && channel.startsWith(prefix);
      if (isCancelled && !(await requestCancel(client, channel, options))) return false;
      const ending = await followToEnd(client, channel, options);
      return ending === "completed" || (isCancelled && ending === "cancelled");
    } catch (error) {
      if (signal.aborted) return true;
      // When the connection is closed for good, `attend` has shown the reason, once for all channels.
      if (client.status !== "closed") view.refused(channel, refusalOf(channel, error));
      return false;
    }
  };
  return (await Promise.all(channels.map(watched))).every(Boolean);
}

async function requestCancel(
  client: Client,
  channel: string,
  { reason, view }: WatchOptions,
): Promise<boolean> {
  const answer = await client.run(channel.slice(prefix.length)).cancel(reason);
  const name = JSON.stringify(channel);
  if (answer === "unknown") view.refused(channel, `Cannot cancel ${name}: it is not there, or not yours`);
  else view.note(answer === "requested" ? `Asked ${name} to stop` : `${name} had ended already`);
  return answer !== "unknown";
}

/** Follows a channel until its run ends. After a gap, goes on at the earliest publication that is left. */
async function followToEnd(
  client: Client,
  channel: string,
  { from = channel.startsWith(prefix) ? "start" : "now", view }: WatchOptions,
): Promise<ReturnType<typeof endingOf>> {
  let after = from === "now" ? undefined : from === "start" ? start : from;
  const isRun = channel.startsWith(prefix);
  if (isRun) after ??= await client.history(channel, { limit: 0 });
  for (;;) {
    // Nothing is published after an ending: following from there would never end.
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
    // The publication is gone. Following from there reports that too.
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
      // Asking for the next publication acknowledges the ending. The abort keeps that from waiting.
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

/** How to react to a server that cannot be reached. */
export interface AttendOptions {
  /**
   * Returns the status of an HTTP response of the server; undefined when there is no response. Is called when the
   * runtime's WebSocket does not expose the status.
   */
  statusOf(url: string): Promise<number | undefined>;
  /** Stops trying. Is called when the server refuses for a reason that will not change by itself. */
  giveUp(): void;
}

/**
 * Returns an `onStatus` for `connect`. It shows when the connection is lost, once, and when it is restored. It gives up
 * when the very first connection is refused with a status that means that the address or the token is wrong.
 */
export function attend(
  url: string,
  view: Pick<View, "note" | "error">,
  { statusOf, giveUp }: AttendOptions,
): (status: ClientStatus, why?: ReplyError) => Promise<void> {
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

/**
 * Returns whether a status means that trying again is useless. 426 does not: our servers answer it to plain requests.
 */
function isWrong(status: number): boolean {
  return status >= 400 && status < 500 && ![408, 425, 426, 429].includes(status);
}

function hintOf(status: number): string {
  if (status === 401 || status === 403) return "so it does not let you in: look at the address and the token";
  return "so there are no notifications: look at its path";
}
