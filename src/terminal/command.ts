import { parseArgs } from "node:util";
import { type LogCommand, logCommandOf, logOptions } from "./log-command.ts";
import { type TailCommand, tailCommandOf, tailOptions } from "./tail-command.ts";

/** A parsed command line. */
export type CommandLine =
  | { readonly action: "help" }
  | { readonly action: "version" }
  | TailCommand
  | LogCommand;

export const usage: string = `Usage: tocsin tail <url> [channel or run…]
       tocsin log <file> [--channel <name>]

tocsin tail follows channels and runs (run:<id>) of a server. If it follows only runs, it stops when all of them have
ended.

  --cancel <run>    asks a run to stop, and follows it to its end; may be given several times
  --reason <text>   why the run is cancelled; shown to everybody who follows it
  --from <where>    start, now, or <offset>@<epoch> to start after that position of the only channel given
                    (by default runs are followed from their start, channels from now on)
  --token <token>   authenticates you, if the server requires it; or set TOCSIN_TOKEN, which no process list shows
  --json            prints each publication as one line of JSON

tocsin log shows what the SQLite file of a log holds, also while a server uses it. It never writes to it.

  --channel <name>  prints the publications of this channel (by default a table of all channels is printed)
  --from <where>    start, now, or <offset>@<epoch> (by default all that is kept is printed)
  --follow          goes on with what is published from now on, until the channel is sealed
  --json            prints each channel or publication as one line of JSON

  -h, --help        prints this
  -v, --version     prints the version

Channels and publications are printed to standard output, everything else to standard error. Ctrl-C stops following, and
cancels nothing. The exit code is 0; 1 if a run did not complete, something could not be followed or read, or the server
refused the first connection, for example with 401 or 404; 2 if the command line is wrong. If a server cannot be reached
for another reason, the command prints the reason and tries again.
`;

const options = {
  ...tailOptions,
  ...logOptions,
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

/** Parses a command line. Throws a TypeError that describes the mistake. */
export function commandOf(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): CommandLine {
  const { values, positionals } = parsed(args);
  if (values.help) return { action: "help" };
  if (values.version) return { action: "version" };
  const [action, ...rest] = positionals;
  if (action === undefined) {
    const how = "tocsin tail <url> news, or tocsin log <file>";
    throw new TypeError(`Cannot begin: say what to do, as in ${how}`);
  }
  if (action !== "tail" && action !== "log")
    throw new TypeError(`Cannot do ${JSON.stringify(action)}: the commands are tail and log`);
  const known = action === "tail" ? tailOptions : logOptions;
  const other = Object.keys(values).find((name) => !Object.hasOwn(known, name));
  if (other !== undefined) throw new TypeError(`Cannot use --${other}: tocsin ${action} has no such option`);
  return action === "tail" ? tailCommandOf(rest, values, env) : logCommandOf(rest, values);
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
