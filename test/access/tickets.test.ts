import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { ClosedError, LogError } from "../../src/model/errors.ts";
import type { Log } from "../../src/model/log.ts";
import type { Identity } from "../../src/model/peer.ts";
import { memoryLog } from "../../src/stores/memory.ts";
import { fakeClock } from "../../src/testing.ts";
import { createTickets, type Tickets } from "../../src/tickets.ts";
import { crash, durableLog, durableStore } from "../support/durable-log.ts";

/** Redeems a ticket in a request, and returns the identity. */
async function redeem(tickets: Tickets, ticket: string): Promise<Identity | null> {
  let found: Identity | null = null;
  const app = new Hono().get("/", async (c) => {
    found = await tickets.redeem(c);
    return c.text("");
  });
  expect((await app.request(`/?ticket=${ticket}`)).status).toBe(200);
  return found;
}

test("a ticket admits the identity that it was issued to, once", async () => {
  const tickets = createTickets();
  const identity = { user: "ann", channels: ["user:ann"], info: { name: "Ann" } };
  const ticket = await tickets.issue(identity);
  expect(tickets.size).toBe(1);
  expect(await redeem(tickets, ticket)).toEqual(identity);
  expect(await redeem(tickets, ticket)).toBe(null);
  expect(tickets.size).toBe(0);
});

test("a ticket is good for 30 s, and no timer is armed", async () => {
  const clock = fakeClock();
  const tickets = createTickets({ clock });
  const [early, late] = [await tickets.issue({ user: "ann" }), await tickets.issue({ user: "bob" })];
  await clock.advance(29_999);
  expect(await redeem(tickets, early)).toEqual({ user: "ann" });
  await clock.advance(1);
  expect(await redeem(tickets, late)).toBe(null);
  expect([tickets.size, clock.armed]).toEqual([0, 0]);
});

test("a user has ten tickets at most: older ones become invalid, and other users keep theirs", async () => {
  const tickets = createTickets();
  const other = await tickets.issue({ user: "bob" });
  const own = await Promise.all(Array.from({ length: 1_000 }, () => tickets.issue({ user: "ann" })));
  expect(tickets.size).toBe(11);
  expect(await redeem(tickets, own[989] as string)).toBe(null);
  expect(await redeem(tickets, own[990] as string)).toEqual({ user: "ann" });
  expect(await redeem(tickets, other)).toEqual({ user: "bob" });
});

test("there are 10 000 tickets at most, for any number of users", async () => {
  const tickets = createTickets();
  const first = await tickets.issue({ user: "first" });
  for (let n = 0; n < 10_000; n++) await tickets.issue({ user: `user ${n}` });
  expect(tickets.size).toBe(10_000);
  expect(await redeem(tickets, first)).toBe(null);
});

test("without a user there may be as many tickets as there are in all, and no two are equal", async () => {
  const tickets = createTickets();
  const issued = await Promise.all(Array.from({ length: 1_000 }, () => tickets.issue({ user: "" })));
  expect(new Set(issued).size).toBe(1_000);
});

test.each([{ ttl: 0 }, { size: 0 }, { perUser: Number.NaN }, { ttl: "soon" as unknown as number }])(
  "%j is a RangeError",
  (options) => {
    expect(() => createTickets(options)).toThrow(RangeError);
  },
);

test("an invalid identity gets no ticket, and an invalid request redeems none, with what to pass instead", async () => {
  const tickets = createTickets();
  const issuing = new TypeError(
    'Cannot issue a ticket: give whom it lets in, tickets.issue({ user: "ann" })',
  );
  for (const identity of [undefined, "ann", {}, { user: 7 }])
    await expect(tickets.issue(identity as never)).rejects.toThrow(issuing);
  await expect(tickets.issue({ user: "ann", channels: [""] })).rejects.toThrow(TypeError);
  const redeeming =
    "Cannot redeem a ticket: give redeem itself, notifications(notifier, { authenticate: tickets.redeem })";
  for (const c of [undefined, "ticket"])
    await expect(tickets.redeem(c as never)).rejects.toThrow(new TypeError(redeeming));
  expect(tickets.size).toBe(0);
});

describe("tickets in a log", () => {
  test("admit once, in any process that works with the log", async () => {
    const log = memoryLog();
    const [one, other] = [createTickets({ log }), createTickets({ log })];
    const identity = { user: "ann", channels: ["user:ann"], info: { name: "Ann" }, expires: Infinity };
    const ticket = await one.issue(identity);
    const { expires, ...kept } = identity;
    const found = await Promise.all([other, one, other].map((tickets) => redeem(tickets, ticket)));
    expect(found.filter((each) => each !== null)).toEqual([kept]);
    expect([await redeem(one, ticket), await redeem(one, "unknown"), await redeem(one, "")]).toEqual([
      null,
      null,
      null,
    ]);
    expect(one.size).toBe(0);
  });

  test("are valid after a restart, used and unused ones", async () => {
    const clock = fakeClock();
    const store = durableStore();
    const before = createTickets({ log: durableLog(store, clock), clock });
    const [used, unused] = [await before.issue({ user: "ann" }), await before.issue({ user: "bob" })];
    expect(await redeem(before, used)).toEqual({ user: "ann" });
    crash(store);
    const after = createTickets({ log: durableLog(store, clock), clock });
    expect([await redeem(after, used), await redeem(after, unused)]).toEqual([null, { user: "bob" }]);
  });

  test("are good for their ttl, on the wall clock", async () => {
    const clock = fakeClock();
    const log = memoryLog({ clock });
    const tickets = createTickets({ log, clock, ttl: 1_000 });
    const [early, late] = [await tickets.issue({ user: "ann" }), await tickets.issue({ user: "bob" })];
    await clock.advance(999);
    expect(await redeem(tickets, early)).toEqual({ user: "ann" });
    await clock.advance(1);
    expect(await redeem(tickets, late)).toBe(null);
  });

  test("are not in the log themselves", async () => {
    const names: string[] = [];
    const memory = memoryLog();
    const log = {
      ...memory,
      append: (...args: Parameters<typeof memory.append>) => {
        names.push(JSON.stringify(args));
        return memory.append(...args);
      },
      read: (...args: Parameters<typeof memory.read>) => memory.read(...args),
    } as typeof memory;
    const tickets = createTickets({ log });
    const ticket = await tickets.issue({ user: "ann" });
    expect(await redeem(tickets, ticket)).toEqual({ user: "ann" });
    expect(names.length).toBe(2);
    expect(names.join().includes(ticket)).toBe(false);
  });

  /** Tickets in a log that makes what it is asked, and then fails as often as told. Waits are noted, and over at once. */
  function failing(fails: Error[]): { tickets: Tickets; waits: number[] } {
    const clock = fakeClock();
    const waits: number[] = [];
    const timer = (ms: number, fire: () => void) => {
      waits.push(ms);
      queueMicrotask(fire);
      return { cancel() {} };
    };
    const memory = memoryLog({ clock });
    const failed = <T>(result: T): T => {
      const error = fails.shift();
      if (error !== undefined) throw error;
      return result;
    };
    const log: Log = {
      append: async (...args) => failed(await memory.append(...args)),
      read: async (...args) => failed(await memory.read(...args)),
      watch: (...args) => memory.watch(...args),
      [Symbol.asyncDispose]: () => memory[Symbol.asyncDispose](),
    };
    return { tickets: createTickets({ log, clock: { ...clock, timer } }), waits };
  }

  test("are issued and redeemed once where the log's answers are lost, after short waits", async () => {
    const lost = new Error("the connection was reset");
    const fails = [lost, lost, lost];
    const { tickets, waits } = failing(fails);
    const ticket = await tickets.issue({ user: "ann" });
    // The read fails twice, and the append once.
    fails.push(lost, lost, undefined as never, lost);
    expect(await redeem(tickets, ticket)).toEqual({ user: "ann" });
    expect(waits).toEqual([50, 100, 200, 50, 100, 50]);
    expect(await redeem(tickets, ticket)).toBe(null);
  });

  test("reject with the error of a log that fails at the fourth try", async () => {
    const { tickets } = failing([1, 2, 3, 4].map((n) => new Error(`failure ${n}`)));
    await expect(tickets.issue({ user: "ann" })).rejects.toThrow("failure 4");
  });

  test.each([new ClosedError(), new LogError("gone", { lasting: true }), new RangeError("too long")])(
    "are not tried again after %s",
    async (error) => {
      const { tickets, waits } = failing([error]);
      await expect(tickets.issue({ user: "ann" })).rejects.toBe(error);
      expect(waits).toEqual([]);
    },
  );

  test("refuse functions, which a log cannot keep, with what to do", async () => {
    const tickets = createTickets({ log: memoryLog() });
    const message =
      "Cannot issue a ticket with refresh: a log keeps no functions. Add it to what redeem returns";
    await expect(tickets.issue({ user: "ann", refresh: () => null })).rejects.toThrow(new TypeError(message));
  });
});
