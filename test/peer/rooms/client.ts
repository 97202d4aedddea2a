import { type Client, type ConnectOptions, connect, GapError, type ReplyError } from "tocsin/client";
import { httpSocket } from "tocsin/client/http";
import { describe, expect } from "vitest";
import { systemTiming } from "../../../src/base/clock.ts";
import { type Inbox, inbox } from "../../support/inbox.ts";
import { relay } from "../../support/relay.ts";
import { websocket } from "../../support/stock-client.ts";
import { range } from "../expected.ts";
import type { PeerTest, Query, Site } from "../site.ts";

/** Reconnects without delay. */
const clock = { ...systemTiming, random: () => 0 };

interface Dialled {
  client: Client;
  /** The statuses of the client, with the codes of their reasons. */
  statuses: Inbox<string>;
}

function dial(here: Site, query: Query = {}, options: ConnectOptions = {}, port = here.port): Dialled {
  const statuses = inbox<string>();
  const onStatus: ConnectOptions["onStatus"] = (status, why) =>
    statuses.add(why === undefined ? status : `${status} ${why.code}`);
  const address = new URL(here.address(query));
  address.port = String(port);
  const WebSocket = here.transport === "websocket" ? (websocket as never) : httpSocket;
  const client = connect(address, { WebSocket, clock, onStatus, ...options });
  here.finally(() => client.close());
  return { client, statuses };
}

/** Opens a way to the server that can be cut, for one test, and connects a client through it. */
async function dialThrough(here: Site, query: Query = {}) {
  const way = await relay(`http://127.0.0.1:${here.port}`);
  here.finally(() => way.destroy());
  return { ...dial(here, query, {}, Number(new URL(way.url).port)), way };
}

/** Follows a channel in the background. */
function follow(client: Client, channel: string): Inbox<unknown> {
  const box = inbox<unknown>();
  (async () => {
    for await (const { data } of client.follow(channel)) box.add(data);
  })().catch(() => {});
  return box;
}

/** Follows a channel, and waits until the client is subscribed. */
async function reading(client: Client, channel: string): Promise<Inbox<unknown>> {
  const box = follow(client, channel);
  // Commands are answered in order.
  await client.history(channel);
  return box;
}

const progress = (done: number) => ({ type: "progress", progress: done / 4, done, total: 4 });

/** The client of tocsin. */
export function client(test: PeerTest): void {
  describe("the client of tocsin", () => {
    commands(test);
    ofRuns(test);
    reconnecting(test);
  });
}

function commands(test: PeerTest): void {
  test("follows channels, and acknowledges what was handled", async ({ site }) => {
    const here = site();
    const { client } = dial(here, { channels: "mine" });
    const boxes = [await reading(client, "mine"), await reading(client, "news")];
    await here.control.publish({ channel: "mine", list: [1, 2], options: { confirm: true } });
    await here.publish("news", "a");
    expect(await boxes[0]?.until(2)).toEqual([1, 2]);
    expect(await boxes[1]?.until(1)).toEqual(["a"]);
    for (const offset of [1, 2])
      expect(await here.control.delivered({ channel: "mine", offset })).toEqual({
        ...{ level: "acknowledged", by: "ann" },
      });
  });

  test("does not acknowledge what is not handled yet", async ({ site }) => {
    const here = site();
    const { client } = dial(here);
    const events = client.follow("news", { after: { offset: 0, epoch: "" } });
    await here.control.publish({ channel: "news", list: [1, 2], options: { confirm: true } });
    expect((await events.next()).value?.data).toBe(1);
    const delivered = [1, 2].map((offset) => here.control.delivered({ channel: "news", offset }));
    expect((await events.next()).value?.data).toBe(2);
    expect(await delivered[0]).toEqual({ level: "acknowledged", by: "ann" });
    expect((await here.control.stats({})).confirmed).toBe(1);
    await events.return();
  });

  test("publishes, calls, and reads history and presence", async ({ site }) => {
    const here = site();
    const { client } = dial(here, { info: '{"name":"A"}' });
    const box = await reading(client, "news");
    await client.publish("news", { x: 1 });
    expect(await box.until(1)).toEqual([{ x: 1 }]);
    expect(await client.rpc("echo", "é")).toBe("é");
    await expect(client.rpc("other")).rejects.toMatchObject({ code: 104 });
    await expect(client.publish("read:a", 1)).rejects.toMatchObject({ code: 103 });
    expect(await client.history("news")).toMatchObject({ offset: 1, publications: [{ data: { x: 1 } }] });
    const { clients } = await client.presence("news");
    expect(clients).toMatchObject([{ user: "ann", info: { name: "A" } }]);
  });

  test("is refused what it may not follow, and the call alone fails", async ({ site }) => {
    const here = site();
    const { client } = dial(here);
    const refused = (async () => {
      for await (const _ of client.follow("private:a")) return;
    })();
    await expect(refused).rejects.toMatchObject({ code: 103 } satisfies Partial<ReplyError>);
    expect([await client.rpc("echo", 1), client.status]).toEqual([1, "connected"]);
  });

  test("gets a GapError for a position that the log has trimmed", async ({ site }) => {
    const here = site("short");
    await here.publish("news", ...range(1, 3));
    for (const n of range(4, 9)) await here.publish("news", n);
    const { client } = dial(here);
    const read = (async () => {
      for await (const _ of client.follow("news", { after: { offset: 1, epoch: "" } })) return;
    })();
    await expect(read).rejects.toThrow(GapError);
  });
}

function ofRuns(test: PeerTest): void {
  test("reads a run from its start to its result", async ({ site }) => {
    const here = site();
    const steps = [{ emit: progress(1) }, { pass: "more" }, { emit: progress(2) }, { result: { url: "/r" } }];
    const { id } = await here.control.run({ steps });
    const { client } = dial(here);
    const run = client.run(id);
    const got: unknown[] = [];
    for await (const { data } of run) {
      got.push((data as { type: string }).type);
      if (got.length === 2) await here.control.open({ gate: "more" });
    }
    expect(got).toEqual(["run.started", "progress", "progress"]);
    expect([await run.result(), run.status]).toEqual([{ url: "/r" }, "completed"]);
    expect(await client.run(id).result()).toEqual({ url: "/r" });
  });

  test("gets the error of a run that fails, and of one that does not exist", async ({ site }) => {
    const here = site();
    const { id } = await here.control.run({ steps: [{ fail: "no paper" }] });
    const { client } = dial(here);
    await expect(client.run(id).result()).rejects.toMatchObject({ name: "RunError" });
    await expect(client.run("nobody").result()).rejects.toMatchObject({ code: 103 });
    expect(await client.run("nobody").cancel()).toBe("unknown");
  });

  test("cancels a run, and sees that it was cancelled", async ({ site }) => {
    const here = site();
    const { id } = await here.control.run({ steps: [{ emit: progress(1) }, { pass: "never opened" }] });
    const { client } = dial(here);
    const run = client.run(id);
    const ended = run.result();
    expect(await run.cancel("enough")).toBe("requested");
    await expect(ended).rejects.toMatchObject({ name: "CancelError" });
    expect([run.status, await run.cancel()]).toEqual(["cancelled", "finished"]);
    expect((await here.control.status({ id })).logged).toBe("cancelled");
  });

  test("reads a run to its end over cuts, each event once", async ({ site }) => {
    const here = site();
    const steps = range(1, 3).flatMap((n) => [
      ...range(1, 5).map((done) => ({ emit: { type: "output", output: `${n} ${done}` } })),
      { pass: `gate ${n}` },
    ]);
    const { id } = await here.control.run({ steps });
    const { client, way } = await dialThrough(here);
    const got: unknown[] = [];
    for await (const { data } of client.run(id)) {
      const { output } = data as { output?: string };
      if (output === undefined) continue;
      got.push(output);
      if (!output.endsWith("5")) continue;
      way.cut();
      way.mend();
      await here.control.open({ gate: `gate ${output[0]}` });
    }
    expect(got).toEqual(range(1, 3).flatMap((n) => range(1, 5).map((done) => `${n} ${done}`)));
  });
}

function reconnecting(test: PeerTest): void {
  test("misses nothing and gets nothing twice over cuts while others publish", async ({ site }) => {
    const here = site();
    const { client, way } = await dialThrough(here, { channels: "mine" });
    const boxes = [await reading(client, "mine"), await reading(client, "news")];
    for (const round of range(0, 4)) {
      const list = range(round * 10 + 1, round * 10 + 10);
      await here.publish("mine", ...list);
      way.cut();
      await here.publish("news", ...list);
      way.mend();
      await Promise.all(boxes.map((box) => box.until(list.at(-1) as number)));
    }
    expect(boxes.map(({ items }) => items)).toEqual([range(1, 50), range(1, 50)]);
  });

  test("comes back after 3011, and stays away after 3503", async ({ site }) => {
    const here = site();
    const { client, statuses } = dial(here);
    const box = await reading(client, "news");
    await here.control.disconnect({ who: { user: "ann" }, code: 3011 });
    await here.publish("news", 1);
    expect(await box.until(1)).toEqual([1]);
    await here.control.disconnect({ who: { user: "ann" } });
    await expect(client.rpc("echo", 1)).rejects.toMatchObject({ code: 3503 });
    expect(statuses.items).toEqual([
      ...["connecting", "connected", "waiting 3011", "connecting", "connected", "closed 3503"],
    ]);
  });

  test("waits to come back when the notifier closes, and has read everything before", async ({ site }) => {
    const here = site();
    const { client, statuses } = dial(here);
    const box = await reading(client, "news");
    void here.publish("news", ...range(1, 200));
    await box.until(1);
    const { report } = await here.control.close({});
    expect(report.sessions).toEqual({ closed: 1, cut: 0 });
    expect(await box.until(200)).toEqual(range(1, 200));
    expect((await statuses.until(3))[2]).toBe("waiting 3001");
    await client.close();
    await here.control.take({ kind: "refused", count: 0 });
  });

  test("sends its token, and a new one when the server says that it has expired", async ({ site }) => {
    const here = site("tokens");
    const tokens = ["expired", "bob"];
    const getToken = () => tokens.shift() ?? "none";
    const { client } = dial(here, { user: "" }, { getToken });
    expect(await client.rpc("whoami")).toMatchObject({ user: "bob" });
    expect(tokens).toEqual([]);
  });
}
