import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import type { Log } from "../../src/model/log.ts";
import { memoryLog } from "../../src/stores/memory.ts";
import { fakeClock, type LogSuiteOptions } from "../../src/testing.ts";
import { failuresIn } from "../support/suite-failures.ts";
import { type Fault, wipeable, withFault, wrongLogs } from "../support/wrong-logs.ts";

/** Milliseconds. Most faults show as something that never comes. */
const patience = 500;

/** Runs the suite, with all tests at once, and returns the names of those that failed. */
async function failuresOf(fault: Fault): Promise<string[]> {
  return failuresIn(({ clock }) => withFault(memoryLog({ clock }), clock, fault), { patience });
}

const everyWake = "every append wakes, from the moment a watch is there";
const everyWatch = "every watch of a channel wakes, and one that throws harms nobody";
const eachChannel = "appends to several channels at once wake those who watch each";
const begun = "in the first place of a channel that has begun an append is refused, and changes nothing";
const anew =
  "in the first place a sealed channel whose entries are gone begins anew: another epoch, and nothing of before";
const staysSealed = "a channel stays sealed when its entries are gone, each at its own time";
const againAndAgain = "a channel may be sealed and begin anew again and again, each time in another epoch";
const statesOfEmpty = [
  "a channel's state is kept when its entries are gone",
  "a channel that begins anew has the state of its first append, or none",
] as const;
const wakesOn = "a watch wakes on when its channel begins anew";
/** Tests that also check for gaps. */
const gaps = [
  "an entry goes when its ttl is over, each at its own time, and not before",
  "what is beyond size is gone after 10 s, and not before",
  "no position comes twice, however long a channel is forgotten",
  "no position comes twice in a log that is made again",
  anew,
];

/** The test that finds each faulty log. */
const caughtBy: Readonly<Record<keyof typeof wrongLogs, string>> = {
  "has no ttl": "an entry goes when its ttl is over, each at its own time, and not before",
  "lets go before the ttl is over":
    "an entry goes when its ttl is over, each at its own time, and not before",
  "leaves a hole in what it reads": "a thousand entries are read whole, and in parts from the earliest on",
  "reads in another order": "a thousand entries are read whole, and in parts from the earliest on",
  "reads entries beyond top": "reads among appends are whole: nothing missing, out of order or beyond top",
  "reads the newest in place of the earliest beyond 256 entries":
    "a thousand entries are read whole, and in parts from the earliest on",
  "takes no notice of the limit": "a limit keeps the earliest entries, and changes nothing else",
  "counts its epochs from 1 whenever it is made": "no position comes twice in a log that is made again",
  "has the epoch of before once a channel was forgotten":
    "no position comes twice, however long a channel is forgotten",
  "has a few epochs, in turn": "no position comes twice in a log that is made again",
  "swallows a wake when another channel was appended to in the same turn":
    "appends to several channels at once wake those who watch each",
  "forgets the epoch of a channel that is watched":
    "a watched channel is remembered without entries, whatever else is used",
  "forgets the epoch of a channel once one of two watches was disposed":
    "a watched channel is remembered without entries, whatever else is used",
  "rejects an append after it was done": "an append that rejects was not made",
  "rejects an append after it was done, and appends it again":
    "an append that rejects and is sent again with the same once is made once",
  "skips an offset when it trims": "offsets go on without a jump when entries are trimmed",
  "takes no notice of once": "a writer's last append, sent again, answers its position and appends nothing",
  "takes any number of a writer for a new append":
    "a writer's number that is neither its last nor the next is refused, and may be tried again",
  "refuses a writer that it has forgotten": "a writer that is not known begins where it says",
  "answers a repeat with the top":
    "a writer's last append, sent again, answers its position and appends nothing",
  "takes no notice of key": "a key that was used answers the first position, and appends nothing",
  "forgets a key with its entry": "once and key are known when the entry was trimmed",
  "never forgets a key": "a key counts until its ttl is over",
  "takes no notice of place": begun,
  "begins anew in the same epoch": anew,
  "begins anew again when that is repeated":
    "a channel that began anew does not when the same append is sent again",
  "does not wake when a channel begins anew": "a watch wakes on when its channel begins anew",
  "has no slack": "what is beyond size and bytes is kept while it is young and fits into slack",
  "has slack without an end": "what is beyond size and bytes takes no more than slack",
  "keeps for ever what is in slack": "what is beyond size is gone after 10 s, and not before",
  "says that it keeps something else": "a log that says how much it keeps says what the last append set",
};

describe.concurrent("logSuite fails a log that", () => {
  test.each(Object.entries(wrongLogs))("%s", async (name, fault) => {
    expect(await failuresOf(fault)).toContain(caughtBy[name]);
  });
});

describe("a store that can be wiped", () => {
  async function failuresOfWipeable(fault?: Fault): Promise<string[]> {
    const wipes = new WeakMap<Log, () => void>();
    const make = ({ clock }: LogSuiteOptions): Log => {
      const { log, wipe } = wipeable(clock, fault);
      wipes.set(log, wipe);
      return log;
    };
    return failuresIn(make, { wipe: (log) => wipes.get(log)?.() });
  }

  test("passes where the store then has new epochs", async () => {
    expect(await failuresOfWipeable()).toEqual([]);
  });

  test("fails where the store has the old epochs again", async () => {
    expect(await failuresOfWipeable(wrongLogs["counts its epochs from 1 whenever it is made"])).toEqual([
      "no position comes twice in a log that is made again",
      "no position comes twice after the store was wiped",
    ]);
  });
});

test("a slow log passes, in order", async () => {
  const make = (): Log => {
    const log = memoryLog();
    const late = () => new Promise<void>((resolve) => systemClock.timer(2, resolve));
    return withFault(log, fakeClock(), () => ({
      append: (...args) => late().then(() => log.append(...args)),
      read: async (...args) => {
        const slice = await late().then(() => log.read(...args));
        await late();
        return slice;
      },
      watch: (...args) => late().then(() => log.watch(...args)),
    }));
  };
  expect(await failuresIn(make, {})).toEqual([]);
});

test("a log with a clock of its own is waited for, up to a second", async () => {
  expect(await failuresIn(() => memoryLog(), {})).toEqual([]);
  expect(
    await failuresIn(() => withFault(memoryLog(), fakeClock(), wrongLogs["has no ttl"] as Fault), {
      patience,
    }),
  ).toEqual([
    "an entry goes when its ttl is over, each at its own time, and not before",
    "a log that says how much it keeps says what the last append set",
    "a watched channel is remembered without entries, whatever else is used",
    staysSealed,
    "a sealed channel begins anew once the ttl of its entries is over",
  ]);
});

describe.concurrent("logSuite passes a correct log, and fails one that", () => {
  test("(is correct)", async () => {
    expect(await failuresOf(() => ({}))).toEqual([]);
  });

  test("appends without a promise only now and then", async () => {
    let turn = 0;
    const failures = await failuresOf((log) => ({
      append(...args) {
        const position = log.append(...args);
        return turn++ % 2 === 0 ? position : Promise.resolve(position);
      },
    }));
    expect(failures).toContain("offsets rise by one from 1, in one epoch");
  });

  test("settles appends in another order than the calls", async () => {
    const failures = await failuresOf((log) => ({
      async append(channel, data, options) {
        if (data === "7") await undefined;
        return log.append(channel, data, options);
      },
    }));
    expect(failures).toEqual([
      "appends made at once stand in the order in which they were called",
      "a thousand entries are read whole, and in parts from the earliest on",
    ]);
  });

  test("returns every read as gapless", async () => {
    const failures = await failuresOf((log) => ({
      async read(channel, { after, ...options }) {
        const slice = await log.read(channel, options);
        const entries = slice.entries.filter(({ offset }) => offset > (after?.offset ?? 0));
        return { ...slice, entries, gapless: true };
      },
    }));
    expect(failures).toEqual([
      "a position of another epoch is not gapless",
      "a position from the future is not gapless",
      "a position is gapless exactly while nothing after it was trimmed",
      "a limit keeps the earliest entries, and changes nothing else",
      "last keeps the newest entries, and changes nothing else",
      "a thousand entries are read whole, and in parts from the earliest on",
      "reads among appends are whole: nothing missing, out of order or beyond top",
      ...gaps,
      againAndAgain,
      ...statesOfEmpty,
    ]);
  });

  test("forgets epoch and top with the last entry", async () => {
    const failures = await failuresOf((log) => ({
      async read(channel, options) {
        const slice = await log.read(channel, options);
        if (slice.top === 0 || slice.first <= slice.top) return slice;
        return { ...slice, epoch: "new", top: 0, first: 1 };
      },
    }));
    expect(failures).toEqual([
      "epoch and top outlive the entries",
      "an entry goes when its ttl is over, each at its own time, and not before",
      "a watched channel is remembered without entries, whatever else is used",
      staysSealed,
      statesOfEmpty[0],
    ]);
  });

  test("wakes for the first append only", async () => {
    const failures = await failuresOf((log) => ({
      watch(channel, wake) {
        let wakes = 0;
        return log.watch(channel, () => wakes++ === 0 && wake());
      },
    }));
    expect(failures).toEqual([
      everyWake,
      eachChannel,
      "a watch that was disposed never wakes, and others of its channel still do",
      wakesOn,
    ]);
  });

  test("wakes before the entry can be read", async () => {
    const failures = await failuresOf((log) => {
      const early = new Map<string, Set<() => void>>();
      return {
        append(channel, data, options) {
          for (const wake of early.get(channel) ?? []) wake();
          return log.append(channel, data, options);
        },
        async watch(channel, wake) {
          const watch = await log.watch(channel, () => {});
          const wakes = early.get(channel) ?? new Set();
          early.set(channel, wakes.add(wake));
          return {
            [Symbol.asyncDispose]() {
              wakes.delete(wake);
              return watch[Symbol.asyncDispose]();
            },
          };
        },
      };
    });
    expect(failures).toEqual([
      "what woke can be read",
      everyWatch,
      "a disposed log rejects with a ClosedError, and wakes nobody",
    ]);
  });

  test("wakes after it was disposed", async () => {
    const failures = await failuresOf((log) => ({
      async watch(channel, wake) {
        await log.watch(channel, wake);
        return { [Symbol.asyncDispose]: async () => {} };
      },
    }));
    expect(failures).toEqual(["a watch that was disposed never wakes, and others of its channel still do"]);
  });

  test("wraps the reason of an aborted signal, or appends all the same", async () => {
    const name = "an aborted signal rejects with its reason itself, and nothing is done";
    const wraps = await failuresOf((log) => ({
      async read(channel, options) {
        if (options.signal?.aborted) throw new Error("Aborted", { cause: options.signal.reason });
        return log.read(channel, options);
      },
    }));
    expect(wraps).toEqual([name]);
    const appends = await failuresOf((log) => ({
      async append(channel, data, { signal, ...options }) {
        const position = await log.append(channel, data, options);
        if (signal?.aborted) throw signal.reason;
        return position;
      },
    }));
    expect(appends).toContain(name);
  });

  test("folds text, or drops tags", async () => {
    const folds = await failuresOf((log) => ({
      append: (channel, data, options) => log.append(channel, data.normalize(), options),
    }));
    expect(folds).toEqual([
      "any string names a channel of its own",
      "payloads of any script and of 256 KiB come back unchanged",
    ]);
    const drops = await failuresOf((log) => ({
      append: (channel, data, { tags, ...options }) => log.append(channel, data, options),
    }));
    expect(drops).toEqual(["an entry keeps offset, data, time and tags, and nothing else"]);
  });

  test("folds the names of channels", async () => {
    const failures = await failuresOf((log) => ({
      append: (channel, data, options) => log.append(channel.normalize().toLowerCase(), data, options),
      read: (channel, options) => log.read(channel.normalize().toLowerCase(), options),
    }));
    expect(failures).toEqual(["any string names a channel of its own"]);
  });

  test("keeps the first retention that it was given", async () => {
    const failures = await failuresOf((log) => {
      const first = new Map<string, object>();
      return {
        append(channel, data, { retention = {}, ...options }) {
          if (!first.has(channel)) first.set(channel, retention);
          return log.append(channel, data, { ...options, retention: first.get(channel) });
        },
      };
    });
    expect(failures).toEqual([
      "epoch and top outlive the entries",
      "the retention given with an append replaces the one before it",
      anew,
      "a channel that began anew does not when the same append is sent again",
      againAndAgain,
      ...statesOfEmpty,
      wakesOn,
    ]);
  });

  test("returns results after it was disposed", async () => {
    const failures = await failuresOf(() => ({ [Symbol.asyncDispose]: async () => {} }));
    expect(failures).toEqual(["a disposed log rejects with a ClosedError, and wakes nobody"]);
  });
});
