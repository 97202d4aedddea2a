import { describe, expect } from "vitest";
import { type ConnectOptions, connect, type ReplyError, type SocketClass } from "../../src/client.ts";
import { fakeClock } from "../../src/testing.ts";
import { type Ends, type EndsOptions, test } from "../support/dial.ts";
import { network } from "../support/network.ts";

/** A client that may connect over two networks, and what has become of it. */
function twoWays(open: (options?: EndsOptions) => Ends, random = 0) {
  const clock = Object.assign(fakeClock(), { random: () => random });
  const ends = open({ clock });
  const peer = () => ({ user: "ann", authorize: () => true });
  const [first, second] = [1, 2].map(() => network(clock, () => ends.notifier, peer)) as [
    Ends["network"],
    Ends["network"],
  ];
  const calls: [string, number, ReplyError | undefined][] = [];
  const start = (options: ConnectOptions = {}, url?: Parameters<typeof connect>[0]) =>
    ends.dial(
      {
        WebSocket: [first.WebSocket, second.WebSocket],
        onStatus: (status, why, way) => void calls.push([status, way, why]),
        ...options,
      },
      url,
    );
  const said = () => calls.map(([status, way]) => `${status} ${way}`);
  return { ...ends, clock, first, second, calls, said, start };
}

describe("a client with a list of classes", () => {
  test("tries the next one at once when a socket fails", async ({ open }) => {
    const { first, second, clock, start, said, calls } = twoWays(open);
    first.mode = "down";
    const client = start();
    await clock.settle();
    await clock.advance(0);
    expect(said()).toEqual(["connecting 0", "waiting 0", "connecting 1", "connected 1"]);
    expect(calls[1]?.[2]).toMatchObject({ code: 1006, message: "handshake failed", tries: 1 });
    expect([client.status, first.dialled, second.dialled]).toEqual(["connected", [0], [0]]);
  });

  test("tries the next one when a socket has not opened after 2.5 s", async ({ open }) => {
    const { first, second, clock, start, said, calls } = twoWays(open);
    first.mode = "silent";
    start();
    await clock.advance(2_499);
    expect(said()).toEqual(["connecting 0"]);
    await clock.advance(1);
    expect(said()).toEqual(["connecting 0", "waiting 0", "connecting 1", "connected 1"]);
    expect(calls[1]?.[2]).toMatchObject({ code: 3012, message: "no answer", tries: 1 });
    expect([first.open, second.dialled]).toEqual([0, [2_500]]);
  });

  test("gives the last one 10 s to open", async ({ open }) => {
    const { first, second, clock, start, said } = twoWays(open);
    first.mode = "down";
    second.mode = "silent";
    start();
    await clock.advance(9_999);
    expect(said().at(-1)).toBe("connecting 1");
    await clock.advance(1);
    expect(said().at(-1)).toBe("waiting 1");
  });

  test("tries the next one when a socket opens and nothing arrives for 10 s", async ({ open }) => {
    const { first, clock, start, said } = twoWays(open);
    first.mode = "mute";
    start();
    await clock.advance(9_999);
    expect(said()).toEqual(["connecting 0"]);
    await clock.advance(1);
    expect(said()).toEqual(["connecting 0", "waiting 0", "connecting 1", "connected 1"]);
  });

  test("waits only after all have failed, longer each time", async ({ open }) => {
    const { first, second, clock, start, calls } = twoWays(open, 1);
    first.mode = second.mode = "down";
    start();
    await clock.advance(5_000);
    expect([first.dialled, second.dialled]).toEqual([
      [0, 600, 1_700, 3_800],
      [0, 600, 1_700, 3_800],
    ]);
    const tries = calls.flatMap(([, , why]) => why?.tries ?? []);
    expect(tries).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
  });

  test("keeps to the one that worked, and tries the others when that one fails", async ({ open }) => {
    const { first, second, clock, start, said } = twoWays(open);
    first.mode = "down";
    start();
    await clock.advance(10_000);
    first.mode = "up";
    second.last.drop();
    await clock.advance(1_000);
    expect([first.dialled.length, second.dialled.length, said().at(-1)]).toEqual([1, 2, "connected 1"]);
    second.mode = "down";
    second.last.drop();
    await clock.advance(1_000);
    expect([first.dialled.length, second.dialled.length, said().at(-1)]).toEqual([2, 3, "connected 0"]);
    // Now the first one is the one that worked.
    second.mode = "up";
    first.last.drop();
    await clock.advance(1_000);
    expect([first.dialled.length, second.dialled.length, said().at(-1)]).toEqual([3, 3, "connected 0"]);
  });

  test("begins with the first one again when it reconnects after 5 minutes", async ({ open }) => {
    const { first, second, clock, start, said } = twoWays(open);
    first.mode = "down";
    start();
    await clock.advance(299_000);
    second.last.drop();
    await clock.advance(999);
    expect([first.dialled.length, second.dialled.length]).toEqual([1, 2]);
    await clock.advance(1);
    // It does not give up a connection for that.
    await clock.advance(100_000);
    expect([first.dialled.length, second.dialled.length]).toEqual([1, 2]);
    second.last.drop();
    await clock.advance(1_000);
    expect(said().slice(-6)).toEqual([
      "connected 1",
      "waiting 1",
      "connecting 0",
      "waiting 0",
      "connecting 1",
      "connected 1",
    ]);
    await clock.advance(300_000);
    first.mode = "up";
    second.last.drop();
    await clock.advance(1_000);
    expect(said().slice(-3)).toEqual(["waiting 1", "connecting 0", "connected 0"]);
  });

  test("keeps to a class whose server has answered, also with an error", async ({ open }) => {
    const { first, second, clock, start, said } = twoWays(open);
    first.mode = "mute";
    start({ getToken: () => "t" });
    await clock.settle();
    first.say({ id: 1, error: { code: 109, message: "token expired" } });
    first.mode = "up";
    await clock.advance(1_000);
    expect([said().at(-1), first.dialled.length, second.dialled.length]).toEqual(["connected 0", 2, 0]);
  });

  test("waits before the next one as long as the close reason asks for", async ({ open }) => {
    const { first, second, clock, start } = twoWays(open);
    first.mode = "mute";
    start();
    await clock.settle();
    first.last.drop(3001, "shutdown, retry after 7 s");
    await clock.advance(20_000);
    expect([first.dialled, second.dialled]).toEqual([[0], [7_000]]);
  });

  test("goes past a class that cannot be used", async ({ open }) => {
    const { second, clock, start, said, calls } = twoWays(open);
    // The runtime has no WebSocket.
    start({ WebSocket: [undefined as unknown as SocketClass, second.WebSocket] });
    await clock.advance(0);
    expect(said()).toEqual(["connecting 0", "waiting 0", "connecting 1", "connected 1"]);
    expect(calls[1]?.[2]).toMatchObject({ message: "dial failed", cause: expect.any(TypeError) });
  });

  test("does not blame a class for an address that it does not get", async ({ open }) => {
    const { first, second, clock, start, said } = twoWays(open);
    let count = 0;
    const url = () => {
      if (++count === 1) throw new Error("no ticket");
      return "ws://localhost/";
    };
    start({}, url);
    await clock.advance(1_000);
    expect(said()).toEqual(["connecting 0", "waiting 0", "connecting 0", "connected 0"]);
    expect([first.dialled, second.dialled]).toEqual([[100], []]);
  });

  test("is refused a list without a class", () => {
    expect(() => connect("ws://localhost/", { WebSocket: [] })).toThrow(
      new TypeError("Cannot connect: no WebSocket, give that of ws"),
    );
  });
});
