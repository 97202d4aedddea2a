import { parseArgs } from "node:util";
import { urlOf } from "../base/url.ts";
import type { Position } from "../model/log.ts";

/** What a command line asks for. */
export type CommandLine = { readonly action: "help" } | { readonly action: "version" } | TailCommand;

/** What is to be followed, from where, and how it is shown. */
export interface TailCommand {
  readonly action: "tail";
  readonly url: string;
  /** Each once; those of runs begin with `run:`. */
  readonly channels: readonly string[];
  /** Ids of the runs that are to be cancelled. Their channels are among `channels`. */
  readonly cancel: readonly string[];
  readonly reason: string | undefined;
  /** Default: runs from their start, channels from now on. */
  readonly from: "start" | "now" | Position | undefined;
  readonly token: string | undefined;
  readonly isJson: boolean;
}

/** What a run's channel begins with. */
export const prefix = "run:";

export const usage: string = `Usage: tocsin tail <url> [channel or run…]

Follows channels, and runs (run:<id>) until all of them have ended, in a terminal.

  --cancel <run>    asks a run to stop, and follows it to its end; may be given several times
  --reason <text>   why, for those who follow the cancelled run
  --from <where>    start, now, or <offset>@<epoch>, for what comes after that position of the one channel given
                    (by default runs are followed from their start, channels from now on)
  --token <token>   says who you are, where the server asks for it; TOCSIN_TOKEN, too, and that no process list shows
  --json            prints each publication as one line of JSON
  -h, --help        prints this
  -v, --version     prints the version

Publications are printed to standard output, all else to standard error. Ctrl-C stops following, and cancels nothing.
Ends with code 0; 1 when a run did not complete, something could not be followed, or the first connection is refused as
with 401 or 404; 2 when it was called wrongly. Where a server cannot be reached otherwise it says why, and goes on trying.
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

/** Reads a command line. Throws a TypeError that says what is wrong with it. */
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
    throw new TypeError("Cannot use --reason: there is no --cancel that it is a reason for");
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
    // Its first sentence says what is wrong, and the others how to name files that begin with a dash.
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
    // A WebSocket must not be given one.
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
      `Cannot begin at ${JSON.stringify(from)}: that is in one channel, and there are more`,
    );
  return { offset: Number(offset), epoch };
}
