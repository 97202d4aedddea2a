import { renameSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LogError } from "../../src/model/errors.ts";
import type { Slice } from "../../src/model/log.ts";
import type { Publication } from "../../src/model/publication.ts";
import { unpainted } from "../../src/terminal/cells.ts";
import { Progress } from "../../src/terminal/progress.ts";
import { type ReadChannelOptions, readChannel } from "../../src/terminal/read.ts";
import { fakeClock } from "../../src/testing.ts";
import { type Outcome, outcomeOf } from "../support/core.ts";
import { begin, ended, logFile, type Written } from "../support/log-file.ts";
import { driver } from "../support/sqlite.ts";

if (typeof driver === "string") test.skip(`a channel of a file: ${driver}`);
else describe(`a channel of a file, with ${driver.name}`, suite);

const follow = { channel: "news", isFollowing: true };

/** Returns the payloads that were printed. */
function dataIn({ output }: Written): string[] {
  return output.split("\n").flatMap((line) => line.split(" ").slice(2));
}

function suite(): void {
  test("what the live process commits is printed within a quarter of a second", async () => {
    const file = logFile();
    const { add, clock } = file;
    add("news", 1);
    const [all, fresh] = [begin(file, follow), begin(file, { ...follow, from: "now" })];
    await clock.advance(10);
    expect([dataIn(all), dataIn(fresh)]).toEqual([["1"], []]);
    add("sport", "other");
    add("news", 2);
    await clock.advance(250);
    expect([dataIn(all), dataIn(fresh)]).toEqual([["1", "2"], ["2"]]);
    file.log.append("news", "3", { time: 0 });
    await clock.advance(1_000);
    expect(dataIn(all)).toEqual(["1", "2"]);
    file.log.commit();
    await clock.advance(250);
    expect(dataIn(all)).toEqual(["1", "2", "3"]);
    for (const each of [all, fresh]) each.stop();
    await clock.settle();
    expect([all, fresh].map(({ result, errors }) => [result, errors])).toEqual([
      [true, ""],
      [true, ""],
    ]);
    await file.log[Symbol.asyncDispose]();
    expect(clock.armed).toBe(0);
  });

  test("many publications are read in batches, each once and in order", async () => {
    const file = logFile();
    for (let n = 1; n <= 999; n++) file.log.append("news", `${n}`, { time: 0 });
    file.log.commit();
    const { output } = await ended(file, { channel: "news", isJson: true });
    const offsets = output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).offset);
    expect(offsets).toEqual(Array.from({ length: 999 }, (_, index) => index + 1));
  });

  test("it begins after a position, also one of an older epoch that goes on", async () => {
    const file = logFile();
    const { add, log } = file;
    for (const n of [1, 2, 3]) add("news", n);
    const { epoch } = log.read("news", {});
    log.renew();
    add("news", 4);
    const renewed = log.read("news", {}).epoch;
    for (const each of [epoch, renewed]) {
      const shown = await ended(file, { channel: "news", from: { offset: 2, epoch: each } });
      expect([dataIn(shown), shown.errors]).toEqual([["3", "4"], ""]);
    }
  });

  test("an epoch that the owner has ended without a look at the channel is over here, too", async () => {
    const file = logFile();
    file.add("news", 1);
    const { epoch } = file.log.read("news", {});
    file.log.renew();
    const { output } = await ended(file, { channel: "news", isJson: true });
    expect(JSON.parse(output).epoch).toBe(file.log.read("news", {}).epoch);
    expect(JSON.parse(output).epoch).not.toBe(epoch);
  });

  test("a position in an unknown epoch is a gap, and one beyond the top is refused", async () => {
    const file = logFile();
    for (const n of [1, 2]) file.add("news", n);
    const { epoch } = file.log.read("news", {});
    const other = await ended(file, { channel: "news", from: { offset: 2, epoch: "other" } });
    expect([dataIn(other), other.errors]).toEqual([
      ["1", "2"],
      `"news" is now in epoch ${JSON.stringify(epoch)}: going on after 0\n`,
    ]);
    const beyond = await ended(file, { channel: "news", from: { offset: 3, epoch } });
    const why = "its newest publication has offset 2. Begin with --from start, or after that offset";
    expect([beyond.result, beyond.errors]).toEqual([false, `Cannot read "news" after 3: ${why}\n`]);
  });

  test("a gap is told, and what is left is printed", async () => {
    const file = logFile({ size: 2, slack: 0 });
    const { add, clock } = file;
    add("news", 1);
    const written = begin(file, follow);
    await clock.advance(10);
    for (const n of [2, 3, 4, 5]) add("news", n);
    await clock.advance(250);
    expect([dataIn(written), written.errors]).toEqual([
      ["1", "4", "5"],
      'What came after 1 in "news" is gone: going on after 3\n',
    ]);
    written.stop();
    await clock.settle();
  });

  test("following ends when the channel is sealed", async () => {
    const file = logFile();
    file.add("news", 1);
    const written = begin(file, follow);
    await file.clock.advance(10);
    file.add("news", 2, { place: "last" });
    await file.clock.advance(300);
    const sealed = '"news" is sealed: nothing more comes\n';
    expect([dataIn(written), written.errors, written.result]).toEqual([["1", "2"], sealed, true]);
    const later = await ended(file, follow);
    expect([dataIn(later), later.errors, later.result]).toEqual([["1", "2"], sealed, true]);
  });

  test("following ends with an error when the file is replaced", async () => {
    const file = logFile();
    file.add("news", 1);
    const written = begin(file, follow);
    await file.clock.advance(10);
    renameSync(file.path, `${file.path}.old`);
    await file.clock.advance(250);
    const why = "the file was removed or replaced. Start the command again";
    expect([written.result, written.errors]).toEqual([
      false,
      `Cannot follow ${JSON.stringify(file.path)}: ${why}\n`,
    ]);
  });
}

/** Reads a channel of a made-up log, whose slices are given one after the other. The last one repeats. */
function reading(answers: readonly (Slice | Error | undefined)[], isFollowing: boolean) {
  const [clock, shown, told]: [ReturnType<typeof fakeClock>, Publication[], string[]] = [fakeClock(), [], []];
  const stop = new AbortController();
  let at = 0;
  const inspection = {
    ...{ owner: undefined, rows: 1, channels: () => ({ channels: [], next: undefined, rows: 0 }) },
    release: () => {},
    get version() {
      return at;
    },
    read() {
      const answer = answers[Math.min(at++, answers.length - 1)];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const options: ReadChannelOptions = {
    ...{ inspection, file: "a.db", channel: "news", from: "start", isFollowing, isReplaced: () => false },
    progress: new Progress({
      ...{ name: "", noun: "", terminal: undefined, errors: { write: () => {} }, clock, paint: unpainted },
    }),
    view: {
      show: async (publication) => void shown.push(publication),
      refused: () => {},
      note: (text) => told.push(text),
      error: (text) => told.push(text),
      end: () => {},
    },
    pause: (ms) =>
      new Promise((resolve, reject) => {
        if (stop.signal.aborted) reject(stop.signal.reason);
        else clock.timer(ms, resolve);
      }),
  };
  const outcome: Outcome<void> = outcomeOf(readChannel(options));
  return { clock, shown, told, outcome, stop };
}

const slice: Slice = { epoch: "e", top: 0, first: 1, entries: [], gapless: true };
const one: Slice = { ...slice, top: 1, entries: [{ offset: 1, data: "1", time: 0 }] };
const sealed: Slice = { ...slice, top: 1, sealed: true };

test("a channel that was forgotten is followed again, from its start, once it begins again", async () => {
  const again: Slice = { ...one, epoch: "f" };
  const over: Slice = { ...sealed, epoch: "f" };
  const { clock, shown, told, outcome } = reading([one, slice, undefined, undefined, again, over], true);
  await clock.advance(5_000);
  expect(told).toEqual([
    'The log has forgotten "news": waiting until it begins again',
    '"news" is sealed: nothing more comes',
  ]);
  expect(shown.map(({ offset, epoch }) => [offset, epoch])).toEqual([
    [1, "e"],
    [1, "f"],
  ]);
  expect(outcome.state).toBe("fulfilled");
});

test("an error of the database that may pass is told once, and reading is tried again", async () => {
  const busy = new LogError("Cannot use the database: it is locked");
  const { clock, shown, told, outcome } = reading([slice, busy, busy, one, sealed], true);
  await clock.advance(5_000);
  expect(told).toEqual([`${busy.message}. Trying again`, '"news" is sealed: nothing more comes']);
  expect([shown.map(({ data }) => data), outcome.state]).toEqual([[1], "fulfilled"]);
});

test("an error that lasts ends following", async () => {
  const error = new LogError("Cannot use the database: it is damaged", { lasting: true });
  const { clock, outcome, told } = reading([slice, error], true);
  await clock.advance(1_000);
  expect([outcome.state, outcome.reason, told]).toEqual(["rejected", error, []]);
});

test("a payload that is not JSON is an error, and says which one it is", async () => {
  const { clock, outcome } = reading([{ ...one, entries: [{ offset: 1, data: "{", time: 0 }] }], false);
  await clock.settle();
  const what = "its publication 1 is not JSON, so the file is damaged. Look at a copy of it";
  expect(outcome.reason).toEqual(new Error(`Cannot read "news": ${what}`));
});
