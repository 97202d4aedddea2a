import { expect, test } from "vitest";
import { type Footer, Screen } from "../../src/terminal/screen.ts";
import { type FakeClock, fakeClock } from "../../src/testing.ts";
import { type FakeTerminal, fakeTerminal } from "../support/terminal.ts";

interface Drawn {
  terminal: FakeTerminal;
  clock: FakeClock;
  screen: Screen;
  /** The lines at the bottom from the next frame on. */
  bottom: string[];
}

function drawn(footer?: Footer, { columns = 20, height = 24 } = {}): Drawn {
  const [terminal, clock] = [fakeTerminal(columns, height), fakeClock()];
  const bottom: string[] = [];
  return { terminal, clock, bottom, screen: new Screen(terminal, clock, footer ?? (() => bottom)) };
}

test("the bottom is redrawn in place, and lines are printed above it", async () => {
  const { terminal, clock, screen, bottom } = drawn();
  bottom.push("one", "two");
  screen.refresh();
  await clock.advance(50);
  expect(terminal.seen).toEqual(["one", "two"]);
  bottom.splice(0, 2, "1");
  screen.print("first");
  await clock.advance(50);
  bottom[0] = "2";
  screen.print("second, which is longer than a row");
  await clock.advance(50);
  expect(terminal.seen).toEqual(["first", "second, which is lon", "ger than a row", "2"]);
});

test("a frame is one write, at most every 50 ms, for any changes", async () => {
  const { terminal, clock, screen } = drawn();
  screen.refresh();
  await clock.advance(0);
  for (let n = 0; n < 100; n++) {
    screen.print(`line ${n}`);
    screen.refresh();
  }
  await clock.advance(49);
  expect(terminal.writes.length).toBe(1);
  await clock.advance(1);
  expect(terminal.writes.length).toBe(2);
  expect(terminal.seen.length).toBe(100);
  await clock.advance(1_000);
  expect([terminal.writes.length, clock.armed]).toEqual([2, 0]);
});

test("a frame clears a line only when it writes it, so that nothing flickers", async () => {
  const { terminal, clock, screen, bottom } = drawn();
  bottom.push("one");
  for (const _ of [1, 2]) {
    screen.refresh();
    await clock.advance(50);
  }
  expect(terminal.writes).toEqual([
    "\u001b[1Gone\u001b[0K\n\u001b[0J",
    "\u001b[1A\u001b[1Gone\u001b[0K\n\u001b[0J",
  ]);
});

test("no more than a thousand lines wait for a frame", () => {
  const { terminal, screen } = drawn();
  for (let n = 0; n < 2_500; n++) screen.print(`line ${n}`);
  expect([terminal.writes.length, terminal.seen.length]).toEqual([2, 2_000]);
});

test("after a change of the width everything is redrawn, and nothing wrapped is left", async () => {
  const footer: Footer = (width) => ["\u001b[2ma\u001b[22m".padEnd(width + 9, "a"), "b".repeat(width)];
  const { terminal, clock, screen } = drawn(footer, { columns: 40 });
  screen.print("above");
  await clock.advance(50);
  for (const columns of [13, 60, 9]) {
    terminal.resize(columns);
    await clock.advance(50);
    expect(terminal.seen).toEqual(["above", "a".repeat(columns - 1), "b".repeat(columns - 1)]);
  }
});

test("the bottom is drawn with the available height, and at the end without a limit", async () => {
  const rooms: number[][] = [];
  const footer: Footer = (width, height) => {
    rooms.push([width, height]);
    return [`${height}`];
  };
  const { terminal, clock, screen } = drawn(footer, { columns: 30, height: 10 });
  screen.refresh();
  await clock.advance(50);
  screen.print("last");
  screen.end();
  expect(rooms).toEqual([
    [29, 9],
    [29, Number.POSITIVE_INFINITY],
  ]);
  expect(terminal.seen).toEqual(["last", "Infinity"]);
  expect([terminal.listeners, clock.armed]).toEqual([0, 0]);
});
