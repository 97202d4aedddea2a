import { Writable } from "node:stream";
import { expect, test } from "vitest";
import type { Publication } from "../../src/model/publication.ts";
import { output, progress } from "../../src/run.ts";
import { unpainted } from "../../src/terminal/cells.ts";
import { bars, lines, type View } from "../../src/terminal/view.ts";
import { type FakeClock, fakeClock } from "../../src/testing.ts";
import { outcomeOf } from "../support/core.ts";
import { type FakeTerminal, fakeTerminal } from "../support/terminal.ts";

const time = Date.UTC(2026, 0, 1);
const when = "2026-01-01T00:00:00.000Z";
const started = { type: "run.started", run: "1", name: "Render" };
const completed = { type: "run.completed", run: "1", result: "a result that is longer than a row" };

function published(channel: string, data: unknown): Publication {
  return { channel, offset: 1, epoch: "e", data, time };
}

function sink(): { write(text: string): void; text: string } {
  return {
    text: "",
    write(text) {
      this.text += text;
    },
  };
}

/** Makes a stream with a buffer of 60 bytes. It accepts one write with each call of `take`. */
function slow(): { stream: Writable; text: string; take(): void } {
  const taken: (() => void)[] = [];
  const write: Writable["_write"] = (chunk, _, done) => {
    taken.push(done);
    reader.text += chunk;
  };
  const reader = {
    stream: new Writable({ highWaterMark: 60, write }),
    text: "",
    take: () => taken.shift()?.(),
  };
  return reader;
}

interface Shown {
  view: View;
  terminal: FakeTerminal;
  clock: FakeClock;
}

function shown(
  channels: readonly string[],
  { errors = undefined as ReturnType<typeof sink> | undefined } = {},
): Shown {
  const [terminal, clock] = [fakeTerminal(60, 5), fakeClock()];
  return { terminal, clock, view: bars({ terminal, errors, clock, channels, paint: unpainted }) };
}

test("lines are written one by one while there is room, and other messages go to another stream", async () => {
  const [reader, errors] = [slow(), sink()];
  const { stream } = reader;
  const { signal } = new AbortController();
  const view = lines({ output: stream, errors, signal, isJson: false });
  await view.show(published("news", "first"));
  const second = view.show(published("news", "second"));
  const outcome = outcomeOf(second);
  view.note("noted\u001b");
  view.error("wrong");
  view.refused("news", "refused");
  await Promise.resolve();
  expect(outcome.state).toBe("pending");
  reader.take();
  await new Promise<void>((resolve) => setImmediate(resolve));
  reader.take();
  await second;
  expect(reader.text).toBe(`${when} news first\n${when} news second\n`);
  expect(errors.text).toBe("noted\\u001b\nwrong\nrefused\n");
  view.end();
});

test("waiting for room ends when the user stops the command, and leaves no listener", async () => {
  const { stream } = slow();
  const stop = new AbortController();
  const view = lines({ output: stream, errors: sink(), signal: stop.signal, isJson: true });
  const before = stream.listenerCount("drain");
  const waited = expect(view.show(published("news", "x".repeat(60)))).rejects.toThrow(
    "The operation was aborted",
  );
  stop.abort();
  await waited;
  expect(stream.listenerCount("drain")).toBe(before);
});

test("runs are bars, and their other events and other channels are printed above", async () => {
  const { view, terminal, clock } = shown(["run:1", "news", "run:2"]);
  await view.show(published("run:1", started));
  await view.show(published("news", { type: "run.started" }));
  await view.show(published("run:1", output("line")));
  await view.show(published("run:1", progress(1, 2)));
  view.note("noted");
  await clock.advance(50);
  expect(terminal.seen).toEqual([
    `${when} news started`,
    `${when} run:1 line`,
    "noted",
    "Render  ████████░░░░░░░░░  50%  1/2",
    "2       ░░░░░░░░░░░░░░░░░       waiting",
  ]);
  view.end();
  expect([terminal.listeners, clock.armed]).toEqual([0, 0]);
});

test("a result is printed completely once nothing is drawn over it", async () => {
  const { view, terminal, clock } = shown(["run:1"]);
  await view.show(published("run:1", started));
  await view.show(published("run:1", completed));
  await clock.advance(50);
  expect(terminal.seen).toEqual(["Render  █████████████████ 100%  completed after 0.0 s  a r…"]);
  view.end();
  expect(terminal.seen.join("")).toBe(
    "Render  █████████████████ 100%  completed after 0.0 s  a result that is longer than a row",
  );
});

test("a run that is refused loses its bar", async () => {
  const { view, terminal, clock } = shown(["run:1", "run:2"]);
  view.refused("run:1", "No run:1");
  view.refused("news", "No news");
  await clock.advance(50);
  expect(terminal.seen).toEqual(["No run:1", "No news", "2  ░░░░░░░░░░░░░░░░░░       waiting"]);
});

test("errors are not printed to a terminal that does not show them", async () => {
  const errors = sink();
  const { view, terminal, clock } = shown(["run:1"], { errors });
  view.error("wrong");
  view.note("noted");
  view.refused("run:1", "refused");
  await clock.advance(50);
  expect([errors.text, terminal.seen]).toEqual(["wrong\nnoted\nrefused\n", []]);
});

test("with more runs than rows the working ones are shown, and at the end all", async () => {
  const ids = ["1", "2", "3", "4", "5", "6"];
  const { view, terminal, clock } = shown(ids.map((id) => `run:${id}`));
  for (const id of ["1", "3", "6"]) await view.show(published(`run:${id}`, { type: "run.completed" }));
  await clock.advance(50);
  expect(terminal.seen.map((line) => line.slice(0, 10).trim())).toEqual([
    "2  ░░░░░░░",
    "4  ░░░░░░░",
    "5  ░░░░░░░",
    "… and 3 mo",
  ]);
  view.end();
  expect(terminal.seen.map((line) => line[0])).toEqual(ids);
});
