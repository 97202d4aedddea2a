import { describe, expect, onTestFinished, test, vi } from "vitest";
import { systemTiming } from "../../src/base/clock.ts";
import { type Client, type ConnectOptions, connect, type ReplyError } from "../../src/client.ts";
import { httpSocket } from "../../src/client-http.ts";
import { progress } from "../../src/run.ts";
import { inbox } from "../support/inbox.ts";
import { type PickyProxy, pickyProxy } from "../support/picky-proxy.ts";
import { type Site, type SiteOptions, site } from "../support/server.ts";
import { publish, websocket } from "../support/stock-client.ts";
import { range } from "../support/wire.ts";

/** Reconnects without delay. */
const clock = { ...systemTiming, random: () => 0 };

/** A server behind a proxy that may not know WebSockets. */
interface Here extends Site {
  readonly proxy: PickyProxy;
  readonly url: string;
}

async function start(options: SiteOptions = {}): Promise<Here> {
  const here = await site({ authorize: () => true, ...options });
  const proxy = await pickyProxy(Number(new URL(here.direct).port));
  onTestFinished(() => proxy.close());
  return { ...here, proxy, url: `ws://127.0.0.1:${proxy.port}/?user=ann` };
}

/** Connects a client, and records what `onStatus` is called with. */
function dial(url: string, options: ConnectOptions = {}) {
  const calls = inbox<{ status: string; why: ReplyError | undefined; way: number; at: number }>();
  const begun = performance.now();
  const client = connect(url, {
    WebSocket: httpSocket,
    clock,
    onStatus: (status, why, way) => calls.add({ status, why, way, at: performance.now() - begun }),
    ...options,
  });
  onTestFinished(() => client.close());
  /** Returns the calls up to the `count`th connection. */
  const connected = async (count = 1) => {
    for (let n = 1; ; n++) {
      const all = await calls.until(n);
      if (all.filter(({ status }) => status === "connected").length >= count) return all;
    }
  };
  return { client, calls, connected };
}

/** Returns a spy on the requests from now on. */
function spied() {
  const spy = vi.spyOn(globalThis, "fetch");
  onTestFinished(() => spy.mockRestore());
  return spy;
}

/** Follows a channel in the background, and returns what it receives. */
function reading(client: Client, channel: string, signal?: AbortSignal) {
  const box = inbox<unknown>();
  (async () => {
    for await (const { data } of client.follow(channel, { signal })) box.add(data);
  })().catch(() => {});
  return box;
}

describe("a client over HTTP", () => {
  test("follows, publishes, calls and sees who is there, as over a WebSocket", async () => {
    const here = await start({ rpc: { echo: (_, { data }) => data } });
    const { client, connected } = dial(here.url);
    const box = reading(client, "news");
    expect(await client.rpc("echo", "é".repeat(3))).toBe("ééé");
    await client.publish("news", 1);
    await publish(here, "news", 2, 3);
    expect(await box.until(3)).toEqual([1, 2, 3]);
    expect((await client.presence("news")).clients.map(({ user }) => user)).toEqual(["ann"]);
    expect((await client.history("news")).publications.map(({ data }) => data)).toEqual([1, 2, 3]);
    expect((await connected()).map(({ status, way }) => [status, way])).toEqual([
      ["connecting", 0],
      ["connected", 0],
    ]);
    expect(here.proxy.tried).toBe(0);
  });

  test("sends its messages in order, and together what is sent at once", async () => {
    const here = await start();
    const { client, connected } = dial(here.url);
    const box = reading(client, "news");
    await connected();
    await client.history("news");
    const requests = spied();
    const long = range(1, 300).map((n) => `${n}${"x".repeat(200)}`);
    await Promise.all(long.map((data) => client.publish("news", data)));
    expect(await box.until(300)).toEqual(long);
    const bodies = requests.mock.calls.map(([, options]) => String(options?.body));
    const frames = bodies.flatMap((body) => (body.includes("publish") ? [JSON.parse(body).data] : []));
    expect(frames.length).toBeLessThan(10);
    expect(Math.max(...frames.map(({ length }) => length))).toBeLessThan(20_000);
  });

  test("misses nothing over 50 cuts", async () => {
    const here = await start();
    const { client, connected } = dial(here.url);
    const box = reading(client, "news");
    await client.history("news");
    for (const n of range(1, 50)) {
      await publish(here, "news", 2 * n - 1, 2 * n - 1);
      here.proxy.cut();
      await publish(here, "news", 2 * n, 2 * n);
      await connected(n + 1);
    }
    expect(await box.until(100)).toEqual(range(1, 100));
  });

  test("misses nothing over 20 lifetimes of its sessions", async () => {
    const here = await start({ limits: { lifetime: 400 } });
    const { client, calls } = dial(here.url);
    const box = reading(client, "news");
    await client.history("news");
    const isOver = () => calls.items.filter(({ status }) => status === "connected").length > 20;
    for (let n = 1; !isOver(); n++) {
      await publish(here, "news", n, n);
      await box.until(n);
    }
    expect(box.items).toEqual(range(1, box.items.length));
    const codes = calls.items.flatMap(({ why }) => why?.code ?? []);
    expect(codes.slice(0, 20)).toEqual(Array(20).fill(3011));
  });

  test("follows a run and cancels it", async () => {
    const here = await start();
    const run = here.notifier.run(async function* ({ signal }) {
      yield progress(1, 2);
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const { client } = dial(here.url);
    const result = client.run(run.id).result();
    result.catch(() => {});
    for await (const { data } of client.run(run.id))
      if ((data as { type: string }).type === "progress") break;
    expect(await client.run(run.id).cancel("enough")).toBe("requested");
    await expect(result).rejects.toMatchObject({ name: "CancelError", by: "client", reason: "enough" });
    await expect(run.result()).rejects.toMatchObject({ name: "CancelError" });
  });

  test("acknowledges what it has handled, also the last before it closes", async () => {
    const here = await start();
    const { client } = dial(here.url);
    const box = reading(client, "news");
    await client.history("news");
    const first = await here.notifier.publish("news", 1, { confirm: true });
    const acknowledged = { level: "acknowledged", by: "ann" } as const;
    await first.delivered(acknowledged);
    const last = await here.notifier.publish("news", 2, { confirm: true });
    await box.until(2);
    await client.close();
    await last.delivered(acknowledged);
  });

  test("receives a large event", async () => {
    const here = await start();
    const { client } = dial(here.url);
    const box = reading(client, "news");
    await client.history("news");
    const data = "x€𝄞".repeat(25_000);
    await here.notifier.publish("news", data);
    await here.notifier.publish("news", "after");
    expect(await box.until(2)).toEqual([data, "after"]);
  });

  test("is told why the server ends the stream, and comes back", async () => {
    const here = await start();
    const { connected, calls, client } = dial(here.url);
    await connected();
    await here.notifier.disconnect({ user: "ann" }, 3011);
    const [, , lost] = await connected(2);
    expect([lost?.status, lost?.why?.code, lost?.why?.tries]).toEqual(["waiting", 3011, undefined]);
    await here.notifier.disconnect({ user: "ann" }, 3503);
    await calls.until(6);
    expect([client.status, calls.items.at(-1)?.why?.code]).toEqual(["closed", 3503]);
  });

  test("is told that the server shuts down, and has read everything by then", async () => {
    const here = await start();
    const { connected, calls, client } = dial(here.url);
    const box = reading(client, "news");
    await client.history("news");
    await connected();
    await publish(here, "news", 1, 10);
    const report = await here.notifier.close();
    const lost = (await calls.until(3))[2];
    expect([lost?.status, lost?.why?.code]).toEqual(["waiting", 3001]);
    expect([box.items, report.cut]).toEqual([range(1, 10), []]);
  });

  test("comes back after a message that is too long for the server, which fails alone", async () => {
    const here = await start();
    const { client, connected } = dial(here.url);
    await connected();
    await expect(client.publish("news", "x".repeat(1_500_000))).rejects.toMatchObject({ code: 1009 });
    await connected(2);
    await client.publish("news", "short");
    // The server does not even read it.
    await expect(client.publish("news", "x".repeat(3_000_000))).rejects.toMatchObject({ code: 1006 });
    await connected(3);
    expect(client.status).toBe("connected");
  });

  test("leaves no request and no connection behind when it is closed", async () => {
    const here = await start();
    const { client, connected } = dial(here.url);
    await connected();
    expect(here.notifier.stats().sessions).toBe(1);
    await client.close();
    while (here.notifier.stats().sessions > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  test("reports the status with which the server refuses the stream, and waits as long as it asks", async () => {
    const here = await start({ limits: { sessions: 1 } });
    const other = dial(here.url);
    await other.connected();
    const { calls, connected } = dial(here.url);
    const [, first] = await calls.until(2);
    expect(first).toMatchObject({
      status: "waiting",
      why: { code: 1006, message: "handshake refused: 503, retry after 1 s", status: 503, tries: 1 },
    });
    await other.client.close();
    const all = await connected();
    expect((all[2]?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(999);
  });

  test("connects again when a message of its own is refused", async () => {
    const here = await start();
    const { client, connected } = dial(here.url);
    await connected();
    spied().mockImplementationOnce(async () => new Response("", { status: 404 }));
    const call = client.rpc("none");
    await expect(call).rejects.toMatchObject({ code: 1006, message: /message refused: 404$/ });
    const lost = (await connected(2)).find(({ status }) => status === "waiting");
    expect([lost?.why?.code, lost?.why?.message, lost?.why?.status]).toEqual([
      1006,
      "message refused: 404",
      undefined,
    ]);
  });

  test("is told why its session is over, also when a message of its own is refused before that", async () => {
    const here = await start();
    const { client, calls, connected } = dial(here.url);
    await connected();
    const armed = new Set<number>();
    const { timer } = systemTiming;
    const timers = vi.spyOn(systemTiming, "timer").mockImplementation((ms, fire) => {
      const set = timer(ms, fire);
      armed.add(ms);
      return { cancel: () => void (armed.delete(ms) && set.cancel()) };
    });
    onTestFinished(() => timers.mockRestore());
    let answer = (_: Response): void => {};
    spied().mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
    const call = client.rpc("none");
    await new Promise((resolve) => setImmediate(resolve));
    answer(new Response("", { status: 404 }));
    void here.notifier.disconnect({ user: "ann" }, 3503);
    await expect(call).rejects.toMatchObject({ code: 3503 });
    expect([client.status, (await calls.until(3))[2]?.why?.code]).toEqual(["closed", 3503]);
    expect(timers).toHaveBeenCalledWith(1_000, expect.any(Function));
    expect([...armed]).toEqual([]);
  });

  test("reports a server that nobody reaches", async () => {
    const { calls } = dial("ws://127.0.0.1:1/");
    const lost = (await calls.until(2))[1];
    expect(lost?.why).toMatchObject({ message: "handshake failed", tries: 1, cause: expect.any(Error) });
  });
});

describe("a socket over HTTP", () => {
  /** Opens a socket, connects, and returns what it receives. */
  async function open(url: string, first = '{"id":1,"connect":{}}') {
    const socket = new httpSocket(url);
    onTestFinished(() => socket.close());
    const messages = inbox<Record<string, unknown>>();
    socket.onmessage = ({ data }: { data: string }) => {
      for (const line of data.split("\n")) messages.add(JSON.parse(line));
    };
    await new Promise((resolve) => {
      socket.onopen = resolve as () => void;
    });
    socket.send(first);
    await messages.until(1);
    return { socket, messages };
  }

  test("may send a ping of our client among numbered commands", async () => {
    const here = await start({ rpc: { echo: (_, { data }) => data } });
    const { socket, messages } = await open(here.url);
    socket.send('{"id":4294967295,"ping":{}}');
    socket.send('{"id":2,"rpc":{"method":"echo","data":2}}');
    await messages.until(3);
    socket.send('{"id":3,"rpc":{"method":"echo","data":3}}');
    const all = await messages.until(4);
    expect(all.slice(1).map(({ id }) => id)).toEqual([4_294_967_295, 2, 3]);
  });

  test.for<[string, string]>([
    ["wss://example.com/notifications", "https://example.com/notifications/http_stream"],
    ["ws://example.com/", "http://example.com/http_stream"],
    ["ws://example.com/a/?ticket=a/?b", "http://example.com/a/http_stream?ticket=a/?b"],
  ])("is reached beside the address of the WebSocket: %s", async ([url, expected]) => {
    const requests = spied().mockImplementation(async () => new Response("", { status: 404 }));
    const socket = new httpSocket(url);
    const ended = new Promise((resolve) => {
      socket.onclose = resolve as () => void;
    });
    socket.send("{}");
    expect(await ended).toEqual({ code: 1006, reason: "handshake refused: 404" });
    expect(requests.mock.calls.map(([address]) => address)).toEqual([expected]);
  });

  test.for([
    ["http://127.0.0.1:1", ""],
    ["https://app.example", ": the server cannot be reached, or its origins do not list https://app.example"],
  ])("of a page of %s says what may be wrong when it fails", async ([origin, hint]) => {
    vi.stubGlobal("location", { origin });
    onTestFinished(() => void vi.unstubAllGlobals());
    const socket = new httpSocket("ws://127.0.0.1:1/");
    const ended = new Promise((resolve) => {
      socket.onclose = resolve as () => void;
    });
    socket.send("{}");
    expect(await ended).toEqual({ code: 1006, reason: `handshake failed${hint}` });
  });

  test("reads messages whose bytes come one by one, and closes when the stream ends without a reason", async () => {
    const lines = ['{"id":1,"connect":{"session":"s"}}', '{"id":2,"rpc":{"data":"€𝄞"}}', "{}"];
    const bytes = new TextEncoder().encode(`${lines.join("\n")}\n`);
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        for (const byte of bytes) {
          controller.enqueue(Uint8Array.of(byte));
          // Otherwise a runtime may join them.
          await new Promise((resolve) => setImmediate(resolve));
        }
        controller.close();
      },
    });
    spied().mockImplementation(async () => new Response(body));
    const { socket, messages } = await open("ws://127.0.0.1:1/");
    const closed = new Promise((resolve) => {
      socket.onclose = resolve as () => void;
    });
    expect(await messages.until(3)).toEqual(lines.map((line) => JSON.parse(line)));
    expect(await closed).toEqual({ code: 1006, reason: "" });
  });

  test("that is closed sends what waits, and then ends its stream", async () => {
    const here = await start();
    const { socket } = await open(here.url);
    const closed = new Promise((resolve) => {
      socket.onclose = resolve as () => void;
    });
    socket.send('{"id":2,"publish":{"channel":"news","data":1}}');
    socket.close();
    expect(await closed).toEqual({ code: 1000, reason: "" });
    expect((await here.notifier.history("news")).offset).toBe(1);
    while (here.notifier.stats().sessions > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  test("that is closed before anything was sent never sends anything", async () => {
    const requests = spied();
    const socket = new httpSocket("ws://127.0.0.1:1/");
    const closed = new Promise((resolve) => {
      socket.onclose = resolve as () => void;
    });
    const opened = vi.fn();
    socket.onopen = opened;
    socket.close();
    expect(await closed).toEqual({ code: 1000, reason: "" });
    expect([requests.mock.calls, opened.mock.calls]).toEqual([[], []]);
  });
});

describe("a client where WebSockets do not pass", () => {
  /** Returns a clock whose timer of five minutes is fired by `forget`. */
  function forgetful() {
    let fire: (() => void) | undefined;
    const timer: typeof clock.timer = (ms, due) => {
      if (ms !== 300_000) return clock.timer(ms, due);
      fire = due;
      return { cancel() {} };
    };
    return { clock: { ...clock, timer }, forget: () => fire?.() };
  }

  test.for(["refuse", "swallow", "reset"] as const)(
    "connects over HTTP within 3 s, keeps to it, and later returns to WebSockets: %s",
    async (upgrades) => {
      const here = await start();
      here.proxy.upgrades = upgrades;
      const { clock, forget } = forgetful();
      const { client, connected } = dial(here.url, { clock, WebSocket: [websocket as never, httpSocket] });
      const box = reading(client, "news");
      const all = await connected();
      expect(all.map(({ status, way }) => [status, way])).toEqual([
        ["connecting", 0],
        ["waiting", 0],
        ["connecting", 1],
        ["connected", 1],
      ]);
      expect(all[3]?.at).toBeLessThan(3_000);
      expect(all[1]?.why?.tries).toBe(1);
      await client.history("news");
      here.proxy.upgrades = "pass";
      here.proxy.cut();
      await publish(here, "news", 1, 1);
      expect((await connected(2)).at(-1)?.way).toBe(1);
      expect(here.proxy.tried).toBe(1);
      forget();
      here.proxy.cut();
      await publish(here, "news", 2, 2);
      expect((await connected(3)).at(-1)?.way).toBe(0);
      await publish(here, "news", 3, 3);
      expect([await box.until(3), here.proxy.tried]).toEqual([[1, 2, 3], 2]);
    },
  );
});
