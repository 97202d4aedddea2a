import { describe, expect, test } from "vitest";
import { upgradeWebSocket as onBun } from "../../../src/bun.ts";
import { upgradeWebSocket as onDeno } from "../../../src/deno.ts";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { upgradeWebSocket as onNode } from "../../../src/node.ts";
import { memoryLog } from "../../../src/stores/memory.ts";

/** Calls that are refused at once, with messages that name what to pass instead. */
const wrong: [what: string, act: () => unknown, message: string][] = [
  [
    "disconnect with only a user's name",
    () => createNotifier().disconnect("ann" as never),
    'Cannot disconnect "ann": give { user } or { session }, with a string',
  ],
  [
    "disconnect with neither a user nor a session",
    () => createNotifier().disconnect({ user: undefined } as never),
    'Cannot disconnect "[object Object]": give { user } or { session }, with a string',
  ],
  [
    "unsubscribe with only a channel",
    () => createNotifier().unsubscribe("news" as never, undefined as never),
    'Cannot unsubscribe "news" from "undefined": give a user and a channel',
  ],
  [
    "an unknown limit",
    () => createNotifier({ limits: { session: 100 } as never }),
    "Cannot use limits.session: there is no such limit",
  ],
  [
    "an rpc method that is not a function",
    () => createNotifier({ rpc: { sum: 5 } as never }),
    'Cannot use rpc method "sum": give a function',
  ],
  [
    "the function memoryLog in place of a log",
    () => createNotifier({ log: memoryLog as never }),
    "Cannot use log: give a log, such as memoryLog()",
  ],
  [
    "a controller in place of its signal",
    () => createNotifier({ signal: new AbortController() as never }),
    "Cannot use signal: give an AbortSignal, such as controller.signal",
  ],
  [
    "a channel in place of a list of channels",
    () => createNotifier().accept({ send() {}, close() {} }, { user: "ann", channels: "news" as never }),
    'Cannot accept a peer: give its channels as a list, not "news"',
  ],
  [
    "an expiry in seconds",
    () => createNotifier().accept({ send() {}, close() {} }, { user: "ann", expires: 1_767_225_600 }),
    'Cannot accept a peer: expires is in milliseconds since the Unix epoch, and "1767225600" looks like seconds',
  ],
];

test.each(wrong)("%s", async (_, act, message) => {
  await expect(async () => act()).rejects.toThrow(message);
});

const upgrades = Object.entries({ onNode, onBun, onDeno }) as [string, (given: never) => unknown][];

describe.each(upgrades)("upgradeWebSocket %s", (_, upgradeWebSocket) => {
  test.each([createNotifier(), undefined, { onMessage() {} }])("refuses %o at once", (given) => {
    expect(() => upgradeWebSocket(given as never)).toThrow(
      new TypeError(
        "Cannot upgrade: give what makes the handlers, upgradeWebSocket(notifications(notifier))",
      ),
    );
  });
});

test("a session may be passed beside a user that is undefined", () => {
  const closed: number[] = [];
  const notifier = createNotifier({ heartbeat: 1_000_000 });
  const { id } = notifier.accept({ send() {}, close: (code) => void closed.push(code) }, { user: "ann" });
  notifier.disconnect({ user: "bob", session: undefined } as never);
  expect(closed).toEqual([]);
  notifier.disconnect({ user: undefined, session: id } as never);
  expect(closed).toEqual([3503]);
  return notifier.close({ grace: 0 });
});
