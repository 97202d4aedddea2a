import { expect, test } from "vitest";
import { Writers } from "../../../src/engine/log/writers.ts";
import { fakeClock } from "../../../src/testing.ts";

function make() {
  const clock = fakeClock();
  return { clock, writers: new Writers(clock) };
}

test("the appends to a channel are numbered from 1, without holes, by one writer", () => {
  const { writers } = make();
  const [one, other, two] = [writers.next("a"), writers.next("b"), writers.next("a")];
  expect([one.n, two.n, other.n]).toEqual([1, 2, 1]);
  expect(two.by).toBe(one.by);
  expect(other.by).not.toBe(one.by);
});

test("two processes never have the same writer name", () => {
  expect(make().writers.next("a").by).not.toBe(make().writers.next("a").by);
});

test("after an append with an unknown outcome the writer takes another name", () => {
  const { writers } = make();
  const { by } = writers.next("a");
  writers.abandon("a");
  const next = writers.next("a");
  expect(next.n).toBe(1);
  expect(next.by).not.toBe(by);
});

test("a writer that was idle for five minutes takes another name, long before a log may forget the old one", async () => {
  const { clock, writers } = make();
  const { by } = writers.next("a");
  await clock.advance(299_999);
  expect(writers.next("a")).toEqual({ by, n: 2 });
  await clock.advance(300_000);
  const next = writers.next("a");
  expect(next.n).toBe(1);
  expect(next.by).not.toBe(by);
});
