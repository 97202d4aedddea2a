import { ClosedError, ExistsError } from "../model/errors.ts";
import type { AppendOptions, HeldRecord, Member, Membership } from "../model/log.ts";
import { gather } from "./log-suite-commit.ts";
import {
  append,
  as,
  failure,
  isSame,
  type LogTests,
  type LogTools,
  none,
  same,
  type TestedLog,
  turn,
} from "./log-suite-tools.ts";

/** Records that a process holds, and leaves to whoever comes next. A log without `join` passes at once. */
export const memberTests: LogTests = {
  async "what a member that left has held is inherited, with its channel and position"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held: HeldRecord[] = [];
    for (const name of ["one", "two", "ä 漢 😀"]) {
      await append(log, `${channel} ${name}`, "1");
      held.push(await hold(log, `${channel} ${name}`, name));
    }
    held.push(await hold(log, `${channel} one`, "another"));
    const second = await next(log, channel, tools);
    await second.inherited(held);
  },

  async "what was released is not inherited"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined) return;
    const { record } = await hold(log, channel, "released");
    const held = await hold(log, channel, "held");
    for (const each of [record, `${channel} never held`, record]) await release(first, each);
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "what was inherited is held on, unless it is released"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held: HeldRecord[] = [];
    for (const name of ["one", "two", "three"]) held.push(await hold(log, channel, name));
    let last = log;
    while (held.length > 0) {
      const joined = await next(last, channel, tools);
      await joined.inherited(held);
      await release(joined, held.shift()?.record ?? "");
      last = joined.log;
    }
    const four = await hold(last, channel, "four");
    const joined = await next(last, channel, tools);
    await joined.inherited([four]);
  },

  async "an append that is refused, aborted or a repeat holds nothing"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held = await hold(log, channel, "held", as("w", 1));
    const repeat = await hold(log, channel, "of a repeat", as("w", 1));
    same(repeat.position, held.position);
    const error = await failure(hold(log, channel, "refused", { place: "first" }));
    same(error instanceof ExistsError || String(error), true);
    const signal = AbortSignal.abort("why");
    isSame(await failure(hold(log, channel, "aborted", { signal })), "why");
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "a record is held when its entry is gone, and its channel has begun anew"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held = await hold(log, channel, "held", { retention: none, place: "last" });
    await append(log, channel, "2", { place: "first" });
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "what was held or released and never committed is as it was before"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined || log.commit === undefined) return;
    const held = await hold(log, channel, "held");
    gather(log, channel, "2", { hold: `${channel} gathered` });
    await first.membership.release(held.record);
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "what is held and released before the same commit is not inherited"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined || log.commit === undefined) return;
    gather(log, channel, "1", { hold: `${channel} short` });
    await release(first, `${channel} short`);
    const held = await hold(log, channel, "held");
    const second = await next(log, channel, tools);
    await second.inherited([held]);
  },

  async "each member has a name of its own"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined) return;
    const second = await next(log, channel, tools);
    const third = await next(second.log, channel, tools);
    const names = [first, second, third].map(({ membership }) => membership.id);
    same([new Set(names).size, names.includes("")], [3, false]);
  },

  async "a member that leaves, even twice, is not told that it is lost"(log, channel, tools) {
    const first = await join(log, channel, tools);
    if (first === undefined) return;
    const held = await hold(log, channel, "held");
    for (let count = 0; count < 2; count++) await first.membership[Symbol.asyncDispose]();
    const second = await next(log, channel, tools);
    await second.inherited([held]);
    await second.log[Symbol.asyncDispose]();
    same([first.losses, second.losses], [[], []]);
  },

  async "a wait to join ends with the reason of its signal, or comes too late"(log, channel, tools) {
    if ((await join(log, channel, tools)) === undefined) return;
    const held = await hold(log, channel, "held");
    const other = await tools.again();
    const [reason, controller] = [new Error("stopped"), new AbortController()];
    const { signal } = controller;
    const waiting = ends(tools, failure(joinOf(other)(idle, { signal })));
    await turn();
    controller.abort(reason);
    const error = await waiting;
    if (error !== undefined) isSame(error, reason);
    isSame(await ends(tools, failure(joinOf(other)(idle, { signal }))), reason);
    await other[Symbol.asyncDispose]();
    // The member that gave up delays nobody, and has inherited nothing.
    const third = await next(log, channel, tools);
    await third.inherited([held]);
  },

  async "a disposed log rejects a join with a ClosedError"(log) {
    if (log.join === undefined) return;
    await log[Symbol.asyncDispose]();
    const error = await failure(log.join(idle));
    same(error instanceof ClosedError || String(error), true);
  },
};

const idle: Member = { inherits() {}, lost() {} };

/** Awaits a promise of a join, and fails if it takes too long. */
async function ends<Result>(tools: LogTools, joining: Promise<Result>): Promise<Result> {
  const bell = tools.bell("the end of a wait to join");
  const ended = bell.next();
  joining.then(bell.ring, bell.ring);
  await ended;
  return joining;
}

interface Joined {
  readonly log: TestedLog;
  readonly membership: Membership;
  readonly losses: readonly Error[];
  /** Waits until as many records of the test's channels have come, and checks that they are these. */
  inherited(records: readonly HeldRecord[]): Promise<void>;
}

/** Joins a log, or returns undefined if it has no `join`. */
async function join(log: TestedLog, channel: string, tools: LogTools): Promise<Joined | undefined> {
  const records: HeldRecord[] = [];
  const losses: Error[] = [];
  const bell = tools.bell("records to be inherited");
  const member: Member = {
    inherits(given) {
      // Other tests may use the same store.
      records.push(...given.filter((each) => each.channel.startsWith(channel)));
      bell.ring();
    },
    lost: (error) => losses.push(error),
  };
  if (log.join === undefined) return undefined;
  const membership = await ends(tools, log.join(member));
  return {
    ...{ log, membership, losses },
    async inherited(wanted) {
      while (records.length < wanted.length) await bell.next();
      await turn();
      same(sorted(records), sorted(wanted));
    },
  };
}

/** Disposes a log, and joins one that is made again. */
async function next(log: TestedLog, channel: string, tools: LogTools): Promise<Joined> {
  await log[Symbol.asyncDispose]();
  const joined = await join(await tools.again(), channel, tools);
  if (joined === undefined) throw new Error(missing);
  return joined;
}

const missing = "Expected join(), as in the log that was made before";

function joinOf({ join }: TestedLog): NonNullable<TestedLog["join"]> {
  if (join === undefined) throw new Error(missing);
  return join;
}

/** Holds a record from an append on. */
async function hold(
  log: TestedLog,
  channel: string,
  name: string,
  options: Partial<AppendOptions> = {},
): Promise<HeldRecord> {
  const record = `${channel} ${name}`;
  return { record, channel, position: await append(log, channel, "1", { hold: record, ...options }) };
}

async function release({ log, membership }: Joined, record: string): Promise<void> {
  await membership.release(record);
  await log.commit?.();
}

function sorted(records: readonly HeldRecord[]): HeldRecord[] {
  return records.toSorted((one, other) => (one.record < other.record ? -1 : 1));
}
