import { expect, test } from "vitest";
import type { LiveSession } from "../../../src/engine/sessions/session.ts";
import { SessionIndex } from "../../../src/engine/sessions/session-index.ts";

function session(identity: string): LiveSession {
  return { identity } as LiveSession;
}

test("sessions are found by their user, the oldest first, until they are removed", () => {
  const roster = new SessionIndex();
  const [one, two, three, other] = [session("ann"), session("ann"), session("ann"), session("bob")];
  for (const each of [one, two, three, other]) roster.add(each);
  expect([...roster.of("ann")]).toEqual([one, two, three]);
  expect([...roster.of("bob")]).toEqual([other]);
  expect([roster.size, ...roster]).toEqual([4, one, two, three, other]);
  roster.delete(two);
  expect([...roster.of("ann")]).toEqual([one, three]);
  expect([roster.size, ...roster]).toEqual([3, one, three, other]);
  for (const each of [one, three, other]) roster.delete(each);
  expect([roster.size, ...roster]).toEqual([0]);
  expect([[...roster.of("ann")], [...roster.of("bob")], [...roster.of("")]]).toEqual([[], [], []]);
});

test("removing a session that is not there changes nothing", () => {
  const roster = new SessionIndex();
  const ann = session("ann");
  roster.add(ann);
  roster.delete(session("ann"));
  roster.delete(session("bob"));
  expect([roster.size, ...roster.of("ann")]).toEqual([1, ann]);
});

test("a user's sessions are found without a look at any other; for an empty user all sessions are returned", () => {
  const roster = new SessionIndex();
  const [ann, bob] = [session("ann"), session("bob")];
  for (const each of [ann, bob]) roster.add(each);
  expect([...roster.ofUser("ann")]).toEqual([ann]);
  expect([...roster.ofUser("carl")]).toEqual([]);
  expect([...roster.ofUser("")]).toEqual([ann, bob]);
});
