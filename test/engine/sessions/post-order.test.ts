import type { Notifier, Peer } from "tocsin";
import { describe, expect } from "vitest";
import type { Session, Socket } from "../../../src/model/socket.ts";
import { type Core, test, upTo } from "../../support/core.ts";

/** A client that sends its messages by posts, and what its session has sent. */
interface Posting {
  readonly session: Session;
  readonly sent: string[];
  readonly closes: [code: number, reason: string][];
  /** Posts commands with these ids, in one message. */
  post(...ids: number[]): Promise<unknown>;
  say(data: string): Promise<unknown>;
}

const secret = "of its own";

/** Connects a client whose `connect` has this id. */
async function connect(
  { notifier, clock }: Core,
  id = 1,
  peer: Peer = { user: "ann", receive: () => {} },
): Promise<Posting> {
  const sent: string[] = [];
  const closes: Posting["closes"] = [];
  const socket: Socket = {
    secret,
    send: (data) => void sent.push(...(data as string).split("\n").map((line) => line.trim())),
    close: (code, reason) => void closes.push([code, reason]),
  };
  const session = notifier.accept(socket, peer);
  const say = (data: string) => notifier.post(secret, data);
  const post = (...ids: number[]) =>
    say(ids.map((each) => JSON.stringify({ id: each, rpc: { method: "n", data: each } })).join("\n"));
  await say(JSON.stringify({ id, connect: {} }));
  await clock.settle();
  return { session, sent, closes, post, say };
}

/** An rpc method that keeps the order in which it is called. */
function recorder(): {
  called: unknown[];
  rpc: Record<string, (peer: Peer, call: { data: unknown }) => unknown>;
} {
  const called: unknown[] = [];
  return { called, rpc: { n: (_, { data }) => void called.push(data) } };
}

describe("messages that come by posts", () => {
  test("go on in their order after a message that also has an id far ahead, such as that of a ping", async ({
    start,
  }) => {
    const { called, rpc } = recorder();
    const core = start({ rpc });
    const { post } = await connect(core);
    await post(2, 4_294_967_295);
    await post(3);
    await core.clock.settle();
    expect(called).toEqual([2, 4_294_967_295, 3]);
  });

  test("are handled in the order of their ids, at once when nothing is missing", async ({ start }) => {
    const { called, rpc } = recorder();
    const core = start({ rpc });
    const { session, post, sent } = await connect(core);
    const [first] = sent;
    expect(JSON.parse(first as string).connect).toMatchObject({ client: session.id, session: secret });
    expect(await post(4, 5)).toBe(true);
    await post(3);
    await post(7);
    await core.clock.settle();
    expect(called).toEqual([]);
    await post(2);
    await core.clock.settle();
    expect(called).toEqual([2, 3, 4, 5]);
    await post(6);
    await core.clock.settle();
    expect(called).toEqual([2, 3, 4, 5, 6, 7]);
    expect(core.clock.armed).toBe(1);
    session.ended();
  });

  test("wait for a second, and what comes later is handled all the same, once", async ({ start }) => {
    const { called, rpc } = recorder();
    const core = start({ rpc });
    const { session, post } = await connect(core, 40);
    await post(42);
    await post(45);
    await core.clock.advance(999);
    expect(called).toEqual([]);
    await core.clock.advance(1);
    expect(called).toEqual([42]);
    await core.clock.advance(1_000);
    expect(called).toEqual([42, 45]);
    for (const id of [44, 43, 44, 41, 45, 42, 40, 41]) await post(id);
    await core.clock.settle();
    expect(called).toEqual([42, 45, 44, 43, 41]);
    session.ended();
  });

  test("of which too many wait are handled without those before them", async ({ start }) => {
    const { called, rpc } = recorder();
    const core = start({ rpc });
    const { session, post, say } = await connect(core);
    for (const id of upTo(102, 3)) await post(id);
    await core.clock.settle();
    expect(called).toEqual([]);
    await post(103);
    await core.clock.settle();
    expect(called).toEqual(upTo(103, 3));
    await say(JSON.stringify({ id: 200, rpc: { method: "n", data: "x".repeat(900_000) } }));
    await say(JSON.stringify({ id: 199, rpc: { method: "n", data: "y".repeat(900_000) } }));
    await core.clock.settle();
    expect(called.slice(-2).map((data) => (data as string)[0])).toEqual(["y", "x"]);
    session.ended();
  });

  test("without ids, or with one far ahead, are handled at once", async ({ start }) => {
    const { called, rpc } = recorder();
    const received: unknown[] = [];
    const core = start({ rpc });
    const { session, post, say } = await connect(core, 1, {
      user: "ann",
      receive: (_, data) => void received.push(data),
    });
    await post(3);
    await say('{"send":{"data":1}}');
    await post(4_294_967_295);
    await core.clock.settle();
    expect([received, called]).toEqual([[1], [4_294_967_295]]);
    await post(2);
    await core.clock.settle();
    expect(called).toEqual([4_294_967_295, 2, 3]);
    session.ended();
  });

  test("that cannot be read close the session, and nothing is left of those that wait", async ({ start }) => {
    const core = start();
    const { session, post, say, closes } = await connect(core);
    await post(3);
    expect(await say("{")).toBe(true);
    expect(closes).toEqual([[3501, "bad request"]]);
    expect(await post(2)).toBe(true);
    session.ended();
    expect(await post(4)).toBe(false);
    expect(core.clock.armed).toBe(0);
  });

  test("may have one pong too many, as browsers repeat a request whose connection broke", async ({
    start,
  }) => {
    const core = start({ heartbeat: 10_000 });
    const { session, say, sent, closes } = await connect(core);
    await core.clock.advance(10_000);
    expect(sent.at(-1)).toBe("{}");
    for (const _ of upTo(3)) await say("{}");
    expect([session.isOpen, closes]).toEqual([true, []]);
    session.ended();
  });

  test("may not begin with a pong", async ({ start }) => {
    const { notifier } = start();
    const closes: unknown[] = [];
    const socket = { secret, send() {}, close: (...why: unknown[]) => void closes.push(why) };
    const session = notifier.accept(socket, { user: "ann" });
    await notifier.post(secret, "{}");
    expect(closes).toEqual([[3501, "bad request"]]);
    session.ended();
  });

  test("find no session by a secret of another", async ({ start }) => {
    const core = start();
    const { session, sent } = await connect(core);
    const { notifier }: { notifier: Notifier } = core;
    for (const other of ["", session.id, `${secret} `, "__proto__"])
      expect(await notifier.post(other, '{"id":2,"ping":{}}')).toBe(false);
    expect(await notifier.post(secret, '{"id":2,"ping":{}}', "another node")).toBe(true);
    await core.clock.settle();
    expect(sent.at(-1)).toBe('{"id":2,"ping":{}}');
    session.ended();
  });
});
