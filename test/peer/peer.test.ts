import process from "node:process";
import { afterAll, beforeAll } from "vitest";
import { runtime } from "../support/runtime.ts";
import { type PeerServer, peerServer } from "./server.ts";
import { peerSuite } from "./suite.ts";

let server: PeerServer;
beforeAll(async () => {
  server = await peerServer();
});
afterAll(() => server.close());

const given = { name: runtime, url: () => server.url };

// All of it over streams takes as long as all of it over WebSockets, so that it is run for itself.
if (process.env.TOCSIN_TEST_TRANSPORT === "streams") {
  for (const transport of ["http_stream", "sse"] as const) peerSuite({ ...given, transport });
} else {
  peerSuite(given);
  peerSuite({ ...given, transport: "http_stream", rooms: ["connecting", "receipts", "ends"] });
}
