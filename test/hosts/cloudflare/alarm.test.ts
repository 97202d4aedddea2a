import { expect, test } from "vitest";
import { Alarm } from "../../../src/hosts/cloudflare/alarm.ts";
import type { ObjectStorage } from "../../../src/hosts/cloudflare/platform.ts";
import type { SqlPort } from "../../../src/stores/sqlite/database.ts";

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
  const far = Date.now() + 1_000_000;
  const { kept, port, calls } = storage();
  new Alarm(kept, port, noErrors).ask(far);
  const next = new Alarm(kept, port, noErrors);
  next.wakeBy(far - 1);
  next.rang(Date.now());
  await next.settle(Infinity);
  expect(calls).toEqual([`set ${far}`, `set ${far - 1}`, `set ${far}`]);
  const past = Date.now() - 1;
  next.ask(past);
  next.rang(Date.now());
  await next.settle(Infinity);
  expect(calls.slice(3)).toEqual([`set ${past}`, `set ${far}`]);
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
