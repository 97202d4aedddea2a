import { describe, expect, test } from "vitest";
import type { Client } from "../kills/clients.ts";
import type { ObjectDump } from "../kills/crash-object.ts";
import { isSettled, judgeObject, judgePresence, type LifeEnd, type Story } from "../kills/object-judge.ts";
import { Track } from "../kills/track.ts";

/** Returns a track that has received the publications of `news` after offset `from` up to `to`. */
function track(from: number, to: number): Track {
  const made = new Track("news", () => {});
  made.begin({ offset: from, epoch: "a" });
  for (let offset = from + 1; offset <= to; offset++) made.take({ offset, epoch: "a" }, undefined);
  return made;
}

describe("what an object holds after its lives were ended", () => {
  // In milliseconds. One life was ended at 100 s, and nobody came until 133 s.
  const life: LifeEnd = { from: 100_000, ended: 100_010, contact: 133_000, isSilent: true };
  const dump: ObjectDump = {
    epoch: "a",
    publications: [1, 2, 3].map((offset) => ({ offset, n: offset })),
    runs: {
      done: ["run.started", "step", "run.completed"],
      cut: ["run.started", "step", "run.failed"],
    },
    times: {
      done: { started: 90_000, ended: 95_000 },
      cut: { started: 96_000, ended: 130_000, reason: "lost" },
    },
    keys: ["k1", "k2"],
    reports: [
      { channel: "lonely", offset: 1, time: 99_500 },
      { channel: "lonely", offset: 1, time: 129_000 },
      { channel: "lonely", offset: 2, time: 140_000 },
    ],
    waiting: [{ offset: 2, time: 98_000 }],
    lives: [89_000, 129_000],
  };
  const answered: Story["answered"] = {
    published: [{ n: 3, offset: 3, epoch: "a" }],
    ended: ["done"],
    begun: ["cut"],
    keyed: new Map([["k2", { offset: 2, epoch: "a" }]]),
    lonely: [1, 2],
  };
  const clientWith = (from: number): Client =>
    ({ kind: "own", user: "ann", faults: [], tracks: [track(from, 3)] }) as unknown as Client;
  const storyWith = (
    changed: Partial<ObjectDump>,
    { lives = [life], said = {}, from = 0 }: { lives?: LifeEnd[]; said?: object; from?: number } = {},
  ): Story => ({
    dump: { ...dump, ...changed },
    answered: { ...answered, ...said },
    clients: [clientWith(from)],
    lives,
  });
  const late = { offset: 3, time: 140_000 };

  test("is what it has answered", () => {
    expect(judgeObject(storyWith({}))).toEqual({
      ...{ resolved: 1, kept: 3, received: 3, runs: 2, lost: 1, wrong: [] },
    });
    expect(isSettled(storyWith({}))).toBe(true);
    // Nobody was sent the publication that waits.
    expect(judgeObject(storyWith({ waiting: [{ offset: 1, time: 140_000 }] }, { from: 1 })).wrong).toEqual(
      [],
    );
  });

  const lies: [string, Story, RegExp][] = [
    [
      "a publication is gone",
      storyWith({}, { said: { published: [{ n: 4, offset: 4, epoch: "a" }] } }),
      /^4 was/,
    ],
    ["a run that had begun is gone", storyWith({}, { said: { begun: ["other"] } }), /^run other had begun/],
    [
      "a run ended only when somebody came",
      storyWith({ times: { ...dump.times, cut: { started: 96_000, ended: 133_000, reason: "lost" } } }),
      /^run cut worked .* and somebody came already at 133000$/,
    ],
    [
      "no run worked before a silence",
      storyWith({}, { lives: [life, { ...life, from: 150_000, ended: 150_010 }] }),
      /^no run worked when its life ended at 150010$/,
    ],
    [
      "a run is lost, and its life was not ended",
      storyWith({ times: { ...dump.times, done: { started: 90_000, ended: 95_000, reason: "lost" } } }),
      /^run done .* and its life was not ended$/,
    ],
    [
      "a run completed in a later life",
      storyWith({ times: { ...dump.times, done: { started: 90_000, ended: 135_000 } } }),
      /^run done .* and another life began meanwhile$/,
    ],
    ["a key is elsewhere", storyWith({ keys: ["k2", "k1"] }), /^k2 was at 2, where there is k1$/],
    ["a key is there twice", storyWith({ keys: ["k1", "k2", "k1"] }), /^a key was published twice$/],
    ["what a client has still waits", storyWith({ waiting: [late] }), /^3 of news still waits/],
    [
      "what clients have was reported",
      storyWith({ reports: [...dump.reports, { channel: "news", offset: 1, time: 140_000 }] }),
      /^1 of news is undelivered/,
    ],
    [
      "something was reported twice in one life",
      storyWith({ reports: [...dump.reports, { channel: "lonely", offset: 2, time: 141_000 }] }),
      /^2 of lonely was reported at 140000 and at 141000$/,
    ],
    [
      "something was not reported",
      storyWith({}, { said: { lonely: [1, 2, 3] } }),
      /^3 of lonely was neither/,
    ],
  ];
  test.for(lies)("is not what was promised if %s", ([, story, expected]) => {
    const { wrong } = judgeObject(story);
    expect([wrong.length, wrong[0]]).toEqual([1, expect.stringMatching(expected)]);
  });

  const unsettled: [string, Story][] = [
    ["a run works", storyWith({ runs: { ...dump.runs, cut: ["run.started", "step"] } })],
    ["a run has only started", storyWith({ runs: { ...dump.runs, cut: ["run.started"] } })],
    ["what a client has still waits", storyWith({ waiting: [late] })],
    ["something was not reported", storyWith({}, { said: { lonely: [1, 2, 3] } })],
  ];
  test.for(unsettled)("is not settled while %s", ([, story]) => {
    expect(isSettled(story)).toBe(false);
  });
});

describe("what clients notice of evictions", () => {
  const ann = { kind: "stock", user: "ann", sessions: ["s1"], seen: [{ what: "join", session: "s2" }] };
  const wrongWith = (changed: object, present = [{ session: "s1", user: "ann" }]): string[] =>
    judgePresence([{ ...ann, ...changed } as unknown as Client], present);

  test("is nothing", () => {
    expect(wrongWith({})).toEqual([]);
    expect(wrongWith({ kind: "own", sessions: [] })).toEqual([]);
  });

  const lies: [string, string[], string][] = [
    ["a client is gone", wrongWith({}, []), "ann (stock) is present 0 times"],
    [
      "a client is there twice",
      wrongWith({}, [
        { session: "s1", user: "ann" },
        { session: "s3", user: "ann" },
      ]),
      "ann (stock) is present 2 times",
    ],
    ["a client has another id", wrongWith({ sessions: ["s3"] }), "ann (stock) is s3, and s1 is present"],
    [
      "a session joins twice",
      wrongWith({ seen: [...ann.seen, ...ann.seen] }),
      "ann (stock) has seen a session join twice",
    ],
    [
      "a session leaves",
      wrongWith({ seen: [...ann.seen, { what: "leave", session: "s2" }] }),
      "ann (stock) has seen a session leave",
    ],
  ];
  test.for(lies)("is a fault if %s", ([, found, expected]) => {
    expect(found).toEqual([expected]);
  });
});
