import { describe, expect, test } from "vitest";
import type { Limits } from "../../../src/engine/core/limits.ts";
import { resolveSettings } from "../../../src/engine/core/settings.ts";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { wire } from "../../support/wire.ts";

const refusal = (limits: Partial<Limits>): string => {
  try {
    createNotifier({ limits });
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "fine";
};

describe("limits", () => {
  test("that are not given follow from the limits of subscriptions and names", () => {
    const of = (given: Partial<Limits>): unknown => {
      const { message, commandChars, commands, burst } = resolveSettings({ limits: given }).limits;
      return { message, commandChars, commands, burst };
    };
    const usual = { message: 1_048_576, commandChars: 1_048_576, commands: 2_000, burst: 2_000 };
    expect(of({})).toEqual(usual);
    expect(of({ subscriptions: 10 })).toEqual(usual);
    expect(of({ subscriptions: 5_000 })).toEqual({
      message: 4_096 + 5_000 * 965,
      commandChars: 4_096 + 5_000 * 965,
      commands: 10_000,
      burst: 10_000,
    });
    expect(of({ channel: 1_000 })).toMatchObject({ message: 4_096 + 1_000 * 3_200 });
    expect(of({ message: 2_000_000 })).toMatchObject({ commandChars: 2_000_000 });
    const { commandTotalChars } = resolveSettings({}).limits;
    expect(commandTotalChars).toBe(67_108_864);
    expect(resolveSettings({ limits: { commandChars: 67_108_864 } }).limits.commandTotalChars).toBe(
      134_217_728,
    );
    expect(of({ message: undefined, subscriptions: undefined } as never)).toEqual(usual);
  });

  test.each<[Partial<Limits>, string]>([
    [
      { message: 65_536 },
      'Cannot use limits.message "65536": a client comes back with 1000 subscriptions at once, in up to 969096 bytes; ' +
        'write at least that, or limits.subscriptions "63"',
    ],
    [
      { message: 100, subscriptions: 1 },
      'Cannot use limits.message "100": a client comes back with 1 subscriptions at once, in up to 5061 bytes; ' +
        "write at least that",
    ],
    [
      { message: 67_108_865 },
      'Cannot use limits.message "67108865": it is too large, and 67108864 is the most that every runtime takes',
    ],
    [
      { subscriptions: 100_000 },
      'Cannot use limits.subscriptions "100000": coming back with them takes up to 96504096 bytes, and 67108864 is the ' +
        "most that every runtime takes",
    ],
    [
      { commandChars: 100_000 },
      'Cannot use limits.commandChars "100000": one message may have as many; write at least limits.message "1048576"',
    ],
    [
      { commandTotalChars: 2_097_151 },
      'Cannot use limits.commandTotalChars "2097151": one session may have half of them; write at least twice ' +
        'limits.commandChars "1048576"',
    ],
    [
      { commands: 1_000 },
      'Cannot use limits.commands "1000": a client comes back with 1000 subscriptions at once, and connects before; ' +
        'write at least "1001", or limits.subscriptions "999"',
    ],
    [
      { burst: 1 },
      'Cannot use limits.burst "1": a client comes back with 1000 subscriptions at once, and connects before; ' +
        'write at least "1001"',
    ],
  ])("%j is refused together with the others", (limits, message) => {
    expect(refusal(limits)).toBe(`RangeError: ${message}`);
  });

  test("that are just large enough are accepted", () => {
    expect(refusal({ message: 5_061, subscriptions: 1, commands: 2, burst: 2, commandChars: 5_061 })).toBe(
      "fine",
    );
    expect(refusal({ message: 5_060, subscriptions: 1 })).not.toBe("fine");
    expect(refusal({ message: 67_108_864 })).toBe("fine");
  });

  const names = Object.keys(resolveSettings({}).limits) as (keyof Limits)[];
  const finite = ["message", "commandChars", "commands", "rate", "burst", "subscriptions", "channel"];
  test.each(names)("%s is a whole number of at least 1", (name) => {
    const none = `RangeError: Cannot use limits.${name} "Infinity": it is no whole number of at least 1`;
    expect(refusal({ [name]: Number.POSITIVE_INFINITY })).toBe(finite.includes(name) ? none : "fine");
    for (const value of [Number.NEGATIVE_INFINITY, Number.NaN, 0.5, 1.5, 0, -1, 2 ** 53, "1", null])
      expect(refusal({ [name]: value })).toBe(
        `RangeError: Cannot use limits.${name} "${String(value)}": it is no whole number of at least 1`,
      );
  });
});

test("with every possible limit set to infinity everything works, and closing leaves nothing", async () => {
  const { message, commandChars, commands, rate, burst, subscriptions, channel, ...others } = resolveSettings(
    {},
  ).limits;
  const limits = Object.fromEntries(Object.keys(others).map((name) => [name, Number.POSITIVE_INFINITY]));
  const here = wire({ limits, rpc: { echo: async (_, { data }) => data } });
  const client = here.client({ peer: { user: "ann", authorize: async () => true } });
  await client.connect();
  await client.call("subscribe", { channel: "news" });
  const receipt = await here.notifier.publish("news", 1, { confirm: true, idempotencyKey: "once" });
  await here.clock.settle();
  expect(await receipt.delivered()).toMatchObject({ level: "read" });
  expect(await client.call("rpc", { method: "echo", data: 7 })).toMatchObject({ rpc: { data: 7 } });
  for (const reverse of [false, true])
    expect(await client.call("history", { channel: "news", limit: -1, reverse })).toMatchObject({
      history: { publications: [{ data: 1 }] },
    });
  const run = here.notifier.run(async () => 1);
  expect(await run.result()).toBe(1);
  await here.clock.advance(60_000);
  expect([message, commandChars, commands, rate, burst, subscriptions, channel].every(Number.isFinite)).toBe(
    true,
  );
});

describe("other numbers", () => {
  test.each(["heartbeat", "window"])("%s is a whole number of at least 1", (name) => {
    for (const value of [Number.POSITIVE_INFINITY, Number.NaN, 0.5, 1_000.5, 0, -1, 2 ** 53, "1"])
      expect(() => createNotifier({ [name]: value })).toThrow(
        new RegExp(`^Cannot use ${name} "${value}": it is no whole number from 1 to \\d+$`),
      );
  });

  test("the longest heartbeat fits into clients' timers, with the 10 s that they wait for longer", async () => {
    expect(() => createNotifier({ heartbeat: 2_147_473_001 })).toThrow(RangeError);
    const here = wire({ heartbeat: 2_147_473_000 });
    const { ping } = (await here.client().connect()) as { ping: number };
    expect((ping + 10) * 1_000).toBeLessThan(2 ** 31);
  });

  test("with the largest window the totals can still be written as JSON", async () => {
    const here = wire({ window: Number.MAX_SAFE_INTEGER });
    await here.client().connect();
    const { bytes } = here.notifier.totals();
    expect(JSON.parse(JSON.stringify(bytes))).toEqual(bytes);
    expect(bytes.windows).toBeGreaterThan(0);
  });
});

test.each(["ack", "run.cancel"])(
  "a user's own rpc method %s is a TypeError, because it would never be called",
  (name) => {
    expect(() => createNotifier({ rpc: { [name]: () => 1 } })).toThrow(
      new TypeError(`Cannot use rpc method "${name}": it is one of tocsin's own, so name yours otherwise`),
    );
    expect(() => createNotifier({ rpc: { [`my.${name}`]: () => 1 } })).not.toThrow();
  },
);
