import { urlOf } from "../base/url.ts";
import { prefix } from "../model/run.ts";
import { type From, fromOf } from "./from.ts";

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
  readonly from: From | undefined;
  readonly token: string | undefined;
  readonly isJson: boolean;
}

/** The options of `tocsin tail`, as `parseArgs` takes them. */
export const tailOptions = {
  cancel: { type: "string", multiple: true },
  reason: { type: "string" },
  from: { type: "string" },
  token: { type: "string" },
  json: { type: "boolean" },
} as const;

/** The options of `tocsin tail`, as they were given. */
export interface TailValues {
  readonly cancel?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  readonly from?: string | undefined;
  readonly token?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Parses what follows `tocsin tail`. Throws a TypeError that describes the mistake. */
export function tailCommandOf(
  [url, ...names]: readonly string[],
  values: TailValues,
  env: Readonly<Record<string, string | undefined>>,
): TailCommand {
  if (url === undefined) throw new TypeError("Cannot tail: give the address of a server");
  const cancel = (values.cancel ?? []).map((run) =>
    run.startsWith(prefix) ? run.slice(prefix.length) : run,
  );
  const channels = [...new Set([...names, ...cancel.map((run) => prefix + run)])];
  checkChannels(channels);
  if (values.reason !== undefined && cancel.length === 0)
    throw new TypeError("Cannot use --reason: give --cancel too");
  const from = fromOf(values.from);
  if (typeof from === "object" && channels.length > 1) {
    const why = "give one channel, since a position is of one channel";
    throw new TypeError(`Cannot begin at ${JSON.stringify(values.from)}: ${why}`);
  }
  return {
    action: "tail",
    url: checkedUrl(url),
    channels,
    cancel: [...new Set(cancel)],
    reason: values.reason,
    from,
    token: values.token ?? (env.TOCSIN_TOKEN || undefined),
    isJson: values.json ?? false,
  };
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
