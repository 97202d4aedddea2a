import { expect, test } from "vitest";
import { resolveSettings } from "../../../src/engine/core/settings.ts";
import { limitsOfObject, objectWindow } from "../../../src/hosts/cloudflare/limits.ts";
import { page } from "../../support/pages.ts";

test("the table of limits of an object has every one, with its default there and elsewhere", () => {
  const { text } = page("docs/cloudflare.md");
  const number = (written: string): number => Number(written.replaceAll(" ", ""));
  const rows = [...text.matchAll(/^\| `(\w+)` \| ([\d ]+) \| ([\d ]+) \|$/gm)].map(
    ([, name = "", here = "", elsewhere = ""]) => [name, [number(here), number(elsewhere)]] as const,
  );
  const settings = resolveSettings({});
  const elsewhere: Record<string, number> = { ...settings.limits, window: settings.window };
  const here = Object.entries({ ...limitsOfObject(), window: objectWindow });
  expect(Object.fromEntries(rows)).toEqual(
    Object.fromEntries(here.map(([name, limit]) => [name, [limit, elsewhere[name]]])),
  );
});

test("a limit that is given replaces the one of an object, unless it is undefined", () => {
  expect(limitsOfObject({ sessions: 5, rate: 7, channels: undefined } as object)).toEqual({
    ...limitsOfObject(),
    sessions: 5,
    rate: 7,
  });
});

test("where more subscriptions need longer commands, more of them may wait", () => {
  expect(limitsOfObject().commandTotalChars).toBe(2_097_152);
  expect(limitsOfObject({ subscriptions: 5_000 }).commandTotalChars).toBe(2 * (4_096 + 5_000 * 965));
  expect(limitsOfObject({ commandTotalChars: 3_000_000 }).commandTotalChars).toBe(3_000_000);
});

test("limits that contradict each other throw, and so does one that there is not", () => {
  expect(() => limitsOfObject({ burst: 100 })).toThrow(RangeError);
  expect(() => limitsOfObject({ session: 1 } as object)).toThrow("Cannot use limits.session");
});
