import { describe } from "vitest";
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
import { peerTest } from "./site.ts";

/** A server with the routes of `app.ts` and `control.ts`. */
export interface PeerSuite {
  /** What the server runs on. */
  name: string;
  /** Returns the URL of the server. It is called when the tests run. */
  url: () => string;
}

/** Tests what a peer sees of a server: with frames of its own, with the stock client, and with the client of tocsin. */
export function peerSuite({ name, url }: PeerSuite): void {
  const test = peerTest(url);
  describe(`a peer of ${name}`, () => {
    handshake(test);
    envelopes(test);
    connecting(test);
    channels(test);
    recovery(test);
    calls(test);
    runs(test);
    receipts(test);
    flow(test);
    ends(test);
    stock(test);
    client(test);
    inTime(test);
  });
}
