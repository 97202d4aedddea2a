import { expect, test } from "vitest";
import { unpainted } from "../../src/terminal/cells.ts";
import { Progress } from "../../src/terminal/progress.ts";
import { type FakeClock, fakeClock } from "../../src/testing.ts";
import { type FakeTerminal, fakeTerminal } from "../support/terminal.ts";

interface Shown {
  progress: Progress;
  clock: FakeClock;
  terminal: FakeTerminal;
  texts: string[];
}

function begun(isTerminal = true): Shown {
  const [clock, terminal, texts]: [FakeClock, FakeTerminal, string[]] = [fakeClock(), fakeTerminal(60), []];
  const errors = { write: (text: string) => texts.push(text) };
  const shown = isTerminal ? terminal : undefined;
  const options = { name: "Reading", noun: "channel", terminal: shown, errors, clock, paint: unpainted };
  return { progress: new Progress(options), clock, terminal, texts };
}

test("work of less than half a second has no bar, and longer work has one", async () => {
  const { progress, clock, terminal } = begun();
  await clock.advance(499);
  progress.at(1, 4);
  await clock.advance(1);
  expect(terminal.writes).toEqual([]);
  progress.at(2, 4);
  await clock.advance(50);
  expect(terminal.seen).toEqual(["Reading  ████████░░░░░░░░  50%  2 of 4 channels"]);
  progress.at(9, 4);
  await clock.advance(50);
  expect(terminal.seen).toEqual(["Reading  ████████████████ 100%  9 of 9 channels"]);
});

test("the bar is gone at the end, and does not come again", async () => {
  const { progress, clock, terminal } = begun();
  await clock.advance(500);
  progress.at(0, 0);
  await clock.advance(50);
  expect(terminal.seen).toEqual(["Reading  ████████████████ 100%  0 of 0 channels"]);
  progress.end();
  progress.end();
  progress.at(1, 1);
  await clock.advance(50);
  expect([terminal.seen, terminal.listeners, clock.armed]).toEqual([[], 0, 0]);
});

test("texts are written above the bar while there is one", async () => {
  const { progress, clock, terminal, texts } = begun();
  progress.write("before\n");
  await clock.advance(500);
  progress.at(1, 4);
  progress.write("above\n");
  await clock.advance(50);
  expect(terminal.seen).toEqual(["above", "Reading  ████░░░░░░░░░░░░  25%  1 of 4 channels"]);
  progress.end();
  progress.write("after\n");
  expect([texts, terminal.seen]).toEqual([["before\n", "after\n"], ["above"]]);
});

test("where there is no terminal, nothing is drawn", async () => {
  const { progress, clock, texts } = begun(false);
  await clock.advance(500);
  progress.at(1, 4);
  progress.write("text\n");
  progress.end();
  expect([texts, clock.armed]).toEqual([["text\n"], 0]);
});
