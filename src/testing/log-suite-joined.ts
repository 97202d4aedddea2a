import type { AppendOptions, HeldRecord, Member, Membership } from "../model/log.ts";
import { append, type Bell, type LogTools, same, type TestedLog, turn } from "./log-suite-tools.ts";

export const idle: Member = { inherits() {}, lost() {} };

/** Awaits a promise of a join, and fails if it takes too long. */
export async function ends<Result>(tools: LogTools, joining: Promise<Result>): Promise<Result> {
  const bell = tools.bell("the end of a wait to join");
  const ended = bell.next();
  joining.then(bell.ring, bell.ring);
  await ended;
  return joining;
}

/** A member, and what it was told. */
export interface Joined {
  readonly log: TestedLog;
  readonly membership: Membership;
  readonly losses: readonly Error[];
  /** What it has inherited of the test's channels. */
  readonly records: readonly HeldRecord[];
  /** Waits until as many records of the test's channels have come, and checks that they are these. */
  inherited(records: readonly HeldRecord[]): Promise<void>;
}

/** What a test wants to know of a member besides. */
interface Listener {
  /** Rings whenever the member inherits. */
  readonly bell?: Bell;
  renewed?(): void;
  lost?(): void;
}

/** Joins a log, or returns undefined if it has no `join`. */
export async function join(
  log: TestedLog,
  channel: string,
  tools: LogTools,
  { bell = tools.bell("records to be inherited"), renewed, lost }: Listener = {},
): Promise<Joined | undefined> {
  const records: HeldRecord[] = [];
  const losses: Error[] = [];
  const member: Member = {
    inherits(given) {
      // Other tests may use the same store.
      records.push(...given.filter((each) => each.channel.startsWith(channel)));
      bell.ring();
    },
    lost(error) {
      losses.push(error);
      lost?.();
    },
    ...(renewed && { renewed }),
  };
  if (log.join === undefined) return undefined;
  const membership = await ends(tools, log.join(member));
  return {
    ...{ log, membership, losses, records },
    async inherited(wanted) {
      while (records.length < wanted.length) await bell.next();
      await turn();
      same(sorted(records), sorted(wanted));
    },
  };
}

/** Disposes a log, and joins one that is made again. */
export async function next(log: TestedLog, channel: string, tools: LogTools): Promise<Joined> {
  await log[Symbol.asyncDispose]();
  return another(channel, tools);
}

/** Joins one more log. */
export async function another(channel: string, tools: LogTools, listener?: Listener): Promise<Joined> {
  const joined = await join(await tools.again(), channel, tools, listener);
  if (joined === undefined) throw new Error(missing);
  return joined;
}

const missing = "Expected join(), as in the log that was made before";

export function joinOf({ join }: TestedLog): NonNullable<TestedLog["join"]> {
  if (join === undefined) throw new Error(missing);
  return join;
}

/** Holds a record from an append on. */
export async function hold(
  log: TestedLog,
  channel: string,
  name: string,
  options: Partial<AppendOptions> = {},
): Promise<HeldRecord> {
  const record = `${channel} ${name}`;
  return { record, channel, position: await append(log, channel, "1", { hold: record, ...options }) };
}

export async function release(
  { log, membership }: Pick<Joined, "log" | "membership">,
  record: string,
): Promise<void> {
  await membership.release(record);
  await log.commit?.();
}

/** Checks whom a member takes for there. Other tests may use the same store. */
export async function knows(
  tools: LogTools,
  { membership }: Joined,
  there: readonly Joined[],
  gone: readonly Joined[],
): Promise<void> {
  const idsOf = (members: readonly Joined[]) => members.map(({ membership: { id } }) => id).sort();
  await tools.holds(async () => {
    const known = (await membership.nodes?.()) ?? [];
    same([...known].filter((id) => idsOf([...there, ...gone]).includes(id)).sort(), idsOf(there));
  });
}

export function sorted(records: readonly HeldRecord[]): HeldRecord[] {
  return records.toSorted((one, other) => (one.record < other.record ? -1 : 1));
}
