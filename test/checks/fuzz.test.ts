import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { fateOf } from "../fuzz/fate.ts";
import { fuzz } from "../fuzz/fuzz.ts";
import { play } from "../fuzz/play.ts";
import { fuzzProtobuf } from "../fuzz/protobuf.ts";
import { finish, fuzzWire, target } from "../fuzz/wire.ts";
import { program, runtime } from "../support/runtime.ts";

/** Each run plays the same schedules, and each runtime other ones. `npm run fuzz -- --runs 1000000` plays more. */
const seed = { node: 1, bun: 2, deno: 3 }[runtime];

test(`a notifier answers any message of three peers as the protocol requires, or closes only the sender (seed ${seed})`, async () => {
  expect(await fuzz({ seed, schedules: 60 })).toBeGreaterThan(500);
});

test(`a notifier answers any frames of Protobuf, or closes only the sender (seed ${seed})`, async () => {
  expect(await fuzzProtobuf({ seed, runs: 60 })).toBeGreaterThan(500);
});

test(`a server of ${runtime} answers any bytes as the protocol requires, and ends by itself (seed ${seed})`, async () => {
  const file = fileURLToPath(new URL("../fuzz/fuzz-server.ts", import.meta.url));
  const server = await target(process.execPath, program(file));
  onTestFinished(() => server.program.destroy());
  expect(await fuzzWire(server, { seed, connections: 60 })).toBeGreaterThan(500);
  expect(await finish(server)).toEqual([]);
});

/** Messages that once caused a fault. */
const found: [what: string, messages: (string | Uint8Array)[]][] = [
  [
    "an unsubscribe from an object without a text",
    ['{"id":2,"unsubscribe":{"channel":{"toString":1,"valueOf":1}}}', '{"id":3,"ping":{}}'],
  ],
];

test.each(found)("%s breaks no rule", async (_, messages) => {
  await expect(play(messages.map((message) => ({ does: "say", who: 0, message })))).resolves.toBeUndefined();
});

const greeted = { user: "ann", greeted: true, refreshes: true };

test.each<[string, string | Uint8Array, number | undefined]>([
  ["a command", '{"id":2,"ping":{}}', undefined],
  ["an unknown command", '{"id":2}', undefined],
  ["bytes", Uint8Array.of(1), 3501],
  ["nothing", "\n", 3501],
  ["no JSON", "{", 3501],
  ["no id", '{"ping":{}}', 3501],
  ["a pong", "{}", 3501],
  ["a second connect", '{"id":2,"ping":{}}\n{"id":3,"connect":{}}', 3501],
  ["a bad token", '{"id":2,"refresh":{"token":"bad"}}\n{"id":3,"connect":{}}', 3500],
  ["too much", "x".repeat(65_537), 1009],
  ["too many", '{"id":2,"rpc":{}}\n'.repeat(2_001), 3013],
  ["many pings", '{"id":2,"ping":{}}\n'.repeat(2_001), undefined],
])("the fuzzer predicts the close code of a peer that sends %s", (_, message, close) => {
  expect(fateOf(message, greeted).close).toBe(close);
});
