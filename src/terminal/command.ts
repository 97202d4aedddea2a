import { parseArgs } from "node:util";
import { urlOf } from "../base/url.ts";
import type { Position } from "../model/log.ts";
import { prefix } from "../model/run.ts";

/** A parsed command line. */
export type CommandLine = { readonly action: "help" } | { readonly action: "version" } | TailCommand;

/** What to follow, where to start, and how to show it. */
export interface TailCommand {
  readonly action: "tail";
  readonly url: string;
  /** Without duplicates. The channels of runs start with `run:`. */
  readonly channels: readonly string[];
  /** The ids of the runs to cancel. `channels` contains their channels. */
  readonly cancel: readonly string[];
  readonly reason: string | undefined;
  /** Default: a run from its start, a channel from now on. */
  readonly from: "start" | "now" | Position | undefined;
  readonly token: string | undefined;
  readonly isJson: boolean;
}

export const usage: string = `Usage: tocsin tail <url> [channel or run…]

Follows channels and runs (run:<id>) in a terminal. If it follows only runs, it stops when all of them have ended.

  --cancel <run>    asks a run to stop, and follows it to its end; may be given several times
  --reason <text>   why the run is cancelled; shown to everybody who follows it
  --from <where>    start, now, or <offset>@<epoch> to start after that position of the only channel given
                    (by default runs are followed from their start, channels from now on)
  --token <token>   authenticates you, if the server requires it; or set TOCSIN_TOKEN, which no process list shows
  --json            prints each publication as one line of JSON
  -h, --help        prints this
  -v, --version     prints the version

Publications are printed to standard output, everything else to standard error. Ctrl-C stops following, and cancels
nothing. The exit code is 0; 1 if a run did not complete, something could not be followed, or the server refused the
first connection, for example with 401 or 404; 2 if the command line is wrong. If a server cannot be reached for another
reason, the command prints the reason and tries again.
`;

const options = {
  cancel: { type: "string", multiple: true, default: [] as string[] },
  reason: { type: "string" },
  from: { type: "string" },
  token: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
  version: { type: "boolean", short: "v", default: false },
} as const;

/** Parses a command line. Throws a TypeError that describes the mistake. */
export function commandOf(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): CommandLine {
  const { values, positionals } = parsed(args);
  if (values.help) return { action: "help" };
  if (values.version) return { action: "version" };
  const [action, url, ...names] = positionals;
  if (action === undefined) throw new TypeError("Cannot begin: say what to do, as in tocsin tail <url> news");
  if (action !== "tail") throw new TypeError(`Cannot do ${JSON.stringify(action)}: the one command is tail`);
  if (url === undefined) throw new TypeError("Cannot tail: give the address of a server");
  const cancel = values.cancel.map((run) => (run.startsWith(prefix) ? run.slice(prefix.length) : run));
  const channels = [...new Set([...names, ...cancel.map((run) => prefix + run)])];
  checkChannels(channels);
  if (values.reason !== undefined && cancel.length === 0)
    throw new TypeError("Cannot use --reason: give --cancel too");
  return {
    action,
    url: checkedUrl(url),
    channels,
    cancel: [...new Set(cancel)],
    reason: values.reason,
    from: fromOf(values.from, channels),
    token: values.token ?? (env.TOCSIN_TOKEN || undefined),
    isJson: values.json,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // The first sentence describes the mistake. The others explain how to pass files whose names start with a dash.
    const [what = ""] = (error as Error).message.split(/[.\n]/);
    throw new TypeError(`Cannot read the options: ${what.charAt(0).toLowerCase()}${what.slice(1)}`);
  }
}

function checkChannels(channels: readonly string[]): void {
  if (channels.length === 0) throw new TypeError("Cannot tail: name a channel, or a run as run:<id>");
  const empty = channels.find((channel) => channel === "" || channel === prefix);
  if (empty !== undefined)
    throw new TypeError(`Cannot follow ${JSON.stringify(empty)}: that is no name of a channel or run`);
}

function checkedUrl(url: string): string {
  const parsed = urlOf(url);
  if (parsed !== undefined && /^(ws|http)s?:$/.test(parsed.protocol)) {
    // A WebSocket URL must not have a fragment.
    parsed.hash = "";
    return parsed.href;
  }
  throw new TypeError(`Cannot connect to ${JSON.stringify(url)}: an address begins with ws:// or wss://`);
}

function fromOf(from: string | undefined, channels: readonly string[]): TailCommand["from"] {
  if (from === undefined || from === "start" || from === "now") return from;
  const [, offset, epoch] = /^(\d{1,15})@(.+)$/.exec(from) ?? [];
  if (offset === undefined || epoch === undefined)
    throw new TypeError(`Cannot begin at ${JSON.stringify(from)}: it is start, now or <offset>@<epoch>`);
  if (channels.length > 1)
    throw new TypeError(
      `Cannot begin at ${JSON.stringify(from)}: give one channel, since a position is of one channel`,
    );
  return { offset: Number(offset), epoch };
}
