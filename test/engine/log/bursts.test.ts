import { Centrifuge } from "centrifuge";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect } from "../../../src/client.ts";
import { all, type How, own, payload, stock, type Watcher, type What } from "../../burst/burst.ts";
import { child } from "../../support/child.ts";
import { runtime } from "../../support/runtime.ts";
import { websocket } from "../../support/stock-client.ts";

/** Starts a server in a process of its own, with the default settings. */
async function site(settings: { raised?: boolean } = {}) {
  const server = child("../burst/server.ts", JSON.stringify(settings));
  onTestFinished(() => server.destroy());
  const port = Number((await server.until(/port (\d+)\n/))[1]);
  const post = async (path: string): Promise<Record<string, unknown>> =>
    JSON.parse(await (await fetch(`http://127.0.0.1:${port}/${path}`, { method: "POST" })).text());
  return { server, url: `ws://127.0.0.1:${port}/`, post };
}

/** Connects and subscribes two stock clients and two tocsin clients. */
async function watch(url: string, what: What, channel: string): Promise<Watcher[]> {
  const watchers = await Promise.all(
    [stock, own, stock, own].map((dial) => dial(url, what, channel, websocket)),
  );
  onTestFinished(async () => void (await Promise.all(watchers.map((each) => each.close()))));
  return watchers;
}

/** Returns the count and the fault of every watcher. */
function seen(watchers: readonly Watcher[]): unknown[] {
  return watchers.map(({ name, count, fault }) => [name, count, fault]);
}

function everybody(count: number): unknown[] {
  return ["stock", "own", "stock", "own"].map((name) => [name, count, undefined]);
}

const count = 6_000;

// `test/burst/run.ts` runs the same cases at full size, with a hundred clients.
describe(`a burst of thousands of publications of up to 1 kB from a server on ${runtime}`, () => {
  const cases: [How, What, number][] = [
    ["awaited", "channel", count],
    ["loose", "channel", 2_000],
    ["loose", "granted", 2_000],
    ["yields", "run", 2_000],
    ["emits", "run", 2_000],
  ];
  test.each(cases)("%s, reach everybody who follows a %s, in order: %i", async (how, what, count) => {
    const { server, url, post } = await site();
    const channel = what === "granted" ? "granted" : "news";
    if (what === "run") await post(`prepare/${how}/${channel}/${count}`);
    const watchers = await watch(url, what, channel);
    await post(`burst/${how}/${channel}/${count}`);
    await all(watchers, count);
    expect(seen(watchers)).toEqual(everybody(count));
    server.kill("SIGTERM");
    expect(await server.exit).toMatchObject({ code: 0, signal: null });
  });
});

describe(`a stock client that publishes to a server on ${runtime}`, () => {
  test.each([
    ["900 at once, by default", 900, {}],
    ["6 000 at once, where that is allowed", count, { raised: true }],
  ])("%s, reaches everybody in order", async (_, total, settings) => {
    const { url } = await site(settings);
    const watchers = await watch(url, "channel", "news");
    const client = new Centrifuge(url, { websocket });
    onTestFinished(() => client.disconnect());
    client.connect();
    await client.ready();
    const answers = Array.from({ length: total }, (_, i) => client.publish("news", payload(i + 1)));
    expect((await Promise.allSettled(answers)).filter(({ status }) => status === "rejected")).toEqual([]);
    await all(watchers, total);
    expect(seen(watchers)).toEqual(everybody(total));
  });
});

describe(`a run that only yields, on ${runtime}`, () => {
  test("does not block the server, and is cancelled when a client asks for it", async () => {
    const { url, post } = await site();
    await post("endless/ann's");
    const client = connect(url, { WebSocket: websocket });
    onTestFinished(() => client.close());
    expect(await client.run("ann's").cancel("enough")).toBe("requested");
    await expect(client.run("ann's").result()).rejects.toMatchObject({ name: "CancelError", by: "client" });
    // The server still answers other requests.
    expect(await post("burst/awaited/other/1")).toMatchObject({ limits: {} });
  });

  test("ends with its process after a signal, while clients follow it", async () => {
    const { server, url, post } = await site();
    await post("endless/ann's");
    const client = connect(url, { WebSocket: websocket });
    onTestFinished(() => client.close());
    const events = client.run("ann's")[Symbol.asyncIterator]();
    await events.next();
    server.kill("SIGTERM");
    const readAll = async (): Promise<unknown> => {
      while (!(await events.next()).done);
      return "completed";
    };
    expect(await readAll().catch((error: unknown) => error)).toMatchObject({
      name: "CancelError",
      by: "shutdown",
    });
    await client.close();
    const { code, output } = await server.exit;
    expect([code, output]).toEqual([0, expect.stringContaining('"cancelled":["ann\'s"]')]);
  });
});
