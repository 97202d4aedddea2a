import { describe, expect } from "vitest";
import { type Client, ReplyError } from "../../src/client.ts";
import { fakeClock } from "../../src/testing.ts";
import { outcomeOf } from "../support/core.ts";
import { read, test } from "../support/dial.ts";
import { smallMessages } from "../support/limits.ts";

/** Returns a clock whose `random` always returns the same number. */
function steadyClock(random: number) {
  return Object.assign(fakeClock(), { random: () => random });
}

describe("a connection that is lost", () => {
  test("is made again, and everything continues from its position", async ({ open }) => {
    const { client, clock, network, notifier, statuses } = open();
    const reader = read(client.follow("news"));
    await clock.settle();
    await notifier.publish("news", 1);
    await clock.settle();
    network.last.drop();
    await notifier.publish("news", 2);
    await clock.advance(30_000);
    await notifier.publish("news", 3);
    await clock.settle();
    expect(reader.got).toEqual([1, 2, 3]);
    expect(statuses).toEqual(["connecting", "connected", ["waiting", 1006], "connecting", "connected"]);
  });

  test("is dialled after delays that double, with full jitter, up to a limit", async ({ open }) => {
    const clock = steadyClock(1);
    const { network } = open({ clock });
    network.mode = "down";
    await clock.advance(130_000);
    const delays = network.dialled.map((at, index) => at - (network.dialled[index - 1] ?? 0)).slice(1);
    expect(delays).toEqual([600, 1_100, 2_100, 4_100, 8_100, 16_100, 20_100, 20_100, 20_100, 20_100]);
  });

  test("is never dialled without a delay, for any random number", async ({ open }) => {
    const clock = steadyClock(0);
    const { network } = open({ clock });
    network.mode = "down";
    await clock.advance(1_000);
    expect(network.dialled).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000]);
  });

  test("resets the delay only after it has lasted", async ({ open }) => {
    const clock = steadyClock(1);
    const { client, network } = open({ clock });
    const lose = async (after: number): Promise<number> => {
      await clock.advance(after);
      network.last.drop();
      await clock.settle();
      const since = clock.now();
      const count = network.dialled.length;
      while (network.dialled.length === count) await clock.advance(100);
      return (network.dialled.at(-1) ?? 0) - since;
    };
    expect([await lose(9_000), await lose(9_000), await lose(10_000), await lose(0)]).toEqual([
      600, 1_100, 600, 1_100,
    ]);
    expect(client.status).toBe("connected");
  });

  test.for([1000, 1001, 1006, 1009, 1011, 3000, 3001, 3008, 3012, 4000, 5000])(
    "comes back after code %i",
    async (code, { open }) => {
      const { client, clock, network } = open();
      await clock.settle();
      network.last.drop(code);
      await clock.advance(1_000);
      expect([client.status, network.lines.length]).toEqual(["connected", 2]);
    },
  );

  test.for([3500, 3501, 3503, 3999, 4500, 4999])("stays away after code %i", async (code, { open }) => {
    const { client, clock, network, statuses } = open();
    const reader = read(client.follow("news"));
    const call = outcomeOf(client.rpc("never"));
    await clock.settle();
    network.last.drop(code, "a reason");
    await clock.advance(60_000);
    expect([client.status, network.lines.length, statuses.at(-1)]).toEqual(["closed", 1, ["closed", code]]);
    const error = new ReplyError(code, "a reason");
    expect([reader.ended.reason, (call.reason as ReplyError).code]).toEqual([error, 108]);
    expect(outcomeOf(client.publish("news", 1))).toMatchObject({ state: "pending" });
    const late = outcomeOf(client.publish("news", 1));
    await clock.settle();
    expect(late.reason).toEqual(error);
  });

  test("is dialled no sooner than the close reason asks for", async ({ open }) => {
    const clock = steadyClock(0);
    const { network } = open({ clock });
    await clock.settle();
    network.last.drop(3001, "shutdown, retry after 7 s");
    await clock.advance(7_000);
    expect(network.dialled).toEqual([0]);
    await clock.advance(100);
    expect(network.dialled).toEqual([0, 7_100]);
  });

  test("fails calls with an unknown outcome, and repeats those that can be repeated", async ({ open }) => {
    const rpc = { hang: () => new Promise(() => {}) };
    const { client, clock, network } = open({ rpc, limits: { answer: 3_600_000 } });
    await clock.settle();
    const hang = outcomeOf(client.rpc("hang"));
    await clock.settle();
    const published = outcomeOf(client.publish("news", 1));
    const history = outcomeOf(client.history("news"));
    await clock.settle();
    network.last.drop();
    await clock.settle();
    expect([hang.reason, published.reason, history.state]).toEqual([
      new ReplyError(1006, 'Cannot call "hang": connection lost (1006)', true),
      new ReplyError(1006, 'Cannot publish to "news": connection lost (1006)', true),
      "pending",
    ]);
    await clock.advance(1_000);
    expect(history.state).toBe("fulfilled");
  });

  test("by a message too long for the server fails that call, once, though others like it are repeated", async ({
    open,
  }) => {
    const { client, clock, network } = open({ limits: smallMessages });
    await clock.settle();
    const long = outcomeOf(client.run("1").cancel("x".repeat(100_000)));
    const short = outcomeOf(client.run("1").cancel("enough"));
    await clock.advance(60_000);
    expect(long.reason).toEqual(new ReplyError(1009, 'Cannot call "run.cancel": message too big', true));
    expect([short.value, client.status, network.lines.length]).toEqual(["unknown", "connected", 2]);
  });

  test("is detected when pings stay out, and not before", async ({ open }) => {
    const { client, clock, network, statuses } = open({ heartbeat: 20_000 });
    await clock.advance(120_000);
    expect([client.status, network.lines.length]).toEqual(["connected", 1]);
    network.last.cut();
    await clock.advance(60_000);
    expect(statuses.slice(2)).toEqual([["waiting", 3012], "connecting", "connected"]);
    expect(network.open).toBe(1);
  });

  test("is given up where it is not open in time", async ({ open }) => {
    const { client, clock, network } = open();
    network.mode = "silent";
    await clock.settle();
    network.last.drop();
    await clock.advance(1_000);
    expect([client.status, network.lines.length]).toEqual(["connecting", 2]);
    network.mode = "up";
    await clock.advance(15_000);
    expect([client.status, network.open]).toEqual(["connected", 1]);
  });

  test("is given up where it breaks the protocol", async ({ open }) => {
    const { clock, network, statuses } = open();
    await clock.settle();
    network.say("null", "1", "[]", "", '{"id":77}', '{"push":{"channel":"none","pub":{}}}', "\n");
    await clock.advance(1_000);
    expect(statuses).toEqual(["connecting", "connected"]);
    network.say("this is no JSON");
    await clock.advance(1_000);
    expect(statuses.slice(2)).toEqual([["waiting", 3012], "connecting", "connected"]);
  });

  test("is dialled at once when the browser is online again or the tab is shown", async ({ open }) => {
    const clock = steadyClock(1);
    const page = new EventTarget();
    const document = Object.assign(new EventTarget(), { hidden: true });
    const names = ["addEventListener", "document"] as const;
    const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
    const listening = new Set<string>();
    const addEventListener = (name: string, listener: () => void, options: { signal: AbortSignal }) => {
      listening.add(name);
      options.signal.addEventListener("abort", () => listening.delete(name));
      page.addEventListener(name, listener, options);
    };
    Object.assign(globalThis, { addEventListener, document });
    let release = (): void => {};
    const hanging = new Promise<void>((resolve) => {
      release = resolve;
    });
    try {
      const { client, network } = open({ clock, rpc: { hang: () => hanging } });
      network.mode = "down";
      await clock.advance(30_000);
      const count = network.dialled.length;
      page.dispatchEvent(new Event("online"));
      expect(network.dialled.length).toBe(count);
      document.hidden = false;
      document.dispatchEvent(new Event("visibilitychange"));
      expect(network.dialled.length).toBe(count + 1);
      await clock.settle();
      network.mode = "up";
      page.dispatchEvent(new Event("online"));
      await clock.settle();
      expect([client.status, network.dialled.length]).toEqual(["connected", count + 2]);
      // A connected client checks whether its connection still works.
      page.dispatchEvent(new Event("offline"));
      await clock.advance(30_000);
      expect([client.status, network.last.texts]).toEqual([
        "connected",
        expect.arrayContaining(['{"id":4294967295,"ping":{}}']),
      ]);
      network.last.cut();
      page.dispatchEvent(new Event("offline"));
      await clock.advance(5_000);
      expect([client.status, listening]).toEqual(["waiting", new Set(["online", "offline"])]);
      await clock.advance(1_000);
      expect(client.status).toBe("connected");
      // It does not while a call waits: behind it, the answer to the check might be late as well.
      const call = outcomeOf(client.rpc("hang"));
      await clock.settle();
      network.last.cut();
      page.dispatchEvent(new Event("offline"));
      await clock.advance(5_000);
      expect([client.status, call.state]).toEqual(["connected", "pending"]);
      release();
      const closed = client.close();
      await clock.advance(2_000);
      await closed;
      expect(listening).toEqual(new Set());
    } finally {
      names.forEach((name, index) => {
        const descriptor = before[index];
        if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
        else Object.defineProperty(globalThis, name, descriptor);
      });
    }
  });
});

describe("a client that closes", () => {
  test("ends everything: readers, calls and dials", async ({ open }) => {
    const { client, clock, network, notifier, statuses } = open({
      rpc: { hang: () => new Promise(() => {}) },
    });
    const reader = read(client.follow("news"));
    await clock.settle();
    const call = outcomeOf(client.rpc("hang"));
    await clock.settle();
    const closed = outcomeOf(client.close());
    expect(client.close()).toBe(client.close());
    await clock.settle();
    expect([closed.state, statuses.at(-1), network.open]).toEqual(["fulfilled", "closed", 0]);
    for (const { reason } of [reader.ended, call])
      expect(reason).toMatchObject({ name: "ClosedError", message: "Cannot go on: the client is closed" });
    const again = outcomeOf(client.publish("news", 1));
    await clock.settle();
    expect(again.reason).toMatchObject({ name: "ClosedError" });
    expect([notifier.stats().sessions, (await notifier.presence("news")).clients]).toEqual([0, []]);
  });

  test("ends everything with the reason of its signal", async ({ open }) => {
    const controller = new AbortController();
    const { client, clock, network } = open({ client: { signal: controller.signal } });
    const reader = read(client.follow("news"));
    await clock.settle();
    const reason = new Error("enough");
    controller.abort(reason);
    await clock.settle();
    expect(reader.ended.reason).toBe(reason);
    expect([client.status, network.open]).toEqual(["closed", 0]);
  });

  test("has nothing to close where its signal had aborted", async ({ open }) => {
    const { client, clock, network } = open({ client: { signal: AbortSignal.abort("gone") } });
    await clock.settle();
    expect([client.status, network.lines]).toEqual(["closed", []]);
    const call = outcomeOf(client.rpc("any"));
    await clock.settle();
    expect(call.reason).toBe("gone");
  });

  test("settles while it is still connecting, and while it waits to dial", async ({ open }) => {
    const { client, clock, network, dial } = open();
    network.mode = "silent";
    const connecting = dial();
    network.mode = "down";
    const waiting = dial();
    await clock.settle();
    expect([connecting.status, waiting.status]).toEqual(["connecting", "waiting"]);
    await Promise.all([connecting.close(), waiting.close(), client.close()]);
    const dialled = network.dialled.length;
    await clock.advance(60_000);
    expect(network.dialled.length).toBe(dialled);
  });

  test.for(["connected", "waiting", "closed"])(
    "may be closed by its own onStatus at %s, and leaves nothing",
    async (when, { open }) => {
      const { clock, network, dial } = open();
      await clock.advance(60_000);
      const { armed } = clock;
      const statuses: string[] = [];
      const client: Client = dial({
        onStatus(status) {
          statuses.push(status);
          if (status === when) client.close();
        },
      });
      await clock.settle();
      network.last.drop();
      await clock.advance(1_000);
      client.close();
      await clock.advance(60_000);
      expect(statuses.filter((status) => status === "closed")).toEqual(["closed"]);
      expect([statuses.at(-1), client.status, network.open, clock.armed]).toEqual([
        "closed",
        "closed",
        1,
        armed,
      ]);
    },
  );

  test("stops waiting for a server that does not answer after two seconds", async ({ open }) => {
    const { client, clock, network } = open();
    await clock.settle();
    network.last.cut();
    const closed = outcomeOf(client.close());
    await clock.advance(1_999);
    expect(closed.state).toBe("pending");
    await clock.advance(1);
    expect(closed.state).toBe("fulfilled");
  });
});

describe("a signal", () => {
  test("has one listener while anything waits for it, and none after", async ({ open }) => {
    const { signal } = new AbortController();
    const listening = new Set<unknown>();
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listening.add(args[1]);
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listening.delete(args[1]);
      removeEventListener.apply(signal, args);
    };
    const { client, clock, dial, notifier } = open();
    await clock.settle();
    const events = client.follow("news", { signal });
    const next = outcomeOf(events.next());
    const published = outcomeOf(client.publish("other", 1, { signal }));
    expect(listening.size).toBe(1);
    await clock.settle();
    expect([published.state, next.state, listening.size]).toEqual(["fulfilled", "pending", 1]);
    await notifier.publish("news", 1);
    await clock.settle();
    expect([next.state, listening.size]).toEqual(["fulfilled", 0]);
    await events.return(undefined);
    const other = dial({ signal });
    await clock.settle();
    expect(listening.size).toBe(1);
    const closed = outcomeOf(other.close());
    await clock.settle();
    expect([closed.state, listening.size]).toEqual(["fulfilled", 0]);
  });
});

describe("a token", () => {
  test("is requested where there is none, and sent with the other parts of connect", async ({ open }) => {
    const asked: AbortSignal[] = [];
    const getToken = ({ signal }: { signal: AbortSignal }) => {
      asked.push(signal);
      return Promise.resolve("t1");
    };
    const { clock, network } = open({ client: { getToken, data: { tab: 1 } } });
    await clock.settle();
    expect(network.last.sent[0]).toEqual({
      id: expect.any(Number),
      connect: { token: "t1", name: "tocsin", data: { tab: 1 } },
    });
    expect(asked).toHaveLength(1);
  });

  test("that cannot be fetched is requested again after a while", async ({ open }) => {
    let count = 0;
    const getToken = () => {
      if (++count < 3) throw new Error("no network");
      return "t";
    };
    const { client, clock, statuses } = open({ client: { getToken } });
    await clock.advance(5_000);
    expect([client.status, count]).toEqual(["connected", 3]);
    expect(statuses.slice(0, 2)).toEqual(["connecting", ["waiting", 101]]);
  });

  test("that has expired is replaced: the server closes with 3005, or answers 109", async ({ open }) => {
    let count = 0;
    const { client, clock, network } = open({ client: { getToken: () => `t${++count}` } });
    await clock.settle();
    network.mode = "mute";
    network.last.drop(3005, "connection expired");
    await clock.advance(1_000);
    expect(network.last.sent[0]).toEqual({
      id: expect.any(Number),
      connect: { token: "t2", name: "tocsin" },
    });
    network.mode = "up";
    network.say({ id: 2, error: { code: 109, message: "token expired" } });
    await clock.advance(2_000);
    expect([client.status, network.last.sent[0]]).toEqual([
      "connected",
      { id: expect.any(Number), connect: { token: "t3", name: "tocsin" } },
    ]);
  });

  test("that cannot be replaced is sent again when the server answers that it has expired", async ({
    open,
  }) => {
    const { client, clock, network } = open({ client: { token: "t" } });
    await clock.settle();
    network.last.drop(3005, "connection expired");
    await clock.advance(1_000);
    const sent = { id: expect.any(Number), connect: { token: "t", name: "tocsin" } };
    expect([client.status, network.last.sent[0]]).toEqual(["connected", sent]);
  });

  test.for([
    ["is not temporary", { code: 103, message: "permission denied" }, "closed"],
    ["has expired, without getToken", { code: 109, message: "token expired" }, "closed"],
    ["is temporary", { code: 100, message: "internal server error", temporary: true }, "waiting"],
  ] as const)("or a connect command that is refused: %s", async ([, error, status], { open }) => {
    const { client, clock, network, statuses } = open({ client: { token: "t" } });
    network.mode = "mute";
    await clock.settle();
    network.say({ id: 1, error });
    await clock.settle();
    expect([client.status, statuses.at(-1)]).toEqual([status, [status, error.code]]);
  });
});
