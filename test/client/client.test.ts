import { describe, expect } from "vitest";
import { connect, type GapError, ReplyError } from "../../src/client.ts";
import { progress } from "../../src/run.ts";
import { outcomeOf, rejection } from "../support/core.ts";
import { read, test } from "../support/dial.ts";

describe("a client", () => {
  test("connects, and follows what is published from then on", async ({ open }) => {
    const { client, clock, notifier, statuses } = open();
    await notifier.publish("news", "before");
    const { got } = read(client.follow("news"));
    await clock.settle();
    expect([client.status, statuses]).toEqual(["connected", ["connecting", "connected"]]);
    await notifier.publish("news", { text: "é😀" }, { tags: { kind: "x" } });
    await notifier.publish("news", null);
    await clock.settle();
    expect(got).toEqual([{ text: "é😀" }, null]);
  });

  test("reads publications completely: channel, position, time and tags", async ({ open }) => {
    const { client, clock, notifier } = open();
    const next = outcomeOf(client.follow("news").next());
    await clock.settle();
    const { position } = await notifier.publish("news", 1, { tags: { kind: "x" } });
    await clock.settle();
    const value = { channel: "news", ...position, data: 1, time: clock.time(), tags: { kind: "x" } };
    expect(next.value).toEqual({ done: false, value });
  });

  test("follows from a position, from the start, and from the present", async ({ open }) => {
    const { client, clock, notifier } = open();
    const receipts = await Promise.all([1, 2, 3].map((n) => notifier.publish("news", n)));
    const start = read(client.follow("news", { after: { offset: 0, epoch: "" } }));
    await clock.settle();
    const middle = read(client.follow("news", { after: receipts[1]?.position }));
    await clock.settle();
    await notifier.publish("news", 4);
    await clock.settle();
    expect([start.got, middle.got]).toEqual([
      [1, 2, 3, 4],
      [3, 4],
    ]);
  });

  test("publishes, calls methods, reads history and presence", async ({ open }) => {
    const rpc = { double: (_: unknown, { data }: { data: unknown }) => (data as number) * 2 };
    const { client, clock, notifier } = open({ rpc });
    const reader = read(client.follow("news"));
    await clock.settle();
    const calls = Promise.all([
      client.publish("news", { n: 1 }),
      client.rpc("double", 21),
      client.presence("news"),
    ]);
    await clock.settle();
    const [published, doubled, { clients }] = await calls;
    expect([published, doubled, clients.map(({ user }) => user)]).toEqual([undefined, 42, ["ann"]]);
    expect(reader.got).toEqual([{ n: 1 }]);
    const history = client.history("news");
    await clock.settle();
    expect(await history).toEqual(await notifier.history("news"));
  });

  test("rejects with the code when the server refuses", async ({ open }) => {
    const { client, clock, notifier } = open({ user: "bob" });
    const run = notifier.run(async () => {}, { id: "secret", owner: "ann" });
    const refused = rejection(client.run(run.id).result());
    const unknown = rejection(client.rpc("unknown"));
    const followed = read(client.follow("run:secret"));
    await clock.settle();
    expect(await refused).toEqual(new ReplyError(103, 'Cannot read "run:secret": permission denied'));
    expect(await unknown).toEqual(new ReplyError(108, 'Cannot call "unknown": not available'));
    expect(followed.ended.reason).toEqual(
      new ReplyError(103, 'Cannot follow "run:secret": permission denied'),
    );
  });

  test("sends what was called before once it is connected", async ({ open }) => {
    const { client, clock, network, notifier } = open();
    await clock.settle();
    network.mode = "down";
    network.last.drop();
    await clock.settle();
    const published = outcomeOf(client.publish("news", 1));
    await clock.advance(1_000);
    expect(published.state).toBe("pending");
    network.mode = "up";
    await clock.advance(60_000);
    expect(published.state).toBe("fulfilled");
    expect((await notifier.history("news")).offset).toBe(1);
  });

  test("throws for an invalid URL, and where there is no WebSocket", () => {
    class Never {
      onopen = null;
      onmessage = null;
      onclose = null;
      onerror = null;
      send(): void {}
      close(): void {}
    }
    expect(() => connect("::", { WebSocket: Never })).toThrow(TypeError);
    const { WebSocket } = globalThis as { WebSocket?: unknown };
    Object.assign(globalThis, { WebSocket: undefined });
    try {
      expect(() => connect("ws://localhost/")).toThrow(
        new TypeError("Cannot connect: no WebSocket, give that of ws"),
      );
    } finally {
      Object.assign(globalThis, { WebSocket });
    }
  });
});

describe("a run", () => {
  test("yields its events from its start, and ends with its result", async ({ open }) => {
    const { client, clock, notifier } = open();
    const run = notifier.run(async function* () {
      yield progress(1, 2);
      yield progress(2, 2);
      return { url: "/42" };
    });
    await clock.settle();
    const handle = client.run(run.id);
    expect(handle.status).toBeUndefined();
    const events = handle[Symbol.asyncIterator]();
    const types: unknown[] = [];
    let last: IteratorResult<{ data: unknown }> | undefined;
    for (;;) {
      const next = outcomeOf(events.next());
      await clock.settle();
      last = next.value as typeof last;
      if (last?.done !== false) break;
      types.push((last.value.data as { type: string }).type, handle.status);
    }
    // The run had ended before it was followed, and the reply to the subscribe contains that status.
    expect(types).toEqual(["run.started", "completed", "progress", "completed", "progress", "completed"]);
    expect([last?.value, handle.status]).toEqual([{ url: "/42" }, "completed"]);
  });

  test("may be given by its channel, too", async ({ open }) => {
    const { client, clock, notifier } = open();
    const run = notifier.run(async () => 42);
    await clock.settle();
    const handle = client.run(`run:${run.id}`);
    const result = outcomeOf(handle.result());
    const cancelled = outcomeOf(handle.cancel());
    await clock.settle();
    expect([handle.id, result.value, cancelled.value]).toEqual([run.id, 42, "finished"]);
  });

  test("is followed live, also after a position", async ({ open }) => {
    const { client, clock, notifier } = open();
    const steps: (() => void)[] = [];
    const run = notifier.run(async ({ emit }) => {
      await emit({ type: "one" });
      await new Promise<void>((resolve) => steps.push(resolve));
      await emit({ type: "two" });
    });
    await clock.settle();
    const { epoch } = await notifier.history(`run:${run.id}`);
    const later = read(client.run(run.id, { after: { offset: 2, epoch } }));
    const result = outcomeOf(client.run(run.id).result());
    await clock.settle();
    expect([later.got, result.state]).toEqual([[], "pending"]);
    const live = client.run(run.id);
    const first = outcomeOf(live[Symbol.asyncIterator]().next());
    await clock.settle();
    expect([first.state, live.status]).toEqual(["fulfilled", "working"]);
    steps[0]?.();
    await clock.settle();
    expect([later.got, later.ended.state]).toEqual([[{ type: "two" }], "fulfilled"]);
    expect(result).toEqual({ state: "fulfilled", value: undefined });
  });

  test("that has ended returns its result or its failure at once, and the caller acknowledges it", async ({
    open,
  }) => {
    const { client, clock, notifier } = open();
    const runs = [
      notifier.run(async () => 42),
      notifier.run(async () => {
        throw new RangeError("no font");
      }),
      notifier.run(
        ({ signal }) =>
          new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      ),
      notifier.run(() => new Promise(() => {}), { signal: AbortSignal.abort() }),
    ];
    await clock.settle();
    const cancelled = runs[2]?.cancel("enough");
    await clock.settle();
    await cancelled;
    for (const run of runs) run.result().catch(() => {});
    const asked = runs.map(({ id }) => client.run(id));
    const results = asked.map((run) => outcomeOf(run.result()));
    await clock.settle();
    expect(results.map(({ state, value, reason }) => value ?? [state, String(reason)])).toEqual([
      42,
      ["rejected", `RunError: Run "${runs[1]?.id}" failed: no font`],
      ["rejected", "CancelError: Cancelled by the caller: enough"],
      ["rejected", "CancelError: Cancelled by the caller"],
    ]);
    expect(asked.map(({ status }) => status)).toEqual(["completed", "failed", "cancelled", "cancelled"]);
    await clock.advance(100);
    expect(notifier.inspect().filter(({ kind }) => kind === "publication")).toEqual([]);
    // A result that has arrived is not requested again.
    const closed = client.close();
    await clock.settle();
    await closed;
    expect(await asked[0]?.result()).toBe(42);
  });

  test("says whether it was lost with its process", async ({ open }) => {
    const { client, clock, network } = open();
    network.mode = "mute";
    await clock.settle();
    network.say({ id: 1, connect: { ping: 25 } });
    const readers = ["1", "2"].map((id) => read(client.run(id)));
    await clock.settle();
    const failed = {
      type: "run.failed",
      error: { name: "Error", message: "The process that ran it is gone" },
    };
    network.say(
      { id: 2, subscribe: { epoch: "e", offset: 0, recovered: true } },
      { id: 3, subscribe: { epoch: "e", offset: 0, recovered: true } },
      { push: { channel: "run:1", pub: { offset: 1, data: { ...failed, run: "1", reason: "lost" } } } },
      { push: { channel: "run:2", pub: { offset: 1, data: { ...failed, run: "2" } } } },
    );
    await clock.settle();
    expect(readers.map(({ ended }) => ended.reason)).toMatchObject([
      { message: 'Run "1" failed: The process that ran it is gone', reason: "lost" },
      { message: 'Run "2" failed: The process that ran it is gone', reason: undefined },
    ]);
  });

  test("read after its ending is done", async ({ open }) => {
    const { client, clock, notifier } = open();
    const run = notifier.run(async () => 42);
    await clock.settle();
    const { epoch, offset } = await notifier.history(`run:${run.id}`);
    const [had, ahead] = [offset, offset - 1].map((at) =>
      read(client.run(run.id, { after: { epoch, offset: at } })),
    );
    const [other] = [read(client.run(run.id, { after: { epoch: "other", offset } }))];
    await clock.settle();
    expect([had, ahead].map((each) => [each?.got, each?.ended.state])).toEqual([
      [[], "fulfilled"],
      [[], "fulfilled"],
    ]);
    expect(other?.ended.reason).toMatchObject({ name: "GapError" });
  });

  test("that has ended is read completely from an earlier position, as from its start", async ({ open }) => {
    const { client, clock, notifier } = open();
    const run = notifier.run(async function* () {
      yield progress(1, 1);
      return 42;
    });
    await clock.settle();
    const { epoch } = await notifier.history(`run:${run.id}`);
    const positions = [undefined, { offset: 0, epoch: "" }, { offset: 0, epoch }, { offset: 1, epoch }];
    const readers = positions.map((after) => read(client.run(run.id, { after })));
    await clock.settle();
    const types = readers.map(({ got }) => got.map((event) => (event as { type: string }).type));
    const whole = ["run.started", "progress"];
    expect(types).toEqual([whole, whole, whole, ["progress"]]);
    expect(readers.map(({ ended }) => ended.state)).toEqual(positions.map(() => "fulfilled"));
  });

  test("whose start is gone rejects with the earliest position, and has its status", async ({ open }) => {
    const { client, clock, notifier } = open({ limits: { runBytes: 300 } });
    const run = notifier.run(async function* () {
      for (let step = 1; step <= 20; step++) yield progress(step, 20);
      await new Promise(() => {});
    });
    await clock.settle();
    const handle = client.run(run.id);
    const { ended } = read(handle);
    await clock.settle();
    expect([handle.status, ended.reason]).toMatchObject([
      "working",
      { name: "GapError", channel: `run:${run.id}` },
    ]);
    const { earliest } = ended.reason as GapError;
    const rest = read(client.run(run.id, { after: earliest }));
    await clock.settle();
    expect(rest.got.at(-1)).toMatchObject({ type: "progress", progress: 1 });
    expect(rest.got.length).toBe(21 - earliest.offset);
  });
});
