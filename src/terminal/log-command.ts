import { type From, fromOf } from "./from.ts";

/** Which file to read, and what of it to show. */
export interface LogCommand {
  readonly action: "log";
  readonly file: string;
  /** Undefined: lists all channels. */
  readonly channel: string | undefined;
  readonly from: From;
  readonly isFollowing: boolean;
  readonly isJson: boolean;
}

/** The options of `tocsin log`, as `parseArgs` takes them. */
export const logOptions = {
  channel: { type: "string" },
  from: { type: "string" },
  follow: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** The options of `tocsin log`, as they were given. */
export interface LogValues {
  readonly channel?: string | undefined;
  readonly from?: string | undefined;
  readonly follow?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Parses what follows `tocsin log`. Throws a TypeError that describes the mistake. */
export function logCommandOf([file, ...more]: readonly string[], values: LogValues): LogCommand {
  const { channel, from = "start", follow = false, json = false } = values;
  if (file === undefined || file === "")
    throw new TypeError("Cannot read a log: give its file, as in tocsin log notifications.db");
  if (more.length > 0) {
    const name = JSON.stringify(more[0]);
    throw new TypeError(`Cannot read ${name} too: give one file, and a channel of it with --channel`);
  }
  if (channel === "") throw new TypeError('Cannot read "": that is no name of a channel or run');
  if (channel === undefined && (follow || values.from !== undefined))
    throw new TypeError(`Cannot use ${follow ? "--follow" : "--from"}: give --channel too`);
  if (from === "now" && !follow) throw new TypeError('Cannot begin at "now": give --follow too');
  return { action: "log", file, channel, from: fromOf(from) ?? "start", isFollowing: follow, isJson: json };
}
