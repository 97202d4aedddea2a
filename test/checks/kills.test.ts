import { describe, expect, test } from "vitest";
import { Bell } from "../kills/bell.ts";
import type { Client } from "../kills/clients.ts";
import { judgeCrash } from "../kills/crash-judge.ts";
import type { Dump } from "../kills/crash-server.ts";
import { judge } from "../kills/judge.ts";
import type { Closed } from "../kills/kills-server.ts";
import { Track } from "../kills/track.ts";

/** Returns a track that has received the publications after offset `from` up to `to`. */
function track(channel: string, from: number, to: number, epoch = "a"): Track {
  const made = new Track(channel, () => {});
  made.begin({ offset: from, epoch });
  for (let offset = from + 1; offset <= to; offset++) made.take({ offset, epoch }, undefined);
  return made;
}

describe("what a client sees of a channel", () => {
  const wrong: [string, (seen: Track) => void, string][] = [
    ["a hole", (seen) => seen.take({ offset: 4, epoch: "a" }, 4), '4 of epoch "a" came after 2 of epoch "a"'],
    [
      "a repetition",
      (seen) => seen.take({ offset: 2, epoch: "a" }, 2),
      '2 of epoch "a" came after 2 of epoch "a"',
    ],
    [
      "another epoch without a gap",
      (seen) => seen.take({ offset: 3, epoch: "b" }, 3),
      '3 of epoch "b" came after 2 of epoch "a"',
    ],
    ["a wrong number", (seen) => seen.take({ offset: 3, epoch: "a" }, 7), "offset 3 holds publication 7"],
    ["an epoch that begins twice", (seen) => seen.gap({ offset: 0, epoch: "a" }), "the epoch a begins twice"],
    [
      "a subscription that continues at another offset",
      (seen) => seen.begin({ offset: 1, epoch: "a" }),
      'it continues after 1 of epoch "a", not after 2 of epoch "a", and no gap was reported',
    ],
  ];
  test.for(wrong)("%s is a fault", ([, act, fault]) => {
    const seen = track("news", 0, 2);
    act(seen);
    expect(seen.faults).toEqual([fault]);
  });

  test("another epoch after a reported gap is no fault", () => {
    const seen = track("news", 0, 2);
    seen.gap({ offset: 5, epoch: "b" });
    seen.take({ offset: 6, epoch: "b" }, 6);
    expect([seen.faults, seen.gaps, seen.received, seen.total]).toEqual([[], 1, 1, 3]);
  });
});

describe("what a server's report claims", () => {
  const top = 5;
  const sound: Closed = {
    report: {
      runs: { completed: [], failed: [], cancelled: [], abandoned: [] },
      sessions: { closed: 1, cut: 0 },
      cut: [],
      undelivered: [],
      givenUp: 0,
      waiting: 0,
      milliseconds: 1,
    },
    tops: { news: top },
    confirmed: [2],
    undelivered: [],
    left: [],
  };
  const cut = (read: number, end: number): Partial<Closed> => {
    const row = { session: "s", user: "ann", channels: { news: { read, top: end } } };
    return { report: { ...sound.report, sessions: { closed: 0, cut: 1 }, cut: [row] } };
  };
  /**
   * Returns the faults of a report if one `centrifuge` client has all publications after `from` up to `at`, and the
   * close code.
   */
  const wrongWith = (changed: Partial<Closed>, at: number, code = 3001, from = 0): string[] => {
    const client = { kind: "stock", user: "ann", connections: 1, codes: [code], ended: undefined } as const;
    const tracks = [track("news", from, at)];
    const followed = new Map([[{ ...client, tracks } as unknown as Client, tracks]]);
    return judge({ ...sound, ...changed }, { admitted: 1, followed });
  };

  test("is true if each client has everything or is reported with what it has", () => {
    expect([
      wrongWith({}, 5),
      wrongWith(cut(2, 5), 3, 1006),
      wrongWith({ undelivered: [2] }, 5, 3001, 3),
    ]).toEqual([[], [], []]);
  });

  const lies: [string, string[], RegExp][] = [
    [
      "a client misses a publication and is not reported",
      wrongWith({}, 4),
      /^ann \(stock\) has news up to 4, not from 5 to 5$/,
    ],
    [
      "a client was not closed",
      wrongWith({}, 5, 1006),
      /^ann \(stock\) was neither closed with 3001 nor reported: /,
    ],
    ["more is reported as read than was", wrongWith(cut(4, 5), 3), /has news up to 3, not from 4 to 5$/],
    ["the top is wrong", wrongWith(cut(2, 4), 3), /^the report says that news ends at 4, not 5$/],
    [
      "a session is missing",
      wrongWith(cutNobody(), 5),
      /^the report has 0 sessions, and 1 of 1 were let in$/,
    ],
    [
      "no client has a publication, and it is not reported",
      wrongWith({}, 5, 3001, 3),
      /^no client has 2 of news, and it was not reported$/,
    ],
    [
      "a publication was read and reported",
      wrongWith({ undelivered: [2] }, 5),
      /2 of news, which was reported as /,
    ],
    ["a publication is reported twice", wrongWith({ undelivered: [2, 2] }, 5, 3001, 3), /undelivered twice$/],
    [
      "the notifier still owns something",
      wrongWith({ left: [["timers", 1]] }, 5),
      /still owns \[\["timers",1\]\]$/,
    ],
  ];
  test.for(lies)("is false if %s", ([, found, expected]) => {
    expect([found.length, found[0]]).toEqual([1, expect.stringMatching(expected)]);
  });

  function cutNobody(): Partial<Closed> {
    return { report: { ...sound.report, sessions: { closed: 0, cut: 0 } } };
  }
});

describe("what a log holds after crashes", () => {
  const sound: Dump = {
    epoch: "a",
    publications: [1, 2, 3].map((offset) => ({ offset, n: offset })),
    runs: { one: ["run.started", "step", "run.completed"], two: ["run.started", "run.failed"] },
  };
  const printed = "port 1\npublished 1 at 1 of a\npublished 3 at 3 of a\nended one\npublished 4 a";
  const wrongWith = (dump: Partial<Dump>, output = printed, seen = track("news", 0, 3)): string[] => {
    const client = { kind: "own", user: "ann", faults: [], tracks: [seen] } as unknown as Client;
    return judgeCrash({ ...sound, ...dump }, [output], [client]).wrong;
  };

  test("is what servers printed and clients received", () => {
    expect(wrongWith({})).toEqual([]);
    const client = {
      kind: "own",
      user: "ann",
      faults: [],
      tracks: [track("news", 1, 3)],
    } as unknown as Client;
    expect(judgeCrash(sound, [printed], [client])).toEqual({
      ...{ resolved: 2, kept: 3, received: 2, runs: 2, lost: 1, wrong: [] },
    });
  });

  const lies: [string, string[], RegExp][] = [
    ["a publication is missing", wrongWith({}, "published 4 at 4 of a\n"), /^4 was at 4 of a; the log has 3/],
    [
      "there is a hole",
      wrongWith({ publications: [{ offset: 2, n: 2 }] }, "\n", track("news", 0, 1)),
      /^pub/,
    ],
    [
      "a number is twice",
      wrongWith({ publications: [{ offset: 1, n: 2 }] }, "\n", track("news", 0, 1)),
      /^pub/,
    ],
    ["a position is another's", wrongWith({}, "published 2 at 3 of a\n"), /^2 was at 3/],
    ["the epoch is another", wrongWith({}, "published 2 at 2 of b\n"), /^2 was at 2 of b/],
    ["a client has more", wrongWith({}, "\n", track("news", 0, 4)), /^ann \(own\) has 4 of a; the log has 3/],
    ["a client has another epoch", wrongWith({}, "\n", track("news", 0, 3, "b")), /^ann \(own\) has 3 of b/],
    ["a run has no ending", wrongWith({ runs: { two: ["run.started"] } }, "\n"), /^run two has run.started$/],
    [
      "a run has two endings",
      wrongWith({ runs: { two: ["run.started", "run.failed", "run.completed"] } }, "\n"),
      /^run two has/,
    ],
    ["an ended run is lost", wrongWith({}, "ended two\n"), /^run two had ended/],
    ["a server printed an error", wrongWith({}, "error log of x: y\n"), /^a server printed error log/],
  ];
  test.for(lies)("is not what was promised if %s", ([, found, expected]) => {
    expect([found.length, found[0]]).toEqual([1, expect.stringMatching(expected)]);
  });

  test("is not what was promised if a client was told of a gap", () => {
    const seen = track("news", 0, 1);
    seen.gap({ offset: 2, epoch: "a" });
    expect(wrongWith({}, "\n", seen)).toContain("ann (own) was told of 1 gaps");
  });
});

test("a bell resolves the waits whose condition is true, and ends the others after their patience", async () => {
  const bell = new Bell();
  let count = 0;
  const waits = [bell.until(() => count === 1, 10_000), bell.until(() => count === 2, 0)];
  count = 1;
  bell.ring();
  expect(await Promise.all(waits)).toEqual([true, false]);
});
