import { describe, expect, vi } from "vitest";
import type { ClientAddress, ConnectOptions, ReplyError } from "../../src/client.ts";
import { fakeClock } from "../../src/testing.ts";
import { never, outcomeOf } from "../support/core.ts";
import { type Ends, onTestFinished, test } from "../support/dial.ts";

/** Returns an `onStatus` hook and its calls. */
function listener() {
  const statusCalls: { status: string; why?: ReplyError }[] = [];
  const onStatus: ConnectOptions["onStatus"] = (status, why) =>
    void statusCalls.push({ status, ...(why && { why }) });
  return {
    statusCalls,
    onStatus,
    statuses: () => statusCalls.map(({ status }) => status),
    last: () => statusCalls.at(-1)?.why,
  };
}

/** Connects another client, and records its statuses. */
function asking({ dial }: Ends, url: ClientAddress, options: ConnectOptions = {}) {
  const { onStatus, ...calls } = listener();
  return { client: dial({ onStatus, ...options }, url), ...calls };
}

const ticket = new Error("no ticket");

const throws = (): never => {
  throw ticket;
};
const noAddress = 'Cannot connect to "nowhere": write wss://example.com/path';
const failing: [string, () => string | Promise<string>, Error][] = [
  ["throws", throws, ticket],
  ["rejects", () => Promise.reject(ticket), ticket],
  ["gives none", () => "nowhere", new TypeError(noAddress)],
];

describe("a function that gives the address", () => {
  test("is called before each connection, and may return later", async ({ open }) => {
    const ends = open();
    const { clock, network } = ends;
    const urls: string[] = [];
    class Recorded extends network.WebSocket {
      constructor(url: string) {
        super(url);
        urls.push(url);
      }
    }
    const answers = [
      "http://localhost/?ticket=1",
      new URL("ws://localhost/?ticket=2"),
      "ws://localhost/?ticket=3",
    ];
    let count = 0;
    const next = () => answers[count++] as string;
    const { client } = asking(ends, () => (count === 1 ? Promise.resolve(next()) : next()), {
      WebSocket: Recorded,
    });
    for (const _ of answers) {
      await clock.advance(3_000);
      expect(client.status).toBe("connected");
      if (count < 3) network.last.drop();
    }
    expect(urls).toEqual([1, 2, 3].map((n) => `ws://localhost/?ticket=${n}`));
  });

  test.for(failing)(
    "that %s is called again, later each time, and the reason is reported",
    async ([, fail, cause], { open }) => {
      const clock = Object.assign(fakeClock(), { random: () => 1 });
      const ends = open({ clock });
      let count = 0;
      const { client, statusCalls, statuses } = asking(ends, () =>
        ++count < 3 ? fail() : "ws://localhost/",
      );
      await clock.advance(599);
      expect([count, statuses()]).toEqual([1, ["connecting", "waiting"]]);
      expect(statusCalls[1]?.why).toMatchObject({
        code: 0,
        message: "dial failed",
        temporary: true,
        tries: 1,
        cause,
      });
      await clock.advance(1);
      await clock.advance(1_100);
      expect([count, client.status, statusCalls[3]?.why?.tries]).toEqual([3, "connected", 2]);
    },
  );

  test("that never returns is given up after 10 s, by its signal, and called again", async ({ open }) => {
    const ends = open();
    const { clock, network } = ends;
    const { length } = network.lines;
    const signals: AbortSignal[] = [];
    const answers: ((url: string) => void)[] = [];
    const { client, last } = asking(ends, ({ signal }) => {
      signals.push(signal);
      return new Promise((resolve) => answers.push(resolve));
    });
    await clock.advance(9_999);
    expect([client.status, signals.length, signals[0]?.aborted]).toEqual(["connecting", 1, false]);
    await clock.advance(1);
    expect([client.status, signals[0]?.reason, last()]).toEqual(["waiting", last(), last()]);
    expect(last()).toMatchObject({ code: 3012, message: "no answer", tries: 1 });
    // An address that comes after the timeout opens no socket.
    answers[0]?.("ws://localhost/");
    await clock.advance(1_000);
    expect([network.lines.length - length, signals.length]).toEqual([0, 2]);
    answers[1]?.("ws://localhost/");
    await clock.settle();
    expect([client.status, network.lines.length - length]).toEqual(["connected", 1]);
  });

  test.for(["close", "signal"])(
    "gets a signal that aborts when the client is closed: by %s",
    async (how, { open }) => {
      const ends = open();
      const { clock, network } = ends;
      const { length } = network.lines;
      const controller = new AbortController();
      let asked: AbortSignal | undefined;
      let answer: ((url: string) => void) | undefined;
      const options = { signal: controller.signal };
      const { client, statuses } = asking(
        ends,
        ({ signal }) => {
          asked = signal;
          return new Promise((resolve) => {
            answer = resolve;
          });
        },
        options,
      );
      const call = outcomeOf(client.rpc("any"));
      if (how === "close") void client.close();
      else controller.abort("gone");
      await clock.settle();
      answer?.("ws://localhost/");
      await clock.advance(60_000);
      expect([client.status, asked?.aborted, statuses()]).toEqual(["closed", true, ["connecting", "closed"]]);
      expect(call.reason).toEqual(
        how === "close" ? expect.objectContaining({ name: "ClosedError" }) : "gone",
      );
      expect(network.lines.length).toBe(length);
    },
  );
});

describe("a token", () => {
  test("that cannot be fetched is reported with the reason, and requested again", async ({ open }) => {
    const ends = open();
    const cause = new Error("no network");
    let count = 0;
    const getToken = () => (++count < 3 ? Promise.reject(cause) : "t");
    const { client, statusCalls } = asking(ends, "ws://localhost/", { getToken });
    await ends.clock.advance(5_000);
    expect(statusCalls[1]?.why).toMatchObject({
      code: 101,
      message: "dial failed",
      temporary: true,
      tries: 1,
      cause,
    });
    expect(statusCalls[1]?.why?.cause).toBe(cause);
    expect([client.status, count]).toEqual(["connected", 3]);
  });

  test("that is empty connects as a guest, and is requested again the next time", async ({ open }) => {
    const ends = open();
    const { clock, network } = ends;
    const tokens = ["", "t2"];
    const { client } = asking(ends, "ws://localhost/", { getToken: () => tokens.shift() ?? "t3" });
    await clock.settle();
    expect([client.status, network.last.sent[0]]).toEqual([
      "connected",
      { id: 1, connect: { name: "tocsin" } },
    ]);
    network.last.drop();
    await clock.advance(1_000);
    expect(network.last.sent[0]).toEqual({
      id: expect.any(Number),
      connect: { token: "t2", name: "tocsin" },
    });
  });

  test.for([undefined, null, 5])("that is no text is none: %s", async (token, { open }) => {
    const ends = open();
    const { length } = ends.network.lines;
    const { last } = asking(ends, "ws://localhost/", { getToken: () => token as never });
    await ends.clock.settle();
    expect(last()).toMatchObject({ code: 101, cause: new TypeError("Cannot use token: it is not a string") });
    expect(ends.network.lines.length).toBe(length);
  });

  test("that hangs is given up after 10 s, by its signal, and requested again", async ({ open }) => {
    const ends = open();
    const { clock } = ends;
    const signals: AbortSignal[] = [];
    const getToken = ({ signal }: { signal: AbortSignal }) => {
      signals.push(signal);
      return signals.length === 1 ? never<string>() : "t";
    };
    const { client, statusCalls } = asking(ends, "ws://localhost/", { getToken });
    await clock.advance(10_000);
    expect(statusCalls[1]?.why).toMatchObject({ code: 3012, message: "no answer", tries: 1 });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await clock.advance(1_000);
    expect([client.status, signals.length]).toEqual(["connected", 2]);
  });
});

describe("a connection that fails", () => {
  test("reports how often in a row, and the error of the socket", async ({ open }) => {
    const clock = Object.assign(fakeClock(), { random: () => 0 });
    const ends = open({ clock });
    const { network } = ends;
    network.mode = "down";
    const { statusCalls } = asking(ends, "ws://localhost/");
    await clock.advance(200);
    const whys = statusCalls.flatMap(({ why }) => why ?? []);
    expect(whys.map(({ code, message, tries, status }) => [code, message, tries, status])).toEqual(
      [1, 2, 3].map((n) => [1006, "handshake failed", n, undefined]),
    );
  });

  test("reports no number of tries after one succeeded", async ({ open }) => {
    const ends = open();
    const { last } = asking(ends, "ws://localhost/");
    await ends.clock.settle();
    ends.network.last.drop(3001, "shutdown");
    await ends.clock.settle();
    expect(last()).toEqual(expect.objectContaining({ code: 3001, message: "shutdown" }));
    expect(Object.keys(last() as object).sort()).toEqual(["code", "name", "temporary"]);
  });

  test("without a socket counts as failed, and is tried again", async ({ open }) => {
    const ends = open();
    const { clock, network } = ends;
    const cause = new SyntaxError("not today");
    let count = 0;
    class Broken extends network.WebSocket {
      constructor(url: string) {
        if (++count === 2 || count === 3) throw cause;
        super(url);
      }
    }
    const { client, statusCalls } = asking(ends, "ws://localhost/", { WebSocket: Broken });
    await clock.settle();
    network.last.drop();
    await clock.advance(5_000);
    expect([client.status, count]).toEqual(["connected", 4]);
    expect(statusCalls[4]?.why).toMatchObject({ code: 0, message: "dial failed", tries: 2, cause });
  });
});

describe("an onStatus that fails", () => {
  test.for(failing.slice(0, 2))(
    "and %s ends nothing: its error is printed to the console",
    async ([, onStatus], { open }) => {
      const error = vi.spyOn(console, "error").mockImplementation(() => {});
      onTestFinished(() => error.mockRestore());
      const ends = open();
      const { client } = asking(ends, "ws://localhost/", { onStatus: onStatus as () => void });
      await ends.clock.settle();
      expect([client.status, error.mock.calls]).toEqual(["connected", [[ticket], [ticket]]]);
    },
  );
});

describe("a tab that is shown while the server is busy", () => {
  test("keeps the connection, however long the reply takes", async ({ open }) => {
    const page = Object.assign(new EventTarget(), { hidden: false });
    const before = Object.getOwnPropertyDescriptor(globalThis, "document");
    Object.assign(globalThis, { document: page });
    onTestFinished(() => {
      if (before === undefined) Reflect.deleteProperty(globalThis, "document");
      else Object.defineProperty(globalThis, "document", before);
    });
    let answer = (_: unknown): void => {};
    const slow = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const ends = open({ rpc: { slow } });
    const { clock, network } = ends;
    const { client, statuses } = asking(ends, "ws://localhost/");
    await clock.settle();
    const called = outcomeOf(client.rpc("slow"));
    await clock.settle();
    page.dispatchEvent(new Event("visibilitychange"));
    await clock.advance(6_000);
    answer("done");
    await clock.settle();
    expect([called.value, statuses()]).toEqual(["done", ["connecting", "connected"]]);
    // With no call pending, a silent link is closed after 5 s, unless anything arrives.
    page.dispatchEvent(new Event("visibilitychange"));
    network.last.cut();
    await clock.advance(4_999);
    expect(client.status).toBe("connected");
    await clock.advance(1);
    expect(client.status).toBe("waiting");
  });

  test("keeps the connection also while anything else arrives", async ({ open }) => {
    const ends = open();
    const { clock, network, client } = ends;
    network.mode = "mute";
    network.last.drop();
    await clock.advance(1_000);
    network.say({ id: 2, connect: { ping: 1 } });
    for (let second = 0; second < 30; second++) {
      await clock.advance(5_000);
      network.say({ push: { channel: "none", pub: { offset: 1 } } });
    }
    expect([client.status, network.lines.length]).toEqual(["connected", 2]);
  });
});
