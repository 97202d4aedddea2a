import { describe, expect, test } from "vitest";
import { memoryLog } from "../../src/stores/memory.ts";
import { failuresIn } from "../support/suite-failures.ts";
import { type Fault, withFault } from "../support/wrong-logs.ts";
import { continues, wrongPlaces } from "../support/wrong-places.ts";

function failuresOf(fault: Fault): Promise<string[]> {
  return failuresIn(({ clock }) => withFault(memoryLog({ clock }), clock, fault), { patience: 500 });
}

const begun = "in the first place of a channel that has begun an append is refused, and changes nothing";
const anew =
  "in the first place a sealed channel whose entries are gone begins anew: another epoch, and nothing of before";
const seals = "in the last place an append seals its channel: later ones are refused, and change nothing";
const staysSealed = "a channel stays sealed when its entries are gone, each at its own time";
const states = "a channel's state is read with it, and the last one is what it is";
const last = "last keeps the newest entries, and changes nothing else";
const older =
  "older epochs that an epoch continues are read like the epoch itself, as far as it continues them";

/** The test that finds each faulty log. */
const caughtBy: Readonly<Record<keyof typeof wrongPlaces, string>> = {
  "begins a channel anew that is in use": begun,
  "begins a channel anew that is in use and has no entries": begun,
  "begins a channel anew that is sealed and has entries": seals,
  "never begins a channel anew": anew,
  "gives the first place to two at once": "only one of two appends in the first place is made",
  "refuses a repeat in the first place":
    "a channel that began anew does not when the same append is sent again",
  "appends what it refuses in the first place": begun,
  "refuses the first place with another error": begun,
  "does not seal": seals,
  "says that it is sealed, and is not": seals,
  "does not say that it is sealed": seals,
  "says that it is sealed only while it has entries": staysSealed,
  "opens a sealed channel once its entries are gone": staysSealed,
  "seals a channel a second time": seals,
  "refuses a sealed channel with another error": seals,
  "refuses a repeat in a sealed channel": "a repeat is answered in a sealed channel, whatever its place",
  "counts the number of an append that it refuses":
    "an append that a sealed channel refused does not count, and is refused again",
  "counts the key of an append that it refuses": begun,
  "has the state of before when it begins anew": anew,
  "is said to be sealed when it begins anew": anew,
  "has the keys of before when it begins anew": anew,
  "takes no notice of state": states,
  "keeps the first state that it was given": states,
  "forgets a state with the next append": states,
  "takes the state of an append that it does not make": "a repeat has no state",
  "forgets a state with the entries": "a channel's state is kept when its entries are gone",
  "has no state after a gap": states,
  "takes an empty state for none": states,
  "cuts a state": "a state of 4 096 characters of any script comes back unchanged",
  "takes no notice of last": last,
  "reads the earliest in place of the last": last,
  "overlooks a gap before the last": last,
  "does not read what it says that it continues": older,
  "reads more of an older epoch than it continues": older,
  "continues more of an older epoch than it has": older,
  "continues its own epoch": older,
  "continues the older of two epochs for longer": older,
};

describe.concurrent("logSuite fails a log that", () => {
  test.each(Object.entries(wrongPlaces))("%s", async (name, fault) => {
    expect(await failuresOf(fault)).toContain(caughtBy[name]);
  });
});

test("logSuite passes a log whose epochs continue an older one", async () => {
  expect(await failuresOf(continues)).toEqual([]);
});
