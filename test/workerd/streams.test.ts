import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { EventSource, eventsOf } from "../support/event-source.ts";
import { dataOf, dial, heard } from "../support/stock-client.ts";
import { openStream } from "../support/stream-peer.ts";
import { tcp } from "../support/tcp.ts";
import { range } from "../support/wire.ts";
import { onWorkerd, type Workerd, workerd } from "../support/workerd.ts";

const entry = fileURLToPath(new URL("streams.ts", import.meta.url));
const date = process.env.TOCSIN_WORKERD_DATE;

interface Counts {
  sessions: number;
  closed: Record<string, number>;
}

onWorkerd("clients without a WebSocket, in workerd", () => {
  let server: Workerd;
  beforeAll(async () => {
    server = await workerd({ entry, objects: { STREAMING: "Streaming" }, date });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    expect(server.output).toBe("");
  });
  const post = async (path: string, body: unknown = {}): Promise<unknown> => {
    const response = await fetch(`${server.url}/${path}`, { method: "POST", body: JSON.stringify(body) });
    return response.json();
  };
  const counts = async (): Promise<Counts> => (await fetch(`${server.url}/counts`)).json() as Promise<Counts>;
  const quiet = { timeout: 10_000, interval: 50 };

  test.each(["http_stream", "sse"] as const)(
    "a stock client over %s gets each publication, also those while it was away",
    async (transport) => {
      const client = dial([{ transport, endpoint: `${server.url}/streams/${transport}` }], {
        emulationEndpoint: `${server.url}/streams/emulation`,
        eventsource: EventSource,
      });
      const data = dataOf(client);
      const connecting = heard<{ code: number }>(client, "connecting");
      const connected = heard(client, "connected");
      await connected.until(1);
      for (const n of range(1, 5)) await post("publish", n);
      await data.until(5);
      await post("disconnect");
      expect(await connecting.until(1)).toMatchObject([{ code: 3011 }]);
      for (const n of range(6, 10)) await post("publish", n);
      expect(await data.until(10)).toEqual(range(1, 10));
      expect((await client.presence("news")).clients).toMatchObject(expect.any(Object));
      client.disconnect();
      await expect.poll(async () => (await counts()).sessions, quiet).toBe(0);
    },
  );

  test("events come at once, and go on from a position", async () => {
    const controller = new AbortController();
    onTestFinished(() => controller.abort());
    const ask = async (id: string) => {
      const headers: Record<string, string> = id === "" ? {} : { "Last-Event-ID": id };
      const { signal } = controller;
      const response = await fetch(`${server.url}/streams/events?channel=news`, { headers, signal });
      return eventsOf(response.body as ReadableStream<Uint8Array>);
    };
    const first = await ask("");
    await post("publish", "one");
    const { value } = await first.next();
    expect(JSON.parse(value?.data as string).data).toBe("one");
    await post("publish", "two");
    const second = await ask(value?.lastEventId as string);
    const { value: next } = await second.next();
    expect(JSON.parse(next?.data as string).data).toBe("two");
    controller.abort();
    await expect.poll(async () => (await counts()).sessions, quiet).toBe(0);
  });

  test("a connection that breaks ends its session", async () => {
    const peer = tcp(server.port, openStream({ stream: "/streams/http_stream" }));
    await peer.until(/"connect":/);
    expect((await counts()).sessions).toBe(1);
    peer.socket.resetAndDestroy();
    await expect.poll(async () => (await counts()).sessions, quiet).toBe(0);
  });
});
