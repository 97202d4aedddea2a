import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { progress } from "../../src/run.ts";
import { usage } from "../../src/terminal/command.ts";
import { type Child, start } from "../support/child.ts";
import { aborted } from "../support/core.ts";
import { program } from "../support/runtime.ts";
import { site } from "../support/server.ts";

const file = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

/** Starts the command on this runtime, and captures its output. */
function tocsin(...args: string[]): Child {
  const started = start(process.execPath, [...program(file), ...args]);
  onTestFinished(() => started.destroy());
  return started;
}

/** Returns the command's exit code and output, without the times, which are the real clock's. */
async function ended(command: Child): Promise<{ code: number | null; lines: string[] }> {
  const { code, output } = await command.exit;
  const lines = output.trim().split("\n");
  return { code, lines: lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, "")) };
}

test("a run is printed to its end, one line per event, and then the command ends", async () => {
  const { notifier, address } = await site();
  const run = notifier.run(
    async ({ emit }) => {
      await emit(progress(1, 2));
      return { url: "/a" };
    },
    { id: "1", owner: "ann", name: "Render" },
  );
  const [known, unknown] = [run.id, "2"].map((id) => tocsin("tail", address("ann"), `run:${id}`));
  expect(await ended(known as Child)).toEqual({
    code: 0,
    lines: ['run:1 started "Render"', "run:1 progress 50% (1 of 2)", 'run:1 completed {"url":"/a"}'],
  });
  const refused = 'Cannot follow "run:2": it is not there, or not yours (103)';
  expect(await ended(unknown as Child)).toEqual({ code: 1, lines: [refused] });
});

test("a run is cancelled from the terminal, and a channel followed until Ctrl-C", async () => {
  const { notifier, address } = await site();
  const following = tocsin("tail", address("ann", "news"), "news", "--from", "start", "--json");
  const run = notifier.run(({ signal }) => aborted(signal), { id: "1", owner: "ann" });
  const cancelling = tocsin("tail", address("ann"), "--cancel", run.id, "--reason", "enough");
  await notifier.publish("news", { n: 1 });
  await following.until(/"n":1/);
  const { position } = await notifier.publish("news", { n: 2 });
  const [last] = await following.until(/.*"n":2.*/);
  expect(JSON.parse(last)).toEqual({
    channel: "news",
    ...position,
    time: expect.any(Number),
    data: { n: 2 },
  });
  const killed = performance.now();
  following.kill("SIGINT");
  const { code, at } = await following.exit;
  expect([code, at - killed < 5_000]).toEqual([0, true]);

  const { lines, ...cancelled } = await ended(cancelling);
  expect(cancelled.code).toBe(0);
  // The two streams may arrive in either order.
  expect(lines.sort()).toEqual([
    'Asked "run:1" to stop',
    "run:1 cancelled by the client: enough",
    "run:1 started",
  ]);
});

test("the command ends when the reader of its output is gone", async () => {
  const { notifier, address } = await site();
  await notifier.publish("news", "first");
  const args = [
    process.execPath,
    ...program(file),
    "tail",
    address("ann", "news"),
    "news",
    "--from",
    "start",
  ];
  // On some runtimes the reading end of a pipe is still open when its close is reported.
  const reader = "{ read -r line; exec 0<&-; echo closed; }";
  const shell = start("sh", ["-c", `{ "$@"; echo "code $?" >&2; } | ${reader}`, "sh", ...args]);
  onTestFinished(() => shell.destroy());
  await shell.until(/^closed$/m);
  await notifier.publish("news", "second");
  expect((await shell.exit).output).toBe("closed\ncode 0\n");
});

test("a wrong command line is explained, and help is printed, without a connection", async () => {
  const [wrong, help] = [tocsin("tail"), tocsin("--help")];
  const explained = "Cannot tail: give the address of a server\nTry tocsin --help\n";
  expect(await wrong.exit).toMatchObject({ code: 2, output: explained });
  expect(await help.exit).toMatchObject({ code: 0, output: usage });
});

test("a server that does not respond is reported, and SIGTERM ends the wait", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const waiting = tocsin("tail", address, "news");
  const [first] = (await once(server, "connection")) as [Socket];
  first.destroy();
  const [second] = (await once(server, "connection")) as [Socket];
  second.on("error", () => {});
  onTestFinished(() => void second.destroy());
  waiting.kill("SIGTERM");
  const { code, output } = await waiting.exit;
  expect(output.startsWith(`Cannot reach ${address}, trying again: `)).toBe(true);
  expect([code, output.trim().split("\n").length]).toEqual([0, 1]);
});

test("a wrong path is explained at once, and ends the command with code 1", async () => {
  const { direct } = await site();
  const address = `${direct}nowhere`;
  const { code, lines } = await ended(tocsin("tail", address, "news"));
  const why = "the server answered 404, so there are no notifications: look at its path";
  expect([code, lines.at(-1)]).toEqual([1, `Cannot connect to ${address}: ${why}`]);
});
