import { setTimeout as sleep } from "node:timers/promises";
import type { Judgement } from "./crash-judge.ts";
import { judgePresence } from "./object-judge.ts";
import { type End, type ObjectPlan, ObjectStage, type Place, patience } from "./object-stage.ts";

/** What the objects of one folder went through, and the faults. */
export interface ObjectOutcome extends Judgement {
  readonly kills: number;
  /** The ends after which nobody came until the alarm had rung. */
  readonly silences: number;
  readonly aborts: number;
  readonly evictions: number;
}

/** A process is killed, and objects are ended, within this many milliseconds after work began. */
const moments = 1_000;
/**
 * Milliseconds without a client or a request after a process was started again. The alarm of an object rings 30 s after
 * the object began what has to come to an end.
 */
const silence = 33_000;
/** The process is killed again within this many milliseconds after the first alarm has rung. */
const ringing = 20;
/** Evictions of each object until all objects are ended at once. */
const evictionsEach = 5;
/** The last life of a folder works for so many milliseconds more, so that more of what it has done must be known later. */
const longer = 4_000;
/** While an object is waited for, it is sent something within this many milliseconds. */
const waits = 2_000;

/**
 * Kills a process again and again, and starts it again. After the last kill nobody comes until the objects must have been
 * woken by their alarms. In a third of the rounds that kill comes as alarms ring. In another third there is one more kill, as
 * the alarms of the next lives ring.
 */
export async function killRound(plan: ObjectPlan): Promise<ObjectOutcome> {
  const stage = new ObjectStage(plan);
  const { random, places } = stage;
  const comesAsTheyRing = plan.seed % 3 === 0;
  const comesTwice = plan.seed % 3 === 2 && plan.count > 1;
  try {
    await stage.connect();
    await stage.serve();
    let last: End | undefined;
    for (let kills = comesTwice ? 2 : 1; kills < plan.count; kills++) {
      stage.lived(last, stage.begin(true));
      await sleep(random.below(moments));
      last = await stage.kill();
      await stage.serve();
    }
    stage.lived(last, stage.begin(true));
    await sleep(longer + random.below(moments));
    await until(() => places.every(({ load }) => load.hasBegun), "a run has not begun");
    if (comesAsTheyRing) {
      await Promise.all(places.map(({ load }) => load.stop()));
      await untilRinging(stage);
    }
    last = await stage.kill();
    await stage.serve();
    let again: End | undefined;
    if (comesTwice) {
      await untilRinging(stage);
      again = await stage.kill();
      await stage.serve();
    }
    await sleep(silence);
    stage.lived(last, Date.now(), true);
    stage.lived(again, Date.now());
    const judged = await stage.judge();
    return { kills: plan.count, silences: 1, aborts: 0, evictions: 0, ...judged };
  } finally {
    await stage.destroy();
  }
}

/** Waits until the first alarm rings in this process, and some milliseconds more. */
async function untilRinging({ server, random }: ObjectStage): Promise<void> {
  await until(() => server.output.includes("rings"), "no alarm has rung");
  await sleep(random.below(ringing));
}

/**
 * Evicts objects again and again, which their clients must not notice. Then ends all of them at once while they work, and
 * begins anew: `plan.count` times.
 */
export async function evictRound(plan: ObjectPlan): Promise<ObjectOutcome> {
  const stage = new ObjectStage(plan);
  const { random, places, clients, wrong } = stage;
  try {
    await stage.connect(true);
    await stage.serve();
    let last: End | undefined;
    for (let aborts = 0; aborts < plan.count; aborts++) {
      stage.lived(last, stage.begin(false));
      await until(() => clients.every(({ isConnected }) => isConnected), "a client has not connected");
      const connections = (): string => clients.map(({ connections }) => connections).join();
      const before = connections();
      await Promise.all(places.map((place) => evictAgain(stage, place)));
      for (const { name, clients } of places)
        wrong.push(...judgePresence(clients, await stage.present(name)).map((fault) => `${name}: ${fault}`));
      if (connections() !== before)
        wrong.push(`clients had ${before} connections, and have ${connections()}`);
      stage.begin(true);
      await sleep(random.below(moments));
      last = await stage.abort();
    }
    stage.lived(last, Date.now());
    const evictions = plan.count * evictionsEach * places.length;
    return { kills: 0, silences: 0, aborts: plan.count, evictions, ...(await stage.judge()) };
  } finally {
    await stage.destroy();
  }
}

async function evictAgain(stage: ObjectStage, { name, load }: Place): Promise<void> {
  const { below, chance } = stage.random;
  for (let evictions = 0; evictions < evictionsEach; evictions++) {
    if (evictions > 0) load.begin({ url: stage.server.url, life: 0, hasEndlessRun: false });
    await sleep(below(moments));
    await load.stop();
    const evicting = stage.post(`evict/${name}`);
    // Something may come while the object is about to be dropped.
    if (chance(0.5)) {
      await sleep(below(waits));
      await load.publish();
    }
    await evicting;
  }
}

/** Waits until it is so, and rejects if it takes too long. */
async function until(isSo: () => boolean, otherwise: string): Promise<void> {
  for (const began = performance.now(); !isSo(); ) {
    if (performance.now() - began > patience) throw new Error(otherwise);
    await sleep(2);
  }
}
