import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { systemTiming } from "../../src/base/clock.ts";
import {
  CancelError,
  type Client,
  type ConnectOptions,
  connect,
  type SocketClass,
} from "../../src/client.ts";
import { httpSocket } from "../../src/client-http.ts";
import { type Child, child, start } from "../support/child.ts";
import { inbox } from "../support/inbox.ts";
import { program, runtime } from "../support/runtime.ts";
import { binary, type Runtime } from "../support/runtimes.ts";
import { websocket } from "../support/stock-client.ts";
import { range } from "../support/wire.ts";

const runtimes: Runtime[] = ["node", "bun", "deno"];
const beginning = { offset: 0, epoch: "" };
const servers = new Map<Runtime, Child>();
afterAll(() => {
  for (const server of servers.values()) server.destroy();
});

async function urlOf(on: Runtime): Promise<string> {
  let server = servers.get(on);
  if (server === undefined) {
    // More than one Node may be installed. These tests use the one that runs them.
    const file = on === runtime ? process.execPath : binary(on);
    server = start(file, program(fileURLToPath(new URL("../support/pair-child.ts", import.meta.url)), on));
    servers.set(on, server);
  }
  return `ws://127.0.0.1:${(await server.until(/port (\d+)\n/))[1]}/`;
}

/** Reconnects without delay. */
const clock = { ...systemTiming, random: () => 0 };

async function dial(on: Runtime, options: ConnectOptions): Promise<Client> {
  const client = connect(await urlOf(on), { clock, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** Returns a channel that no other test uses. */
function channel(): string {
  return `channel-${crypto.randomUUID()}`;
}

/** Follows a channel in the background, and returns what it receives. */
function reading(client: Client, name: string, after = beginning) {
  const box = inbox<unknown>();
  (async () => {
    for await (const { data } of client.follow(name, { after })) box.add(data);
  })().catch(() => {});
  return box;
}

const ways: Record<string, SocketClass> = { "a WebSocket": websocket as never, HTTP: httpSocket };
const pairs = runtimes.flatMap((on) =>
  Object.entries(ways).map(([name, WebSocket]) => ({ on, name, WebSocket })),
);

describe.each(pairs)(`a client on ${runtime} of a server on $on, over $name`, ({ on, WebSocket }) => {
  test("follows across lost connections without a gap and without a duplicate", async () => {
    const client = await dial(on, { WebSocket });
    const [name, mine] = [channel(), "mine"];
    const boxes = [reading(client, name), reading(client, mine)];
    for (const round of range(0, 9)) {
      const at = { first: round * 100 + 1, last: round * 100 + 100 };
      const published = Promise.all(
        [name, mine].map((channel) => client.rpc("publish", { channel, ...at }).catch(() => {})),
      );
      if (round % 2 === 1) await client.rpc("drop").catch(() => {});
      await published;
    }
    const tops = await Promise.all(
      [name, mine].map(async (each) => (await client.history(each, { limit: 1 })).offset),
    );
    for (const [index, box] of boxes.entries()) {
      const got = (await box.until(tops[index] as number)) as number[];
      const { publications } = await client.history([name, mine][index] as string);
      expect(got.slice(0, publications.length)).toEqual(publications.map(({ data }) => data));
    }
  });

  test("follows a run: its events, its result, its failure, and its cancellation", async () => {
    const client = await dial(on, { WebSocket });
    const id = (await client.rpc("start")) as string;
    const types: unknown[] = [];
    for await (const { data } of client.run(id)) types.push((data as { type: string }).type);
    expect(types).toEqual(["run.started", ...range(1, 5).map(() => "progress")]);
    expect(await client.run(id).result()).toEqual({ steps: 5 });
    const failed = client.run((await client.rpc("fail")) as string).result();
    await expect(failed).rejects.toMatchObject({
      name: "RunError",
      cause: { name: "RangeError", message: "no font" },
    });
    const waiting = client.run((await client.rpc("wait")) as string);
    const result = waiting.result();
    expect(await waiting.cancel("enough")).toBe("requested");
    await expect(result).rejects.toEqual(new CancelError("client", "enough"));
    expect(await waiting.cancel()).toBe("finished");
  });

  test("reads as fast as its consumer, and no more than fits", async () => {
    const client = await dial(on, { WebSocket, buffer: 4_096 });
    const name = channel();
    const events = client.follow(name, { after: beginning });
    await client.rpc("publish", { channel: name, first: 1, last: 1_000 });
    const got: unknown[] = [];
    for await (const { data } of events) {
      got.push(data);
      if (got.length === 1_000) break;
    }
    expect(got).toEqual(range(1, 1_000));
  });
});

describe.each(runtimes)(`a client on ${runtime} of a server on %s`, (on) => {
  test.for(["own", "ws", "ws at-once", "http", "http at-once"])(
    "is a program that ends once it is closed: %s",
    async (how, { skip }) => {
      const { WebSocket } = globalThis as { WebSocket?: unknown };
      skip(how === "own" && WebSocket === undefined, "Node 20 has no WebSocket of its own");
      const program = child("client-child.ts", await urlOf(on), how);
      onTestFinished(() => program.destroy());
      const got = how.endsWith("at-once") ? "" : "got 1\n";
      expect(await program.exit).toMatchObject({ code: 0, output: `${got}closed\n` });
    },
  );
});
