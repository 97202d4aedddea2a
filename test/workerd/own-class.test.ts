import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { inbox } from "../support/inbox.ts";
import { onWorkerd, type Workerd, workerd } from "../support/workerd.ts";
import { type RawPeer, rawPeer } from "./raw-peer.ts";

// What a user's class sees of NotifierObject. What its clients see of it is in the tests of peers.

const entry = fileURLToPath(new URL("own-class.ts", import.meta.url));
const date = process.env.TOCSIN_WORKERD_DATE;
let server: Workerd;

async function answerOf(response: Response): Promise<unknown> {
  const text = await response.text();
  return response.ok ? JSON.parse(text) : `${response.status} ${text}`;
}
const get = async (path: string) => answerOf(await fetch(`${server.url}/${path}`));
const call = async (name: string, method: string, ...args: unknown[]) =>
  answerOf(
    await fetch(`${server.url}/call/${name}/${method}`, { method: "POST", body: JSON.stringify(args) }),
  );

/** Connects a user to an object, and subscribes it to a channel. */
async function connect(name: string, user: string, channel?: string): Promise<RawPeer & { id: string }> {
  const peer = await rawPeer(`${server.url}/${name}/ws?user=${user}`);
  const { connect } = await peer.call({ connect: {} });
  if (channel !== undefined) await peer.call({ subscribe: { channel, join_leave: true } });
  return Object.assign(peer, { id: connect?.client ?? "" });
}

onWorkerd("a class of a user, in workerd", () => {
  beforeAll(async () => {
    server = await workerd({ entry, objects: { OBJECT: "Own" }, canEvict: true, date });
  });

  afterAll(() => server[Symbol.asyncDispose]());

  describe("options()", () => {
    test("cannot use the notifier that is made of them", async () => {
      expect(await get("early/errors")).toBe(
        "500 Error: Cannot use the notifier in options(): it is made of them. Use it in functions among them",
      );
    });

    test("cannot have a name that does not exist: without authenticate everybody would be accepted", async () => {
      expect(await get("misspelt/errors")).toContain(
        "500 TypeError: Cannot use authentificate: options() takes",
      );
    });

    test("cannot come later", async () => {
      expect(await get("promised/errors")).toContain("500 TypeError: Cannot use");
    });

    test("may use what members are made of the log, in functions", async () => {
      const ticket = await get("tickets/ticket");
      const peer = await rawPeer(`${server.url}/tickets/ws?ticket=${ticket}`);
      await peer.call({ connect: {} });
      await peer.call({ subscribe: { channel: "x" } });
      expect(await call("tickets", "presence", "x")).toMatchObject({ clients: [{ user: "ann" }], users: 1 });
    });
  });

  describe("a stub", () => {
    test("publishes, and reads what is kept", async () => {
      const first = await call("stub", "publish", "news", { text: "first" }, { tags: { kind: "a" } });
      const again = await call("stub", "publish", "news", 2, { idempotencyKey: "k" });
      expect(first).toEqual({ channel: "news", position: { offset: 1, epoch: expect.any(String) } });
      expect(await call("stub", "publish", "news", 2, { idempotencyKey: "k" })).toEqual(again);
      const { position } = first as { position: { epoch: string } };
      expect(await call("stub", "history", "news")).toEqual({
        ...{ channel: "news", epoch: position.epoch, offset: 2 },
        publications: [
          expect.objectContaining({ offset: 1, data: { text: "first" }, tags: { kind: "a" } }),
          expect.objectContaining({ offset: 2, data: 2 }),
        ],
      });
      expect(await call("stub", "history", "news", { after: position, limit: 5 })).toMatchObject({
        publications: [{ offset: 2 }],
      });
    });

    test("finds runs, and cancels those that work", async () => {
      expect(await call("runs", "findRun", "r")).toBe(null);
      expect(await call("runs", "cancelRun", "r")).toBe(false);
      await get("runs/run/r");
      const working = { id: "r", owner: "ann", status: "working", started: expect.any(Number) };
      expect(await call("runs", "findRun", "r")).toEqual(working);
      expect(await call("runs", "cancelRun", "r", "enough")).toBe(true);
      expect(await call("runs", "findRun", "r")).toMatchObject({
        status: "cancelled",
        ended: expect.any(Number),
      });
    });

    test("is told what it does wrong", async () => {
      expect(await call("stub", "publish", "", 1)).toContain("500 TypeError: Cannot use channel");
      expect(await call("stub", "history", "news", { limit: -1 })).toContain("500 RangeError: Cannot");
    });
  });

  test("may set the time at which its object is woken, and is told what is no time", async () => {
    const at = Date.now() + 50_000;
    expect(await get(`wake/wake/${at}`)).toBe(null);
    expect(await get("wake/alarm")).toBe(at);
    expect(await get("wake/wake/x")).toContain('500 RangeError: Cannot wake at "NaN": give milliseconds');
    expect(await get(`wake/wake/${Math.floor(at / 1_000)}`)).toContain("500 RangeError: Cannot wake at");
    expect(await get("wake/alarm")).toBe(at);
  });

  test("is woken while a run works, whatever becomes of its object", async () => {
    await get("awake/run/r");
    const began = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const alarm = (await get("awake/alarm")) as number;
    expect([alarm > began, alarm < began + 31_000]).toEqual([true, true]);
    await call("awake", "cancelRun", "r");
    await get("evict/awake");
    expect(await get("awake/alarm")).toBe(null);
  });

  test("may set headers of the upgrade, also after it", async () => {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/headers/ws`, "centrifuge-json");
    onTestFinished(() => socket.terminate());
    const opened = once(socket, "open");
    const [{ headers }] = (await once(socket, "upgrade")) as [{ headers: Record<string, string> }];
    expect([headers["x-before"], headers["x-after"], headers["sec-websocket-protocol"]]).toEqual([
      "1",
      "2",
      "centrifuge-json",
    ]);
    await opened;
    expect(await get("headers/sessions")).toBe(1);
  });

  test("may go on after a response, with executionCtx", async () => {
    await get("later/later");
    await expect
      .poll(() => call("later", "history", "later"))
      .toMatchObject({ publications: [{ data: "from waitUntil" }] });
  });

  test("may accept sockets of its own, which are left alone", async () => {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/own/own`);
    onTestFinished(() => socket.terminate());
    const [got, closed] = [inbox<string>(), inbox<number>()];
    socket.on("message", (data) => got.add(String(data)));
    socket.on("close", (code) => closed.add(code));
    await once(socket, "open");
    socket.send("1");
    await got.until(1);
    await get("evict/own");
    socket.send("2");
    expect(await got.until(2)).toEqual(["own: 1", "own: 2"]);
    socket.close(4321, "bye");
    expect(await closed.until(1)).toEqual([4321]);
    expect([await get("own/sessions"), await get("own/errors")]).toEqual([0, []]);
  });

  describe("a client that is lost", () => {
    test.each<[how: string, lose: (peer: RawPeer) => void]>([
      ["by closing its socket", ({ socket }) => socket.close(1000)],
      ["by cutting it", ({ socket }) => socket.terminate()],
      [
        "by a message that is too large for the platform",
        ({ socket }) => {
          socket.on("error", () => {});
          socket.send("x".repeat(33 * 1_024 * 1_024));
        },
      ],
      [
        "by a frame that is none",
        ({ socket }) => {
          socket.on("error", () => {});
          (socket as unknown as { _socket: { write(data: Buffer): void } })._socket.write(
            Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
          );
        },
      ],
    ])("%s has left, also while the object sleeps", async (how, lose) => {
      for (const sleeps of [false, true]) {
        const name = `lost-${how.length}-${sleeps}`;
        const ann = await connect(name, "ann", "room");
        const bob = await connect(name, "bob", "room");
        await ann.first(({ push }) => push?.join?.info.user === "bob");
        if (sleeps) await get(`evict/${name}`);
        lose(bob);
        await ann.first(({ push }) => push?.leave?.info.user === "bob");
        expect([await get(`${name}/sessions`), await get(`${name}/errors`)]).toEqual([1, []]);
        await get(`evict/${name}`);
      }
    });
  });

  test("is not held up by a client that does not answer the close, and does not take it back", async () => {
    const ann = await connect("mute", "ann", "room");
    ann.socket.pause();
    await get("mute/close");
    for (const _ of ["the next life", "one more"]) {
      expect([await get("mute/sessions"), await get("mute/errors")]).toEqual([0, []]);
      await get("evict/mute");
    }
    ann.socket.resume();
    expect(await ann.closed.until(1)).toEqual([[3001, "shutdown"]]);
  });

  test("does not begin again because the sockets of a closed notifier close", async () => {
    const [ann, bob] = [await connect("closed", "ann"), await connect("closed", "bob")];
    // They answer the close when the notifier has closed without them.
    for (const { socket } of [ann, bob]) socket.pause();
    await get("closed/close");
    for (const { socket } of [ann, bob]) socket.resume();
    for (const { closed } of [ann, bob]) expect(await closed.until(1)).toEqual([[3001, "shutdown"]]);
    expect(await get("begun/closed")).toBe(1);
    await call("closed", "publish", "news", 1);
    expect(await get("begun/closed")).toBe(2);
  });
});
