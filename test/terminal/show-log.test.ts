import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { begin, ended, type LogFile, logFile, runState } from "../support/log-file.ts";
import { driver, open, temporaryPath } from "../support/sqlite.ts";
import { fakeTerminal } from "../support/terminal.ts";

if (typeof driver === "string") test.skip(`the file of a log: ${driver}`);
else describe(`the file of a log, with ${driver.name}`, suite);

/** A log with a channel, two runs and a reserved channel. */
function filled(): LogFile {
  const file = logFile();
  const { add, log, clock } = file;
  const at = clock.time();
  add("run:2", { type: "run.started" }, { state: runState("2", "completed", at), place: "last" });
  add("run:1", { type: "run.started" }, { state: runState("1", "working", at), place: "first" });
  add("\0own", "of the engine");
  log.append("news", '"first"', { time: at, tags: { kind: "x" } });
  log.append("news", '"second"', { time: at, state: "any text", retention: { size: 1, slack: 0 } });
  log.commit();
  return file;
}

function suite(): void {
  test("all channels are a table, by name, with a summary", async () => {
    const file = filled();
    const { log, path, clock } = file;
    await clock.advance(90_000);
    const { output, errors, result } = await ended(file);
    const epochs = ["news", "run:1", "run:2"].map((channel) => log.read(channel, {}).epoch);
    const [size, wal] = ["", "-wal"].map((suffix) => (readFileSync(path + suffix).length / 1024).toFixed(1));
    const lines = output.replace(/Process \w+/, "Process x").split("\n");
    expect(lines).toEqual([
      "channel  kept  bytes  first  top      newest  sealed  run              epoch",
      `news        1    8 B      2    2  1 min 30 s  no                       ${epochs[0]}`,
      `run:1       1   22 B      1    1  1 min 30 s  no      working Run 1    ${epochs[1]}`,
      `run:2       1   22 B      1    1  1 min 30 s  yes     completed Run 2  ${epochs[2]}`,
      `3 channels, 3 publications, 52 B; the file has ${size} KiB, its -wal ${wal} KiB`,
      "Process x owns it since 2026-01-01T00:00:00.000Z, last heard of 1 min 30 s ago",
      "",
    ]);
    expect([errors, result]).toEqual(["", true]);
  });

  test("with --json, each channel is a line of JSON", async () => {
    const file = filled();
    const { output } = await ended(file, { isJson: true });
    const newest = file.clock.time() - 100;
    const epoch = (channel: string): string => file.log.read(channel, {}).epoch;
    const run = { owner: "ann", started: newest };
    const one = { publications: 1, newest };
    const lines = output.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        ...{ channel: "news", ...one, bytes: 8, first: 2, top: 2, epoch: epoch("news"), sealed: false },
        state: "any text",
      },
      {
        ...{ channel: "run:1", ...one, bytes: 22, first: 1, top: 1, epoch: epoch("run:1"), sealed: false },
        run: { status: "working", name: "Run 1", ...run },
      },
      {
        ...{ channel: "run:2", ...one, bytes: 22, first: 1, top: 1, epoch: epoch("run:2"), sealed: true },
        run: { status: "completed", name: "Run 2", ...run },
      },
    ]);
  });

  test("the publications of a channel are lines as those of tail", async () => {
    const file = filled();
    const [{ output }, json] = await Promise.all([
      ended(file, { channel: "run:1" }),
      ended(file, { channel: "news", isJson: true }),
    ]);
    expect(output).toBe("2026-01-01T00:00:00.000Z run:1 started\n");
    const { epoch } = file.log.read("news", {});
    const time = Date.UTC(2026, 0, 1);
    expect(JSON.parse(json.output)).toEqual({ channel: "news", offset: 2, epoch, time, data: "second" });
    expect(json.errors).toBe('What came after 0 in "news" is gone: going on after 1\n');
  });

  test("an empty log that nobody owns has a table without channels", async () => {
    const file = logFile();
    file.log.read("news", {});
    const { output } = await ended(file);
    expect(output.replace(/[\d.]+ KiB/g, "_")).toBe(
      "channel  kept  bytes  first  top  newest  sealed  run  epoch\n" +
        "0 channels, 0 publications, 0 B; the file has _, its -wal _\nNo process owns it\n",
    );
  });

  test("an owner that is silent for longer than its lease is said to be gone", async () => {
    const file = logFile({ lease: 1_000 });
    file.add("news", 1);
    const database = open(file.path);
    database.exec("UPDATE tocsin_log SET beat = beat - 60000");
    const { output } = await ended(file);
    expect(output).toContain(
      "last heard of 1 min 0 s ago, longer than its lease: it has ended without leaving\n",
    );
  });

  test("channels are read in batches, each once and in order", async () => {
    const file = logFile();
    const names = Array.from({ length: 1_200 }, (_, n) => `c${String(n).padStart(4, "0")}`);
    for (const name of names) file.log.append(name, "1", { time: 0 });
    for (let n = 0; n < 600; n++) file.log.append(`\0${n}`, "1", { time: 0 });
    file.log.commit();
    const { output } = await ended(file);
    const lines = output.split("\n");
    expect(lines.slice(1, -3).map((line) => line.split(" ")[0])).toEqual(names);
    expect(lines.at(-3)).toContain("1200 channels, 1200 publications, 1.2 KiB; ");
  });

  test("neither the file nor its -wal is changed, and the owner goes on to write", async () => {
    const file = filled();
    const bytes = (): Buffer[] => ["", "-wal"].map((suffix) => readFileSync(file.path + suffix));
    const before = bytes();
    const following = begin(file, { channel: "news", isFollowing: true });
    await ended(file);
    expect(bytes()).toEqual(before);
    file.add("news", "third");
    await file.clock.advance(250);
    expect(following.output).toContain("news third\n");
    const after = bytes();
    following.stop();
    await file.clock.settle();
    expect([bytes(), following.result, following.errors.split("\n").length]).toEqual([after, true, 2]);
    await file.log[Symbol.asyncDispose]();
  });

  test("a log whose process was killed is read from its -wal, which stays", async () => {
    const file = filled();
    const [copy, bytes] = [temporaryPath(), (path: string) => readFileSync(path)];
    for (const suffix of ["", "-wal"]) writeFileSync(copy + suffix, bytes(file.path + suffix));
    const { output } = await ended({ path: copy, clock: file.clock });
    expect(output).toContain("3 channels, 3 publications, 52 B; ");
    for (const suffix of ["", "-wal"]) expect(bytes(copy + suffix)).toEqual(bytes(file.path + suffix));
  });

  test("what is stopped ends without an error", async () => {
    const file = filled();
    const written = begin(file);
    written.stop();
    await file.clock.advance(100);
    expect([written.result, written.errors]).toEqual([true, ""]);
  });

  test("a bar is drawn while a long scan goes on, and is gone before the table", async () => {
    const file = logFile();
    for (let n = 0; n < 1_500; n++) file.log.append(`c${n}`, "1", { time: 0 });
    file.log.commit();
    const terminal = fakeTerminal(60);
    // Each batch takes half a second.
    let now = 0;
    const clock = { ...file.clock, now: () => (now += 250) };
    const seen: string[] = [];
    const output = { write: () => seen.push(terminal.seen.join()) > 0 } as unknown as NodeJS.WritableStream;
    const { result } = await ended(file, {}, { terminal, clock, output });
    expect(result).toBe(true);
    expect(terminal.writes.join("")).toContain("1000 of 1500 channels");
    expect([...new Set(seen), terminal.seen]).toEqual(["", []]);
  });

  describe("is refused", () => {
    const refusals: [string, string, (path: string) => void][] = [
      ["if it is missing", "Cannot read %s: there is no such file. Check the path", () => {}],
      [
        "if it is no database",
        "Cannot read %s: it is no database of SQLite. Give the file that sqliteLog() writes",
        (path) => writeFileSync(path, "some text that is longer than a header"),
      ],
      [
        "if it is empty",
        "Cannot read the database of the log: it holds no log. Give the file that sqliteLog() writes",
        (path) => writeFileSync(path, ""),
      ],
      [
        "if it is a database of others",
        "Cannot read the database of the log: it holds no log. Give the file that sqliteLog() writes",
        (path) => open(path).exec("CREATE TABLE other (a)"),
      ],
      [
        "if a newer version has written it",
        "Cannot use the database of the log: its format 9 is newer than format 1, which this version of tocsin knows. Install a newer version",
        (path) => open(path).exec("CREATE TABLE tocsin_format AS SELECT 9 AS version"),
      ],
      [
        "if it is damaged",
        "Cannot read %s: the file is damaged. Look at an earlier copy of it",
        (path) => writeFileSync(path, "SQLite format 3\0and then nothing that SQLite has written"),
      ],
    ];
    test.each(refusals)("%s", async (_, message, make) => {
      const file = { path: temporaryPath(), clock: logFile().clock };
      make(file.path);
      const { output, errors, result } = await ended(file);
      expect([output, errors, result]).toEqual([
        "",
        `${message.replace("%s", JSON.stringify(file.path))}\n`,
        false,
      ]);
    });

    test("if it is a directory, or a path through a file", async () => {
      const { path, clock } = filled();
      const { errors } = await ended({ path: dirname(path), clock });
      expect(errors).toContain(": it is not a file. Give the file of the database\n");
      const through = await ended({ path: join(path, "log.db"), clock });
      expect(through.result).toBe(false);
    });

    test("if the runtime has no SQLite", async () => {
      const why = new Error("Cannot read a log: no SQLite");
      const { errors, result } = await ended(filled(), {}, { driver: () => Promise.reject(why) });
      expect([errors, result]).toEqual(["Cannot read a log: no SQLite\n", false]);
    });

    test.each(["sport", "\0own", ""])("if a channel of it is unknown: %j", async (channel) => {
      const file = filled();
      const { output, errors, result } = await ended(file, { channel });
      const advice = `tocsin log ${file.path} lists those that it has`;
      const name = JSON.stringify(channel);
      expect([output, errors, result]).toEqual([
        "",
        `Cannot read ${name}: the log has no such channel. ${advice}\n`,
        false,
      ]);
    });
  });
}
