import { describe, expect, test } from "vitest";
import { createStore, gatheringLog, type Store } from "../support/gathering-log.ts";
import { failuresIn } from "../support/suite-failures.ts";
import { type StoreFault, withStoreFault, wrongMembers } from "../support/wrong-members.ts";

/** Runs the suite. The logs of one test have the same clock, and get the same store. */
function failuresOf(fault: StoreFault): Promise<string[]> {
  const stores = new WeakMap<object, Store>();
  return failuresIn(
    ({ clock }) => {
      const store = stores.get(clock) ?? createStore();
      stores.set(clock, store);
      return withStoreFault(gatheringLog(store, clock), store, fault);
    },
    { patience: 500 },
  );
}

const hidden = "what was appended neither is read nor wakes before it is committed";
const disposed = "what was never committed is not in a log that is made again";
const inherited = "what a member that left has held is inherited, with its channel and position";
const uncommitted = "what was held or released and never committed is as it was before";
const refused = "an append that is refused, aborted or a repeat holds nothing";
const released = "what was released is not inherited";
const waiting = "a wait to join ends with the reason of its signal, or comes too late";

/** The test that finds each faulty log. */
const caughtBy: Readonly<Record<keyof typeof wrongMembers, string>> = {
  "commits with every append": hidden,
  "commits with every read": hidden,
  "wakes before the commit": hidden,
  "never wakes": hidden,
  "wakes one of the channels that a commit writes": "every channel that a commit writes to wakes",
  "returns a promise from append": "offsets rise by one from 1, in one epoch",
  "drops what a commit writes besides the first append of a channel":
    "a commit writes everything, in every channel, at the positions that were returned",
  "leaves out what is gathered during a commit":
    "a commit that begins while another is under way writes what was gathered until then",
  "commits nothing": "a commit writes everything, in every channel, at the positions that were returned",
  "writes what was gathered when it is disposed": disposed,
  "loses a part of what was written when it is disposed":
    "what was committed at once is in a log that is made again, all of it or nothing",
  "commits when it is disposed": "a disposed log rejects a commit with a ClosedError",
  "takes no notice of hold": inherited,
  "holds before the commit": uncommitted,
  "holds the record of an append that was made before": refused,
  "holds the record of an append that it refuses": refused,
  "takes no notice of release": released,
  "releases before the commit": uncommitted,
  "refuses to release what is not held": released,
  "inherits without a position": inherited,
  "inherits the name of a channel in another form": inherited,
  "inherits one record of a channel": inherited,
  "does not hold on what was inherited": "what was inherited is held on, unless it is released",
  "forgets records with their entries":
    "a record is held when its entry is gone, and its channel has begun anew",
  "gives all members one name": "each member has a name of its own",
  "tells a member that leaves that it is lost":
    "a member that leaves, even twice, is not told that it is lost",
  "takes no notice of the signal of a join": waiting,
  "lets nobody join after one that gave up": waiting,
  "can be joined when it is disposed": "a disposed log rejects a join with a ClosedError",
};

describe.concurrent("logSuite fails a log that", () => {
  test.each(Object.entries(wrongMembers))("%s", async (name, fault) => {
    expect(await failuresOf(fault)).toContain(caughtBy[name]);
  });
});

test("logSuite passes a log that gathers what it writes, and has one member at a time", async () => {
  expect(await failuresOf(() => ({}))).toEqual([]);
});
