import { setTimeout as sleep } from "node:timers/promises";
import type { Position } from "../../src/mod.ts";
import type { Random } from "../simulation/random.ts";
import type { Promised } from "./crash-judge.ts";
import type { Burst, RunPlan } from "./crash-object.ts";

/** What an object has answered, so that it has to be there in each later life. */
export interface Answered extends Promised {
  /** The runs whose first event was said to be in the log. */
  readonly begun: readonly string[];
  /** The positions that keys were said to have. */
  readonly keyed: ReadonlyMap<string, Position>;
  /** The offsets of the confirmed publications that nobody receives. */
  readonly lonely: readonly number[];
}

/** How an object works in one life. */
export interface LoadOptions {
  /** The address of the server. */
  readonly url: string;
  /** The number of the life. */
  readonly life: number;
  /** Whether one run works until the life ends. */
  readonly hasEndlessRun: boolean;
}

/** The most requests of a kind that are under way at a time. */
const atOnce = 4;
/** Milliseconds in which the answers of a killed process arrive. */
const onTheWay = 500;

/** Publishes to an object, and starts runs there, until its server is gone. It notes what was answered. */
export class ObjectLoad implements Answered {
  readonly name: string;
  readonly published: ({ n: number } & Position)[] = [];
  readonly ended: string[] = [];
  readonly begun: string[] = [];
  readonly keyed = new Map<string, Position>();
  readonly lonely: number[] = [];
  readonly faults: string[] = [];
  /** Whether the endless run of this life works. */
  hasBegun = false;
  readonly #random: Random;
  /** The keys whose publication was not answered. */
  #doubtful: string[] = [];
  #options: LoadOptions = { url: "", life: 0, hasEndlessRun: false };
  #isOver = true;
  #mayFail = false;
  #connection = new AbortController();
  #work: Promise<unknown> = Promise.resolve();
  #count = 0;

  constructor(name: string, random: Random) {
    this.name = name;
    this.#random = random;
  }

  /** Works in a new life, or goes on in the same one. */
  begin(options: LoadOptions): void {
    this.#options = options;
    this.#isOver = this.#mayFail = this.hasBegun = false;
    this.#connection = new AbortController();
    const { below } = this.#random;
    const endless = options.hasEndlessRun ? this.#run({ isEndless: true }) : undefined;
    this.#work = Promise.all([
      endless,
      this.#retry(),
      this.#repeat(8, () => this.publish()),
      this.#repeat(30, () => this.#key()),
      this.#repeat(40, () => this.#run({ isEndless: false })),
      this.#repeat(60, async () => {
        const position = await this.#post<Position>(`objects/${this.name}/lonely`, 1 + below(400));
        if (position !== undefined) this.lonely.push(position.offset);
      }),
    ]);
  }

  /** Requests may fail from now on, because the server is about to end. */
  expectEnd(): void {
    this.#mayFail = true;
  }

  /** Begins nothing more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#work;
  }

  /** Waits for the answers that are on their way, and gives the others up: not every request to a killed process fails. */
  async hangUp(): Promise<void> {
    const late = setTimeout(() => this.#connection.abort(), onTheWay);
    await this.stop();
    clearTimeout(late);
  }

  /** Publishes a burst. */
  async publish(): Promise<void> {
    const { below, chance } = this.#random;
    const burst: Burst = Array.from({ length: 1 + below(20) }, () => ({
      length: below(500),
      confirm: chance(0.1),
    }));
    const positions = await this.#post<typeof this.published>(`objects/${this.name}/publish`, burst);
    this.published.push(...(positions ?? []));
  }

  /** Acts again and again, with pauses of up to `pause` milliseconds. Some actions overlap. */
  async #repeat(pause: number, act: () => Promise<void>): Promise<void> {
    const { below, chance } = this.#random;
    const underWay = new Set<Promise<void>>();
    while (!this.#isOver) {
      const acting = act();
      underWay.add(acting);
      void acting.finally(() => underWay.delete(acting));
      if (underWay.size >= atOnce || chance(0.5)) await acting;
      await sleep(below(pause));
    }
    await Promise.all(underWay);
  }

  /** Publishes under a new key, or under one that was answered: that must be answered as before. */
  async #key(): Promise<void> {
    const { below, chance } = this.#random;
    const known = [...this.keyed.keys()];
    const isNew = known.length === 0 || chance(0.8);
    const key = isNew ? `${this.name}-${++this.#count}` : (known[below(known.length)] as string);
    await this.#publishKeyed(key);
  }

  /** Publishes once more what was not answered. */
  async #retry(): Promise<void> {
    const keys = this.#doubtful;
    this.#doubtful = [];
    for (const key of keys) await this.#publishKeyed(key);
  }

  async #publishKeyed(key: string): Promise<void> {
    const position = await this.#post<Position>(`keyed/${this.name}`, key);
    if (position === undefined) return void this.#doubtful.push(key);
    const { offset, epoch } = this.keyed.get(key) ?? position;
    if (position.offset !== offset || position.epoch !== epoch)
      this.faults.push(
        `${key} was at ${offset} of ${epoch}, and is at ${position.offset} of ${position.epoch}`,
      );
    this.keyed.set(key, position);
  }

  async #run({ isEndless }: Pick<RunPlan, "isEndless">): Promise<void> {
    const { below } = this.#random;
    const id = `${this.name}-${this.#options.life}-${++this.#count}`;
    const plan: RunPlan = {
      id,
      isEndless,
      pauses: Array.from({ length: 1 + below(5) }, () => 1 + below(30)),
    };
    if ((await this.#post(`objects/${this.name}/run`, plan)) === undefined) return;
    this.begun.push(id);
    if (isEndless) this.hasBegun = true;
    // A life that has not begun the run does not know it.
    else if ((await this.#post(`objects/${this.name}/result`, id)) === id) this.ended.push(id);
  }

  /** Returns the answer. Undefined if there is none, which is a fault unless the server is about to end. */
  async #post<T>(path: string, body: unknown): Promise<T | undefined> {
    try {
      const response = await fetch(`${this.#options.url}/${path}`, {
        method: "POST",
        body: JSON.stringify(body),
        signal: this.#connection.signal,
      });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    } catch (error) {
      if (!this.#mayFail) this.faults.push(`${path} failed: ${(error as Error).cause ?? error}`);
      this.#isOver = true;
      return undefined;
    }
  }
}
