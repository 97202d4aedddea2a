import { expect, test } from "vitest";
import { commandOf } from "../../src/terminal/command.ts";

const nothing = { channel: undefined, from: "start", isFollowing: false, isJson: false };

test("without options, all channels of a file are listed", () => {
  expect(commandOf(["log", "a.db"])).toEqual({ action: "log", file: "a.db", ...nothing });
});

test("options may stand anywhere", () => {
  const args = "log --json --from 12@a@b a.db --follow --channel=run:1".split(" ");
  expect(commandOf(args)).toEqual({
    action: "log",
    file: "a.db",
    channel: "run:1",
    from: { offset: 12, epoch: "a@b" },
    isFollowing: true,
    isJson: true,
  });
});

test.each([
  ["start", "start"],
  ["now", "now"],
])("--from %s is accepted", (from, expected) => {
  const args = ["log", "a.db", "--channel", "news", "--follow", "--from", from];
  expect(commandOf(args)).toMatchObject({ from: expected });
});

const wrong: [string, string][] = [
  ["log", "Cannot read a log: give its file, as in tocsin log notifications.db"],
  ["log a.db news", 'Cannot read "news" too: give one file, and a channel of it with --channel'],
  ["log a.db --channel=", 'Cannot read "": that is no name of a channel or run'],
  ["log a.db --follow", "Cannot use --follow: give --channel too"],
  ["log a.db --from start", "Cannot use --from: give --channel too"],
  ["log a.db --channel news --from now", 'Cannot begin at "now": give --follow too'],
  ["log a.db --channel news --from 12", 'Cannot begin at "12": it is start, now or <offset>@<epoch>'],
  ["log a.db --token t", "Cannot use --token: tocsin log has no such option"],
  ["log a.db --cancel 1", "Cannot use --cancel: tocsin log has no such option"],
];

test.each(wrong)("tocsin %s is refused", (line, message) => {
  expect(() => commandOf(line.split(" "))).toThrow(new TypeError(message));
});

test("a file without a name is refused", () => {
  expect(() => commandOf(["log", ""])).toThrow(/^Cannot read a log: give its file/);
});
