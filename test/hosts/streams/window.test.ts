import { Hono } from "hono";
import { createNotifier, type Notifier } from "tocsin";
import { transports } from "tocsin/hono";
import { assertQuiet } from "tocsin/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { runtime } from "../../support/runtime.ts";

const window = 20_000;
const size = 4_000;
const connect = '{"id":1,"connect":{}}';

/** A stream in this process that is read only by the test. */
async function open(path: string, limits = { slow: 150, pong: 60_000 }) {
  const notifier = createNotifier({ window, limits, grace: 100, heartbeat: 60_000 });
  const app = new Hono();
  const authenticate = () => ({ user: "ann", channels: ["news"] });
  app.route("/", transports(notifier, { authenticate }));
  const init = path === "/http_stream" ? { method: "POST", body: connect } : {};
  const response = await app.request(`http://localhost${path}`, init);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  onTestFinished(async () => {
    await reader.cancel().catch(() => {});
    await notifier.close();
    assertQuiet(notifier);
  });
  const read = async (): Promise<string> => {
    const { value } = await reader.read();
    return value === undefined ? "" : new TextDecoder().decode(value);
  };
  return { notifier, reader, read };
}

async function publish(notifier: Notifier, count: number): Promise<void> {
  for (let made = 0; made < count; made++) await notifier.publish("news", "x".repeat(size));
}

const paths = ["/http_stream", `/sse?cf_connect=${encodeURIComponent(connect)}`, "/events?channel=news"];

describe.each(paths)(`a stream of %s on ${runtime}, which nobody reads,`, (path) => {
  test("holds no more than the window, and is closed with 3008, as its last message says", async () => {
    const { notifier, read } = await open(path);
    await publish(notifier, 20);
    await expect.poll(() => notifier.totals().closed, { timeout: 20_000 }).toEqual({ 3008: 1 });
    let [all, last] = ["", await read()];
    while (last !== "") {
      all += last;
      last = await read();
    }
    expect(all.length).toBeLessThan(window + size);
    expect(all).toContain("x".repeat(size));
    expect(all.trim().split("\n").at(-1)).toContain('"code":3008');
    expect(notifier.stats().sessions).toBe(0);
  });

  test("is cut if its close is not read either", async () => {
    const { notifier, reader } = await open(path, { slow: 100, pong: 100 });
    await publish(notifier, 20);
    await expect.poll(() => notifier.stats().sessions, { timeout: 20_000 }).toBe(0);
    await expect(reader.read()).rejects.toBe(undefined);
  });
});

test(`events go on for a client that reads slowly, and prove what it has taken, on ${runtime}`, async () => {
  const { notifier, read } = await open("/events?channel=news", { slow: 60_000, pong: 60_000 });
  await publish(notifier, 40);
  let all = "";
  while ((all.match(/"offset":/g) ?? []).length < 40) all += await read();
  expect(all.length).toBeGreaterThan(40 * size);
  expect(notifier.stats().sessions).toBe(1);
});
