import { describe, expect } from "vitest";
import { closeOf } from "../../support/raw.ts";
import { closing as closeFrame, frame } from "../../support/tcp.ts";
import { pub, range } from "../expected.ts";
import type { PeerTest, Site } from "../site.ts";
import type { Given } from "../suite.ts";

/** Connects somebody who sees who leaves "room". Returns a function that waits for the next one to leave. */
async function watcher(here: Site): Promise<() => Promise<unknown>> {
  const peer = await here.connect({ user: "watcher" });
  await peer.call("subscribe", { channel: "room", join_leave: true });
  await peer.take(1);
  return async () => {
    const push = (await peer.take(1))[0]?.push as Record<string, { info: { user: string } } | undefined>;
    return push.leave?.info.user ?? (push.join && "joined");
  };
}

/** How connections end. */
export function ends(test: PeerTest, given: Given): void {
  // Who leaves a stream has no code, and is tested with bare connections beside the streams.
  if (given.transport === "websocket") leaving(test);
  closing(test, given);
}

function leaving(test: PeerTest): void {
  describe("a client that leaves", () => {
    test.for([
      ["with 1000", closeFrame(1000), [1000]],
      ["with 3456", closeFrame(3456), [3456]],
      ["without a code", frame(8, ""), [1000, 1005]],
    ] as const)("%s gets its close answered, and its session ends", async ([, close, codes], { site }) => {
      const here = site();
      const left = await watcher(here);
      const peer = await here.join(["room"]);
      expect(await left()).toBe("joined");
      peer.send(close);
      expect(await left()).toBe("ann");
      await peer.ended;
      expect(codes).toContain(closeOf(peer)?.code);
    });

    test.for([
      ["by a reset", "reset"],
      ["by ending its side of TCP", "end"],
      ["in the middle of a frame", "half"],
    ] as const)("%s ends its session", async ([, how], { site }) => {
      const here = site();
      const left = await watcher(here);
      const { socket } = await here.join(["room"]);
      expect(await left()).toBe("joined");
      if (how === "reset") socket.resetAndDestroy();
      else if (how === "end") socket.end();
      else socket.end(frame(1, '{"id":2,"ping":{}}').subarray(0, 10));
      expect(await left()).toBe("ann");
      expect(await here.control.stats({})).toMatchObject({ sessions: 1, subscriptions: 1 });
    });

    test("closes with a code of its own", async ({ site }) => {
      const here = site();
      const peer = await here.connect();
      peer.close(3456, "bye");
      expect((await peer.closed).code).toBe(3456);
    });
  });
}

function closing(test: PeerTest, { beginsAnew = false }: Given): void {
  describe("disconnect", () => {
    test("closes every session of a user with 3503, and no other", async ({ site }) => {
      const here = site();
      const [one, two] = [await here.subscribe("news"), await here.connect()];
      const bob = await here.subscribe("news", { user: "bob" });
      await here.control.disconnect({ who: { user: "ann" } });
      for (const { closed } of [one, two])
        expect(await closed).toEqual({ code: 3503, reason: "force disconnect" });
      await here.publish("news", 1);
      expect(await bob.take(1)).toEqual([pub("news", 1)]);
      expect(one.received).toEqual([]);
    });

    test("closes one session with the given code", async ({ site }) => {
      const here = site();
      const [one, two, three] = [await here.connect(), await here.connect(), await here.connect()];
      await here.control.disconnect({ who: { session: one.id }, code: 3011 });
      await here.control.disconnect({ who: { session: two.id }, code: 4321 });
      expect(await one.closed).toEqual({ code: 3011, reason: "force reconnect" });
      expect(await two.closed).toEqual({ code: 4321, reason: "disconnected" });
      await three.nothing();
    });
  });

  describe("closing", () => {
    test("sends everything that was published, and then closes with 3001", async ({ site }) => {
      const here = site("narrow");
      const peer = await here.subscribe("news");
      const { id } = await here.control.run({
        steps: [{ pass: "never opened" }],
        options: { channel: "news" },
      });
      await peer.take(1);
      void here.publish("news", ...range(1, 100).map((n) => `${n}${"x".repeat(200)}`));
      await peer.take(1);
      const { report, left } = await here.control.close({});
      expect(await peer.closed).toEqual({ code: 3001, reason: "shutdown" });
      const offsets = peer.received.map(({ push }) => push?.pub?.offset);
      expect(offsets).toEqual(range(3, 102));
      expect(peer.received.at(-1)?.push?.pub?.data).toMatchObject({ type: "run.cancelled", by: "shutdown" });
      expect(report).toMatchObject({
        ...{ sessions: { closed: 1, cut: 0 }, cut: [], runs: { cancelled: [id], abandoned: [] } },
      });
      expect(left).toEqual([]);
      const after = here.publish("news", 1);
      if (beginsAnew) expect(await after).toBe(103);
      else await expect(after).rejects.toThrow("ClosedError");
    });
  });
}
