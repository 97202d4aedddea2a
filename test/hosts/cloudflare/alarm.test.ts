import { expect, test } from "vitest";
import { Alarm } from "../../../src/hosts/cloudflare/alarm.ts";
import type { ObjectStorage } from "../../../src/hosts/cloudflare/platform.ts";
import type { SqlPort } from "../../../src/stores/sqlite/database.ts";

/** A time as users give it. */
const base = Date.UTC(2030, 0);

/** The storage of an object, with its alarm and a table of times. It counts what is written. */
function storage(alarm: number | null = null) {
  const calls: string[] = [];
  let times: number[] = [];
  let failure: Error | undefined;
  const answer = async (call: string): Promise<void> => {
    calls.push(call);
    if (failure !== undefined) throw failure;
  };
  const rows = (query: string, ...[time]: unknown[]) => {
    if (query.startsWith("INSERT")) times.push(time as number);
    if (query.startsWith("DELETE")) times = times.filter((each) => each > (time as number));
    const least = times.length > 0 ? Math.min(...times) : null;
    return query.startsWith("SELECT") ? [{ time: least }] : [];
  };
  const kept = {
    getAlarm: async () => alarm,
    setAlarm: (time: number) => {
      alarm = time;
      return answer(`set ${time}`);
    },
    deleteAlarm: () => {
      alarm = null;
      return answer("delete");
    },
  } as unknown as ObjectStorage;
  return {
    kept,
    port: { rows } as unknown as SqlPort,
    calls,
    fail: (error?: Error): void => {
      failure = error;
    },
  };
}

const noErrors = (error: unknown): void => {
  throw error;
};

test("it is set for the earliest only, and not again for a later one", async () => {
  const { kept, port, calls } = storage();
  const alarm = new Alarm(kept, port, noErrors);
  alarm.wakeBy(500);
  alarm.wakeBy(900);
  await alarm.settle(700);
  alarm.wakeBy(300);
  expect(calls).toEqual(["set 500", "set 300"]);
});

test("a life that wants to wake later than the life before leaves its alarm", async () => {
  const { kept, port, calls } = storage(500);
  await new Alarm(kept, port, noErrors).settle(900);
  expect(calls).toEqual([]);
});

test("when nothing is waited for, it is deleted, once", async () => {
  const { kept, port, calls } = storage(500);
  const alarm = new Alarm(kept, port, noErrors);
  await alarm.settle(Infinity);
  await alarm.settle(Infinity);
  expect(calls).toEqual(["delete"]);
});

test("after it has rung, it is set again", async () => {
  const { kept, port, calls } = storage(500);
  const alarm = new Alarm(kept, port, noErrors);
  alarm.rang(500);
  await alarm.settle(900);
  expect(calls).toEqual(["set 900"]);
});

test("a time that the user asks for is kept across lives, until it has come", async () => {
  const { kept, port, calls } = storage();
  new Alarm(kept, port, noErrors).ask(base + 500);
  const next = new Alarm(kept, port, noErrors);
  next.wakeBy(base + 400);
  next.rang(base + 400);
  await next.settle(Infinity);
  expect(calls).toEqual([`set ${base + 500}`, `set ${base + 400}`, `set ${base + 500}`]);
  next.ask(base + 450);
  next.rang(base + 450);
  await next.settle(Infinity);
  expect(calls.slice(3)).toEqual([`set ${base + 450}`, `set ${base + 500}`]);
  next.rang(base + 500);
  await next.settle(Infinity);
  expect(calls.slice(5)).toEqual([]);
});

test("a time is rounded up to a whole millisecond", () => {
  const { kept, port, calls } = storage();
  new Alarm(kept, port, noErrors).ask(base + 0.2);
  expect(calls).toEqual([`set ${base + 1}`]);
});

test.each([0, -1, base / 1_000, NaN, Infinity, Date.UTC(2189, 0), "2030-01-01", undefined])(
  "%s is no time to be woken at, and changes nothing",
  async (time) => {
    const { kept, port, calls } = storage();
    const alarm = new Alarm(kept, port, noErrors);
    const message = `Cannot wake at "${String(time)}": give milliseconds since the Unix epoch, before the year 2189`;
    expect(() => alarm.ask(time as number)).toThrow(new RangeError(message));
    await alarm.settle(Infinity);
    expect(calls).toEqual([]);
  },
);

test("one that is set while the stored one is looked up counts", async () => {
  const { kept, port, calls } = storage(900);
  const alarm = new Alarm(kept, port, noErrors);
  const settling = alarm.settle(800);
  alarm.wakeBy(300);
  await settling;
  expect(calls).toEqual(["set 300"]);
});

test("it is left to the next life once this one has ended, also in the middle of a look", async () => {
  const { kept, port, calls } = storage(500);
  const alarm = new Alarm(kept, port, noErrors);
  const settling = alarm.settle(Infinity);
  alarm.end();
  await settling;
  alarm.wakeBy(100);
  await alarm.settle(Infinity);
  expect(calls).toEqual([]);
});

test("a failure of the storage is reported, and the alarm is set again later", async () => {
  const { kept, port, calls, fail } = storage();
  const errors: unknown[] = [];
  const alarm = new Alarm(kept, port, (error) => errors.push(error));
  const failure = new Error("no storage");
  fail(failure);
  alarm.wakeBy(500);
  await Promise.resolve();
  await Promise.resolve();
  expect(errors).toEqual([failure]);
  fail();
  alarm.wakeBy(500);
  expect(calls).toEqual(["set 500", "set 500"]);
});

test("a failure to look, or to delete, is reported; then it is looked up again", async () => {
  const { kept, port, calls, fail } = storage(500);
  const errors: unknown[] = [];
  const alarm = new Alarm(kept, port, (error) => errors.push(error));
  const failure = new Error("no storage");
  fail(failure);
  await alarm.settle(Infinity);
  const { getAlarm } = kept;
  kept.getAlarm = async () => {
    throw failure;
  };
  await alarm.settle(Infinity);
  expect([errors, calls]).toEqual([[failure, failure], ["delete"]]);
  fail();
  kept.getAlarm = getAlarm;
  await alarm.settle(700);
  expect(calls).toEqual(["delete", "set 700"]);
});
