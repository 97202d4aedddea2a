import { expect } from "vitest";
import { ReplyError } from "../../src/client.ts";
import type { Publication } from "../../src/model/publication.ts";
import { output, progress } from "../../src/run.ts";
import type { View } from "../../src/terminal/view.ts";
import { attend, type WatchOptions, watch } from "../../src/terminal/watch.ts";
import { aborted, deferred, type Outcome, outcomeOf } from "../support/core.ts";
import { type Ends, test } from "../support/dial.ts";

interface Watched {
  /** What was shown: the channel and its data. */
  shown: [string, unknown][];
  /** What was reported: the channel, "note" or "error", and the text. */
  reported: [string, string][];
  outcome: Outcome<boolean>;
  stop(): void;
}

function watched({ client }: Pick<Ends, "client">, options: Partial<WatchOptions>): Watched {
  const [shown, reported, stop]: [Watched["shown"], Watched["reported"], AbortController] = [
    [],
    [],
    new AbortController(),
  ];
  const view: View = {
    show: async ({ channel, data }: Publication) => void shown.push([channel, data]),
    refused: (channel, why) => void reported.push([channel, why]),
    note: (text) => void reported.push(["note", text]),
    error: (text) => void reported.push(["error", text]),
    end: () => {},
  };
  const { signal } = stop;
  const all = { channels: [], cancel: [], reason: undefined, from: undefined, view, signal, ...options };
  const closes = (): void => {
    stop.abort();
    void client.close();
  };
  return { shown, reported, outcome: outcomeOf(watch(client, all)), stop: closes };
}

const types = ({ shown }: Watched): unknown[] => shown.map(([, data]) => (data as { type: string }).type);

test("runs are followed from their start to their end, channels from the present", async ({ open }) => {
  const ends = open();
  const { notifier, clock } = ends;
  await notifier.publish("news", "before");
  const gate = deferred();
  const run = notifier.run(async ({ emit }) => {
    await emit(progress(1, 2));
    await gate.promise;
  });
  await clock.settle();
  const both = watched(ends, { channels: [`run:${run.id}`, "news"] });
  const one = watched(ends, { channels: [`run:${run.id}`] });
  await clock.settle();
  await notifier.publish("news", "after");
  gate.resolve();
  await clock.settle();
  expect(types(one)).toEqual(["run.started", "progress", "run.completed"]);
  expect(both.shown.filter(([channel]) => channel === "news")).toEqual([["news", "after"]]);
  expect([one.outcome, both.outcome.state]).toEqual([{ state: "fulfilled", value: true }, "pending"]);
  both.stop();
  await clock.settle();
  expect([both.outcome.value, both.reported]).toEqual([true, []]);
});

test("an ending that was shown is acknowledged, and nothing is followed any more", async ({ open }) => {
  const ends = open();
  const { notifier, clock, network } = ends;
  const run = notifier.run(async () => {});
  const { outcome } = watched(ends, { channels: [`run:${run.id}`] });
  await clock.advance(100);
  expect(outcome.value).toBe(true);
  expect(network.last.sent.slice(-2)).toMatchObject([
    { send: { data: { ack: { [`run:${run.id}`]: { offset: 2 } } } } },
    { unsubscribe: { channel: `run:${run.id}` } },
  ]);
  expect(notifier.inspect().filter(({ kind }) => kind === "publication")).toEqual([]);
});

test("a run that failed, or that another client cancelled, makes the command fail", async ({ open }) => {
  const ends = open();
  const { notifier, clock } = ends;
  const failing = notifier.run(async () => {
    throw new Error("No paper");
  });
  const endless = notifier.run(({ signal }) => aborted(signal));
  const outcomes = [failing, endless].map(({ id }) => watched(ends, { channels: [`run:${id}`] }));
  await clock.settle();
  void endless.cancel("enough");
  await clock.settle();
  expect(outcomes.map(({ outcome }) => outcome.value)).toEqual([false, false]);
});

test("a run is cancelled with a reason, and followed to its end", async ({ open }) => {
  const ends = open();
  const { notifier, clock } = ends;
  const run = notifier.run(({ signal }) => aborted(signal));
  const channels = [`run:${run.id}`];
  const first = watched(ends, { channels, cancel: [run.id], reason: "enough" });
  await clock.settle();
  expect(first.shown.at(-1)?.[1]).toMatchObject({ type: "run.cancelled", by: "client", reason: "enough" });
  expect([first.outcome.value, first.reported]).toEqual([true, [["note", `Asked "run:${run.id}" to stop`]]]);
  const second = watched(ends, { channels, cancel: [run.id] });
  await clock.settle();
  expect(second.reported).toEqual([["note", `"run:${run.id}" had ended already`]]);
  expect(types(second)).toEqual(["run.started", "run.cancelled"]);
});

test("an unknown channel is refused once, and the others are followed all the same", async ({ open }) => {
  const ends = open();
  const { notifier, clock } = ends;
  const run = notifier.run(async () => {});
  const all = watched(ends, { channels: ["run:1", "run:2", `run:${run.id}`], cancel: ["2"] });
  await clock.settle();
  expect(all.reported).toEqual([
    ["run:1", 'Cannot follow "run:1": it is not there, or not yours (103)'],
    ["run:2", 'Cannot cancel "run:2": it is not there, or not yours'],
  ]);
  expect([types(all), all.outcome.value]).toEqual([["run.started", "run.completed"], false]);
});

test("a gap is reported, and later events are followed", async ({ open }) => {
  const ends = open({ limits: { runBytes: 300 } });
  const { notifier, clock } = ends;
  const run = notifier.run(async ({ emit }) => {
    for (let n = 1; n <= 10; n++) await emit(output("x".repeat(50)));
  });
  await clock.settle();
  const { reported, shown, outcome } = watched(ends, { channels: [`run:${run.id}`] });
  await clock.settle();
  const first = 12 - shown.length;
  expect(reported).toEqual([
    ["note", `What came after 0 in "run:${run.id}" is gone: going on after ${first}`],
  ]);
  expect([shown.length, outcome.value]).toEqual([3, true]);
});

test("it begins at the given position", async ({ open }) => {
  const ends = open();
  const { notifier, clock } = ends;
  const receipts = await Promise.all([1, 2, 3].map((n) => notifier.publish("news", n)));
  const from = [undefined, "now", "start", receipts[1]?.position] as const;
  const all = from.map((each) => watched(ends, { channels: ["news"], from: each }));
  await clock.settle();
  expect(all.map(({ shown }) => shown.map(([, data]) => data))).toEqual([[], [], [1, 2, 3], [3]]);
});

test("a run that had ended before the start position is shown with its ending, and is over", async ({
  open,
}) => {
  const ends = open();
  const { notifier, clock } = ends;
  const run = notifier.run(async () => {});
  await clock.settle();
  const channel = `run:${run.id}`;
  const { epoch, offset } = await notifier.history(channel);
  const froms = ["now", { epoch, offset }, { epoch, offset: offset - 1 }, { epoch: "gone", offset }] as const;
  const all = froms.map((from) => watched({ client: ends.dial() }, { channels: [channel], from }));
  await clock.settle();
  expect(all.map(({ outcome }) => outcome.value)).toEqual([true, true, true, true]);
  expect(all.map(types)).toEqual([
    ["run.completed"],
    ["run.completed"],
    ["run.completed"],
    ["run.started", "run.completed"],
  ]);
});

test("a working run is followed from the present to its end", async ({ open }) => {
  const ends = open();
  const { notifier, clock } = ends;
  const gate = deferred();
  const run = notifier.run(() => gate.promise);
  await clock.settle();
  const now = watched(ends, { channels: [`run:${run.id}`], from: "now" });
  await clock.settle();
  expect(now.shown).toEqual([]);
  gate.resolve();
  await clock.settle();
  expect([types(now), now.outcome.value]).toEqual([["run.completed"], true]);
});

test("a connection that is closed for good is reported once, by whichever call gets it first", async ({
  open,
}) => {
  const ends = open();
  const { clock, network, client } = ends;
  const reported: string[] = [];
  const view = { note: (text: string) => reported.push(text), error: (text: string) => reported.push(text) };
  const onStatus = attend("ws://x/", view, {
    statusOf: async () => undefined,
    giveUp: () => reported.push("gave up"),
  });
  const all = watched(ends, { channels: ["news", "sport"] });
  await clock.settle();
  network.last.drop(3503, "disconnected");
  await clock.settle();
  expect([client.status, all.reported, all.outcome.value]).toEqual(["closed", [], false]);
  const why = (code: number, message: string) => Object.assign(new Error(message), { code }) as never;
  onStatus?.("connecting");
  for (let n = 0; n < 2; n++) onStatus?.("waiting", why(1006, ""));
  onStatus?.("connected");
  onStatus?.("waiting", why(3001, "shutdown"));
  onStatus?.("connected");
  onStatus?.("closed", why(3503, "disconnected"));
  onStatus?.("closed");
  expect(reported).toEqual([
    "Cannot reach ws://x/, trying again: code 1006",
    "Connected",
    "Lost the connection, trying again: shutdown (3001)",
    "Connected again",
    "Cannot go on: the server closed the connection: disconnected (3503)",
  ]);
});

test.for([
  ["that the runtime reports", 404, undefined, []],
  [
    "that an extra request finds",
    undefined,
    404,
    ["Cannot reach ws://x/, trying again: handshake failed (1006)"],
  ],
] as const)(
  "the very first refusal ends the command: with a status %s",
  async ([, status, asked, before]) => {
    const { reported, onStatus } = attended(asked);
    onStatus("connecting");
    await onStatus("waiting", unmade(status, 1));
    expect(reported).toEqual([
      ...before,
      "Cannot connect to ws://x/: the server answered 404, so there are no notifications: look at its path",
      "gave up",
    ]);
  },
);

test.for([200, 408, 426, 429, 500, 503, undefined])(
  "a first refusal that may be temporary is reported: %s",
  async (status) => {
    for (const [known, asked] of [
      [status, undefined],
      [undefined, status],
    ]) {
      const { reported, onStatus } = attended(asked);
      await onStatus("waiting", unmade(known, 1));
      const why = known === undefined ? "handshake failed (1006)" : `handshake refused: ${known}`;
      expect(reported).toEqual([`Cannot reach ws://x/, trying again: ${why}`]);
    }
  },
);

test("a refusal after a connection was open ends nothing", async () => {
  const { reported, onStatus } = attended(401);
  onStatus("connected");
  await onStatus("waiting", unmade(401, 2));
  onStatus("connected");
  await onStatus("waiting", unmade(undefined, 2));
  expect(reported).toEqual([
    "Lost the connection, trying again: handshake refused: 401",
    "Connected again",
    "Lost the connection, trying again: handshake failed (1006)",
  ]);
});

test("a refused client gets advice what to check, and a failed connection the error of its socket", async () => {
  const { reported, onStatus } = attended(undefined);
  await onStatus("waiting", unmade(undefined, 1, new Error("connect ECONNREFUSED")));
  const other = attended(403);
  await other.onStatus("waiting", unmade(403, 1));
  expect([...reported, ...other.reported]).toEqual([
    "Cannot reach ws://x/, trying again: handshake failed: connect ECONNREFUSED (1006)",
    "Cannot connect to ws://x/: the server answered 403, so it does not let you in: look at the address and the token",
    "gave up",
  ]);
});

/** Returns an `onStatus` hook and its reports, for a server that answers a plain request with the status `asked`. */
function attended(asked: number | undefined) {
  const reported: string[] = [];
  const view = { note: (text: string) => reported.push(text), error: (text: string) => reported.push(text) };
  const onStatus = attend("ws://x/", view, {
    statusOf: async () => asked,
    giveUp: () => reported.push("gave up"),
  });
  return { reported, onStatus: onStatus as NonNullable<typeof onStatus> };
}

function unmade(status: number | undefined, tries: number, cause?: Error): ReplyError {
  const message = status === undefined ? "handshake failed" : `handshake refused: ${status}`;
  return new ReplyError(1006, message, true, { status, tries, cause });
}
