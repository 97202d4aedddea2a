import { describe, expect } from "vitest";
import { CancelError } from "../../../src/model/errors.ts";
import type { Task } from "../../../src/model/run.ts";
import { output, progress } from "../../../src/run.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { type Pipe, pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  aborted,
  type Core,
  deferred,
  finish,
  type Message,
  never,
  offsetsIn,
  outcomeOf,
  payloads,
  rejection,
  slowAppend,
  spySignal,
  startWith,
  test,
  typesOf,
} from "../../support/core.ts";

/** A task that works until its signal aborts, and then throws the signal's reason. */
const obedient: Task<never> = ({ signal }) => aborted(signal);

/** Connects a client whose commands are answered one by one. */
function connected(
  { notifier, clock }: Core,
  user: string,
): { client: Pipe; ask(command: object): Promise<Message> } {
  const client = pipe(notifier, { peer: { user, authorize: () => true } });
  client.send({ id: 1, connect: {} });
  let id = 1;
  return {
    client,
    async ask(command) {
      client.send({ id: ++id, ...command });
      await clock.settle();
      return client.received.find((message) => (message as Message).id === id) as Message;
    },
  };
}

function fromStart(id: string): object {
  return { subscribe: { channel: `run:${id}`, recover: true, offset: 0, epoch: "" } };
}

describe("cancelling", () => {
  test("passes one reason object to the task's signal and to all that wait", async ({ start }) => {
    const { notifier, clock } = start();
    let seen: unknown;
    const run = notifier.run(async ({ signal }) => {
      await aborted(signal).catch(() => {});
      seen = signal.reason;
      throw new Error("stopped somehow");
    });
    await clock.settle();
    const waiting = [rejection(run.result()), rejection(run.result())];
    await run.cancel("enough");
    expect(seen).toBeInstanceOf(CancelError);
    expect(seen).toMatchObject({ name: "CancelError", by: "caller", reason: "enough" });
    expect((seen as Error).cause).toBeUndefined();
    for (const reason of waiting) expect(await reason).toBe(seen);
    expect(await rejection(run.result())).toEqual(seen);
    expect(run.status).toBe("cancelled");
    expect((await payloads(notifier, `run:${run.id}`)).at(-1)).toEqual({
      type: "run.cancelled",
      run: run.id,
      by: "caller",
      reason: "enough",
    });
  });

  test("through the user's own signal passes its reason on, the same object everywhere", async ({
    start,
  }) => {
    const { notifier, clock } = start();
    const spy = spySignal();
    let seen: unknown;
    const run = notifier.run(
      async ({ signal }) => {
        await aborted(signal).catch(() => {});
        seen = signal.reason;
        throw new Error("stopped somehow");
      },
      { signal: spy.signal },
    );
    await clock.settle();
    expect(spy.listeners).toBe(1);
    const reason = { why: "the user left" };
    spy.controller.abort(reason);
    expect(await rejection(run.result())).toBe(reason);
    expect(seen).toBe(reason);
    expect(spy.listeners).toBe(0);
    expect((await payloads(notifier, `run:${run.id}`)).at(-1)).toEqual({
      type: "run.cancelled",
      run: run.id,
      by: "signal",
    });
  });

  test.for([null, 0, "", false])("for the reason %j passes just that on", async (reason, { start }) => {
    const { notifier, clock } = start();
    const controller = new AbortController();
    const run = notifier.run(obedient, { signal: controller.signal });
    await clock.settle();
    controller.abort(reason);
    expect(await rejection(run.result())).toBe(reason);
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.cancelled"]);
  });

  test("through a signal that had aborted before never starts the task", async ({ start }) => {
    const { notifier } = start();
    const reason = new Error("too late");
    let began = false;
    const task = async () => {
      began = true;
    };
    const run = notifier.run(task, { signal: AbortSignal.abort(reason) });
    expect(await rejection(run.result())).toBe(reason);
    expect(began).toBe(false);
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.cancelled"]);
  });

  test("has a listener on the user's signal only while the run works", async ({ start }) => {
    const { notifier } = start();
    const spy = spySignal();
    const runs = Array.from({ length: 20 }, () => notifier.run(async () => 1, { signal: spy.signal }));
    expect(spy.most).toBe(1);
    await Promise.all(runs.map((run) => run.result()));
    expect(spy.listeners).toBe(0);
    spy.controller.abort();
    expect(runs.map(({ status }) => status)).toEqual(runs.map(() => "completed"));
  });

  test("does not undo a result: a task that returns all the same has completed", async ({ start }) => {
    const { notifier, clock } = start();
    const run = notifier.run(async ({ signal }) => {
      await aborted(signal).catch(() => {});
      return "done anyway";
    });
    await clock.settle();
    await run.cancel();
    expect(await run.result()).toBe("done anyway");
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.completed"]);
  });

  test("lets a generator yield its last events", async ({ start }) => {
    const { notifier, clock } = start();
    const run = notifier.run(async function* ({ signal }) {
      try {
        yield output("works");
        await aborted(signal);
      } finally {
        yield output("cleans up");
      }
    });
    await clock.settle();
    await run.cancel();
    expect(await payloads(notifier, `run:${run.id}`)).toMatchObject([
      { type: "run.started" },
      { output: "works" },
      { output: "cleans up" },
      { type: "run.cancelled" },
    ]);
  });

  test("twice counts once, with the first reason", async ({ start }) => {
    const { notifier, clock } = start();
    const run = notifier.run(obedient);
    await clock.settle();
    await Promise.all([run.cancel("first"), run.cancel("second")]);
    await run.cancel("third");
    expect(await rejection(run.result())).toMatchObject({ reason: "first" });
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.cancelled"]);
  });

  test("after the end changes nothing", async ({ start }) => {
    const { notifier } = start();
    const run = notifier.run(async () => 1);
    await run.result();
    await run.cancel("late");
    expect(await run.result()).toBe(1);
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.completed"]);
  });

  test("a task that ignores its signal leaves the run working, and listed by inspect()", async ({
    start,
  }) => {
    const core = start();
    const { notifier, clock } = core;
    const run = notifier.run(() => never<void>(), { name: "stubborn" });
    await clock.settle();
    const cancelling = outcomeOf(run.cancel());
    await clock.advance(1_000);
    expect(cancelling.state).toBe("pending");
    expect(run.status).toBe("working");
    expect(notifier.inspect()).toContainEqual({
      kind: "run",
      owner: `run:${run.id} "stubborn", ignores its signal`,
      age: 1_000,
    });
    expect((await finish(core)).runs.abandoned).toEqual([run.id]);
    expect(cancelling.state).toBe("fulfilled");
    expect(core.errors.map(({ error, context }) => [(error as Error).message, context])).toEqual([
      [
        `Closed without waiting any longer for run:${run.id} "stubborn", ignores its signal, 3.5 s`,
        { stage: "close", owner: "notifier" },
      ],
    ]);
  });

  test.for([[new Error("no")], [{}], [null], [7], [Symbol("x")]])(
    "for a reason that is not a string is refused, and the run works on: %#",
    async ([reason], { start }) => {
      const { notifier, clock } = start();
      const run = notifier.run(obedient);
      await clock.settle();
      const error = await rejection(run.cancel(reason as string));
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(/^Cannot cancel run:\S+ for ".*": a reason is a text$/);
      expect(run.status).toBe("working");
      await run.cancel("enough");
      expect(run.status).toBe("cancelled");
    },
  );

  test("for a long reason passes all of it to the task, and a part in whole characters to the log", async ({
    start,
  }) => {
    const { notifier, clock } = start();
    const run = notifier.run(obedient);
    await clock.settle();
    const reason = `${"x".repeat(9_999)}😀`;
    const waiting = rejection(run.result());
    await run.cancel(reason);
    expect(await waiting).toMatchObject({ reason });
    expect((await payloads(notifier, `run:${run.id}`)).at(-1)).toMatchObject({ reason: "x".repeat(9_999) });
  });

  test("by a signal whose reason is a CancelError with any content still ends as cancelled", async ({
    start,
  }) => {
    const { notifier, clock } = start();
    const controller = new AbortController();
    const run = notifier.run(obedient, { signal: controller.signal });
    await clock.settle();
    const reason = new CancelError("caller", { odd: true } as unknown as string);
    controller.abort(reason);
    expect(await rejection(run.result())).toBe(reason);
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.cancelled"]);
  });

  test("does not happen by disconnecting or unsubscribing", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(obedient);
    const { client, ask } = connected(core, "ann");
    await ask(fromStart(run.id));
    await ask({ unsubscribe: { channel: `run:${run.id}` } });
    client.drop();
    await core.clock.settle();
    expect(run.status).toBe("working");
  });
});

describe("a client", () => {
  test("cancels by rpc, is answered at once, and the log has the real ending", async ({ start }) => {
    const core = start();
    const go = deferred();
    const run = core.notifier.run(async ({ signal }) => {
      await go.promise;
      throw signal.reason;
    });
    const { ask } = connected(core, "ann");
    await core.clock.settle();
    const cancel = { rpc: { method: "run.cancel", data: { run: run.id, reason: "changed my mind" } } };
    expect(await ask(cancel)).toEqual({ id: 2, rpc: { data: { status: "requested" } } });
    expect(await ask(cancel)).toEqual({ id: 3, rpc: { data: { status: "requested" } } });
    go.resolve();
    expect(await rejection(run.result())).toMatchObject({ by: "client", reason: "changed my mind" });
    expect(await ask(cancel)).toEqual({ id: 4, rpc: { data: { status: "finished" } } });
    expect((await payloads(core.notifier, `run:${run.id}`)).at(-1)).toEqual({
      type: "run.cancelled",
      run: run.id,
      by: "client",
      reason: "changed my mind",
    });
  });

  test("may only give a string as its reason", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(obedient);
    const { ask } = connected(core, "ann");
    for (const reason of [7, {}, null, true])
      expect((await ask({ rpc: { method: "run.cancel", data: { run: run.id, reason } } })).error?.code).toBe(
        107,
      );
    expect(run.status).toBe("working");
  });

  test("cannot distinguish a run that is not its own from one that does not exist", async ({ start }) => {
    const core = start();
    const { notifier } = core;
    const run = notifier.run(obedient, { owner: "ann", id: "anns" });
    const { ask } = connected(core, "bob");
    for (const id of ["anns", "nobodys"]) {
      const channel = `run:${id}`;
      const denied = { code: 103, message: "permission denied" };
      expect((await ask({ subscribe: { channel } })).error).toEqual(denied);
      expect((await ask({ history: { channel } })).error).toEqual(denied);
      expect((await ask({ presence: { channel } })).error).toEqual(denied);
      expect((await ask({ publish: { channel, data: {} } })).error).toEqual(denied);
      const cancel = { method: "run.cancel", data: { run: id } };
      expect((await ask({ rpc: cancel })).rpc).toEqual({ data: { status: "unknown" } });
    }
    expect(run.status).toBe("working");
    const { ask: askAsAnn } = connected(core, "ann");
    expect((await askAsAnn(fromStart("anns"))).subscribe).toMatchObject({ recovered: true });
    const cancel = { method: "run.cancel", data: { run: "anns" } };
    expect((await askAsAnn({ rpc: cancel })).rpc).toEqual({ data: { status: "requested" } });
  });

  test("that has the unguessable id may follow and cancel a run without an owner", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(obedient);
    const client = pipe(core.notifier, { peer: { user: "" } });
    client.send({ id: 1, connect: {} }, { id: 2, ...fromStart(run.id) });
    client.send({ id: 3, rpc: { method: "run.cancel", data: { run: run.id } } });
    await core.clock.settle();
    expect(client.received.at(2)).toEqual({ id: 3, rpc: { data: { status: "requested" } } });
    expect(offsetsIn(client.received, `run:${run.id}`)).toEqual([1, 2]);
  });

  test("that comes late gets everything from the start, and the present status", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(
      async function* () {
        yield progress(1, 4);
        yield progress(2, 4);
        yield output("x");
      },
      { name: "export" },
    );
    await run.result();
    const { ask } = connected(core, "ann");
    const { subscribe } = await ask(fromStart(run.id));
    const whole = (await core.notifier.history(`run:${run.id}`)).publications;
    expect(subscribe).toMatchObject({ recovered: true, offset: 0 });
    expect(subscribe?.publications?.map(({ data }) => data)).toEqual(whole.map(({ data }) => data));
    expect(whole).toHaveLength(5);
    expect(subscribe?.data).toEqual({
      run: run.id,
      name: "export",
      status: "completed",
      progress: { type: "progress", progress: 0.5, done: 2, total: 4 },
    });
  });

  test("that recovers the same position later than another gets the status of that moment", async ({
    start,
  }) => {
    const core = startWith(start, (log, clock) => {
      return { append: slowAppend(clock, log, 100) };
    });
    let advance = (): void => {};
    const run = core.notifier.run(({ emit, signal }) => {
      advance = () => void emit(progress(1, 4));
      return aborted(signal);
    });
    const channel = `run:${run.id}`;
    await core.clock.advance(100);
    const { epoch } = await core.notifier.history(channel);
    const [ann, bob] = [connected(core, "ann"), connected(core, "bob")];
    const back = { subscribe: { channel, recover: true, offset: 0, epoch } };
    const replies = [ann.ask(back)];
    // The append of this event takes 100 ms.
    advance();
    replies.push(bob.ask(back));
    const [before, after] = await Promise.all(replies);
    expect(before?.subscribe?.publications).toHaveLength(1);
    expect(after?.subscribe?.publications).toEqual(before?.subscribe?.publications);
    expect(before?.subscribe?.data).not.toHaveProperty("progress");
    expect(after?.subscribe?.data).toMatchObject({ progress: { progress: 0.25 } });
  });

  test("that comes too late for the start still gets the status and the last progress", async ({ start }) => {
    const clock = fakeClock();
    const core = start({ clock, log: memoryLog({ clock, slack: 0 }), limits: { runBytes: 1_000 } });
    const go = deferred();
    const run = core.notifier.run(async function* () {
      yield progress(1, 4);
      for (let i = 0; i < 20; i++) yield output("x".repeat(100));
      await go.promise;
    });
    await core.clock.settle();
    const { ask } = connected(core, "ann");
    const { subscribe } = await ask(fromStart(run.id));
    expect(subscribe).toMatchObject({ was_recovering: true, offset: 22 });
    expect(subscribe?.recovered ?? false).toBe(false);
    expect(subscribe?.publications).toBeUndefined();
    expect(subscribe?.data).toMatchObject({ status: "working", progress: { progress: 0.25 } });
    const { publications } = await core.notifier.history(`run:${run.id}`);
    expect(publications.length).toBeLessThan(10);
    expect(publications.at(-1)?.offset).toBe(22);
    go.resolve();
  });
});
