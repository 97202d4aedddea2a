import type { Client } from "./clients.ts";
import { type Judgement, judgeLog } from "./crash-judge.ts";
import type { ObjectDump } from "./crash-object.ts";
import { nameOf } from "./judge.ts";
import type { Answered } from "./object-load.ts";

/** The end of one life of an object, and what came after it. Times are in milliseconds since the Unix epoch. */
export interface LifeEnd {
  /** When it was about to end. */
  readonly from: number;
  /** When nothing of the life was left. */
  readonly ended: number;
  /** When a client or a request could come to the next life at the earliest. */
  readonly contact: number;
  /** Whether the alarm had time to ring before that. */
  readonly isSilent: boolean;
}

/**
 * Milliseconds before the end of a life in which it may have reported something as undelivered and not have noted that.
 * The next life reports it again.
 */
const unnoted = 1_000;

/**
 * Milliseconds before the end of a life in which a publication may have been read, and the proof of that was not noted. No
 * later life can know it: a client's position does not tell what it was sent. So the publication waits until its time is
 * over.
 */
const unproven = 3_000;

/** What an object went through. */
export interface Story {
  readonly dump: ObjectDump;
  readonly answered: Answered;
  readonly clients: readonly Client[];
  readonly lives: readonly LifeEnd[];
}

/** Whether everything that the object has to bring to an end has come to an end. */
export function isSettled(story: Story): boolean {
  const { runs, reports } = story.dump;
  const reported = new Set(reports.map(({ offset }) => offset));
  return (
    overdue(story).length === 0 &&
    Object.values(runs).every((types) => types.length > 1 && types.at(-1)?.startsWith("run.")) &&
    story.answered.lonely.every((offset) => reported.has(offset))
  );
}

/** Returns the offsets that still wait, and that a client is known to have. */
function overdue({ dump: { waiting }, clients, lives }: Story): number[] {
  const isSent = (offset: number): boolean =>
    clients.some(
      ({ tracks: [news] }) => news?.at !== undefined && news.from < offset && offset <= news.at.offset,
    );
  const isDoubtful = (time: number): boolean =>
    lives.some(({ ended }) => time <= ended && time > ended - unproven);
  return waiting
    .filter(({ offset, time }) => isSent(offset) && !isDoubtful(time))
    .map(({ offset }) => offset);
}

/** Checks what an object holds at the end against everything that it has answered, and that its clients received. */
export function judgeObject(story: Story): Judgement {
  const { wrong, ...judged } = judgeLog(story.dump, story.answered, story.clients);
  const all = [...wrong, ...judgeRuns(story), ...judgeKeys(story), ...judgeConfirmed(story)];
  return { ...judged, wrong: all };
}

/**
 * Checks how runs ended: as lost if their life was ended, and otherwise by themselves. After a life with a silence behind it
 * they ended before somebody came.
 */
function judgeRuns({ dump, answered, lives }: Story): string[] {
  const { runs, times, lives: begins } = dump;
  const wrong = answered.begun
    .filter((id) => runs[id] === undefined)
    .map((id) => `run ${id} had begun, and is gone`);
  const lostInSilence = new Map(lives.filter(({ isSilent }) => isSilent).map((life) => [life, 0]));
  for (const [id, { started, ended, reason }] of Object.entries(times)) {
    const spans = `run ${id} worked from ${started} to ${ended}`;
    const life = lives.find((each) => started <= each.ended && each.from <= ended);
    const isLost = reason === "lost";
    if (isLost && life === undefined) wrong.push(`${spans} and is lost, and its life was not ended`);
    if (!isLost && begins.some((time) => started < time && time < ended))
      wrong.push(`${spans} and is not lost, and another life began meanwhile`);
    if (!isLost || life?.isSilent !== true) continue;
    lostInSilence.set(life, (lostInSilence.get(life) ?? 0) + 1);
    if (ended >= life.contact) wrong.push(`${spans}, and somebody came already at ${life.contact}`);
  }
  for (const [{ ended }, count] of lostInSilence)
    if (count === 0) wrong.push(`no run worked when its life ended at ${ended}`);
  return wrong;
}

function judgeKeys({ dump: { keys }, answered: { keyed } }: Story): string[] {
  const wrong = [...keyed]
    .filter(([key, { offset }]) => keys[offset - 1] !== key)
    .map(([key, { offset }]) => `${key} was at ${offset}, where there is ${keys[offset - 1]}`);
  if (new Set(keys).size < keys.length) wrong.push("a key was published twice");
  return wrong;
}

/** Checks that confirmed publications are delivered, or reported once. */
function judgeConfirmed(story: Story): string[] {
  const { dump, answered, lives } = story;
  const wrong = overdue(story).map((offset) => `${offset} of news still waits, and a client has it`);
  const times = new Map<number, number>();
  for (const { channel, offset, time } of dump.reports) {
    if (channel !== "lonely") {
      wrong.push(`${offset} of ${channel} is undelivered, and every client has it`);
      continue;
    }
    const first = times.get(offset);
    times.set(offset, time);
    if (first === undefined) continue;
    const isCrash = lives.some(({ from, ended }) => from - unnoted < first && first <= ended && from <= time);
    if (!isCrash) wrong.push(`${offset} of ${channel} was reported at ${first} and at ${time}`);
  }
  for (const offset of answered.lonely)
    if (!times.has(offset)) wrong.push(`${offset} of lonely was neither delivered nor reported`);
  return wrong;
}

/** Checks that clients have noticed nothing: no session has left, joined twice or gone. */
export function judgePresence(
  clients: readonly Client[],
  present: readonly { readonly session: string; readonly user: string }[],
): string[] {
  const wrong: string[] = [];
  for (const client of clients) {
    const sessions = present.filter(({ user }) => user === client.user).map(({ session }) => session);
    if (sessions.length !== 1) wrong.push(`${nameOf(client)} is present ${sessions.length} times`);
    else if (client.kind === "stock" && sessions[0] !== client.sessions.at(-1))
      wrong.push(`${nameOf(client)} is ${client.sessions.at(-1)}, and ${sessions[0]} is present`);
    const joined = client.seen.filter(({ what }) => what === "join").map(({ session }) => session);
    if (new Set(joined).size < joined.length) wrong.push(`${nameOf(client)} has seen a session join twice`);
    if (joined.length < client.seen.length) wrong.push(`${nameOf(client)} has seen a session leave`);
  }
  return wrong;
}
