import { describe, expect } from "vitest";
import { entry, errors, pub } from "../expected.ts";
import { offsetsUntil } from "../peer.ts";
import type { PeerTest, Site } from "../site.ts";

const progress = (done: number) => ({ type: "progress", progress: done / 4, done, total: 4 });
const cancel = (run: string, reason?: string) => ({ method: "run.cancel", data: { run, reason } });
const status = (text: string) => ({ data: { status: text } });

/** Starts a run that works until it is cancelled. */
async function working(here: Site, options?: Parameters<Site["control"]["run"]>[0]["options"]) {
  const { id } = await here.control.run({ steps: [{ pass: "never opened" }], ...(options && { options }) });
  return { id, channel: `run:${id}` };
}

/** Following and cancelling runs. */
export function runs(test: PeerTest): void {
  describe("a run", () => {
    test("is followed from its start to its ending", async ({ site }) => {
      const here = site();
      const steps = [
        { emit: progress(1) },
        { pass: "more" },
        { emit: progress(2) },
        { result: { url: "/r" } },
      ];
      const { id } = await here.control.run({ steps, options: { name: "Report" } });
      const peer = await here.connect();
      const started = { type: "run.started", run: id, name: "Report" };
      // The task may be at any point before its gate when a peer subscribes.
      const { subscribe } = await peer.call("subscribe", { channel: `run:${id}`, recover: true });
      expect(subscribe).toMatchObject({ offset: 0, recovered: true, data: { run: id, status: "working" } });
      const early = subscribe?.publications ?? [];
      await here.control.open({ gate: "more" });
      const late = await peer.take(4 - early.length);
      expect([...early, ...late.map(({ push }) => push?.pub)]).toEqual([
        entry(1, started),
        entry(2, progress(1)),
        entry(3, progress(2)),
        entry(4, { type: "run.completed", run: id, result: { url: "/r" } }),
      ]);
      expect(await here.control.result({ id })).toEqual({ result: { url: "/r" } });
      const again = await here.connect();
      const whole = await again.call("subscribe", { channel: `run:${id}`, recover: true });
      expect(whole.subscribe).toMatchObject({
        ...{ recovered: true, data: { run: id, name: "Report", status: "completed", progress: progress(2) } },
      });
      again.received.unshift(whole);
      expect(await offsetsUntil(again, 4)).toEqual([1, 2, 3, 4]);
    });

    test("that fails ends with its error, and is announced on the channel that it names", async ({
      site,
    }) => {
      const here = site();
      const peer = await here.subscribe("runs");
      const { id } = await here.control.run({ steps: [{ fail: "no paper" }], options: { channel: "runs" } });
      expect(await peer.take(2)).toEqual([
        pub("runs", 1, { type: "run.started", run: id }),
        pub("runs", 2, { type: "run.failed", run: id, error: { name: "Error", message: "no paper" } }),
      ]);
      expect(await here.control.result({ id })).toMatchObject({ error: { name: "RunError" } });
      expect(await here.control.status({ id })).toEqual({ live: "failed", logged: "failed" });
    });

    test("that a client cancels ends cancelled; the answer comes at once, and then says that it is over", async ({
      site,
    }) => {
      const here = site();
      const { id, channel } = await working(here);
      const peer = await here.subscribe(channel);
      expect((await peer.call("rpc", cancel(id, "enough"))).rpc).toEqual(status("requested"));
      const ending = { type: "run.cancelled", run: id, by: "client", reason: "enough" };
      expect((await peer.take(1))[0]?.push?.pub?.data).toEqual(ending);
      expect((await peer.call("rpc", cancel(id))).rpc).toEqual(status("finished"));
      expect(await here.control.result({ id })).toMatchObject({ error: { name: "CancelError" } });
    });

    test("that the server cancels says so", async ({ site }) => {
      const here = site();
      const { id, channel } = await working(here);
      const peer = await here.subscribe(channel);
      await here.control.cancel({ id, reason: "stop" });
      expect((await peer.take(1))[0]?.push?.pub?.data).toEqual({
        ...{ type: "run.cancelled", run: id, by: "caller", reason: "stop" },
      });
    });

    test("of an owner may be followed and cancelled by that user alone; to others it is unknown", async ({
      site,
    }) => {
      const here = site();
      const { id, channel } = await working(here, { owner: "ann" });
      const bob = await here.connect({ user: "bob" });
      expect((await bob.call("rpc", cancel(id))).rpc).toEqual(status("unknown"));
      for (const of of [channel, "run:nobody"])
        expect((await bob.call("subscribe", { channel: of })).error).toEqual(errors[103]);
      const ann = await here.subscribe(channel);
      expect((await ann.call("rpc", cancel(id))).rpc).toEqual(status("requested"));
      expect(await ann.take(1)).toMatchObject([{ push: { pub: { data: { type: "run.cancelled" } } } }]);
    });

    test("for whose cancelling authorize has to be asked is not cancelled where that refuses", async ({
      site,
    }) => {
      const here = site();
      const { id } = await working(here, { cancel: "authorized" });
      const peer = await here.connect();
      expect((await peer.call("rpc", cancel(id))).rpc).toEqual(status("unknown"));
      expect((await here.control.status({ id })).live).toBe("working");
    });

    test("is not cancelled by whoever unsubscribes or leaves, nor by an invalid command", async ({
      site,
    }) => {
      const here = site();
      const { id, channel } = await working(here);
      const peer = await here.subscribe(channel);
      for (const data of [undefined, null, {}, { run: 7 }, { run: id, reason: 7 }])
        expect((await peer.call("rpc", { method: "run.cancel", data })).error).toEqual(errors[107]);
      await peer.call("unsubscribe", { channel });
      peer.close();
      await peer.closed;
      expect((await here.control.status({ id })).live).toBe("working");
    });
  });
}
