import { fileURLToPath } from "node:url";
import { sqliteLog } from "tocsin/sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import type { SqliteLog } from "../../src/sqlite.ts";
import { sqliteDriver } from "../../src/terminal/sqlite-driver.ts";
import { type Child, start } from "../support/child.ts";
import { program } from "../support/runtime.ts";
import { driver, open, temporaryPath } from "../support/sqlite.ts";

const file = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const command = [process.execPath, ...program(file), "log"];
/** Why this runtime cannot read a log without a package of the project. */
const missing: string | undefined = await sqliteDriver().then(
  () => undefined,
  ({ message }: Error) => message,
);

if (missing !== undefined || typeof driver === "string") {
  test("without SQLite, the command says what it needs", async () => {
    expect(await tocsin(file).exit).toMatchObject({ code: 1, output: `${missing}\n` });
  });
  test.skip(`the command on the file of a log: ${missing ?? driver}`);
} else describe("the command on the file of a log", suite);

/** Starts the command on this runtime, and captures its output. */
function tocsin(...args: string[]): Child {
  const [runtime = "", ...rest] = command;
  const started = start(runtime, [...rest, ...args]);
  onTestFinished(() => started.destroy());
  return started;
}

/** A log that this process owns, and that is disposed after the test. */
function live(): { path: string; log: SqliteLog; add(channel: string, data: string): void } {
  const path = temporaryPath();
  const log = sqliteLog({ database: open(path) });
  onTestFinished(() => log[Symbol.asyncDispose]());
  return {
    path,
    log,
    add(channel, data) {
      log.append(channel, data, { time: Date.UTC(2026, 0, 1) });
      log.commit();
    },
  };
}

function suite(): void {
  test("a table of the channels of a live process is printed, and nothing else", async () => {
    const { path, log, add } = live();
    for (const channel of ["sport", "news", "\0own"]) add(channel, '"text"');
    const { code, output } = await tocsin(path).exit;
    const [head, ...lines] = output.trim().split("\n");
    expect([code, head?.split(/ +/)]).toEqual([
      0,
      ["channel", "kept", "bytes", "first", "top", "newest", "sealed", "run", "epoch"],
    ]);
    expect(lines.map((line) => line.split(/ +/)[0])).toEqual(["news", "sport", "2", "Process"]);
    expect(lines[0]?.endsWith(log.read("news", {}).epoch)).toBe(true);
    expect(lines[2]).toMatch(/^2 channels, 2 publications, 12 B; the file has /);
    expect(lines[3]).toMatch(/^Process \w+ owns it since /);
  });

  test("a channel is followed while another process commits, until Ctrl-C", async () => {
    const { path, add } = live();
    add("news", '"first"');
    const following = tocsin(path, "--channel", "news", "--follow");
    await following.until(/news first$/m);
    for (const text of ["second", "third"]) {
      add("news", JSON.stringify(text));
      await following.until(new RegExp(`news ${text}$`, "m"));
    }
    following.kill("SIGINT");
    const { code, output } = await following.exit;
    const lines = ["first", "second", "third"].map((text) => `2026-01-01T00:00:00.000Z news ${text}\n`);
    expect([code, output]).toEqual([0, lines.join("")]);
  });

  test.each([[[]], [["--json"]], [["--channel", "long"]]])(
    "the command ends when the reader of its output is gone: %j",
    async (options) => {
      const { path, log } = live();
      const text = JSON.stringify("x".repeat(200));
      for (let n = 0; n < 3_000; n++) {
        log.append("long", text, { time: 0, retention: { size: 3_000 } });
        log.append(`channel with a long name ${n}`, "1", { time: 0 });
      }
      log.commit();
      const args = ["-c", '{ "$@"; echo "code $?" >&2; } | head -n 1 | wc -l', "sh"];
      const shell = start("sh", [...args, ...command, path, ...options]);
      onTestFinished(() => shell.destroy());
      const { output } = await shell.exit;
      expect(output.split(/\s+/).filter(Boolean).sort()).toEqual(["0", "1", "code"]);
    },
  );

  test("what cannot be read is explained, and so is a wrong command line", async () => {
    const path = temporaryPath();
    const [unread, wrong] = [tocsin(path), tocsin()];
    expect(await unread.exit).toMatchObject({
      code: 1,
      output: `Cannot read ${JSON.stringify(path)}: there is no such file. Check the path\n`,
    });
    const explained = "Cannot read a log: give its file, as in tocsin log notifications.db";
    expect(await wrong.exit).toMatchObject({ code: 2, output: `${explained}\nTry tocsin --help\n` });
  });
}
