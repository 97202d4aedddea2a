import fc from "fast-check";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import type { NotifierOptions, Refused } from "tocsin";
import { createNotifier } from "tocsin";
import { emulation, events, httpStream, sse, type TransportsOptions, transports } from "tocsin/hono";
import { assertQuiet } from "tocsin/testing";
import { describe, expect, onTestFinished, test, vi } from "vitest";

/** An app in this process, without a server: what it answers, and what it reports. */
interface Asked {
  status: number;
  text: string;
  headers: Headers;
}

function appOf(options: TransportsOptions = {}, notifierOptions: NotifierOptions = {}) {
  const refused: Refused[] = [];
  const errors: string[] = [];
  const notifier = createNotifier({
    grace: 200,
    onRefused: (each) => refused.push(each),
    onError: (error) => errors.push(String(error)),
    limits: { subscriptions: 3, channel: 20, message: 4_096 + 3 * 260 + 1_000 },
    ...notifierOptions,
  });
  const app = new Hono();
  app.route("/n", transports(notifier, options));
  const bodies: ReadableStream<Uint8Array>[] = [];
  onTestFinished(async () => {
    for (const body of bodies) await body.cancel();
    await notifier.close();
    assertQuiet(notifier);
  });
  const ask = async (path: string, init: RequestInit & { duplex?: "half" } = {}): Promise<Asked> => {
    const response = await app.request(`http://localhost/n${path}`, {
      ...init,
      headers: { host: "localhost", ...(init.headers as Record<string, string>) },
    });
    const { status, headers } = response;
    if (status !== 200) return { status, text: await response.text(), headers };
    if (response.body !== null) bodies.push(response.body);
    return { status, text: "", headers };
  };
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    ask("/emulation", {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers,
    });
  return { ask, post, notifier, refused, errors };
}

const connect = '{"id":1,"connect":{}}';
const bytes = Uint8Array.of(123);
const json = { Accept: "application/json" };

describe("a request for a stream", () => {
  test.each<[string, string, RequestInit, number, RegExp]>([
    ["another method", "/http_stream", {}, 405, /^Cannot answer GET: use POST$/],
    ["another method", "/sse", { method: "POST" }, 405, /use GET$/],
    ["another method", "/emulation", { method: "PUT" }, 405, /use POST$/],
    ["another method", "/events", { method: "DELETE" }, 405, /use GET$/],
    ["no connect command", "/http_stream", { method: "POST" }, 400, /send the connect command in the body/],
    ["no connect command", "/sse", {}, 400, /in the parameter cf_connect/],
    [
      "bytes that are not UTF-8",
      "/http_stream",
      { method: "POST", body: Uint8Array.of(0xff) },
      400,
      /^Cannot read the message: it is not UTF-8$/,
    ],
    [
      "too much",
      "/http_stream",
      { method: "POST", body: "x".repeat(6_000) },
      413,
      /^Cannot read the message: it has more than 5876 bytes$/,
    ],
    ["no channel", "/events", {}, 400, /name a channel or a run in the URL/],
    ["no channel", "/events?channel=", {}, 400, /bad request/],
    ["a name that is too long", `/events?channel=${"x".repeat(21)}`, {}, 400, /limit exceeded/],
    [
      "too many channels",
      `/events?${Array.from({ length: 65 }, (_, n) => `channel=${n}`).join("&")}`,
      {},
      400,
      /more than 64/,
    ],
    [
      "more channels than a session may have",
      "/events?channel=a&channel=b&channel=c&channel=d",
      {},
      400,
      /limit/,
    ],
    [
      "a forbidden channel",
      "/events?channel=other",
      {},
      403,
      /^Cannot send events of channel "other": permission/,
    ],
    ["an unknown run", "/events?run=nothing", {}, 403, /of channel "run:nothing": permission denied$/],
    [
      "a position that is none",
      "/events?channel=a&after=x",
      {},
      400,
      /the position is not the id of an event/,
    ],
    ["a position that is none", "/events?channel=a&after=1:%25", {}, 400, /position/],
    ["a position that is none", "/events?channel=a&after=-1", {}, 400, /position/],
    ["a position that is none", "/events?channel=a&after=9007199254740993", {}, 400, /position/],
    [
      "a position of other channels",
      "/events?channel=a",
      { headers: { "Last-Event-ID": "1:x,2:y" } },
      400,
      /position/,
    ],
  ])("with %s at %s is answered, and reported once", async (_, path, init, status, text) => {
    const { ask, refused, errors, notifier } = appOf({
      authorize: (_peer, { channel }) => channel.length === 1,
    });
    const answer = await ask(path, init);
    expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(text)]);
    expect(refused.map(({ code, path: reported }) => [code, reported])).toEqual([
      [status, `/n${path.replace(/\?.*/, "")}`],
    ]);
    expect([errors, notifier.stats().sessions]).toEqual([[], 0]);
  });

  test.each(["/http_stream", "/sse?cf_connect=x", "/events?channel=a"])(
    "at %s is authenticated, from its own pages, and while there is room, as over a WebSocket",
    async (path) => {
      const init = {
        method: path === "/http_stream" ? "POST" : "GET",
        ...(path === "/http_stream" && { body: connect }),
      };
      const statusOf = async (options: TransportsOptions, more: NotifierOptions = {}, headers = {}) => {
        const { ask, refused } = appOf(options, more);
        const { status } = await ask(path, { ...init, headers });
        return [status, refused.map(({ code }) => code)];
      };
      const teapot = () => {
        throw new HTTPException(418);
      };
      expect(await statusOf({ authenticate: () => null })).toEqual([401, [401]]);
      expect(await statusOf({ authenticate: teapot })).toEqual([418, [418]]);
      expect(await statusOf({}, {}, { origin: "https://elsewhere.example" })).toEqual([403, [403]]);
      expect(await statusOf({}, { signal: AbortSignal.abort() })).toEqual([503, [503]]);
      const full = appOf({ authorize: () => true }, { limits: { sessions: 1 } });
      await full.notifier.reserve("somebody");
      expect(await full.ask(path, init)).toMatchObject({ status: 503, text: "Service Unavailable" });
      expect(full.refused).toMatchObject([{ code: 503, reason: "limits.sessions is reached" }]);
    },
  );

  test("of another site's page that is allowed may be read there, refusals included", async () => {
    const { ask } = appOf({ origins: "https://app.example", authenticate: () => null });
    const origin = "https://app.example";
    const { status, headers } = await ask("/events?channel=a", { headers: { origin } });
    const found = Object.fromEntries([...headers].filter(([name]) => /^(access|vary)/.test(name)));
    expect([status, found]).toEqual([
      401,
      {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "Retry-After",
        vary: "Origin",
      },
    ]);
    const preflight = { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } };
    const asked = await ask("/emulation", preflight);
    expect([asked.status, asked.headers.get("access-control-allow-methods")]).toEqual([204, "POST"]);
    const foreign = await ask("/emulation", {
      method: "OPTIONS",
      headers: { origin: "https://other.example" },
    });
    expect([foreign.status, foreign.headers.get("access-control-allow-origin")]).toEqual([403, null]);
  });

  test("that is refused for its body gives its place to the next one", async () => {
    const { ask } = appOf({}, { limits: { sessions: 1 } });
    const open = async (body: string) => (await ask("/http_stream", { method: "POST", body })).status;
    expect([await open(""), await open(""), await open(connect), await open(connect)]).toEqual([
      400, 400, 200, 503,
    ]);
  });

  test("whose identity cannot be used is answered 500, and the error is reported", async () => {
    for (const path of ["/http_stream", "/events?channel=a"]) {
      const { ask, refused, errors } = appOf({
        authenticate: () => ({ user: "ann", channels: ["x".repeat(21)] }),
      });
      const init = path === "/http_stream" ? { method: "POST", body: connect } : {};
      // Events use only those channels of the identity that they are asked for.
      const asked = path === "/http_stream" ? path : `/events?channel=${"x".repeat(21)}`;
      expect((await ask(asked, init)).status).toBe(500);
      expect([refused.map(({ code }) => code), errors]).toEqual([
        [500],
        [expect.stringContaining("TypeError")],
      ]);
    }
  });

  test("whose body breaks off is answered 400, and one whose body does not come 408", async () => {
    const { ask, refused } = appOf();
    const post = (body: ReadableStream<Uint8Array>) =>
      ask("/http_stream", { method: "POST", body, duplex: "half" });
    const broken = new ReadableStream<Uint8Array>({
      start: (controller) => controller.error(new Error("cut")),
    });
    expect((await post(broken)).status).toBe(400);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const silent = post(new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(bytes) }));
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await silent).status).toBe(408);
    expect(refused.map(({ code }) => code)).toEqual([400, 408]);
  });

  test("whose connect command is no such command gets a stream that says so, and ends", async () => {
    const { notifier } = appOf();
    const app = new Hono().all("/", httpStream(notifier));
    const response = await app.request("http://localhost/", { method: "POST", body: "not JSON" });
    expect(response.status).toBe(200);
    const [line] = (await response.text()).split("\n");
    expect(JSON.parse(line as string)).toEqual({
      push: { disconnect: { code: 3501, reason: "bad request" } },
    });
    expect(notifier.stats().sessions).toBe(0);
  });

  test("is refused options that cannot work, as notifications do", () => {
    const { notifier } = appOf();
    for (const make of [httpStream, sse, emulation, events, transports]) {
      expect(() => make(undefined as never)).toThrow(/give a notifier first/);
      expect(() => make(notifier, { authentcate: () => null } as never)).toThrow(/Cannot use authentcate/);
      expect(() => make(notifier, { origins: "*" })).toThrow(/Cannot use origin/);
    }
  });
});

describe("a post", () => {
  test.each<[string, unknown, number, RegExp]>([
    ["not JSON", "{", 400, /^Cannot take the message: the body is not JSON$/],
    ["nothing", "", 400, /not JSON/],
    ["a list", [], 400, /not an object/],
    ["no session", { data: "{}" }, 400, /session is not a text/],
    ["another type of session", { session: 1, data: "{}" }, 400, /session is not a text/],
    ["no data", { session: "x" }, 400, /data is not a text/],
    ["another type of node", { session: "x", node: 1, data: "{}" }, 400, /node is not a text/],
    ["an unknown session", { session: "x", node: "y", data: "{}" }, 404, /^Not Found$/],
    [
      "more than a message may have",
      { session: "x", data: "x".repeat(20_000) },
      413,
      /more than 12776 bytes/,
    ],
  ])("of %s is answered, and reported once", async (_, body, status, text) => {
    const { post, refused } = appOf();
    const answer = await post(body);
    expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(text)]);
    expect(refused.map(({ code }) => code)).toEqual([status]);
  });

  test("whose message is too large closes its session for good", async () => {
    const { post, notifier } = appOf();
    const closes: unknown[] = [];
    const socket = { secret: "mine", send() {}, close: (...why: unknown[]) => void closes.push(why) };
    const session = notifier.accept(socket, { user: "ann" });
    expect((await post({ session: "mine", data: "x".repeat(6_000) })).status).toBe(204);
    expect(closes).toEqual([[1009, "message too big"]]);
    session.ended();
    const app = new Hono().all("/", sse(notifier));
    const response = await app.request(`http://localhost/?cf_connect=${"x".repeat(6_000)}`);
    const why = { code: 3501, reason: "message too big" };
    expect(await response.text()).toBe(`data: ${JSON.stringify({ push: { disconnect: why } })}\n\n`);
  });

  test("does not reach a session by the id that others see", async () => {
    const { post, notifier, ask } = appOf({ authenticate: () => ({ user: "ann", channels: ["a"] }) });
    await ask("/http_stream", { method: "POST", body: connect });
    await expect.poll(() => notifier.stats().subscriptions).toBe(1);
    const { clients } = await notifier.presence("a");
    const [ann] = clients;
    expect((await post({ session: ann?.session, data: "{}" })).status).toBe(404);
    expect(notifier.stats().sessions).toBe(1);
  });

  test("of another site's page is refused, whatever it knows", async () => {
    const { post, refused } = appOf();
    const answer = await post({ session: "x", data: "{}" }, { origin: "https://elsewhere.example" });
    expect([answer.status, refused[0]?.origin]).toEqual([403, "https://elsewhere.example"]);
  });

  test("never fails in another way, whatever its body and its message are", async () => {
    const { post, notifier, errors } = appOf({ authenticate: () => ({ user: "ann", channels: ["a"] }) });
    const secret = "0f".repeat(8);
    const open = () => {
      const socket = { secret, send() {}, close() {} };
      const session = notifier.accept(socket, { user: "ann" });
      return notifier.post(secret, connect).then(() => session);
    };
    const commands = fc
      .array(
        fc.oneof(
          fc.constant("{}"),
          fc.record({ id: fc.nat(20), ping: fc.constant({}) }).map((it) => JSON.stringify(it)),
          fc.record({ id: fc.double(), rpc: fc.anything() }).map((it) => JSON.stringify(it)),
          fc.string(),
          fc.json(),
        ),
      )
      .map((lines) => lines.join("\n"));
    const bodies = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record({ session: fc.constantFrom(secret, "x", 1, null), data: fc.oneof(commands, fc.anything()) }),
      fc.record({ session: fc.constant(secret), node: fc.oneof(fc.string(), fc.anything()), data: commands }),
    );
    let session = await open();
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        if (session.isOpen !== true) {
          session.ended();
          session = await open();
        }
        const { status } = await post(typeof body === "string" ? body : safely(body));
        expect([204, 400, 404, 413]).toContain(status);
      }),
      { numRuns: 500 },
    );
    session.ended();
    expect(errors).toEqual([]);
  });
});

test("long polls and streams of the same request are told apart by what it accepts", async () => {
  const { ask } = appOf({ authorize: () => true });
  const typeOf = async (headers: Record<string, string>) =>
    (await ask("/events?channel=a", { headers })).headers.get("content-type")?.split(";")[0];
  const { headers } = await ask("/events?channel=a");
  expect([headers.get("x-accel-buffering"), headers.get("cache-control")]).toEqual([
    "no",
    "no-store, no-transform",
  ]);
  expect(await typeOf({})).toBe("text/event-stream");
  expect(await typeOf({ Accept: "*/*" })).toBe("text/event-stream");
  expect(await typeOf(json)).toBe("application/json");
  expect(await typeOf({ Accept: "text/event-stream, application/json" })).toBe("text/event-stream");
});

function safely(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "";
  }
}
