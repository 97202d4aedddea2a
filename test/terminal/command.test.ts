import { expect, test } from "vitest";
import { commandOf } from "../../src/terminal/command.ts";

const url = "ws://127.0.0.1:3000/notifications";
const nothing = { cancel: [], reason: undefined, from: undefined, token: undefined, isJson: false };

test("channels and runs are followed, each once", () => {
  expect(commandOf(["tail", url, "news", "run:42", "news"])).toEqual({
    action: "tail",
    url,
    channels: ["news", "run:42"],
    ...nothing,
  });
});

test("options may stand anywhere, and a run to cancel may be given by its id or its channel", () => {
  const args = "tail --cancel 1 %s --json --reason enough news --cancel=run:2 --token t --cancel 1";
  expect(commandOf(args.replace("%s", url).split(" "))).toEqual({
    action: "tail",
    url,
    channels: ["news", "run:1", "run:2"],
    cancel: ["1", "2"],
    reason: "enough",
    from: undefined,
    token: "t",
    isJson: true,
  });
});

test("a token may come from the environment, and the option has priority", () => {
  const tokens = [[], ["--token", "mine"]].map((more) => {
    const command = commandOf(["tail", url, "news", ...more], { TOCSIN_TOKEN: "theirs" });
    return command.action === "tail" && command.token;
  });
  expect(tokens).toEqual(["theirs", "mine"]);
});

test.each([
  ["start", "start"],
  ["now", "now"],
  ["12@a@b", { offset: 12, epoch: "a@b" }],
])("--from %s is accepted", (from, expected) => {
  expect(commandOf(["tail", url, "news", "--from", from])).toMatchObject({ from: expected });
});

test("help and the version are printed whatever else is given", () => {
  const asked = [["-h"], ["--help", "tail"], ["-v"], ["tail", "nowhere", "--version"], ["log", "-h"]];
  expect(asked.map((args) => commandOf(args).action)).toEqual(["help", "help", "version", "version", "help"]);
});

test("an address may be that of a page, and its fragment is ignored", () => {
  expect(commandOf(["tail", "https://example.com/n#top", "news"])).toMatchObject({
    url: "https://example.com/n",
  });
});

const wrong: [string, string][] = [
  ["", "Cannot begin: say what to do, as in tocsin tail <url> news, or tocsin log <file>"],
  ["watch", 'Cannot do "watch": the commands are tail and log'],
  ["tail", "Cannot tail: give the address of a server"],
  ["tail %s", "Cannot tail: name a channel, or a run as run:<id>"],
  ["tail localhost:3000 a", 'Cannot connect to "localhost:3000": an address begins with ws:// or wss://'],
  ["tail nowhere a", 'Cannot connect to "nowhere": an address begins with ws:// or wss://'],
  ["tail %s run:", 'Cannot follow "run:": that is no name of a channel or run'],
  ["tail %s --cancel run:", 'Cannot follow "run:": that is no name of a channel or run'],
  ["tail %s a --from 12", 'Cannot begin at "12": it is start, now or <offset>@<epoch>'],
  ["tail %s a b --from 1@x", 'Cannot begin at "1@x": give one channel, since a position is of one channel'],
  ["tail %s a --reason b", "Cannot use --reason: give --cancel too"],
  ["tail %s a --follow", "Cannot use --follow: tocsin tail has no such option"],
  ["tail %s a --loud", "Cannot read the options: unknown option '--loud'"],
  ["tail %s a --from", "Cannot read the options: option '--from <value>' argument missing"],
  ["tail %s a --json=yes", "Cannot read the options: option '--json' does not take an argument"],
];

test.each(wrong)("tocsin %s is refused", (line, message) => {
  const args = line.replace("%s", url).split(" ").filter(Boolean);
  expect(() => commandOf(args)).toThrow(new TypeError(message));
});
