import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect } from "vitest";
import { peerSuite } from "../peer/suite.ts";
import { onWorkerd, type Workerd, workerd } from "../support/workerd.ts";

const entry = fileURLToPath(new URL("worker.ts", import.meta.url));
const date = process.env.TOCSIN_WORKERD_DATE;

onWorkerd("on workerd", () => {
  let server: Workerd;
  beforeAll(async () => {
    server = await workerd({ entry, objects: { PEERS: "Peers" }, date });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    // workerd prints the errors that nobody has handled.
    expect(server.output).toBe("");
  });

  peerSuite({
    name: "workerd",
    url: () => server.url,
    output: () => server.output,
    differences: { dropsUpgrade: true, beginsAnew: true, holdsSilent: true },
  });
});
