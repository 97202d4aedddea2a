import { describe, expect, test } from "vitest";
import type { Log } from "../../src/model/log.ts";
import { type FakeClock, type NodeLog, sharedLog } from "../../src/testing.ts";
import { failuresIn } from "../support/suite-failures.ts";
import { type NodeFault, type NodeWorld, withNodeFault, wrongNodes } from "../support/wrong-nodes.ts";

/** Runs the suite. The logs of one test have the same clock, and get the same store. */
function failuresOf(fault: NodeFault): Promise<string[]> {
  const worlds = new WeakMap<FakeClock, NodeWorld>();
  const wiped = new WeakMap<Log, NodeWorld>();
  return failuresIn(
    ({ clock }) => {
      const world = worlds.get(clock) ?? { shared: sharedLog({ clock }), members: [], memberships: [] };
      worlds.set(clock, world);
      const log = withNodeFault(world, fault);
      wiped.set(log, world);
      return log;
    },
    {
      patience: 500,
      wipe: (log) => wiped.get(log)?.shared.wipe(),
      async lose(log, clock) {
        (log as NodeLog).cut();
        await clock.advance(60_000);
        (log as NodeLog).heal();
      },
    },
  );
}

const known = "each member knows all that are there, and none that has left";
const heir = "what a member that left has held goes to one of the others, and when that leaves to the next";
const again = "a record that is held again is inherited, with the channel and position it is given";
const stays = "a record that is held stays as it is when somebody holds it again";
const origin = "an entry keeps the id of the member that wants to hear of it, and so does a wake";
const repeats = "a key that one member used, and a number that it sent, are known to the others";
const wiped = "members are told that the store was wiped, are there again, and hold again what they held";
const lost = "a member that is taken for gone is told so once, may join again under another id, and works on";

/** The test that finds each faulty log. */
const caughtBy: Readonly<Record<keyof typeof wrongNodes, string>> = {
  "says that each member is alone": known,
  "says that members are there which have left": known,
  "gives everybody what one member has left": heir,
  "divides what a member has left": heir,
  "gives what was left to nobody who is there": heir,
  "does not hold on what was inherited by somebody who is there": heir,
  "gives a new member what others hold":
    "a member that is there inherits nothing from itself, and nothing that others hold",
  "takes no notice of a record that is held again": again,
  "holds a record again without its position": again,
  "holds a record again in the channel that it held last": again,
  "changes the position of a record that is held again": stays,
  "takes a record from the member that holds it": stays,
  "releases what another member holds": "a member releases nothing that another one holds",
  "gives each node channels of its own":
    "appends of several members stand in one order, which all of them read",
  "wakes only those who watch with the log that appends":
    "an append of one member wakes those who watch with the others",
  "forgets who wants to hear of an entry": origin,
  "wakes without saying who wants to hear of an entry": origin,
  "takes no notice of the epoch of an append":
    "an append that names another epoch is refused, and is not made",
  "begins a channel once for each node": "a channel is begun by one member, and sealed for all",
  "remembers keys for each node": repeats,
  "remembers writers for each node": repeats,
  "tells nobody that it was wiped": wiped,
  "forgets its members when it is wiped": wiped,
  "tells nobody that it is lost": lost,
  "gives a member that was lost its id again": lost,
  "refuses a member that was lost for ever": lost,
  "takes what a member sends that is lost": lost,
};

describe.concurrent("logSuite fails a log with several members that", () => {
  test.each(Object.entries(wrongNodes))("%s", async (name, fault) => {
    expect(await failuresOf(fault)).toContain(caughtBy[name]);
  });
});

test("logSuite passes a log with which several members work", async () => {
  expect(await failuresOf(() => ({}))).toEqual([]);
});
