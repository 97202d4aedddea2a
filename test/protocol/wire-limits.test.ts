import { describe, expect, test } from "vitest";
import { wire } from "../support/wire.ts";

describe("limits", () => {
  const tooBig = { code: 1009, reason: "message too big" };

  test("a message of 1 MiB is read, one byte more closes with 1009", async () => {
    const lengths: unknown[] = [];
    const { clock, client: connect } = wire();
    const client = connect({
      peer: { user: "", receive: (_, data) => lengths.push((data as string).length) },
    });
    await client.connect();
    const frame = (bytes: number) => `{"send":{"data":"${"x".repeat(bytes - 20)}"}}`;
    expect(frame(1_048_576)).toHaveLength(1_048_576);
    client.send(frame(1_048_576));
    await clock.settle();
    expect(lengths).toEqual([1_048_556]);
    client.send(frame(1_048_577));
    await clock.settle();
    expect(lengths).toEqual([1_048_556]);
    expect(client.closed).toEqual(tooBig);
  });

  test("a message is measured in bytes", async () => {
    const { clock, client: connect } = wire({ limits: { message: 6_020, subscriptions: 1 } });
    const frame = (text: string) => `{"send":{"data":"${text}"}}`;
    const [within, above] = [connect(), connect()];
    for (const client of [within, above]) await client.connect();
    within.send(frame("é".repeat(3_000)));
    above.send(frame(`${"é".repeat(3_000)}x`));
    await clock.settle();
    expect([within.closed, above.closed]).toEqual([undefined, tooBig]);
  });

  test("commands that wait behind a slow reply may be 2 000; one more closes with 3013", async () => {
    const { clock, client: connect } = wire({
      limits: { burst: 3_000 },
      rpc: { hang: () => new Promise(() => {}) },
    });
    const client = connect();
    await client.connect();
    client.send({ id: 2, rpc: { method: "hang" } });
    for (let id = 3; id <= 2_002; id++) client.send({ id, presence: { channel: "a" } });
    // Publications wait for the pace of publishing, and only their size is limited.
    for (let id = 1; id <= 20; id++) client.send({ id, publish: { channel: "a", data: id } });
    await clock.settle();
    expect(client.closed).toBeUndefined();
    client.send({ id: 2_003, presence: { channel: "a" } });
    await clock.settle();
    expect(client.closed).toEqual({ code: 3013, reason: "too many requests" });
    expect(client.received).toEqual([]);
  });

  test("nine hundred publications of 1 kB in one frame are all published, in order", async () => {
    const { clock, client: connect, notifier } = wire();
    const client = connect();
    await client.connect();
    const data = "x".repeat(1_000);
    client.send(
      ...Array.from({ length: 900 }, (_, at) => ({
        id: at + 2,
        publish: { channel: "a", data: `${at} ${data}` },
      })),
    );
    await clock.settle();
    expect(client.closed).toBeUndefined();
    expect(client.received).toEqual(Array.from({ length: 900 }, (_, at) => ({ id: at + 2, publish: {} })));
    const { offset, publications } = await notifier.history("a", { limit: 1 });
    expect([offset, publications[0]?.data]).toEqual([900, `0 ${data}`]);
  });

  test("a thousand pings in one frame are a thousand replies in one frame", async () => {
    const { clock, client: connect } = wire();
    const client = connect();
    await client.connect();
    const { frames } = client;
    client.send(...Array.from({ length: 1_000 }, (_, at) => ({ id: at + 2, ping: {} })));
    await clock.settle();
    expect(client.received).toHaveLength(1_000);
    expect(client.frames).toBe(frames + 1);
  });

  test("a thousand subscribes and unsubscribes leave nothing behind", async () => {
    const { client: connect, notifier } = wire();
    const client = connect();
    await client.connect();
    for (let n = 0; n < 500; n++) {
      await client.call("subscribe", { channel: `c${n}` });
      await client.call("unsubscribe", { channel: `c${n}` });
    }
    expect(notifier.stats()).toMatchObject({
      sessions: 1,
      subscriptions: 0,
      channels: 0,
      tasks: 0,
      waits: 0,
    });
  });

  test("data nested as deep as a message allows is published or refused, nothing is reported, and the connection stays open", async () => {
    const { client: connect } = wire();
    const client = connect();
    await client.connect();
    const deep = `${"[".repeat(30_000)}${"]".repeat(30_000)}`;
    client.send(`{"id":7,"publish":{"channel":"a","data":${deep}}}`);
    expect(await client.call("ping", {})).toEqual({ id: 2, ping: {} });
    // The runtime limits how deep JSON can be written.
    const [reply] = client.received;
    if ("error" in (reply as object))
      expect(reply).toEqual({ id: 7, error: { code: 107, message: "bad request" } });
    else expect(reply).toEqual({ id: 7, publish: {} });
  });
});
