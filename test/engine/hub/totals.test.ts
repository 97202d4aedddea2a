import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { metrics } from "../../../src/hono.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { assertQuiet, fakeClock } from "../../../src/testing.ts";
import { rawSocket } from "../../support/core.ts";
import { anybody, wire } from "../../support/wire.ts";

const none = { commands: 0, windows: 0, cache: 0, log: 0, runs: 0 };
const idle = {
  failing: { appends: 0, reads: 0, answers: 0 },
  waiting: 0,
  waitingBytes: 0,
  lag: 0,
  place: "none",
  nodes: 0,
};

describe("totals", () => {
  test("are zero for an unused notifier", () => {
    const notifier = createNotifier();
    expect(notifier.totals()).toEqual({
      bytes: none,
      log: idle,
      refused: {},
      opened: 0,
      closed: {},
      errors: {},
      limits: {},
    });
  });

  test("count sessions by the code that they were closed with, or that their peer left with", async () => {
    const here = wire();
    const peer = { ...anybody, user: "ann" };
    const [bad, kicked, banned] = [
      here.client(),
      here.client({ peer }),
      here.client({ peer: { user: "bob" } }),
    ];
    bad.send("no");
    here.notifier.disconnect({ user: "ann" });
    here.notifier.disconnect({ user: "bob" }, 4_444);
    // The close frames that these peers answer with are not counted again.
    await here.clock.settle();
    expect([bad.closed, kicked.closed, banned.closed].map((closed) => closed?.code)).toEqual([
      3501, 3503, 4444,
    ]);
    for (const code of [1000, 1001, 1005, 1006, 1009, 3000, 4_711, 12_345, Number.NaN, -1])
      here.client().drop(code);
    for (const code of [0, undefined]) rawSocket(here.notifier).session.ended(code);
    expect(here.notifier.totals()).toMatchObject({
      opened: 15,
      closed: { 3501: 1, 3503: 1, 4444: 1, 1000: 1, 1001: 1, 1005: 1, 1006: 3, 1009: 1, other: 5 },
    });
  });

  test("count error replies by code, and no other replies", async () => {
    const here = wire({ rpc: { fails: () => Promise.reject(new Error("no")) } });
    const client = here.client({ peer: { user: "ann" } });
    await client.connect();
    for (const [at, command] of [
      { ping: {} },
      { subscribe: { channel: "a" } },
      { subscribe: { channel: "b" } },
      { rpc: { method: "fails" } },
      { teleport: {} },
    ].entries())
      client.send({ id: 7 + at, ...command });
    client.send({ send: { data: 1 } });
    await here.clock.settle();
    expect(here.notifier.totals().errors).toEqual({ 100: 1, 103: 2, 104: 1 });
    here.takeErrors();
  });

  test("return the bytes held now, zero after closing, when the counts are still there", async () => {
    const clock = fakeClock();
    const log = memoryLog({ clock });
    const notifier = createNotifier({ clock, log, rpc: { hang: () => new Promise(() => {}) }, onError() {} });
    const raw = rawSocket(notifier, { ...anybody, channels: ["news"] });
    raw.session.receive('{"id":1,"connect":{}}');
    await clock.settle();
    await notifier.publish("news", "x".repeat(1_000));
    await clock.settle();
    raw.session.receive('{"id":2,"rpc":{"method":"hang"}}\n{"id":3,"send":{}}\n{"id":4,"send":{}}');
    const { bytes } = notifier.totals();
    const sent = raw.sent.reduce((sum, frame) => sum + frame.trimEnd().length + 1, 0);
    expect(bytes).toEqual({
      commands: 47,
      windows: sent,
      cache: expect.any(Number),
      log: log.bytes,
      runs: 0,
    });
    expect(bytes.log).toBeGreaterThan(1_000);
    void notifier.close();
    await clock.advance(60_000);
    assertQuiet(notifier);
    // The close handshake was not completed, so the session counts as cut.
    expect(notifier.totals()).toEqual({
      bytes: none,
      log: idle,
      refused: {},
      opened: 1,
      closed: { 3001: 1 },
      errors: {},
      limits: {},
    });
  });

  test("have no bytes of a log that does not count its own", () => {
    const { append, read, watch, ...rest } = memoryLog();
    const log = { ...rest, append, read, watch, [Symbol.asyncDispose]: async () => {} };
    expect(createNotifier({ log }).totals().bytes.log).toBe(0);
  });
});

test("metrics are all of these in the format of Prometheus, and nothing is kept between two calls", async () => {
  const here = wire();
  const app = new Hono().get("/metrics", metrics(here.notifier));
  const client = here.client({ peer: { user: "ann" } });
  await client.connect();
  await client.call("subscribe", { channel: "a" });
  here.client().send("no");
  await here.publish("a", 1);
  const response = await app.request("/metrics");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const { bytes } = here.notifier.totals();
  expect(await response.text()).toBe(`# HELP tocsin_owned What the notifier owns now.
# TYPE tocsin_owned gauge
tocsin_owned{kind="sessions"} 1
tocsin_owned{kind="subscriptions"} 0
tocsin_owned{kind="channels"} 0
tocsin_owned{kind="runs"} 0
tocsin_owned{kind="publishing"} 0
tocsin_owned{kind="confirmed"} 0
tocsin_owned{kind="confirmedBytes"} 0
tocsin_owned{kind="tasks"} 0
tocsin_owned{kind="waits"} 0
tocsin_owned{kind="timers"} 1
# HELP tocsin_bytes Bytes it holds now.
# TYPE tocsin_bytes gauge
tocsin_bytes{kind="commands"} 0
tocsin_bytes{kind="windows"} ${bytes.windows}
tocsin_bytes{kind="cache"} 0
tocsin_bytes{kind="log"} 0
tocsin_bytes{kind="runs"} 0
# HELP tocsin_log_failing_seconds For how long the log has been failing. 0: it works.
# TYPE tocsin_log_failing_seconds gauge
tocsin_log_failing_seconds{kind="appends"} 0
tocsin_log_failing_seconds{kind="reads"} 0
tocsin_log_failing_seconds{kind="answers"} 0
# HELP tocsin_log_waiting Publications and messages that are not in the log yet.
# TYPE tocsin_log_waiting gauge
tocsin_log_waiting 0
# HELP tocsin_log_waiting_bytes Bytes of those.
# TYPE tocsin_log_waiting_bytes gauge
tocsin_log_waiting_bytes 0
# HELP tocsin_log_lag_seconds Age of the oldest of those.
# TYPE tocsin_log_lag_seconds gauge
tocsin_log_lag_seconds 0
# HELP tocsin_log_place Whether this process may write to its log.
# TYPE tocsin_log_place gauge
tocsin_log_place{place="none"} 1
tocsin_log_place{place="waiting"} 0
tocsin_log_place{place="joined"} 0
tocsin_log_place{place="lost"} 0
# HELP tocsin_log_nodes Nodes that work with the log. 0: one process, or not known yet.
# TYPE tocsin_log_nodes gauge
tocsin_log_nodes 0
# HELP tocsin_node_info The id of this node.
# TYPE tocsin_node_info gauge
# HELP tocsin_refused_total Peers that were not let in.
# TYPE tocsin_refused_total counter
tocsin_refused_total{code="3501"} 1
# HELP tocsin_sessions_opened_total Sessions that were accepted.
# TYPE tocsin_sessions_opened_total counter
tocsin_sessions_opened_total 2
# HELP tocsin_sessions_closed_total Sessions that ended.
# TYPE tocsin_sessions_closed_total counter
tocsin_sessions_closed_total{code="3501"} 1
# HELP tocsin_errors_total Commands answered with an error.
# TYPE tocsin_errors_total counter
tocsin_errors_total{code="103"} 1
# HELP tocsin_limits_total Times that a limit was hit.
# TYPE tocsin_limits_total counter
`);
});
