import { expect, test } from "vitest";
import type { Client } from "../kills/clients.ts";
import { judgeRedis } from "../kills/redis-judge.ts";
import type { Dump } from "../kills/redis-server.ts";
import { Track } from "../kills/track.ts";

/** Three publications of two servers, of which the second is confirmed, and a run. */
const dump = (): Dump => ({
  channels: {
    news: [
      { offset: 1, n: 10, confirm: false },
      { offset: 2, n: 20, confirm: true },
      { offset: 3, n: 11, confirm: false },
    ],
  },
  runs: { one: ["run.started", "step", "run.completed"] },
  announced: { one: ["run.started", "run.completed"] },
});
const output = (): string[] => [
  "port 1",
  "published 10 at 1 of news",
  "published 20 at 2 of news",
  "delivered 2 of news",
  "ended one",
];

/** Returns a client that has begun after offset 1, and got the rest; an epoch of another name continues the first. */
function client(): Client {
  const news = new Track("news", () => {}, true);
  news.begin({ offset: 1, epoch: "a" });
  news.take({ offset: 2, epoch: "a" }, 20);
  news.begin({ offset: 2, epoch: "b" });
  news.take({ offset: 3, epoch: "b" }, 11);
  const state = {
    isConnected: true,
    connections: 1,
    codes: [],
    ended: undefined,
    faults: [],
    sessions: [],
    seen: [],
  };
  const none = (): void => {};
  return { kind: "own", user: "ann", tracks: [news], ...state, pause: none, resume: none, close: none };
}

interface Scene {
  dump: Dump;
  output: string[];
  client: Client;
}
const scene = (): Scene => ({ dump: dump(), output: output(), client: client() });
const judged = ({ dump, output, client }: Scene) => judgeRedis(dump, [`${output.join("\n")}\n`], [client]);
const newsOf = ({ client }: Scene): Track => client.tracks[0] as Track;

test("what servers over one Redis have promised, and clients have received, is sound and counted", () => {
  expect(judged(scene())).toEqual({
    ...{ resolved: 2, kept: 3, confirmed: 1, delivered: 1, undelivered: 0 },
    ...{ received: 2, gaps: 0, runs: 1, lost: 0, unannounced: 0, wrong: [] },
  });
});

const faults: [string, (scene: Scene) => unknown, string][] = [
  [
    "a publication that was promised is elsewhere",
    ({ output }) => output.push("published 11 at 1 of news"),
    "publication 11 was at 1 of news, and is at 3 of news",
  ],
  [
    "a publication that was promised is missing",
    ({ output }) => output.push("published 12 at 4 of news"),
    "publication 12 was at 4 of news, and is at undefined",
  ],
  [
    "a publication is twice in the log",
    ({ dump }) => dump.channels.news?.push({ offset: 4, n: 10, confirm: false }),
    "publication 10 is at 1 of news and at 4 of news",
  ],
  ["an offset is missing", ({ dump }) => dump.channels.news?.shift(), "2 of news stands at 1"],
  [
    "a confirmed publication is reported twice",
    ({ output }) => {
      output.splice(3, 1, "undelivered 2 of news: closed", "undelivered 2 of news: expired");
    },
    "2 of news was reported twice",
  ],
  [
    "a confirmed publication is delivered, and reported",
    ({ output }) => output.push("undelivered 2 of news: closed"),
    "2 of news was delivered, and reported as undelivered",
  ],
  [
    "another publication is reported",
    ({ output }) => output.push("undelivered 1 of news: closed"),
    "1 of news was reported, and is no confirmed publication",
  ],
  [
    "a server complains",
    ({ output }) => output.push("error task of x: Error"),
    "a server printed error task of x: Error",
  ],
  [
    "a run has no ending",
    ({ dump, output }) => {
      output.pop();
      dump.runs.one?.pop();
      dump.announced.one?.pop();
    },
    "run one has run.started,step",
  ],
  [
    "a run has two endings",
    ({ dump }) => dump.runs.one?.splice(2, 1, "run.failed", "run.completed"),
    "run one has run.started,step,run.failed,run.completed",
  ],
  [
    "an ending is announced twice",
    ({ dump }) => dump.announced.one?.push("run.completed"),
    "run one has run.started,step,run.completed, and is announced as run.started,run.completed,run.completed",
  ],
  [
    "a run that had ended is lost",
    ({ dump }) => {
      dump.runs.one?.splice(2, 1, "run.failed");
      dump.announced.one?.splice(1, 1, "run.failed");
    },
    "run one had ended, and its log says run.started,step,run.failed",
  ],
  [
    "a client misses an offset",
    (scene) => newsOf(scene).take({ offset: 5, epoch: "b" }, undefined),
    'ann (own): 5 of epoch "b" came after 3 of epoch "b"',
  ],
  [
    "a client goes on elsewhere without a gap",
    (scene) => newsOf(scene).begin({ offset: 2, epoch: "c" }),
    'ann (own): it continues after 2 of epoch "c", not after 3 of epoch "b", and no gap was reported',
  ],
  [
    "a client has something else than the log",
    ({ dump }) => dump.channels.news?.splice(1, 1, { offset: 2, n: 21, confirm: true }),
    "ann (own) has 20 at 2 of news, which holds 21",
  ],
  [
    "a client is told of a gap",
    (scene) => newsOf(scene).gap({ offset: 3, epoch: "b" }),
    "ann (own) was told of 1 gaps in news",
  ],
];

test.for(faults)("%s: a fault", ([, act, fault]) => {
  const made = scene();
  act(made);
  expect(judged(made).wrong).toContain(fault);
});
