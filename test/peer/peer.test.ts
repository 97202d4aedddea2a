import { afterAll, beforeAll } from "vitest";
import { runtime } from "../support/runtime.ts";
import { type PeerServer, peerServer } from "./server.ts";
import { peerSuite } from "./suite.ts";

let server: PeerServer;
beforeAll(async () => {
  server = await peerServer();
});
afterAll(() => server.close());

peerSuite({ name: runtime, url: () => server.url });
