import { Centrifuge, type SubscriptionOptions } from "centrifuge";
import { WebSocket as NodeWebSocket } from "ws";
import { CancelError, connect, GapError, type Publication } from "../../src/client.ts";
import type { Position } from "../../src/mod.ts";
import type { Random } from "../simulation/random.ts";
import { Track } from "./track.ts";

/** A client that follows the channel `news`, or a given one, and its own run until it is closed. */
export interface Client {
  readonly kind: "stock" | "own";
  readonly user: string;
  readonly tracks: readonly Track[];
  readonly isConnected: boolean;
  /** The number of connections that the server has accepted. */
  readonly connections: number;
  /** The close codes of the ended connections. */
  readonly codes: readonly number[];
  /** Who cancelled the run, as the client received it. Undefined while the run works. */
  readonly ended: string | undefined;
  /** The faults that belong to no track. */
  readonly faults: readonly string[];
  /** The ids of its sessions. A client of this project does not know them. */
  readonly sessions: readonly string[];
  /** The sessions that it has seen join and leave `news`, if it watches them. */
  readonly seen: readonly Seen[];
  /** Stops reading, so that further data stays in the buffers of the kernel. */
  pause(): void;
  resume(): void;
  close(): unknown;
}

/** A session that has joined a channel, or left it. */
export interface Seen {
  readonly what: "join" | "leave";
  readonly session: string;
}

/** The members of a client that change. */
type State = { -readonly [K in "isConnected" | "connections" | "ended"]: Client[K] } & {
  codes: number[];
  faults: string[];
  sessions: string[];
  seen: Seen[];
};

/** What clients need: where to connect, and a function to call after each change. */
export interface Place {
  /** The address of the server, which a query can follow. */
  url: string;
  changed(): void;
  /** Whether clients follow only `news`, and come back as soon as they can. */
  isQuick?: boolean;
  /** The channel that clients follow, to which several processes publish. Default: `news`, to which one does. */
  shared?: string;
  /** Whether a client of `centrifuge` watches who joins and leaves. */
  watches?: boolean;
}

/** The longest wait of a quick client before it tries to connect again, in milliseconds. */
const longestWait = 200;

const start: Position = { offset: 0, epoch: "" };

function newState(): State {
  return {
    isConnected: false,
    connections: 0,
    ended: undefined,
    codes: [],
    faults: [],
    sessions: [],
    seen: [],
  };
}

function tracksOf(user: string, { changed, shared }: Place): { news: Track; run: Track } {
  const news = new Track(shared ?? "news", changed, shared !== undefined);
  return { news, run: new Track(`run:${user}`, changed) };
}

/** Returns a WebSocket class, and functions that pause and resume the last socket of this class. */
function sockets(): { Sockets: new (url: string) => NodeWebSocket; pause(): void; resume(): void } {
  let last: NodeWebSocket | undefined;
  class Sockets extends NodeWebSocket {
    constructor(url: string) {
      super(url);
      last = this;
    }
  }
  return { Sockets, pause: () => last?.pause(), resume: () => last?.resume() };
}

function admitted(state: State, changed: () => void): void {
  state.isConnected = true;
  state.connections++;
  changed();
}

function lost(state: State, code: number, changed: () => void): void {
  if (!state.isConnected) return;
  state.isConnected = false;
  state.codes.push(code);
  changed();
}

/** Connects a `centrifuge` client. */
export function stock(user: string, place: Place): Client {
  const { url, changed, isQuick = false, watches = false } = place;
  const state = newState();
  const { news, run } = tracksOf(user, place);
  const { Sockets, ...reading } = sockets();
  const delays = isQuick ? { minReconnectDelay: 20, maxReconnectDelay: longestWait } : {};
  const options = { websocket: Sockets, ...delays };
  const client = new Centrifuge(`${url}?user=${user}`, options);
  client.on("connected", ({ client: session }) => {
    state.sessions.push(session);
    admitted(state, changed);
  });
  client.on("connecting", ({ code }) => lost(state, code, changed));
  client.on("disconnected", ({ code, reason }) => {
    lost(state, code, changed);
    if (code !== 0) state.faults.push(`it does not reconnect: ${code} ${reason}`);
  });
  const follow = (track: Track, options: Partial<SubscriptionOptions>): void => {
    const subscription = client.newSubscription(track.channel, options);
    let epoch = "";
    subscription.on("subscribed", ({ streamPosition, wasRecovering, recovered }) => {
      const { offset, epoch: present } = streamPosition as Position;
      epoch = present;
      if (wasRecovering && !recovered) track.gap({ offset, epoch });
      else track.begin({ offset, epoch });
    });
    subscription.on("publication", ({ offset = 0, data }) => {
      if (data.type === "run.cancelled") state.ended = data.by;
      track.take({ offset, epoch }, data.n);
    });
    for (const what of ["join", "leave"] as const)
      subscription.on(what, ({ info }) => state.seen.push({ what, session: info.client }));
    subscription.on("unsubscribed", ({ code, reason }) => {
      if (code !== 0) state.faults.push(`it lost ${track.channel}: ${code} ${reason}`);
    });
    subscription.subscribe();
  };
  follow(news, { joinLeave: watches });
  if (!isQuick) follow(run, { since: start });
  client.connect();
  const close = (): void => client.disconnect();
  const tracks = isQuick ? [news] : [news, run];
  return Object.assign(state, { kind: "stock", user, tracks, ...reading, close } as const);
}

/** Connects a client of this project. */
export function own(user: string, place: Place, random: Random): Client {
  const { url, changed, isQuick = false } = place;
  const state = newState();
  const { news, run } = tracksOf(user, place);
  const { Sockets, ...reading } = sockets();
  let isWaiting = false;
  const timer = (ms: number, fire: () => void): { cancel(): void } => {
    // The only timer of a client that waits is for the next try.
    const handle = setTimeout(fire, isQuick && isWaiting ? Math.min(ms, longestWait) : ms);
    return { cancel: () => clearTimeout(handle) };
  };
  const client = connect(`${url}?user=${user}`, {
    WebSocket: Sockets,
    clock: { timer, random: random.next },
    onStatus(status, why) {
      isWaiting = status === "waiting";
      if (status === "connected") admitted(state, changed);
      else if (status !== "closed") lost(state, why?.code ?? 0, changed);
    },
  });
  /** Reads for ever. After each gap it continues at the end of the gap. */
  const follow = async (
    track: Track,
    read: (after: Position | undefined) => AsyncIterable<Publication>,
  ): Promise<void> => {
    for (let after: Position | undefined; ; ) {
      try {
        for await (const { epoch, offset, data } of read(after))
          track.take({ epoch, offset }, (data as { n?: number }).n);
        throw new Error(`${track.channel} ended without an error`);
      } catch (error) {
        if (!(error instanceof GapError)) throw error;
        after = error.earliest;
        track.gap(after);
      }
    }
  };
  const failed = (error: unknown): void => {
    if (error instanceof CancelError && run.at !== undefined) {
      // The last publication is the run's ending, which the loop does not yield.
      run.take({ ...run.at, offset: run.at.offset + 1 }, undefined);
      run.isOver = true;
      state.ended = error.by;
    } else if ((error as Error).name !== "ClosedError") state.faults.push(String(error));
    changed();
  };
  follow(news, (after) => client.follow(news.channel, { after })).catch(failed);
  if (!isQuick) follow(run, (after) => client.run(user, { after })).catch(failed);
  const close = (): Promise<void> => client.close();
  const tracks = isQuick ? [news] : [news, run];
  return Object.assign(state, { kind: "own", user, tracks, ...reading, close } as const);
}
