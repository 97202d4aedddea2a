import { ExistsError, LogError, SealedError } from "../model/errors.ts";
import type { HeldRecord, Position, WakeHint } from "../model/log.ts";
import { another, hold, type Joined, join, knows, release } from "./log-suite-joined.ts";
import {
  append,
  as,
  type Bell,
  dataOf,
  failure,
  key,
  type LogTests,
  type LogTools,
  numbers,
  offsetsOf,
  reads,
  same,
  type TestedLog,
  turn,
} from "./log-suite-tools.ts";

/** Several members that work at the same time. A log whose membership has no `nodes` passes at once. */
export const nodeTests: LogTests = {
  async "each member knows all that are there, and none that has left"(log, channel, tools) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const [one, two, three] = members;
    for (const member of members) await knows(tools, member, members, []);
    await two.log[Symbol.asyncDispose]();
    for (const member of [one, three]) await knows(tools, member, [one, three], [two]);
    await one.membership[Symbol.asyncDispose]();
    await knows(tools, three, [three], [one, two]);
  },

  async "what a member that left has held goes to one of the others, and when that leaves to the next"(
    log,
    channel,
    tools,
  ) {
    const bell = tools.bell("records to be inherited");
    const members = await joinAll(log, channel, tools, bell);
    if (members === undefined) return;
    const held = await holdAll(log, channel);
    const [one, ...others] = members;
    await one.log[Symbol.asyncDispose]();
    while (others.every(({ records }) => records.length < held.length)) await bell.next();
    await turn();
    const told = others.map(({ records }) => records.length).sort();
    same(told, [0, held.length]);
    const [last, heir] = others.toSorted((a, b) => a.records.length - b.records.length) as [Joined, Joined];
    await heir.inherited(held);
    const more = await hold(heir.log, channel, "of the heir");
    await release(heir, held[0]?.record ?? "");
    await heir.log[Symbol.asyncDispose]();
    await last.inherited([...held.slice(1), more]);
  },

  async "what the last member has held waits for the next one that joins"(log, channel, tools) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const held: HeldRecord[] = [];
    for (const [at, member] of members.entries()) held.push(await hold(member.log, channel, `${at}`));
    for (const { log } of members) await log[Symbol.asyncDispose]();
    const joined = await another(channel, tools);
    await joined.inherited(held);
  },

  async "a member that is there inherits nothing from itself, and nothing that others hold"(
    log,
    channel,
    tools,
  ) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const [one, two, three] = members;
    for (const member of members) await hold(member.log, channel, member.membership.id);
    const four = await another(channel, tools);
    await turn();
    for (const member of [one, two, three, four]) same(member.records, []);
    same(
      members.flatMap(({ losses }) => losses),
      [],
    );
  },

  async "a record that is held again is inherited, with the channel and position it is given"(
    log,
    channel,
    tools,
  ) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined || members[0].membership.hold === undefined) return;
    const held = await holdAll(log, channel);
    const again: HeldRecord[] = [];
    for (const name of ["again", "ä 漢 😀"]) {
      const position = await append(log, `${channel} ${name}`, "1");
      again.push({ record: `${channel} ${name}`, channel: `${channel} ${name}`, position });
    }
    for (const each of again) await holdAgain(members[0], each);
    await members[1].log[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
    await members[2].inherited([...held, ...again]);
  },

  async "a record that is held stays as it is when somebody holds it again"(log, channel, tools) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined || members[0].membership.hold === undefined) return;
    const [one, two, three] = members;
    await three.log[Symbol.asyncDispose]();
    const held = await hold(log, channel, "held");
    const position = await append(log, channel, "2");
    for (const member of [one, two]) await holdAgain(member, { ...held, position });
    await log[Symbol.asyncDispose]();
    await two.inherited([held]);
  },

  async "a member releases nothing that another one holds"(log, channel, tools) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const [one, two, three] = members;
    const held = await hold(one.log, channel, "held");
    await release(two, held.record);
    await three.log[Symbol.asyncDispose]();
    await one.log[Symbol.asyncDispose]();
    await two.inherited([held]);
  },

  async "appends of several members stand in one order, which all of them read"(log, channel, tools) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const calls = members.flatMap((member, at) =>
      numbers(1, 20).map(async (number) => {
        const data = JSON.stringify(`${at} ${number}`);
        return { data, ...(await append(member.log, channel, data)) };
      }),
    );
    const made = (await Promise.all(calls)).sort((a, b) => a.offset - b.offset);
    same(offsetsOf(made), numbers(1, 60).map(Number));
    same(new Set(made.map(({ epoch }) => epoch)).size, 1);
    for (const { log } of members) {
      await reads(
        log,
        channel,
        undefined,
        made.map(({ data }) => data),
      );
    }
    for (const at of members.keys()) {
      const own = made.map(({ data }) => data).filter((data) => data.startsWith(`"${at}`));
      same(
        own,
        numbers(1, 20).map((number) => JSON.stringify(`${at} ${number}`)),
      );
    }
  },

  async "an append of one member wakes those who watch with the others"(log, channel, tools) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const bells = members.map(() => tools.bell());
    const watches = await Promise.all(
      members.map(({ log }, at) => log.watch(channel, () => bells[at]?.ring())),
    );
    for (const { log } of members) {
      await Promise.all([...bells.map((bell) => bell.next()), append(log, channel, "1")]);
    }
    for (const watch of watches) await watch[Symbol.asyncDispose]();
  },

  async "an entry keeps the id of the member that wants to hear of it, and so does a wake"(
    log,
    channel,
    tools,
  ) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const [one, two] = members;
    const hints: (WakeHint | undefined)[] = [];
    const bell = tools.bell();
    const watch = await two.log.watch(channel, (hint) => {
      hints.push(hint);
      bell.ring();
    });
    const { id: origin } = one.membership;
    await Promise.all([bell.next(), append(one.log, channel, "1", { origin })]);
    await append(one.log, channel, "2");
    for (const { log } of members) {
      const { entries } = await log.read(channel, {});
      same(
        entries.map((entry) => entry.origin),
        [origin, undefined],
      );
    }
    for (const hint of hints) if (hint?.offset === 1) same(hint.origin, origin);
    await watch[Symbol.asyncDispose]();
  },

  async "a channel is begun by one member, and sealed for all"(log, channel, tools) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const [one, two] = members;
    const calls = members.map(({ log }) => append(log, channel, "1", { place: "first", state: "begun" }));
    const errors = await Promise.all(calls.map(failure));
    same(
      errors.map((error) => error === undefined || error instanceof ExistsError),
      [true, true, true],
    );
    same(errors.filter((error) => error === undefined).length, 1);
    await append(two.log, channel, "2", { place: "last", state: "over" });
    const { sealed, state } = await one.log.read(channel, {});
    same([sealed, state], [true, "over"]);
    for (const { log } of members) {
      const error = await failure(append(log, channel, "x"));
      same(error instanceof SealedError || `${error ?? "nothing"}`, true);
    }
  },

  async "an append that names another epoch is refused, and is not made"(log, channel, tools) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const [one, two] = members;
    const { epoch } = await append(one.log, channel, "1");
    await append(two.log, channel, "2", { epoch });
    const error = await failure(append(two.log, channel, "x", { epoch: `${epoch}x` }));
    same(error instanceof Error && !(error instanceof LogError && error.lasting), true);
    same((await one.log.read(channel, {})).top, 2);
  },

  async "a key that one member used, and a number that it sent, are known to the others"(
    log,
    channel,
    tools,
  ) {
    const members = await joinAll(log, channel, tools);
    if (members === undefined) return;
    const [one, two] = members;
    const first = await append(one.log, channel, "1", { key });
    const second = await append(one.log, channel, "2", as("w", 1));
    const answers: Position[] = [];
    for (const { log } of members) answers.push(await append(log, channel, "x", { key }));
    answers.push(await append(two.log, channel, "2", as("w", 1)));
    same(answers, [first, first, first, second]);
    same((await append(two.log, channel, "3", as("w", 2))).offset, 3);
    same(dataOf(await one.log.read(channel, {})), ["1", "2", "3"]);
  },
};

/** For stores that can be wiped. */
export const wipedNodeTests: LogTests = {
  async "members are told that the store was wiped, are there again, and hold again what they held"(
    log,
    channel,
    tools,
  ) {
    const bell = tools.bell("renewed()");
    const one = await join(log, channel, tools, { renewed: bell.ring });
    if (one?.membership.nodes === undefined || one.membership.hold === undefined) return;
    const two = await another(channel, tools);
    await hold(log, channel, "forgotten");
    const told = bell.next();
    await tools.wipe();
    await told;
    for (const member of [one, two]) await knows(tools, member, [one, two], []);
    const again = { record: `${channel} again`, channel, position: await append(log, channel, "1") };
    await holdAgain(one, again);
    await log[Symbol.asyncDispose]();
    await two.inherited([again]);
    same([...one.losses, ...two.losses], []);
  },
};

/** Joins three logs, or returns undefined if only one member may work with the store at a time. */
async function joinAll(
  log: TestedLog,
  channel: string,
  tools: LogTools,
  bell?: Bell,
): Promise<[Joined, Joined, Joined] | undefined> {
  const listener = bell && { bell };
  const one = await join(log, channel, tools, listener);
  if (one?.membership.nodes === undefined) return undefined;
  return [one, await another(channel, tools, listener), await another(channel, tools, listener)];
}

async function holdAll(log: TestedLog, channel: string): Promise<HeldRecord[]> {
  const held: HeldRecord[] = [];
  for (const name of numbers(1, 3)) held.push(await hold(log, channel, name));
  return held;
}

async function holdAgain({ log, membership }: Joined, record: HeldRecord): Promise<void> {
  await membership.hold?.(record);
  await log.commit?.();
}
