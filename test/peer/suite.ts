import { describe } from "vitest";
import type { Transport } from "../support/stock-client.ts";
import { calls } from "./rooms/calls.ts";
import { channels } from "./rooms/channels.ts";
import { client } from "./rooms/client.ts";
import { connecting } from "./rooms/connecting.ts";
import { ends } from "./rooms/ends.ts";
import { envelopes } from "./rooms/envelopes.ts";
import { flow } from "./rooms/flow.ts";
import { handshake } from "./rooms/handshake.ts";
import { inTime } from "./rooms/in-time.ts";
import { receipts } from "./rooms/receipts.ts";
import { recovery } from "./rooms/recovery.ts";
import { runs } from "./rooms/runs.ts";
import { stock } from "./rooms/stock.ts";
import { type PeerTest, peerTest } from "./site.ts";

/** A server with the routes of `app.ts` and `control.ts`. */
export interface PeerSuite {
  /** What the server runs on. */
  name: string;
  /** Returns the URL of the server. It is called when the tests run. */
  url: () => string;
  /** Returns what the server has printed. It is shown for a test that fails. Default: nothing. */
  output?: () => string;
  /** How its peers connect. Default: by WebSocket. */
  transport?: Transport;
  /** Which rooms to test. Default: all that there are for the transport. */
  rooms?: readonly Room[];
  /** How the runtime differs from the others. Default: it does not. */
  differences?: Differences;
}

/** What a runtime does otherwise, whatever tocsin does. */
export interface Differences {
  /** It leaves out `Upgrade` in responses. */
  dropsUpgrade?: boolean;
  /** A notifier that has closed is followed by another one, which accepts connections and publications. */
  beginsAnew?: boolean;
  /** It does not end the TCP connection of a client that it has closed, and that has never sent a message. */
  holdsSilent?: boolean;
}

/** What the tests of a room depend on. */
export interface Given extends Differences {
  transport: Transport;
}

const rooms = {
  handshake,
  envelopes,
  connecting,
  channels,
  recovery,
  calls,
  runs,
  receipts,
  flow,
  ends,
  stock,
  client,
  inTime,
} satisfies Record<string, (test: PeerTest, given: Given) => void>;

/** A part of the suite. */
export type Room = keyof typeof rooms;

/** The rooms that a transport does not have. Only WebSockets have a handshake, and our client has no `sse`. */
const missing: Readonly<Record<Transport, readonly Room[]>> = {
  websocket: [],
  http_stream: ["handshake"],
  sse: ["handshake", "client"],
};

/** Tests what a peer sees of a server: with frames of its own, with the stock client, and with the client of tocsin. */
export function peerSuite({ name, url, output, transport = "websocket", ...options }: PeerSuite): void {
  const test = peerTest(url, output, transport);
  const { rooms: wanted = Object.keys(rooms) as Room[], differences } = options;
  describe(`a peer of ${name}${transport === "websocket" ? "" : `, over ${transport}`}`, () => {
    for (const room of wanted) {
      if (!missing[transport].includes(room)) rooms[room](test, { ...differences, transport });
    }
  });
}
