import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import adapter from "crossws/adapters/node";
import { channelOf, start } from "./program.ts";

/** Sends with the channels of crossws. */
const webSockets = adapter({
  hooks: {
    open: (peer) => peer.subscribe(channelOf(peer.request.url)),
  },
});
const http = createServer();
http.on("upgrade", webSockets.handleUpgrade);
http.listen(0, "127.0.0.1", () =>
  start((http.address() as AddressInfo).port, (channel, event) =>
    webSockets.publish(channel, JSON.stringify(event)),
  ),
);
