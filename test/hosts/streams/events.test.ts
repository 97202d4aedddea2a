import { GapError, memoryLog } from "tocsin";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventsOf, type StreamEvent } from "../../support/event-source.ts";
import { type Inbox, inbox } from "../../support/inbox.ts";
import { runtime } from "../../support/runtime.ts";
import { type Site, site } from "../../support/server.ts";
import { gated, range } from "../../support/wire.ts";

const open = { authorize: () => true };

/** The answer to a long poll. */
interface Polled {
  id: string;
  publications: unknown[];
  gaps: unknown[];
}

/** A request for events, and what has come of it. */
interface Following {
  readonly events: Inbox<StreamEvent>;
  /** The last id, of an event or alone. */
  readonly id: () => string;
  /** Settles at the end of the stream, with whether it ended well. */
  readonly ended: Promise<boolean>;
  leave(): void;
}

function url(here: Site, query: Record<string, string> | [string, string][], user = "ann"): string {
  return `${here.streams("events", user).endpoint}&${new URLSearchParams(query)}`;
}

/** Asks for events until the test ends. Resolves once the first id has come. */
async function follow(address: string, lastEventId = ""): Promise<Following> {
  const controller = new AbortController();
  const headers: Record<string, string> = lastEventId === "" ? {} : { "Last-Event-ID": lastEventId };
  const response = await fetch(address, { headers, signal: controller.signal });
  expect([response.status, response.headers.get("content-type")]).toEqual([
    200,
    "text/event-stream; charset=utf-8",
  ]);
  onTestFinished(() => controller.abort());
  const events = inbox<StreamEvent>();
  let [id, isNoted] = [lastEventId, (): void => {}];
  const noted = new Promise<void>((resolve) => {
    isNoted = resolve;
  });
  const read = async (): Promise<boolean> => {
    const note = (alone: string): void => {
      id = alone;
      isNoted();
    };
    try {
      for await (const event of eventsOf(response.body as ReadableStream<Uint8Array>, note)) {
        id = event.lastEventId;
        events.add(event);
      }
      return true;
    } catch {
      return false;
    } finally {
      isNoted();
    }
  };
  const ended = read();
  await noted;
  return { events, id: () => id, ended, leave: () => controller.abort() };
}

const bodies = (events: readonly StreamEvent[]) => events.map(({ type, data }) => [type, JSON.parse(data)]);
const dataOf = (events: readonly StreamEvent[]) => events.map(({ data }) => JSON.parse(data).data);

describe(`events on ${runtime}`, () => {
  test("are the publications of a channel from now on, each with its position as id", async () => {
    const here = await site(open);
    await here.notifier.publish("news", "before");
    const { events, leave } = await follow(url(here, { channel: "news" }));
    const { position } = await here.notifier.publish("news", { text: "é😀\n\n" }, { tags: { kind: "x" } });
    await here.notifier.publish("news", null);
    await here.notifier.publish("other", "not of this channel");
    const found = await events.until(2);
    const time = expect.any(Number);
    expect(bodies(found)).toEqual([
      ["message", { channel: "news", data: { text: "é😀\n\n" }, offset: 2, time, tags: { kind: "x" } }],
      ["message", { channel: "news", data: null, offset: 3, time }],
    ]);
    expect(found.map(({ lastEventId }) => lastEventId)).toEqual([2, 3].map((n) => `${n}:${position.epoch}`));
    expect((await here.notifier.presence("news")).clients).toMatchObject([{ user: "ann" }]);
    leave();
    await expect.poll(() => here.notifier.stats().sessions).toBe(0);
    expect(here.notifier.totals().closed).toEqual({ 1006: 1 });
  });

  test("of a run come from its start, without a hole over five cuts, and end with the run", async () => {
    const here = await site(open);
    let go = (): void => {};
    const run = here.notifier.run(async function* () {
      for (const n of range(1, 500)) {
        if (n % 10 === 0) {
          await new Promise<void>((resolve) => {
            go = resolve;
            setTimeout(resolve, 2);
          });
        }
        yield { type: "output", content: String(n) } as never;
      }
      return "done";
    });
    const all: StreamEvent[] = [];
    let id = "";
    for (const cut of range(1, 6)) {
      const following = await follow(url(here, { run: run.id }), id);
      if (cut < 6) {
        await following.events.until(cut * 11);
        here.cut();
      }
      expect(await following.ended).toBe(cut === 6);
      go();
      all.push(...following.events.items);
      id = following.id();
    }
    const last = all.pop();
    expect([last?.type, last?.data]).toEqual(["end", JSON.stringify({ runs: [run.id] })]);
    const types = all.map(({ data }) => JSON.parse(data).data.type);
    expect([types[0], types.at(-1), types.length]).toEqual(["run.started", "run.completed", 502]);
    expect(all.map(({ data }) => JSON.parse(data).offset)).toEqual(range(1, 502));
    const again = await fetch(url(here, { run: run.id }), { headers: { "Last-Event-ID": id } });
    expect(again.status).toBe(204);
    const late = await follow(url(here, { run: run.id }));
    expect(await late.ended).toBe(true);
    expect(late.events.items.length).toBe(503);
  });

  test("of several runs end with the last of them, and those of a channel with none", async () => {
    const here = await site(open);
    const ends: (() => void)[] = [];
    const runs = range(1, 2).map(() =>
      here.notifier.run(async () => new Promise<void>((resolve) => void ends.push(resolve))),
    );
    const [one, other] = runs.map(({ id }) => id) as [string, string];
    const both = await follow(
      url(here, [
        ["run", one],
        ["run", other],
      ]),
    );
    const mixed = await follow(
      url(here, [
        ["run", one],
        ["channel", "news"],
      ]),
    );
    await both.events.until(2);
    for (const [ended, end] of ends.entries()) {
      end();
      await both.events.until(3 + ended);
    }
    expect(await both.ended).toBe(true);
    expect(both.events.items.at(-1)?.data).toBe(JSON.stringify({ runs: [one, other] }));
    expect(both.events.items.map(({ type }) => type)).toEqual([...Array(4).fill("message"), "end"]);
    await here.notifier.publish("news", "after the run");
    expect(dataOf(await mixed.events.until(3)).at(-1)).toBe("after the run");
  });

  test("say what is lost, and go on with what is still there", async () => {
    const here = await site({ ...open, log: memoryLog({ size: 5, slack: 0 }) });
    const first = await follow(url(here, { channel: "news" }));
    for (const n of range(1, 3)) await here.notifier.publish("news", n);
    await first.events.until(3);
    first.leave();
    for (const n of range(4, 20)) await here.notifier.publish("news", n);
    const { events, id } = await follow(url(here, { channel: "news" }), first.id());
    await here.notifier.publish("news", 21);
    const [gap, ...rest] = await events.until(7);
    const epoch = id().split(":")[1];
    const [after, earliest] = [3, 15].map((offset) => ({ offset, epoch }));
    expect(bodies(gap === undefined ? [] : [gap])).toEqual([
      ["gap", { channel: "news", after, earliest, lost: 12 }],
    ]);
    expect(dataOf(rest)).toEqual(range(16, 21));
    const error = here.notifier.history("news", { after: { offset: 3, epoch: epoch as string } });
    await expect(error).rejects.toBeInstanceOf(GapError);
  });

  test("say that a channel has begun anew, and while they are sent, too", async () => {
    const log = gated(() => memoryLog());
    const here = await site({ ...open, log });
    const { events, id } = await follow(url(here, { channel: "news" }), "7:former");
    await here.notifier.publish("news", 1);
    const [gap] = await events.until(2);
    const former = id().split(":")[1] as string;
    expect(JSON.parse(gap?.data as string)).toEqual({
      channel: "news",
      after: { offset: 7, epoch: "former" },
      earliest: { offset: 0, epoch: former },
      lost: null,
    });
    log.wipe();
    await here.notifier.publish("news", 2);
    const [, , again] = await events.until(3);
    expect([again?.type, JSON.parse(again?.data as string)]).toMatchObject([
      "gap",
      { after: { offset: 1, epoch: former }, lost: null },
    ]);
    await here.notifier.publish("news", 3);
    expect(dataOf((await events.until(5)).slice(3))).toEqual([2, 3]);
  });

  test("of several channels have the positions of all in each id", async () => {
    const here = await site({ authorize: (_, { channel }) => channel !== "mine" });
    const address = `${here.streams("events", "ann", "mine", "another").endpoint}&channel=mine&channel=a,b&channel=news`;
    const first = await follow(address);
    // The other channel of the identity is not asked for.
    expect(here.notifier.stats().subscriptions).toBe(3);
    await here.notifier.publish("mine", 1);
    await first.events.until(1);
    await here.notifier.publish("news", 2);
    await first.events.until(2);
    first.leave();
    for (const [n, channel] of ["mine", "a,b", "news"].entries()) await here.notifier.publish(channel, n + 3);
    const { events, id } = await follow(address, first.id());
    expect(id().split(",").length).toBe(3);
    expect(dataOf(await events.until(3)).sort()).toEqual([3, 4, 5]);
    const missed = await fetch(`${address}&after=${first.id()}`, { headers: { Accept: "application/json" } });
    const { publications, gaps } = (await missed.json()) as Polled;
    expect([publications.length, gaps]).toEqual([3, []]);
  });

  test("begin after a position in the URL, of which the start is one", async () => {
    const here = await site(open);
    for (const n of range(1, 5)) await here.notifier.publish("news", n);
    const { events, id } = await follow(url(here, { channel: "news", after: "0" }));
    expect(dataOf(await events.until(5))).toEqual(range(1, 5));
    const third = id().replace("5:", "3:");
    const rest = await follow(url(here, { channel: "news", after: third }));
    expect(dataOf(await rest.events.until(2))).toEqual([4, 5]);
    // An EventSource comes back to the same URL, with the position that it has got to since.
    const back = await follow(url(here, { channel: "news", after: third }), third.replace("3:", "4:"));
    expect(dataOf(await back.events.until(1))).toEqual([5]);
  });

  test("come by long polls, too", async () => {
    const here = await site(open);
    const ask = async (query: Record<string, string>): Promise<[number, Polled]> => {
      const response = await fetch(url(here, query), { headers: { Accept: "application/json" } });
      return [response.status, (await response.json()) as Polled];
    };
    const [, { id }] = await ask({ channel: "news" });
    const polling = ask({ channel: "news", after: id });
    await expect.poll(() => here.notifier.stats().subscriptions).toBe(1);
    await here.notifier.publish("news", "come");
    const publication = { channel: "news", data: "come", offset: 1, time: expect.any(Number) };
    const next = id.replace("0:", "1:");
    expect(await polling).toEqual([200, { id: next, publications: [publication], gaps: [] }]);
    expect(await ask({ channel: "news", after: id })).toEqual([
      200,
      { id: next, publications: [publication], gaps: [] },
    ]);
    const run = here.notifier.run(async () => "done");
    await run.result();
    const [, whole] = await ask({ run: run.id });
    expect(whole).toMatchObject({ publications: [{ offset: 1 }, { offset: 2 }], gaps: [], ended: [run.id] });
    expect(await ask({ run: run.id, after: whole.id })).toEqual([
      200,
      { id: whole.id, publications: [], gaps: [], ended: [run.id] },
    ]);
    const waiting = ask({ channel: "news", after: next });
    await expect.poll(() => here.notifier.stats().subscriptions).toBe(1);
    await here.close();
    expect(await waiting).toMatchObject([200, { close: { code: 3001, reason: "shutdown" } }]);
  });

  test("end with the close code when the server closes, is told to disconnect or to unsubscribe", async () => {
    const here = await site(open);
    const { events, ended } = await follow(url(here, { channel: "news" }));
    const ann = await follow(url(here, { channel: "news" }, "bob"));
    const bob = await follow(url(here, { channel: "news" }, "eve"));
    await here.notifier.disconnect({ user: "bob" });
    await here.notifier.unsubscribe("eve", "news");
    expect(await ann.ended).toBe(true);
    expect(await bob.ended).toBe(true);
    for (const n of range(1, 100)) void here.notifier.publish("news", n);
    await here.close();
    expect(await ended).toBe(true);
    const closes = [events, ann.events, bob.events].map(({ items }) => bodies(items.slice(-1)));
    expect(closes).toEqual([
      [["close", { code: 3001, reason: "shutdown" }]],
      [["close", { code: 3503, reason: "force disconnect" }]],
      [["close", { channel: "news", code: 2000, reason: "server unsubscribed" }]],
    ]);
    // With such an id a client is told to stay away. The server that closes is followed by another.
    const isFinal = [events, ann.events, bob.events].map(({ items }) =>
      /;\d+$/.exec(items.at(-1)?.lastEventId ?? ""),
    );
    expect(isFinal.map((found) => found?.[0])).toEqual([undefined, ";3503", ";2000"]);
    expect(dataOf(events.items.slice(0, -1))).toEqual(range(1, 100));
    expect((await here.notifier.closed).sessions).toEqual({ closed: 1, cut: 0 });
  });

  test("are not sent to who comes back after a close for good, unless the position is in the URL", async () => {
    const here = await site(open);
    const { events, ended } = await follow(url(here, { channel: "news" }));
    await here.notifier.publish("news", 1);
    await events.until(1);
    await here.notifier.disconnect({ user: "ann" });
    await ended;
    const id = events.items.at(-1)?.lastEventId as string;
    const again = await fetch(url(here, { channel: "news" }), { headers: { "Last-Event-ID": id } });
    expect(again.status).toBe(204);
    await here.notifier.publish("news", 2);
    const anew = await follow(url(here, { channel: "news", after: id }));
    expect(dataOf(await anew.events.until(1))).toEqual([2]);
  });

  test("do not count as read by anybody who may confirm, until a position comes back", async () => {
    const undelivered: unknown[] = [];
    const here = await site({ ...open, onUndelivered: ({ data }) => undelivered.push(data) });
    const first = await follow(url(here, { channel: "news" }));
    const receipt = await here.notifier.publish("news", 1, { confirm: true });
    await first.events.until(1);
    expect(here.notifier.stats().confirmed).toBe(1);
    first.leave();
    await follow(url(here, { channel: "news" }), first.id());
    expect(await receipt.delivered()).toMatchObject({ level: "acknowledged", by: "ann" });
    expect([here.notifier.stats().confirmed, undelivered]).toEqual([0, []]);
  });
});
