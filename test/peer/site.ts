import { test as base, expect } from "vitest";
import type { Transport } from "../support/stock-client.ts";
import { frame, type Tcp, tcp, upgrade } from "../support/tcp.ts";
import type { Control } from "./control.ts";
import type { Happenings } from "./journal.ts";
import { open, type Peer } from "./peer.ts";
import type { Profile } from "./profiles.ts";

/** A query of an address: who the peer is. */
export type Query = Readonly<Record<string, string | number>>;

/** A notifier of a server, of its own for one test. It is closed after the test, and must be quiet. */
export interface Site extends Acts {
  /** Returns the address of a peer. By default it is of the user "ann". */
  address(query?: Query): string;
  /** How its peers connect. */
  readonly transport: Transport;
  /** The path of the notifier, with a slash at the end. */
  readonly path: string;
  /** The port of the server. */
  readonly port: number;
  /** Opens a connection. It does not send connect. */
  open(query?: Query, protocols?: string[]): Promise<Peer>;
  /** Opens a connection, and connects. */
  connect(query?: Query, params?: object): Promise<Peer>;
  /** Opens a connection, connects, and subscribes to channels. */
  subscribe(channels: string | readonly string[], query?: Query): Promise<Peer>;
  /** Opens a TCP connection, and sends something. */
  tcp(first?: string | Uint8Array): Tcp;
  /** Upgrades a bare TCP connection. */
  upgrade(query?: Query): Promise<Tcp>;
  /** Upgrades a bare TCP connection, connects, and subscribes to channels. */
  join(channels?: readonly string[], query?: Query): Promise<Tcp>;
  /** Calls a function at the end of the test, before the notifier is closed. */
  finally(end: () => unknown): void;
  /** Returns what the handlers were called with, once there are `count` calls. */
  take<Kind extends keyof Happenings>(kind: Kind, count: number): Promise<Happenings[Kind][]>;
}

/** The routes of {@linkcode Control}, with their most common arguments first. */
export interface Acts {
  readonly control: Control;
  /** Publishes in one turn, and returns the offset of the last one. */
  publish(channel: string, ...list: unknown[]): Promise<number>;
  epoch(channel: string): Promise<string>;
}

/** A test that talks to one server. */
export type PeerTest = ReturnType<typeof peerTest>;

let count = 0;

/** Returns `test` for a server whose URL is known when the tests run, and whose output is shown where one fails. */
export function peerTest(
  url: () => string,
  output: () => string = () => "",
  transport: Transport = "websocket",
) {
  return base.extend<{ site: (profile?: Profile) => Site }>({
    site: async ({ onTestFailed }, use) => {
      const sites: Opened[] = [];
      const { length } = output();
      onTestFailed(() => {
        const printed = output().slice(length);
        if (printed !== "") console.log(`The server printed:\n${printed}`);
      });
      await use((profile = "open") => {
        const site = createSite(url(), `/${profile}/${Date.now().toString(36)}-${++count}/`, transport);
        sites.push(site);
        return site.site;
      });
      for (const { finish } of sites) await finish();
    },
  });
}

interface Opened {
  site: Site;
  finish(): Promise<void>;
}

function createSite(url: string, path: string, transport: Transport): Opened {
  const control = remote(new URL(`${path}control/`, url));
  const port = Number(new URL(url).port);
  const peers: Peer[] = [];
  const ends: (() => unknown)[] = [];
  const query = (of: Query = {}) =>
    new URLSearchParams(
      Object.entries({ user: "ann", ...of }).map(([name, value]): [string, string] => [name, String(value)]),
    );
  const site: Site = {
    ...acts(control),
    transport,
    path,
    port,
    address: (of) => `${url.replace(/^http/, "ws")}${path}?${query(of)}`,
    async open(of, protocols) {
      const peer = await open(site.address(of), protocols, transport);
      peers.push(peer);
      return peer;
    },
    async connect(of, params) {
      const peer = await site.open(of);
      await peer.connect(params);
      return peer;
    },
    async subscribe(channels, of) {
      const peer = await site.connect(of);
      for (const channel of [channels].flat()) await peer.call("subscribe", { channel });
      return peer;
    },
    tcp(first) {
      const peer = tcp(port, first);
      ends.push(peer.destroy);
      return peer;
    },
    async upgrade(of) {
      const peer = site.tcp(upgrade(`${path}?${query(of)}`));
      await peer.until(/^HTTP\/1.1 101 .*\r\n\r\n/s);
      return peer;
    },
    async join(channels = [], of) {
      const peer = await site.upgrade(of);
      const subscribes = channels.map((channel, at) => ({ id: at + 2, subscribe: { channel } }));
      const commands = [{ id: 1, connect: {} }, ...subscribes];
      peer.send(frame(1, commands.map((each) => JSON.stringify(each)).join("\n")));
      await peer.until(new RegExp(`"id":${commands.length},`));
      return peer;
    },
    finally: (end) => void ends.push(end),
    take: (kind, count) => control.take({ kind, count }),
  };
  return { site, finish: () => finish(control, peers, ends) };
}

async function finish(control: Control, peers: Peer[], ends: (() => unknown)[]): Promise<void> {
  for (const end of ends.reverse()) await end();
  for (const peer of peers) peer.close();
  const { stats, left, untaken } = await control.close({});
  await Promise.all(peers.map((peer) => peer.end()));
  expect(peers.flatMap(({ breaches }) => breaches)).toEqual([]);
  expect({ left, counts: Object.entries(stats).filter(([, n]) => n !== 0), untaken }).toEqual({
    left: [],
    counts: [],
    untaken: [],
  });
}

function acts(control: Control): Acts {
  return {
    control,
    async publish(channel, ...list) {
      return (await control.publish({ channel, list })).at(-1)?.offset ?? 0;
    },
    epoch: async (channel) => (await control.history({ channel, options: { limit: 0 } })).epoch,
  };
}

/** Calls the routes of a notifier. */
function remote(base: URL): Control {
  const call = async (act: string, of: unknown): Promise<unknown> => {
    const response = await fetch(new URL(act, base), { method: "POST", body: JSON.stringify(of) });
    const body = await response.text();
    if (!response.ok) throw new Error(`${act} answered ${response.status}: ${body}`);
    return JSON.parse(body);
  };
  return new Proxy({} as Control, { get: (_, act) => (of: unknown) => call(String(act), of) });
}
