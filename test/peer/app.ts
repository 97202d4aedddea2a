import type { Context } from "hono";
import type { Action, Authorize, Identity, Notifier, NotifierOptions, Peer, RpcHandler } from "tocsin";
import type { NotificationsOptions } from "tocsin/hono";
import { protobufCodec } from "tocsin/protobuf";
import type { Journal } from "./journal.ts";
import { type Profile, page, profiles } from "./profiles.ts";

/** The options of a notifier and of its connections, except for what depends on where it runs. */
export interface PeerOptions extends Omit<NotifierOptions, "log" | "clock" | "signal">, NotificationsOptions {
  /** Functions of every peer. */
  peer: Pick<Peer, "connect" | "refresh" | "receive">;
}

/**
 * Returns the options of a notifier that tests talk to, on any runtime. `notifier` returns that notifier, for handlers.
 *
 * The address decides who a peer is: `?user=ann&channels=a,b`. Names of channels decide what a peer may do; see
 * {@linkcode authorize}.
 */
export function peerOptions(profile: Profile, journal: Journal, notifier: () => Notifier): PeerOptions {
  const {
    heartbeat = 25_000,
    window,
    limits,
    isClosed = false,
    hasTokens = false,
    isJsonOnly,
  } = profiles[profile];
  const receive: Peer["receive"] = ({ user }, data) => journal.add("sent", { user, data });
  return {
    ...{ heartbeat, window, limits, grace: 1_000 },
    codecs: isJsonOnly ? [] : [protobufCodec],
    rpc: methods(journal, notifier),
    onError: (error, { stage }) => journal.add("error", { stage, message: messageOf(error) }),
    onRefused: ({ code }) => journal.add("refused", { code }),
    onUndelivered: ({ channel, offset }: { channel: string; offset: number }, reason) =>
      journal.add("undelivered", { channel, offset, reason }),
    authenticate: (c) => authenticate(c, isClosed),
    peer: hasTokens ? { receive, connect: byToken, refresh: refresher(journal) } : { receive },
    authorize: isClosed ? undefined : (peer, action) => authorize(peer, action, journal),
    origins: isClosed ? page : undefined,
  };
}

/** Returns who is at the address of a request. The user `throws` makes it throw. */
function authenticate(c: Context, isClosed: boolean): Identity | null {
  const { user = "", channels, info, ttl } = c.req.query();
  if (user === "throws") throw new Error("not authenticated");
  if (isClosed && user === "") return null;
  return {
    user,
    channels: channels?.split(",") ?? [],
    info: info === undefined ? undefined : JSON.parse(info),
    ...(ttl !== undefined && { expires: Date.now() + Number(ttl) }),
  };
}

/** Identifies a client by the token of its connect command. Bob has a channel of his own. */
const byToken: NonNullable<Peer["connect"]> = (_, { token }) => {
  if (token === "throws") throw new Error("no token");
  if (token === "" || token === "invalid") return null;
  if (token === "expired") return { user: "late", expires: Date.now() - 1 };
  return token === "bob" ? { user: token, channels: ["granted"] } : { user: token };
};

/** Prolongs the permission of a client by a minute. */
function refresher(journal: Journal): NonNullable<Peer["refresh"]> {
  return ({ user }, token) => {
    journal.add("refreshed", { user, token });
    return token === "invalid" ? null : Date.now() + 60_000;
  };
}

/**
 * Allows everything, except for channels with these prefixes: `private:` is refused, `read:` may not be published to,
 * `throws:` throws, `never:` is not answered, and `held:` waits until the gate of the same name is open.
 */
const authorize = async (
  _: Parameters<Authorize>[0],
  { type, channel, signal }: Action,
  journal: Journal,
): Promise<boolean> => {
  if (channel.startsWith("throws:")) throw new Error("not authorized");
  if (channel.startsWith("never:")) return never(journal, `authorize ${channel}`, signal);
  if (channel.startsWith("held:")) await journal.pass(channel, signal);
  if (channel.startsWith("read:")) return type !== "publish";
  return !channel.startsWith("private:") && type !== "cancel";
};

function methods(journal: Journal, notifier: () => Notifier): Record<string, RpcHandler> {
  return {
    echo: (_, { data }) => data,
    nothing: () => undefined,
    whoami: ({ user }, { session }) => ({ user, session }),
    throws() {
      throw new Error("thrown");
    },
    rejects: () => Promise.reject(new Error("rejected")),
    unwritable: () => 1n,
    never: (_, { signal }) => never(journal, "rpc never", signal),
    /** Waits until a gate is open. */
    async hold(_, { data, signal }) {
      signal.addEventListener("abort", () => journal.add("aborted", { handler: `rpc hold ${data}` }));
      await journal.pass(String(data), signal);
      return data;
    },
    /** Publishes all of a list, one a microtask, in one turn of the event loop. */
    async publish(_, { data }) {
      const { channel, list } = data as { channel: string; list: unknown[] };
      const publishing: Promise<unknown>[] = [];
      for (const each of list) {
        publishing.push(notifier().publish(channel, each));
        await undefined;
      }
      await Promise.all(publishing);
      return list.length;
    },
  };
}

/** Does not answer, and notes when its signal aborts. */
function never(journal: Journal, handler: string, signal: AbortSignal): Promise<never> {
  signal.addEventListener("abort", () => journal.add("aborted", { handler }));
  return new Promise(() => {});
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
